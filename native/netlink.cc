#include "netlink.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "fd.h"
#include "netns.h"
#include "task.h"

namespace sluice {

namespace {

using Messages = std::vector<std::uint8_t>;
constexpr int kMaxAttempts = 8;
constexpr std::size_t kDatagram = 64 * 1024; // the kernel fills at most 32 KiB for a dump
constexpr int kTimeoutSeconds = 5;

constexpr std::size_t kMaxBody = 64;
constexpr std::uint16_t kTrackedConnections = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET;

// One dump; false where the kernel says that something changed meanwhile and the result may be inconsistent.
bool dump(int protocol, std::uint16_t type, const Messages &body, Messages &out) {
    const Fd socket = Fd::from(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), "socket");
    const timeval timeout = {kTimeoutSeconds, 0};
    check(::setsockopt(socket.number(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)), "setsockopt");
    nlmsghdr header = {};
    header.nlmsg_len = static_cast<__u32>(sizeof(header) + body.size());
    header.nlmsg_type = type;
    header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    header.nlmsg_seq = 1;
    Messages request(header.nlmsg_len);
    std::memcpy(request.data(), &header, sizeof(header));
    std::copy(body.begin(), body.end(), request.begin() + sizeof(header));
    sockaddr_nl kernel = {};
    kernel.nl_family = AF_NETLINK;
    check(static_cast<int>(::sendto(socket.number(), request.data(), request.size(), 0,
                                    reinterpret_cast<sockaddr *>(&kernel), sizeof(kernel))),
          "sendto");
    out.clear();
    bool consistent = true;
    Messages datagram(kDatagram);
    for (;;) {
        const ssize_t length = ::recv(socket.number(), datagram.data(), datagram.size(), MSG_TRUNC);
        if (length < 0 && errno == EINTR)
            continue;
        check(static_cast<int>(length), "recv");
        if (static_cast<std::size_t>(length) > datagram.size())
            fail("recv", EMSGSIZE);
        for (std::size_t at = 0; at + sizeof(nlmsghdr) <= static_cast<std::size_t>(length);) {
            nlmsghdr header;
            std::memcpy(&header, datagram.data() + at, sizeof(header));
            if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > length - at)
                fail("recv", EPROTO);
            if ((header.nlmsg_flags & NLM_F_DUMP_INTR) != 0)
                consistent = false;
            if (header.nlmsg_type == NLMSG_ERROR || header.nlmsg_type == NLMSG_DONE) {
                std::int32_t code = 0;
                if (header.nlmsg_len >= sizeof(header) + sizeof(code))
                    std::memcpy(&code, datagram.data() + at + sizeof(header), sizeof(code));
                if (code < 0)
                    fail("netlink", -code);
                return consistent;
            }
            out.insert(out.end(), datagram.data() + at, datagram.data() + at + header.nlmsg_len);
            out.resize((out.size() + 3) / 4 * 4);
            at += NLMSG_ALIGN(header.nlmsg_len);
        }
    }
}

} // namespace

Napi::Value netlink_dump(const Arguments &arguments) {
    const auto protocol = static_cast<int>(arguments.number(0, "protocol", 0, MAX_LINKS - 1));
    const auto type = static_cast<std::uint16_t>(arguments.number(1, "type", NLMSG_MIN_TYPE, UINT16_MAX));
    const Messages body = arguments.bytes(2, "body").copy();
    const std::string netns = arguments.text(3, "netns", true);
    // Requests for a dump are the third of each four message types (RTM_NEW, DEL, GET, SET), and of netfilter's one is
    // known to change nothing: nothing else is sent.
    arguments.require(protocol == NETLINK_ROUTE || protocol == NETLINK_NETFILTER, "protocol", "is none that is asked");
    arguments.require(protocol == NETLINK_ROUTE ? type % 4 == 2 : type == kTrackedConnections, "type",
                      "is no request for a dump");
    arguments.require(!body.empty() && body.size() <= kMaxBody, "body", "has not the length of a request");
    return Task<Messages>::start(
        arguments.env(),
        [protocol, type, body, netns] {
            Messages out;
            in_namespace(netns, [&] {
                for (int i = 0; i < kMaxAttempts; i++)
                    if (dump(protocol, type, body, out))
                        return;
                fail("netlink", EAGAIN);
            });
            return out;
        },
        [](Napi::Env env, Messages &out) { return to_bytes(env, out.data(), out.size()); });
}

} // namespace sluice
