/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Limit rules (SPEC 5): new connections of a source within a sliding window of time stamps. A new connection is a TCP
 * SYN without ACK, or a UDP packet of a source port that the rule has not let in within the window; all else passes
 * uncounted. Windows belong to the rule's id, so they outlive a new generation. In a flood of sources that come once
 * nearly all that a packet costs are misses of the caches, so a newcomer touches three lines of a small table, no more.
 * TypeScript twin: src/model/limit.ts.
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
#define SLC_WINDOW_FULL_MASK ((1ull << SLC_WINDOW_FULL_BITS) - 1)

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
    rank = ((const struct slc_limit_rule *)SLC_IMAGE_SLOT(slot))->rank;
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
static __always_inline const struct slc_limit_rule *slc_limit_rule_of(__u32 rank) {
    const struct slc_image_header *header = slc_header_of_image();
    struct slc_limit_search search = {.first = header->limits, .high = header->limit_count, .rank = rank};
    __u32 slot;

    /* Most rulesets have one limit rule. */
    if (!slc_limit_step(0, &search))
        bpf_loop(SLC_LIMIT_SEARCH, slc_limit_step, &search, 0);
    slot = search.found;
    if (!slot || slot >= slc_image_slots - sizeof(struct slc_limit_rule) / 8)
        return NULL;
    return (const void *)SLC_IMAGE_SLOT(slot);
}

/* Whose attempts are counted, by which rule. Host order; IPv4 uses word 0, the others are zero. */
struct slc_window_key {
    __u64 rule; /* id of struct slc_limit_rule */
    __u32 source[4];
    __u16 port; /* of a UDP pair the source's, else 0 */
    __u8 family;
    __u8 reserved;
    __u32 owner; /* slc_section.owner of the rule's section */
};

/* As slc_table_hash_addresses, over other words: the sum with the factors from `first` on. */
static __always_inline __u64 slc_window_sum(const struct slc_window_key *key, const __u32 first) {
    const volatile __u64 *factors = slc_table_factors + first;
    __u64 sum = factors[0] * (__u32)key->rule + factors[1] * (__u32)(key->rule >> 32) + factors[2] * key->source[0] +
                factors[3] * ((__u32)key->port << 16 | key->family);

    if (key->family == 6)
        sum += factors[4] * key->source[1] + factors[5] * key->source[2] + factors[6] * key->source[3];
    return sum;
}

/*
 * What stands for the key in the table: the parts that count of two sums, and whose it is. Two keys share it with the
 * chance of two random numbers of 52 bits, as long as the factors are secret, see table.h.
 */
static __always_inline __u64 slc_window_name(const struct slc_window_key *key) {
    __u64 name = (slc_window_sum(key, 0) & ~0ull << 32) | (slc_window_sum(key, 3) >> 32 & ~SLC_WINDOW_OWNER_MASK);

    return (name ? name : SLC_WINDOW_OWNER_MASK + 1) | (key->owner & SLC_WINDOW_OWNER_MASK);
}

/* A bucket, and the attempts that belong to it. */
struct slc_window_at {
    struct slc_window_bucket *bucket;
    struct slc_attempts *attempts;
};

/*
 * A place in the ring of a way. Masked where it is used, behind what clang can look through: Linux 6.1 forgets what was
 * known of a number that has been kept on the stack.
 */
static __always_inline __u32 *slc_window_stamp(const struct slc_window_at *at, __u32 way, __u32 place) {
    __u64 index = way * SLC_LIMIT_STAMPS + (place & (SLC_LIMIT_STAMPS - 1));

    asm volatile("" : "+r"(index));
    return &at->attempts->stamps[index & (SLC_LIMIT_WAYS * SLC_LIMIT_STAMPS - 1)];
}

static __always_inline __u64 slc_window_newest(const struct slc_window_bucket *bucket, __u32 way) {
    return bucket->newest[way] >> SLC_WINDOW_FULL_BITS;
}

/* Since the newest attempt; 0 where another CPU, which read a later tick, recorded before the bucket was ours. */
static __always_inline __s64 slc_window_age(const struct slc_window_bucket *bucket, __u32 way, __u64 now) {
    __s64 age = now - slc_window_newest(bucket, way);

    return age & ~(age >> 63);
}

