// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Gives every frame the addresses, ports and protocol of the next entry of a trace, and sends it out of the interface
 * it is run on (live test run, XDP_TX); or, with `replay`, hands it to the program that is measured (plain test run).
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_helpers.h>
#include "progress.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* One object, so that its layout in the section is known. */
struct {
    __u32 count; /* entries of the trace */
    __u32 family;
    __u32 replay;
    __u32 unused;
} const volatile config = {.count = 1, .family = 4};

struct entry4 {
    __be32 addresses[2];
    __be32 ports;
    __u8 protocol;
    __u8 unused;
    __sum16 check;
};

struct entry6 {
    __be32 addresses[8];
    __be32 ports;
    __u8 protocol;
    __u8 unused[3];
};

/* Entries back to back in one value; the size is set at load. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __uint(key_size, 4);
    __uint(value_size, 4096);
} trace SEC(".maps");

/* The program that is measured in a plain test run. */
struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 1);
    __uint(key_size, 4);
    __uint(value_size, 4);
} target SEC(".maps");

static __always_inline __u32 next_entry(void) {
    __u64 n = progress.next;

    if (n >= config.count)
        n = 0;
    progress.next = n + 1;
    count_frame();
    return n;
}

SEC("xdp.frags")
int generate(struct xdp_md *ctx) {
    const __u32 zero = 0;
    void *data = (void *)(long)ctx->data;
    void *end = (void *)(long)ctx->data_end;
    void *entries = bpf_map_lookup_elem(&trace, &zero);
    __u32 n = next_entry();

    if (!entries)
        return XDP_ABORTED;
    if (n >= config.count)
        return XDP_ABORTED;
    if (config.family == 4) {
        struct iphdr *ip = data + sizeof(struct ethhdr);
        __be32 *ports = (void *)(ip + 1);
        const struct entry4 *entry = entries + (__u64)n * sizeof(*entry);

        if ((void *)(ports + 1) > end)
            return XDP_ABORTED;
        ip->saddr = entry->addresses[0];
        ip->daddr = entry->addresses[1];
        ip->protocol = entry->protocol;
        ip->check = entry->check;
        *ports = entry->ports;
    } else {
        struct ipv6hdr *ip = data + sizeof(struct ethhdr);
        __be32 *ports = (void *)(ip + 1);
        const struct entry6 *entry = entries + (__u64)n * sizeof(*entry);

        if ((void *)(ports + 1) > end)
            return XDP_ABORTED;
        __builtin_memcpy(&ip->saddr, entry->addresses, 32);
        ip->nexthdr = entry->protocol;
        *ports = entry->ports;
    }
    if (!config.replay)
        return XDP_TX;
    bpf_tail_call_static(ctx, &target, 0);
    return XDP_ABORTED;
}
