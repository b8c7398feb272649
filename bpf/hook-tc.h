/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What every header knows of the hook it is compiled for: here packets that go out, by tcx or clsact. */
#ifndef SLUICE_HOOK_H
#define SLUICE_HOOK_H

#include <linux/bpf.h>
#include "sluice_abi.h"

#define SLC_CONTEXT __sk_buff
#define SLC_LOAD_BYTES bpf_skb_load_bytes
#define SLC_STORE_BYTES(skb, offset, from, bytes) bpf_skb_store_bytes(skb, offset, from, bytes, 0)
/* Makes the frame so long; what stands in it after that is anything. */
#define SLC_RESIZE(skb, from, to) bpf_skb_change_tail(skb, to, 0)
/* Where the packet goes out. */
#define SLC_IFINDEX(ctx) ((ctx)->ifindex)
/*
 * Not TCX_PASS, nor TC_ACT_OK: programs and filters of others behind this one run too. By number, headers of older
 * systems lack them.
 */
#define SLC_PASS (-1) /* TCX_NEXT; of a clsact filter TC_ACT_UNSPEC */
#define SLC_DROP 2    /* TCX_DROP, TC_ACT_SHOT */
#define SLC_ANSWER 7  /* TCX_REDIRECT, TC_ACT_REDIRECT */
/* An answer goes to the own stack, by the same interface, and not to the wire. */
#define SLC_ANSWERS_STAY 1
#define SLC_HOOK SLC_HOOK_EGRESS
/* Section of what leaves without a row, and the tier of what the image cannot decide. */
#define SLC_OWN_SECTION SLC_ENTRY_OUTBOUND
#define SLC_LAST_TIER SLC_OUT_DEFAULT
/* First counter slot of the reasons. */
#define SLC_REASON_SLOTS SLC_REASON_SLOTS_OUT
/* First entry of the hook in slc_gate_counters. */
#define SLC_GATE_COUNTERS 2

#endif
