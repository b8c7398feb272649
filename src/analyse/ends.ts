/** `lint/ended`, `lint/nobody-ends`: rules whose end has come, and ends that nobody would enforce. */
import type { Diagnostic } from '../diagnostics/diagnostic';
import type { Rule, Ruleset } from '../model/ruleset';
import { hasEnded, rulesWithEnd, sectionsWithEnds } from '../model/until';
import { isServer, optionFor } from './decisions';
import { formatMoment } from '../parse/time';

/** Reports rules that have ended at the moment. */
export function lintEnded(ruleset: Ruleset, nowMs: number): Diagnostic[] {
  return sectionsWithEnds(ruleset).flatMap(({ name, rules }) => {
    const among = (nameOf: (rule: Rule, i: number) => string, hintOf?: (i: number) => string): Diagnostic[] =>
      rules.flatMap((rule, i) => (hasEnded(rule, nowMs) ? [ended(rule, nameOf(rule, i), hintOf?.(i))] : []));
    if (name === 'guard') return among(({ id }) => `guard/${id}`);
    if (isServer(name))
      return among(
        ({ id }) => `${name}/${id}`,
        (i) => `sluice delete ${i + 1}${optionFor(name)}`,
      );
    // Numbers go on from inbound to outbound.
    const first = 1 + (name === 'outbound' ? ruleset.inbound.rules.length : 0);
    return among(
      (_, i) => `rule ${first + i}`,
      (i) => `sluice delete ${first + i}`,
    );
  });
}

function ended(rule: Rule, name: string, hint?: string): Diagnostic {
  return {
    code: 'lint/ended',
    severity: 'warning',
    message: `${name} "${rule.text}" has ended (until ${formatMoment(rule.untilMs!)}) and matches nothing`,
    source: rule.source,
    notes: [],
    ...(hint !== undefined && { hint }),
  };
}

/**
 * Reports that rules will stay when their end comes, since no daemon runs; `daemon` is null where that could not
 * be seen.
 */
export function lintNobodyEnds(ruleset: Ruleset, daemon: boolean | null): Diagnostic[] {
  const ending = rulesWithEnd(ruleset);
  if (ending.length === 0 || daemon === true) return [];
  const [{ name, rule }] = [...ending].sort((a, b) => a.rule.untilMs! - b.rule.untilMs!);
  const others = ending.length > 1 ? ` (and ${ending.length - 1} more)` : '';
  const what = `${name} "${rule.text}" is to end ${formatMoment(rule.untilMs!)}${others}`;
  return [
    {
      code: 'lint/nobody-ends',
      severity: daemon === false ? 'warning' : 'note',
      message:
        daemon === false
          ? `${what}, and no daemon runs that would end it`
          : `${what}; whether a daemon runs that ends it cannot be seen without privilege`,
      source: rule.source,
      notes: [],
      hint: 'sluice daemon ends it at that minute; without one it stays until the next apply after it',
    },
  ];
}
