/**
 * What a ruleset means: a first-match scan, short enough that nobody doubts it. Everything faster
 * (compiled image, kernel program) is tested against this file. The numbered tiers are those of
 * SPEC §3 and of `bpf/sluice.bpf.c`; tiers that this version does not have are left out. Packets that go out:
 * `outbound.ts`.
 */
import { type Direction, type Guard, type Rule, type Ruleset, type Section, sshVerdict } from './ruleset';
import type { Reason } from './reason';
import type { OutTier, Tier, Verdict } from './verdict';
import { NONE_OPEN } from './allow-all';
import { judgeEcho, NO_ECHOES } from './echo';
import { DHCP_ANSWERS } from './essentials';
import { judgeIpv6Link, judgeLink } from './link';
import { matches } from './match-packet';
import { type FlowKey, isEchoRequest, isIcmpError, mirror, type Packet } from './packet';
import { PROTOCOL } from './protocol';
import { isBanned } from './ban';
import { flowOfAnswer, type Flows } from './flow';
import { judgeLaterFragment } from './fragment';
import { laterRows } from './later-fragment';
import { type GivenState, NO_STATE } from './given-state';
import { ownerOf } from './server';
import { isOwnAnswer } from './told';
import { judgeLimit, type LimitedPacket, type LimitState, NO_LIMITS } from './limit';

/** What happened to one packet, and why. */
export interface Decision {
  readonly section: string;
  /** Of a packet that goes out one of `OUT_TIERS`. */
  readonly tier: Tier | OutTier;
  readonly verdict: Verdict;
  readonly reason: Reason;
  /** Id of the deciding row; null where no written row decided. */
  readonly rule: string | null;
}

/** What tiers 2, 4 and 5 depend on. */
export type Switches = Pick<Ruleset, 'icmp' | 'echo' | 'ethertypes' | 'fragments'>;

/** A ruleset's rows as something that is asked packet by packet: the scan below, or the compiled image. */
export interface Judges {
  /** Tier 3.1; null where no entry matches. */
  readonly keepReachable: (packet: FlowKey) => Decision | null;
  /** Whether a later fragment can be of what keep-reachable lets in. */
  readonly mayBeKept: (fragment: FlowKey) => boolean;
  /** Tier 3.3, or step 3 of what goes out; null where no row matches. */
  readonly guard: (direction: Direction, packet: FlowKey) => Decision | null;
  /** The same for later fragments, of which rows see less. */
  readonly guardLater: (direction: Direction, fragment: FlowKey) => Decision | null;
  /** Tiers 6 to 9 of the section that owns the packet, by what limit rules have seen; ALLOW ALL is not asked. */
  readonly inbound: (packet: LimitedPacket, limits: LimitState) => Decision;
  /** Steps 6 and 7 of what goes out. */
  readonly outbound: (packet: FlowKey) => Decision;
  /** Whether `outbound` can decide anything but to let out. */
  readonly outboundRefuses: boolean;
  /** Whether the guard has rows for what goes out. */
  readonly guardsOut: boolean;
}

/** Judges one frame that comes in, beginning with its Ethernet header; `state` is what earlier ones left. */
export function evaluate(ruleset: Ruleset, frame: Uint8Array, state: GivenState = NO_STATE): Decision {
  return judgeFrame(ruleset, frame, scan(ruleset), state);
}

/** All rows by first match. */
export function scan(ruleset: Ruleset): Judges {
  const { guard, outbound } = ruleset;
  return {
    keepReachable: (packet) => {
      const row = firstMatch(guard.keepReachable, packet);
      return row ? outcome('3.1', 'allow', 'keep-reachable', row, 'guard') : null;
    },
    mayBeKept: (fragment) => laterMatches(guard.keepReachable, fragment) !== undefined,
    guard: (direction, packet) => guarded(direction, firstMatch(guardRows(guard, direction), packet)),
    guardLater: (direction, fragment) => guarded(direction, laterMatches(guardRows(guard, direction), fragment)),
    inbound: (packet, limits) => evaluateSection(ownerOf(ruleset, packet), packet, limits),
    outbound: (packet) => {
      const row = firstMatch(outbound.rules, packet);
      if (row) return outcome('out 6', verdictOf(row), 'rule', row, outbound.name);
      return outcome('out 7', outbound.default, 'default', undefined, outbound.name);
    },
    outboundRefuses: outbound.default !== 'allow' || outbound.rules.some(({ enabled }) => enabled),
    guardsOut: guard.rules.some(({ direction, enabled }) => direction === 'out' && enabled),
  };
}

