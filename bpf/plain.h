/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Tier 1 for the packets that are most frequent, in one go: without VLAN tags, IPv4 options, extension headers and
 * fragments, TCP or UDP, headers in one piece. What is not so, or not as it should be, is left to the parsers of
 * parse.h, which say why: what this takes they would take, and set the same.
 */
#ifndef SLUICE_PLAIN_H
#define SLUICE_PLAIN_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include "config.h"
#include "packet.h"
#include "parse.h"

/* The transport header, of which so many bytes lie in one piece: as many as TCP's shortest. Whether it is taken. */
static __always_inline int slc_parse_plain_transport(struct slc_packet *packet, const void *header, __u32 offset,
                                                     __u32 end, __u8 protocol) {
    const struct slc_transport *transport = header;
    __u32 bytes;
    __u8 flags = 0;

    if (protocol == IPPROTO_TCP) {
        const struct slc_tcp *tcp = header;

        bytes = (tcp->data_offset >> 4) * 4;
        if (bytes < sizeof(*tcp))
            return 0;
        flags = tcp->flags;
    } else if (protocol == IPPROTO_UDP) {
        __u32 length = bpf_ntohs(transport->length);

        bytes = sizeof(*transport);
        if (length < bytes || offset + length > end)
            return 0;
    } else {
        return 0;
    }
    if (offset + bytes > end || !transport->source || !transport->destination)
        return 0;
    packet->protocol = protocol;
    packet->tcp_flags = flags;
    packet->offset = offset;
    packet->end = end;
    packet->judged_end = offset + bytes;
    packet->key.words[SLC_KEY_PROTOCOL] = SLC_LANE(protocol);
    packet->key.words[SLC_KEY_PORTS] = bpf_ntohs(transport->destination) << 16 | bpf_ntohs(transport->source);
    return 1;
}

/* Whether the packet is such a one, and has been parsed; else nothing of it counts. */
static __always_inline int slc_parse_plain(struct SLC_CONTEXT *ctx, struct slc_packet *packet) {
    const void *data = (const void *)(long)ctx->data, *data_end = (const void *)(long)ctx->data_end;
    const struct ethhdr *ethernet = data;
    const struct iphdr *ip4 = data + sizeof(*ethernet);
    const struct ipv6hdr *ip6 = data + sizeof(*ethernet);
    __u32 end;

    if ((const void *)(ip4 + 1) + sizeof(struct slc_tcp) > data_end)
        return 0;
    if (ethernet->h_proto == bpf_htons(ETH_P_IP)) {
        end = sizeof(*ethernet) + bpf_ntohs(ip4->tot_len);
        if (*(const __u8 *)ip4 != 0x45 || ip4->frag_off & bpf_htons(SLC_MORE_FRAGMENTS | SLC_FRAGMENT_OFFSET) ||
            end > packet->length ||
            !slc_parse_plain_transport(packet, ip4 + 1, sizeof(*ethernet) + sizeof(*ip4), end, ip4->protocol))
            return 0;
        packet->ethertype = ETH_P_IP;
        packet->family = 4;
        packet->hop_limit = ip4->ttl;
        packet->key.words[SLC_KEY_DESTINATION] = bpf_ntohl(ip4->daddr);
        packet->key.words[SLC_KEY_SOURCE] = bpf_ntohl(ip4->saddr);
    } else if (ethernet->h_proto == bpf_htons(ETH_P_IPV6)) {
        if ((const void *)(ip6 + 1) + sizeof(struct slc_tcp) > data_end)
            return 0;
        end = sizeof(*ethernet) + sizeof(*ip6) + bpf_ntohs(ip6->payload_len);
        if (ip6->version != 6 || end > packet->length ||
            !slc_parse_plain_transport(packet, ip6 + 1, sizeof(*ethernet) + sizeof(*ip6), end, ip6->nexthdr))
            return 0;
        packet->ethertype = ETH_P_IPV6;
        packet->family = 6;
        packet->hop_limit = ip6->hop_limit;
        slc_read_address(&packet->key.words[SLC_KEY_DESTINATION], &ip6->daddr);
        slc_read_address(&packet->key.words[SLC_KEY_SOURCE], &ip6->saddr);
    } else {
        return 0;
    }
    packet->network = sizeof(*ethernet);
    packet->is_group = (ethernet->h_dest[0] | ethernet->h_source[0]) & 1;
    return 1;
}

#endif
