/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Tier 4: the flows that were opened from inside. Only packets that go out open, refresh or refuse them; one that comes
 * in asks whether its flow lives, and starts the clock of one in doubt.
 * TypeScript twin: src/model/flow.ts.
 */
#ifndef SLUICE_FLOWS_H
#define SLUICE_FLOWS_H

#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_helpers.h>
#include "config.h"
#include "maps.h"
#include "packet.h"
#include "table.h"
#include "trial.h"

#define SLC_TCP_FIN 0x01
#define SLC_TCP_SYN 0x02
#define SLC_TCP_RST 0x04
#define SLC_TCP_ACK 0x10

/*
 * What stands for the ports in the flow whose answer has this key: those of the inside and of the outside, or the
 * identifier of an echo and 0. Nothing where no flow can have it: of ICMP only echo-replies are answers.
 */
static __always_inline int slc_flow_ports(const struct slc_key *answer, __u8 family, __u16 identifier, __u32 *ports) {
    *ports = answer->words[SLC_KEY_PORTS];
    if (SLC_LANE(answer->words[SLC_KEY_PROTOCOL]) == (family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6)) {
        if (*ports >> 24 != (family == 4 ? 0 : 129))
            return 0;
        *ports = (__u32)identifier << 16;
    }
    return 1;
}

/* The hash of that flow, over the words of the answer's key as they lie there. */
static __always_inline __u32 slc_flow_hash(const struct slc_key *answer, __u8 family, __u32 ports) {
    __u64 hash = slc_table_hash_addresses(&answer->words[SLC_KEY_SOURCE], &answer->words[SLC_KEY_DESTINATION], family);

    return slc_table_mix(hash + slc_table_factors[8] * ports +
                         slc_table_factors[9] * SLC_LANE(answer->words[SLC_KEY_PROTOCOL]));
}

static __always_inline void slc_flow_of_answer(const struct slc_key *answer, __u8 family, __u32 ports,
                                               struct slc_flow_key *flow) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
        flow->local[i] = answer->words[SLC_KEY_DESTINATION + i];
        flow->remote[i] = answer->words[SLC_KEY_SOURCE + i];
    }
    flow->local_port = ports >> 16;
    flow->remote_port = ports;
    flow->protocol = SLC_LANE(answer->words[SLC_KEY_PROTOCOL]);
    flow->family = family;
    flow->reserved = 0;
}

/* Whether a packet that goes out, and has no flow, opens one. */
enum slc_opens { SLC_OPENS_NONE, SLC_OPENS, SLC_OPENS_UNLESS_ANSWER };

static __always_inline enum slc_opens slc_opens_flow(const struct slc_packet *packet) {
    if (packet->protocol == IPPROTO_TCP)
        return (packet->tcp_flags & (SLC_TCP_SYN | SLC_TCP_ACK)) == SLC_TCP_SYN ? SLC_OPENS : SLC_OPENS_NONE;
    if (packet->is_icmp)
        return packet->icmp_type == (packet->family == 4 ? 8 : 128) ? SLC_OPENS : SLC_OPENS_NONE;
    return SLC_OPENS_UNLESS_ANSWER;
}

/* How long a flow outlives a packet that goes out, as its flags stand then. */
static __always_inline __u64 slc_flow_timeout(__u8 protocol, __u8 flags, __u64 age) {
    __u32 timeout;

    if (protocol == IPPROTO_TCP)
        timeout = flags & SLC_FLOW_RESET    ? SLC_FLOW_TIMEOUT_TCP_RESET
                  : flags & SLC_FLOW_CLOSED ? SLC_FLOW_TIMEOUT_TCP_CLOSING
                  : flags & SLC_FLOW_ACKED  ? SLC_FLOW_TIMEOUT_TCP_ESTABLISHED
                                            : SLC_FLOW_TIMEOUT_TCP_OPENING;
    else if (protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE)
        timeout = age >= slc_flow_timeouts[SLC_FLOW_STREAM_AGE] ? SLC_FLOW_TIMEOUT_DATAGRAM_STREAM
                                                                : SLC_FLOW_TIMEOUT_DATAGRAM;
    else
        timeout =
            protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6 ? SLC_FLOW_TIMEOUT_ECHO : SLC_FLOW_TIMEOUT_OTHER;
    return slc_flow_timeouts[timeout];
}

