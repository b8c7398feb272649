// What a network device's driver says of itself (ethtool, by ioctl).
#pragma once

#include "args.h"

namespace sluice {

Napi::Value device_settings(const Arguments &arguments);

} // namespace sluice
