/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Set-associative tables, as flows and fragments use them: the kernel's own LRU hashes refuse locks, evict below their
 * size and tell nobody. A key's hash names a bucket of eight ways, and 16 more bits of it, the tag, which of them can
 * hold the key. Tags are read without the lock, so that a packet whose key is in no table takes none. Keys are 40
 * bytes in ten words: two addresses (four words each, of which IPv4 uses the first) and two words more.
 */
#ifndef SLUICE_TABLE_H
#define SLUICE_TABLE_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "config.h"
#include "packet.h"

/* What every entry begins with. */
struct slc_way {
    __u32 key[SLC_TABLE_KEY_WORDS];
    __u64 expires; /* bpf_jiffies64 from which on it is none */
    __u64 rest[2]; /* the table's own */
};

/* What every bucket is. */
struct slc_bucket {
    struct bpf_spin_lock lock;
    __u32 reserved;
    __u16 tags[8]; /* SLC_TABLE_WAYS */
    __u64 unused[5];
    struct slc_way ways[8];
};
_Static_assert(sizeof(struct slc_bucket) == sizeof(struct slc_flow_bucket), "every table has buckets of one shape");

/*
 * Multilinear hashing: random 64-bit factors over 32-bit words, of which the high bits count. Two keys collide with the
 * chance of two random numbers, whoever chose them, as long as the factors are secret (Lemire and Kaser, "Strongly
 * universal string hashing is fast", 2014).
 */
static __always_inline __u64 slc_table_hash(const void *key, __u8 family) {
    const __u32 *words = key;
    __u64 hash = slc_table_factors[0] * words[0] + slc_table_factors[4] * words[4] + slc_table_factors[8] * words[8] +
                 slc_table_factors[9] * words[9];

    if (family == 6) {
#pragma unroll
        for (int i = 1; i < 4; i++)
            hash += slc_table_factors[i] * words[i] + slc_table_factors[4 + i] * words[4 + i];
    }
    return hash;
}

/* 16 bits of the hash; 0 means an empty way. */
static __always_inline __u16 slc_table_tag(__u64 hash) {
    __u16 tag = hash >> 30;

    return tag ? tag : 1;
}

/* The bucket of a hash; `mask` is the table's number of buckets - 1. */
static __always_inline void *slc_table_bucket(void *table, __u32 mask, __u64 hash) {
    __u32 index = (__u32)(hash >> 44) & mask;

    return bpf_map_lookup_elem(table, &index);
}

/* Whether any way of the bucket can hold the key: read without the lock. */
static __always_inline int slc_table_may_hold(const void *bucket, __u16 tag) {
    int found = 0;

#pragma unroll
    for (int i = 0; i < SLC_TABLE_WAYS; i++)
        found |= *(const volatile __u16 *)&((const struct slc_bucket *)bucket)->tags[i] == tag;
    return found;
}

static __always_inline int slc_table_same(const void *one, const void *other) {
    const __u64 *a = one;
    const __u64 *b = other;

    return ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) | (a[4] ^ b[4])) == 0;
}

/* The way that holds the key, alive or not; NULL where none does. Under the lock. */
static __always_inline void *slc_table_find(void *bucket, __u16 tag, const void *key) {
    struct slc_bucket *ways = bucket;

    for (int i = 0; i < SLC_TABLE_WAYS; i++) {
        if (ways->tags[i] == tag && slc_table_same(&ways->ways[i], key))
            return &ways->ways[i];
    }
    return NULL;
}

static __always_inline int slc_table_lives(const void *way, __u64 now) {
    return (__s64)(((const struct slc_way *)way)->expires - now) > 0;
}

/*
 * A way for a key that none holds, with that key and the caller's to fill. Room is made in this order: an empty way,
 * the one that would end first (which is past its end, where there is such a one). `evicted`: whether one that lives
 * had to make room. Under the lock.
 */
static __always_inline void *slc_table_claim(void *bucket, __u16 tag, const void *key, __u64 now, int *evicted) {
    struct slc_bucket *ways = bucket;
    __s64 least = 0;
    __u32 victim = 0;
    struct slc_way *way;

    for (__u32 i = 0; i < SLC_TABLE_WAYS; i++) {
        __s64 left = ways->tags[i] ? (__s64)(ways->ways[i].expires - now) : -0x7fffffffffffffffll;

        if (i == 0 || left < least) {
            least = left;
            victim = i;
        }
    }
    *evicted = least > 0;
    victim &= SLC_TABLE_WAYS - 1;
    way = &ways->ways[victim];
    ways->tags[victim] = tag;
    __builtin_memcpy(way->key, key, sizeof(way->key));
    return way;
}

#endif
