/**
 * `expect:` lines hold for every packet they describe, proven by regions over tiers 2, 5 and 7 to 9.
 *
 * An expectation describes whole, well-formed packets by the fields of a match. What such a line cannot say is
 * outside of it: fragments (tier 4), neighbour discovery (tier 2 asks for the hop limit) and, while tier 5 is
 * on, ICMP errors (judged by the packet they quote). A line about nothing else proves nothing and fails.
 */
import type { Diagnostic, DiagnosticNote } from '../diagnostics/diagnostic';
import type { Expectation, Ruleset } from '../model/ruleset';
import type { Tier, Verdict } from '../model/verdict';
import { type Budget, ordinaryBudget, PIECES_MAX } from './budget';
import { type Cube, intersectRegions, type Region, subtractRegion } from './cube';
import { type Decided, decide, nameOf, inboundRegions, type SectionRegions } from './decisions';
import { DHCP_ANSWERS, ECHO_REQUESTS, ICMP_ERRORS, LISTENER_MESSAGES, NEIGHBOUR_DISCOVERY } from './essentials';
import { describePacket } from './packet-text';

/** Reports every expectation that a packet contradicts, that describes nothing, or that could not be proven. */
export function checkExpectations(ruleset: Ruleset): Diagnostic[] {
  if (ruleset.expect.length === 0) return [];
  const essentials = [...ECHO_REQUESTS, ...DHCP_ANSWERS, ...ICMP_ERRORS, LISTENER_MESSAGES, NEIGHBOUR_DISCOVERY];
  const regions = inboundRegions(ruleset, essentials);
  return ruleset.expect.flatMap((expectation) => check(ruleset, regions, expectation));
}

function check({ icmp }: Ruleset, regions: SectionRegions, expectation: Expectation): Diagnostic[] {
  const { space } = regions;
  const described = space.regionOf(expectation.match);
  if (described.length === 0) return [finding(expectation, 'describes no packet at all, so that it proves nothing')];

  const without = (from: Region, matches: typeof ECHO_REQUESTS): Cube[] =>
    subtractRegion(
      from,
      matches.flatMap((match) => space.regionOf(match)),
      PIECES_MAX,
    ) ?? [...from];
  const isOn = icmp === 'essentials';
  const outside = [NEIGHBOUR_DISCOVERY, ...(isOn ? ICMP_ERRORS : [])];
  const inside = without(described, outside);
  if (inside.length === 0) {
    return [
      finding(
        expectation,
        'describes only packets whose verdict depends on their hop limit or on the packet they quote',
      ),
    ];
  }
  const passed: readonly (readonly [Tier, typeof ECHO_REQUESTS])[] = [
    ['2', [LISTENER_MESSAGES]],
    ['5', isOn ? [...ECHO_REQUESTS, ...DHCP_ANSWERS] : []],
  ];
  let rest: Cube[] = inside;
  for (const [tier, matches] of passed) {
    const here = intersectRegions(
      rest,
      matches.flatMap((match) => space.regionOf(match)),
    );
    if (here.length > 0 && expectation.verdict !== 'allow') {
      return [contradicted(regions, expectation, here[0], 'allow', byTier(tier))];
    }
    rest = without(rest, matches);
  }
  const budget = ordinaryBudget();
  const wrong = firstWrong(regions, rest, expectation.verdict, budget);
  if (wrong) return [contradicted(regions, expectation, wrong.cube, wrong.verdict, byDecider(wrong))];
  return budget.isSpent ? [finding(expectation, 'could not be proven: too many rules overlap there')] : [];
}

function firstWrong(regions: SectionRegions, region: Region, verdict: Verdict, budget: Budget): Decided | undefined {
  for (const decided of decide(regions, region, budget)) if (decided.verdict !== verdict) return decided;
  return undefined;
}

function byTier(tier: Tier): DiagnosticNote {
  const what =
    tier === '2'
      ? 'multicast listener messages from link-local sources'
      : 'echo-requests and what DHCP servers send to clients';
  const off = tier === '5' ? '; name the protocol in the expectation, or write "icmp: rules"' : '';
  return { message: `tier ${tier} passes ${what} before any rule is asked${off}` };
}

function byDecider({ decider, verdict }: Decided): DiagnosticNote {
  const message = `${nameOf(decider)} decides "${verdict}"`;
  if (decider.kind !== 'rule') return { message };
  return { message: `${message}: "${decider.rule.text}"`, source: decider.rule.source };
}

function contradicted(
  { space }: SectionRegions,
  expectation: Expectation,
  cube: Cube,
  verdict: Verdict,
  note: DiagnosticNote,
): Diagnostic {
  const example = describePacket(space.exampleOf(cube));
  const failed = finding(expectation, `does not hold: "${example}" gets "${verdict}"`);
  return { ...failed, notes: [note], hint: `sluice explain ${example}` };
}

function finding({ text, source }: Expectation, what: string): Diagnostic {
  return { code: 'expect/failed', severity: 'error', message: `"${text}" ${what}`, source, notes: [] };
}
