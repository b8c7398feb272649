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
/* Steps of a search among 2^13 sections, more than a ruleset can have. */
#define SLC_OWNER_SEARCH 14

/* A search for the last owner whose rank is not above one: what bpf_loop hands to its body. */
struct slc_owner_search {
    const void *image;
    __u32 first; /* slot of the table */
    __u32 low;   /* all before it are not above */
    __u32 high;  /* it and all behind are above */
    __u32 rank;
};

static long slc_owner_step(__u32 i, struct slc_owner_search *search) {
    const __u32 entry_slots = sizeof(struct slc_owner) / 8;
    __u32 middle = (search->low + search->high) / 2;
    __u32 slot = search->first + middle * entry_slots;

    if (search->low >= search->high || slot >= slc_image_slots - entry_slots)
        return 1;
    if (((const struct slc_owner *)(search->image + (__u64)slot * 8))->rank <= search->rank)
        search->low = middle + 1;
    else
        search->high = middle;
    return 0;
}

/* Whether the entry's deadline is to come. */
static __always_inline int slc_is_live(__u32 entry, __u64 now) {
    const struct slc_open *open = bpf_map_lookup_elem(&slc_open, &entry);

    return open && now < *(const volatile __u64 *)&open->deadline;
}

/* The entry by which a packet passes that `word` of tiers 6-9 refuses; SLC_OPEN_NONE where none is live. */
static __always_inline __u32 slc_open_entry(__u32 word) {
    const __u32 zero = 0;
    const struct slc_state *state = bpf_map_lookup_elem(&slc_state, &zero);
    const void *image = bpf_map_lookup_elem(&slc_image, &zero);
    const struct slc_image_header *header = image;
    struct slc_owner_search search = {.image = image, .rank = word >> SLC_WORD_RANK_SHIFT};
    const __u32 *entry;
    __u64 now, id;
    __u32 slot;

    if (!state || !image || word == SLC_WORD_NONE || word == SLC_WORD_FAULT)
        return SLC_OPEN_NONE;
    now = slc_now_ns();
    /* All are over, and nobody has tidied up. */
    if (now >= *(const volatile __u64 *)&state->open)
        return SLC_OPEN_NONE;
    search.first = header->owners;
    search.high = header->owner_count;
    bpf_loop(SLC_OWNER_SEARCH, slc_owner_step, &search, 0);
    slot = search.first + (search.low - 1) * (__u32)(sizeof(struct slc_owner) / 8);
    if (search.low && slot < slc_image_slots - sizeof(struct slc_owner) / 8) {
        id = ((const struct slc_owner *)(image + (__u64)slot * 8))->id;
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
    struct slc_open *open = bpf_map_lookup_elem(&slc_open, &entry);
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
 * Whether a packet that `word` refuses passes all the same; counts it, where one is given. A function of its own:
 * verified once, and out of the way of packets that nothing is open to.
 */
__noinline int slc_ask_open(const struct slc_packet *packet, __u32 word) {
    __u32 entry = slc_open_entry(word);

    if (entry == SLC_OPEN_NONE)
        return 0;
    if (!slc_dry_run && packet)
        slc_open_count(entry, word, packet);
    return 1;
}

/* Whether anything may be open: most often nothing is. */
static __always_inline int slc_is_anything_open(void) {
    const __u32 zero = 0;
    const struct slc_state *state = bpf_map_lookup_elem(&slc_state, &zero);

    return state && *(const volatile __u64 *)&state->open;
}

/* Whether ALLOW ALL lets in the packet that the word refuses; counts it. */
static __always_inline int slc_opens_to(const struct slc_packet *packet, __u32 word) {
    return slc_is_anything_open() && slc_ask_open(packet, word);
}

/* Whether it would let in such a packet. */
static __always_inline int slc_may_open(__u32 word) {
    return slc_is_anything_open() && slc_ask_open(0, word);
}

#endif
