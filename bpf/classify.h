/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The image walk, behind every tier that has rows. Three trees of address-trie and port-map nodes a family, each ending
 * in a terminal or in a leaf of fully verified rules, the third in class tables too; the smallest word wins. Layout:
 * sluice_abi.h. TypeScript twin: src/compile/interpret.ts.
 */
#ifndef SLUICE_CLASSIFY_H
#define SLUICE_CLASSIFY_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "config.h"
#include "maps.h"
#include "packet.h"
#include "trial.h"

/* A descent that left the image; no leaf or terminal looks like it (rank 0xffffff, 63 rules, both kinds). */
#define SLC_SLOT_FAULT (~0ull)
/*
 * SLC_SHORT_LEAF rules of a leaf are compared in line; the rest of a longer leaf goes through bpf_loop, whose body the
 * verifier walks once. A plain loop over SLC_MAX_LEAF_RULES exceeds its million instructions from images of 16 KB on.
 */
/* Size of a leaf rule in slots. */
#define SLC_RULE_SLOTS(family) ((__u32)((family) == 4 ? sizeof(struct slc_rule4) : sizeof(struct slc_rule6)) / 8)
#define SLC_SHORT_SLOTS(family) ((__u32)((family) == 4 ? sizeof(struct slc_short4) : sizeof(struct slc_short6)) / 8)

/* What a walk reads, the same for all of its trees and leaves. */
struct slc_walk {
    const struct slc_key *key;
    struct slc_steps *steps;
    __u32 base;     /* slot of the section's block, from which its indices count */
    __u32 services; /* slot of the service table */
};

/*
 * (x >> shift), of whose bits the lowest five, or six, count: BPF's shifts look at no others (RFC 9669 4.1), which C
 * does not know.
 */
static __always_inline __u32 slc_shifted32(__u32 x, __u32 shift) {
    asm("%0 >>= %1" : "+w"(x) : "w"(shift));
    return x;
}

static __always_inline __u64 slc_shifted64(__u64 x, __u64 shift) {
    asm("%0 >>= %1" : "+r"(x) : "r"(shift));
    return x;
}

/* Number of the child that a node's slot leads the key to. */
static __always_inline __u32 slc_child_of(const struct slc_key *key, __u64 slot) {
    __u32 value = *(const __u32 *)((const void *)key->words + ((slot >> 35) & (0xf * sizeof(__u32))));

    return slc_shifted32(value, slot >> 32) & (__u32)(slot >> 41);
}

/* Follows nodes from a root slot to a leaf or terminal slot. */
static __always_inline __u64 slc_descend(const struct slc_walk *walk, __u64 slot) {
    __u32 nodes;

    for (nodes = 0; nodes < SLC_MAX_STEPS && (__s64)slot >= 0; nodes++) {
        __u32 index = walk->base + (__u32)slot + slc_child_of(walk->key, slot);

        if (index >= slc_image_slots)
            return SLC_SLOT_FAULT;
        slot = *SLC_IMAGE_SLOT(index);
    }
    if (slc_dry_run)
        walk->steps->nodes += slc_any(nodes, walk->key->words[SLC_KEY_PORTS]);
    return (__s64)slot < 0 ? slot : SLC_SLOT_FAULT;
}

/* Three range checks in one subtraction, see struct slc_service. */
static __always_inline int slc_service_matches(const struct slc_service *service, __u64 lanes) {
    __u64 above = (lanes | SLC_SERVICE_GUARDS) - service->lo;
    __u64 below = service->hi - lanes;

    return (above & below & SLC_SERVICE_GUARDS) == SLC_SERVICE_GUARDS;
}

static __always_inline __u64 slc_lanes(const struct slc_key *key) {
    __u64 ports = key->words[SLC_KEY_PORTS];

    return ports >> 16 | (ports & 0xffff) << SLC_SERVICE_SOURCE_SHIFT |
           (__u64)key->words[SLC_KEY_PROTOCOL] << SLC_SERVICE_PROTOCOL_SHIFT;
}

/* (x >> shift) for shift 0..64. */
static __always_inline __u64 slc_shift_right(__u64 x, __u32 shift) {
    return x >> (shift >> 1) >> (shift - (shift >> 1));
}

