/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Set-associative tables, as flows and fragments use them: the kernel's own LRU hashes refuse locks, evict below their
 * size and tell nobody. A key's hash names a bucket of eight ways, and eight more bits of it, the tag, which of them
 * can hold the key. Keys are 40 bytes in ten words: two addresses (four words each, of which IPv4 uses the first) and
 * two words more.
 *
 * The tags of a bucket are one 64-bit word in a map of their own, eight buckets a cache line, so that a packet whose
 * key is in no table reads one dense word and no bucket (but one in 30 to 60, by a tag that is the same by chance), and
 * takes no lock. Tags are written under the bucket's lock and read without it. A reader misses no entry that it must
 * find:
 * - while an entry lives in its way its tag stays as it is, and a store of one byte touches no other, so that no writer
 *   of another way can hide it;
 * - one that is being made shows its tag before its bucket is unlocked, before the packet it was made for has left:
 *   whatever that packet brings about, its answer or its later fragments, comes after. Whoever sees the tag waits for
 *   the lock, so he never sees half an entry.
 * A tag that is seen says only that it is worth to look: the key is compared.
 *
 * Another three bits of the hash name the key's home, the way it takes where that is free. Most are at home, so whoever
 * looks for one reads there while the tags are still on their way: which way it is the processor foretells, as it
 * foretells any branch, and in a large table each of the two reads is a miss of all caches.
 *
 * Who only asks whether an entry lives compares it without the lock as well, and what of it he needs he reads before
 * its key: whoever gives the way to another key stores 0 as its end, then the key, then the new end. So an end that is
 * not over, followed by the key that is looked for, is the end of that entry. (Where a machine shows another CPU's
 * stores in another order, a packet of an entry that is over may find it once more in the nanoseconds in which its way
 * is given away.) Who changes an entry holds the lock.
 */
#ifndef SLUICE_TABLE_H
#define SLUICE_TABLE_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "config.h"
#include "packet.h"

/* What stands above it is read and stored before what stands below. */
static __always_inline void slc_in_order(void) {
    asm volatile("" : : : "memory");
}

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
    struct slc_way ways[8]; /* SLC_TABLE_WAYS */
    __u64 unused[7];
};
_Static_assert(sizeof(struct slc_bucket) == sizeof(struct slc_flow_bucket), "every table has buckets of one shape");

/*
 * Multilinear hashing: random 64-bit factors over 32-bit words, of which the high bits count. Two keys collide with the
 * chance of two random numbers, whoever chose them, as long as the factors are secret (Lemire and Kaser, "Strongly
 * universal string hashing is fast", 2014). That says nothing of many keys: those of neighbouring addresses and ports
 * lie on a grid, which with some factors fills a part of the buckets only. Hence the mixing. It is a bijection, so what
 * is said of two keys still holds.
 */
static __always_inline __u32 slc_table_mix(__u64 sum) {
    __u32 hash = sum >> 32;

    hash ^= hash >> 15;
    hash *= 0x2c1b3c6d;
    return hash ^ hash >> 16;
}

/* Two addresses' share of the sum. */
static __always_inline __u64 slc_table_hash_addresses(const __u32 *one, const __u32 *other, __u8 family) {
    __u64 sum = slc_table_factors[0] * one[0] + slc_table_factors[4] * other[0];

    if (family == 6) {
#pragma unroll
        for (int i = 1; i < 4; i++)
            sum += slc_table_factors[i] * one[i] + slc_table_factors[4 + i] * other[i];
    }
    return sum;
}

/* Eight bits of the hash, other ones than name the bucket; 0 means an empty way. */
static __always_inline __u8 slc_table_tag(__u32 hash) {
    __u8 tag = hash >> 24;

    return tag ? tag : 1;
}

/* The bucket of a hash; `mask` is the table's number of buckets - 1. */
static __always_inline __u32 slc_table_index(__u32 mask, __u32 hash) {
    return hash & mask;
}

#define SLC_EACH_BYTE 0x0101010101010101ull

/* The way that a key takes where it is free: bits of the hash that name no bucket (of 2^21 at most) and are in no tag.
 */
