/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Events: what is told of packets (SPEC 7). What a level takes is decided first, then caps: of the server, where one's
 * section judged, else of the CPU in all; of the rule or reason; of the source; so a flood costs little more than not
 * telling of it. What is not told is counted. No cap that packets to one server spend holds back what is told of
 * another. TypeScript twin of the levels: src/model/log-word.ts.
 */
#ifndef SLUICE_EVENTS_H
#define SLUICE_EVENTS_H

#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_helpers.h>
#include "config.h"
#include "maps.h"
#include "packet.h"

/* TCP flags that a packet which opens a connection has one of. */
#define SLC_EVENT_SYN 0x02
#define SLC_EVENT_ACK 0x10

/* Whether the packet opens a connection, as far as one packet shows it: of TCP a SYN without ACK, else no flow's. */
static __always_inline int slc_is_new(const struct slc_packet *packet, const struct slc_outcome *outcome) {
    if (outcome->reason == SLC_REASON_FLOW || outcome->reason == SLC_REASON_ANSWER ||
        packet->fragment == SLC_FRAGMENT_LATER)
        return 0;
    return packet->protocol != IPPROTO_TCP || (packet->tcp_flags & (SLC_EVENT_SYN | SLC_EVENT_ACK)) == SLC_EVENT_SYN;
}

/* What the packet is written as at this level, SLC_LOG_NONE where it is not. Levels and words are ufw's. */
static __always_inline __u8 slc_log_of(const struct slc_packet *packet, const struct slc_outcome *outcome, int pass) {
    __u32 word = outcome->word == SLC_WORD_NONE ? 0 : outcome->word;
    int is_limit = outcome->word != SLC_WORD_NONE && (word & SLC_WORD_ACTION_MASK) == SLC_ACTION_LIMIT;
    int is_new;

    if (slc_log_level == SLC_LOG_LEVEL_OFF)
        return SLC_LOG_NONE;
    is_new = slc_is_new(packet, outcome);
    if (outcome->reason == SLC_REASON_ALLOW_ALL && is_new)
        return SLC_LOG_ALLOW;
    if (is_limit && !pass)
        return SLC_LOG_LIMIT_BLOCK;
    if (word & SLC_WORD_LOG_ALL || (word & SLC_WORD_LOG && is_new))
        return is_limit ? SLC_LOG_LIMIT : pass ? SLC_LOG_ALLOW : SLC_LOG_BLOCK;
    if ((outcome->reason == SLC_REASON_DEFAULT || outcome->reason == SLC_REASON_UDP_OFF) && !pass)
        return SLC_LOG_BLOCK;
    if (slc_log_level < SLC_LOG_LEVEL_MEDIUM)
        return SLC_LOG_NONE;
    if (outcome->reason == SLC_REASON_DEFAULT && is_new)
        return SLC_LOG_ALLOW;
    /* Dropped by no rule of anybody's: malformed, or of no connection. */
    if (outcome->word == SLC_WORD_NONE && !pass && outcome->reason != SLC_REASON_BANNED)
        return SLC_LOG_AUDIT_INVALID;
    /* Not ARP and its like, which ufw never sees. */
    if (!packet->family)
        return SLC_LOG_NONE;
    return is_new || slc_log_level >= SLC_LOG_LEVEL_HIGH ? SLC_LOG_AUDIT : SLC_LOG_NONE;
}

/* Whether the cap holds back what is written so at this level: as in ufw, from high on only what is audited. */
static __always_inline int slc_is_capped(const struct slc_outcome *outcome, __u8 log) {
    int logged = outcome->word != SLC_WORD_NONE && outcome->word & (SLC_WORD_LOG | SLC_WORD_LOG_ALL);

    return slc_log_level < SLC_LOG_LEVEL_HIGH || logged ||
           (slc_log_level == SLC_LOG_LEVEL_HIGH && log == SLC_LOG_AUDIT);
}

/* The window of the caps that it is now. */
static __always_inline __u32 slc_event_now(void) {
    return bpf_jiffies64() >> slc_event_window;
}

static __always_inline int slc_cap_is_spent(__u64 events, __u32 window, __u32 cap) {
    return events >> 32 == window && (__u32)events >= cap;
}

static __always_inline void slc_cap_take(__u64 *events, __u32 window) {
    *events = (*events >> 32 == window ? *events : (__u64)window << 32) + 1;
}

