// rtnetlink dumps, as raw messages.
#pragma once

#include "args.h"

namespace sluice {

// netlinkDump(type, family, netns)
Napi::Value netlink_dump(const Arguments &arguments);

} // namespace sluice
