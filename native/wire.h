// Frames put on one end of a link and seen at the other, by packet sockets.
#pragma once

#include "args.h"

namespace sluice {

// exchangeFrames(fromIfindex, fromNetns, toIfindex, toNetns, frames, lengths, timeoutMs)
Napi::Value exchange_frames(const Arguments &arguments);

} // namespace sluice
