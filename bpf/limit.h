/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Limit rules (SPEC 5): new connections of a source within a sliding window of time stamps. A new connection is a TCP
 * SYN without ACK, or a UDP packet of a source port that the rule has not let in within the window; all else passes
 * uncounted. Windows belong to the rule's id, so they outlive a new generation. TypeScript twin: src/model/limit.ts.
 */
#ifndef SLUICE_LIMIT_H
#define SLUICE_LIMIT_H

#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_helpers.h>
#include "config.h"
#include "maps.h"
#include "packet.h"
#include "table.h"

/* Steps of a search among 2^17 limit rules, more than a ruleset can have. */
#define SLC_LIMIT_SEARCH 18
#define SLC_NS_A_MS 1000000ull

/* What a limit rule does with a packet. */
enum slc_limited {
    SLC_LIMITED_ACCEPT,
    SLC_LIMITED_DENY,
    SLC_LIMITED_REJECT,
    SLC_LIMITED_FULL_DENY, /* no room for a newcomer: all windows of its bucket are at their limit */
    SLC_LIMITED_FULL_REJECT,
    SLC_LIMITED_FAULT, /* the image names no such rule */
};

/* A search in the limit table: what bpf_loop hands to its body, which the verifier walks once. */
struct slc_limit_search {
    const void *image;
    __u32 first; /* slot of the table */
    __u32 low;
    __u32 high;
    __u32 rank;
    __u32 found; /* slot of the entry, 0 while there is none */
    __u32 unused;
};

static long slc_limit_step(__u32 i, struct slc_limit_search *search) {
    const __u32 entry_slots = sizeof(struct slc_limit_rule) / 8;
    __u32 middle = (search->low + search->high) / 2;
    __u32 slot = search->first + middle * entry_slots;
    __u32 rank;

    if (search->low >= search->high || slot >= slc_image_slots - entry_slots)
        return 1;
    rank = ((const struct slc_limit_rule *)(search->image + (__u64)slot * 8))->rank;
    if (rank == search->rank) {
        search->found = slot;
        return 1;
    }
    if (rank < search->rank)
        search->low = middle + 1;
    else
        search->high = middle;
    return 0;
}

/* The entry of the limit table with this rank. */
static __always_inline const struct slc_limit_rule *slc_limit_rule_of(const void *image, __u32 rank) {
    const struct slc_image_header *header = image;
    struct slc_limit_search search = {
        .image = image, .first = header->limits, .high = header->limit_count, .rank = rank};
    __u32 slot;

    bpf_loop(SLC_LIMIT_SEARCH, slc_limit_step, &search, 0);
    slot = search.found;
    if (!slot || slot >= slc_image_slots - sizeof(struct slc_limit_rule) / 8)
        return NULL;
    return image + (__u64)slot * 8;
}

/* As slc_table_hash, over other words. */
static __always_inline __u32 slc_window_hash(const struct slc_window_key *key) {
    __u64 hash = slc_table_factors[0] * (__u32)key->rule + slc_table_factors[1] * (__u32)(key->rule >> 32) +
                 slc_table_factors[2] * key->source[0] + slc_table_factors[3] * ((__u32)key->port << 16 | key->family);

    if (key->family == 6)
        hash += slc_table_factors[4] * key->source[1] + slc_table_factors[5] * key->source[2] +
                slc_table_factors[6] * key->source[3];
    return slc_table_mix(hash);
}

/* 16 bits of the hash; 0 means an empty way. */
static __always_inline __u16 slc_window_tag(__u32 hash) {
    __u16 tag = hash >> 16;

    return tag ? tag : 1;
}

static __always_inline int slc_window_has_key(const struct slc_window *window, const struct slc_window_key *key) {
    const __u64 *a = (const __u64 *)&window->key;
    const __u64 *b = (const __u64 *)key;

    return ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3])) == 0;
}

/* Whether the attempt that makes `limit` within the window would be the next one. */
static __always_inline int slc_window_is_full(const struct slc_window *window, __u32 limit, __u32 window_ms,
                                              __u64 now) {
    /* The attempt that lies limit - 1 back: were it within the window, so would be all since. */
    __u32 stamp = window->stamps[(window->next - (limit - 1)) & (SLC_LIMIT_STAMPS - 1)];

    return (__s64)(now - window->newest) < window_ms && window->stored + 1u >= limit &&
           (__s32)((__u32)now - stamp) < (__s32)window_ms;
}

static __always_inline void slc_window_begin(struct slc_window *window, const struct slc_window_key *key) {
    window->key = *key;
    window->limit = 0;
    window->stored = 0;
    window->next = 0;
    window->reserved = 0;
}

static __always_inline void slc_window_record(struct slc_window *window, const struct slc_limit_rule *rule, __u64 now) {
    if ((__s64)(now - window->newest) >= rule->window_ms)
        window->stored = 0;
    window->stamps[window->next & (SLC_LIMIT_STAMPS - 1)] = (__u32)now;
    window->next = (window->next + 1) & (SLC_LIMIT_STAMPS - 1);
    if (window->stored < SLC_LIMIT_STAMPS)
        window->stored++;
    window->limit = rule->count;
}

/* What happens to a window. */
enum slc_window_use {
    SLC_WINDOW_ATTEMPT, /* an attempt is judged and recorded */
    SLC_WINDOW_SEE,     /* a UDP pair: refreshed where it lives */
    SLC_WINDOW_REMEMBER /* a UDP pair was let in: from now on it is seen */
};

