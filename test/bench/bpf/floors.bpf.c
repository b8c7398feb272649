// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What nothing can be cheaper than: a bare drop, and the datapath's own parsing with nothing behind it. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_helpers.h>
#include "../../../bpf/hook-xdp.h"
#include "../../../bpf/sluice_abi.h"
#include "../../../bpf/config.h"
#include "../../../bpf/packet.h"
#include "../../../bpf/parse.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("xdp.frags")
int floor_drop(struct xdp_md *ctx) {
    return XDP_DROP;
}

/* In front of netfilter: veth takes live frames only where a program stands. */
SEC("xdp.frags")
int floor_pass(struct xdp_md *ctx) {
    return XDP_PASS;
}

SEC("xdp.frags")
int floor_parse(struct xdp_md *ctx) {
    struct slc_packet packet = {.length = bpf_xdp_get_buff_len(ctx)};
    int reason = slc_parse_ethernet(ctx, &packet);

    if (reason)
        return XDP_ABORTED;
    if (packet.ethertype == ETH_P_IP)
        reason = slc_parse_ipv4(ctx, &packet);
    else if (packet.ethertype == ETH_P_IPV6)
        reason = slc_parse_ipv6(ctx, &packet);
    else
        return XDP_ABORTED;
    if (!reason && packet.fragment != SLC_FRAGMENT_LATER)
        reason = slc_parse_transport(ctx, &packet);
    if (reason)
        return XDP_ABORTED;
    /* Keeps the key: without a reader the compiler would leave out most of the work. */
    for (int i = 0; i <= SLC_KEY_PROTOCOL; i++)
        asm volatile("" : : "r"(packet.key.words[i]));
    return XDP_DROP;
}
