// The addon's face: what src/kernel/native.ts sees. Everything else is behind the handles these functions return.
#include "abi.h"
#include "clsact.h"
#include "ethtool.h"
#include "handle.h"
#include "link.h"
#include "lock.h"
#include "map.h"
#include "netlink.h"
#include "object.h"
#include "probe.h"
#include "program.h"
#include "region.h"
#include "ringbuf.h"
#include "wire.h"

namespace sluice {

namespace {

using Body = Napi::Value (*)(const Arguments &);

template <Body body> Napi::Value called(const Napi::CallbackInfo &info) {
    return guarded(info.Env(), [&] { return body(Arguments(info)); });
}

template <Body body> void expose(Napi::Object exports, const char *name) {
    exports.Set(name, Napi::Function::New<called<body>>(exports.Env(), name));
}

} // namespace

Napi::Object init(Napi::Env env, Napi::Object exports) {
    env.SetInstanceData(new Environment());
    ObjectHandle::define(env);
    MapHandle::define(env);
    RegionHandle::define(env);
    ProgramHandle::define(env);
    LinkHandle::define(env);
    LockHandle::define(env);
    RingHandle::define(env);
    expose<open_object>(exports, "openObject");
    expose<create_map>(exports, "createMap");
    expose<open_pinned_map>(exports, "openPinnedMap");
    expose<open_pinned_program>(exports, "openPinnedProgram");
    expose<open_pinned_link>(exports, "openPinnedLink");
    expose<open_map_by_id>(exports, "openMapById");
    expose<open_program_by_id>(exports, "openProgramById");
    expose<program_info>(exports, "programInfo");
    expose<object_ids>(exports, "objectIds");
    expose<program_loads>(exports, "probeProgram");
    expose<hook_exists>(exports, "probeHook");
    expose<attach_xdp>(exports, "attachXdp");
    expose<attach_egress>(exports, "attachEgress");
    expose<make_clsact>(exports, "makeClsact");
    expose<remove_clsact>(exports, "removeClsact");
    expose<attach_filter>(exports, "attachFilter");
    expose<detach_filter>(exports, "detachFilter");
    expose<clsact_works>(exports, "probeClsact");
    expose<netlink_dump>(exports, "netlinkDump");
    expose<device_settings>(exports, "deviceSettings");
    expose<exchange_frames>(exports, "exchangeFrames");
    expose<netns_cookie>(exports, "netnsCookie");
    expose<read_file_in>(exports, "readFileIn");
    expose<is_bpffs>(exports, "isBpffs");
    expose<mount_bpffs>(exports, "mountBpffs");
    expose<membarrier>(exports, "membarrier");
    expose<try_lock>(exports, "tryLock");
    expose<possible_cpus>(exports, "possibleCpus");
    expose<boot_time>(exports, "bootTimeNs");
    expose<peer_of>(exports, "peerOf");
    expose<libbpf_version>(exports, "libbpfVersion");
    expose<abi_witness>(exports, "abiWitness");
    return exports;
}

} // namespace sluice

// The macro makes a name of the function's, so it cannot be a qualified one.
static Napi::Object start(Napi::Env env, Napi::Object exports) {
    return sluice::init(env, exports);
}
NODE_API_MODULE(sluice, start)