/* What a rank, or reason, has spent of its cap on this CPU; NULL where there is no table. */
static __always_inline __u32 *slc_rank_cap(__u32 slot) {
    void *row = slc_row(&slc_event_ranks, bpf_get_smp_processor_id());
    __u64 at;

    if (!row)
        return NULL;
    /* Only now, so that clang does not compute the place before the check, which the verifier would not take. */
    at = slc_bounded(slot, slc_counter_slots);
    return at == SLC_OUTSIDE ? NULL : row + at * sizeof(__u32);
}

#define SLC_EVENT_RANK_EVENTS ((1u << SLC_EVENT_RANK_SHIFT) - 1)

/* As slc_cap_is_spent and slc_cap_take, of a rank. */
static __always_inline int slc_rank_is_spent(__u32 events, __u32 window) {
    return ((events ^ window << SLC_EVENT_RANK_SHIFT) & ~SLC_EVENT_RANK_EVENTS) == 0 &&
           (events & SLC_EVENT_RANK_EVENTS) >= SLC_EVENT_CAP_RULE;
}

static __always_inline void slc_rank_take(__u32 *events, __u32 window) {
    __u32 begin = window << SLC_EVENT_RANK_SHIFT;

    *events = ((*events ^ begin) & ~SLC_EVENT_RANK_EVENTS ? begin : *events) + 1;
}

/* What is kept of the events of a server on this CPU; NULL of a section that is the edge's own. */
static __always_inline struct slc_event_owner *slc_event_owner_of(__u32 owner) {
    struct slc_event_sources *row;

    if (!owner)
        return NULL;
    row = slc_row(&slc_event_sources, bpf_get_smp_processor_id());
    if (!row)
        return NULL;
    /* Keeps clang from computing the place before the check, which the verifier would not take. */
    asm volatile("" : "+r"(row));
    return &row->owners[owner & (SLC_OWNERS - 1)];
}

/* What of one server is told in a window. */
static __always_inline __u32 slc_event_share(void) {
    return slc_header_of_image()->event_share;
}

/*
 * Whether the cap of the server (of what is the edge's own: of the CPU) or of the rule or reason holds the event back,
 * which counts it: in a flood all but a few are, so this much is in line.
 */
static __always_inline int slc_is_held_back(__u32 slot, struct slc_event_figures *figures,
                                            struct slc_event_owner *own) {
    const __u32 *rank = slc_rank_cap(slot);
    __u32 window = slc_event_now();

    if (own && slc_cap_is_spent(own->events, window, slc_event_share()))
        figures->capped_server++;
    else if (!own && slc_cap_is_spent(figures->events, window, SLC_EVENT_CAP_ALL))
        figures->capped_all++;
    else if (rank && slc_rank_is_spent(*rank, window))
        figures->capped_rule++;
    else
        return 0;
    if (own)
        own->capped++;
    return 1;
}

/* Above an IPv4 address, and among the bits of an IPv6 one that no network chooses for itself. */
#define SLC_SOURCE_OWNER_SHIFT 48

/*
 * The cap that the packet's source has at this server, of one that goes out (whose key is turned round by then) its
 * destination: an IPv4 address or the /64 of an IPv6 one; NULL where there is no table. At each server another one: who
 * comes to two of them does not have a fresh one at each turn.
 */
static __always_inline __u64 *slc_source_cap(const struct slc_packet *packet, __u32 owner) {
    struct slc_event_sources *row = slc_row(&slc_event_sources, bpf_get_smp_processor_id());
    const __u32 *source = &packet->key.words[SLC_KEY_SOURCE];
    __u64 address = packet->family == 6 ? (__u64)source[0] << 32 | source[1] : source[0];

    address ^= (__u64)owner << SLC_SOURCE_OWNER_SHIFT;
    return row ? &row->events[(address * slc_event_factor) >> 52] : NULL;
}

#define SLC_SOURCE_CAP_BITS 16

/* As slc_cap_is_spent and slc_cap_take, of a slot that a source of another server may have. */
static __always_inline int slc_source_is_spent(__u64 events, __u32 window, __u32 owner) {
    return events >> SLC_SOURCE_CAP_BITS == ((__u64)window << SLC_SOURCE_CAP_BITS | owner) &&
           (__u16)events >= SLC_EVENT_CAP_SOURCE;
}

static __always_inline void slc_source_take(__u64 *events, __u32 window, __u32 owner) {
    __u64 whose = (__u64)window << SLC_SOURCE_CAP_BITS | owner;

    *events = (*events >> SLC_SOURCE_CAP_BITS == whose ? *events : whose << SLC_SOURCE_CAP_BITS) + 1;
}