/* What a packet that goes out does to its flow: its flags and until when it lives. */
static __always_inline void slc_flow_advance(struct slc_flow *flow, __u8 tcp_flags, __u64 now) {
    if (flow->key.protocol == IPPROTO_TCP) {
        if ((tcp_flags & (SLC_TCP_SYN | SLC_TCP_ACK)) == SLC_TCP_SYN) {
            flow->flags = 0;
            flow->opened = now;
        } else if (tcp_flags & SLC_TCP_RST) {
            flow->flags |= SLC_FLOW_RESET;
        } else {
            /* A RST of ours that a forged packet provoked while we were connecting ends nothing. */
            flow->flags &= ~SLC_FLOW_RESET;
            if ((tcp_flags & (SLC_TCP_SYN | SLC_TCP_ACK)) == SLC_TCP_ACK)
                flow->flags |= SLC_FLOW_ACKED;
            if (tcp_flags & SLC_TCP_FIN)
                flow->flags |= SLC_FLOW_CLOSED;
        }
    }
    flow->expires = now + slc_flow_timeout(flow->key.protocol, flow->flags, now - flow->opened);
}

/* What becomes of a flow that is looked up. */
enum slc_flow_use {
    SLC_FLOW_LOOK,    /* nothing */
    SLC_FLOW_COME_IN, /* a packet of it comes in */
    SLC_FLOW_GO_OUT,  /* a packet of it goes out, which refreshes it */
    SLC_FLOW_PASS,    /* one in doubt goes out, and the rules that enforce let it */
    SLC_FLOW_REFUSE,  /* they do not */
};

/* Whether a flow lives; in doubt: an earlier generation let it out, or the rules have refused it since. */
enum slc_flow_state { SLC_FLOW_NONE, SLC_FLOW_LIVES, SLC_FLOW_IN_DOUBT };

/* By what a flow is judged: another one from the moment on at which `outbound` is again what it was before. */
static __always_inline __u32 slc_generation_of(__u8 outbound_returned) {
    return slc_trials && outbound_returned ? slc_generation | SLC_GENERATION_RETURNED : slc_generation;
}

static __always_inline __u32 slc_flow_generation(const struct slc_packet *packet) {
    return slc_generation_of(packet->outbound_returned);
}

/* A flow that lives is used. */
static __always_inline void slc_flow_use(struct slc_flow *flow, const enum slc_flow_use use, int state, __u8 tcp_flags,
                                         __u32 generation, __u64 now) {
    if (use == SLC_FLOW_COME_IN && state == SLC_FLOW_IN_DOUBT && !(flow->flags & SLC_FLOW_DOUBTED)) {
        __u64 end = now + slc_flow_timeouts[SLC_FLOW_TIMEOUT_DOUBTED];

        flow->flags |= SLC_FLOW_DOUBTED;
        if ((__s64)(flow->expires - end) > 0)
            flow->expires = end;
    }
    if (use == SLC_FLOW_PASS) {
        flow->flags &= ~(SLC_FLOW_DOUBTED | SLC_FLOW_REFUSED);
        flow->generation = generation;
    }
    /* The generation that let it out judges again: the doubt of the one in between is over. */
    if (use == SLC_FLOW_GO_OUT && state == SLC_FLOW_LIVES)
        flow->flags &= ~SLC_FLOW_DOUBTED;
    if (use == SLC_FLOW_PASS || (use == SLC_FLOW_GO_OUT && state == SLC_FLOW_LIVES))
        slc_flow_advance(flow, tcp_flags, now);
    if (use == SLC_FLOW_REFUSE) {
        /* Not forgotten at once: a connection that was opened from inside must not pass for an answer. */
        flow->flags |= SLC_FLOW_REFUSED;
        flow->expires = now + slc_flow_timeouts[SLC_FLOW_TIMEOUT_TCP_CLOSING];
    }
}

/* Whether the way holds the flow whose answer has this key. */
static __always_inline int slc_flow_is(const struct slc_flow *flow, const struct slc_key *answer, __u8 family,
                                       __u32 ports) {
    const __u64 *ours = (const __u64 *)&flow->key; /* local, remote: where the answer has destination and source */
    const __u64 *theirs = (const __u64 *)answer->words;

    return ((ours[0] ^ theirs[0]) | (ours[1] ^ theirs[1]) | (ours[2] ^ theirs[2]) | (ours[3] ^ theirs[3]) |
            (flow->key.local_port ^ ports >> 16) | (flow->key.remote_port ^ (ports & 0xffff)) |
            (flow->key.protocol ^ SLC_LANE(answer->words[SLC_KEY_PROTOCOL])) | (flow->key.family ^ family)) == 0;
}

