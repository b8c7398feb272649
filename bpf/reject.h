/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What a rejected packet is answered with, by turning its own frame round: TCP with a RST (RFC 9293, 3.10.7.1), what
 * else has ports with "port unreachable", the rest with "administratively prohibited" (RFC 792, 1812, 4443). Answers
 * have a budget a second, of each source and of all, so that nobody can make us flood another. What was rejected on its
 * way out is answered in the name of whom it was for, towards the own stack: the program that sent it, or the host
 * behind this one, learns it as if it came from there. TypeScript twin: src/model/answer.ts.
 */
#ifndef SLUICE_REJECT_H
#define SLUICE_REJECT_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "budget.h"
#include "config.h"
#include "maps.h"
#include "packet.h"

#define SLC_ANSWER_TTL 64
/* Bytes of the rejected packet that an ICMP error quotes: its headers, and more than 8 bytes behind most of them. */
#define SLC_ANSWER_QUOTE 128
/* Ethernet header and two VLAN tags. */
#define SLC_ANSWER_LINK_MAX 22
/* An answer is not made shorter than the shortest Ethernet frame, where the question was not. */
#define SLC_FRAME_MIN 60

/* slc_scratch. Behind an answer's last byte there are zeros, which pad a short frame and add nothing to a checksum. */
struct slc_answer {
    __u8 link[24];
    __be32 pseudo[10]; /* pseudo header of a transport checksum */
    union {
        __u8 packet[40 + 8 + SLC_ANSWER_QUOTE];
        struct iphdr ip4;
        struct ipv6hdr ip6;
    };
};
_Static_assert(sizeof(struct slc_answer) <= 256, "an answer fits the scratch");

struct slc_answer_tcp {
    __be16 source;
    __be16 destination;
    __be32 sequence;
    __be32 acknowledgement;
    __u8 data_offset;
    __u8 flags;
    __be16 window;
    __sum16 checksum;
    __be16 urgent;
};

struct slc_answer_icmp {
    __u8 type;
    __u8 code;
    __sum16 checksum;
    __be16 unused[2];
    __u8 quote[SLC_ANSWER_QUOTE];
};

/* No host that an answer could be for: multicast, broadcast, unspecified, loopback, reserved. */
static __always_inline int slc_is_nobody(const __u32 *words, __u8 family) {
    __u32 first = words[0];

    if (family == 4)
        return first >> 28 >= 0xe || first >> 24 == 0 || first >> 24 == 127;
    return first >> 24 == 0xff || (!first && !words[1] && !words[2] && words[3] <= 1);
}

/* Whether a packet of this kind is ever answered. */
static __always_inline int slc_may_answer(const struct slc_packet *packet) {
    if (packet->is_group || packet->fragment == SLC_FRAGMENT_LATER)
        return 0;
    /* See slc_balance(): the answer's header must stand where that of the question does. */
    if (SLC_ANSWERS_STAY &&
        packet->offset - packet->network != (packet->family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr)))
        return 0;
    if (packet->protocol == IPPROTO_TCP) {
        if (packet->tcp_flags & 0x04)
            return 0;
        /* Without ACK the answer names the end of the segment, which a first fragment does not show. */
        if (!(packet->tcp_flags & 0x10) && packet->fragment != SLC_FRAGMENT_NONE)
            return 0;
    }
    if (packet->is_icmp) {
        __u8 type = packet->icmp_type;

        if (packet->family == 4 ? type == 3 || type == 4 || type == 5 || type == 11 || type == 12
                                : type < 128 || type == 137)
            return 0;
    }
    return !slc_is_nobody(&packet->key.words[SLC_KEY_SOURCE], packet->family) &&
           !slc_is_nobody(&packet->key.words[SLC_KEY_DESTINATION], packet->family);
}

static __always_inline __sum16 slc_fold(__s64 sum) {
    __u32 folded = (__u32)sum;

    folded = (folded & 0xffff) + (folded >> 16);
    folded = (folded & 0xffff) + (folded >> 16);
    return (__sum16)~folded;
}

/* Two comparisons of the very register that is used then: of one subtraction, as clang likes it, the verifier learns
 * nothing. */
#define slc_is_within(value, low, high)                                                                                \
    ({                                                                                                                 \
        int within = 0;                                                                                                \
        asm volatile("" : "+r"(value));                                                                                \
        if ((value) >= (low)) {                                                                                        \
            asm volatile("" : "+r"(value));                                                                            \
            within = (value) <= (high);                                                                                \
        }                                                                                                              \
        within;                                                                                                        \
    })

