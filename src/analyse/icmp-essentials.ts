/** `lint/icmp-essentials`: rules that speak about packets which tier 5 has already decided (SPEC §3, tier 5). */
import type { Diagnostic } from '../diagnostics/diagnostic';
import { ANY } from '../model/match';
import { PROTOCOL } from '../model/protocol';
import type { Rule, Ruleset, Section } from '../model/ruleset';
import { rowNoun } from './decisions';
import { PIECES_MAX } from './budget';
import { intersectRegions, subtractRegion } from './cube';
import { ECHO_REQUESTS, ICMP_ERRORS } from '../model/essentials';
import { Space } from './space';

const OFF = 'icmp: rules';

/** With `icmp: essentials`: an error for rules that tier 5 takes the whole work from, a note for others it touches. */
export function lintIcmpEssentials(
  { icmp }: Pick<Ruleset, 'icmp'>,
  { name, rules }: Pick<Section, 'name' | 'rules'>,
): Diagnostic[] {
  if (icmp !== 'essentials') return [];
  const tier = [...ECHO_REQUESTS, ...ICMP_ERRORS];
  const space = new Space([...tier, ...rules.map(({ match }) => match)]);
  const passed = tier.flatMap((match) => space.regionOf(match));
  const findings: Diagnostic[] = [];
  let firstGeneral: Diagnostic | undefined;
  rules.forEach((rule, i) => {
    const row = `${rowNoun({ name })} ${i + 1}`;
    if (!rule.enabled) return;
    const region = space.regionOf(rule.match);
    if (intersectRegions(region, passed).length === 0) return;
    if (!namesIcmp(rule)) {
      // An allow only adds to what passes anyway.
      if (rule.action !== 'allow') firstGeneral ??= generalNote(rule, row);
    } else if (subtractRegion(region, passed, PIECES_MAX)?.length === 0) {
      findings.push(wholly(rule, row));
    } else {
      findings.push(partly(rule, row));
    }
  });
  return firstGeneral ? [...findings, firstGeneral] : findings;
}

function namesIcmp({ match }: Rule): boolean {
  const icmp: readonly number[] = [PROTOCOL.ICMP, PROTOCOL.ICMPV6];
  return match.protocols !== ANY && match.protocols.every((number) => icmp.includes(number));
}

function wholly(rule: Rule, row: string): Diagnostic {
  return {
    code: 'lint/icmp-essentials',
    severity: 'error',
    message: `${row} "${rule.text}" would never be asked: echo-requests and ICMP errors are decided before the rules`,
    source: rule.source,
    notes: [],
    hint: OFF,
  };
}

function partly(rule: Rule, row: string): Diagnostic {
  return {
    code: 'lint/icmp-essentials',
    severity: 'note',
    message: `${row} "${rule.text}" does not decide about echo-requests and ICMP errors: they are decided before the rules`,
    source: rule.source,
    notes: [],
    hint: OFF,
  };
}

function generalNote(rule: Rule, row: string): Diagnostic {
  const who = rule.match.from === ANY ? 'everybody' : 'its sources';
  return {
    code: 'lint/icmp-essentials',
    severity: 'note',
    message: `${row} "${rule.text}" does not stop pings: echo-requests from ${who} are passed before the rules`,
    source: rule.source,
    notes: [],
    hint: OFF,
  };
}
