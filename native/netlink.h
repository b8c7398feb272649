// Dumps of rtnetlink and of connection tracking, as raw messages.
#pragma once

#include "args.h"

namespace sluice {

// netlinkDump(protocol, type, body, netns)
Napi::Value netlink_dump(const Arguments &arguments);

} // namespace sluice
