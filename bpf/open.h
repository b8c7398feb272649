/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * ALLOW ALL (SPEC 4): what tiers 6-9 of a section refuse passes until a deadline, which is looked at here, so that it
 * ends without any process. Rows are judged all the same, and those that would have refused are counted. While nothing
 * is open this reads one word of a line that the gate has read; else only what is refused pays. TypeScript twin:
 * src/model/allow-all.ts.
 */
#ifndef SLUICE_OPEN_H
#define SLUICE_OPEN_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "config.h"
#include "maps.h"
#include "packet.h"

/* No entry of slc_open: what the word says holds. */
#define SLC_OPEN_NONE 0xffffffffu
/* Entry of the whole edge. */
#define SLC_OPEN_EDGE 0u

/* Whether the entry's deadline is to come. */
static __always_inline int slc_is_live(__u32 entry, __u64 now) {
    const struct slc_open *open = slc_row(&slc_open, entry);

    return open && now < *(const volatile __u64 *)&open->deadline;
}

/* The entry by which a packet passes that tiers 6-9 of the section refuse; SLC_OPEN_NONE where none is live. */
static __always_inline __u32 slc_open_entry(__u32 section) {
    const struct slc_state *state = slc_value(&slc_state);
    const struct slc_section *judging;
    const __u32 *entry;
    __u64 now, id;

    now = slc_now_ns();
    /* All are over, and nobody has tidied up. */
    if (now >= *(const volatile __u64 *)&state->open)
        return SLC_OPEN_NONE;
    judging = slc_section_of(section);
    if (judging) {
        id = judging->id;
        entry = bpf_map_lookup_elem(&slc_open_index, &id);
        if (entry && slc_is_live(*entry, now))
            return *entry;
    }
    return slc_is_live(SLC_OPEN_EDGE, now) ? SLC_OPEN_EDGE : SLC_OPEN_NONE;
}

/* The row of the entry that counts what `judged` stands for; NULL where all are taken by others. */
static __always_inline struct slc_open_row *slc_open_row(struct slc_open *open, __u64 judged) {
    for (int i = 0; i < SLC_OPEN_ROWS; i++) {
        struct slc_open_row *row = &open->rows[i];
        __u64 found = *(volatile __u64 *)&row->judged;

        if (!found)
            found = __sync_val_compare_and_swap(&row->judged, 0, judged);
        if (!found || found == judged)
            return row;
    }
    return NULL;
}

/* Counts a packet that passes by the entry, under the row that would have refused it. */
static __always_inline void slc_open_count(__u32 entry, __u32 word, const struct slc_packet *packet) {
    struct slc_open *open = slc_row(&slc_open, entry);
    struct slc_open_row *row;

    if (!open)
        return;
    __sync_fetch_and_add(&open->packets, packet->packets);
    __sync_fetch_and_add(&open->bytes, packet->bytes);
    row = slc_open_row(open, (__u64)slc_generation << 32 | word >> SLC_WORD_RANK_SHIFT);
    if (!row) {
        __sync_fetch_and_add(&open->unlisted, packet->packets);
        return;
    }
    __sync_fetch_and_add(&row->packets, packet->packets);
    __sync_fetch_and_add(&row->bytes, packet->bytes);
    row->last_hit = slc_now_ns();
    row->family = packet->family;
    for (int i = 0; i < 4; i++)
        row->source[i] = packet->key.words[SLC_KEY_SOURCE + i];
}

/*
 * Whether a packet that `word` of the section refuses passes all the same; counts it, where one is given. A function of
 * its own: verified once, and out of the way of packets that nothing is open to.
 */
__noinline int slc_ask_open(const struct slc_packet *packet, __u32 word, __u32 section) {
    __u32 entry = word >= SLC_WORD_FAULT ? SLC_OPEN_NONE : slc_open_entry(section);

    if (entry == SLC_OPEN_NONE)
        return 0;
    if (!slc_dry_run && packet)
        slc_open_count(entry, word, packet);
    return 1;
}

/* Whether anything may be open: most often nothing is. */
static __always_inline int slc_is_anything_open(void) {
    const struct slc_state *state = slc_value(&slc_state);

    return *(const volatile __u64 *)&state->open != 0;
}

/* Whether ALLOW ALL lets in the packet that the word of the section refuses; counts it. */
static __always_inline int slc_opens_to(const struct slc_packet *packet, __u32 word, __u32 section) {
    return slc_is_anything_open() && slc_ask_open(packet, word, section);
}

/* Whether it would let in such a packet. */
static __always_inline int slc_may_open(__u32 word, __u32 section) {
    return slc_is_anything_open() && slc_ask_open(0, word, section);
}

#endif
