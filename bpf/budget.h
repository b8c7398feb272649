/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Budgets of a second: so many of a thing in all, and so many of each source. Nothing is evicted: a source's hash,
 * which nobody outside can foresee, names its slot for good, and two sources of one slot share what it has. A value is
 * the boot-time second << 32 | what was taken in it.
 */
#ifndef SLUICE_BUDGET_H
#define SLUICE_BUDGET_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "config.h"
#include "maps.h"
#include "packet.h"

#define SLC_SECOND_NS 1000000000ull

/*
 * Takes one from the budget of this second; the dry twin only looks. A spent one is only read, so that a flood shares
 * no writes. Where another CPU's clock has begun a later second already, that one counts: a second never begins twice,
 * so no more than the budget is ever given in one.
 */
static __always_inline int slc_spend(void *budgets, __u32 index, __u32 second, __u32 budget) {
    __u64 *word = slc_row(budgets, index);
    __u64 seen;

    if (!word)
        return 0;
    seen = *(volatile __u64 *)word;
    if ((__s32)(second - (__u32)(seen >> 32)) > 0) {
        if (slc_dry_run || __sync_val_compare_and_swap(word, seen, (__u64)second << 32 | 1) == seen)
            return 1;
    } else if ((__u32)seen >= budget) {
        return 0;
    }
    return slc_dry_run || (__u32)__sync_fetch_and_add(word, 1) < budget;
}

/* Slot of the packet's source among SLC_BUDGET_SOURCES: of an IPv6 source that of its /64. */
static __always_inline __u32 slc_budget_slot(const struct slc_packet *packet) {
    const __u32 *source = &packet->key.words[SLC_KEY_SOURCE];
    __u64 hash = slc_table_factors[0] * source[0] + slc_table_factors[1] * packet->family;

    if (packet->family == 6)
        hash += slc_table_factors[2] * source[1];
    return (__u32)(hash >> 40) & (SLC_BUDGET_SOURCES - 1);
}

/* Takes one of the source's budget, and of that of all, which is entry `first`. 0, or which of them is spent. */
enum slc_spent { SLC_SPENT_NONE, SLC_SPENT_SOURCE, SLC_SPENT_ALL };

static __always_inline enum slc_spent slc_take(void *budgets, const __u32 first, const struct slc_packet *packet,
                                               __u32 a_source, __u32 in_all) {
    __u32 second = slc_now_ns() / SLC_SECOND_NS;

    if (!slc_spend(budgets, first + 1 + slc_budget_slot(packet), second, a_source))
        return SLC_SPENT_SOURCE;
    return slc_spend(budgets, first, second, in_all) ? SLC_SPENT_NONE : SLC_SPENT_ALL;
}

#endif
