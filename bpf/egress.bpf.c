// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Entries of the egress hook, packets that go out: a table of contents. The numbered steps are those of SPEC 3,
 * "Outbound", and of src/model/outbound.ts; each is a call into the header that owns it, and every way out is
 * slc_finish().
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "hook-tc.h"
#include "sluice_abi.h"
#include "config.h"
#include "maps.h"
#include "packet.h"
#include "parse.h"
#include "essentials.h"
#include "flows.h"
#include "fragments.h"
#include "classify.h"
#include "finish.h"
#include "gate.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define SLC_VLAN_BYTES 4

/* What the wire will see of an skb: the NIC may still cut it into segments and put a VLAN tag into each. */
static __always_inline void slc_measure(const volatile struct __sk_buff *skb, struct slc_packet *packet) {
    /* Volatile, so that clang reads each field at its own offset, as the verifier asks. */
    __u32 bytes = skb->len, wire_bytes = skb->wire_len, segments = skb->gso_segs;

    packet->length = bytes;
    packet->vlan_tags = skb->vlan_present ? 1 : 0;
    packet->segmented = skb->gso_size != 0;
    packet->packets = segments ? segments : 1;
    /* The kernel reckons the headers of all segments before this hook. */
    packet->bytes = (segments > 1 ? wire_bytes : bytes) + packet->vlan_tags * SLC_VLAN_BYTES * packet->packets;
}

/* 5: whether the packet answers one that the rules let in; packet->key is that one's. Tier 9 counts for TCP only. */
static __always_inline int slc_is_answer(const struct slc_packet *packet) {
    struct slc_steps steps = {};
    __u32 word = packet->family == 4 ? slc_classify4(&packet->key, 0, &steps) : slc_classify6(&packet->key, 0, &steps);

    return word != SLC_WORD_FAULT && slc_word_lets_in(word) &&
           (packet->protocol == IPPROTO_TCP ||
            ((word >> SLC_WORD_TIER_SHIFT) & SLC_WORD_TIER_MASK) != SLC_TIER_DEFAULT);
}

SEC("tc")
int slc_egress_main(struct __sk_buff *skb) {
    struct slc_packet packet = {};
    int reason, opens;

    slc_measure(skb, &packet);
    /* 1 sanity and link essentials */
    reason = slc_parse_ethernet(skb, &packet);
    if (reason)
        return slc_leave(&packet, SLC_OUT_SANITY, reason);
    if (packet.ethertype == ETH_P_IP)
        reason = slc_parse_ipv4(skb, &packet);
    else if (packet.ethertype == ETH_P_IPV6)
        reason = slc_parse_ipv6(skb, &packet);
    else
        return slc_leave(&packet, SLC_OUT_SANITY, slc_judge_link(&packet));
    if (!reason && packet.fragment != SLC_FRAGMENT_LATER)
        reason = slc_parse_transport(skb, &packet);
    if (reason)
        return slc_leave(&packet, SLC_OUT_SANITY, reason);
    if (slc_track_fragments && packet.fragment == SLC_FRAGMENT_FIRST)
        slc_note_first(&packet); /* slc_finish() remembers it where it passes */
    reason = slc_judge_ipv6_link(&packet);
    if (reason)
        return slc_leave(&packet, SLC_OUT_SANITY, reason);

    /* 4 later fragments follow their first; unknown ones meet the default, as nothing is refused below */
    if (packet.fragment == SLC_FRAGMENT_LATER) {
        reason = slc_track_fragments ? slc_judge_later(&packet) : SLC_REASON_FRAGMENT;
        if (reason != SLC_REASON_FRAGMENT)
            return slc_leave(&packet, SLC_OUT_FLOWS, reason);
        return slc_leave(&packet, SLC_OUT_DEFAULT, SLC_REASON_DEFAULT);
    }

    /* 4 flows: from here on the key is that of the packet which would come back */
    opens = slc_opens_flow(&packet);
    slc_mirror(&packet.key, packet.family, packet.is_icmp);
    if (slc_flow_refresh(&packet.key, packet.family, packet.icmp_identifier, packet.tcp_flags))
        return slc_leave(&packet, SLC_OUT_FLOWS, SLC_REASON_FLOW);

    /* 5 answers: looked for only where it matters, since nothing is refused below */
    if (opens == SLC_OPENS_UNLESS_ANSWER && slc_is_answer(&packet))
        return slc_leave(&packet, SLC_OUT_ANSWERS, SLC_REASON_ANSWER);

    /* 7 default: allow */
    if (opens)
        slc_flow_open(&packet.key, packet.family, packet.icmp_identifier, packet.tcp_flags);
    return slc_leave(&packet, SLC_OUT_DEFAULT, SLC_REASON_DEFAULT);
}

/* What the egress links hold, see slc_gate_xdp. */
SEC("tc")
int slc_gate_egress(struct __sk_buff *skb) {
    switch (slc_gate_slot()) {
    case 0:
        bpf_tail_call_static(skb, &slc_egress, 0);
        break;
    case 1:
        bpf_tail_call_static(skb, &slc_egress, 1);
        break;
    case 2:
        bpf_tail_call_static(skb, &slc_egress, 2);
        break;
    case 3:
        bpf_tail_call_static(skb, &slc_egress, 3);
        break;
    case SLC_SLOT_OPEN:
        slc_gate_count(SLC_REASON_GATE_OPEN, skb->len);
        return SLC_PASS;
    }
    slc_gate_count(SLC_REASON_GATE_EMPTY, skb->len);
    return SLC_DROP;
}
