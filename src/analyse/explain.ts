/** Why a packet gets its verdict, by the model: the deciding row, and what each row above it did not like. */
import { type Answer, answerTo } from '../model/answer';
import { type Decision, evaluatePacket, firstMismatch, type MatchField } from '../model/evaluate';
import { type GivenState, NO_STATE } from '../model/given-state';
import type { Limit } from '../model/limit';
import type { Packet } from '../model/packet';
import type { Ruleset } from '../model/ruleset';

/** One row that was asked. */
export interface ExplainStep {
  readonly rule: string;
  /** Number of the row, counted from 1. */
  readonly number: number;
  readonly text: string;
  /** The first field that did not hold; `enabled` where the row is switched off; null for the deciding row. */
  readonly mismatch: MatchField | 'enabled' | null;
}

/** What decides about one packet, and what each row before that lacked. */
export interface Explanation {
  readonly decision: Decision;
  /** The rows up to the deciding one; empty where a tier above the rows decided. */
  readonly steps: readonly ExplainStep[];
  /** What the sender is told where the packet is rejected, or would be beyond a limit. */
  readonly answer: Answer | null;
  /** What the deciding rule counts by, where it is a limit rule. No source has made an attempt before. */
  readonly limit: Limit | null;
}

/** Explains one decoded packet; `state` is what earlier ones, and bans, left. */
export function explainByModel(ruleset: Ruleset, packet: Packet, state: GivenState = NO_STATE): Explanation {
  const decision = evaluatePacket(ruleset, packet, state);
  const wereAsked = decision.tier === '7' || decision.tier === '8' || decision.tier === '9';
  if (!wereAsked) return { decision, steps: [], answer: null, limit: null };
  const { rules } = ruleset.inbound;
  const deciding = rules.findIndex(({ id }) => id === decision.rule);
  const limit = (deciding < 0 ? undefined : rules[deciding].limit) ?? null;
  const rejects = decision.verdict === 'reject' || limit?.verdict === 'reject';
  const asked = deciding < 0 ? rules : rules.slice(0, deciding + 1);
  const steps = asked.map((rule, i): ExplainStep => {
    const mismatch = rule.enabled ? firstMismatch(rule.match, packet) : 'enabled';
    return { rule: rule.id, number: i + 1, text: rule.text, mismatch };
  });
  return { decision, steps, answer: rejects ? answerTo(packet) : null, limit };
}
