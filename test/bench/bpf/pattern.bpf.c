// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Gives every frame another remote end, by a number below `count`: drawn at random, or one after the other. Nothing is
 * read from memory for that, so that a million flows cost the caches no more than the filter's own tables do. Sends the
 * frame out of the interface it is run on (live test run, XDP_TX), or hands it to the program that is measured (plain
 * test run). IPv4 without options over TCP or UDP.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "progress.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Ethernet, IPv4 and TCP, in four-byte words; the last holds two bytes of what follows. */
#define HEADER_BYTES (sizeof(struct ethhdr) + sizeof(struct iphdr) + sizeof(struct tcphdr))
#define HEADER_WORDS ((HEADER_BYTES + 3) / 4)

/* One object, so that its layout in the section is known. */
struct {
    __u32 count;      /* remote ends */
    __u32 hot;        /* the first so many of them get `hot_share` of the frames */
    __u32 hot_share;  /* in 256ths */
    __u32 in_order;   /* 1: one after the other */
    __u32 outgoing;   /* 1: the remote end is the destination */
    __u32 replay;     /* 1: plain test run */
    __u32 renew;      /* 1: the program that is measured changes frames: each begins with `header` */
    __u32 header[HEADER_WORDS];
} const volatile config = {.count = 1};

/* The program that is measured, by its type. */
struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 1);
    __uint(key_size, 4);
    __uint(value_size, 4);
} target SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 1);
    __uint(key_size, 4);
    __uint(value_size, 4);
} target_out SEC(".maps");

/* 198.18.0.0/15 is for benchmarks (RFC 2544). */
#define FIRST_ADDRESS 0xc6120000u
#define ADDRESS_BITS 17
#define FIRST_PORT 1024

/* The number of the next remote end. */
static __always_inline __u32 draw(void) {
    __u64 x = progress.next;
    __u32 count = config.count;

    if (config.in_order) {
        progress.next = x + 1 < count ? x + 1 : 0;
        return x;
    }
    /* xorshift64 (Marsaglia 2003) */
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    progress.next = x;
    if ((x & 0xff) < config.hot_share)
        count = config.hot;
    return (x >> 32) * count >> 32;
}

static __always_inline int write_frame(void *data, void *end) {
    struct iphdr *ip = data + sizeof(struct ethhdr);
    __be16 *ports = (void *)(ip + 1);
    __u32 n;
    __be32 address;
    __be16 port;

    count_frame();
    n = draw();
    address = bpf_htonl(FIRST_ADDRESS + (n & ((1 << ADDRESS_BITS) - 1)));
    port = bpf_htons(FIRST_PORT + (n >> ADDRESS_BITS));
    if ((void *)(ports + 2) > end)
        return -1;
    if (config.renew) {
        __u32 *words = data;

        if ((void *)(words + HEADER_WORDS) > end)
            return -1;
#pragma unroll
        for (__u32 i = 0; i < HEADER_WORDS; i++)
            words[i] = config.header[i];
    }
    if (config.outgoing) {
        ip->daddr = address;
        ports[1] = port;
    } else {
        ip->saddr = address;
        ports[0] = port;
    }
    return 0;
}

SEC("xdp.frags")
int generate(struct xdp_md *ctx) {
    if (write_frame((void *)(long)ctx->data, (void *)(long)ctx->data_end))
        return XDP_ABORTED;
    if (!config.replay)
        return XDP_TX;
    bpf_tail_call_static(ctx, &target, 0);
    return XDP_ABORTED;
}

SEC("tc")
int generate_out(struct __sk_buff *skb) {
    if (write_frame((void *)(long)skb->data, (void *)(long)skb->data_end))
        return -1;
    bpf_tail_call_static(skb, &target_out, 0);
    return -1;
}
