#include "clsact.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>
#include <sched.h>

#include <exception>
#include <thread>

#include "fd.h"
#include "netns.h"
#include "program.h"
#include "task.h"

namespace sluice {

namespace {

constexpr int kLoopback = 1;
// Name of the program that is loaded to try.
constexpr char kProbe[] = "slc_try_clsact";

// Where a program hangs; without `both` its egress hook alone.
bpf_tc_hook hook_of(int ifindex, bool both = false) {
    bpf_tc_hook hook = {};
    hook.sz = sizeof(hook);
    hook.ifindex = ifindex;
    hook.attach_point = both ? static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS) : BPF_TC_EGRESS;
    return hook;
}

bool device_exists(int ifindex) {
    char name[IF_NAMESIZE];
    return ::if_indextoname(static_cast<unsigned>(ifindex), name) != nullptr;
}

// libbpf says it by return value; for a device that is not there the kernel's errno can be that of much else.
[[noreturn]] void fail_on(int ifindex, const char *operation, int result) {
    fail(operation, device_exists(ifindex) ? -result : ENODEV);
}

bool make_here(int ifindex) {
    bpf_tc_hook hook = hook_of(ifindex);
    const int result = bpf_tc_hook_create(&hook);
    if (result == -EEXIST)
        return false;
    if (result < 0)
        fail_on(ifindex, "bpf_tc_hook_create", result);
    return true;
}

void attach_here(int program, int ifindex, std::uint32_t priority, std::uint32_t handle, bool replace) {
    const bpf_tc_hook hook = hook_of(ifindex);
    DECLARE_LIBBPF_OPTS(bpf_tc_opts, options);
    options.prog_fd = program;
    options.priority = priority;
    options.handle = handle;
    options.flags = replace ? BPF_TC_F_REPLACE : 0;
    const int result = bpf_tc_attach(&hook, &options);
    if (result < 0)
        fail_on(ifindex, "bpf_tc_attach", result);
}

int device(const Arguments &arguments, std::size_t index) {
    return static_cast<int>(arguments.number(index, "ifindex", 1, INT32_MAX));
}

std::uint32_t priority_at(const Arguments &arguments, std::size_t index) {
    return static_cast<std::uint32_t>(arguments.number(index, "priority", 1, UINT16_MAX));
}

std::uint32_t handle_at(const Arguments &arguments, std::size_t index) {
    return static_cast<std::uint32_t>(arguments.number(index, "handle", 1, UINT32_MAX));
}

// `work` by a thread in the namespace, without libbpf's words on the terminal; a promise of what it returns.
Napi::Value ask(const Arguments &arguments, const std::string &netns, std::function<bool()> work) {
    return Task<bool>::start(
        arguments.env(),
        [netns, work] {
            bool answer = false;
            in_namespace(netns, [&] {
                const PrintSink quiet;
                answer = work();
            });
            return answer;
        },
        [](Napi::Env env, bool &answer) { return Napi::Boolean::New(env, answer); });
}

} // namespace

Napi::Value make_clsact(const Arguments &arguments) {
    const int ifindex = device(arguments, 0);
    return ask(arguments, arguments.text(1, "netns", true), [ifindex] { return make_here(ifindex); });
}

Napi::Value remove_clsact(const Arguments &arguments) {
    const int ifindex = device(arguments, 0);
    return ask(arguments, arguments.text(1, "netns", true), [ifindex] {
        // Of the egress hook alone libbpf would remove the filters and leave the discipline.
        bpf_tc_hook hook = hook_of(ifindex, true);
        const int result = bpf_tc_hook_destroy(&hook);
        if (result == -ENOENT || result == -EINVAL)
            return false;
        if (result < 0)
            fail_on(ifindex, "bpf_tc_hook_destroy", result);
        return true;
    });
}

Napi::Value attach_filter(const Arguments &arguments) {
    const auto program = arguments.handle<ProgramHandle>(0, "program").resource();
    const int ifindex = device(arguments, 1);
    const std::uint32_t priority = priority_at(arguments, 2);
    const std::uint32_t handle = handle_at(arguments, 3);
    const bool replace = arguments.flag(4, "replace");
    return ask(arguments, arguments.text(5, "netns", true), [program, ifindex, priority, handle, replace] {
        attach_here(program->number(), ifindex, priority, handle, replace);
        return true;
    });
}

Napi::Value detach_filter(const Arguments &arguments) {
    const int ifindex = device(arguments, 0);
    const std::uint32_t priority = priority_at(arguments, 1);
    const std::uint32_t handle = handle_at(arguments, 2);
    return ask(arguments, arguments.text(3, "netns", true), [ifindex, priority, handle] {
        const bpf_tc_hook hook = hook_of(ifindex);
        DECLARE_LIBBPF_OPTS(bpf_tc_opts, options);
        options.priority = priority;
        options.handle = handle;
        const int result = bpf_tc_detach(&hook, &options);
        // ENOENT: no such filter; EINVAL: no discipline that it could hang on.
        if (result == -ENOENT || result == -EINVAL)
            return false;
        if (result < 0)
            fail_on(ifindex, "bpf_tc_detach", result);
        return true;
    });
}

Napi::Value clsact_works(const Arguments &arguments) {
    return Task<int>::start(
        arguments.env(),
        [] {
            int code = 0;
            std::thread([&code] {
                try {
                    const PrintSink quiet;
                    check(::unshare(CLONE_NEWNET), "unshare");
                    bpf_insn instructions[2] = {};
                    instructions[0].code = BPF_ALU64 | BPF_MOV | BPF_K;
                    instructions[1].code = BPF_JMP | BPF_EXIT;
                    const Fd program = Fd::from(
                        bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, kProbe, "GPL", instructions, 2, nullptr), "bpf");
                    make_here(kLoopback);
                    attach_here(program.number(), kLoopback, 1, 1, false);
                } catch (const Failure &failure) {
                    code = failure.code;
                } catch (...) {
                    code = ENOMEM;
                }
            }).join();
            return code;
        },
        [](Napi::Env env, int &code) { return code == 0 ? env.Null() : Napi::Value(Napi::Number::New(env, code)); });
}

} // namespace sluice