static __always_inline int slc_rule4_matches(const struct slc_rule4 *rule, const struct slc_key *key) {
    __u64 destination = key->words[SLC_KEY_DESTINATION] ^ rule->destination;
    __u64 source = key->words[SLC_KEY_SOURCE] ^ rule->source;

    return (slc_shifted64(destination, rule->destination_shift) | slc_shifted64(source, rule->source_shift)) == 0;
}

static __always_inline int slc_rule6_matches(const struct slc_rule6 *rule, const struct slc_key *key) {
    const __u32 *w = key->words;

    return (slc_shift_right(((__u64)w[0] << 32 | w[1]) ^ rule->destination[0], rule->destination_shift[0]) |
            slc_shift_right(((__u64)w[2] << 32 | w[3]) ^ rule->destination[1], rule->destination_shift[1]) |
            slc_shift_right(((__u64)w[4] << 32 | w[5]) ^ rule->source[0], rule->source_shift[0]) |
            slc_shift_right(((__u64)w[6] << 32 | w[7]) ^ rule->source[1], rule->source_shift[1])) == 0;
}

/* Whether a leaf rule holds the key: 1, 0, or -1 where its service is outside the image. */
static __always_inline int slc_rule_matches(const struct slc_key *key, __u32 services, const void *rule,
                                            const int family) {
    const struct slc_service *service;
    __u32 index;
    __u64 at;
    int matches;

    if (family == 4) {
        const struct slc_rule4 *rule4 = rule;

        index = rule4->service | (rule4->destination_shift & 0xc0) << 10 | (rule4->source_shift & 0x40) << 12;
        matches = slc_rule4_matches(rule4, key);
    } else {
        const struct slc_rule6 *rule6 = rule;

        index = rule6->service | rule6->service_above << 16;
        matches = slc_rule6_matches(rule6, key);
    }
    if (!matches)
        return 0;
    at = slc_bounded(services + index * 2, slc_image_slots - 2);
    if (at == SLC_OUTSIDE)
        return -1;
    service = (const void *)SLC_IMAGE_SLOT(at);
    return slc_service_matches(service, slc_lanes(key));
}

static __always_inline int slc_is_last(const void *rule, const int family) {
    return (family == 4 ? ((const struct slc_rule4 *)rule)->source_shift : ((const struct slc_rule6 *)rule)->last) &
           SLC_RULE_LAST;
}

static __always_inline __u32 slc_rule_word(const void *rule, const int family) {
    return family == 4 ? ((const struct slc_rule4 *)rule)->word : ((const struct slc_rule6 *)rule)->word;
}

/*
 * Where the scan of a long leaf stands: what bpf_loop hands to its body. No more than it must, the stack is small; in
 * words of 64 bits, each written at once: of a word that is written in parts the verifier thinks that somebody may need
 * what was there before, and walks all that leads here once more for each thing that was.
 */
struct slc_scan {
    const struct slc_key *key;
    __u64 places; /* slot of the first rule that is left, and above it that of the service table */
    __u64 found; /* the smallest word so far, and above it how many rules were compared, counted by the dry twin only */
};
#define SLC_SCAN_UPPER 32

/* Compares a rule of a long leaf with the key. Nonzero: the leaf is done. */
static __always_inline long slc_scan_rule(__u32 i, struct slc_scan *scan, const int family) {
    const __u32 rule_slots = SLC_RULE_SLOTS(family);
    __u32 index = (__u32)scan->places + i * rule_slots, services = scan->places >> SLC_SCAN_UPPER;
    __u64 compared = slc_any(scan->found >> SLC_SCAN_UPPER, scan->key->words[SLC_KEY_PORTS]);
    const void *rule;
    __u32 word;
    int matches;

    if (index >= slc_image_slots - rule_slots) {
        scan->found = SLC_WORD_FAULT;
        return 1;
    }
    rule = SLC_IMAGE_SLOT(index);
    word = slc_rule_word(rule, family);
    if (word >= (__u32)scan->found)
        return 1;
    matches = slc_rule_matches(scan->key, services, rule, family);
    if (matches)
        scan->found = matches < 0 ? SLC_WORD_FAULT : word;
    if (slc_dry_run)
        scan->found = (__u32)scan->found | (compared + 1) << SLC_SCAN_UPPER;
    return matches || slc_is_last(rule, family);
}

