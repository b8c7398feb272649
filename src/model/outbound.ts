/**
 * What becomes of a packet that goes out (SPEC §3, "Outbound"): a first-match scan like `evaluate.ts`, numbered like
 * `bpf/egress.bpf.c`. Rules of `outbound` and of the guard see the packet as it is on the wire, after NAT; whether it
 * answers something is asked of the packet that it would answer.
 */
import { belongsTo, type Decision, judgeInbound, type Judges, scan, type Switches } from './evaluate';
import { flowOfPacket, opensFlow } from './flow';
import { judgeLaterFragment } from './fragment';
import { judgeIpv6Link, judgeLink } from './link';
import { type GivenState, NO_STATE } from './given-state';
import { type FlowKey, isEchoRequest, isIcmpError, mirror, type Packet } from './packet';
import { PROTOCOL } from './protocol';
import type { Reason } from './reason';
import type { Ruleset } from './ruleset';
import type { OutTier, Verdict } from './verdict';

/** Judges one frame that goes out, beginning with its Ethernet header; `state` is what earlier ones left. */
export function evaluateOutgoing(ruleset: Ruleset, frame: Uint8Array, state: GivenState = NO_STATE): Decision {
  return judgeOutgoingFrame(ruleset, frame, scan(ruleset), state);
}

/** Judges one decoded packet that goes out: step 1 for IPv6, then steps 2 to 7. */
export function evaluateOutgoingPacket(ruleset: Ruleset, packet: Packet, state: GivenState = NO_STATE): Decision {
  return judgePacket(ruleset, packet, scan(ruleset), state);
}

/** Steps 1 to 5 of one frame; what is left to rows is asked of `judges`. */
export function judgeOutgoingFrame(
  switches: Switches,
  frame: Uint8Array,
  judges: Judges,
  state: GivenState = NO_STATE,
): Decision {
  const seen = judgeLink(switches, frame); // step 1
  if (seen.step === 'ip') return judgePacket(switches, seen.packet, judges, state);
  return outcome('out 1', seen.verdict, seen.reason);
}

function judgePacket(switches: Switches, packet: Packet, judges: Judges, state: GivenState): Decision {
  // step 1: what IPv6 needs to work at all
  const link = judgeIpv6Link(packet);
  if (link) return outcome('out 1', 'allow', link);
  if (packet.fragment === 'later') return judgeLater(switches, packet, judges, state);

  // step 2: answers to keep-reachable
  const request = answeredBy(switches, packet);
  if (request && judges.keepReachable(request)) return outcome('out 2', 'allow', 'keep-reachable-answer');

  // step 3: guard; only a refusal is final
  const guarded = judges.guard('out', packet);
  if (guarded && guarded.verdict !== 'allow') return guarded;

  // step 4: of a flow; one in doubt is judged anew
  const flow = flowOfPacket(packet);
  const isDoubted = flow !== null && state.doubted.has(flow);
  if (flow !== null && state.flows.has(flow) && !isDoubted) return outcome('out 4', 'allow', 'flow');

  // step 5: answers. A flow in doubt says that a TCP packet is none, since for TCP the default counts; where nothing is
  // refused below only what would open a flow is asked.
  const isAsked = judges.outboundRefuses || opensFlow(packet) === 'unless-answer';
  const isOpened = isDoubted && packet.protocol === PROTOCOL.TCP;
  if (request && isAsked && !isOpened && isLetIn(switches, packet, request, judges, state)) {
    return outcome('out 5', 'allow', 'answer');
  }

  // steps 6 and 7: rules and default
  return judges.outbound(packet);
}

/** Later fragments follow their first; unknown ones pass only where nothing that goes out is refused. */
function judgeLater(switches: Switches, packet: Packet, judges: Judges, state: GivenState): Decision {
  // steps 2 and 3: what can be of an answer to keep-reachable is spared by the guard
  const guarded = judges.mayBeKept(mirror(packet)) ? null : judges.guardLater('out', packet);
  if (guarded && guarded.verdict !== 'allow') return guarded;

  // step 4
  const tracked = switches.fragments === 'track' ? judgeLaterFragment(state.fragments, packet, 'out') : 'fragment';
  if (tracked === 'fragment-follows') return outcome('out 4', 'allow', tracked);
  const isRefused = tracked === 'fragment-overlap' || judges.outboundRefuses || judges.guardsOut;
  return isRefused ? outcome('out 4', 'deny', tracked) : judges.outbound(packet);
}

/**
 * The packet that came in and that this one would answer: itself turned round, or what an ICMP error quotes. Null where
 * it is no answer: what begins a connection, and an error that quotes nothing.
 */
export function answeredBy({ icmp: mode }: Pick<Switches, 'icmp'>, packet: Packet): FlowKey | null {
  const { family, protocol, icmp, quote } = packet;
  if (isEchoRequest(packet)) return null;
  if (protocol === PROTOCOL.TCP && opensFlow(packet) === 'always') return null;
  if (mode === 'essentials' && icmp && isIcmpError(family, icmp.type)) {
    return quote?.kind === 'packet' ? quote.key : null;
  }
  return mirror(packet);
}

/** Whether tiers 5 to 9 let the request in. Tier 9 counts for TCP, and for what an error quotes. */
function isLetIn(
  { icmp }: Pick<Switches, 'icmp'>,
  packet: Packet,
  request: FlowKey,
  judges: Judges,
  state: GivenState,
): boolean {
  const isQuote = icmp === 'essentials' && packet.quote !== undefined;
  if (icmp === 'essentials' && isEchoRequest(request)) return true;
  if (isQuote && belongsTo(state.flows, request)) return true;
  const { verdict, tier } = judgeInbound(judges, request, state);
  return verdict === 'allow' && (tier !== '9' || isQuote || packet.protocol === PROTOCOL.TCP);
}

function outcome(tier: OutTier, verdict: Verdict, reason: Reason): Decision {
  return { section: 'outbound', tier, verdict, reason, rule: null };
}
