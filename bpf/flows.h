/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Tier 4: the flows that were opened from inside. Only packets that go out write them; one that comes in asks whether
 * its flow lives. The table is set-associative: a key's hash names a bucket of eight ways, and 16 more bits of it, the
 * tag, which of them can hold the key. Tags are read without the lock, so that a packet without a flow takes none.
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

#define SLC_TCP_FIN 0x01
#define SLC_TCP_SYN 0x02
#define SLC_TCP_RST 0x04
#define SLC_TCP_ACK 0x10

/*
 * The flow whose answer has this key; 0 where no flow can have it: of ICMP only echo-replies are answers.
 * `identifier` is that of the echo.
 */
static __always_inline int slc_flow_of_answer(const struct slc_key *answer, __u8 family, __u16 identifier,
                                              struct slc_flow_key *flow) {
    __u8 protocol = SLC_LANE(answer->words[SLC_KEY_PROTOCOL]);
    __u32 ports = answer->words[SLC_KEY_PORTS];

    if (protocol == (family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6)) {
        if (ports >> 24 != (family == 4 ? 0 : 129))
            return 0;
        ports = (__u32)identifier << 16;
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
        flow->local[i] = answer->words[SLC_KEY_DESTINATION + i];
        flow->remote[i] = answer->words[SLC_KEY_SOURCE + i];
    }
    flow->local_port = ports >> 16;
    flow->remote_port = ports;
    flow->protocol = protocol;
    flow->family = family;
    flow->reserved = 0;
    return 1;
}

/*
 * Multilinear hashing: random 64-bit factors over 32-bit words, of which the high bits count. Two keys collide with the
 * chance of two random numbers, whoever chose them, as long as the factors are secret (Lemire and Kaser, "Strongly
 * universal string hashing is fast", 2014).
 */
static __always_inline __u64 slc_flow_hash(const struct slc_flow_key *key) {
    __u64 hash = slc_flow_factors[0] * key->local[0] + slc_flow_factors[1] * key->remote[0] +
                 slc_flow_factors[2] * ((__u32)key->local_port << 16 | key->remote_port) +
                 slc_flow_factors[3] * ((__u32)key->family << 8 | key->protocol);

    if (key->family == 6) {
#pragma unroll
        for (int i = 1; i < 4; i++)
            hash += slc_flow_factors[2 + 2 * i] * key->local[i] + slc_flow_factors[3 + 2 * i] * key->remote[i];
    }
    return hash;
}

static __always_inline __u16 slc_flow_tag(__u64 hash) {
    __u16 tag = hash >> 30;

    return tag ? tag : 1;
}

static __always_inline struct slc_flow_bucket *slc_flow_bucket_of(__u64 hash) {
    __u32 index = (__u32)(hash >> 44) & slc_flow_mask;

    return bpf_map_lookup_elem(&slc_flows, &index);
}

static __always_inline int slc_flow_has_key(const struct slc_flow *flow, const struct slc_flow_key *key) {
    const __u64 *a = (const __u64 *)&flow->key;
    const __u64 *b = (const __u64 *)key;

    return ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) | (a[4] ^ b[4])) == 0;
}

/* Whether any way of the bucket can hold the key: read without the lock. */
static __always_inline int slc_flow_may_hold(const struct slc_flow_bucket *bucket, __u16 tag) {
    int found = 0;

#pragma unroll
    for (int i = 0; i < SLC_FLOW_WAYS; i++)
        found |= *(const volatile __u16 *)&bucket->tags[i] == tag;
    return found;
}

