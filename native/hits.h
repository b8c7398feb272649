// Counters of a generation: `struct slc_hits` of all CPUs, added up.
#pragma once

#include <cstdint>

#include "region.h"

namespace sluice {

// Bytes of a slot of a row.
constexpr std::size_t kHitBytes = 8;
// Rows that all CPUs share.
constexpr std::size_t kSharedHitRows = 2;
// Figures of a slot: packets, bytes, jiffies of the newest packet as far as they are kept (see struct slc_hits).
constexpr std::size_t kHitFigures = 3;

// Adds up rows of `row_bytes` each, of which there are kSharedHitRows at least; writes kHitFigures words a slot.
void add_up_hits(const Mapping &mapping, std::size_t row_bytes, std::uint64_t *out);

} // namespace sluice