/*
 * Looks the key up and does what `use` says. 1: the attempt is at the limit, or the pair was seen. 0: not. -1: there is
 * no room. Room is made in this order: an empty way, one whose window has passed, the one below its limit whose newest
 * attempt is oldest. One that would refuse the next attempt never makes room. `use` is an enum slc_window_use.
 */
__noinline int slc_window_use(const struct slc_window_key *key, const struct slc_limit_rule *rule, __u64 now,
                              __u32 use) {
    const __u32 zero = 0;
    struct slc_table_figures *figures = bpf_map_lookup_elem(&slc_limit_stats, &zero);
    struct slc_window_bucket *bucket;
    __u64 oldest = ~0ull;
    __u32 index, hash, count, window_ms, victim = SLC_LIMIT_WAYS;
    __u16 tag;
    int found = 0, evicts = 0, result = 0;

    if (!key || !rule)
        return -1;
    count = rule->count;
    window_ms = rule->window_ms;
    hash = slc_window_hash(key);
    index = slc_table_index(slc_window_mask, hash);
    tag = slc_window_tag(hash);
    bucket = bpf_map_lookup_elem(&slc_windows, &index);
    if (!bucket || !figures)
        return -1;
    bpf_spin_lock(&bucket->lock);
    for (__u32 i = 0; i < SLC_LIMIT_WAYS; i++) {
        const struct slc_window *way = &bucket->ways[i];
        __u64 age;

        if (bucket->tags[i] == tag && slc_window_has_key(way, key)) {
            victim = i;
            found = 1;
            break;
        }
        if (use == SLC_WINDOW_SEE)
            continue;
        /* Empty ones first, then those that have passed, then the live ones by their newest attempt. */
        age = 0;
        if (bucket->tags[i]) {
            age = 1;
            if ((__s64)(now - way->newest) < way->window_ms) {
                if (way->limit && slc_window_is_full(way, way->limit, way->window_ms, now))
                    continue;
                age = 2 + way->newest;
            }
        }
        if (age >= oldest)
            continue;
        evicts = age > 1;
        oldest = age;
        victim = i;
    }
    if (victim < SLC_LIMIT_WAYS) {
        struct slc_window *way = &bucket->ways[victim];

        if (use == SLC_WINDOW_ATTEMPT)
            result = found && slc_window_is_full(way, count, window_ms, now);
        else if (use == SLC_WINDOW_SEE)
            result = (__s64)(now - way->newest) < window_ms;
        if (!slc_dry_run && (use != SLC_WINDOW_SEE || result)) {
            if (!found) {
                bucket->tags[victim] = tag;
                slc_window_begin(way, key);
            }
            if (use == SLC_WINDOW_ATTEMPT)
                slc_window_record(way, rule, now);
            way->newest = now;
            way->window_ms = window_ms;
        }
    } else if (use != SLC_WINDOW_SEE) {
        result = -1;
    }
    bpf_spin_unlock(&bucket->lock);
    if (!slc_dry_run && !found && use != SLC_WINDOW_SEE && result >= 0) {
        figures->made++;
        figures->evicted += evicts;
    }
    return result;
}

/* The bits of the source that are one source to the rule. */
static __always_inline void slc_window_source(struct slc_window_key *key, const struct slc_key *packet,
                                              const struct slc_limit_rule *rule, __u8 family) {
    int bits = family == 4 ? rule->prefix4 : rule->prefix6;

#pragma unroll
    for (int i = 0; i < 4; i++) {
        int left = bits - 32 * i;
        __u32 mask = left >= 32 ? ~0u : left <= 0 ? 0 : ~0u << (32 - left);

        key->source[i] = packet->words[SLC_KEY_SOURCE + i] & mask;
    }
}

/* Judges a TCP SYN or a UDP packet that the rule with this rank matches. */
__noinline int slc_limit(const struct slc_key *packet, __u32 rank, __u8 family, __u8 is_udp) {
    const __u32 zero = 0;
    const void *image = bpf_map_lookup_elem(&slc_image, &zero);
    struct slc_window_key key = {.family = family};
    const struct slc_limit_rule *rule;
    __u64 now;
    int full;

    if (!image || !packet)
        return SLC_LIMITED_FAULT;
    rule = slc_limit_rule_of(image, rank);
    if (!rule)
        return SLC_LIMITED_FAULT;
    now = slc_now_ns() / SLC_NS_A_MS;
    key.rule = rule->id;
    slc_window_source(&key, packet, rule, family);
    if (is_udp) {
        struct slc_window_key pair = key;

        pair.port = packet->words[SLC_KEY_PORTS];
        if (slc_window_use(&pair, rule, now, SLC_WINDOW_SEE))
            return SLC_LIMITED_ACCEPT;
    }
    full = slc_window_use(&key, rule, now, SLC_WINDOW_ATTEMPT);
    if (full < 0)
        return rule->verdict == SLC_ACTION_REJECT ? SLC_LIMITED_FULL_REJECT : SLC_LIMITED_FULL_DENY;
    if (full)
        return rule->verdict == SLC_ACTION_REJECT ? SLC_LIMITED_REJECT : SLC_LIMITED_DENY;
    if (is_udp && !slc_dry_run) {
        key.port = packet->words[SLC_KEY_PORTS];
        /* Where there is no room for it, its next packet is an attempt again. */
        slc_window_use(&key, rule, now, SLC_WINDOW_REMEMBER);
    }
    return SLC_LIMITED_ACCEPT;
}

/* Whether the packet can be a new connection at all. */
static __always_inline int slc_may_be_attempt(const struct slc_packet *packet) {
    return packet->protocol == IPPROTO_UDP || (packet->protocol == IPPROTO_TCP && (packet->tcp_flags & 0x12) == 0x02);
}

#endif
