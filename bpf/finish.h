/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The only exit: counts the packet at its rank or reason, tells of it, remembers a first fragment that passes, and
 * returns what the hook does with it.
 */
#ifndef SLUICE_FINISH_H
#define SLUICE_FINISH_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "config.h"
#include "events.h"
#include "maps.h"
#include "packet.h"
#include "fragments.h"

/* Reasons that let a packet pass without a word of the image. */
static __always_inline int slc_reason_passes(__u8 reason) {
    return reason >= SLC_REASON_ARP && reason < SLC_REASON_TOO_SHORT;
}

/* Returns the counter; NULL where there is none. */
static __always_inline struct slc_counter *slc_count(__u32 slot, __u32 packets, __u32 bytes) {
    __u32 cpu = bpf_get_smp_processor_id();
    void *row = bpf_map_lookup_elem(&slc_counters, &cpu);
    struct slc_counter *counter;

    if (!row)
        return NULL;
    /* Keeps clang from computing the offset before the check, which the verifier would not see. */
    asm volatile("" : "+r"(slot));
    if (slot >= slc_counter_slots)
        slot = SLC_REASON_IMAGE_FAULT;
    counter = row + (__u64)slot * sizeof(*counter);
    /* Only this CPU writes its row, so plain additions are exact. */
    counter->packets += packets;
    counter->bytes += bytes;
    counter->last_hit = bpf_jiffies64();
    return counter;
}

static __always_inline int slc_finish(const struct slc_packet *packet, const struct slc_outcome *outcome) {
    int pass = outcome->word != SLC_WORD_NONE ? (outcome->word & SLC_WORD_ACTION_MASK) == SLC_ACTION_ALLOW
                                              : slc_reason_passes(outcome->reason);

    if (slc_dry_run) {
        const __u32 zero = 0;
        struct slc_result *result = bpf_map_lookup_elem(&slc_result, &zero);

        if (result) {
            result->action = pass ? SLC_PASS : SLC_DROP;
            result->tier = outcome->tier;
            result->reason = outcome->reason;
            result->section = outcome->section;
            result->word = outcome->word;
            result->nodes = outcome->nodes;
            result->leaves = outcome->leaves;
            result->rules = outcome->rules;
            result->log = slc_log_of(packet, outcome, pass);
            result->runs++;
        }
    } else {
        __u32 slot =
            outcome->word != SLC_WORD_NONE ? outcome->word >> SLC_WORD_RANK_SHIFT : SLC_REASON_SLOTS + outcome->reason;

        slc_tell(packet, outcome, pass, slc_count(slot, packet->packets, packet->bytes));
    }
    if (slc_track_fragments && pass && packet->fragment == SLC_FRAGMENT_FIRST)
        slc_remember_first();
    return pass ? SLC_PASS : SLC_DROP;
}

/* Leaves with a reason and no word of the image. */
static __always_inline int slc_leave(const struct slc_packet *packet, __u8 tier, __u8 reason) {
    struct slc_outcome outcome = {.word = SLC_WORD_NONE, .section = SLC_OWN_SECTION, .tier = tier, .reason = reason};

    return slc_finish(packet, &outcome);
}

/* Leaves by a word of the image, which names the tier; with image-fault where the walk left the image. */
static __always_inline int slc_leave_by(const struct slc_packet *packet, __u32 word, __u16 section, __u8 reason,
                                        const struct slc_steps *steps) {
    struct slc_outcome outcome = {.word = word,
                                  .section = section,
                                  .tier = (word >> SLC_WORD_TIER_SHIFT) & SLC_WORD_TIER_MASK,
                                  .reason = reason,
                                  .nodes = steps->nodes,
                                  .leaves = steps->leaves,
                                  .rules = steps->rules};

    if (word == SLC_WORD_FAULT) {
        outcome.word = SLC_WORD_NONE;
        outcome.section = SLC_OWN_SECTION;
        outcome.tier = SLC_LAST_TIER;
        outcome.reason = SLC_REASON_IMAGE_FAULT;
    }
    return slc_finish(packet, &outcome);
}

#endif