static __always_inline __u32 slc_table_home(__u32 hash) {
    return hash >> 21 & (SLC_TABLE_WAYS - 1);
}

/*
 * Which ways of the bucket with these tags can hold the key: 0 where none can, else the highest bit of the byte of the
 * first that can is the lowest that is set. One word, read without the lock.
 */
static __always_inline __u64 slc_table_matches(const void *tags, __u8 tag) {
    __u64 others = *(const volatile __u64 *)tags ^ SLC_EACH_BYTE * tag;

    /* Finds the bytes that are 0 (Warren, "Hacker's Delight", 6-1); above the first one also some that are 1. */
    return (others - SLC_EACH_BYTE) & ~others & SLC_EACH_BYTE << 7;
}

/*
 * The way of a bucket that a key with this hash is most likely in: its home where that matches, else the first that
 * does, found without a branch, which nobody could foretell.
 */
static __always_inline void *slc_table_likely(void *bucket, __u64 matches, __u32 hash) {
    const __u64 numbers = 1ull << 53 | 2ull << 45 | 3ull << 37 | 4ull << 29 | 5ull << 21 | 6ull << 13 | 7ull << 5;
    __u64 first = (matches & -matches) >> 7; /* 1 << 8 * way: it shifts the way's number to the top */
    struct slc_bucket *ways = bucket;
    __u32 home = slc_table_home(hash);

    if (matches >> (home * 8 + 7) & 1)
        return &ways->ways[home];
    return &ways->ways[numbers * first >> 61];
}

static __always_inline int slc_table_same(const void *one, const void *other) {
    const __u64 *a = one;
    const __u64 *b = other;

    return ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) | (a[4] ^ b[4])) == 0;
}

/* The way that holds the key, alive or not; NULL where none does. Under the lock. */
static __always_inline void *slc_table_find(void *bucket, const void *tags, __u8 tag, const void *key) {
    struct slc_bucket *ways = bucket;
    const __u8 *tag_of = tags;

    for (int i = 0; i < SLC_TABLE_WAYS; i++) {
        if (tag_of[i] == tag && slc_table_same(&ways->ways[i], key))
            return &ways->ways[i];
    }
    return NULL;
}

static __always_inline int slc_table_lives(const void *way, __u64 now) {
    return (__s64)(((const struct slc_way *)way)->expires - now) > 0;
}

/*
 * The way that makes room for a key that none holds, in this order: its home where that is empty or past its end, an
 * empty way, the one that would end first (which is past its end, where there is such a one). `evicted`: whether one
 * that lives has to. Under the lock.
 */
static __always_inline __u32 slc_table_victim(const void *bucket, __u32 hash, __u64 now, int *evicted) {
    const struct slc_bucket *ways = bucket;
    __u32 victim = slc_table_home(hash);
    __s64 least = ways->ways[victim].expires - now; /* where the way is empty: least of all */

    if (least > 0) {
        for (__u32 i = 0; i < SLC_TABLE_WAYS; i++) {
            __s64 left = ways->ways[i].expires - now;

            if (left < least) {
                least = left;
                victim = i;
            }
        }
    }
    *evicted = least > 0;
    return victim;
}

/* Gives the way to the key: what is left of it is the caller's to fill. Under the lock. */
static __always_inline void *slc_table_take(void *bucket, void *tags, __u32 victim, __u32 hash, const void *key) {
    struct slc_bucket *ways = bucket;
    struct slc_way *way;

    victim &= SLC_TABLE_WAYS - 1;
    way = &ways->ways[victim];
    *(volatile __u64 *)&way->expires = 0;
    slc_in_order();
    __builtin_memcpy(way->key, key, sizeof(way->key));
    slc_in_order(); /* the caller stores its end */
    *((volatile __u8 *)tags + victim) = slc_table_tag(hash);
    return way;
}

/* A way for a key that none holds, see slc_table_victim, with that key and the caller's to fill. Under the lock. */
static __always_inline void *slc_table_claim(void *bucket, void *tags, __u32 hash, const void *key, __u64 now,
                                             int *evicted) {
    return slc_table_take(bucket, tags, slc_table_victim(bucket, hash, now, evicted), hash, key);
}

#endif