/* Whether this is the flow, it lives, and nothing is in doubt: read without the lock, see table.h for the order. */
static __always_inline int slc_flow_lives_surely(const struct slc_flow *flow, const struct slc_packet *packet,
                                                 __u32 ports, __u64 now) {
    __u64 expires = *(const volatile __u64 *)&flow->expires;
    __u32 generation = *(const volatile __u32 *)&flow->generation;
    __u8 flags = *(const volatile __u8 *)&flow->flags;

    slc_in_order();
    return slc_flow_is(flow, &packet->key, packet->family, ports) && (__s64)(expires - now) > 0 &&
           generation == slc_flow_generation(packet) && !(flags & SLC_FLOW_REFUSED);
}

/*
 * The same for a packet that goes out, where it also has nothing to change: it tells nothing new, and the flow's end
 * would move by no more than a 64th of its time, at most a second. So a connection at work takes the lock once in a
 * second, not for each packet; its flow may end by as much too early.
 */
static __always_inline int slc_flow_stays_so(const struct slc_flow *flow, const struct slc_packet *packet, __u32 ports,
                                             __u64 now) {
    const __u8 other = SLC_FLOW_RESET | SLC_FLOW_DOUBTED | SLC_FLOW_REFUSED;
    __u64 expires = *(const volatile __u64 *)&flow->expires;
    __u64 opened = *(const volatile __u64 *)&flow->opened;
    __u32 generation = *(const volatile __u32 *)&flow->generation;
    __u8 flags = *(const volatile __u8 *)&flow->flags;
    __u64 timeout = slc_flow_timeout(packet->protocol, flags, now - opened);
    __u64 lag = timeout >> 6;

    slc_in_order();
    if (lag > slc_flow_timeouts[SLC_FLOW_LAG])
        lag = slc_flow_timeouts[SLC_FLOW_LAG];
    if (packet->protocol == IPPROTO_TCP &&
        ((packet->tcp_flags & (SLC_TCP_FIN | SLC_TCP_SYN | SLC_TCP_RST | SLC_TCP_ACK)) != SLC_TCP_ACK ||
         !(flags & SLC_FLOW_ACKED)))
        return 0;
    return slc_flow_is(flow, &packet->key, packet->family, ports) && (__s64)(expires - now) > 0 &&
           now + timeout - expires <= lag && generation == slc_flow_generation(packet) && !(flags & other);
}

/*
 * The state of the flow with this hash that a packet with this key would answer. `tcp_flags` are those of a packet that
 * goes out. Where no packet goes out by a flow in doubt, what comes in passes for a while, so that an idle connection
 * whose other end speaks first goes on, and no longer.
 */
static __always_inline int slc_flow_look_up(const struct slc_key *answer, __u8 family, __u32 ports, __u32 hash,
                                            const enum slc_flow_use use, __u32 generation, __u8 tcp_flags) {
    struct slc_flow_bucket *bucket;
    struct slc_flow_key key;
    struct slc_flow *flow;
    void *tags;
    __u32 index = slc_table_index(slc_flow_mask, hash);
    __u64 now;
    int state = SLC_FLOW_NONE;

    if (!answer)
        return SLC_FLOW_NONE;
    tags = slc_row(&slc_flow_tags, index);
    bucket = slc_row(&slc_flows, index);
    if (!tags || !bucket)
        return SLC_FLOW_NONE;
    slc_flow_of_answer(answer, family, ports, &key);
    now = bpf_jiffies64();
    bpf_spin_lock(&bucket->lock);
    flow = slc_table_find(bucket, tags, slc_table_tag(hash), &key);
    if (flow && slc_table_lives(flow, now)) {
        state =
            flow->generation == generation && !(flow->flags & SLC_FLOW_REFUSED) ? SLC_FLOW_LIVES : SLC_FLOW_IN_DOUBT;
        if (!slc_dry_run)
            slc_flow_use(flow, use, state, tcp_flags, generation, now);
        if (use == SLC_FLOW_COME_IN || use == SLC_FLOW_LOOK)
            state = flow->flags & SLC_FLOW_REFUSED ? SLC_FLOW_NONE : SLC_FLOW_LIVES;
    }
    bpf_spin_unlock(&bucket->lock);
    return state;
}

/*
 * By the lock, where the look without it was not enough; the same for the three that follow. They are handed what
 * they need and no packet, so that the verifier keeps what it knows of one.
 */
