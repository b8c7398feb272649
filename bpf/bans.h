/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Tier 3.2: banned sources, changed one entry at a time while packets pass. Hosts are in a hash, since a kernel LPM
 * trie of their number costs every packet several times as much; other prefixes are in such a trie. Which of them end
 * when is decided here, by the clock, so that a ban ends without any process. The clock is read for banned sources
 * only, and either map asked only where a bit of a filter says that it may know the source: a map that misses the
 * caches costs more than all else. TypeScript twins: src/model/ban.ts, src/load/ban-filter.ts.
 */
#ifndef SLUICE_BANS_H
#define SLUICE_BANS_H

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "config.h"
#include "maps.h"
#include "packet.h"

/* Whether the ban holds still; counts the packet it stops. */
static __always_inline int slc_ban_holds(struct slc_ban *ban) {
    __u64 now = bpf_ktime_get_boot_ns();

    if (now >= ban->expires)
        return 0;
    if (!slc_dry_run) {
        /* All CPUs write the same entry: only the packets it stops pay for that. */
        __sync_fetch_and_add(&ban->packets, 1);
        ban->last_hit = now;
    }
    return 1;
}

/* Whether a bit is set. */
static __always_inline int slc_ban_bit(const __u64 *words, __u32 bit) {
    return (*(const volatile __u64 *)&words[bit >> 6] >> (bit & 63)) & 1;
}

/* Whether any host that is banned may be the source. */
static __always_inline int slc_may_be_host(const struct slc_ban_filter *filter, const struct slc_packet *packet) {
    __u32 hash = packet->key.words[SLC_KEY_SOURCE] * SLC_BAN_FACTOR_0;

    if (packet->family == 6)
        hash ^= packet->key.words[SLC_KEY_SOURCE + 1] * SLC_BAN_FACTOR_1;
    return slc_ban_bit(filter->hosts, hash >> SLC_BAN_HOST_SHIFT);
}

/* Whether any prefix that is banned may hold the source. */
static __always_inline int slc_may_be_net(const struct slc_ban_filter *filter, const struct slc_packet *packet) {
    __u32 word = packet->key.words[SLC_KEY_SOURCE];

    return packet->family == 4 ? slc_ban_bit(filter->nets4, word >> SLC_BAN_NET_SHIFT)
                               : slc_ban_bit(filter->nets6, word * SLC_BAN_FACTOR_0 >> SLC_BAN_NET_SHIFT);
}

/* A function of its own: few packets come here, and its key is not on the stack of the others. */
static __noinline __attribute__((unused)) int slc_host_is_banned(const struct slc_packet *packet) {
    struct slc_ban_host host = {
        .words = {packet->key.words[SLC_KEY_SOURCE], packet->family == 6 ? packet->key.words[SLC_KEY_SOURCE + 1] : 0},
        .family = packet->family};
    struct slc_ban *ban = bpf_map_lookup_elem(&slc_ban_hosts, &host);

    return ban && slc_ban_holds(ban);
}

/*
 * The longest prefix that holds the source; where that has ended the next shorter one, SLC_BAN_STEPS times. User space
 * nests no more than that many and one more, so that an ended ban never hides one that holds.
 */
__noinline int slc_net_is_banned(const struct slc_key *key, __u8 family) {
    struct slc_ban_net net = {};

    if (!key)
        return 0;
    net.length = SLC_BAN_FAMILY_BITS + (family == 4 ? 32 : 128);
    net.family = bpf_htonl(family);
#pragma unroll
    for (int i = 0; i < 4; i++)
        net.address[i] = bpf_htonl(key->words[SLC_KEY_SOURCE + i]);
    for (int i = 0; i <= SLC_BAN_STEPS; i++) {
        struct slc_ban *ban = bpf_map_lookup_elem(&slc_ban_nets, &net);

        if (!ban)
            return 0;
        if (slc_ban_holds(ban))
            return 1;
        if (ban->length <= SLC_BAN_FAMILY_BITS)
            return 0;
        net.length = ban->length - 1;
    }
    return 0;
}

/* Whether the packet's source is banned. Where nobody is, this reads one word of a line that the gate has read. */
static __always_inline int slc_is_banned(const struct slc_packet *packet) {
    const struct slc_state *state = slc_value(&slc_state);
    const struct slc_ban_filter *filter;
    __u64 counts = *(const volatile __u64 *)&state->ban_hosts;

    if (!counts)
        return 0;
    filter = slc_value(&slc_ban_filter);
    if ((__u32)counts && slc_may_be_host(filter, packet) && slc_host_is_banned(packet))
        return 1;
    return counts >> 32 && slc_may_be_net(filter, packet) && slc_net_is_banned(&packet->key, packet->family);
}

#endif
