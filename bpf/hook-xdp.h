/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What every header knows of the hook it is compiled for: here XDP, packets that come in. */
#ifndef SLUICE_HOOK_H
#define SLUICE_HOOK_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "sluice_abi.h"

/* From Linux 6.2 on: the kernel's own view of a context; a cast, no call. */
extern void *bpf_cast_to_kern_ctx(void *context) __attribute__((section(".ksyms"), weak));

/* What is read of it; where the fields stand the loader learns of the kernel. */
struct xdp_buff___slc {
    __u32 flags;
} __attribute__((preserve_access_index));
#define SLC_XDP_HAS_FRAGS 1u

/*
 * Bytes of the frame. Most are linear, and the helper that adds up the others costs as much as the parsers of an
 * ordinary frame together: where the kernel lets us see that there is nothing to add, it is not called.
 */
static __always_inline __u32 slc_frame_length(struct xdp_md *ctx) {
    if (bpf_cast_to_kern_ctx) {
        const struct xdp_buff___slc *buff = bpf_cast_to_kern_ctx(ctx);

        if (!(buff->flags & SLC_XDP_HAS_FRAGS))
            return ctx->data_end - ctx->data;
    }
    return bpf_xdp_get_buff_len(ctx);
}

#define SLC_CONTEXT xdp_md
#define SLC_LOAD_BYTES bpf_xdp_load_bytes
#define SLC_STORE_BYTES bpf_xdp_store_bytes
/*
 * Makes the frame so long; what stands in it after that is anything. Room is made in front, where every driver has
 * some; behind a fragmented frame there may be none.
 */
#define SLC_RESIZE(ctx, from, to)                                                                                      \
    ((to) > (from) ? bpf_xdp_adjust_head(ctx, (int)(from) - (int)(to))                                                 \
                   : bpf_xdp_adjust_tail(ctx, (int)(to) - (int)(from)))
/* Where the packet came in. */
#define SLC_IFINDEX(ctx) ((ctx)->ingress_ifindex)
#define SLC_PASS XDP_PASS
#define SLC_DROP XDP_DROP
#define SLC_ANSWER XDP_TX
#define SLC_ANSWERS_STAY 0
#define SLC_HOOK SLC_HOOK_INGRESS
/* Section of what leaves without a row, and the tier of what the image cannot decide. */
#define SLC_OWN_SECTION SLC_ENTRY_INBOUND
#define SLC_LAST_TIER SLC_TIER_DEFAULT
/* First counter slot of the reasons. */
#define SLC_REASON_SLOTS 0
/* First entry of the hook in slc_gate_counters. */
#define SLC_GATE_COUNTERS 0

#endif