/* Whether the flow lives that the packet would answer: for packets that come in, which change nothing. */
__noinline int slc_flow_lives(const struct slc_key *answer, __u8 family, __u16 identifier) {
    struct slc_flow_bucket *bucket;
    struct slc_flow_key key;
    __u64 hash, now;
    __u16 tag;
    int lives = 0;

    if (!answer || !slc_flow_of_answer(answer, family, identifier, &key))
        return 0;
    hash = slc_flow_hash(&key);
    bucket = slc_flow_bucket_of(hash);
    tag = slc_flow_tag(hash);
    if (!bucket || !slc_flow_may_hold(bucket, tag))
        return 0;
    now = bpf_jiffies64();
    bpf_spin_lock(&bucket->lock);
    for (int i = 0; i < SLC_FLOW_WAYS; i++) {
        if (bucket->tags[i] != tag || !slc_flow_has_key(&bucket->ways[i], &key))
            continue;
        lives = (__s64)(bucket->ways[i].expires - now) > 0;
        break;
    }
    bpf_spin_unlock(&bucket->lock);
    return lives;
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

/* What a packet that goes out does to its flow: its flags and until when it lives. */
static __always_inline void slc_flow_advance(struct slc_flow *flow, __u8 tcp_flags, __u64 now) {
    __u32 timeout;

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
        timeout = flow->flags & SLC_FLOW_RESET    ? SLC_FLOW_TIMEOUT_TCP_RESET
                  : flow->flags & SLC_FLOW_CLOSED ? SLC_FLOW_TIMEOUT_TCP_CLOSING
                  : flow->flags & SLC_FLOW_ACKED  ? SLC_FLOW_TIMEOUT_TCP_ESTABLISHED
                                                  : SLC_FLOW_TIMEOUT_TCP_OPENING;
    } else if (flow->key.protocol == IPPROTO_UDP || flow->key.protocol == IPPROTO_UDPLITE) {
        timeout = now - flow->opened >= slc_flow_timeouts[SLC_FLOW_STREAM_AGE] ? SLC_FLOW_TIMEOUT_DATAGRAM_STREAM
                                                                               : SLC_FLOW_TIMEOUT_DATAGRAM;
    } else {
        timeout = flow->key.protocol == IPPROTO_ICMP || flow->key.protocol == IPPROTO_ICMPV6 ? SLC_FLOW_TIMEOUT_ECHO
                                                                                             : SLC_FLOW_TIMEOUT_OTHER;
    }
    flow->expires = now + slc_flow_timeouts[timeout];
}

/* A packet goes out, whose answer would have this key: refreshes its flow. Whether it has one that lives. */
__noinline int slc_flow_refresh(const struct slc_key *answer, __u8 family, __u16 identifier, __u8 tcp_flags) {
    struct slc_flow_bucket *bucket;
    struct slc_flow_key key;
    __u64 hash, now;
    __u16 tag;
    int lives = 0;

    if (!answer || !slc_flow_of_answer(answer, family, identifier, &key))
        return 0;
    hash = slc_flow_hash(&key);
    bucket = slc_flow_bucket_of(hash);
    tag = slc_flow_tag(hash);
    if (!bucket || !slc_flow_may_hold(bucket, tag))
        return 0;
    now = bpf_jiffies64();
    bpf_spin_lock(&bucket->lock);
    for (int i = 0; i < SLC_FLOW_WAYS; i++) {
        if (bucket->tags[i] != tag || !slc_flow_has_key(&bucket->ways[i], &key))
            continue;
        lives = (__s64)(bucket->ways[i].expires - now) > 0;
        if (lives && !slc_dry_run)
            slc_flow_advance(&bucket->ways[i], tcp_flags, now);
        break;
    }
    bpf_spin_unlock(&bucket->lock);
    return lives;
}

/*
 * Opens the flow. Room is made in this order: the way that held the same key, an empty one, the one that would end
 * first (which is past its end, where there is such a one). What can have no flow opens none. Returns 0.
 */
__noinline int slc_flow_open(const struct slc_key *answer, __u8 family, __u16 identifier, __u8 tcp_flags) {
    const __u32 zero = 0;
    struct slc_flow_figures *figures = bpf_map_lookup_elem(&slc_flow_stats, &zero);
    struct slc_flow_bucket *bucket;
    struct slc_flow_key key;
    __u64 hash, now;
    __s64 least = 0;
    __u32 victim = 0;
    __u16 tag;
    int evicted = 0;

    if (slc_dry_run || !figures || !answer || !slc_flow_of_answer(answer, family, identifier, &key))
        return 0;
    hash = slc_flow_hash(&key);
    bucket = slc_flow_bucket_of(hash);
    tag = slc_flow_tag(hash);
    if (!bucket)
        return 0;
    now = bpf_jiffies64();
    bpf_spin_lock(&bucket->lock);
    for (__u32 i = 0; i < SLC_FLOW_WAYS; i++) {
        const struct slc_flow *way = &bucket->ways[i];
        __s64 left = (__s64)(way->expires - now);

        if (bucket->tags[i] == tag && slc_flow_has_key(way, &key)) {
            victim = i;
            evicted = 0;
            break;
        }
        if (!bucket->tags[i])
            left = -0x7fffffffffffffffll;
        if (i == 0 || left < least) {
            least = left;
            victim = i;
            evicted = left > 0;
        }
    }
    if (victim < SLC_FLOW_WAYS) {
        struct slc_flow *way = &bucket->ways[victim];

        bucket->tags[victim] = tag;
        way->key = key;
        way->opened = now;
        way->generation = slc_generation;
        way->flags = 0;
        slc_flow_advance(way, tcp_flags, now);
    }
    bpf_spin_unlock(&bucket->lock);
    figures->opened++;
    figures->evicted += evicted;
    return 0;
}

#endif
