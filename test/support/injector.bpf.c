// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Sends a UDP frame of the caller's on and on, out of the interface it is run on (live test run, XDP_TX). Every frame
 * gets the next destination port of a ring of eight and a source address that counts up, so that a known share of the
 * frames belongs to each port.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile __u16 ports[8] = {};
/* One object, so that its layout in the section is known: frames sent by position in the ring, and in all. */
struct {
    __u64 sent[8];
    __u64 next;
} progress;

SEC("xdp.frags")
int inject(struct xdp_md *ctx) {
    void *data = (void *)(long)ctx->data;
    void *end = (void *)(long)ctx->data_end;
    struct ethhdr *ethernet = data;
    struct iphdr *ip = (void *)(ethernet + 1);
    struct udphdr *udp = (void *)(ip + 1);
    __u32 n = progress.next++;

    if ((void *)(udp + 1) > end)
        return XDP_ABORTED;
    ip->saddr = bpf_htonl(0x0a000000 | (n * 2654435761u) >> 8);
    udp->dest = bpf_htons(ports[n & 7]);
    progress.sent[n & 7]++;
    return XDP_TX;
}
