// Questions to the machine, and the few things that are no handle.
#pragma once

#include "args.h"

namespace sluice {

Napi::Value netns_cookie(const Arguments &arguments);        // netnsCookie(netns)
Napi::Value read_file_in(const Arguments &arguments);        // readFileIn(path, netns)
Napi::Value is_bpffs(const Arguments &arguments);            // isBpffs(path)
Napi::Value mount_bpffs(const Arguments &arguments);         // mountBpffs(path, options)
Napi::Value membarrier(const Arguments &arguments);          // membarrier(command)
Napi::Value possible_cpus(const Arguments &arguments);       // possibleCpus()
Napi::Value boot_time(const Arguments &arguments);           // bootTimeNs()
Napi::Value peer_of(const Arguments &arguments);             // peerOf(descriptor)
Napi::Value libbpf_version(const Arguments &arguments);      // libbpfVersion()
Napi::Value object_ids(const Arguments &arguments);          // objectIds()
Napi::Value program_loads(const Arguments &arguments);       // probeProgram(type, attachType, flags)
Napi::Value hook_exists(const Arguments &arguments);         // probeHook(ifindex, attachType)
Napi::Value open_pinned_map(const Arguments &arguments);     // openPinnedMap(path)
Napi::Value open_pinned_program(const Arguments &arguments); // openPinnedProgram(path)
Napi::Value open_map_by_id(const Arguments &arguments);      // openMapById(id)
Napi::Value open_program_by_id(const Arguments &arguments);  // openProgramById(id)
Napi::Value open_pinned_link(const Arguments &arguments);    // openPinnedLink(path)

} // namespace sluice
