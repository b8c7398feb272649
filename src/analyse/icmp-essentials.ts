/** `lint/icmp-essentials`: rules that speak about packets which tier 5 has already decided (SPEC §3, tier 5). */
import type { Diagnostic } from '../diagnostics/diagnostic';
import { ANY, type Match } from '../model/match';
import { ECHO_REQUESTS, ICMP_ERRORS } from '../model/essentials';
import { icmpOf, PROTOCOL } from '../model/protocol';
import type { Rule, Ruleset } from '../model/ruleset';
import { PIECES_MAX } from './budget';
import { type Cube, cubesAreDisjoint, DIMENSION, type Region, subtractRegion } from './cube';
import { rowNoun, type SectionRegions } from './decisions';
import { contains } from './interval-set';

const OFF = 'icmp: rules';

/** What tier 5 passes. It names no address, so that every space knows it. */
const TIER: readonly Match[] = [...ECHO_REQUESTS, ...ICMP_ERRORS];

/** With `icmp: essentials`: an error for rules that tier 5 takes the whole work from, a note for others it touches. */
export function lintIcmpEssentials(
  { icmp }: Pick<Ruleset, 'icmp'>,
  { section, rows, space }: Pick<SectionRegions, 'section' | 'rows' | 'space'>,
): Diagnostic[] {
  if (icmp !== 'essentials') return [];
  const passed = TIER.flatMap((match) => space.regionOf(match));
  const findings: Diagnostic[] = [];
  let firstGeneral: Diagnostic | undefined;
  for (const { decider, region } of rows) {
    if (decider.kind !== 'rule' || !region.some(mayBeIcmp)) continue;
    const { rule, number } = decider;
    const row = `${rowNoun(section)} ${number}`;
    if (!namesIcmp(rule)) {
      // An allow only adds to what passes anyway; a second note would say the same.
      if (rule.action !== 'allow' && !firstGeneral && meets(region, passed)) firstGeneral = generalNote(rule, row);
    } else if (meets(region, passed)) {
      const isWhole = subtractRegion(region, passed, PIECES_MAX)?.length === 0;
      findings.push(isWhole ? wholly(rule, row) : partly(rule, row));
    }
  }
  return firstGeneral ? [...findings, firstGeneral] : findings;
}

function mayBeIcmp({ family, sets }: Cube): boolean {
  return contains(sets[DIMENSION.PROTOCOL], icmpOf(family));
}

function meets(region: Region, passed: Region): boolean {
  return region.some((cube) => passed.some((other) => !cubesAreDisjoint(cube, other)));
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