__noinline int slc_flow_come_in(const struct slc_key *answer, __u8 family, __u32 ports, __u32 hash, __u32 generation) {
    return slc_flow_look_up(answer, family, ports, hash, SLC_FLOW_COME_IN, generation, 0);
}

/* There are no more than five arguments: above the flags stands outbound_returned. */
__noinline int slc_flow_go_out(const struct slc_key *answer, __u8 family, __u32 ports, __u32 hash, __u32 by) {
    return slc_flow_look_up(answer, family, ports, hash, SLC_FLOW_GO_OUT, slc_generation_of(by >> 8), by);
}

/* Where the flow with this hash is most likely, alive or not; NULL where it is in no way. */
static __always_inline const struct slc_flow *slc_flow_likely(__u32 hash) {
    __u32 index = slc_table_index(slc_flow_mask, hash);
    void *tags = slc_row(&slc_flow_tags, index);
    void *bucket;
    __u64 matches;

    if (!tags)
        return NULL;
    matches = slc_table_matches(tags, slc_table_tag(hash));
    if (!matches)
        return NULL;
    bucket = slc_row(&slc_flows, index);
    return bucket ? slc_table_likely(bucket, matches, hash) : NULL;
}

/*
 * Whether the flow lives that the packet, which comes in, would answer. Most packets answer nothing, or a flow that
 * surely lives: what they read is in line.
 */
static __always_inline int slc_flow_lives(struct slc_packet *packet) {
    const struct slc_flow *flow;
    __u32 hash, ports;

    if (!slc_flow_ports(&packet->key, packet->family, packet->icmp_identifier, &ports))
        return 0;
    hash = slc_flow_hash(&packet->key, packet->family, ports);
    flow = slc_flow_likely(hash);
    if (!flow)
        return 0;
    slc_note_outbound(packet);
    return slc_flow_lives_surely(flow, packet, ports, bpf_jiffies64()) ||
           slc_flow_come_in(&packet->key, packet->family, ports, hash, slc_flow_generation(packet));
}

/* The same for what an ICMP error quotes: it changes nothing. */
__noinline int slc_flow_is_quoted(const struct slc_key *answer, __u8 family, __u16 identifier) {
    __u32 ports;

    if (!answer || !slc_flow_ports(answer, family, identifier, &ports))
        return 0;
    return slc_flow_look_up(answer, family, ports, slc_flow_hash(answer, family, ports), SLC_FLOW_LOOK, 0, 0);
}

/*
 * A packet goes out, whose answer would have the key that it has now: refreshes its flow. Returns enum slc_flow_state.
 * A function of its own, so that it takes no stack from those behind it.
 */
static __noinline __attribute__((unused)) int slc_flow_refresh(const struct slc_packet *packet) {
    const struct slc_flow *flow;
    __u32 hash, ports;

    if (!packet || !slc_flow_ports(&packet->key, packet->family, packet->icmp_identifier, &ports))
        return SLC_FLOW_NONE;
    hash = slc_flow_hash(&packet->key, packet->family, ports);
    flow = slc_flow_likely(hash);
    if (!flow)
        return SLC_FLOW_NONE;
    if (slc_flow_stays_so(flow, packet, ports, bpf_jiffies64()))
        return SLC_FLOW_LIVES;
    return slc_flow_go_out(&packet->key, packet->family, ports, hash,
                           packet->tcp_flags | packet->outbound_returned << 8);
}

/* The rules that enforce have judged a packet that goes out by a flow in doubt; generation 0: refused it. Returns 0. */
__noinline int slc_flow_settle(const struct slc_key *answer, __u8 family, __u16 identifier, __u8 tcp_flags,
                               __u32 generation) {
    __u32 hash, ports;

    if (!answer || !slc_flow_ports(answer, family, identifier, &ports))
        return 0;
    hash = slc_flow_hash(answer, family, ports);
    if (generation)
        slc_flow_look_up(answer, family, ports, hash, SLC_FLOW_PASS, generation, tcp_flags);
    else
        slc_flow_look_up(answer, family, ports, hash, SLC_FLOW_REFUSE, 0, tcp_flags);
    return 0;
}

/* The hash of a flow, the same as of its answer. */
static __always_inline __u32 slc_flow_hash_of(const struct slc_flow_key *key) {
    __u64 hash = slc_table_hash_addresses(key->remote, key->local, key->family);

    return slc_table_mix(hash + slc_table_factors[8] * ((__u32)key->local_port << 16 | key->remote_port) +
                         slc_table_factors[9] * key->protocol);
}

