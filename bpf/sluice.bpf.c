// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Entries of the XDP hook, packets that come in: a table of contents. The numbered tiers are those of SPEC 3 and of
 * src/model/evaluate.ts; each step is a call into the header that owns it, and every way out is slc_finish().
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "hook-xdp.h"
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

/* Tiers 6-9 of the section; an ICMP error is judged by the packet it quotes and leaves in tier 5. */
static __always_inline int slc_judge_section(const struct slc_packet *packet, int is_error) {
    struct slc_outcome outcome = {.word = SLC_WORD_NONE};
    struct slc_steps steps = {};
    __u32 word = packet->family == 4 ? slc_classify4(&packet->key, 0, &steps) : slc_classify6(&packet->key, 0, &steps);

    outcome.nodes = steps.nodes;
    outcome.leaves = steps.leaves;
    outcome.rules = steps.rules;
    if (word == SLC_WORD_FAULT) {
        outcome.tier = SLC_TIER_DEFAULT;
        outcome.reason = SLC_REASON_IMAGE_FAULT;
    } else if (is_error) {
        outcome.tier = SLC_TIER_ICMP;
        outcome.reason =
            (word & SLC_WORD_ACTION_MASK) == SLC_ACTION_ALLOW ? SLC_REASON_ICMP_ERROR : SLC_REASON_ICMP_UNRELATED;
    } else {
        outcome.word = word;
        outcome.tier = (word >> SLC_WORD_TIER_SHIFT) & SLC_WORD_TIER_MASK;
        outcome.reason = outcome.tier == SLC_TIER_SSH       ? SLC_REASON_SSH
                         : outcome.tier == SLC_TIER_DEFAULT ? SLC_REASON_DEFAULT
                                                            : SLC_REASON_RULE;
    }
    return slc_finish(packet, &outcome);
}

SEC("xdp.frags")
int slc_ingress(struct xdp_md *ctx) {
    struct slc_packet packet = {.length = bpf_xdp_get_buff_len(ctx), .packets = 1};
    int is_error = 0;
    int reason;

    packet.bytes = packet.length;
    /* 1 sanity, 2 link essentials */
    reason = slc_parse_ethernet(ctx, &packet);
    if (reason)
        return slc_leave(&packet, SLC_TIER_SANITY, reason);
    if (packet.ethertype == ETH_P_IP)
        reason = slc_parse_ipv4(ctx, &packet);
    else if (packet.ethertype == ETH_P_IPV6)
        reason = slc_parse_ipv6(ctx, &packet);
    else
        return slc_leave(&packet, SLC_TIER_LINK, slc_judge_link(&packet));
    if (!reason && packet.fragment != SLC_FRAGMENT_LATER)
        reason = slc_parse_transport(ctx, &packet);
    if (reason)
        return slc_leave(&packet, SLC_TIER_SANITY, reason);
    if (slc_track_fragments && packet.fragment == SLC_FRAGMENT_FIRST)
        slc_note_first(&packet); /* slc_finish() remembers it where it passes */
    reason = slc_judge_ipv6_link(&packet);
    if (reason)
        return slc_leave(&packet, SLC_TIER_LINK, reason);

    /* 4 later fragments follow their first, which is judged like any packet; flows */
    if (packet.fragment != SLC_FRAGMENT_NONE && !slc_track_fragments)
        return slc_leave(&packet, SLC_TIER_FLOWS, SLC_REASON_FRAGMENT_REFUSED);
    if (packet.fragment == SLC_FRAGMENT_LATER)
        return slc_leave(&packet, SLC_TIER_FLOWS, slc_judge_later(&packet));
    if (slc_flow_lives(&packet.key, packet.family, packet.icmp_identifier))
        return slc_leave(&packet, SLC_TIER_FLOWS, SLC_REASON_FLOW);

    /* 5 ICMP essentials */
    if (slc_icmp_essentials) {
        if (slc_is_echo_request(&packet))
            return slc_leave(&packet, SLC_TIER_ICMP, SLC_REASON_ICMP_ECHO);
        is_error = slc_is_icmp_error(&packet);
        if (is_error) {
            reason = slc_parse_quote(ctx, &packet);
            if (reason)
                return slc_leave(&packet, SLC_TIER_ICMP, reason);
            if (slc_flow_lives(&packet.key, packet.family, packet.icmp_identifier))
                return slc_leave(&packet, SLC_TIER_ICMP, SLC_REASON_ICMP_ERROR);
        }
    }

    /* 7 rows, 8 SSH row, 9 default */
    return slc_judge_section(&packet, is_error);
}

/* What the XDP links hold. Tail calls take constant indices, which the kernel turns into direct jumps. */
SEC("xdp.frags")
int slc_gate_xdp(struct xdp_md *ctx) {
    switch (slc_gate_slot()) {
    case 0:
        bpf_tail_call_static(ctx, &slc_programs, 0);
        break;
    case 1:
        bpf_tail_call_static(ctx, &slc_programs, 1);
        break;
    case 2:
        bpf_tail_call_static(ctx, &slc_programs, 2);
        break;
    case 3:
        bpf_tail_call_static(ctx, &slc_programs, 3);
        break;
    case SLC_SLOT_OPEN:
        slc_gate_count(SLC_REASON_GATE_OPEN, bpf_xdp_get_buff_len(ctx));
        return XDP_PASS;
    }
    slc_gate_count(SLC_REASON_GATE_EMPTY, bpf_xdp_get_buff_len(ctx));
    return XDP_DROP;
}

/* Never attached: a test run reads the clocks that counters and deadlines use. */
SEC("xdp.frags")
int slc_read_clock(struct xdp_md *ctx) {
    const __u32 zero = 0;
    struct slc_clock clock = {.jiffies = bpf_jiffies64(), .boot_ns = bpf_ktime_get_boot_ns()};

    bpf_map_update_elem(&slc_clock, &zero, &clock, BPF_ANY);
    return XDP_ABORTED;
}