static long slc_scan_rule4(__u32 i, struct slc_scan *scan) {
    return slc_scan_rule(i, scan, 4);
}

static long slc_scan_rule6(__u32 i, struct slc_scan *scan) {
    return slc_scan_rule(i, scan, 6);
}

/* The rest of a leaf that is longer than SLC_SHORT_LEAF. */
static __always_inline __u32 slc_scan_long_leaf(const struct slc_walk *walk, __u32 first, __u32 count, __u32 best,
                                                const int family) {
    struct slc_scan scan = {.key = walk->key, .places = (__u64)walk->services << SLC_SCAN_UPPER | first, .found = best};

    bpf_loop(count, family == 4 ? slc_scan_rule4 : slc_scan_rule6, &scan, 0);
    if (slc_dry_run)
        walk->steps->rules += scan.found >> SLC_SCAN_UPPER;
    return scan.found;
}

/* Whether a value lies in a range: the sign of what comes out. */
static __always_inline __s64 slc_range_sign(__s64 value, __s64 first, __s64 last) {
    return (value - first) | (last - value);
}

static __always_inline int slc_short_matches(const void *rule, const struct slc_key *key, const int family) {
    __s64 port = key->words[SLC_KEY_PORTS] >> 16, lane = key->words[SLC_KEY_PROTOCOL], sign;
    __u64 address;

    if (family == 4) {
        const struct slc_short4 *rule4 = rule;
        __u64 other = key->words[rule4->key_word & SLC_KEY_SOURCE] ^ rule4->address;

        address = slc_shifted64(other, rule4->shift);
        sign = slc_range_sign(port, rule4->port_first, rule4->port_last) |
               slc_range_sign(lane, rule4->lane_first, rule4->lane_last);
    } else {
        const struct slc_short6 *rule6 = rule;
        const __u32 *w = &key->words[rule6->key_word & SLC_KEY_SOURCE];

        address = slc_shift_right(((__u64)w[0] << 32 | w[1]) ^ rule6->address[0], rule6->shift[0]) |
                  slc_shift_right(((__u64)w[2] << 32 | w[3]) ^ rule6->address[1], rule6->shift[1]);
        sign = slc_range_sign(port, rule6->port_first, rule6->port_last) |
               slc_range_sign(lane, rule6->lane_first, rule6->lane_last);
    }
    return (address | (__u64)sign >> 63) == 0;
}

static __always_inline __u32 slc_short_word(const void *rule, const int family) {
    return family == 4 ? ((const struct slc_short4 *)rule)->word : ((const struct slc_short6 *)rule)->word;
}

/* How a leaf's comparisons stand: the smallest word so far, and how many rules were compared. */
struct slc_found {
    __u32 best;
    __u32 compared;
};

/* Compares short rule number i of a leaf. Nonzero: the leaf is done. */
static __always_inline int slc_compare_short(const struct slc_walk *walk, const void *rules, __u32 i, __u32 count,
                                             struct slc_found *found, const int family) {
    const void *rule = rules + i * SLC_SHORT_SLOTS(family) * 8;
    __u32 word = slc_short_word(rule, family);

    if (i == count || word >= found->best)
        return 1;
    found->compared++;
    if (!slc_short_matches(rule, walk->key, family))
        return 0;
    found->best = word;
    return 1;
}

/* The same of a rule that is not short. */
static __always_inline int slc_compare_rule(const struct slc_walk *walk, const void *rules, __u32 i, __u32 count,
                                            struct slc_found *found, const int family) {
    const void *rule = rules + i * SLC_RULE_SLOTS(family) * 8;
    __u32 word = slc_rule_word(rule, family);
    int matches;

    if (i == count || word >= found->best)
        return 1;
    found->compared++;
    matches = slc_rule_matches(walk->key, walk->services, rule, family);
    if (!matches)
        return 0;
    found->best = matches < 0 ? SLC_WORD_FAULT : word;
    return 1;
}

/*
 * Compares the first SLC_SHORT_LEAF rules of a leaf, as far as it has so many. Nonzero: it is done. IPv4 has code of
 * its own for each: that is faster by what a loop keeps account of; of IPv6, whose rules are longer, it is not.
 */
