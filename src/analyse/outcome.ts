/** What a row does to the packets it decides, so that two rulesets can be compared. */
import { formatLimit } from '../parse/limit';
import type { Decision } from '../model/evaluate';
import type { Rule } from '../model/ruleset';
import type { Verdict } from '../model/verdict';
import type { Decided } from './decisions';

/** `allow`, `deny`, `reject`; or by how much a row limits, and which: each counts for itself. */
export interface Outcome {
  /** Equal where two outcomes are the same. */
  readonly key: string;
  /** `allow`, `limit 6/30s`. */
  readonly words: string;
  /** Id of the rule that counts, where it is a limit; of a server `server/id`. */
  readonly limitedBy?: string;
}

const PLAIN: Readonly<Record<Verdict, Outcome>> = {
  allow: { key: 'allow', words: 'allow' },
  deny: { key: 'deny', words: 'deny' },
  reject: { key: 'reject', words: 'reject' },
};

/** Of a verdict alone, without a limit. */
export function plainOutcome(verdict: Verdict): Outcome {
  return PLAIN[verdict];
}

/** Of a row, or of what it decides. */
export function outcomeOfRow({ decider, verdict }: Pick<Decided, 'decider' | 'verdict'>): Outcome {
  return decider.kind === 'rule' && decider.rule.limit ? limited(decider.rule, decider.server) : PLAIN[verdict];
}

/** The same of what the scan says; `rules` are the rows of the deciding section. */
export function outcomeOfDecision({ section, rule, verdict }: Decision, rules: readonly Rule[]): Outcome {
  const row = rule === null ? undefined : rules.find(({ id }) => id === rule);
  return row?.limit ? limited(row, section === 'inbound' ? undefined : section) : PLAIN[verdict];
}

function limited({ id: own, limit }: Rule, server: string | undefined): Outcome {
  const id = server === undefined ? own : `${server}/${own}`;
  const words = `limit ${formatLimit(limit!)}`.trim();
  return { key: `${words} ${id}`, words, limitedBy: id };
}
