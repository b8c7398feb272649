/** Why a packet gets its verdict, by the model: the deciding row, and what each row above it did not like. */
import { NONE_OPEN } from '../model/allow-all';
import { type Answer, answerTo } from '../model/answer';
import type { EchoRates } from '../model/echo';
import { type Decision, evaluatePacket } from '../model/evaluate';
import { firstMismatch, type MatchField } from '../model/match-packet';
import { type GivenState, NO_STATE } from '../model/given-state';
import type { Limit } from '../model/limit';
import type { Packet } from '../model/packet';
import { evaluateOutgoingPacket } from '../model/outbound';
import type { Direction, Rule, Ruleset } from '../model/ruleset';

/** One row that was asked. */
export interface ExplainStep {
  readonly rule: string;
  /** Number of the row, counted from 1. */
  readonly number: number;
  readonly text: string;
  /** The first field that did not hold; `enabled` where the row is switched off; null for the deciding row. */
  readonly mismatch: MatchField | 'enabled' | null;
  /** When the rule ends, or ended, ISO time; left out: it has no end. */
  readonly until?: string;
}

/** What decides about one packet, and what each row before that lacked. */
export interface Explanation {
  readonly decision: Decision;
  /** What would have become of it without ALLOW ALL, where that lets it in; else null. */
  readonly otherwise: Decision | null;
  /** The rows up to the deciding one; empty where a tier above the rows decided. */
  readonly steps: readonly ExplainStep[];
  /** What the sender is told where the packet is rejected, or would be beyond a limit. */
  readonly answer: Answer | null;
  /** What the deciding rule counts by, where it is a limit rule. No source has made an attempt before. */
  readonly limit: Limit | null;
  /** How many such packets pass in a second, where tier 5 lets an echo-request in. None has come before. */
  readonly echo: EchoRates | null;
}

/** Explains one decoded packet that comes in, or goes out; `state` is what earlier ones, and bans, left. */
export function explainByModel(
  ruleset: Ruleset,
  packet: Packet,
  state: GivenState = NO_STATE,
  direction: Direction = 'in',
): Explanation {
  const judge = direction === 'in' ? evaluatePacket : evaluateOutgoingPacket;
  const decision = judge(ruleset, packet, state);
  const otherwise = decision.reason === 'allow-all' ? judge(ruleset, packet, { ...state, open: NONE_OPEN }) : null;
  const { rules, first } = rowsOfTier(ruleset, otherwise ?? decision);
  const deciding = rules.findIndex(({ id }) => id === decision.rule);
  const limit = (deciding < 0 ? undefined : rules[deciding].limit) ?? null;
  const rejects = decision.verdict === 'reject' || limit?.verdict === 'reject';
  const asked = deciding < 0 ? rules : rules.slice(0, deciding + 1);
  const steps = asked.map((rule, i): ExplainStep => {
    const mismatch = rule.enabled ? firstMismatch(rule.match, packet) : 'enabled';
    const until = rule.untilMs === undefined ? {} : { until: new Date(rule.untilMs).toISOString() };
    return { rule: rule.id, number: first + i, text: rule.text, mismatch, ...until };
  });
  const answer = rejects ? answerTo(packet) : null;
  return { decision, otherwise, steps, answer, limit, echo: decision.reason === 'icmp-echo' ? ruleset.echo : null };
}

/** The rows that were asked where a tier decides; none where it has no rows. `first`: number of the first of them. */
function rowsOfTier(
  { guard, inbound, outbound, servers = [] }: Ruleset,
  { section, tier }: Decision,
): { rules: readonly Rule[]; first: number } {
  switch (tier) {
    case '3.1':
      return { rules: guard.keepReachable, first: 1 };
    case '3.3':
      return { rules: guard.rules.filter(({ direction }) => direction === 'in'), first: 1 };
    case '7':
    case '8':
    case '9':
      return { rules: [inbound, ...servers].find(({ name }) => name === section)!.rules, first: 1 };
    case 'out 3':
      return { rules: guard.rules.filter(({ direction }) => direction === 'out'), first: 1 };
    case 'out 6':
    case 'out 7':
      return { rules: outbound.rules, first: inbound.rules.length + 1 };
    default:
      return { rules: [], first: 1 };
  }
}
