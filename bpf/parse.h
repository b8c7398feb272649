/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Tier 1, sanity: Ethernet, VLAN tags, IPv4 with options, IPv6 with its extension headers, transport, and the packet
 * an ICMP error quotes. Every parser takes the packet, reads at packet->offset, checks its own bounds and returns
 * SLC_REASON_NONE or the reason to drop. Same checks, same order: src/model/decode.ts.
 */
#ifndef SLUICE_PARSE_H
#define SLUICE_PARSE_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include "config.h"
#include "packet.h"

#define SLC_MAX_VLAN_TAGS 2
#define SLC_IPPROTO_MOBILITY 135

struct slc_vlan {
    __be16 tci;
    __be16 ethertype;
};

/* An extension header's first 8 bytes; `fragment` is only a fragment header's. */
struct slc_extension {
    __u8 next;
    __u8 length;
    __be16 fragment; /* routing header: the type is the high byte */
    __be32 rest;
};

/* First bytes of every transport header sluice reads. */
struct slc_transport {
    __be16 source;
    __be16 destination;
    __be16 length; /* UDP; of an ICMP echo the identifier */
    __be16 checksum;
};

struct slc_tcp {
    __be16 source;
    __be16 destination;
    __be32 sequence;
    __be32 acknowledgement;
    __u8 data_offset; /* high four bits, in 32-bit words */
    __u8 flags;
    __be16 window;
    __be16 checksum;
    __be16 urgent;
};

static __always_inline int slc_parse_ethernet(struct SLC_CONTEXT *ctx, struct slc_packet *packet) {
    const struct ethhdr *ethernet;
    const struct slc_vlan *vlan;

    if (packet->length < sizeof(*ethernet))
        return SLC_REASON_TOO_SHORT;
    ethernet = slc_header(ctx, 0, sizeof(*ethernet));
    if (!ethernet)
        return SLC_REASON_TOO_SHORT;
    packet->ethertype = bpf_ntohs(ethernet->h_proto);
    packet->offset = sizeof(*ethernet);
    packet->network = sizeof(*ethernet);
    packet->is_group = (ethernet->h_dest[0] | ethernet->h_source[0]) & 1;

#pragma unroll
    for (int tags = 0; tags <= SLC_MAX_VLAN_TAGS; tags++) {
        if (packet->ethertype != ETH_P_8021Q && packet->ethertype != ETH_P_8021AD)
            return SLC_REASON_NONE;
        if (tags + packet->vlan_tags >= SLC_MAX_VLAN_TAGS)
            return SLC_REASON_VLAN_DEPTH;
        if (packet->length < packet->offset + sizeof(*vlan))
            return SLC_REASON_VLAN_TRUNCATED;
        vlan = slc_header(ctx, packet->offset, sizeof(*vlan));
        if (!vlan)
            return SLC_REASON_VLAN_TRUNCATED;
        packet->ethertype = bpf_ntohs(vlan->ethertype);
        packet->offset += sizeof(*vlan);
        packet->network = packet->offset;
    }
    return SLC_REASON_NONE;
}

#define SLC_MORE_FRAGMENTS 0x2000
#define SLC_FRAGMENT_OFFSET 0x1fff

/*
 * What holds for every fragment (RFC 791 3.2, RFC 8200 4.5): it holds something, all but the last are a multiple of
 * 8 bytes long, and the whole packet is no longer than its length field can say. `other`: bytes that count besides
 * fragments' data.
 */
static __always_inline int slc_check_fragment(const struct slc_packet *packet, __u32 other, int more) {
    __u32 bytes = packet->end - packet->fragment_start;

    if (!bytes || (more && bytes % 8) || other + packet->fragment_at + bytes > 0xffff)
        return SLC_REASON_FRAGMENT_LENGTH;
    return SLC_REASON_NONE;
}

