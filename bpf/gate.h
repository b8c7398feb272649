/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The gate: what the links hold, never exchanged in operation. One word names the program slot that judges, so
 * that all hooks and interfaces change at the same packet; past its deadline the word names the slot before.
 */
#ifndef SLUICE_GATE_H
#define SLUICE_GATE_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "maps.h"

#ifndef SLC_GATE_COUNTERS
#error "include hook-xdp.h or hook-tc.h first: they say where a hook counts"
#endif

/* Slot that judges a packet of the interface now. The clock is read only while a change waits to be confirmed. */
static __always_inline __u32 slc_gate_slot(__u32 ifindex) {
    const struct slc_state *state = slc_value(&slc_state);
    __u64 word, deadline;

    word = *(const volatile __u64 *)&state->gate;
    deadline = word & SLC_GATE_DEADLINE_MASK;
    if (!deadline || bpf_ktime_get_boot_ns() < deadline)
        return word & SLC_GATE_SLOT_MASK;
#pragma unroll
    for (int i = 0; i < SLC_FRESH_INTERFACES; i++) {
        if (state->fresh[i] == ifindex)
            return SLC_SLOT_OPEN;
    }
    return (word >> SLC_GATE_PREVIOUS_SHIFT) & SLC_GATE_SLOT_MASK;
}

/* Counts a packet that the gate decides, by its reason. */
static __always_inline void slc_gate_count(__u32 reason, __u32 bytes) {
    __u32 entry = SLC_GATE_COUNTERS + reason - SLC_REASON_GATE_EMPTY;
    struct slc_counter *counter = slc_row(&slc_gate_counters, entry);

    if (!counter)
        return;
    counter->packets++;
    counter->bytes += bytes;
    counter->last_hit = bpf_jiffies64();
}

#endif
