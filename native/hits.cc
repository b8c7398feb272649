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

constexpr std::uint64_t kSums = (1ull << SLC_HITS_TIME_SHIFT) - 1;
constexpr std::uint64_t kBytes = (1ull << SLC_HITS_PACKETS_SHIFT) - 1;
// Times come round: of two the newer one is less than half a round ahead.
constexpr std::uint64_t kTimes = (1ull << (64 - SLC_HITS_TIME_SHIFT)) - 1;

struct Slot {
    std::uint64_t packets, bytes, last_hit;
    bool whole; // nothing was handed over meanwhile
};

Slot look_at(const std::uint8_t *rows, std::size_t row_bytes, std::size_t count, std::size_t slot) {
    const auto word = [&](std::size_t row) {
        return load(reinterpret_cast<const slc_hits *>(rows + row * row_bytes)[slot].recent);
    };
    Slot sum{word(SLC_HITS_PACKETS_ROW), word(SLC_HITS_BYTES_ROW), 0, true};
    const std::uint64_t packets = sum.packets, bytes = sum.bytes;
    bool hit = false;
    for (std::size_t row = SLC_HITS_ROWS; row < count; row++) {
        const std::uint64_t recent = word(row);
        if (recent == 0)
            continue; // most slots of most CPUs
        if (recent & SLC_HITS_FULL)
            sum.whole = false;
        sum.packets += (recent & kSums) >> SLC_HITS_PACKETS_SHIFT;
        sum.bytes += recent & kBytes;
        const std::uint64_t time = recent >> SLC_HITS_TIME_SHIFT;
        if (!hit || ((time - sum.last_hit) & kTimes) <= kTimes / 2)
            sum.last_hit = time;
        hit = true;
    }
    if (word(SLC_HITS_PACKETS_ROW) != packets || word(SLC_HITS_BYTES_ROW) != bytes)
        sum.whole = false;
    return sum;
}

static_assert(sizeof(slc_hits) == kHitBytes && SLC_HITS_ROWS == kSharedHitRows, "as in the header");

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
        out[2] = sum.last_hit << SLC_HITS_TICK_SHIFT;
    }
}

} // namespace sluice
