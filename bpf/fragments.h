/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Tier 4: fragments. Only the first shows ports, so the tiers judge it alone; where it passes it is remembered, and
 * for a while later ones of the same packet pass that hook as well. One that would replace bytes the tiers have judged
 * drops (RFC 1858, RFC 3128); over IPv6 every one that overlaps the first (RFC 5722). TypeScript twin:
 * src/model/fragment.ts.
 */
#ifndef SLUICE_FRAGMENTS_H
#define SLUICE_FRAGMENTS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "config.h"
#include "maps.h"
#include "packet.h"
#include "table.h"

/* What receivers tell the fragment's packet apart by; packet->key is still the packet's own. */
static __always_inline void slc_name_fragment(const struct slc_packet *packet, struct slc_fragment_key *key) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
        key->source[i] = packet->key.words[SLC_KEY_SOURCE + i];
        key->destination[i] = packet->key.words[SLC_KEY_DESTINATION + i];
    }
    key->identification = packet->identification;
    key->protocol = packet->family == 4 ? packet->protocol : 0;
    key->family = packet->family;
    key->hook = SLC_HOOK;
    key->reserved = 0;
}

static __always_inline __u32 slc_fragment_hash(const struct slc_fragment_key *key) {
    __u64 hash = slc_table_hash_addresses(key->source, key->destination, key->family);

    return slc_table_mix(hash + slc_table_factors[8] * key->identification +
                         slc_table_factors[9] * ((__u32)key->protocol << 16 | key->family << 8 | key->hook));
}

/* Whether a later fragment follows one that passed: SLC_REASON_FRAGMENT_FOLLOWS, or the reason to drop it. */
static __noinline int slc_judge_later(const struct slc_packet *packet) {
    struct slc_fragment_bucket *bucket;
    const struct slc_first_fragment *first;
    struct slc_fragment_key key;
    int reason = SLC_REASON_FRAGMENT;
    void *tags;
    __u32 index, hash;
    __u64 now;
    __u8 tag;

    if (!packet)
        return reason;
    slc_name_fragment(packet, &key);
    hash = slc_fragment_hash(&key);
    index = slc_table_index(slc_fragment_mask, hash);
    tag = slc_table_tag(hash);
    tags = slc_row(&slc_fragment_tags, index);
    if (!tags || !slc_table_matches(tags, tag))
        return reason;
    bucket = slc_row(&slc_fragments, index);
    if (!bucket)
        return reason;
    now = bpf_jiffies64();
    bpf_spin_lock(&bucket->lock);
    first = slc_table_find(bucket, tags, tag, &key);
    if (first && slc_table_lives(first, now))
        reason = packet->fragment_at < first->judged ? SLC_REASON_FRAGMENT_OVERLAP : SLC_REASON_FRAGMENT_FOLLOWS;
    bpf_spin_unlock(&bucket->lock);
    return reason;
}

/*
 * Notes a first fragment while packet->key is still its own: later tiers turn it round or put a quote's in its place.
 * Returns 0.
 */
static __noinline int slc_note_first(const struct slc_packet *packet) {
    struct slc_first_fragment *noted = slc_row(&slc_noted, SLC_HOOK);
    __u32 judged_end;

    if (!noted || !packet)
        return 0;
    slc_name_fragment(packet, &noted->key);
    judged_end = packet->family == 6 ? packet->end : packet->judged_end;
    noted->judged = judged_end ? judged_end - packet->fragment_start : 0;
    return 0;
}

/*
 * The first fragment that was noted passes: remembers it. One of the same name that is remembered already may be of
 * another packet or a copy that differs: what was judged of either stays out of reach. Returns 0.
 */
__noinline int slc_remember_first(void) {
    struct slc_table_figures *figures = slc_only(&slc_fragment_stats);
    struct slc_first_fragment *noted = slc_row(&slc_noted, SLC_HOOK);
    struct slc_fragment_bucket *bucket;
    struct slc_first_fragment *first;
    void *tags;
    __u32 index, hash, before = 0;
    __u64 now;
    int evicted = 0;

    if (slc_dry_run || !figures || !noted || !noted->key.family)
        return 0;
    hash = slc_fragment_hash(&noted->key);
    index = slc_table_index(slc_fragment_mask, hash);
    tags = slc_row(&slc_fragment_tags, index);
    bucket = slc_row(&slc_fragments, index);
    if (!tags || !bucket)
        return 0;
    now = bpf_jiffies64();
    bpf_spin_lock(&bucket->lock);
    first = slc_table_find(bucket, tags, slc_table_tag(hash), &noted->key);
    if (!first)
        first = slc_table_claim(bucket, tags, hash, &noted->key, now, &evicted);
    else if (slc_table_lives(first, now))
        before = first->judged;
    first->judged = noted->judged > before ? noted->judged : before;
    first->expires = now + slc_fragment_timeout;
    bpf_spin_unlock(&bucket->lock);
    noted->key.family = 0; /* used up */
    figures->made++;
    figures->evicted += evicted;
    return 0;
}

#endif
