#include "program.h"

#include <bpf/bpf.h>

#include <cstdio>
#include <cstring>

namespace sluice {

namespace {

Napi::Value describe(Napi::Env env, int fd) {
    bpf_prog_info info = {};
    __u32 length = sizeof(info);
    check(bpf_obj_get_info_by_fd(fd, &info, &length), "bpf_obj_get_info_by_fd");
    // The maps of a program never change in number; the second call only fills them in.
    std::vector<__u32> maps(info.nr_map_ids);
    if (!maps.empty()) {
        info = {};
        info.nr_map_ids = static_cast<__u32>(maps.size());
        info.map_ids = reinterpret_cast<std::uintptr_t>(maps.data());
        length = sizeof(info);
        check(bpf_obj_get_info_by_fd(fd, &info, &length), "bpf_obj_get_info_by_fd");
    }
    char tag[2 * sizeof(info.tag) + 1];
    for (std::size_t i = 0; i < sizeof(info.tag); i++)
        std::snprintf(tag + 2 * i, 3, "%02x", info.tag[i]);
    Napi::Array ids = Napi::Array::New(env, maps.size());
    for (std::size_t i = 0; i < maps.size(); i++)
        ids.Set(static_cast<std::uint32_t>(i), Napi::Number::New(env, maps[i]));
    Napi::Object out = Napi::Object::New(env);
    out.Set("id", info.id);
    out.Set("type", info.type);
    out.Set("name", std::string(info.name, strnlen(info.name, sizeof(info.name))));
    out.Set("tag", std::string(tag));
    out.Set("loadedAtNs", Napi::BigInt::New(env, static_cast<std::uint64_t>(info.load_time)));
    out.Set("mapIds", ids);
    return out;
}

} // namespace

std::vector<ProgramHandle::Descriptor> ProgramHandle::methods() {
    return {method<&ProgramHandle::info>("info"), method<&ProgramHandle::pin>("pin"),
            method<&ProgramHandle::test_run>("testRun"), method<&ProgramHandle::test_run_batch>("testRunBatch"),
            method<&ProgramHandle::inject_live>("injectLive")};
}

Napi::Value ProgramHandle::info(const Arguments &arguments) {
    return describe(arguments.env(), resource()->number());
}

Napi::Value ProgramHandle::pin(const Arguments &arguments) {
    const auto program = resource();
    check(bpf_obj_pin(program->number(), arguments.text(0, "path").c_str()), "bpf_obj_pin");
    return arguments.env().Undefined();
}

Napi::Value program_info(const Arguments &arguments) {
    const int number = bpf_prog_get_fd_by_id(arguments.word(0, "id"));
    if (number < 0 && errno == ENOENT)
        return arguments.env().Null();
    const Fd fd = Fd::from(number, "bpf_prog_get_fd_by_id");
    return describe(arguments.env(), fd.number());
}

} // namespace sluice