/*
 * For how long after the newest attempt the one that makes `limit` within the window is the next: as long as the one
 * that lies limit - 1 back is within it, since so are all that came later.
 */
static __always_inline __u32 slc_window_full_ms(const struct slc_window_at *at, __u32 way, __u32 limit,
                                                __u32 window_ms) {
    const struct slc_window_bucket *bucket = at->bucket;
    __s32 age;

    /* Of the newest alone nothing is asked behind it: no limit is below 2. */
    if (bucket->attempts[way] + 1u < limit)
        return 0;
    if (limit <= 2)
        return window_ms;
    age = (__u32)slc_window_newest(bucket, way) - *slc_window_stamp(at, way, bucket->next[way] - (limit - 2));
    return age < (__s32)window_ms ? window_ms - age : 0;
}

/* Records an attempt in a way that is the key's. */
static __always_inline void slc_window_record(const struct slc_window_at *at, __u32 way,
                                              const struct slc_limit_rule *rule, __u64 now) {
    struct slc_window_bucket *bucket = at->bucket;
    __u64 newest = slc_window_newest(bucket, way);
    __u32 attempts = bucket->attempts[way], next = bucket->next[way];

    if (attempts && (__s64)(now - newest) < rule->window_ms) {
        *slc_window_stamp(at, way, next) = newest;
        bucket->next[way] = next + 1;
    } else {
        attempts = 0;
    }
    bucket->attempts[way] = attempts < SLC_LIMIT_STAMPS ? attempts + 1 : attempts;
    bucket->newest[way] = now << SLC_WINDOW_FULL_BITS;
    bucket->newest[way] |= slc_window_full_ms(at, way, rule->count, rule->window_ms);
}

/*
 * The bucket is one program's at a time. bpf_spin_lock() would do the same and cost half of what a newcomer costs: it
 * turns interrupts off and, in a virtual machine, waits for a second locked instruction. Neither is needed here: what
 * comes in is judged in softirq, which nothing that asks for a window interrupts, and the dry twin, which runs in a
 * process, reads without holding. Who holds a bucket goes through some hundred instructions, so hardly anybody waits.
 */
#define SLC_WINDOW_PATIENCE (1u << 16) /* some 0.2 ms: only a virtual CPU that was taken away holds one for so long */

/* Takes the bucket if nobody has it; the last time only tells that all were in vain. */
static long slc_window_try(__u32 i, struct slc_window_bucket **bucket) {
    __u32 *held = &(*bucket)->held;

    return i < SLC_WINDOW_PATIENCE && !*(volatile __u32 *)held && !__sync_val_compare_and_swap(held, 0, 1);
}

/* Whether the bucket is ours now. */
static __always_inline int slc_window_hold(struct slc_window_bucket *bucket) {
    if (slc_dry_run || !__sync_val_compare_and_swap(&bucket->held, 0, 1))
        return 1;
    return bpf_loop(SLC_WINDOW_PATIENCE + 1, slc_window_try, &bucket, 0) <= SLC_WINDOW_PATIENCE;
}

/* An exchange, since it is a barrier: where stores are not seen in order a plain one may come before what was done. */
static __always_inline void slc_window_let_go(struct slc_window_bucket *bucket) {
    if (!slc_dry_run)
        __sync_lock_test_and_set(&bucket->held, 0);
}

/* What stands for a way where there is none; where one lives that is to make room SLC_LIMIT_WAYS more than its number.
 */
#define SLC_WINDOW_NO_WAY (2 * SLC_LIMIT_WAYS)

/* The way that is the key's. */
static __always_inline __u32 slc_window_find(const struct slc_window_bucket *bucket, __u64 name) {
    for (__u32 i = 0; i < SLC_LIMIT_WAYS; i++) {
        if (bucket->keys[i] == name)
            return i;
    }
    return SLC_WINDOW_NO_WAY;
}

#define SLC_WINDOW_NO_TURN (1ll << 62)

/*
 * When it is a way's turn to make room, the lower the sooner; the lowest three bits are the way. First those that are
 * empty or whose window has passed, then those below their limit by their newest attempt, never those at it.
 */