function guardRows({ rules }: Guard, direction: Direction): readonly Rule[] {
  return rules.filter((rule) => rule.direction === direction);
}

function guarded(direction: Direction, row: Rule | undefined): Decision | null {
  return row ? outcome(direction === 'in' ? '3.3' : 'out 3', verdictOf(row), 'guard', row, 'guard') : null;
}

/** Tiers 1 to 5 of one frame; what is left to rows is asked of `judges`. */
export function judgeFrame(
  switches: Switches,
  frame: Uint8Array,
  judges: Judges,
  state: GivenState = NO_STATE,
): Decision {
  const seen = judgeLink(switches, frame);
  if (seen.step === 'ip') return judgePacket(switches, seen.packet, judges, state);
  return outcome(seen.step === 'sanity' ? '1' : '2', seen.verdict, seen.reason);
}

/** Judges one decoded packet: tier 2 for IPv6, then tiers 3 to 9. */
export function evaluatePacket(ruleset: Ruleset, packet: Packet, state: GivenState = NO_STATE): Decision {
  return judgePacket(ruleset, packet, scan(ruleset), state);
}

function judgePacket(switches: Switches, packet: Packet, judges: Judges, state: GivenState): Decision {
  // tier 2: what IPv6 needs to work at all
  const link = judgeIpv6Link(packet);
  if (link) return outcome('2', 'allow', link);
  // what tells the own stack that something was rejected on its way out
  if (state.told && isOwnAnswer(state.told, packet)) return outcome('2', 'allow', 'own-answer');

  // tier 3: a later fragment shows no ports; one that can be of what is kept reachable is spared, and follows its first
  const isLater = packet.fragment === 'later';
  // 3.1 keep-reachable
  const kept = isLater ? null : judges.keepReachable(packet);
  if (kept) return kept;
  if (!(isLater && judges.mayBeKept(packet))) {
    // 3.2 bans
    if (isBanned(state.bans, packet)) return outcome('3.2', 'deny', 'banned');
    // 3.3 guard: only a refusal is final
    const guarded = isLater ? judges.guardLater('in', packet) : judges.guard('in', packet);
    if (guarded && guarded.verdict !== 'allow') return guarded;
  }

  // tier 4: later fragments follow their first, which is judged like any packet; answers to what went out pass
  if (packet.fragment !== 'none' && switches.fragments === 'drop') return outcome('4', 'deny', 'fragment-refused');
  if (packet.fragment === 'later') {
    const reason = judgeLaterFragment(state.fragments, packet, 'in');
    return outcome('4', reason === 'fragment-follows' ? 'allow' : 'deny', reason);
  }
  if (belongsTo(state.flows, packet)) return outcome('4', 'allow', 'flow');

  // tier 5: ICMP essentials
  if (switches.icmp === 'essentials' && packet.icmp) {
    if (isEchoRequest(packet)) {
      const reason = judgeEcho(switches.echo, packet, state.echoes ?? NO_ECHOES);
      return outcome('5', reason === 'icmp-echo' ? 'allow' : 'deny', reason);
    }
    if (isIcmpError(packet.family, packet.icmp.type)) return judgeIcmpError(packet, judges, state);
  }
  if (switches.icmp === 'essentials' && isDhcpAnswer(packet)) return outcome('5', 'allow', 'dhcp');
  return judgeInbound(judges, packet, state, state.limits);
}

