/**
 * Who can reach a listener, exactly: the sources of which some first packet (of whatever source port, to any address it
 * listens at) gets in by tiers 3.1 to 9, and of TCP also gets its answer out.
 */
import { type Match, MATCH_ALL } from '../model/match';
import type { Family, Prefix } from '../model/prefix';
import { PROTOCOL } from '../model/protocol';
import type { Rule, Ruleset, Section } from '../model/ruleset';
import { Budget } from './budget';
import { type Cube, DIMENSION, intersectRegions, type Region, subtractRegion } from './cube';
import {
  type Decided,
  decide,
  incomingMatches,
  incomingRegions,
  sectionRegions,
  type SectionRegions,
} from './decisions';
import { DHCP_ANSWERS } from '../model/essentials';
import { guardLists } from './guard-lists';
import { EMPTY, type IntervalSet, intersectSets, unionSets } from './interval-set';
import { type Sources, Space } from './space';

/** Where something listens; of one family. */
export interface Door {
  readonly family: Family;
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
  /** Addresses of the family at which it can be reached, and networks of them. */
  readonly addresses: readonly Prefix[];
}

/** Who reaches a door. */
export interface Reach {
  readonly sources: Sources;
  /** Of those, who gets in from some source ports, or to some of the addresses, only. */
  readonly partly: Sources;
  /** Of those, whose new connections are counted and may be refused for a while. */
  readonly limited: Sources;
}

const PIECES_MAX = 200_000;
const STEPS_MAX = 20_000_000;

/** Answers for one ruleset and the doors it was made for. */
export class ReachMap {
  readonly #space: Space;
  readonly #lists: Readonly<Record<'kept' | 'guard' | 'answers' | 'rows', SectionRegions>>;
  readonly #banned: Region;
  readonly #dhcp: Region;

  constructor(ruleset: Ruleset, doors: readonly Door[], bans: readonly Prefix[] = []) {
    const [kept, incoming, outgoing] = guardLists(ruleset.guard);
    const answers = { ...outgoing, rules: outgoing.rules.map(mirrored) };
    const lists = { kept, guard: incoming, answers } satisfies Record<string, Section>;
    const banned: Match = { ...MATCH_ALL, from: bans };
    const rows = Object.values(lists).flatMap(({ rules }) => rules.map(({ match }) => match));
    const asked = [...incomingMatches(ruleset), ...doors.map(matchOf)];
    const space = new Space([...rows, ...asked, ...DHCP_ANSWERS, banned]);
    this.#space = space;
    this.#lists = {
      kept: sectionRegions(kept, space),
      guard: sectionRegions(incoming, space),
      answers: sectionRegions(answers, space),
      rows: incomingRegions(ruleset, space),
    };
    this.#banned = space.regionOf(banned);
    this.#dhcp = ruleset.icmp === 'essentials' ? DHCP_ANSWERS.flatMap((match) => space.regionOf(match)) : [];
  }

  /** Who reaches the door; null where too many rules overlap to say. */
  of(door: Door): Reach | null {
    const { family, protocol } = door;
    const all = this.#space.regionOf(matchOf(door));
    if (all.length === 0) return { sources: NOBODY, partly: NOBODY, limited: NOBODY };
    const budget = new Budget(PIECES_MAX, STEPS_MAX);
    const allowed: Cube[] = [];
    const limited: Cube[] = [];
    // tier 3.1: what an entry lets in nothing below takes away, nor its answer
    let rest = this.#through(
      this.#lists.kept,
      all,
      budget,
      (decided) => decided.decider.kind === 'rule' && allowed.push(decided.cube),
    );
    // tiers 3.2 and 3.3, and step 3 of the answer's way out
    rest = subtractRegion(rest, this.#banned, PIECES_MAX) ?? refuse(budget);
    const isRefused = ({ verdict }: Decided): boolean => verdict !== 'allow';
    rest = this.#through(this.#lists.guard, rest, budget, isRefused);
    if (protocol === 'tcp') rest = this.#through(this.#lists.answers, rest, budget, isRefused);
    // tier 5: what DHCP servers send
    allowed.push(...intersectRegions(rest, this.#dhcp));
    rest = subtractRegion(rest, this.#dhcp, PIECES_MAX) ?? refuse(budget);
    // tiers 6 to 9
    for (const { decider, verdict, cube } of decide(this.#lists.rows, rest, budget)) {
      if (verdict !== 'allow') continue;
      allowed.push(cube);
      if (decider.kind === 'rule' && decider.rule.action === 'limit') limited.push(cube);
    }
    const others = subtractRegion(all, allowed, PIECES_MAX) ?? refuse(budget);
    if (budget.isSpent) return null;
    const sources = sourcesOf(allowed);
    const name = (set: IntervalSet): Sources => this.#space.sourcesOf(family, set);
    return {
      sources: name(sources),
      partly: name(intersectSets(sources, sourcesOf(others))),
      limited: name(sourcesOf(limited)),
    };
  }

  /** What of a region is left by a list; `takes` says of each decided part whether it is taken out. */
  #through(list: SectionRegions, region: Region, budget: Budget, takes: (decided: Decided) => unknown): Cube[] {
    const left: Cube[] = [];
    for (const decided of decide(list, region, budget)) if (!takes(decided)) left.push(decided.cube);
    return left;
  }
}

const NOBODY: Sources = { everyoneBut: false, prefixes: [] };

/** Spends the budget: the answer is not proven. */
function refuse(budget: Budget): Cube[] {
  budget.takePieces(Infinity);
  return [];
}

function sourcesOf(region: Region): IntervalSet {
  return region.reduce<IntervalSet>((sources, { sets }) => unionSets(sources, sets[DIMENSION.SOURCE]), EMPTY);
}

function matchOf({ family, protocol, port, addresses }: Door): Match {
  return {
    ...MATCH_ALL,
    family,
    protocols: [protocol === 'tcp' ? PROTOCOL.TCP : PROTOCOL.UDP],
    to: addresses,
    toPorts: [{ first: port, last: port }],
  };
}

/** A row about what goes out, as it sees the packet that is answered. */
function mirrored(rule: Rule): Rule {
  const { from, to, fromPorts, toPorts } = rule.match;
  return { ...rule, match: { ...rule.match, from: to, to: from, fromPorts: toPorts, toPorts: fromPorts } };
}
