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

/* A flow that lives is used. */
static __always_inline void slc_flow_use(struct slc_flow *flow, const enum slc_flow_use use, int state, __u8 tcp_flags,
                                         __u64 now) {
    if (use == SLC_FLOW_COME_IN && state == SLC_FLOW_IN_DOUBT && !(flow->flags & SLC_FLOW_DOUBTED)) {
        __u64 end = now + slc_flow_timeouts[SLC_FLOW_TIMEOUT_DOUBTED];

        flow->flags |= SLC_FLOW_DOUBTED;
        if ((__s64)(flow->expires - end) > 0)
            flow->expires = end;
    }
    if (use == SLC_FLOW_PASS) {
        flow->flags &= ~(SLC_FLOW_DOUBTED | SLC_FLOW_REFUSED);
        flow->generation = slc_generation;
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

/*
 * The state of the flow that a packet with this key would answer. `tcp_flags` are those of a packet that goes out.
 * Where no packet goes out by a flow in doubt, what comes in passes for a while, so that an idle connection whose
 * other end speaks first goes on, and no longer.
 */
static __always_inline int slc_flow_look_up(const struct slc_key *answer, __u8 family, __u16 identifier,
                                            const enum slc_flow_use use, __u8 tcp_flags) {
    struct slc_flow_bucket *bucket;
    struct slc_flow_key key;
    struct slc_flow *flow;
    __u64 hash, now;
    __u16 tag;
    int state = SLC_FLOW_NONE;

    if (!answer || !slc_flow_of_answer(answer, family, identifier, &key))
        return 0;
    hash = slc_table_hash(&key, family);
    bucket = slc_table_bucket(&slc_flows, slc_flow_mask, hash);
    tag = slc_table_tag(hash);
    if (!bucket || !slc_table_may_hold(bucket, tag))
        return 0;
    now = bpf_jiffies64();
    bpf_spin_lock(&bucket->lock);
    flow = slc_table_find(bucket, tag, &key);
    if (flow && slc_table_lives(flow, now)) {
        state = flow->generation == slc_generation && !(flow->flags & SLC_FLOW_REFUSED) ? SLC_FLOW_LIVES
                                                                                        : SLC_FLOW_IN_DOUBT;
        if (!slc_dry_run)
            slc_flow_use(flow, use, state, tcp_flags, now);
        if (use == SLC_FLOW_COME_IN || use == SLC_FLOW_LOOK)
            state = flow->flags & SLC_FLOW_REFUSED ? SLC_FLOW_NONE : SLC_FLOW_LIVES;
    }
    bpf_spin_unlock(&bucket->lock);
    return state;
}

/* Whether the flow lives that the packet, which comes in, would answer. */
__noinline int slc_flow_lives(const struct slc_key *answer, __u8 family, __u16 identifier) {
    return slc_flow_look_up(answer, family, identifier, SLC_FLOW_COME_IN, 0);
}

/* The same for what an ICMP error quotes: it changes nothing. */
__noinline int slc_flow_is_quoted(const struct slc_key *answer, __u8 family, __u16 identifier) {
    return slc_flow_look_up(answer, family, identifier, SLC_FLOW_LOOK, 0);
}

/* A packet goes out, whose answer would have this key: refreshes its flow. Returns enum slc_flow_state. */
__noinline int slc_flow_refresh(const struct slc_key *answer, __u8 family, __u16 identifier, __u8 tcp_flags) {
    return slc_flow_look_up(answer, family, identifier, SLC_FLOW_GO_OUT, tcp_flags);
}

/* The rules that enforce have judged a packet that goes out by a flow in doubt. Returns 0. */
__noinline int slc_flow_settle(const struct slc_key *answer, __u8 family, __u16 identifier, __u8 tcp_flags, int pass) {
    if (pass)
        slc_flow_look_up(answer, family, identifier, SLC_FLOW_PASS, tcp_flags);
    else
        slc_flow_look_up(answer, family, identifier, SLC_FLOW_REFUSE, tcp_flags);
    return 0;
}

/* Opens the flow, anew where one with the same key ended. What can have no flow opens none. Returns 0. */
__noinline int slc_flow_open(const struct slc_key *answer, __u8 family, __u16 identifier, __u8 tcp_flags) {
    const __u32 zero = 0;
    struct slc_table_figures *figures = bpf_map_lookup_elem(&slc_flow_stats, &zero);
    struct slc_flow_bucket *bucket;
    struct slc_flow_key key;
    struct slc_flow *flow;
    __u64 hash, now;
    __u16 tag;
    int evicted = 0;

    if (slc_dry_run || !figures || !answer || !slc_flow_of_answer(answer, family, identifier, &key))
        return 0;
    hash = slc_table_hash(&key, family);
    bucket = slc_table_bucket(&slc_flows, slc_flow_mask, hash);
    tag = slc_table_tag(hash);
    if (!bucket)
        return 0;
    now = bpf_jiffies64();
    bpf_spin_lock(&bucket->lock);
    flow = slc_table_find(bucket, tag, &key);
    if (!flow)
        flow = slc_table_claim(bucket, tag, &key, now, &evicted);
    flow->opened = now;
    flow->generation = slc_generation;
    flow->flags = 0;
    slc_flow_advance(flow, tcp_flags, now);
    bpf_spin_unlock(&bucket->lock);
    figures->made++;
    figures->evicted += evicted;
    return 0;
}

#endif
