/** Rulesets that use every section, for what is judged in both directions. */
import type { Direction, Ruleset } from '../../../src/model/ruleset';
import type { Random } from './random';
import { generateRuleset } from './ruleset';

/** A ruleset of `rules` rows dealt out to all sections; now and then one of them stays empty. */
export function generateSections(random: Random, rules: number): { ruleset: Ruleset; rows: Ruleset } {
  const rows = generateRuleset(random, { rules });
  return { ruleset: dealSections(random, rows), rows };
}

/** The same rows dealt out, another time. */
export function dealSections(random: Random, rows: Ruleset): Ruleset {
  const chance = (): number => random.pick([0, 0.1, 0.3]);
  const weights = { kept: random.pick([0, 0.05, 0.2]), guard: chance(), outbound: random.pick([0, 0.4]) };
  const dealt = { kept: [], guard: [], outbound: [], inbound: [] } as Record<
    string,
    Ruleset['inbound']['rules'][number][]
  >;
  for (const rule of rows.inbound.rules) {
    if (random.chance(weights.kept)) dealt.kept.push({ ...rule, action: 'allow' });
    else if (random.chance(weights.guard)) dealt.guard.push(rule);
    else if (random.chance(weights.outbound)) dealt.outbound.push(rule);
    else dealt.inbound.push(rule);
  }
  const direction = (): Direction => random.pick(['in', 'out'] as const);
  return {
    ...rows,
    guard: {
      keepReachable: dealt.kept,
      rules: dealt.guard.map((rule) => ({ ...rule, direction: direction() })),
    },
    inbound: { ...rows.inbound, rules: dealt.inbound },
    outbound: { name: 'outbound', default: random.pick(['allow', 'deny']), rules: dealt.outbound },
  };
}