#define SLC_COMPARE_FIRST(compare, walk, rules, count, found, family)                                                  \
    ({                                                                                                                 \
        int done = 0;                                                                                                  \
        if ((family) == 4) {                                                                                           \
            _Pragma("unroll") for (__u32 i = 0; i < SLC_SHORT_LEAF && !done; i++) done =                               \
                compare(walk, rules, i, count, found, 4);                                                              \
        } else {                                                                                                       \
            for (__u32 i = 0; i < SLC_SHORT_LEAF && !done; i++)                                                        \
                done = compare(walk, rules, i, count, found, 6);                                                       \
        }                                                                                                              \
        done;                                                                                                          \
    })

/* slc_scan_leaf for a leaf of short rules, of which there are SLC_SHORT_LEAF at most. */
static __always_inline __u32 slc_scan_short(const struct slc_walk *walk, __u64 slot, __u32 best, const int family) {
    __u64 first = walk->base + ((__u32)slot & ~SLC_LEAF_SHORT);
    __u32 count = (slot >> 56) & 0x3f;
    struct slc_found found = {.best = best};

    if (slc_dry_run)
        walk->steps->leaves++;
    first = slc_bounded(first, slc_image_slots - SLC_SHORT_LEAF * SLC_SHORT_SLOTS(family)); /* see slc_scan_leaf */
    if (first == SLC_OUTSIDE)
        return SLC_WORD_FAULT;
    SLC_COMPARE_FIRST(slc_compare_short, walk, SLC_IMAGE_SLOT(first), count, &found, family);
    if (slc_dry_run)
        walk->steps->rules += slc_any(found.compared, walk->key->words[SLC_KEY_PORTS]);
    return found.best;
}

/* The first rule of the leaf that matches and is smaller than `best`; else `best`. */
static __always_inline __u32 slc_scan_leaf(const struct slc_walk *walk, __u64 slot, __u32 best, const int family) {
    const __u32 rule_slots = SLC_RULE_SLOTS(family);
    __u64 first = walk->base + (__u32)slot;
    __u32 count = (slot >> 56) & 0x3f;
    struct slc_found found = {.best = best};
    int done;

    if (slc_dry_run)
        walk->steps->leaves++;
    /* The image ends with as much that nothing uses, so one look is enough. */
    first = slc_bounded(first, slc_image_slots - SLC_SHORT_LEAF * rule_slots);
    if (first == SLC_OUTSIDE)
        return SLC_WORD_FAULT;
    done = SLC_COMPARE_FIRST(slc_compare_rule, walk, SLC_IMAGE_SLOT(first), count, &found, family);
    if (!done && count > SLC_SHORT_LEAF) {
        if (count == 0x3f)
            count = SLC_MAX_LEAF_RULES;
        found.best = slc_scan_long_leaf(walk, (__u32)first + SLC_SHORT_LEAF * rule_slots, count - SLC_SHORT_LEAF,
                                        found.best, family);
    }
    if (slc_dry_run)
        walk->steps->rules += slc_any(found.compared, walk->key->words[SLC_KEY_PORTS]);
    return found.best;
}

/* Number `index` of a class table; SLC_OUTSIDE where that is outside the image. */
static __always_inline __u64 slc_number(const struct slc_walk *walk, __u64 index) {
    index = slc_bounded(index, (__u64)slc_image_slots * 4);
    return index == SLC_OUTSIDE ? SLC_OUTSIDE : *(const __u16 *)SLC_IMAGE_BYTE(index * 2);
}

/* The class of a field of `bytes` bytes, which stands in the upper ones of `value`; SLC_OUTSIDE as above. */
static __always_inline __u64 slc_class(const struct slc_walk *walk, __u64 table, __u32 value, const __u32 bytes) {
    __u64 number = 0;

#pragma unroll
    for (__u32 i = 0; i < bytes; i++) {
        number = slc_number(walk, table + number * 256 + ((value >> (24 - 8 * i)) & 0xff));
        if (number == SLC_OUTSIDE)
            return SLC_OUTSIDE;
    }
    return number;
}

