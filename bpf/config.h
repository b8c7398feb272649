/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Switches and sizes set before load. They are read-only data, so the verifier knows their values and removes
 * what a ruleset does not use; a generation is a program of its own.
 */
#ifndef SLUICE_CONFIG_H
#define SLUICE_CONFIG_H

#include "sluice_abi.h"

/* 1: the dry twin. It writes slc_result, and scratch of its own (slc_noted), nothing else. */
const volatile __u32 slc_dry_run = 0;
/* Size of the image map in 8-byte slots. */
const volatile __u32 slc_image_slots = 512;
/* Slots of a counter row. */
const volatile __u32 slc_counter_slots = 512;
/* 1: tier 5 (ICMP essentials) is on. */
const volatile __u32 slc_icmp_essentials = 1;
/* Echo-requests that pass in a second: of all, and of one source. */
const volatile __u32 slc_echo_rate = 1000;
const volatile __u32 slc_echo_rate_source = 10;
const volatile __u32 slc_ethertype_count = 0;
/* Ethertypes besides IP and ARP that pass in tier 2, host order. */
const volatile __u16 slc_ethertypes[SLC_MAX_ETHERTYPES] = {};
/* 1: there are servers, whose sections stand behind SLC_ENTRY_OWNERS. */
const volatile __u32 slc_servers = 0;
/* 1: sections wait to be confirmed, each by itself. */
const volatile __u32 slc_trials = 0;
/* 1: tier 3.1 (keep-reachable) has entries. */
const volatile __u32 slc_keep_reachable = 0;
/* 1: tier 3.3 (guard) has rows; and step 3 of what goes out. */
const volatile __u32 slc_guard_in = 0;
const volatile __u32 slc_guard_out = 0;
/* 1: `outbound` can refuse; 0: it has no row and its default is to allow. */
const volatile __u32 slc_outbound_refuses = 0;
/* 1: rows, or the default, reject what comes in. */
const volatile __u32 slc_rejects = 0;
/* 1: the same of what goes out. */
const volatile __u32 slc_rejects_out = 0;
/* 1: there are limit rules. */
const volatile __u32 slc_limits = 0;
/* Buckets of the table of windows - 1; there is a power of two of them. */
const volatile __u32 slc_window_mask = 0;
/* 1: the time is what slc_clock says, so that a test can set it. */
const volatile __u32 slc_clock_given = 0;
/* Buckets of the flow table - 1; there is a power of two of them. */
const volatile __u32 slc_flow_mask = 0;
/* How much is told, enum slc_log_level; 0: nothing, and nothing of it is in the program. */
const volatile __u32 slc_log_level = 0;
/* A window of the caps is 1 << this many ticks: about a second. */
const volatile __u32 slc_event_window = 8;
/* Factor of the hash of sources, random. */
const volatile __u64 slc_event_factor = 0;
/* 1: later fragments follow a first one that passed; 0: no fragment comes in. */
const volatile __u32 slc_track_fragments = 0;
/* Buckets of the fragment table - 1; there is a power of two of them. */
const volatile __u32 slc_fragment_mask = 0;
/* In jiffies: how long later fragments follow. */
const volatile __u64 slc_fragment_timeout = 0;
/* Generation of the program. */
const volatile __u32 slc_generation = 0;
/* Factors of the tables' hash, random, the same while the tables live. */
const volatile __u64 slc_table_factors[SLC_TABLE_KEY_WORDS] = {};
/* In jiffies, by enum slc_flow_timeout. */
const volatile __u64 slc_flow_timeouts[SLC_FLOW_TIMEOUTS] = {};

#endif
