/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What must pass for a network to work at all: tier 2 (link essentials) and tier 5 (ICMP essentials). */
#ifndef SLUICE_ESSENTIALS_H
#define SLUICE_ESSENTIALS_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include "config.h"
#include "packet.h"

/* Tier 2 for everything that is not IP: the reason to pass or drop. */
static __always_inline int slc_judge_link(const struct slc_packet *packet) {
    if (packet->ethertype == ETH_P_ARP)
        return SLC_REASON_ARP;
    for (__u32 i = 0; i < SLC_MAX_ETHERTYPES; i++) {
        if (i >= slc_ethertype_count)
            break;
        if (slc_ethertypes[i] == packet->ethertype)
            return SLC_REASON_LINK_PROTOCOL;
    }
    return SLC_REASON_ETHERTYPE;
}

/* Tier 2 for IPv6: neighbour discovery (RFC 4861) and multicast listeners (RFC 2710, 3810). */
static __always_inline int slc_judge_ipv6_link(const struct slc_packet *packet) {
    __u8 type = packet->icmp_type;

    if (packet->family != 6 || !packet->is_icmp || packet->fragment != SLC_FRAGMENT_NONE)
        return SLC_REASON_NONE;
    if (type >= 133 && type <= 136 && packet->hop_limit == 255)
        return SLC_REASON_NEIGHBOUR_DISCOVERY;
    if (((type >= 130 && type <= 132) || type == 143) && packet->key.words[SLC_KEY_SOURCE] >> 22 == 0xfe80 >> 6)
        return SLC_REASON_MULTICAST_LISTENER;
    return SLC_REASON_NONE;
}

/*
 * Tier 5: what a DHCP server sends to a client (RFC 2131 4.1, RFC 8415 7.2). It answers a broadcast or multicast, so no
 * flow can know it. DHCPv6 stays on the link; of IPv4 any address can be the destination, since the client has none
 * yet.
 */
static __always_inline int slc_is_dhcp_answer(const struct slc_packet *packet) {
    __u32 ports = packet->key.words[SLC_KEY_PORTS];

    if (packet->protocol != IPPROTO_UDP || packet->fragment != SLC_FRAGMENT_NONE)
        return 0;
    if (packet->family == 4)
        return ports == (68 << 16 | 67);
    return ports == (546 << 16 | 547) && packet->key.words[SLC_KEY_SOURCE] >> 22 == 0xfe80 >> 6 &&
           packet->key.words[SLC_KEY_DESTINATION] >> 22 == 0xfe80 >> 6;
}

static __always_inline int slc_is_echo_request(const struct slc_packet *packet) {
    return packet->is_icmp && packet->icmp_type == (packet->family == 4 ? 8 : 128);
}

/* Errors that are judged by the packet they quote. */
static __always_inline int slc_is_icmp_error(const struct slc_packet *packet) {
    __u8 type = packet->icmp_type;

    if (!packet->is_icmp)
        return 0;
    return packet->family == 4 ? type == 3 || type == 11 || type == 12 : type >= 1 && type <= 4;
}

#endif