/* The smaller of `best` and the word that class tables have for the key, see struct slc_classes. */
static __always_inline __u32 slc_ask_classes(const struct slc_walk *walk, __u64 slot, __u32 best, const int family) {
    const __u32 bytes = family == 4 ? SLC_CLASS_BYTES4 : SLC_CLASS_BYTES6;
    const __u32 *key = walk->key->words;
    __u64 numbers = (__u64)walk->base * 4, at = walk->base + (__u32)slot;
    __u64 destination, source, port, lane, line, column, place;
    const struct slc_classes *tables;
    __u32 word;

    at = slc_bounded(at, slc_image_slots - sizeof(*tables) / 8);
    if (at == SLC_OUTSIDE)
        return SLC_WORD_FAULT;
    tables = (const void *)SLC_IMAGE_SLOT(at);
    destination = slc_class(walk, numbers + tables->destinations, key[SLC_KEY_DESTINATION], bytes);
    source = slc_class(walk, numbers + tables->sources, key[SLC_KEY_SOURCE], bytes);
    port = slc_class(walk, numbers + tables->ports, key[SLC_KEY_PORTS], 2);
    lane = slc_class(walk, numbers + tables->lanes, key[SLC_KEY_PROTOCOL] << 24, 1);
    if (destination == SLC_OUTSIDE || source == SLC_OUTSIDE || port == SLC_OUTSIDE || lane == SLC_OUTSIDE)
        return SLC_WORD_FAULT;
    line = slc_number(walk, numbers + tables->lines + destination * tables->source_count + source);
    column = slc_number(walk, numbers + tables->columns + port * tables->lane_count + lane);
    if (line == SLC_OUTSIDE || column == SLC_OUTSIDE)
        return SLC_WORD_FAULT;
    place = slc_number(walk, numbers + tables->cells + line * tables->column_count + column);
    if (place == SLC_OUTSIDE)
        return SLC_WORD_FAULT;
    if (tables->source_port_count) {
        port = slc_class(walk, numbers + tables->source_ports, key[SLC_KEY_PORTS] << 16, 2);
        if (port == SLC_OUTSIDE)
            return SLC_WORD_FAULT;
        place = slc_number(walk, numbers + tables->lists + place * tables->source_port_count + port);
        if (place == SLC_OUTSIDE)
            return SLC_WORD_FAULT;
    }
    if (slc_dry_run)
        walk->steps->nodes += 2 * bytes + 7 + (tables->source_port_count ? 3 : 0);
    at = slc_bounded((__u64)walk->base * 2 + tables->words + place, (__u64)slc_image_slots * 2);
    if (at == SLC_OUTSIDE)
        return SLC_WORD_FAULT;
    word = *(const __u32 *)SLC_IMAGE_BYTE(at * 4);
    return word < best ? word : best;
}

/* The smaller of `best` and the word the tree has for the key. */
static __always_inline __u32 slc_ask_tree(const struct slc_walk *walk, __u64 root, __u32 best, const int family,
                                          const int tree) {
    __u64 slot;

    best = slc_any(best, walk->key->words[SLC_KEY_PORTS]);
    slot = slc_descend(walk, root);
    if (slot == SLC_SLOT_FAULT)
        return SLC_WORD_FAULT;
    if (slot >> 62 == 3)
        return (__u32)slot < best ? (__u32)slot : best;
    /* A leaf whose smallest rank cannot win is not read. */
    if (((slot >> 32) & 0xffffff) >= best >> SLC_WORD_RANK_SHIFT)
        return best;
    if (tree == SLC_TREES - 1 && !((slot >> 56) & 0x3f))
        return slc_ask_classes(walk, slot, best, family);
    if (slc_servers && (__u32)slot & SLC_LEAF_SHORT)
        return slc_scan_short(walk, slot, best, family);
    return slc_scan_leaf(walk, slot, best, family);
}

/* The root block at a slot; null where it is outside the image. */
static __always_inline const struct slc_roots *slc_roots_at(__u32 index) {
    __u64 at = slc_bounded(index, slc_image_slots - sizeof(struct slc_roots) / 8);

    return at == SLC_OUTSIDE ? 0 : (const void *)SLC_IMAGE_SLOT(at);
}

/* Where a section's rows stand, and what is added to the ranks in them. */
struct slc_block {
    __u32 root;
    __u32 rank;
};