/* Whether the source's cap too lets the event through, which then has taken its part of each. */
static __always_inline int slc_source_allows(const struct slc_packet *packet, __u32 slot,
                                             struct slc_event_figures *figures, __u32 owner,
                                             struct slc_event_owner *own) {
    __u32 window = slc_event_now();
    __u64 *source = slc_source_cap(packet, owner);
    __u32 *rank;

    if (source && slc_source_is_spent(*source, window, owner)) {
        figures->capped_source++;
        if (own)
            own->capped++;
        return 0;
    }
    slc_cap_take(own ? &own->events : &figures->events, window);
    rank = slc_rank_cap(slot);
    if (rank)
        slc_rank_take(rank, window);
    if (source)
        slc_source_take(source, window, owner);
    return 1;
}

/* What slc_emit is told of an outcome, in a register: one that lies in memory costs each packet its stores. */
static __always_inline __u64 slc_outcome_bits(const struct slc_outcome *outcome) {
    return (__u64)outcome->reason << 56 | (__u64)outcome->tier << 48 | (__u64)outcome->section << 32 | outcome->word;
}

static __always_inline struct slc_outcome slc_outcome_of_bits(__u64 bits) {
    return (struct slc_outcome){.word = bits, .section = bits >> 32, .tier = bits >> 48, .reason = bits >> 56};
}

/*
 * Writes the event, or counts why not; `told`: enum slc_log, and in bit 8 whether the packet passed. Out of the way of
 * the others: most packets are not told of.
 */
static __noinline int slc_emit(struct SLC_CONTEXT *ctx, const struct slc_packet *packet, __u64 outcome_bits, __u32 slot,
                               __u32 told) {
    const struct slc_outcome of_bits = slc_outcome_of_bits(outcome_bits), *outcome = &of_bits;
    __u8 log = told & 0xff;
    struct slc_event_figures *figures = slc_only(&slc_event_stats);
    __u32 bytes = packet->length, last, owner = slc_owner_number(outcome->section);
    struct slc_event_owner *own = slc_event_owner_of(owner);
    struct slc_event *event;

    if (!figures)
        return 0;
    if (slc_is_capped(outcome, log) && !slc_source_allows(packet, slot, figures, owner, own))
        return 0;
    event = bpf_ringbuf_reserve(&slc_events, sizeof(*event), 0);
    if (!event) {
        figures->ring_full++;
        return 0;
    }
    figures->written++;
    if (own)
        own->told++;
    event->time = bpf_ktime_get_boot_ns();
    event->word = outcome->word;
    event->generation = slc_generation;
    event->ifindex = SLC_IFINDEX((volatile struct SLC_CONTEXT *)ctx);
    event->bytes = packet->bytes;
    event->section = outcome->section;
    event->outgoing = SLC_REASON_SLOTS != 0;
    event->tier = outcome->tier;
    event->reason = outcome->reason;
    event->log = log;
    event->passed = told >> 8;
    __builtin_memset(event->reserved, 0, sizeof(event->reserved));
    if (bytes > SLC_EVENT_FRAME_BYTES)
        bytes = SLC_EVENT_FRAME_BYTES;
    /*
     * The verifier of 6.1 learns nothing from a comparison with 0, hence the number of the last byte; opaque, so that
     * clang keeps both bounds here.
     */
    last = bytes - 1;
    asm volatile("" : "+r"(last));
    event->captured = 0;
    if (last < SLC_EVENT_FRAME_BYTES && !SLC_LOAD_BYTES(ctx, 0, event->frame, last + 1))
        event->captured = bytes;
    bpf_ringbuf_submit(event, 0);
    return 0;
}

/* Tells of a packet that leaves, where its level wants that. `slot` is the counter's that has counted it. */
static __always_inline void slc_tell(struct SLC_CONTEXT *ctx, const struct slc_packet *packet,
                                     const struct slc_outcome *outcome, int pass, __u32 slot) {
    struct slc_event_figures *figures;
    __u8 log;

    if (slc_log_level == SLC_LOG_LEVEL_OFF)
        return;
    log = slc_log_of(packet, outcome, pass);
    if (!log)
        return;
    figures = slc_only(&slc_event_stats);
    if (!figures)
        return;
    figures->made++;
    if (slc_is_capped(outcome, log) &&
        slc_is_held_back(slot, figures, slc_event_owner_of(slc_owner_number(outcome->section))))
        return;
    slc_emit(ctx, packet, slc_outcome_bits(outcome), slot, log | (__u32)pass << 8);
}

#endif