/* Writes the IP header for `payload` bytes, and the pseudo header. */
static __always_inline void slc_answer_ip(struct slc_answer *answer, const struct slc_packet *packet, __u8 protocol,
                                          __u16 payload, const int family) {
    const __u32 *from = &packet->key.words[SLC_KEY_DESTINATION];
    const __u32 *to = &packet->key.words[SLC_KEY_SOURCE];

    if (family == 4) {
        struct iphdr *ip = &answer->ip4;

        ip->version = 4;
        ip->ihl = 5;
        ip->tot_len = bpf_htons(sizeof(*ip) + payload);
        ip->frag_off = bpf_htons(0x4000); /* don't fragment: the identification may be 0 (RFC 6864) */
        ip->ttl = SLC_ANSWER_TTL;
        ip->protocol = protocol;
        ip->saddr = bpf_htonl(from[0]);
        ip->daddr = bpf_htonl(to[0]);
        ip->check = slc_fold(bpf_csum_diff(NULL, 0, (__be32 *)ip, sizeof(*ip), 0));
        answer->pseudo[0] = ip->saddr;
        answer->pseudo[1] = ip->daddr;
    } else {
        struct ipv6hdr *ip = &answer->ip6;

        ip->version = 6;
        ip->payload_len = bpf_htons(payload);
        ip->nexthdr = protocol;
        ip->hop_limit = SLC_ANSWER_TTL;
#pragma unroll
        for (int i = 0; i < 4; i++) {
            ip->saddr.in6_u.u6_addr32[i] = bpf_htonl(from[i]);
            ip->daddr.in6_u.u6_addr32[i] = bpf_htonl(to[i]);
            answer->pseudo[i] = ip->saddr.in6_u.u6_addr32[i];
            answer->pseudo[4 + i] = ip->daddr.in6_u.u6_addr32[i];
        }
    }
    answer->pseudo[8] = bpf_htonl(payload);
    answer->pseudo[9] = bpf_htonl(protocol);
}

/* The sum of 16-bit words that a 32-bit one stands for, not complemented. */
static __always_inline __u16 slc_fold_plain(__s64 sum) {
    return ~slc_fold(sum);
}

/*
 * An skb may be one whose transport checksum is still to be completed (CHECKSUM_PARTIAL): whoever sends it on sums up
 * all from the transport header on, and stores the complement where the question has its checksum. No helper can tell,
 * nor change it. So the answer is valid both as it stands and completed:
 * - of TCP, the pseudo header's sum stands in place of the checksum, and the urgent pointer, which means nothing
 * without URG, makes the sum right;
 * - of ICMP in answer to UDP, whose checksum is 6 bytes behind the header's start, the unused bytes there hold the
 * pseudo header's sum (ICMPv4 has none: 0). Completion stores the same again. Nobody but the kernel's own NIC or a host
 * behind it ever sees that.
 */
static __always_inline void slc_balance(struct slc_answer_tcp *reset, __s64 pseudo) {
    reset->checksum = slc_fold_plain(pseudo);
    reset->urgent = slc_fold(bpf_csum_diff(NULL, 0, (__be32 *)reset, sizeof(*reset), pseudo));
}

/* The ports of the answer, or its ICMP type and code, as they stand in a key. */
static __always_inline __u32 slc_answer_ports(const struct slc_packet *packet, __u8 family) {
    __u32 ports = packet->key.words[SLC_KEY_PORTS];

    if (packet->protocol == IPPROTO_TCP)
        return ports << 16 | ports >> 16;
    if (family == 4)
        return 3u << 24 | (ports && !packet->is_icmp ? 3u : 13u) << 16;
    return 1u << 24 | (ports && !packet->is_icmp ? 4u : 1u) << 16;
}

static __always_inline __u8 slc_answer_protocol(const struct slc_packet *packet) {
    return packet->protocol == IPPROTO_TCP ? IPPROTO_TCP : packet->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
}

/* Bytes of the answer from its IP header on; 0 where the question cannot be read again. */
static __always_inline __u32 slc_answer_with_reset(struct SLC_CONTEXT *ctx, struct slc_answer *answer,
                                                   const struct slc_packet *packet, const int family) {
    const __u32 ip_bytes = family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
    struct slc_answer_tcp *reset = (void *)(answer->packet + ip_bytes);
    struct slc_answer_tcp question;
    __s64 pseudo;

    if (SLC_LOAD_BYTES(ctx, packet->offset, &question, sizeof(question)))
        return 0;
    slc_answer_ip(answer, packet, IPPROTO_TCP, sizeof(*reset), family);
    reset->source = question.destination;
    reset->destination = question.source;
    reset->data_offset = sizeof(*reset) / 4 << 4;
    if (question.flags & 0x10) {
        reset->sequence = question.acknowledgement;
        reset->flags = 0x04;
    } else {
        __u32 length = packet->end - packet->offset - (question.data_offset >> 4) * 4 + (question.flags & 0x01) +
                       ((question.flags >> 1) & 0x01);

        reset->acknowledgement = bpf_htonl(bpf_ntohl(question.sequence) + length);
        reset->flags = 0x04 | 0x10;
    }
    pseudo = bpf_csum_diff(NULL, 0, answer->pseudo, sizeof(answer->pseudo), 0);
    if (SLC_ANSWERS_STAY)
        slc_balance(reset, pseudo);
    else
        reset->checksum = slc_fold(bpf_csum_diff(NULL, 0, (__be32 *)reset, sizeof(*reset), pseudo));
    return ip_bytes + sizeof(*reset);
}

