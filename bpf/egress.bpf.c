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
#include "trial.h"
#include "parse.h"
#include "plain.h"
#include "essentials.h"
#include "flows.h"
#include "fragments.h"
#include "classify.h"
#include "guard.h"
#include "open.h"
#include "answers.h"
#include "reject.h"
#include "told.h"
#include "events.h"
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

/*
 * 6 rules, 7 default: the word that decides, by the packet's own key. It is read from the image also where nothing can
 * be refused: the default's rank differs from ruleset to ruleset, and a program serves one that was loaded after it.
 */
static __always_inline __u32 slc_judge_outbound(const struct slc_packet *packet, struct slc_steps *steps) {
    return slc_outbound_refuses ? slc_ask(packet, &packet->key, SLC_ENTRY_OUTBOUND, steps)
                                : slc_default_word(SLC_ENTRY_OUTBOUND);
}

/*
 * Leaves by a word that rejects, and tells who sent the packet, by the interface it was to leave through. The key is
 * turned round by then. A function of its own to spare stack.
 */
static __noinline int slc_leave_rejected(struct __sk_buff *skb, struct slc_packet *packet, __u32 word, __u8 reason,
                                         const struct slc_steps *steps) {
    __u16 section = reason == SLC_REASON_GUARD ? SLC_ENTRY_GUARD_OUT : SLC_ENTRY_OUTBOUND;
    struct slc_outcome outcome = slc_outcome_of(word, section, reason, steps);
    int action;

    if (slc_dry_run)
        outcome.answered = slc_reject(skb, packet);
    action = slc_finish(skb, packet, &outcome);
    if (slc_dry_run)
        return action;
    slc_mirror(&packet->key, packet->family, packet->is_icmp);
    if (!slc_reject(skb, packet))
        return action;
    slc_note_told(packet, slc_answer_protocol(packet), slc_answer_ports(packet, packet->family));
    return bpf_redirect(skb->ifindex, BPF_F_INGRESS);
}

/* Whether the word rejects; image-fault does not. */
static __always_inline int slc_word_rejects(__u32 word) {
    return slc_rejects_out && word != SLC_WORD_FAULT && (word & SLC_WORD_ACTION_MASK) == SLC_ACTION_REJECT;
}

static __always_inline int slc_leave_outbound(struct __sk_buff *skb, struct slc_packet *packet, __u32 word,
                                              const struct slc_steps *steps) {
    __u8 tier = (word >> SLC_WORD_TIER_SHIFT) & SLC_WORD_TIER_MASK;
    __u8 reason = tier == SLC_OUT_DEFAULT ? SLC_REASON_DEFAULT : SLC_REASON_RULE;

    if (slc_word_rejects(word))
        return slc_leave_rejected(skb, packet, word, reason, steps);
    return slc_leave_by(skb, packet, word, SLC_ENTRY_OUTBOUND, reason, steps);
}

/* The word of the guard's row that refuses a later fragment; SLC_WORD_NONE where none does. */
static __always_inline __u32 slc_guard_refuses_later(struct slc_packet *packet, struct slc_steps *steps) {
    __u32 kept;

    if (!slc_guard_out)
        return SLC_WORD_NONE;
    slc_mirror(&packet->key, packet->family, packet->is_icmp);
    kept = slc_keeps_reachable(packet, &packet->key, steps);
    slc_mirror(&packet->key, packet->family, packet->is_icmp);
    return kept == SLC_WORD_NONE    ? slc_guard_refuses(packet, &packet->key, SLC_ENTRY_GUARD_OUT_LATER, steps)
           : kept == SLC_WORD_FAULT ? kept
                                    : SLC_WORD_NONE;
}

/* What slc_flow_open is told beside the key: whose flow it is, and the identifier of an echo. */
static __always_inline __u32 slc_flow_opener(const struct slc_packet *packet, struct slc_steps *steps) {
    __u32 owner = slc_servers ? slc_owner_number(slc_owner_of(packet, &packet->key, steps)) : 0;

    return owner << SLC_FLOW_OWNER_SHIFT | packet->icmp_identifier;
}

