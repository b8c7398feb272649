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
    return reason >= SLC_PASS_FIRST && reason < SLC_DROP_FIRST;
}

/* A slot of a row of the counters; null where there is none. */
static __always_inline __u64 *slc_hits_at(__u32 index, __u64 slot) {
    void *row = slc_row(&slc_counters, index);

    if (!row)
        return 0;
    slot = slc_bounded(slot, slc_counter_slots);
    return slot == SLC_OUTSIDE ? 0 : row + slot * sizeof(struct slc_hits);
}

/*
 * Adds to the rows that all CPUs share what is more than a word of a CPU's takes; where that is nothing, what its word
 * holds. Each some thousand packets.
 */
__noinline int slc_keep_hits(__u32 slot, __u32 packets, __u32 bytes) {
    __u64 *all_packets = slc_hits_at(SLC_HITS_PACKETS_ROW, slot), *all_bytes = slc_hits_at(SLC_HITS_BYTES_ROW, slot);
    __u64 *hits = slc_hits_at(SLC_HITS_ROWS + bpf_get_smp_processor_id(), slot), recent;

    if (!all_packets || !all_bytes || !hits)
        return 0;
    if (packets) {
        __sync_fetch_and_add(all_packets, packets);
        __sync_fetch_and_add(all_bytes, bytes);
        return 0;
    }
    /* Exchanged and not stored: every CPU sees these four in this order. */
    recent = __sync_lock_test_and_set(hits, SLC_HITS_FULL);
    __sync_fetch_and_add(all_packets, (recent & ((1ull << SLC_HITS_TIME_SHIFT) - 1)) >> SLC_HITS_PACKETS_SHIFT);
    __sync_fetch_and_add(all_bytes, recent & ((1ull << SLC_HITS_PACKETS_SHIFT) - 1));
    __sync_lock_test_and_set(hits, recent >> SLC_HITS_TIME_SHIFT << SLC_HITS_TIME_SHIFT);
    return 0;
}

/* Counts a packet; the slot by which it is counted comes back: image-fault's where there is no such one. */
static __always_inline __u32 slc_count(__u64 slot, __u32 packets, __u32 bytes) {
    void *row = slc_row(&slc_counters, SLC_HITS_ROWS + bpf_get_smp_processor_id());
    __u64 *hits, recent;

    if (!row)
        return slot;
    slot = slc_bounded(slot, slc_counter_slots);
    if (slot == SLC_OUTSIDE)
        slot = SLC_REASON_IMAGE_FAULT;
    hits = row + slot * sizeof(struct slc_hits);
    /* Segments of a packet that the stack has not cut yet. */
    if (SLC_HOOK != SLC_HOOK_INGRESS && packets > SLC_HITS_PACKETS_MOST) {
        slc_keep_hits(slot, packets - 1, bytes);
        packets = 1;
        bytes = 0;
    }
    /* Only this CPU writes its row, so plain additions are exact. */
    recent = *hits << (64 - SLC_HITS_TIME_SHIFT) >> (64 - SLC_HITS_TIME_SHIFT);
    recent += (__u64)packets << SLC_HITS_PACKETS_SHIFT | bytes;
    *hits = recent | bpf_jiffies64() >> SLC_HITS_TICK_SHIFT << SLC_HITS_TIME_SHIFT;
    if (recent & SLC_HITS_FULL)
        slc_keep_hits(slot, 0, 0);
    return slot;
}

/* Whether no word decided: that of what ALLOW ALL lets in only says what would have. */
static __always_inline int slc_is_counted_by_reason(const struct slc_outcome *outcome) {
    return outcome->word == SLC_WORD_NONE || outcome->reason == SLC_REASON_ALLOW_ALL;
}

/* Whether the outcome lets the packet pass: a limit rule's word does where the rule does not refuse. */
static __always_inline int slc_passes(const struct slc_outcome *outcome) {
    __u32 action = outcome->word & SLC_WORD_ACTION_MASK;

    if (slc_is_counted_by_reason(outcome))
        return slc_reason_passes(outcome->reason);
    return action == SLC_ACTION_ALLOW || (action == SLC_ACTION_LIMIT && !outcome->refused);
}

/* Counter slot of the outcome. */
static __always_inline __u32 slc_slot_of(const struct slc_outcome *outcome) {
    if (slc_is_counted_by_reason(outcome))
        return SLC_REASON_SLOTS + outcome->reason;
    return (outcome->word >> SLC_WORD_RANK_SHIFT) + (outcome->refused ? SLC_LIMIT_REFUSED_RANK : 0);
}