static __always_inline __u32 slc_answer_with_icmp(struct SLC_CONTEXT *ctx, struct slc_answer *answer,
                                                  const struct slc_packet *packet, const int family) {
    const __u32 ip_bytes = family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
    struct slc_answer_icmp *error = (void *)(answer->packet + ip_bytes);
    int has_ports = packet->key.words[SLC_KEY_PORTS] && !packet->is_icmp;
    __u32 quote = packet->end - packet->network;
    __s64 pseudo;

    if (quote > SLC_ANSWER_QUOTE)
        quote = SLC_ANSWER_QUOTE;
    if (!slc_is_within(quote, sizeof(struct iphdr), SLC_ANSWER_QUOTE) ||
        SLC_LOAD_BYTES(ctx, packet->network, error->quote, quote))
        return 0;
    if (family == 4) {
        slc_answer_ip(answer, packet, IPPROTO_ICMP, 8 + quote, 4);
        error->type = 3;
        error->code = has_ports ? 3 : 13;
        error->checksum = slc_fold(bpf_csum_diff(NULL, 0, (__be32 *)error, sizeof(*error), 0));
    } else {
        slc_answer_ip(answer, packet, IPPROTO_ICMPV6, 8 + quote, 6);
        error->type = 1;
        error->code = has_ports ? 4 : 1;
        pseudo = bpf_csum_diff(NULL, 0, answer->pseudo, sizeof(answer->pseudo), 0);
        if (SLC_ANSWERS_STAY)
            error->unused[1] = slc_fold_plain(pseudo);
        error->checksum = slc_fold(bpf_csum_diff(NULL, 0, (__be32 *)error, sizeof(*error), pseudo));
    }
    return ip_bytes + 8 + quote;
}

/* Turns the link header round. */
static __always_inline int slc_answer_link(struct SLC_CONTEXT *ctx, struct slc_answer *answer, __u32 link) {
    __u8 *to = answer->link, *from = answer->link + ETH_ALEN;

    if (SLC_LOAD_BYTES(ctx, 0, answer->link, link))
        return -1;
#pragma unroll
    for (int i = 0; i < ETH_ALEN; i++) {
        __u8 byte = to[i];

        to[i] = from[i];
        from[i] = byte;
    }
    return 0;
}

/* Makes the frame its own answer. Nonzero where it could not; the frame may be spoilt then. */
static __always_inline int slc_write_answer(struct SLC_CONTEXT *ctx, const struct slc_packet *packet,
                                            const int family) {
    struct slc_answer *answer = slc_only(&slc_scratch);
    __u32 link = packet->network, bytes, length;

    if (!answer || !slc_is_within(link, sizeof(struct ethhdr), SLC_ANSWER_LINK_MAX))
        return -1;
    __builtin_memset(answer, 0, sizeof(*answer));
    if (slc_answer_link(ctx, answer, link))
        return -1;
    bytes = packet->protocol == IPPROTO_TCP ? slc_answer_with_reset(ctx, answer, packet, family)
                                            : slc_answer_with_icmp(ctx, answer, packet, family);
    if (!bytes)
        return -1;
    length = packet->length < SLC_FRAME_MIN ? packet->length : SLC_FRAME_MIN;
    if (length < link + bytes)
        length = link + bytes;
    if (SLC_RESIZE(ctx, packet->length, length))
        return -1;
    bytes = length - link;
    if (!slc_is_within(bytes, sizeof(struct iphdr), sizeof(answer->packet)))
        return -1;
    return SLC_STORE_BYTES(ctx, 0, answer->link, link) || SLC_STORE_BYTES(ctx, link, answer->packet, bytes);
}

static __noinline int slc_write_answer4(struct SLC_CONTEXT *ctx, const struct slc_packet *packet) {
    return slc_write_answer(ctx, packet, 4);
}

static __noinline int slc_write_answer6(struct SLC_CONTEXT *ctx, const struct slc_packet *packet) {
    return slc_write_answer(ctx, packet, 6);
}

/* Answers a packet that was rejected. Whether the frame is the answer now. A function of its own to spare stack. */
static __noinline int slc_reject(struct SLC_CONTEXT *ctx, const struct slc_packet *packet) {
    struct slc_reject_figures *figures;

    if (slc_dry_run)
        return slc_may_answer(packet);
    figures = slc_row(&slc_reject_stats, SLC_HOOK);
    if (!figures)
        return 0;
    if (!slc_may_answer(packet)) {
        figures->unanswered++;
        return 0;
    }
    if (slc_take(&slc_reject_budget, SLC_HOOK * (1 + SLC_BUDGET_SOURCES), packet,
                 SLC_ANSWERS_STAY ? SLC_REJECTS_OUT_A_SOURCE : SLC_REJECTS_A_SOURCE,
                 SLC_ANSWERS_STAY ? SLC_REJECTS_OUT_IN_ALL : SLC_REJECTS_IN_ALL) != SLC_SPENT_NONE) {
        figures->capped++;
        return 0;
    }
    if (packet->family == 4 ? slc_write_answer4(ctx, packet) : slc_write_answer6(ctx, packet)) {
        figures->unanswered++;
        return 0;
    }
    figures->answered++;
    return 1;
}

#endif
