// What the host compiler makes of the shared header.
#pragma once

#include "args.h"

namespace sluice {

// abiWitness(): "slc_rule4" -> size, "slc_rule4.service" -> offset
Napi::Value abi_witness(const Arguments &arguments);

} // namespace sluice
