/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Every map: purpose, writer, lifetime, size. The loader sets the sizes marked (set at load). */
#ifndef SLUICE_MAPS_H
#define SLUICE_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "config.h"
#include "sluice_abi.h"

/*
 * An array with one value, which slc_value() finds: where a program names such a map the loader writes the address of
 * the value (native/constants.cc), so that a packet looks nothing up. No such map can be handed to a helper.
 */
#define SLC_VALUE __attribute__((btf_decl_tag("slc_value")))

/* The compiled ruleset. Written by user space before the program loads, then frozen. One generation. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __uint(key_size, 4);
    __uint(value_size, 4096); /* (set at load) slc_image_slots * 8 */
} slc_image SLC_VALUE SEC(".maps");

/*
 * Two rows of 64-bit sums that all CPUs share, then one of struct slc_hits per possible CPU, indexed by rank. Written
 * by the programs. One generation.
 */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1); /* (set at load) SLC_HITS_ROWS + possible CPUs */
    __uint(key_size, 4);
    __uint(value_size, 8192); /* (set at load) slc_counter_slots * sizeof(struct slc_hits) */
} slc_counters SEC(".maps");

/* The gate word and what goes with it. Written by user space. Lives as long as sluice is attached. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct slc_state);
} slc_state SLC_VALUE SEC(".maps");

/* Deadlines of pending confirmations, boot-time ns; word 0 is never used. Lives like slc_state. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, SLC_CONFIRM_WORDS);
    __type(key, __u32);
    __type(value, __u64);
} slc_confirm SEC(".maps");

/* Boot-time ns by which sections that wait judge the packet, 0: nobody has asked yet. Written by the programs. A
 * packet. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} slc_moment SEC(".maps");

/*
 * What is under ALLOW ALL, and what would have been refused there: entry 0 is the whole edge. Deadlines are written by
 * user space, counts by the programs. Lives like slc_state, so that a new generation keeps them.
 */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, SLC_OPEN_SECTIONS);
    __type(key, __u32);
    __type(value, struct slc_open);
} slc_open SEC(".maps");

/* Entry of slc_open of each section that has one, by the id in its struct slc_section. Written and living like it. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, SLC_OPEN_SECTIONS);
    __type(key, __u64);
    __type(value, __u32);
} slc_open_index SEC(".maps");

/* Ingress program of each slot; the gate names the slot. Pinned: an array without a pin is emptied. */
struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, SLC_PROGRAM_SLOTS);
    __uint(key_size, 4);
    __uint(value_size, 4);
} slc_programs SEC(".maps");

/* The same for the egress hook, whose programs are of another type. Lives like slc_programs. */
struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, SLC_PROGRAM_SLOTS);
    __uint(key_size, 4);
    __uint(value_size, 4);
} slc_egress SEC(".maps");

/*
 * One slot, with slc_gate_egress, where a clsact filter needs it. Pinned, and never held open: where its pin is gone
 * the kernel empties it, whoever still holds the others, so the filter knows that it has been ended.
 */
struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 1);
    __uint(key_size, 4);
    __uint(value_size, 4);
} slc_pinned SEC(".maps");

/* Packets the gates decided: GATE_EMPTY and GATE_OPEN of XDP, then of egress. Lives like slc_state. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 4);
    __type(key, __u32);
    __type(value, struct slc_counter);
} slc_gate_counters SEC(".maps");

/*
 * Flows: a set-associative table, since the kernel's own LRU hashes refuse locks and evict without telling. Opened
 * and refreshed by the egress program only; what comes in only shortens the life of a flow in doubt. Pinned with each
 * generation that uses it: a new one shares the table of the one before, unless its size changes.
 */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1); /* (set at load) buckets, slc_flow_mask + 1 */
    __type(key, __u32);
    __type(value, struct slc_flow_bucket);
} slc_flows SEC(".maps");

/* The table of another size that slc_move_flows takes flows from. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct slc_flow_bucket);
} slc_flows_before SEC(".maps");

/* Which ways of slc_flows can hold a key: a byte a way, 0 where it is empty. Written with it, and lives like it. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1); /* (set at load) as slc_flows */
    __type(key, __u32);
    __type(value, __u64);
} slc_flow_tags SEC(".maps");

/* What each server has of slc_flows. Written with it, and lives like it. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct slc_shares);
} slc_flow_shares SLC_VALUE SEC(".maps");

/* What became of flows. Written by the egress program. Lives like slc_flows. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct slc_table_figures);
} slc_flow_stats SEC(".maps");

/*
 * Banned hosts: IPv4 /32 and IPv6 /64. Written by user space, but for the hits. Lives like slc_state, so that a new
 * generation keeps them. No memory is taken in advance: most installations ban few.
 */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 1); /* (set at load) */
    __type(key, struct slc_ban_host);
    __type(value, struct slc_ban);
} slc_ban_hosts SEC(".maps");

