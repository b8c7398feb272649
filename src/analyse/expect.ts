/**
 * `expect:` lines hold for every packet they describe, proven by regions over tiers 2, 3.1, 3.3, 5 and 7 to 9; lines
 * with `out` over the guard's outgoing rows, `outbound` and its default.
 *
 * An expectation describes whole, well-formed packets by the fields of a match. What such a line cannot say is
 * outside of it: fragments (tier 4), neighbour discovery (tier 2 asks for the hop limit) and, while tier 5 is
 * on, ICMP errors (judged by the packet they quote). A line about nothing else proves nothing and fails.
 */
import type { Diagnostic, DiagnosticNote } from '../diagnostics/diagnostic';
import { DHCP_ANSWERS, ECHO_REQUESTS, ICMP_ERRORS, LISTENER_MESSAGES, NEIGHBOUR_DISCOVERY } from '../model/essentials';
import type { Direction, Expectation, Ruleset } from '../model/ruleset';
import type { Tier, Verdict } from '../model/verdict';
import { type Budget, ordinaryBudget, PIECES_MAX } from './budget';
import { type Cube, intersectRegions, type Region, subtractRegion } from './cube';
import {
  type Decided,
  decide,
  incomingMatches,
  incomingRegions,
  nameOf,
  sectionRegions,
  type SectionRegions,
} from './decisions';
import { guardLists } from './guard-lists';
import { describePacket } from './packet-text';
import { Space } from './space';

/** What decides about an expectation's packets: lists of rows in the order in which they are asked. */
export interface Layers {
  readonly space: Space;
  /** Rows whose decision is final; what they do not decide goes on. */
  readonly kept: SectionRegions;
  readonly guards: Readonly<Record<Direction, SectionRegions>>;
  readonly last: Readonly<Record<Direction, SectionRegions>>;
}

/** An expectation and what was found of it. */
export interface JudgedExpectation extends Expectation {
  /** Null where it holds for every packet it describes; else a packet that contradicts it, or why nothing was proven. */
  readonly problem: Diagnostic | null;
}

/** Judges every expectation: one that a packet contradicts, that describes nothing, or that could not be proven has a problem. */
export function judgeExpectations(ruleset: Ruleset): JudgedExpectation[] {
  if (ruleset.expect.length === 0) return [];
  const layers = layersOf(ruleset);
  return ruleset.expect.map((expectation) => ({ ...expectation, problem: check(ruleset, layers, expectation) }));
}

/** The lists of a ruleset in a space that also tells apart what its expectations describe. */
export function layersOf(ruleset: Ruleset): Layers {
  const essentials = [...ECHO_REQUESTS, ...DHCP_ANSWERS, ...ICMP_ERRORS, LISTENER_MESSAGES, NEIGHBOUR_DISCOVERY];
  const { inbound, outbound, guard } = ruleset;
  const [kept, incoming, outgoing] = guardLists(guard);
  const rows = [outbound, kept, incoming, outgoing].flatMap(({ rules }) => rules.map(({ match }) => match));
  const described = ruleset.expect.map(({ match }) => match);
  const space = new Space([...rows, ...incomingMatches(ruleset), ...described, ...essentials]);
  return {
    space,
    kept: sectionRegions(kept, space),
    guards: { in: sectionRegions(incoming, space), out: sectionRegions(outgoing, space) },
    last: {
      in: incomingRegions(ruleset, space),
      out: sectionRegions(outbound, space, inbound.rules.length + 1),
    },
  };
}

function check({ icmp }: Ruleset, layers: Layers, expectation: Expectation): Diagnostic | null {
  const { space } = layers;
  const { direction, verdict } = expectation;
  const described = space.regionOf(expectation.match);
  if (described.length === 0) return finding(expectation, 'describes no packet at all, so that it proves nothing');

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
    return finding(
      expectation,
      'describes only packets whose verdict depends on their hop limit or on the packet they quote',
    );
  }
  const budget = ordinaryBudget();
  const passing = (region: Region, tier: Tier, matches: typeof ECHO_REQUESTS): Diagnostic | undefined => {
    const here = intersectRegions(
      region,
      matches.flatMap((match) => space.regionOf(match)),
    );
    if (here.length === 0 || verdict === 'allow') return undefined;
    return contradicted(layers, expectation, here[0], 'allow', byTier(tier));
  };
  const listener = passing(inside, '2', [LISTENER_MESSAGES]);
  if (listener) return listener;
  let rest = without(inside, [LISTENER_MESSAGES]);
  const guards = layers.guards[direction];
  for (const list of direction === 'in' ? [layers.kept, guards] : [guards]) {
    const { wrong, open } = passThrough(list, list === layers.kept, rest, verdict, budget);
    if (wrong) return contradicted(layers, expectation, wrong.cube, wrong.verdict, byDecider(wrong, 'guard'));
    rest = open;
  }
  if (direction === 'in') {
    const echo = passing(rest, '5', isOn ? [...ECHO_REQUESTS, ...DHCP_ANSWERS] : []);
    if (echo) return echo;
    rest = without(rest, isOn ? [...ECHO_REQUESTS, ...DHCP_ANSWERS] : []);
  }
  const last = layers.last[direction];
  const wrong = firstWrong(last, rest, verdict, budget);
  if (wrong) return contradicted(layers, expectation, wrong.cube, wrong.verdict, byDecider(wrong, last.section.name));
  return budget.isSpent ? finding(expectation, 'could not be proven: too many rules overlap there') : null;
}

/** What a list of the guard decides against the verdict, or what of the region goes on. */
function passThrough(
  list: SectionRegions,
  isKept: boolean,
  region: Region,
  verdict: Verdict,
  budget: Budget,
): { wrong?: Decided; open: Cube[] } {
  const open: Cube[] = [];
  // An entry of keep-reachable lets in for good; a row of the guard that allows only ends it.
  const isFinal = (decided: Decided): boolean =>
    decided.decider.kind === 'rule' && (decided.verdict !== 'allow' || isKept);
  for (const decided of decide(list, region, budget)) {
    if (!isFinal(decided)) open.push(decided.cube);
    else if (decided.verdict !== verdict) return { wrong: decided, open };
  }
  return { open };
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

function byDecider({ decider, verdict }: Decided, section: string): DiagnosticNote {
  const of = section === 'inbound' ? '' : ` of ${section}`;
  const message = `${nameOf(decider)}${of} decides "${verdict}"`;
  if (decider.kind !== 'rule') return { message };
  return { message: `${message}: "${decider.rule.text}"`, source: decider.rule.source };
}

function contradicted(
  { space }: Pick<Layers, 'space'>,
  expectation: Expectation,
  cube: Cube,
  verdict: Verdict,
  note: DiagnosticNote,
): Diagnostic {
  const example = describePacket(space.exampleOf(cube));
  const failed = finding(expectation, `does not hold: "${example}" gets "${verdict}"`);
  return {
    ...failed,
    notes: [note],
    hint: `sluice explain ${expectation.direction === 'out' ? 'out ' : ''}${example}`,
  };
}

function finding({ text, source }: Expectation, what: string): Diagnostic {
  return { code: 'expect/failed', severity: 'error', message: `"${text}" ${what}`, source, notes: [] };
}
