// The clsact queueing discipline and filters at its egress hook, for kernels without tcx. A filter is no link: it has
// no descriptor and no pin, stays when its maker ends, and is named by device, priority and handle.
#pragma once

#include "args.h"

namespace sluice {

// makeClsact(ifindex, netns): false where the device has one already, or another at its place
Napi::Value make_clsact(const Arguments &arguments);
// removeClsact(ifindex, netns): with every filter at both of its hooks; false where there is none
Napi::Value remove_clsact(const Arguments &arguments);
// attachFilter(program, ifindex, priority, handle, replace, netns): for packets that go out, direct action; EEXIST
// where taken, with replace the filter there gets the program between two packets
Napi::Value attach_filter(const Arguments &arguments);
// detachFilter(ifindex, priority, handle, netns): false where there is none
Napi::Value detach_filter(const Arguments &arguments);
// probeClsact(): tries it on the loopback device of a namespace that ends with the try; null or the errno
Napi::Value clsact_works(const Arguments &arguments);

} // namespace sluice
