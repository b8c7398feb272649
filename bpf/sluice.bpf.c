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
#include "trial.h"
#include "parse.h"
#include "plain.h"
#include "essentials.h"
#include "echo.h"
#include "bans.h"
#include "flows.h"
#include "fragments.h"
#include "classify.h"
#include "guard.h"
#include "limit.h"
#include "open.h"
#include "reject.h"
#include "told.h"
#include "events.h"
#include "finish.h"
#include "gate.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* What a limit rule makes of its match. Whether the packet is rejected. */
static __always_inline int slc_judge_limit(const struct slc_packet *packet, struct slc_outcome *outcome) {
    int limited;

    if (!slc_may_be_attempt(packet))
        return 0;
    limited = slc_limit(&packet->key, outcome->word >> SLC_WORD_RANK_SHIFT, packet->family,
                        packet->protocol == IPPROTO_UDP, slc_owner_number(outcome->section));
    switch (limited) {
    case SLC_LIMITED_ACCEPT:
        return 0;
    case SLC_LIMITED_DENY:
    case SLC_LIMITED_REJECT:
        outcome->reason = SLC_REASON_LIMIT;
        outcome->refused = 1;
        return limited == SLC_LIMITED_REJECT;
    case SLC_LIMITED_FULL_DENY:
    case SLC_LIMITED_FULL_REJECT:
        outcome->reason = SLC_REASON_LIMIT_FULL;
        outcome->word = SLC_WORD_NONE;
        return limited == SLC_LIMITED_FULL_REJECT;
    default:
        outcome->reason = SLC_REASON_IMAGE_FAULT;
        outcome->word = SLC_WORD_NONE;
        return 0;
    }
}

/* Leaves by a word that may reject: then the sender is told. */
static __always_inline int slc_leave_telling(struct xdp_md *ctx, const struct slc_packet *packet,
                                             struct slc_outcome *outcome, int rejected) {
    int action;

    if (slc_rejects && slc_dry_run && rejected)
        outcome->answered = slc_reject(ctx, packet);
    action = slc_finish(ctx, packet, outcome);
    /* Only now: the answer takes the place of the frame, of which an event shows the first bytes. */
    if (slc_rejects && !slc_dry_run && rejected && slc_reject(ctx, packet))
        return SLC_ANSWER;
    return action;
}

/* What tiers 6-9 have for a key: the entry of the section that owns it, and that section's word. */
struct slc_judged {
    __u32 owner;
    __u32 word;
};

/*
 * See slc_owner_of and slc_ask. In line, unlike these: what a processor does against speculation past a return makes
 * each call cost 7 ns.
 */
static __always_inline struct slc_judged slc_judge_key(const struct slc_key *key, const int family,
                                                       struct slc_steps *steps) {
    __u32 owner = SLC_ENTRY_INBOUND;

    if (slc_servers)
        owner = slc_classify(key, SLC_ENTRY_OWNERS, family, steps) >> SLC_WORD_RANK_SHIFT;
    return (struct slc_judged){.owner = owner, .word = slc_classify(key, owner, family, steps)};
}

/* Tier 5: an ICMP error passes when tiers 3.1 and 6-9 let in the packet that would answer what it quotes. */
static __always_inline int slc_leave_error(struct xdp_md *ctx, const struct slc_packet *packet, __u32 word, __u32 owner,
                                           struct slc_steps *steps) {
    if (word == SLC_WORD_FAULT)
        return slc_leave_by(ctx, packet, word, SLC_ENTRY_INBOUND, SLC_REASON_IMAGE_FAULT, steps);
    return slc_leave(ctx, packet, SLC_TIER_ICMP,
                     slc_word_lets_in(word) || slc_may_open(word, owner) ? SLC_REASON_ICMP_ERROR
                                                                         : SLC_REASON_ICMP_UNRELATED);
}

/* Tiers 6-9 of the section that owns the packet; `quoted`: that owns what it quotes, see slc_leave_error. */
static __always_inline int slc_judge_section(struct xdp_md *ctx, struct slc_packet *packet, int quoted,
                                             struct slc_steps *steps) {
    struct slc_judged judged;
    struct slc_outcome outcome;
    __u32 word, owner;
    int rejected;

    if (slc_servers)
        ctx = slc_forget(ctx, packet);
    quoted = slc_any(quoted, packet->bytes);
    judged = packet->family == 4 ? slc_judge_key(&packet->key, 4, steps) : slc_judge_key(&packet->key, 6, steps);
    if (slc_servers)
        ctx = slc_forget(ctx, packet);
    word = slc_any(judged.word, packet->bytes);
    owner = slc_any(judged.owner, packet->bytes);
    quoted = slc_any(quoted, packet->bytes);
    if (!quoted && slc_is_plain(word) && (!(word & SLC_WORD_ACTION_MASK) || !slc_is_anything_open()))
        return slc_leave_plainly(packet, word);
    word = slc_any(word, packet->bytes);
    if (quoted)
        return slc_leave_error(ctx, packet, word, owner, steps);
    outcome = slc_outcome_of(word, owner, slc_reason_of(word), steps);
    rejected = (word & SLC_WORD_ACTION_MASK) == SLC_ACTION_REJECT;
    if (outcome.word == SLC_WORD_NONE)
        return slc_finish(ctx, packet, &outcome);
    if (slc_limits && (word & SLC_WORD_ACTION_MASK) == SLC_ACTION_LIMIT)
        rejected = slc_judge_limit(packet, &outcome);
    if (!slc_passes(&outcome) && slc_opens_to(packet, word, owner)) {
        /* The word stays: it is the one that would have refused. */
        outcome.word = word;
        outcome.tier = SLC_TIER_SWITCHES;
        outcome.reason = SLC_REASON_ALLOW_ALL;
        rejected = 0;
    }
    return slc_leave_telling(ctx, packet, &outcome, rejected);
}