/* An image of no servers: all flows of a table are alike. */
#define SLC_NO_SHARE (~0u)
#define SLC_FLOW_NO_WAY 0xffu

/* Whose turn it is to make room, first to last; each kind by its ends. */
enum slc_flow_turn {
    SLC_FLOW_TURN_ABOVE, /* of somebody above his share */
    SLC_FLOW_TURN_OWN,
    SLC_FLOW_TURN_OTHER, /* both are within their shares: only chance has brought so many into one bucket */
    SLC_FLOW_TURN_NEVER,
};
#define SLC_FLOW_TURN_SHIFT 56

/*
 * The way of a bucket, all of which live, that makes room for a flow of this owner; SLC_FLOW_NO_WAY where he is above
 * his share and nobody else is: then he takes nothing from anybody. Under the lock.
 */
static __always_inline __u32 slc_flow_shared_way(const struct slc_flow_bucket *bucket, struct slc_shares *shares,
                                                 __u32 owner, __u32 share, __u64 now) {
    int above = slc_share_held(shares, owner) >= share;
    __u64 first = (__u64)SLC_FLOW_TURN_NEVER << SLC_FLOW_TURN_SHIFT;
    __u32 victim = SLC_FLOW_NO_WAY;

    for (__u32 i = 0; i < SLC_TABLE_WAYS; i++) {
        const struct slc_flow *way = &bucket->ways[i];
        int own = way->owner == owner;
        __u64 kind = own                                          ? (above ? SLC_FLOW_TURN_ABOVE : SLC_FLOW_TURN_OWN)
                     : slc_share_held(shares, way->owner) > share ? SLC_FLOW_TURN_ABOVE
                     : above                                      ? SLC_FLOW_TURN_NEVER
                                                                  : SLC_FLOW_TURN_OTHER;
        __u64 turn = kind << SLC_FLOW_TURN_SHIFT | ((way->expires - now) & ((1ull << SLC_FLOW_TURN_SHIFT) - 1));

        if (turn < first) {
            first = turn;
            victim = i;
        }
    }
    return victim;
}

/* Gives back the ways of flows that have ended: nobody else might ever come for them. Under the lock. */
static __always_inline void slc_flow_give_back(struct slc_flow_bucket *bucket, struct slc_shares *shares, __u64 now) {
    for (__u32 i = 0; i < SLC_TABLE_WAYS; i++) {
        struct slc_flow *way = &bucket->ways[i];

        if (!way->expires || slc_table_lives(way, now) || way->owner >= SLC_OWNERS)
            continue;
        __sync_fetch_and_add(&slc_share_of(shares, way->owner)->held, -1ull);
        way->owner = SLC_OWNERS;
    }
}

/*
 * A way for a flow that none holds, with its key and owner and the rest the caller's to fill; NULL where its owner gets
 * none. `evicted`: whether one that lives had to make room. Under the lock.
 */
static __always_inline struct slc_flow *slc_flow_claim(struct slc_flow_bucket *bucket, void *tags, __u32 hash,
                                                       const struct slc_flow_key *key, __u64 now,
                                                       struct slc_shares *shares, __u32 owner, __u32 share,
                                                       int *evicted) {
    __u32 victim = slc_table_victim(bucket, hash, now, evicted), before;
    struct slc_flow *flow;

    if (slc_servers)
        slc_flow_give_back(bucket, shares, now);
    if (slc_servers && *evicted && share != SLC_NO_SHARE)
        victim = slc_flow_shared_way(bucket, shares, owner, share, now);
    if (victim == SLC_FLOW_NO_WAY) {
        *evicted = 0;
        __sync_fetch_and_add(&slc_share_of(shares, owner)->refused, 1);
        return NULL;
    }
    flow = &bucket->ways[victim & (SLC_TABLE_WAYS - 1)];
    before = flow->expires ? flow->owner : SLC_OWNERS;
    if (*evicted)
        __sync_fetch_and_add(&slc_share_of(shares, before)->evicted, 1);
    slc_share_pass(shares, before, owner);
    slc_table_take(bucket, tags, victim, hash, key);
    flow->owner = owner;
    return flow;
}

/* What slc_move_flows is told in the first bytes of the frame it is run on, and what it has lost. */
struct slc_move {
    __u32 first; /* bucket */
    __u32 count; /* of buckets */
    __u32 lost;  /* flows that lived and had to make room, or found none */
    __u32 share; /* flows that each owner has room for, where there are servers */
};