SEC("tc")
int slc_egress_main(struct __sk_buff *skb) {
    struct slc_packet packet = {};
    struct slc_steps steps = {};
    enum slc_opens opens;
    enum slc_answers answers;
    __u32 guarded = SLC_WORD_NONE, word = SLC_WORD_NONE;
    int reason, flow, quotes;

    slc_measure(skb, &packet);
    slc_begin_moment();
    /* 1 sanity and link essentials */
    if (!slc_parse_plain(skb, &packet)) {
        reason = slc_parse_ethernet(skb, &packet);
        if (reason)
            return slc_leave(skb, &packet, SLC_OUT_SANITY, reason);
        if (packet.ethertype == ETH_P_IP)
            reason = slc_parse_ipv4(skb, &packet);
        else if (packet.ethertype == ETH_P_IPV6)
            reason = slc_parse_ipv6(skb, &packet);
        else
            return slc_leave(skb, &packet, SLC_OUT_SANITY, slc_judge_link(&packet));
        if (!reason && packet.fragment != SLC_FRAGMENT_LATER)
            reason = slc_parse_transport(skb, &packet);
        if (reason)
            return slc_leave(skb, &packet, SLC_OUT_SANITY, reason);
        if (slc_track_fragments && packet.fragment == SLC_FRAGMENT_FIRST)
            slc_note_first(&packet); /* slc_finish() remembers it where it passes */
        reason = slc_judge_ipv6_link(&packet);
        if (reason)
            return slc_leave(skb, &packet, SLC_OUT_SANITY, reason);
    }
    skb = slc_forget(skb, &packet);

    /*
     * 2, 3 what can be of an answer to keep-reachable is spared by the guard. 4 later fragments follow their first;
     * unknown ones pass only where nothing that goes out is refused.
     */
    if (packet.fragment == SLC_FRAGMENT_LATER) {
        guarded = slc_guard_refuses_later(&packet, &steps);
        if (guarded != SLC_WORD_NONE)
            return slc_leave_by(skb, &packet, guarded, SLC_ENTRY_GUARD_OUT, SLC_REASON_GUARD, &steps);
        reason = slc_track_fragments ? slc_judge_later(&packet) : SLC_REASON_FRAGMENT;
        if (reason != SLC_REASON_FRAGMENT || slc_is_used(SLC_ENTRY_OUTBOUND, slc_outbound_refuses) ||
            slc_is_used(SLC_ENTRY_GUARD_OUT, slc_guard_out))
            return slc_leave(skb, &packet, SLC_OUT_FLOWS, reason);
        return slc_leave_by(skb, &packet, slc_default_word(SLC_ENTRY_OUTBOUND), SLC_ENTRY_OUTBOUND, SLC_REASON_DEFAULT,
                            &steps);
    }

    /*
     * Rules see the packet's own key, whose place that of the packet it would answer takes for steps 2, 4 and 5. There
     * is no room on the stack for both: the guard is asked first, and so are rules where a quote takes the place.
     */
    if (slc_guard_out)
        guarded = slc_guard_refuses(&packet, &packet.key, SLC_ENTRY_GUARD_OUT, &steps);
    quotes = slc_quotes_request(&packet);
    if (quotes)
        word = slc_judge_outbound(&packet, &steps);
    opens = slc_opens_flow(&packet);
    answers = slc_turn_to_request(skb, &packet, opens, quotes);

    /* 2 answers to keep-reachable */
    if (answers && slc_word_lets_in(slc_keeps_reachable(&packet, &packet.key, &steps)))
        return slc_leave(skb, &packet, SLC_OUT_KEEP_REACHABLE, SLC_REASON_KEEP_REACHABLE_ANSWER);

    /* 3 guard */
    if (guarded != SLC_WORD_NONE && slc_word_rejects(guarded))
        return slc_leave_rejected(skb, &packet, guarded, SLC_REASON_GUARD, &steps);
    if (guarded != SLC_WORD_NONE)
        return slc_leave_by(skb, &packet, guarded, SLC_ENTRY_GUARD_OUT, SLC_REASON_GUARD, &steps);

    /* 4 flows; one in doubt is judged anew: what is no TCP by step 5 too, where its default does not count */
    flow = SLC_FLOW_NONE;
    slc_note_outbound(&packet);
    if (!quotes)
        flow = slc_flow_refresh(&packet);
    if (flow == SLC_FLOW_LIVES)
        return slc_leave(skb, &packet, SLC_OUT_FLOWS, SLC_REASON_FLOW);

    /* 5 answers: where nothing is refused below only what would open a flow is asked */
    if (answers && (flow == SLC_FLOW_NONE || packet.protocol != IPPROTO_TCP) &&
        (slc_is_used(SLC_ENTRY_OUTBOUND, slc_outbound_refuses) || opens == SLC_OPENS_UNLESS_ANSWER) &&
        slc_is_let_in(&packet, answers, &steps))
        return slc_leave(skb, &packet, SLC_OUT_ANSWERS, SLC_REASON_ANSWER);

    /* 6 rules, 7 default; what passes opens a flow, or keeps the one in doubt */
    if (!quotes) {
        if (slc_outbound_refuses)
            slc_mirror(&packet.key, packet.family, packet.is_icmp);
        word = slc_judge_outbound(&packet, &steps);
        if (slc_outbound_refuses)
            slc_mirror(&packet.key, packet.family, packet.is_icmp);
    }
    if (flow == SLC_FLOW_IN_DOUBT && !(slc_word_lets_in(word) && opens == SLC_OPENS))
        slc_flow_settle(&packet.key, packet.family, packet.icmp_identifier, packet.tcp_flags,
                        slc_word_lets_in(word) ? slc_flow_generation(&packet) : 0);
    else if (opens && slc_word_lets_in(word))
        slc_flow_open(&packet.key, packet.family, slc_flow_opener(&packet, &steps), packet.tcp_flags,
                      slc_flow_generation(&packet));
    return slc_leave_outbound(skb, &packet, word, &steps);
}

/* Never attached: a test run moves flows into a table of another size. Returns how many of them had no room. */
SEC("tc")
int slc_move_flows(struct __sk_buff *skb) {
    const struct slc_move *asked = (void *)(long)skb->data;
    struct slc_move move;

    if ((void *)(asked + 1) > (void *)(long)skb->data_end)
        return -1;
    move = *asked;
    move.lost = 0;
    bpf_loop(move.count * SLC_TABLE_WAYS, slc_move_way, &move, 0);
    return move.lost;
}

/* What the tcx links hold, see slc_gate_xdp. */
SEC("tc")
int slc_gate_egress(struct __sk_buff *skb) {
    switch (slc_gate_slot(SLC_IFINDEX(skb))) {
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

/*
 * What clsact filters hold. A filter is no link: it stays where the pins are removed by hand, which must end all of
 * sluice. So it asks an array that lives by its pin alone; where that is gone everything passes.
 */
SEC("tc")
int slc_gate_clsact(struct __sk_buff *skb) {
    bpf_tail_call_static(skb, &slc_pinned, 0);
    slc_gate_count(SLC_REASON_GATE_OPEN, skb->len);
    return SLC_PASS;
}