/** Tiers 6 to 9 of the section that owns the packet, with ALLOW ALL; without `limits` limit rules have seen nothing. */
export function judgeInbound(
  judges: Pick<Judges, 'inbound'>,
  packet: LimitedPacket,
  { open = NONE_OPEN }: Pick<GivenState, 'open'>,
  limits: LimitState = NO_LIMITS,
): Decision {
  const decision = judges.inbound(packet, limits);
  if (decision.verdict === 'allow' || decision.reason === 'image-fault') return decision;
  if (open !== 'everything' && !open.has(decision.section)) return decision;
  // The row stays: it is the one that would have refused.
  return { ...decision, tier: '6', verdict: 'allow', reason: 'allow-all' };
}

/** Tiers 6 to 9 of one section, without ALLOW ALL. */
export function evaluateSection(section: Section, packet: LimitedPacket, limits: LimitState = NO_LIMITS): Decision {
  // tier 6: the UDP switch
  if (section.udp === 'off' && packet.protocol === PROTOCOL.UDP) {
    return outcome('6', 'deny', 'udp-off', undefined, section.name);
  }
  // tier 7: the rows, first match
  const rule = firstMatch(section.rules, packet);
  if (rule?.limit && judgeLimit(`${section.name}/${rule.id}`, rule.limit, packet, limits) === 'refused')
    return outcome('7', rule.limit.verdict, 'limit', rule, section.name);
  if (rule) return outcome('7', verdictOf(rule), 'rule', rule, section.name);
  // tier 8: the SSH row
  const ssh = sshVerdict(section);
  if (ssh && isForSsh(section, packet)) return outcome('8', ssh, 'ssh', undefined, section.name);
  // tier 9: the default
  return outcome('9', section.default, 'default', undefined, section.name);
}

function firstMatch(rules: readonly Rule[], packet: FlowKey): Rule | undefined {
  return rules.find((rule) => rule.enabled && matches(rule.match, packet));
}

/** The first row that decides about a later fragment. */
function laterMatches(rules: readonly Rule[], fragment: FlowKey): Rule | undefined {
  return laterRows(rules, (rule) => rule, fragment.family).find(({ match }) => matches(match, fragment))?.row;
}

function isForSsh({ ssh }: Section, packet: FlowKey): boolean {
  return ssh !== undefined && packet.protocol === PROTOCOL.TCP && ssh.ports.includes(packet.destinationPort);
}

/** Whether the packet is an answer to what went out. */
export function belongsTo(flows: Flows, answer: FlowKey): boolean {
  if (flows.size === 0) return false;
  const flow = flowOfAnswer(answer);
  return flow !== null && flows.has(flow);
}

/** Tier 5: an error passes when the packet it quotes is of a flow or, turned round, is let in by tiers 3.1 and 6–9. */
function judgeIcmpError(packet: Packet, judges: Judges, state: GivenState): Decision {
  const quote = packet.quote!;
  if (quote.kind === 'bad') return outcome('5', 'deny', quote.reason);
  const back = mirror(quote.key);
  if (belongsTo(state.flows, back)) return outcome('5', 'allow', 'icmp-error');
  // What it quotes is no attempt of anybody.
  const answer = judges.keepReachable(back) ?? judgeInbound(judges, back, state);
  return answer.verdict === 'allow' ? outcome('5', 'allow', 'icmp-error') : outcome('5', 'deny', 'icmp-unrelated');
}

/** What a DHCP server sends to a client; such a packet is small, a fragment is none. */
function isDhcpAnswer(packet: Packet): boolean {
  return packet.fragment === 'none' && DHCP_ANSWERS.some((match) => matches(match, packet));
}

/** What a row decides; a limit rule below its limit lets in. */
function verdictOf({ action }: Rule): Verdict {
  return action === 'limit' ? 'allow' : action;
}

function outcome(
  tier: Tier | OutTier,
  verdict: Verdict,
  reason: Reason,
  rule?: Rule,
  section: string = 'inbound',
): Decision {
  return { section, tier, verdict, reason, rule: rule?.id ?? null };
}