/* Banned prefixes of any other length. Written and living like slc_ban_hosts. */
struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC); /* the kernel has no other kind */
    __uint(max_entries, 1);               /* (set at load) */
    __type(key, struct slc_ban_net);
    __type(value, struct slc_ban);
} slc_ban_nets SEC(".maps");

/*
 * Which sources may be banned. Written by user space, which knows all bans, before an entry is written and after one is
 * removed. Lives like slc_state.
 */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct slc_ban_filter);
} slc_ban_filter SLC_VALUE SEC(".maps");

/* First fragments that passed, so that later ones follow. Written by both programs. Lives like slc_flows. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1); /* (set at load) buckets, slc_fragment_mask + 1 */
    __type(key, __u32);
    __type(value, struct slc_fragment_bucket);
} slc_fragments SEC(".maps");

/* What slc_flow_tags is to the flows. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1); /* (set at load) as slc_fragments */
    __type(key, __u32);
    __type(value, __u64);
} slc_fragment_tags SEC(".maps");

/* What became of them. Written by both programs. Lives like slc_flows. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct slc_table_figures);
} slc_fragment_stats SEC(".maps");

/* A first fragment between its judgement and its end, one for each CPU and hook. Written by the programs. A packet. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 2); /* enum slc_hook */
    __type(key, __u32);
    __type(value, struct slc_first_fragment);
} slc_noted SEC(".maps");

/*
 * Windows of limit rules: a set-associative table like the flows. Written by the ingress program only. Lives like
 * slc_state, so that a new generation keeps them.
 */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1); /* (set at load) buckets, slc_window_mask + 1 */
    __type(key, __u32);
    __type(value, struct slc_window_bucket);
} slc_windows SEC(".maps");

/* The attempts of each bucket of slc_windows before the newest. Written and living like it. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1); /* (set at load) as slc_windows */
    __type(key, __u32);
    __type(value, struct slc_attempts);
} slc_attempts SEC(".maps");

/* What each server has of slc_windows. Written and living like it. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct slc_shares);
} slc_window_shares SLC_VALUE SEC(".maps");

/* What became of windows. Written by the ingress program. Lives like slc_windows. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct slc_table_figures);
} slc_limit_stats SEC(".maps");

/*
 * Answers given in a second: of all, then of each source by its hash, see budget.h; once for each hook (enum slc_hook).
 * Written by both programs. Lives like slc_state.
 */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 2 * (1 + SLC_BUDGET_SOURCES));
    __type(key, __u32);
    __type(value, __u64);
} slc_reject_budget SEC(".maps");

/*
 * Echo-requests taken from the budgets of a second: of all, then of each source by its hash; built as half of
 * slc_reject_budget is. Written by the ingress program. Lives like slc_state.
 */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1 + SLC_BUDGET_SOURCES);
    __type(key, __u32);
    __type(value, __u64);
} slc_echo_budget SEC(".maps");

/* What became of rejected packets. Written by both programs. Lives like slc_state. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 2); /* enum slc_hook */
    __type(key, __u32);
    __type(value, struct slc_reject_figures);
} slc_reject_stats SEC(".maps");

/* Answers that went to the own stack, see told.h. Written by the egress program. Lives like slc_state. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, SLC_TOLD);
    __type(key, __u32);
    __type(value, __u64);
} slc_told SEC(".maps");

/* Where an answer is put together: more than fits the stack. Means nothing between two packets. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __uint(key_size, 4);
    __uint(value_size, 256);
} slc_scratch SEC(".maps");

/* A header that does not lie in one piece. Means nothing between two headers. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __uint(key_size, 4);
    __uint(value_size, 40); /* the longest: IPv6 */
} slc_copied SEC(".maps");

/* What is told of packets. Written by both programs, read by one process. Lives like slc_state. */
struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096); /* (set at load) bytes */
} slc_events SEC(".maps");

/* What became of events, and the caps of each CPU. Written by both programs. Lives like slc_events. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct slc_event_figures);
} slc_event_stats SEC(".maps");

/* What each rank has spent of its cap, see SLC_EVENT_RANK_SHIFT. Written by one program, each CPU its own row. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1); /* (set at load) possible CPUs */
    __uint(key_size, 4);
    __uint(value_size, 2048); /* (set at load) slc_counter_slots * 4 */
} slc_event_ranks SEC(".maps");

/* Caps of sources and servers, one row per possible CPU. Written by both programs. Lives like slc_events. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1); /* (set at load) possible CPUs */
    __type(key, __u32);
    __type(value, struct slc_event_sources);
} slc_event_sources SEC(".maps");