static __always_inline int slc_finish(struct SLC_CONTEXT *ctx, const struct slc_packet *packet,
                                      const struct slc_outcome *outcome) {
    int action = slc_passes(outcome) ? SLC_PASS : outcome->answered ? SLC_ANSWER : SLC_DROP;

    if (slc_dry_run) {
        struct slc_result *result = slc_value(&slc_result);

        result->action = action;
        result->tier = outcome->tier;
        result->reason = outcome->reason;
        result->section = outcome->section;
        result->word = outcome->word;
        result->nodes = outcome->steps.nodes;
        result->leaves = outcome->steps.leaves;
        result->rules = outcome->steps.rules;
        result->log = slc_log_of(packet, outcome, action == SLC_PASS);
        result->runs++;
    } else {
        __u32 slot = slc_count(slc_slot_of(outcome), packet->packets, packet->bytes);

        slc_tell(ctx, packet, outcome, action == SLC_PASS, slot);
    }
    if (slc_track_fragments && action == SLC_PASS && packet->fragment == SLC_FRAGMENT_FIRST)
        slc_remember_first();
    return action;
}

/* Leaves with a reason and no word of the image. */
static __always_inline int slc_leave(struct SLC_CONTEXT *ctx, const struct slc_packet *packet, __u8 tier, __u8 reason) {
    struct slc_outcome outcome = {.word = SLC_WORD_NONE, .section = SLC_OWN_SECTION, .tier = tier, .reason = reason};

    return slc_finish(ctx, packet, &outcome);
}

/* What a word of the image makes of a packet: it names the tier; image-fault where the walk left the image. */
static __always_inline struct slc_outcome slc_outcome_of(__u32 word, __u16 section, __u8 reason,
                                                         const struct slc_steps *steps) {
    struct slc_outcome outcome = {.word = word,
                                  .section = section,
                                  .tier = (word >> SLC_WORD_TIER_SHIFT) & SLC_WORD_TIER_MASK,
                                  .reason = reason,
                                  .steps = *steps};

    if (word == SLC_WORD_FAULT) {
        outcome.word = SLC_WORD_NONE;
        outcome.section = SLC_OWN_SECTION;
        outcome.tier = SLC_LAST_TIER;
        outcome.reason = SLC_REASON_IMAGE_FAULT;
    }
    return outcome;
}

/* Why the word of a section of packets that come in decides: its tier says that. */
static __always_inline __u8 slc_reason_of(__u32 word) {
    __u32 tier = (word >> SLC_WORD_TIER_SHIFT) & SLC_WORD_TIER_MASK;

    return tier == SLC_TIER_SSH        ? SLC_REASON_SSH
           : tier == SLC_TIER_SWITCHES ? SLC_REASON_UDP_OFF
           : tier == SLC_TIER_DEFAULT  ? SLC_REASON_DEFAULT
                                       : SLC_REASON_RULE;
}

/* Whether a word allows or denies, and nothing is told of that: then it alone says what becomes of a packet. */
static __always_inline int slc_is_plain(__u32 word) {
    __u32 said = word & (SLC_WORD_ACTION_MASK | SLC_WORD_LOG | SLC_WORD_LOG_ALL);

    if (slc_dry_run || said > SLC_ACTION_DENY || word >= SLC_WORD_FAULT)
        return 0;
    return slc_log_level == SLC_LOG_LEVEL_OFF || (slc_log_level < SLC_LOG_LEVEL_MEDIUM &&
                                                  (said == SLC_ACTION_ALLOW || slc_reason_of(word) == SLC_REASON_RULE));
}

/* slc_finish for such a word: most packets leave here. */
static __always_inline int slc_leave_plainly(const struct slc_packet *packet, __u32 word) {
    slc_count(word >> SLC_WORD_RANK_SHIFT, packet->packets, packet->bytes);
    if (word & SLC_WORD_ACTION_MASK)
        return SLC_DROP;
    if (slc_track_fragments && packet->fragment == SLC_FRAGMENT_FIRST)
        slc_remember_first();
    return SLC_PASS;
}

static __always_inline int slc_leave_by(struct SLC_CONTEXT *ctx, const struct slc_packet *packet, __u32 word,
                                        __u16 section, __u8 reason, const struct slc_steps *steps) {
    struct slc_outcome outcome = slc_outcome_of(word, section, reason, steps);

    return slc_finish(ctx, packet, &outcome);
}

#endif
