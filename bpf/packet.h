/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The header cursor and what is known of a packet so far, the same for both hooks.
 *
 * The linear part of a frame may end anywhere (multi-buffer XDP): a header is used in place when it lies wholly in
 * the linear part and is copied to the stack otherwise. Both ways read the same bytes, so the verdict does not depend
 * on where the linear part ends.
 */
#ifndef SLUICE_PACKET_H
#define SLUICE_PACKET_H

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "sluice_abi.h"

#ifndef SLC_CONTEXT
#error "include hook-xdp.h or hook-tc.h first: they say what a hook's context is"
#endif

enum slc_fragment { SLC_FRAGMENT_NONE, SLC_FRAGMENT_FIRST, SLC_FRAGMENT_LATER };

/* Farthest offset any header can have: two chains of eight 2 KB extension headers and their IP headers. */
#define SLC_MAX_OFFSET 0x8fff

struct slc_packet {
    __u32 length;    /* bytes of the frame that headers lie in */
    __u32 packets;   /* frames it is on the wire: the segments of a packet that the NIC will cut */
    __u32 bytes;     /* of these, with a VLAN tag that the NIC will insert */
    __u32 offset;    /* of the header to read next */
    __u32 end;       /* first byte behind the IP payload */
    __u16 ethertype; /* host order, behind the VLAN tags */
    __u8 family;     /* 4 or 6 */
    __u8 protocol;   /* behind the IPv6 extension headers */
    __u8 hop_limit;
    __u8 fragment; /* enum slc_fragment */
    __u8 icmp_type;
    __u8 icmp_code;
    __u8 is_icmp; /* icmp_type, icmp_code and icmp_identifier are set */
    __u8 tcp_flags;
    __u16 icmp_identifier;  /* host order; of other messages than echoes whatever stands there */
    __u8 vlan_tags;         /* not in the bytes */
    __u8 segmented;         /* one packet for the NIC to cut: its length fields may be 0 */
    __u16 judged_end;       /* first byte behind what is judged of the payload: a transport header, all of ICMP; or 0 */
    __u16 fragment_start;   /* offset of a fragment's data; set, as what follows, where fragment is not NONE */
    __u16 fragment_at;      /* where these belong in the whole packet's, in bytes */
    __u16 network;          /* offset of the IP header */
    __u8 is_group;          /* a link address is that of more than one station */
    __u8 outbound_returned; /* see slc_note_outbound */
    __u32 identification;   /* host order */
    struct slc_key key;
} __attribute__((aligned(8))); /* so that it is cleared by words of 64 bits */

/* Steps of a walk through the image, counted by the dry twin only. */
struct slc_steps {
    __u16 nodes;
    __u16 leaves;
    __u16 rules;
    __u16 unused;
};

/* A packet is leaving: why, and by which word of the image (SLC_WORD_NONE where none decided). */
struct slc_outcome {
    __u32 word;
    __u16 section;
    __u8 tier;
    __u8 reason;
    __u8 refused;  /* by a limit rule: its word lets in what is below its limit */
    __u8 answered; /* the frame has become the answer to itself */
    struct slc_steps steps;
};

/* `size` bytes at `offset`: in the packet, or copied to `buffer`; NULL beyond the end of the frame. */
static __always_inline const void *slc_header(struct SLC_CONTEXT *ctx, __u32 offset, void *buffer, const __u32 size) {
    void *data = (void *)(long)ctx->data;
    void *data_end = (void *)(long)ctx->data_end;

    if (offset > SLC_MAX_OFFSET)
        return NULL;
    if (data + offset + size <= data_end)
        return data + offset;
    if (SLC_LOAD_BYTES(ctx, offset, buffer, size))
        return NULL;
    return buffer;
}

#endif
