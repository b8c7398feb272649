// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What nothing that goes out can be cheaper than: see floors.bpf.c. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_helpers.h>
#include "../../../bpf/hook-tc.h"
#include "../../../bpf/sluice_abi.h"
#include "../../../bpf/config.h"
#include "../../../bpf/packet.h"
#include "../../../bpf/parse.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tc")
int egress_floor_drop(struct __sk_buff *skb) {
    return SLC_DROP;
}

SEC("tc")
int egress_floor_parse(struct __sk_buff *skb) {
    struct slc_packet packet = {.length = skb->len};
    int reason = slc_parse_ethernet(skb, &packet);

    if (reason || packet.ethertype != ETH_P_IP)
        return SLC_DROP;
    reason = slc_parse_ipv4(skb, &packet);
    if (!reason && packet.fragment != SLC_FRAGMENT_LATER)
        reason = slc_parse_transport(skb, &packet);
    if (reason)
        return SLC_DROP;
    for (int i = 0; i <= SLC_KEY_PROTOCOL; i++)
        asm volatile("" : : "r"(packet.key.words[i]));
    return SLC_DROP;
}