static __always_inline int slc_parse_ipv4(struct SLC_CONTEXT *ctx, struct slc_packet *packet) {
    __u32 available = packet->length - packet->offset;
    const struct iphdr *ip;
    __u32 header_bytes, total;
    __u16 fragment;

    if (available < sizeof(*ip))
        return SLC_REASON_IP_TRUNCATED;
    ip = slc_header(ctx, packet->offset, sizeof(*ip));
    if (!ip)
        return SLC_REASON_IP_TRUNCATED;
    if (ip->version != 4)
        return SLC_REASON_IP_VERSION;
    header_bytes = ip->ihl * 4;
    if (header_bytes < sizeof(*ip))
        return SLC_REASON_IPV4_IHL;
    if (header_bytes > available)
        return SLC_REASON_IP_TRUNCATED;
    total = bpf_ntohs(ip->tot_len);
    if (!total && packet->segmented)
        total = available; /* longer than the field can tell (BIG TCP) */
    if (total < header_bytes || total > available)
        return SLC_REASON_IP_LENGTH;

    fragment = bpf_ntohs(ip->frag_off);
    packet->fragment = fragment & SLC_FRAGMENT_OFFSET  ? SLC_FRAGMENT_LATER
                       : fragment & SLC_MORE_FRAGMENTS ? SLC_FRAGMENT_FIRST
                                                       : SLC_FRAGMENT_NONE;
    packet->family = 4;
    packet->protocol = ip->protocol;
    packet->hop_limit = ip->ttl;
    packet->key.words[SLC_KEY_DESTINATION] = bpf_ntohl(ip->daddr);
    packet->key.words[SLC_KEY_SOURCE] = bpf_ntohl(ip->saddr);
    packet->end = packet->offset + total;
    packet->offset += header_bytes;
    if (packet->fragment != SLC_FRAGMENT_NONE) {
        packet->fragment_start = packet->offset;
        packet->fragment_at = fragment << 3;
        /* Later ones show it too: receivers put together what has the same protocol (RFC 791 3.2). */
        packet->key.words[SLC_KEY_PROTOCOL] = SLC_LANE(packet->protocol);
        packet->identification = bpf_ntohs(ip->id);
        return slc_check_fragment(packet, header_bytes, fragment & SLC_MORE_FRAGMENTS);
    }
    return SLC_REASON_NONE;
}

static __always_inline int slc_is_extension(__u8 protocol) {
    return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING || protocol == IPPROTO_FRAGMENT ||
           protocol == IPPROTO_AH || protocol == IPPROTO_DSTOPTS || protocol == SLC_IPPROTO_MOBILITY;
}

/* State of a walk along IPv6 extension headers (RFC 8200 4, AH RFC 4302, mobility RFC 6275). */
struct slc_chain {
    __u32 offset;
    __u32 end;
    __u8 protocol;
    __u8 fragment;        /* enum slc_fragment; what follows is set where it is not NONE */
    __u16 fragment_field; /* of the fragment header, host order: offset in bytes, bit 0: more follow */
    __u32 fragment_start; /* offset of the fragment's data */
    __u32 identification;
};

/* A function of its own: verified once, used for the packet and for the packet an ICMP error quotes. */
__noinline int slc_walk_chain(struct SLC_CONTEXT *ctx, struct slc_chain *chain) {
    __u32 offset, end, bytes;
    __u8 protocol;
    int fragment_seen = 0, headers = 0;

    if (!chain)
        return SLC_REASON_IPV6_CHAIN;
    offset = chain->offset;
    end = chain->end;
    protocol = chain->protocol;
    if (!slc_is_extension(protocol))
        return SLC_REASON_NONE;
    /* The test is at the end, so that a jump leads back: Linux 6.1 refuses a loop that plain code falls back into. */
    do {
        const struct slc_extension *extension;

        if (headers == SLC_IPV6_CHAIN_MAX)
            return SLC_REASON_IPV6_CHAIN_LONG;
        if (protocol == IPPROTO_HOPOPTS && headers != 0)
            return SLC_REASON_IPV6_CHAIN;
        if (offset + sizeof(*extension) > end)
            return SLC_REASON_IPV6_CHAIN;
        extension = slc_header(ctx, offset, sizeof(*extension));
        if (!extension)
            return SLC_REASON_IPV6_CHAIN;
        bytes = (extension->length + 1) * 8;
        if (protocol == IPPROTO_AH)
            bytes = (extension->length + 2) * 4;
        if (protocol == IPPROTO_FRAGMENT) {
            __u16 field = bpf_ntohs(extension->fragment);

            if (fragment_seen)
                return SLC_REASON_IPV6_CHAIN;
            fragment_seen = 1;
            bytes = 8;
            chain->fragment_field = field;
            chain->fragment_start = offset + 8;
            chain->identification = bpf_ntohl(extension->rest);
            if (field >> 3) {
                chain->protocol = extension->next;
                chain->fragment = SLC_FRAGMENT_LATER;
                chain->offset = offset + 8;
                return SLC_REASON_NONE;
            }
            if (field & 1)
                chain->fragment = SLC_FRAGMENT_FIRST;
        }
        if (protocol == IPPROTO_ROUTING && bpf_ntohs(extension->fragment) >> 8 == 0)
            return SLC_REASON_IPV6_ROUTING_0;
        if (offset + bytes > end)
            return SLC_REASON_IPV6_CHAIN;
        offset += bytes;
        protocol = extension->next;
        headers++;
    } while (slc_is_extension(protocol));
    chain->protocol = protocol;
    chain->offset = offset;
    return SLC_REASON_NONE;
}