/* The block that judges now: of a section that waits to be confirmed the one before, once its time is over. */
static __always_inline struct slc_block slc_block_of(const struct slc_section *entry) {
    if (slc_has_returned(entry))
        return (struct slc_block){.root = entry->previous_root, .rank = entry->previous_rank};
    return (struct slc_block){.root = entry->root, .rank = entry->rank};
}

/* A word of a section's block as one of the image: with the section's ranks. */
static __always_inline __u32 slc_word_of(__u32 word, __u32 rank) {
    return word >= SLC_WORD_FAULT ? word : word + (rank << SLC_WORD_RANK_SHIFT);
}

/* The word of the section's default, whatever its rows say. */
static __always_inline __u32 slc_default_word(__u32 section) {
    const struct slc_section *entry = slc_section_of(section);
    const struct slc_roots *roots;
    struct slc_block block;

    if (!entry)
        return SLC_WORD_FAULT;
    block = slc_block_of(entry);
    roots = slc_roots_at(block.root);
    return roots ? slc_word_of(roots->default_word, block.rank) : SLC_WORD_FAULT;
}

/*
 * Reads `lines` cache lines from `value + at` on, as far as they are within `size` bytes, and forgets what they hold.
 * The processor does not wait for one before it asks for the next. A number of lines that is always the same: where it
 * changes from server to server the processor goes astray, which costs more than a line.
 */
static __always_inline void slc_read_lines(const void *value, __u64 at, const __u32 lines, __u32 size) {
    const volatile __u64 *words;

    /* What is looked at must be what is added, see slc_scan_leaf. */
    asm volatile("" : "+r"(at));
    if (at >= size - lines * 64)
        return;
    words = value + at;
#pragma unroll
    for (__u32 line = 0; line < lines; line++)
        (void)words[line * 8];
}

/* The same of so many lines as a server has: most servers of an edge have about as many. */
static __always_inline void slc_read_all_lines(const void *value, __u64 at, __u32 lines, __u32 size) {
    for (__u32 line = 0; line < SLC_NEAR_MAX; line += SLC_NEAR_STEP) {
        if (line >= lines)
            return;
        slc_read_lines(value, at + line * 64, SLC_NEAR_STEP, size);
    }
}

/* What a packet may need of a server's only tree, see struct slc_near: the root node's child, and where its leaf is. */
static __always_inline void slc_read_tree(const struct slc_walk *walk, const struct slc_near *near, __u64 only,
                                          const int family) {
    __u64 base = walk->base, line = near->first;

    if (!(only >> 63)) {
        __u32 child = slc_child_of(walk->key, only);
        __u64 index = slc_bounded(base + (__u32)only + child, slc_image_slots);

        if (index != SLC_OUTSIDE)
            (void)*(const volatile __u64 *)SLC_IMAGE_SLOT(index);
        line += ((__u64)child * near->step) >> SLC_NEAR_SHIFT;
    }
    if (near->first)
        slc_read_lines(SLC_IMAGE_BYTE(0), base * 8 + line * 64, family == 4 ? SLC_NEAR_LINES4 : SLC_NEAR_LINES6,
                       slc_image_slots * 8);
}

/*
 * Where there are thousands of servers hardly a line of one is in a cache, and a walk needs five or more, of which each
 * says where the next one is. So what a walk may need of a small server's block, and all of its counters, is asked for
 * at once: it arrives together, in the time of one or two. `only`: its only tree, or SLC_TREE_NONE.
 */
static __always_inline void slc_read_server(const struct slc_walk *walk, const struct slc_section *entry,
                                            const struct slc_block *block, __u64 only, const int family) {
    __u64 root = block->root;

    /* Else clang scales it before it is looked at for the walk, and the verifier does not see the bound of that. */
    asm volatile("" : "+r"(root));
    if (only != SLC_TREE_NONE)
        slc_read_tree(walk, family == 4 ? &entry->near4 : &entry->near6, only, family);
    else
        slc_read_all_lines(SLC_IMAGE_BYTE(0), root * 8 + sizeof(struct slc_roots), entry->near_lines,
                           slc_image_slots * 8);
    if (SLC_HOOK == SLC_HOOK_INGRESS && !slc_dry_run && entry->near_counters) {
        const void *row = slc_row(&slc_counters, SLC_HITS_ROWS + bpf_get_smp_processor_id());

        if (row)
            slc_read_all_lines(row, (__u64)block->rank * sizeof(struct slc_hits), entry->near_counters,
                               slc_counter_slots * sizeof(struct slc_hits));
    }
}

