/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The header cursor and what is known of a packet so far, the same for both hooks.
 *
 * The linear part of a frame may end anywhere (multi-buffer XDP): a header is used in place when it lies wholly in
 * the linear part and is copied otherwise. Both ways read the same bytes, so the verdict does not depend
 * on where the linear part ends.
 */
#ifndef SLUICE_PACKET_H
#define SLUICE_PACKET_H

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "sluice_abi.h"
#include "maps.h"

#ifndef SLC_CONTEXT
#error "include hook-xdp.h or hook-tc.h first: they say what a hook's context is"
#endif

enum slc_fragment { SLC_FRAGMENT_NONE, SLC_FRAGMENT_FIRST, SLC_FRAGMENT_LATER };

/* Farthest offset any header can have: two chains of eight 2 KB extension headers and their IP headers. */
#define SLC_MAX_OFFSET 0x8fff

struct slc_packet {
    union {
        struct slc_key key;
        struct {
            __u32 words[SLC_KEY_PROTOCOL + 1]; /* of the key: what stands behind them no tree looks at */
            __u32 length;                      /* bytes of the frame that headers lie in */
            __u32 packets;        /* frames it is on the wire: the segments of a packet that the NIC will cut */
            __u32 bytes;          /* of these, with a VLAN tag that the NIC will insert */
            __u32 offset;         /* of the header to read next */
            __u32 end;            /* first byte behind the IP payload */
            __u32 identification; /* host order; of a fragment */
        };
    };
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
} __attribute__((aligned(8))); /* so that it is cleared by words of 64 bits */

/* Bytes below a packet on the stack that slc_forget() covers: where clang keeps what has no register. */
#define SLC_FORGET_BELOW 128
/* From there to the packet's last word; as a mask it lets SLC_FORGET_BELOW through. */
#define SLC_FORGET_REACH (SLC_FORGET_BELOW + sizeof(struct slc_packet) - 8)
_Static_assert((SLC_FORGET_REACH & SLC_FORGET_BELOW) == SLC_FORGET_BELOW, "slc_forget");

/*
 * Makes the verifier forget what it has learnt of the packet, and of what is kept below it; nothing changes at run
 * time. Else it walks what follows once for each way through the parsers. The packet's first 8 bytes are written to
 * where they stand; that they do not go anywhere else within its reach is more than it can see. The context comes back,
 * in a register: one that is kept on the stack is forgotten too.
 */
static __always_inline struct SLC_CONTEXT *slc_forget(struct SLC_CONTEXT *ctx, struct slc_packet *packet) {
    __u64 offset = *(volatile __u32 *)&packet->bytes, same = offset, first;

    asm volatile("%[offset] ^= %[same]\n\t"
                 "%[offset] += %[below]\n\t"
                 "%[offset] &= %[reach]\n\t"
                 "%[first] = *(u64 *)(%[packet] + 0)\n\t"
                 "%[offset] += %[packet]\n\t"
                 "%[offset] += %[back]\n\t"
                 "*(u64 *)(%[offset] + 0) = %[first]"
                 : [offset] "+&r"(offset), [first] "=&r"(first), [ctx] "+r"(ctx)
                 : [same] "r"(same), [packet] "r"(packet), [below] "i"(SLC_FORGET_BELOW), [back] "i"(-SLC_FORGET_BELOW),
                   [reach] "i"(SLC_FORGET_REACH)
                 : "memory");
    return ctx;
}

/*
 * The same value, of which the verifier has forgotten what it knew, so that it walks what follows once and not for each
 * value that it may be. `other`: any that it knows nothing of.
 */
static __always_inline __u32 slc_any(__u32 value, __u32 other) {
    asm volatile("%0 ^= %1\n\t"
                 "%0 ^= %1"
                 : "+r"(value)
                 : "r"(other));
    return value;
}

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

/*
 * `size` bytes at `offset`: in the packet, or copied to slc_copied, where they stand until the next header is read;
 * NULL beyond the end of the frame.
 */
static __always_inline const void *slc_header(struct SLC_CONTEXT *ctx, __u32 offset, const __u32 size) {
    void *data = (void *)(long)ctx->data;
    void *data_end = (void *)(long)ctx->data_end;
    void *copied;

    if (offset > SLC_MAX_OFFSET)
        return NULL;
    if (data + offset + size <= data_end)
        return data + offset;
    copied = slc_only(&slc_copied);
    if (!copied || SLC_LOAD_BYTES(ctx, offset, copied, size))
        return NULL;
    return copied;
}

#endif