/*
 * Moves one way of slc_flows_before: what bpf_loop calls. Where slc_flows holds the flow already it becomes as it was
 * before, unless packets have been judged by it there: those know more.
 */
static inline long slc_move_way(__u32 i, struct slc_move *move) {
    struct slc_table_figures *figures = slc_only(&slc_flow_stats);
    __u32 index = move->first + i / SLC_TABLE_WAYS;
    struct slc_flow_bucket *bucket = slc_row(&slc_flows_before, index);
    struct slc_shares *shares = slc_value(&slc_flow_shares);
    __u64 now = bpf_jiffies64();
    struct slc_flow flow, *way;
    void *tags;
    __u32 hash;
    int evicted = 0;

    if (!bucket || !figures)
        return 1;
    bpf_spin_lock(&bucket->lock);
    flow = bucket->ways[i & (SLC_TABLE_WAYS - 1)];
    bpf_spin_unlock(&bucket->lock);
    if (!slc_table_lives(&flow, now))
        return 0;
    hash = slc_flow_hash_of(&flow.key);
    index = slc_table_index(slc_flow_mask, hash);
    tags = slc_row(&slc_flow_tags, index);
    bucket = slc_row(&slc_flows, index);
    if (!tags || !bucket)
        return 1;
    bpf_spin_lock(&bucket->lock);
    way = slc_table_find(bucket, tags, slc_table_tag(hash), &flow.key);
    if (way && ((way->generation & ~SLC_GENERATION_RETURNED) == slc_generation ||
                way->flags & (SLC_FLOW_DOUBTED | SLC_FLOW_REFUSED))) {
        way = NULL;
    } else {
        if (way) {
            slc_share_pass(shares, way->owner, flow.owner);
            way->owner = flow.owner;
        } else {
            way = slc_flow_claim(bucket, tags, hash, &flow.key, now, shares, flow.owner, move->share, &evicted);
            evicted |= !way;
        }
        if (way) {
            way->opened = flow.opened;
            way->generation = flow.generation;
            way->flags = flow.flags;
            way->expires = flow.expires;
        }
    }
    bpf_spin_unlock(&bucket->lock);
    figures->evicted += evicted;
    move->lost += evicted;
    return 0;
}

#define SLC_FLOW_OWNER_SHIFT 16

/*
 * Opens a flow, anew where one with the same key ended. `opener`: the identifier of an echo, and above it whose flow it
 * is (slc_section.owner). What can have no flow opens none, nor does who is above his share where there is room for
 * nobody. Returns 0.
 */
__noinline int slc_flow_open(const struct slc_key *answer, __u8 family, __u32 opener, __u8 tcp_flags,
                             __u32 generation) {
    struct slc_table_figures *figures = slc_only(&slc_flow_stats);
    struct slc_shares *shares = slc_value(&slc_flow_shares);
    struct slc_flow_bucket *bucket;
    struct slc_flow_key key;
    struct slc_flow *flow;
    void *tags;
    __u32 index, hash, ports, owner;
    __u64 now;
    int evicted = 0, made = 0;

    if (slc_dry_run || !figures || !answer || !slc_flow_ports(answer, family, opener, &ports))
        return 0;
    slc_flow_of_answer(answer, family, ports, &key);
    hash = slc_flow_hash(answer, family, ports);
    index = slc_table_index(slc_flow_mask, hash);
    tags = slc_row(&slc_flow_tags, index);
    bucket = slc_row(&slc_flows, index);
    if (!tags || !bucket)
        return 0;
    owner = opener >> SLC_FLOW_OWNER_SHIFT & (SLC_OWNERS - 1);
    now = bpf_jiffies64();
    bpf_spin_lock(&bucket->lock);
    flow = slc_table_find(bucket, tags, slc_table_tag(hash), &key);
    if (flow) {
        slc_share_pass(shares, flow->owner, owner);
        flow->owner = owner;
    } else {
        flow =
            slc_flow_claim(bucket, tags, hash, &key, now, shares, owner, slc_header_of_image()->flow_share, &evicted);
    }
    if (flow) {
        flow->opened = now;
        flow->generation = generation;
        flow->flags = 0;
        slc_flow_advance(flow, tcp_flags, now);
        made = 1;
    }
    bpf_spin_unlock(&bucket->lock);
    figures->made += made;
    figures->evicted += evicted;
    return 0;
}

#endif
