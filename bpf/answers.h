/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Step 5 of what goes out: whether a packet answers one that the rules let in, and which one that is. TypeScript twin:
 * src/model/outbound.ts.
 */
#ifndef SLUICE_ANSWERS_H
#define SLUICE_ANSWERS_H

#include <linux/in.h>
#include "classify.h"
#include "config.h"
#include "essentials.h"
#include "flows.h"
#include "open.h"
#include "packet.h"
#include "parse.h"

/* What a packet that goes out would answer: nothing, itself turned round, or what it quotes (an ICMP error). */
enum slc_answers { SLC_ANSWERS_NOTHING, SLC_ANSWERS_PACKET, SLC_ANSWERS_QUOTE };

/* Whether what the packet would answer is what it quotes, and is asked for. */
static __always_inline int slc_quotes_request(const struct slc_packet *packet) {
    return slc_icmp_essentials && (slc_keep_reachable || slc_outbound_refuses) && slc_is_icmp_error(packet);
}

/*
 * Puts the key of the packet that this one would answer in the place of its own. What begins a connection (`opens` is
 * SLC_OPENS) is no answer; its key is turned round all the same, since that is what would come back.
 */
static __always_inline enum slc_answers slc_turn_to_request(struct SLC_CONTEXT *ctx, struct slc_packet *packet,
                                                            enum slc_opens opens, int quotes) {
    if (!quotes) {
        slc_mirror(&packet->key, packet->family, packet->is_icmp);
        return opens == SLC_OPENS ? SLC_ANSWERS_NOTHING : SLC_ANSWERS_PACKET;
    }
    if (slc_parse_quote(ctx, packet))
        return SLC_ANSWERS_NOTHING;
    /* That is the packet which would answer the quoted one: back again. */
    slc_mirror(&packet->key, packet->family,
               slc_is_icmp(packet->family, SLC_LANE(packet->key.words[SLC_KEY_PROTOCOL])));
    return SLC_ANSWERS_QUOTE;
}

/* Whether tiers 5 to 9 let the request in, whose key is packet->key. Tier 9 counts for TCP, and for what is quoted. */
static __always_inline int slc_is_let_in(const struct slc_packet *packet, enum slc_answers answers,
                                         struct slc_steps *steps) {
    const struct slc_key *key = &packet->key;
    __u8 type = key->words[SLC_KEY_PORTS] >> 24;
    __u32 word, owner;

    if (slc_icmp_essentials && slc_is_icmp(packet->family, SLC_LANE(key->words[SLC_KEY_PROTOCOL])) &&
        type == (packet->family == 4 ? 8 : 128))
        return 1;
    if (answers == SLC_ANSWERS_QUOTE && slc_flow_is_quoted(key, packet->family, packet->icmp_identifier))
        return 1;
    owner = slc_owner_of(packet, key, steps);
    word = slc_ask(packet, key, owner, steps);
    if (!slc_word_lets_in(word))
        return slc_may_open(word, owner);
    return answers == SLC_ANSWERS_QUOTE || packet->protocol == IPPROTO_TCP ||
           ((word >> SLC_WORD_TIER_SHIFT) & SLC_WORD_TIER_MASK) != SLC_TIER_DEFAULT;
}

#endif