SEC("xdp.frags")
int slc_ingress(struct xdp_md *ctx) {
    struct slc_packet packet = {.length = slc_frame_length(ctx), .packets = 1};
    struct slc_steps steps = {};
    int reason = SLC_REASON_NONE, later, quoted = 0;
    __u32 word;

    packet.bytes = packet.length;
    slc_begin_moment();
    /* 1 sanity, 2 link essentials */
    if (!slc_parse_plain(ctx, &packet)) {
        reason = slc_parse_ethernet(ctx, &packet);
        if (reason)
            return slc_leave(ctx, &packet, SLC_TIER_SANITY, reason);
        if (packet.ethertype == ETH_P_IP)
            reason = slc_parse_ipv4(ctx, &packet);
        else if (packet.ethertype == ETH_P_IPV6)
            reason = slc_parse_ipv6(ctx, &packet);
        else
            return slc_leave(ctx, &packet, SLC_TIER_LINK, slc_judge_link(&packet));
        if (!reason && packet.fragment != SLC_FRAGMENT_LATER)
            reason = slc_parse_transport(ctx, &packet);
        if (reason)
            return slc_leave(ctx, &packet, SLC_TIER_SANITY, reason);
        if (slc_track_fragments && packet.fragment == SLC_FRAGMENT_FIRST)
            slc_note_first(&packet); /* slc_finish() remembers it where it passes */
        reason = slc_judge_ipv6_link(&packet);
    }
    /* what tells the own stack that something was rejected on its way out */
    if (slc_rejects_out && slc_may_be_told(&packet) && slc_is_told(&packet.key, packet.family))
        reason = SLC_REASON_OWN_ANSWER;
    if (reason)
        return slc_leave(ctx, &packet, SLC_TIER_LINK, reason);
    ctx = slc_forget(ctx, &packet);

    /* 3 a later fragment that can be of what is kept reachable is spared by bans and guard, and follows its first */
    later = packet.fragment == SLC_FRAGMENT_LATER;
    word = slc_keeps_reachable(&packet, &packet.key, &steps); /* 3.1 */
    if (word != SLC_WORD_NONE && (!later || word == SLC_WORD_FAULT))
        return slc_leave_by(ctx, &packet, word, SLC_ENTRY_KEEP_REACHABLE, SLC_REASON_KEEP_REACHABLE, &steps);
    if (word == SLC_WORD_NONE && slc_is_banned(&packet)) /* 3.2 */
        return slc_leave(ctx, &packet, SLC_TIER_BANS, SLC_REASON_BANNED);
    if (slc_guard_in && word == SLC_WORD_NONE) { /* 3.3 */
        word = slc_guard_refuses(&packet, &packet.key, later ? SLC_ENTRY_GUARD_IN_LATER : SLC_ENTRY_GUARD_IN, &steps);
        if (word != SLC_WORD_NONE) {
            struct slc_outcome outcome = slc_outcome_of(word, SLC_ENTRY_GUARD_IN, SLC_REASON_GUARD, &steps);

            return slc_leave_telling(ctx, &packet, &outcome, (word & SLC_WORD_ACTION_MASK) == SLC_ACTION_REJECT);
        }
    }

    /* 4 later fragments follow their first, which is judged like any packet; flows */
    if (packet.fragment != SLC_FRAGMENT_NONE && !slc_track_fragments)
        return slc_leave(ctx, &packet, SLC_TIER_FLOWS, SLC_REASON_FRAGMENT_REFUSED);
    if (later)
        return slc_leave(ctx, &packet, SLC_TIER_FLOWS, slc_judge_later(&packet));
    if (slc_flow_lives(&packet))
        return slc_leave(ctx, &packet, SLC_TIER_FLOWS, SLC_REASON_FLOW);

    /* 5 ICMP essentials */
    if (slc_icmp_essentials) {
        if (slc_is_echo_request(&packet))
            return slc_leave(ctx, &packet, SLC_TIER_ICMP, slc_judge_echo(&packet));
        if (slc_is_dhcp_answer(&packet))
            return slc_leave(ctx, &packet, SLC_TIER_ICMP, SLC_REASON_DHCP);
        if (slc_is_icmp_error(&packet)) {
            reason = slc_parse_quote(ctx, &packet);
            if (reason)
                return slc_leave(ctx, &packet, SLC_TIER_ICMP, reason);
            if (slc_flow_is_quoted(&packet.key, packet.family, packet.icmp_identifier))
                return slc_leave(ctx, &packet, SLC_TIER_ICMP, SLC_REASON_ICMP_ERROR);
            word = slc_keeps_reachable(&packet, &packet.key, &steps);
            if (word != SLC_WORD_NONE)
                return slc_leave_error(ctx, &packet, word, SLC_ENTRY_INBOUND, &steps);
            quoted = 1;
        }
    }

    /* 6 ALLOW ALL and UDP switch, 7 rows, 8 SSH row, 9 default */
    return slc_judge_section(ctx, &packet, quoted, &steps);
}

/* What the XDP links hold. Tail calls take constant indices, which the kernel turns into direct jumps. */
SEC("xdp.frags")
int slc_gate_xdp(struct xdp_md *ctx) {
    switch (slc_gate_slot(SLC_IFINDEX(ctx))) {
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
    struct slc_clock *clock = slc_value(&slc_clock);

    clock->jiffies = bpf_jiffies64();
    clock->boot_ns = bpf_ktime_get_boot_ns();
    clock->tick_ns = bpf_ktime_get_coarse_ns();
    return XDP_ABORTED;
}
