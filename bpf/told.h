/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Answers that go to the own stack, to whoever was rejected on his way out. Where XDP runs behind the driver (generic)
 * such an answer meets the ingress program like any frame that comes in, and must not be taken for a stranger's. So the
 * egress program leaves a word for it, which holds for this second and the next: what else of the same addresses and
 * ports is a RST, or says "unreachable", passes then too, and does to the connection that was refused what the answer
 * does. TypeScript twin: src/model/told.ts.
 */
#ifndef SLUICE_TOLD_H
#define SLUICE_TOLD_H

#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_helpers.h>
#include "config.h"
#include "maps.h"
#include "packet.h"
#include "table.h"

#define SLC_TOLD_SECOND_NS 1000000000ull
/* The rest of a word is the boot-time second. */
#define SLC_TOLD_NAME (~0xffffull)

/* The hash of an answer: of its addresses, its protocol, and its ports or its ICMP type and code. */
static __always_inline __u64 slc_told_sum(const __u32 *from, const __u32 *to, __u8 family, __u8 protocol, __u32 ports) {
    return slc_table_hash_addresses(from, to, family) + slc_table_factors[8] * ports + slc_table_factors[9] * protocol;
}

static __always_inline __u64 *slc_told_word(__u64 sum) {
    __u32 index = slc_table_mix(sum) & (SLC_TOLD - 1);

    return slc_row(&slc_told, index);
}

/* The packet that wants out is answered by one of this protocol with these ports. */
static __always_inline void slc_note_told(const struct slc_packet *packet, __u8 protocol, __u32 ports) {
    const __u32 *words = packet->key.words;
    __u64 sum = slc_told_sum(&words[SLC_KEY_DESTINATION], &words[SLC_KEY_SOURCE], packet->family, protocol, ports);
    __u64 *word = slc_told_word(sum);

    if (word)
        *(volatile __u64 *)word = (sum & SLC_TOLD_NAME) | (__u16)(slc_now_ns() / SLC_TOLD_SECOND_NS);
}

/* Whether a packet that comes in can be such an answer: a RST, or "unreachable". */
static __always_inline int slc_may_be_told(const struct slc_packet *packet) {
    return packet->is_icmp ? packet->icmp_type == (packet->family == 4 ? 3 : 1) : packet->tcp_flags & 0x04;
}

/* Whether one with this key is. A function of its own, of few arguments, so that the verifier forgets little. */
static __noinline __attribute__((unused)) int slc_is_told(const struct slc_key *key, __u8 family) {
    const __u32 *words = key->words;
    __u64 sum = slc_told_sum(&words[SLC_KEY_SOURCE], &words[SLC_KEY_DESTINATION], family,
                             SLC_LANE(words[SLC_KEY_PROTOCOL]), words[SLC_KEY_PORTS]);
    __u64 *word = slc_told_word(sum);
    __u64 told;

    if (!word)
        return 0;
    told = *(volatile __u64 *)word;
    return (told & SLC_TOLD_NAME) == (sum & SLC_TOLD_NAME) &&
           (__u16)((__u16)(slc_now_ns() / SLC_TOLD_SECOND_NS) - (__u16)told) <= 1;
}

#endif
