#include "wire.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#include <chrono>
#include <cstring>

#include "fd.h"
#include "netns.h"
#include "task.h"

namespace sluice {

namespace {

constexpr std::size_t kLeastFrame = 14;
constexpr std::size_t kMostFrame = 65536;
constexpr std::uint32_t kMostMilliseconds = 60'000;

using Frame = std::vector<std::uint8_t>;
using Clock = std::chrono::steady_clock;

// One end: a packet socket bound to a device. A protocol of 0 receives nothing.
Fd open_end(std::uint32_t ifindex, const std::string &netns, std::uint16_t protocol) {
    Fd end;
    in_namespace(netns, [&] {
        // Bound before it receives anything, so that it sees no other device's frames.
        end = Fd::from(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), "socket");
        sockaddr_ll address = {};
        address.sll_family = AF_PACKET;
        address.sll_protocol = __builtin_bswap16(protocol);
        address.sll_ifindex = static_cast<int>(ifindex);
        check(::bind(end.number(), reinterpret_cast<sockaddr *>(&address), sizeof(address)), "bind");
    });
    return end;
}

// Keeps this thread on the CPU it is on: frames that wait on the way wait in a queue of that CPU, in order.
class Pinned {
  public:
    Pinned() {
        check(::sched_getaffinity(0, sizeof(before_), &before_), "sched_getaffinity");
        cpu_set_t here;
        CPU_ZERO(&here);
        CPU_SET(check(::sched_getcpu(), "sched_getcpu"), &here);
        check(::sched_setaffinity(0, sizeof(here), &here), "sched_setaffinity");
    }
    ~Pinned() {
        ::sched_setaffinity(0, sizeof(before_), &before_);
    }
    Pinned(const Pinned &) = delete;
    Pinned &operator=(const Pinned &) = delete;

  private:
    cpu_set_t before_;
};

// The next frame, or ETIMEDOUT.
Frame receive(int socket, Clock::time_point deadline) {
    for (;;) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
        if (left < 0)
            fail("recv", ETIMEDOUT);
        pollfd waiting = {socket, POLLIN, 0};
        const int ready = ::poll(&waiting, 1, static_cast<int>(left));
        if (ready < 0 && errno != EINTR)
            fail("poll", errno);
        if (ready <= 0)
            continue;
        Frame frame(kMostFrame);
        const ssize_t length = ::recv(socket, frame.data(), frame.size(), MSG_DONTWAIT);
        if (length < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        frame.resize(static_cast<std::size_t>(check(static_cast<int>(length), "recv")));
        return frame;
    }
}

} // namespace

// Of each frame whether it arrived before the last one did; the last one has to.
Napi::Value exchange_frames(const Arguments &arguments) {
    const auto from = static_cast<std::uint32_t>(arguments.number(0, "fromIfindex", 1, INT32_MAX));
    const std::string from_netns = arguments.text(1, "fromNetns", true);
    const auto to = static_cast<std::uint32_t>(arguments.number(2, "toIfindex", 1, INT32_MAX));
    const std::string to_netns = arguments.text(3, "toNetns", true);
    const Bytes bytes = arguments.bytes(4, "frames");
    const std::vector<std::uint32_t> lengths = arguments.words(5, "lengths");
    const auto timeout = static_cast<std::uint32_t>(arguments.number(6, "timeoutMs", 1, kMostMilliseconds));
    std::uint64_t total = 0;
    for (const std::uint32_t length : lengths) {
        arguments.require(length >= kLeastFrame && length <= kMostFrame, "lengths",
                          "holds a frame of less than 14 bytes or more than 65536");
        total += length;
    }
    arguments.require(!lengths.empty(), "lengths", "is empty");
    arguments.require(total == bytes.length, "lengths", "do not add up to the length of frames");
    return Task<std::vector<std::uint8_t>>::start(
        arguments.env(),
        [=, bytes = bytes.copy()] {
            std::vector<Frame> frames;
            const std::uint8_t *at = bytes.data();
            for (const std::uint32_t length : lengths) {
                frames.emplace_back(at, at + length);
                at += length;
            }
            const Fd receiver = open_end(to, to_netns, ETH_P_ALL);
            const Fd sender = open_end(from, from_netns, 0);
            const Pinned pinned;
            for (const Frame &frame : frames) {
                // A frame that a hook for what goes out drops comes back as ENOBUFS: it does not arrive, no more.
                if (::send(sender.number(), frame.data(), frame.size(), 0) < 0 && errno != ENOBUFS)
                    fail("send", errno);
            }
            std::vector<std::uint8_t> arrived(frames.size());
            const auto deadline = Clock::now() + std::chrono::milliseconds(timeout);
            while (!arrived.back()) {
                const Frame seen = receive(receiver.number(), deadline);
                for (std::size_t i = 0; i < frames.size(); i++) {
                    if (!arrived[i] && frames[i] == seen) {
                        arrived[i] = 1;
                        break;
                    }
                }
            }
            return arrived;
        },
        [](Napi::Env env, std::vector<std::uint8_t> &arrived) -> Napi::Value {
            return to_bytes(env, arrived.data(), arrived.size());
        });
}

} // namespace sluice