static __always_inline __s64 slc_window_turn(const struct slc_window_bucket *bucket, __u32 way, __u64 now) {
    __u64 newest = bucket->newest[way];
    __s64 age = slc_window_age(bucket, way, now);

    if (age >= bucket->window_ms[way])
        return way;
    if (age < (__s64)(newest & SLC_WINDOW_FULL_MASK))
        return SLC_WINDOW_NO_TURN | way;
    return (newest & ~(SLC_LIMIT_WAYS - 1ull)) | way;
}

/* The smaller one, found without a branch, which nobody could foretell. */
static __always_inline __s64 slc_window_sooner(__s64 one, __s64 other) {
    __s64 is_less = (one - other) >> 63;

    asm volatile("" : "+r"(is_less)); /* else clang makes a branch of it */
    return other ^ ((one ^ other) & is_less);
}

static __always_inline __u32 slc_window_way_of_turn(__s64 turn) {
    __u32 lives = turn >= SLC_LIMIT_WAYS ? SLC_LIMIT_WAYS : 0;

    return turn & SLC_WINDOW_NO_TURN ? SLC_WINDOW_NO_WAY : lives + (turn & (SLC_LIMIT_WAYS - 1));
}

/* The way that makes room. The bucket is held. */
static __always_inline __u32 slc_window_victim(const struct slc_window_bucket *bucket, __u64 now) {
    __s64 turns[SLC_LIMIT_WAYS], first;

#pragma unroll
    for (__u32 i = 0; i < SLC_LIMIT_WAYS; i++)
        turns[i] = slc_window_turn(bucket, i, now);
    first = slc_window_sooner(
        slc_window_sooner(slc_window_sooner(turns[0], turns[1]), slc_window_sooner(turns[2], turns[3])),
        slc_window_sooner(slc_window_sooner(turns[4], turns[5]), slc_window_sooner(turns[6], turns[7])));
    return slc_window_way_of_turn(first);
}

/* Turns of windows below their limit, where owners have shares: above the time of the newest attempt (9 years). */
#define SLC_WINDOW_TURN_OWN (1ll << 60)
#define SLC_WINDOW_TURN_OTHER (2ll << 60)

/* What is found out about the ways of a bucket for a newcomer. In slc_scratch: the stack is used up. */
struct slc_window_turns {
    __s64 unused; /* a way that holds none that lives, SLC_LIMIT_WAYS where each does */
    __s64 first;  /* turn of those that live */
    __s64 crowd;  /* those that live of owners above their share */
    __s64 share;
    __s64 room; /* that the newcomer's owner has left of it; 0, or less: he is above it */
};

/*
 * Gives back the ways of windows that have passed: nobody else might ever come for them. The twin, which changes
 * nothing, counts them as room that the newcomer's owner has. The bucket is held. Returns 0. A function of its own to
 * spare stack.
 */
__noinline int slc_window_give_back(struct slc_window_bucket *bucket, __u64 now, __u64 newcomer) {
    struct slc_shares *shares = slc_value(&slc_window_shares);
    volatile struct slc_window_turns *turns = slc_only(&slc_scratch);

    if (!bucket || !turns)
        return 0;
    turns->room = 0;
    for (__u32 i = 0; i < SLC_LIMIT_WAYS; i++) {
        __u64 name = bucket->keys[i];

        if (!name || slc_window_turn(bucket, i, now) >= SLC_LIMIT_WAYS)
            continue;
        if (slc_dry_run) {
            turns->room += ((name ^ newcomer) & SLC_WINDOW_OWNER_MASK) == 0;
            continue;
        }
        __sync_fetch_and_add(&slc_share_of(shares, name & SLC_WINDOW_OWNER_MASK)->held, -1ull);
        bucket->keys[i] = 0;
    }
    return 0;
}

/*
 * The way for a window with this name, where each owner has a share: windows of those above their shares go first, then
 * his own; another's that is within his goes only for one who is so too, when chance has brought so many into one
 * bucket. Who is above his share takes a way that nobody uses only while those like him have less than half of the
 * bucket: what they hold may be at its limit, which never makes room, and would keep out all others. After
 * slc_window_give_back; the bucket is held.
 */
