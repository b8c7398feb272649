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
 * The word of the entry of keep-reachable that lets a packet with this key in, or may let in the packet of a later
 * fragment; SLC_WORD_NONE where none does.
 */
static __always_inline __u32 slc_keeps_reachable(const struct slc_packet *packet, const struct slc_key *key,
                                                 struct slc_steps *steps) {
    if (!slc_keep_reachable)
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
    __u32 word = slc_ask(packet, key, section, steps);

    return slc_word_lets_in(word) ? SLC_WORD_NONE : word;
}

#endif