/*
 * The word that decides for the key in the section, an index of the section table; the default's word where no row
 * matches, SLC_WORD_NONE where it has none; SLC_WORD_FAULT where the image is broken.
 */
static __always_inline __u32 slc_classify(const struct slc_key *key, __u32 section, const int family,
                                          struct slc_steps *steps) {
    const struct slc_section *entry;
    const struct slc_roots *roots = 0;
    const __u64 *trees;
    struct slc_walk walk;
    struct slc_block block;
    __u64 only = SLC_TREE_NONE;
    __u32 word = SLC_WORD_NONE;

    if (!key || !steps)
        return SLC_WORD_FAULT;
    entry = slc_section_of(section);
    if (!entry)
        return SLC_WORD_FAULT;
    block = slc_block_of(entry);
    walk = (struct slc_walk){.key = key, .steps = steps, .base = block.root};
    if (slc_servers) {
        if (block.root == entry->root)
            only = family == 4 ? entry->tree4 : entry->tree6;
        /* What tells whose a packet is all packets use, so it is near. */
        if (section != SLC_ENTRY_OWNERS)
            slc_read_server(&walk, entry, &block, only, family);
    }
    if (only == SLC_TREE_NONE) {
        roots = slc_roots_at(walk.base);
        if (!roots)
            return SLC_WORD_FAULT;
        walk.services = walk.base + roots->services;
        trees = family == 4 ? roots->trees4 : roots->trees6;
        only = trees[0];
    }
    word = slc_any(slc_ask_tree(&walk, only, word, family, 0), key->words[SLC_KEY_PORTS]);
    if (!roots)
        return slc_word_of(word == SLC_WORD_NONE ? entry->default_word : word, block.rank);
    /* Code of its own for each tree: how deep one is says nothing of the next. */
#pragma unroll
    for (int tree = 1; tree < SLC_TREES && word != SLC_WORD_FAULT; tree++) {
        /* Most packets that a narrow row decides are spared the tree of the wide ones, which stand behind it. */
        if (word > roots->least[tree - 1])
            word = slc_ask_tree(&walk, trees[tree], word, family, tree);
    }
    return slc_word_of(word == SLC_WORD_NONE ? roots->default_word : word, block.rank);
}

/* Functions of their own for each family: verified once. */
__noinline __u32 slc_classify4(const struct slc_key *key, __u32 section, struct slc_steps *steps) {
    return slc_classify(key, section, 4, steps);
}

__noinline __u32 slc_classify6(const struct slc_key *key, __u32 section, struct slc_steps *steps) {
    return slc_classify(key, section, 6, steps);
}

/* The word that decides for a key of the packet's family in an entry of the section table, see slc_classify. */
static __always_inline __u32 slc_ask(const struct slc_packet *packet, const struct slc_key *key, __u32 section,
                                     struct slc_steps *steps) {
    return packet->family == 4 ? slc_classify4(key, section, steps) : slc_classify6(key, section, steps);
}

/*
 * Whose rows tiers 6-9 are for a key of the packet's family: the entry of the server that owns its destination, else
 * inbound's. Where the image is broken an entry that it has not, so that whoever asks it learns of that.
 */
static __always_inline __u32 slc_owner_of(const struct slc_packet *packet, const struct slc_key *key,
                                          struct slc_steps *steps) {
    return slc_servers ? slc_ask(packet, key, SLC_ENTRY_OWNERS, steps) >> SLC_WORD_RANK_SHIFT : SLC_ENTRY_INBOUND;
}

/* Whether what the word leads to lets a packet in. */
static __always_inline int slc_word_lets_in(__u32 word) {
    __u32 action = word & SLC_WORD_ACTION_MASK;

    if (word == SLC_WORD_FAULT || word == SLC_WORD_NONE)
        return 0;
    return action == SLC_ACTION_ALLOW || action == SLC_ACTION_LIMIT;
}

#endif