__noinline __u32 slc_window_shared_victim(const struct slc_window_bucket *bucket, __u64 now, __u64 name) {
    const __u32 owner = name & SLC_WINDOW_OWNER_MASK;
    const struct slc_image_header *header = slc_header_of_image();
    struct slc_shares *shares = slc_value(&slc_window_shares);
    volatile struct slc_window_turns *turns = slc_only(&slc_scratch);
    __s64 turn;

    if (!bucket || !turns)
        return SLC_WINDOW_NO_WAY;
    turns->room += header->window_share - slc_share_held(shares, owner);
    turns->share = header->window_share;
    turns->unused = SLC_LIMIT_WAYS;
    turns->first = SLC_WINDOW_NO_TURN;
    turns->crowd = 0;
    for (__u32 i = 0; i < SLC_LIMIT_WAYS; i++) {
        __u32 whose = bucket->keys[i] & SLC_WINDOW_OWNER_MASK;

        turn = slc_window_turn(bucket, i, now);
        if (turn < SLC_LIMIT_WAYS) {
            turns->unused = i;
            continue;
        }
        if (whose == owner ? turns->room <= 0 : slc_share_held(shares, whose) > turns->share)
            turns->crowd++;
        else if (whose == owner)
            turn |= SLC_WINDOW_TURN_OWN;
        else
            turn |= turns->room > 0 ? SLC_WINDOW_TURN_OTHER : SLC_WINDOW_NO_TURN;
        turns->first = slc_window_sooner(turns->first, turn);
    }
    if (turns->unused < SLC_LIMIT_WAYS && (turns->crowd < SLC_WINDOW_CROWD || turns->room > 0))
        return turns->unused & (SLC_LIMIT_WAYS - 1);
    return slc_window_way_of_turn(turns->first);
}

/* What happens to a window. */
enum slc_window_use {
    SLC_WINDOW_ATTEMPT, /* an attempt is judged and recorded */
    SLC_WINDOW_SEE,     /* a UDP pair: refreshed where it lives */
    SLC_WINDOW_REMEMBER /* a UDP pair was let in: from now on it is seen */
};

/* What became of a newcomer, beside whose way it has (SLC_OWNERS: nobody's). */
#define SLC_WINDOW_EVICTED 0x10000u
#define SLC_WINDOW_REFUSED 0x20000u
#define SLC_WINDOW_NO_NEWCOMER 0x40000u

static __always_inline __u32 slc_window_fate(const struct slc_window_bucket *bucket, __u32 way) {
    __u64 name = bucket->keys[way & (SLC_LIMIT_WAYS - 1)];

    if (way >= SLC_WINDOW_NO_WAY)
        return SLC_WINDOW_REFUSED;
    return (name ? name & SLC_WINDOW_OWNER_MASK : SLC_OWNERS) | (way >= SLC_LIMIT_WAYS ? SLC_WINDOW_EVICTED : 0);
}

/* Counts a newcomer with this name. Returns 0. A function of its own to spare stack. */
__noinline int slc_window_count(__u64 name, __u32 fate) {
    const __u32 owner = name & SLC_WINDOW_OWNER_MASK;
    struct slc_table_figures *figures = slc_only(&slc_limit_stats);
    struct slc_shares *shares = slc_value(&slc_window_shares);
    __u32 before = fate & 0xffff;

    if (!figures)
        return 0;
    if (fate & SLC_WINDOW_REFUSED) {
        __sync_fetch_and_add(&slc_share_of(shares, owner)->refused, 1);
        return 0;
    }
    figures->made++;
    slc_share_pass(shares, before, owner);
    if (fate & SLC_WINDOW_EVICTED) {
        figures->evicted++;
        __sync_fetch_and_add(&slc_share_of(shares, before)->evicted, 1);
    }
    return 0;
}

/* What slc_window_use() says besides yes and no. */
#define SLC_WINDOW_NO_ROOM (-1)
#define SLC_WINDOW_BUSY (-2) /* patience ended: nothing was read nor written */

/*
 * Looks the key up and does what `use` says. 1: the attempt is at the limit, or the pair was seen. 0: not. Negative: it
 * could not. One that would refuse the next attempt never makes room. `use` is an enum slc_window_use.
 */
