#include "hits.h"

#include <linux/types.h>
#include <sched.h>

#include <algorithm>

#define SLC_HOST
#include "../bpf/sluice_abi.h"

namespace sluice {

namespace {

// Looks at a slot before others get the processor; a CPU that hands over is done after a few dozen instructions.
constexpr int kLooks = 1000;
// Looks in all. A machine whose processor stops for that long in the middle is read as it is.
constexpr int kMostLooks = 1000 * 1000;

std::uint64_t load(const __u64 &word) {
    return __atomic_load_n(&word, __ATOMIC_ACQUIRE);
}

struct Slot {
    std::uint64_t packets, bytes, last_hit;
    bool whole; // nothing was handed over meanwhile
};

Slot look_at(const std::uint8_t *rows, std::size_t row_bytes, std::size_t count, std::size_t slot) {
    const auto &kept = reinterpret_cast<const slc_hits_kept *>(rows)[slot];
    Slot sum{load(kept.packets), load(kept.bytes), 0, true};
    const std::uint64_t packets = sum.packets, bytes = sum.bytes;
    for (std::size_t row = 1; row < count; row++) {
        const auto &hits = reinterpret_cast<const slc_hits *>(rows + row * row_bytes)[slot];
        const std::uint64_t recent = load(hits.recent);
        if (recent == 0 && packets == 0)
            continue; // most slots of most CPUs
        if (recent & SLC_HITS_FULL)
            sum.whole = false;
        sum.packets += recent >> SLC_HITS_PACKETS_SHIFT;
        sum.bytes += recent & ((1ull << SLC_HITS_PACKETS_SHIFT) - 1);
        sum.last_hit = std::max<std::uint64_t>(sum.last_hit, load(hits.stamp) >> SLC_HITS_STAMP_SHIFT);
    }
    if (load(kept.packets) != packets || load(kept.bytes) != bytes)
        sum.whole = false;
    return sum;
}

static_assert(sizeof(slc_hits) == kHitBytes && sizeof(slc_hits_kept) == kHitBytes, "slots of all rows are as large");

} // namespace

void add_up_hits(const Mapping &mapping, std::size_t row_bytes, std::uint64_t *out) {
    const std::uint8_t *rows = mapping.at(0);
    const std::size_t count = mapping.size / row_bytes;
    for (std::size_t slot = 0; slot < row_bytes / sizeof(slc_hits); slot++, out += kHitFigures) {
        Slot sum = look_at(rows, row_bytes, count, slot);
        for (int looks = 1; !sum.whole && looks < kMostLooks; looks++) {
            if (looks % kLooks == 0)
                ::sched_yield();
            sum = look_at(rows, row_bytes, count, slot);
        }
        out[0] = sum.packets;
        out[1] = sum.bytes;
        out[2] = sum.last_hit;
    }
}

} // namespace sluice