/* A function of its own, so that the chain is not on the stack of all other packets. */
static __noinline int slc_parse_extensions(struct SLC_CONTEXT *ctx, struct slc_packet *packet) {
    __u32 first = packet->offset;
    struct slc_chain chain = {.offset = first, .end = packet->end, .protocol = packet->protocol};
    int reason = slc_walk_chain(ctx, &chain);

    if (reason)
        return reason;
    packet->protocol = chain.protocol;
    packet->fragment = chain.fragment;
    packet->offset = chain.offset;
    if (chain.fragment == SLC_FRAGMENT_NONE)
        return SLC_REASON_NONE;
    packet->fragment_start = chain.fragment_start;
    packet->fragment_at = chain.fragment_field & ~7;
    packet->identification = chain.identification;
    /* Of the headers in front of the fragment's data only other extension headers count. */
    return slc_check_fragment(packet, chain.fragment_start - first - sizeof(struct slc_extension),
                              chain.fragment_field & 1);
}

static __always_inline void slc_read_address(__u32 *words, const struct in6_addr *address) {
#pragma unroll
    for (int i = 0; i < 4; i++)
        words[i] = bpf_ntohl(address->in6_u.u6_addr32[i]);
}

static __always_inline int slc_parse_ipv6(struct SLC_CONTEXT *ctx, struct slc_packet *packet) {
    __u32 available = packet->length - packet->offset;
    const struct ipv6hdr *ip;

    if (available < sizeof(*ip))
        return SLC_REASON_IP_TRUNCATED;
    ip = slc_header(ctx, packet->offset, sizeof(*ip));
    if (!ip)
        return SLC_REASON_IP_TRUNCATED;
    if (ip->version != 6)
        return SLC_REASON_IP_VERSION;
    packet->offset += sizeof(*ip);
    packet->end = packet->offset + bpf_ntohs(ip->payload_len);
    if (!ip->payload_len && packet->segmented)
        packet->end = packet->length; /* longer than the field can tell (BIG TCP) */
    if (packet->end > packet->length)
        return SLC_REASON_IP_LENGTH;
    packet->protocol = ip->nexthdr;
    packet->family = 6;
    packet->hop_limit = ip->hop_limit;
    slc_read_address(&packet->key.words[SLC_KEY_DESTINATION], &ip->daddr);
    slc_read_address(&packet->key.words[SLC_KEY_SOURCE], &ip->saddr);
    return slc_is_extension(packet->protocol) ? slc_parse_extensions(ctx, packet) : SLC_REASON_NONE;
}

/* Shortest whole transport header of a protocol that carries ports, 0 for the others. */
static __always_inline __u32 slc_port_header_bytes(__u8 protocol) {
    switch (protocol) {
    case IPPROTO_TCP:
        return 20;
    case IPPROTO_UDP:
    case IPPROTO_UDPLITE:
        return 8;
    case IPPROTO_DCCP:
    case IPPROTO_SCTP:
        return 12;
    default:
        return 0;
    }
}