__noinline int slc_window_use(const struct slc_window_key *key, const struct slc_limit_rule *rule, __u64 now,
                              __u32 use) {
    struct slc_window_bucket *bucket;
    struct slc_window_at at;
    int result = SLC_WINDOW_NO_ROOM;
    __u32 index, way, window_ms, fate = SLC_WINDOW_NO_NEWCOMER;
    __u64 name;

    if (!key || !rule)
        return SLC_WINDOW_NO_ROOM;
    name = slc_window_name(key);
    window_ms = rule->window_ms;
    index = slc_table_index(slc_window_mask, slc_table_mix(name));
    at.bucket = bucket = slc_row(&slc_windows, index);
    at.attempts = slc_row(&slc_attempts, index);
    if (!bucket || !at.attempts)
        return SLC_WINDOW_NO_ROOM;
    if (!slc_window_hold(bucket))
        return SLC_WINDOW_BUSY;
    way = slc_window_find(bucket, name);
    if (way == SLC_WINDOW_NO_WAY && use != SLC_WINDOW_SEE) {
        if (slc_servers)
            slc_window_give_back(bucket, now, name);
        way = slc_servers ? slc_window_shared_victim(bucket, now, name) : slc_window_victim(bucket, now);
        fate = slc_window_fate(bucket, way);
    }
    if (way < SLC_WINDOW_NO_WAY) {
        __s64 age;

        asm volatile("" : "+r"(way)); /* as in slc_window_stamp */
        way &= SLC_LIMIT_WAYS - 1;
        age = slc_window_age(bucket, way, now);

        /* The newest stays the newest. */
        if (fate == SLC_WINDOW_NO_NEWCOMER)
            now = slc_window_newest(bucket, way) + age;
        result = 0;
        if (fate == SLC_WINDOW_NO_NEWCOMER && use == SLC_WINDOW_ATTEMPT)
            result = age < slc_window_full_ms(&at, way, rule->count, window_ms);
        else if (use == SLC_WINDOW_SEE)
            result = age < window_ms;
        if (!slc_dry_run && (use != SLC_WINDOW_SEE || result)) {
            if (fate != SLC_WINDOW_NO_NEWCOMER) {
                bucket->keys[way] = name;
                bucket->attempts[way] = 0;
            }
            if (use == SLC_WINDOW_ATTEMPT)
                slc_window_record(&at, way, rule, now);
            else
                bucket->newest[way] = now << SLC_WINDOW_FULL_BITS;
            bucket->window_ms[way] = window_ms;
        }
    } else if (use == SLC_WINDOW_SEE) {
        result = 0;
    }
    slc_window_let_go(bucket);
    if (!slc_dry_run && fate != SLC_WINDOW_NO_NEWCOMER)
        slc_window_count(name, fate);
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

/* Judges a TCP SYN or a UDP packet that the rule with this rank, of this owner (slc_section.owner), matches. */
__noinline int slc_limit(const struct slc_key *packet, __u32 rank, __u8 family, __u8 is_udp, __u32 owner) {
    struct slc_window_key key = {.family = family, .owner = owner};
    const struct slc_limit_rule *rule;
    __u64 now;
    int said;

    if (!packet)
        return SLC_LIMITED_FAULT;
    rule = slc_limit_rule_of(rank);
    if (!rule)
        return SLC_LIMITED_FAULT;
    now = slc_now_tick_ns() / SLC_NS_A_MS;
    key.rule = rule->id;
    slc_window_source(&key, packet, rule, family);
    if (is_udp) {
        key.port = packet->words[SLC_KEY_PORTS];
        said = slc_window_use(&key, rule, now, SLC_WINDOW_SEE);
        if (said == SLC_WINDOW_BUSY)
            return SLC_LIMITED_FULL_DENY;
        if (said)
            return SLC_LIMITED_ACCEPT;
        key.port = 0;
    }
    said = slc_window_use(&key, rule, now, SLC_WINDOW_ATTEMPT);
    /* Nobody knows whether it was one too many: it drops, unanswered, so that TCP tries again in a second. */
    if (said == SLC_WINDOW_BUSY)
        return SLC_LIMITED_FULL_DENY;
    if (said < 0)
        return rule->verdict == SLC_ACTION_REJECT ? SLC_LIMITED_FULL_REJECT : SLC_LIMITED_FULL_DENY;
    if (said)
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
