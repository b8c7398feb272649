/** Why a packet gets its verdict, by the model: the deciding row, and what each row above it did not like. */
import { type Decision, evaluatePacket, firstMismatch, type MatchField } from '../model/evaluate';
import { type GivenState, NO_STATE } from '../model/given-state';
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
}

/** Explains one decoded packet; `state` is what earlier ones, and bans, left. */
export function explainByModel(ruleset: Ruleset, packet: Packet, state: GivenState = NO_STATE): Explanation {
  const decision = evaluatePacket(ruleset, packet, state);
  const wereAsked = decision.tier === '7' || decision.tier === '8' || decision.tier === '9';
  if (!wereAsked) return { decision, steps: [] };
  const { rules } = ruleset.inbound;
  const deciding = rules.findIndex(({ id }) => id === decision.rule);
  const asked = deciding < 0 ? rules : rules.slice(0, deciding + 1);
  const steps = asked.map((rule, i): ExplainStep => {
    const mismatch = rule.enabled ? firstMismatch(rule.match, packet) : 'enabled';
    return { rule: rule.id, number: i + 1, text: rule.text, mismatch };
  });
  return { decision, steps };
}
