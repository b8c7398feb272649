#include "probe.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>

#include <climits>
#include <cstring>

#include "fd.h"
#include "link.h"
#include "map.h"
#include "netns.h"
#include "program.h"
#include "task.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

namespace sluice {

namespace {

constexpr std::size_t kMaxFile = 256 * 1024 * 1024;

std::vector<std::uint8_t> read_all(const std::string &path) {
    const Fd file = Fd::from(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK), "open");
    struct stat status = {};
    check(::fstat(file.number(), &status), "fstat");
    if (!S_ISREG(status.st_mode))
        fail("open", EINVAL); // a device might never end
    std::vector<std::uint8_t> out;
    std::size_t used = 0;
    for (;;) {
        out.resize(used + 64 * 1024);
        const ssize_t length = ::read(file.number(), out.data() + used, out.size() - used);
        if (length < 0 && errno == EINTR)
            continue;
        if (length < 0)
            fail("read", errno);
        used += static_cast<std::size_t>(length);
        if (length == 0)
            break;
        if (used > kMaxFile)
            fail("read", EFBIG);
    }
    out.resize(used);
    return out;
}

std::uint64_t cookie_here() {
    const Fd socket = Fd::from(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
    std::uint64_t cookie = 0;
    socklen_t length = sizeof(cookie);
    check(::getsockopt(socket.number(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &length), "getsockopt");
    return cookie;
}

// A pinned object of the kind whose descriptors /proc names so; the information call alone does not tell them apart.
Fd open_pinned(const std::string &path, const char *kind) {
    Fd fd = Fd::from(bpf_obj_get(path.c_str()), "bpf_obj_get");
    char target[64] = {};
    const std::string entry = "/proc/self/fd/" + std::to_string(fd.number());
    check(static_cast<int>(::readlink(entry.c_str(), target, sizeof(target) - 1)), "readlink");
    if (std::strstr(target, kind) == nullptr)
        fail("bpf_obj_get", EMEDIUMTYPE);
    return fd;
}

template <class Next> Napi::Value ids(Napi::Env env, Next next) {
    Napi::Array out = Napi::Array::New(env);
    __u32 id = 0;
    while (next(id, &id) == 0)
        out.Set(out.Length(), Napi::Number::New(env, id));
    if (errno != ENOENT)
        fail("get_next_id", errno);
    return out;
}

} // namespace

Napi::Value netns_cookie(const Arguments &arguments) {
    const std::string netns = arguments.text(0, "netns", true);
    return Task<std::uint64_t>::start(
        arguments.env(),
        [netns] {
            std::uint64_t cookie = 0;
            in_namespace(netns, [&] { cookie = cookie_here(); });
            return cookie;
        },
        [](Napi::Env env, std::uint64_t &cookie) { return Napi::BigInt::New(env, cookie); });
}

Napi::Value read_file_in(const Arguments &arguments) {
    const std::string path = arguments.text(0, "path");
    const std::string netns = arguments.text(1, "netns", true);
    using Content = std::vector<std::uint8_t>;
    return Task<Content>::start(
        arguments.env(),
        [path, netns] {
            Content out;
            in_namespace(netns, [&] { out = read_all(path); });
            return out;
        },
        [](Napi::Env env, Content &out) { return to_bytes(env, out.data(), out.size()); });
}

Napi::Value is_bpffs(const Arguments &arguments) {
    struct statfs status = {};
    if (::statfs(arguments.text(0, "path").c_str(), &status) < 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            return Napi::Boolean::New(arguments.env(), false);
        fail("statfs", errno);
    }
    return Napi::Boolean::New(arguments.env(), static_cast<std::uint32_t>(status.f_type) == BPF_FS_MAGIC);
}

Napi::Value mount_bpffs(const Arguments &arguments) {
    const std::string path = arguments.text(0, "path");
    const std::string options = arguments.text(1, "options", true);
    check(::mount("bpf", path.c_str(), "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, options.c_str()), "mount");
    return arguments.env().Undefined();
}

Napi::Value membarrier(const Arguments &arguments) {
    const int command = static_cast<int>(arguments.number(0, "command", 0, INT32_MAX));
    return Task<int>::start(
        arguments.env(),
        [command] { return check(static_cast<int>(::syscall(SYS_membarrier, command, 0, 0)), "membarrier"); },
        [](Napi::Env env, int &result) { return Napi::Number::New(env, result); });
}

Napi::Value possible_cpus(const Arguments &arguments) {
    return Napi::Number::New(arguments.env(), check(libbpf_num_possible_cpus(), "possible cpus"));
}

Napi::Value boot_time(const Arguments &arguments) {
    timespec now = {};
    check(::clock_gettime(CLOCK_BOOTTIME, &now), "clock_gettime");
    const std::uint64_t nanoseconds =
        static_cast<std::uint64_t>(now.tv_sec) * 1000000000u + static_cast<std::uint64_t>(now.tv_nsec);
    return Napi::BigInt::New(arguments.env(), nanoseconds);
}

Napi::Value peer_of(const Arguments &arguments) {
    ucred peer = {};
    socklen_t size = sizeof(peer);
    const int descriptor = static_cast<int>(arguments.number(0, "descriptor", 0, INT_MAX));
    check(::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size), "getsockopt SO_PEERCRED");
    Napi::Object out = Napi::Object::New(arguments.env());
    out.Set("pid", Napi::Number::New(arguments.env(), peer.pid));
    out.Set("uid", Napi::Number::New(arguments.env(), peer.uid));
    out.Set("gid", Napi::Number::New(arguments.env(), peer.gid));
    return out;
}

Napi::Value libbpf_version(const Arguments &arguments) {
    return Napi::String::New(arguments.env(), libbpf_version_string());
}

Napi::Value object_ids(const Arguments &arguments) {
    Napi::Object out = Napi::Object::New(arguments.env());
    out.Set("maps", ids(arguments.env(), bpf_map_get_next_id));
    out.Set("programs", ids(arguments.env(), bpf_prog_get_next_id));
    out.Set("links", ids(arguments.env(), bpf_link_get_next_id));
    return out;
}

// Loads "return 0" as the given kind of program and lets it go again: null where the kernel takes it, else the errno.
Napi::Value program_loads(const Arguments &arguments) {
    const auto type = static_cast<bpf_prog_type>(arguments.word(0, "type"));
    DECLARE_LIBBPF_OPTS(bpf_prog_load_opts, options);
    options.expected_attach_type = static_cast<bpf_attach_type>(arguments.word(1, "attachType"));
    options.prog_flags = arguments.word(2, "flags");
    bpf_insn instructions[2] = {};
    instructions[0].code = BPF_ALU64 | BPF_MOV | BPF_K;
    instructions[1].code = BPF_JMP | BPF_EXIT;
    const PrintSink quiet;
    const Fd fd(bpf_prog_load(type, nullptr, "GPL", instructions, 2, &options));
    if (fd.number() >= 0)
        return arguments.env().Null();
    return Napi::Number::New(arguments.env(), errno);
}

// Asks what is attached at a hook of a device: null where the kernel knows the hook, else the errno.
Napi::Value hook_exists(const Arguments &arguments) {
    const int ifindex = static_cast<int>(arguments.number(0, "ifindex", 1, INT32_MAX));
    const auto hook = static_cast<bpf_attach_type>(arguments.word(1, "attachType"));
    __u32 count = 0;
    if (bpf_prog_query(ifindex, hook, 0, nullptr, nullptr, &count) == 0)
        return arguments.env().Null();
    return Napi::Number::New(arguments.env(), errno);
}

Napi::Value open_pinned_map(const Arguments &arguments) {
    return MapHandle::wrap(arguments.env(), adopt_map(open_pinned(arguments.text(0, "path"), "map")));
}

Napi::Value open_pinned_program(const Arguments &arguments) {
    return ProgramHandle::wrap(arguments.env(), std::make_shared<Fd>(open_pinned(arguments.text(0, "path"), "prog")));
}

Napi::Value open_map_by_id(const Arguments &arguments) {
    const int number = bpf_map_get_fd_by_id(arguments.word(0, "id"));
    return MapHandle::wrap(arguments.env(), adopt_map(Fd::from(number, "bpf_map_get_fd_by_id")));
}

Napi::Value open_program_by_id(const Arguments &arguments) {
    const int number = bpf_prog_get_fd_by_id(arguments.word(0, "id"));
    return ProgramHandle::wrap(arguments.env(), std::make_shared<Fd>(Fd::from(number, "bpf_prog_get_fd_by_id")));
}

Napi::Value open_pinned_link(const Arguments &arguments) {
    return LinkHandle::wrap(arguments.env(), std::make_shared<Fd>(open_pinned(arguments.text(0, "path"), "link")));
}

} // namespace sluice
