/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What a generator tells of its work; read by measure/progress.ts. */
#ifndef BENCH_PROGRESS_H
#define BENCH_PROGRESS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define BATCH 64

/* Batches by how long they took, eight bins an octave: what another process stole does not count as the filter's. */
struct bin {
    __u64 batches;
    __u64 ns;
};

#define BINS 256

struct {
    __u64 next; /* the generator's own: where it is in what it sends */
    __u64 sent;
    __u64 last; /* the clock when the newest batch began */
    __u64 unused;
    struct bin bins[BINS];
} progress;

static __always_inline __u32 bin_of(__u64 ns) {
    __u64 rest = ns;
    __u32 octave = 0;

    if (ns >> 32)
        return BINS - 1;
    for (__u32 step = 16; step; step >>= 1) {
        if (rest >> step) {
            rest >>= step;
            octave += step;
        }
    }
    return octave < 3 ? 0 : octave << 3 | ((ns >> (octave - 3)) & 7);
}

static __always_inline void time_batch(void) {
    __u64 now = bpf_ktime_get_ns();

    if (progress.sent) {
        struct bin *bin = &progress.bins[bin_of(now - progress.last) & (BINS - 1)];

        bin->batches++;
        bin->ns += now - progress.last;
    }
    progress.last = now;
}

/* Before a frame is made. The clock is read once a batch. */
static __always_inline void count_frame(void) {
    if (!(progress.sent & (BATCH - 1)))
        time_batch();
    progress.sent++;
}

#endif
