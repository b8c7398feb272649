/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Tier 3, the operator's, above every section: keep-reachable (3.1) and the guard's rows (3.3); steps 2 and 3 of what
 * goes out. What a ruleset does not use is compiled out.
 */
#ifndef SLUICE_GUARD_H
#define SLUICE_GUARD_H

#include "classify.h"
#include "config.h"
#include "packet.h"

/*
 * Whether a row can match the key whose ports reach from the first to the last that `ports` says, as the image's header
 * tells them: spares a walk. Later fragments show no port, and what they are judged by looks at none.
 */
static __always_inline int slc_may_name(const struct slc_packet *packet, const struct slc_key *key, __u32 ports) {
    __u32 first = ports >> 16, last = ports & 0xffff;

    return packet->fragment == SLC_FRAGMENT_LATER || (key->words[SLC_KEY_PORTS] >> 16) - first <= last - first;
}

/*
 * The word of the entry of keep-reachable that lets a packet with this key in, or may let in the packet of a later
 * fragment; SLC_WORD_NONE where none does.
 */
static __always_inline __u32 slc_keeps_reachable(const struct slc_packet *packet, const struct slc_key *key,
                                                 struct slc_steps *steps) {
    if (!slc_keep_reachable || !slc_may_name(packet, key, slc_header_of_image()->kept_ports))
        return SLC_WORD_NONE;
    return slc_ask(packet, key,
                   packet->fragment == SLC_FRAGMENT_LATER ? SLC_ENTRY_KEPT_LATER : SLC_ENTRY_KEEP_REACHABLE, steps);
}

/*
 * The word of the guard's row that refuses a packet with this key; SLC_WORD_NONE where none does: a row that allows
 * only ends the guard.
 */
static __always_inline __u32 slc_guard_refuses(const struct slc_packet *packet, const struct slc_key *key,
                                               __u32 section, struct slc_steps *steps) {
    const struct slc_image_header *image = slc_header_of_image();
    __u32 word;

    if (!slc_may_name(packet, key, SLC_HOOK == SLC_HOOK_INGRESS ? image->guard_in_ports : image->guard_out_ports))
        return SLC_WORD_NONE;
    word = slc_ask(packet, key, section, steps);
    return slc_word_lets_in(word) ? SLC_WORD_NONE : word;
}

#endif
