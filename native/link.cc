#include "link.h"

#include <bpf/bpf.h>
#include <net/if.h>

#include "netns.h"
#include "program.h"
#include "task.h"

namespace sluice {

std::vector<LinkHandle::Descriptor> LinkHandle::methods() {
    return {method<&LinkHandle::info>("info"), method<&LinkHandle::pin>("pin"), method<&LinkHandle::update>("update"),
            method<&LinkHandle::detach>("detach")};
}

Napi::Value LinkHandle::info(const Arguments &arguments) {
    const auto link = resource();
    bpf_link_info info = {};
    __u32 length = sizeof(info);
    check(bpf_obj_get_info_by_fd(link->number(), &info, &length), "bpf_obj_get_info_by_fd");
    Napi::Object out = Napi::Object::New(arguments.env());
    out.Set("id", info.id);
    out.Set("programId", info.prog_id);
    out.Set("ifindex", info.xdp.ifindex); // first in the part of tcx links too
    return out;
}

Napi::Value LinkHandle::pin(const Arguments &arguments) {
    const auto link = resource();
    check(bpf_obj_pin(link->number(), arguments.text(0, "path").c_str()), "bpf_obj_pin");
    return arguments.env().Undefined();
}

Napi::Value LinkHandle::update(const Arguments &arguments) {
    const auto link = resource();
    const auto program = arguments.handle<ProgramHandle>(0, "program").resource();
    check(bpf_link_update(link->number(), program->number(), nullptr), "bpf_link_update");
    return arguments.env().Undefined();
}

Napi::Value LinkHandle::detach(const Arguments &arguments) {
    check(bpf_link_detach(resource()->number()), "bpf_link_detach");
    return arguments.env().Undefined();
}

namespace {

// In the headers of Linux 6.6 and later only.
constexpr int kTcxEgress = 47;

// A link of the program to a hook of the device, made by a thread in the namespace.
Napi::Value attach(const Arguments &arguments, bpf_attach_type type, std::uint32_t flags, const std::string &netns) {
    const auto program = arguments.handle<ProgramHandle>(0, "program").resource();
    const int ifindex = static_cast<int>(arguments.number(1, "ifindex", 1, INT32_MAX));
    return Task<std::shared_ptr<Fd>>::start(
        arguments.env(),
        [program, ifindex, type, flags, netns] {
            auto link = std::make_shared<Fd>();
            in_namespace(netns, [&] {
                DECLARE_LIBBPF_OPTS(bpf_link_create_opts, options);
                options.flags = flags;
                const int number = bpf_link_create(program->number(), ifindex, type, &options);
                const int code = errno;
                // For a device that is not there the kernel says EINVAL, as for much else.
                char name[IF_NAMESIZE];
                if (number < 0 && code == EINVAL && ::if_indextoname(static_cast<unsigned>(ifindex), name) == nullptr)
                    fail("bpf_link_create", ENODEV);
                if (number < 0)
                    fail("bpf_link_create", code);
                *link = Fd(number);
            });
            return link;
        },
        [](Napi::Env env, std::shared_ptr<Fd> &link) { return LinkHandle::wrap(env, std::move(link)); });
}

} // namespace

Napi::Value attach_xdp(const Arguments &arguments) {
    return attach(arguments, BPF_XDP, arguments.word(2, "flags"), arguments.text(3, "netns", true));
}

Napi::Value attach_egress(const Arguments &arguments) {
    return attach(arguments, static_cast<bpf_attach_type>(kTcxEgress), 0, arguments.text(2, "netns", true));
}

} // namespace sluice