static __always_inline int slc_is_icmp(__u8 family, __u8 protocol) {
    return protocol == (family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

static __always_inline void slc_set_ports(struct slc_key *key, __u16 source, __u16 destination) {
    key->words[SLC_KEY_PORTS] = (__u32)destination << 16 | source;
}

/* The transport header at packet->offset; not for later fragments, which have none. */
static __always_inline int slc_parse_transport(struct SLC_CONTEXT *ctx, struct slc_packet *packet) {
    int short_reason = packet->fragment == SLC_FRAGMENT_FIRST ? SLC_REASON_TINY_FRAGMENT : SLC_REASON_L4_TRUNCATED;
    __u32 remaining = packet->end - packet->offset;
    __u32 need = slc_port_header_bytes(packet->protocol);
    const struct slc_transport *transport;

    packet->key.words[SLC_KEY_PROTOCOL] = SLC_LANE(packet->protocol);
    if (!need && !slc_is_icmp(packet->family, packet->protocol))
        return SLC_REASON_NONE;
    if (packet->end < packet->offset || remaining < (need ? need : 8))
        return short_reason;

    if (packet->protocol == IPPROTO_TCP) {
        const struct slc_tcp *tcp = slc_header(ctx, packet->offset, sizeof(*tcp));
        __u32 header_bytes;

        if (!tcp)
            return short_reason;
        header_bytes = (tcp->data_offset >> 4) * 4;
        if (header_bytes < sizeof(*tcp))
            return SLC_REASON_L4_LENGTH;
        if (header_bytes > remaining)
            return packet->fragment == SLC_FRAGMENT_FIRST ? SLC_REASON_TINY_FRAGMENT : SLC_REASON_L4_LENGTH;
        if (!tcp->source || !tcp->destination)
            return SLC_REASON_PORT_ZERO;
        packet->tcp_flags = tcp->flags;
        packet->judged_end = packet->offset + header_bytes;
        slc_set_ports(&packet->key, bpf_ntohs(tcp->source), bpf_ntohs(tcp->destination));
        return SLC_REASON_NONE;
    }

    transport = slc_header(ctx, packet->offset, sizeof(*transport));
    if (!transport)
        return short_reason;
    if (!need) {
        packet->is_icmp = 1;
        packet->icmp_type = bpf_ntohs(transport->source) >> 8;
        packet->icmp_code = bpf_ntohs(transport->source);
        packet->icmp_identifier = bpf_ntohs(transport->length);
        packet->judged_end = packet->end;
        slc_set_ports(&packet->key, 0, bpf_ntohs(transport->source));
        return SLC_REASON_NONE;
    }
    if (packet->protocol == IPPROTO_UDP) {
        __u16 length = bpf_ntohs(transport->length);

        if (length < sizeof(*transport) || (packet->fragment == SLC_FRAGMENT_NONE && length > remaining))
            return SLC_REASON_L4_LENGTH;
    }
    if (!transport->source || !transport->destination)
        return SLC_REASON_PORT_ZERO;
    packet->judged_end = packet->offset + need;
    slc_set_ports(&packet->key, bpf_ntohs(transport->source), bpf_ntohs(transport->destination));
    return SLC_REASON_NONE;
}

/* The type that answers an ICMP type, or the type itself. */
static __always_inline __u8 slc_mirrored_icmp_type(__u8 family, __u8 type) {
    if (family == 6)
        return type == 128 || type == 129 ? type ^ 1 : type;
    switch (type) {
    case 0:
        return 8;
    case 8:
        return 0;
    case 13:
        return 14;
    case 14:
        return 13;
    case 15:
        return 16;
    case 16:
        return 15;
    case 17:
        return 18;
    case 18:
        return 17;
    default:
        return type;
    }
}

/* Turns the key round: that of the packet which would travel the other way. */
static __always_inline void slc_mirror(struct slc_key *key, __u8 family, int is_icmp) {
    __u32 ports = key->words[SLC_KEY_PORTS];

#pragma unroll
    for (int i = 0; i < 4; i++) {
        __u32 word = key->words[SLC_KEY_DESTINATION + i];

        key->words[SLC_KEY_DESTINATION + i] = key->words[SLC_KEY_SOURCE + i];
        key->words[SLC_KEY_SOURCE + i] = word;
    }
    if (is_icmp)
        key->words[SLC_KEY_PORTS] = (ports & 0x00ff0000) | (__u32)slc_mirrored_icmp_type(family, ports >> 24) << 24;
    else
        key->words[SLC_KEY_PORTS] = ports << 16 | ports >> 16;
}

/* ICMP messages about which no error is ever sent (RFC 1122 3.2.2, RFC 4443 2.4). */
static __always_inline int slc_is_any_icmp_error(__u8 family, __u8 type) {
    if (family == 6)
        return type < 128;
    return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

/*
 * The packet quoted by the ICMP error at packet->offset, turned round (addresses, ports and ICMP types exchanged),
 * replaces packet->key, its echo identifier packet->icmp_identifier. Returns the reason to drop, SLC_REASON_NONE where
 * the quote can be judged. A function of its own, so that its buffers are not on the stack of all other packets.
 */
static __noinline __attribute__((unused)) int slc_parse_quote(struct SLC_CONTEXT *ctx, struct slc_packet *packet) {
    __u32 offset, end;
    struct slc_chain chain = {};
    const struct slc_transport *transport;
    struct slc_key *key = &packet->key;

    offset = packet->offset + 8;
    end = packet->end;
    if (packet->family == 4) {
        const struct iphdr *ip;

        if (offset + sizeof(*ip) > end)
            return SLC_REASON_ICMP_QUOTE_SHORT;
        ip = slc_header(ctx, offset, sizeof(*ip));
        if (!ip)
            return SLC_REASON_ICMP_QUOTE_SHORT;
        if (ip->version != 4 || ip->ihl < 5)
            return SLC_REASON_ICMP_UNRELATED;
        if (bpf_ntohs(ip->frag_off) & 0x1fff)
            chain.fragment = SLC_FRAGMENT_LATER;
        chain.protocol = ip->protocol;
        chain.offset = offset + ip->ihl * 4;
        key->words[SLC_KEY_DESTINATION] = bpf_ntohl(ip->saddr);
        key->words[SLC_KEY_SOURCE] = bpf_ntohl(ip->daddr);
    } else {
        const struct ipv6hdr *ip;

        if (offset + sizeof(*ip) > end)
            return SLC_REASON_ICMP_QUOTE_SHORT;
        ip = slc_header(ctx, offset, sizeof(*ip));
        if (!ip)
            return SLC_REASON_ICMP_QUOTE_SHORT;
        if (ip->version != 6)
            return SLC_REASON_ICMP_UNRELATED;
        chain.protocol = ip->nexthdr;
        chain.offset = offset + sizeof(*ip);
        chain.end = end;
        slc_read_address(&key->words[SLC_KEY_DESTINATION], &ip->saddr);
        slc_read_address(&key->words[SLC_KEY_SOURCE], &ip->daddr);
        if (slc_is_extension(chain.protocol) && slc_walk_chain(ctx, &chain))
            return SLC_REASON_ICMP_UNRELATED;
    }
    if (chain.fragment == SLC_FRAGMENT_LATER)
        return SLC_REASON_ICMP_UNRELATED;
    if (chain.offset + sizeof(*transport) > end)
        return SLC_REASON_ICMP_QUOTE_SHORT;
    transport = slc_header(ctx, chain.offset, sizeof(*transport));
    if (!transport)
        return SLC_REASON_ICMP_QUOTE_SHORT;

    key->words[SLC_KEY_PROTOCOL] = SLC_LANE(chain.protocol);
    slc_set_ports(key, 0, 0);
    if (slc_port_header_bytes(chain.protocol)) {
        slc_set_ports(key, bpf_ntohs(transport->destination), bpf_ntohs(transport->source));
    } else if (slc_is_icmp(packet->family, chain.protocol)) {
        __u8 type = bpf_ntohs(transport->source) >> 8;
        __u8 code = bpf_ntohs(transport->source);

        if (slc_is_any_icmp_error(packet->family, type))
            return SLC_REASON_ICMP_QUOTE_ERROR;
        packet->icmp_identifier = bpf_ntohs(transport->length);
        slc_set_ports(key, 0, (__u16)slc_mirrored_icmp_type(packet->family, type) << 8 | code);
    }
    return SLC_REASON_NONE;
}

#endif