/* Written by slc_read_clock, read after its test run; with slc_clock_given the programs take the time from it. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct slc_clock);
} slc_clock SLC_VALUE SEC(".maps");

/* ---------------------------------------------------------------- values of arrays */

/*
 * The value at an index. The key is a whole word of the stack, of which the map reads the lower half: see struct
 * slc_scan.
 */
static __always_inline void *slc_row(void *map, __u64 index) {
    const __u64 key = index;

    return bpf_map_lookup_elem(map, &key);
}

/* The value of a map that has one for each CPU. */
static __always_inline void *slc_only(void *map) {
    return slc_row(map, 0);
}

/* The value of a map with SLC_VALUE; never null. Opaque, since for clang it is the map's definition. */
static __always_inline void *slc_value(void *map) {
    asm("" : "+r"(map));
    return map;
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "slc_row");

/* Boot-time nanoseconds. */
static __always_inline __u64 slc_now_ns(void) {

    if (slc_clock_given) {
        const struct slc_clock *clock = slc_value(&slc_clock);

        return *(const volatile __u64 *)&clock->boot_ns;
    }
    return bpf_ktime_get_boot_ns();
}

/* Nanoseconds of a clock that costs nearly nothing, for what is no finer than milliseconds: CLOCK_MONOTONIC_COARSE. */
static __always_inline __u64 slc_now_tick_ns(void) {

    if (slc_clock_given) {
        const struct slc_clock *clock = slc_value(&slc_clock);

        return *(const volatile __u64 *)&clock->tick_ns;
    }
    return bpf_ktime_get_coarse_ns();
}

/* What the dry twin decided. Written by the twin, read after each run. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct slc_result);
} slc_result SLC_VALUE SEC(".maps");

/* ---------------------------------------------------------------- places in the image */

#define SLC_OUTSIDE (~0ull)

/*
 * The index, where it is below the limit, else SLC_OUTSIDE. For one that is used more than once: clang may put a copy
 * by before it compares, and of that copy Linux 6.1 does not know the bound. Here each copy is of what came out.
 */
static __always_inline __u64 slc_bounded(__u64 index, __u64 limit) {
    asm volatile("if %0 < %1 goto +1\n\t"
                 "%0 = -1"
                 : "+r"(index)
                 : "r"(limit));
    return index;
}

/*
 * A place in the image, so many bytes from its start. Its address is a number of the program, so it needs no register;
 * reckoned as a number too: clang must not think of the map's definition.
 */
#define SLC_IMAGE_BYTE(at) ((const void *)((__u64) & slc_image + (at)))
#define SLC_IMAGE_SLOT(index) ((const __u64 *)SLC_IMAGE_BYTE((__u64)(index) * 8))

/* First bytes of the image. */
static __always_inline const struct slc_image_header *slc_header_of_image(void) {
    return slc_value(&slc_image);
}

/* An entry of the section table; null where it is outside the image. */
static __always_inline const struct slc_section *slc_section_of(__u32 section) {
    __u64 index = SLC_SECTIONS_SLOT + (__u64)section * (sizeof(struct slc_section) / 8);

    index = slc_bounded(index, slc_image_slots - sizeof(struct slc_section) / 8);
    return index == SLC_OUTSIDE ? 0 : (const void *)SLC_IMAGE_SLOT(index);
}

/* ---------------------------------------------------------------- shares of what all use */

/* Number of whoever an entry of the section table is of, below SLC_OWNERS; 0: the edge itself. */
static __always_inline __u32 slc_owner_number(__u32 section) {
    const struct slc_section *entry = slc_servers && section >= SLC_ENTRY_SERVERS ? slc_section_of(section) : 0;

    return entry ? entry->owner & (SLC_OWNERS - 1) : 0;
}

/* What an owner has of a table. */
static __always_inline struct slc_share *slc_share_of(struct slc_shares *shares, __u32 owner) {
    return &shares->of[owner & (SLC_OWNERS - 1)];
}

/* A way passes from one owner to another; SLC_OWNERS: it was empty. */
static __always_inline void slc_share_pass(struct slc_shares *shares, __u32 from, __u32 to) {
    if (from == to)
        return;
    if (from < SLC_OWNERS)
        __sync_fetch_and_add(&slc_share_of(shares, from)->held, -1ull);
    __sync_fetch_and_add(&slc_share_of(shares, to)->held, 1);
}

/* How many ways he holds. */
static __always_inline __s64 slc_share_held(struct slc_shares *shares, __u32 owner) {
    return *(volatile __u64 *)&slc_share_of(shares, owner)->held;
}

#endif
