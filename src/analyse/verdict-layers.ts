/**
 * A whole ruleset by regions: what becomes of every packet that belongs to nothing earlier — no flow, no ban, no attempt
 * before it, no packet that an ICMP error would quote, no fragment. The order is that of `evaluatePacket` and
 * `evaluateOutgoingPacket`, of which this is the same function over sets.
 */
import { TCP_FLAG } from '../model/flow';
import { type Match, MATCH_ALL } from '../model/match';
import { DHCP_ANSWERS, ECHO_REQUESTS, ICMP_ERRORS, LISTENER_MESSAGES } from '../model/essentials';
import { type FlowKey, isIcmpError, type Packet } from '../model/packet';
import { PROTOCOL } from '../model/protocol';
import type { Ruleset } from '../model/ruleset';
import type { Verdict } from '../model/verdict';
import type { Budget } from './budget';
import { type Cube, intersectRegions, type Region, subtractRegion } from './cube';
import {
  type Decided,
  decide,
  incomingMatches,
  incomingRegions,
  type Row,
  sectionRegions,
  type SectionRegions,
} from './decisions';
import { guardLists } from './guard-lists';
import { mirrorRegion, mirrorRows } from './mirror-region';
import { type Outcome, outcomeOfRow, plainOutcome } from './outcome';
import { Space } from './space';

/** Packets that come in; that go out and can begin something; TCP that goes out and begins nothing. */
export const TRAFFIC = ['in', 'out', 'answers'] as const;
export type Traffic = (typeof TRAFFIC)[number];

/** The lists of rows that decide, each under the name of what the user wrote. */
export const LISTS = ['keep-reachable', 'guard', 'guard out', 'inbound', 'outbound'] as const;
export type ListName = (typeof LISTS)[number];

/** Packets that get the same from the same. */
export interface Judged {
  readonly outcome: Outcome;
  readonly cube: Cube;
}

const TCP: Match = { ...MATCH_ALL, protocols: [PROTOCOL.TCP] };

/** A space that tells apart what any of the rulesets does. */
export function commonSpace(...rulesets: readonly Ruleset[]): Space {
  const rows = rulesets.flatMap((ruleset) => [
    ...[ruleset.guard.keepReachable, ruleset.guard.rules, ruleset.outbound.rules].flatMap((list) =>
      list.map(({ match }) => match),
    ),
    ...incomingMatches(ruleset),
  ]);
  return new Space([...rows, ...ECHO_REQUESTS, ...ICMP_ERRORS, ...DHCP_ANSWERS, LISTENER_MESSAGES]);
}

/** The packet of a key that the comparison is about: whole, and belonging to nothing earlier. */
export function freshPacket(key: FlowKey, traffic: Traffic): Packet {
  return {
    ...key,
    hopLimit: 64,
    fragment: 'none',
    ...(key.protocol === PROTOCOL.TCP && { tcpFlags: traffic === 'answers' ? TCP_FLAG.ACK : TCP_FLAG.SYN }),
    ...(key.icmp && isIcmpError(key.family, key.icmp.type) && { quote: { kind: 'bad', reason: 'icmp-unrelated' } }),
  };
}

/** One ruleset, made ready for questions about regions of the space. */
export class VerdictLayers {
  readonly lists: Readonly<Record<ListName, SectionRegions>>;
  /** Packets that any row is asked about, by traffic. */
  readonly asked: Readonly<Record<Traffic, Region>>;
  /** Whether anything that goes out can be refused. */
  readonly refusesOut: boolean;
  /** What tier 5 decides; nothing where it is off. */
  readonly essentials: Readonly<Record<'echo' | 'errors' | 'dhcp', Region>>;
  /** `lists` as packets that go out see them, of which they would be the answers; made when first asked. */
  #answered: Readonly<Record<'kept' | 'inbound', SectionRegions>> | null = null;
  readonly #tcp: Region;
  readonly #echoRequests: Region;

  constructor(ruleset: Ruleset, space: Space) {
    const [kept, incoming, outgoing] = guardLists(ruleset.guard);
    const regionsOf = (matches: readonly Match[]): Region => matches.flatMap((match) => space.regionOf(match));
    const { outbound, icmp } = ruleset;
    this.lists = {
      'keep-reachable': sectionRegions(kept, space),
      guard: sectionRegions(incoming, space),
      'guard out': sectionRegions(outgoing, space),
      inbound: incomingRegions(ruleset, space),
      outbound: sectionRegions(outbound, space),
    };
    const isOn = icmp === 'essentials';
    this.essentials = {
      echo: isOn ? regionsOf(ECHO_REQUESTS) : [],
      errors: isOn ? regionsOf(ICMP_ERRORS) : [],
      dhcp: isOn ? regionsOf(DHCP_ANSWERS) : [],
    };
    this.#tcp = regionsOf([TCP]);
    this.#echoRequests = regionsOf(ECHO_REQUESTS);
    const all = minus(space.everything(), regionsOf([LISTENER_MESSAGES]));
    this.asked = { in: all, out: all, answers: this.#tcp };
    const refuses = (rows: readonly Row[]): boolean => rows.some(({ verdict }) => verdict !== 'allow');
    this.refusesOut =
      outbound.default !== 'allow' || refuses(this.lists['guard out'].rows) || refuses(this.lists.outbound.rows);
  }

  /** What becomes of the packets of a region (of disjoint cubes); not all of it where the budget is spent meanwhile. */
  judge(traffic: Traffic, region: Region, budget: Budget): Judged[] {
    return traffic === 'in' ? this.#judgeIn(region, budget) : this.#judgeOut(traffic, region, budget);
  }

  #judgeIn(region: Region, budget: Budget): Judged[] {
    const judged = new Collected(budget);
    // tiers 3.1 and 3.3
    let rest = judged.through(this.lists['keep-reachable'], region, isRule);
    rest = judged.through(this.lists.guard, rest, isRefusal);
    // tier 5
    const { echo, errors, dhcp } = this.essentials;
    rest = judged.take(rest, errors, 'deny');
    rest = judged.take(rest, [...echo, ...dhcp], 'allow');
    // tiers 6 to 9
    judged.through(this.lists.inbound, rest, () => true);
    return judged.all;
  }

  #judgeOut(traffic: 'out' | 'answers', region: Region, budget: Budget): Judged[] {
    const judged = new Collected(budget);
    this.#answered ??= {
      kept: mirrorRows(this.lists['keep-reachable']),
      inbound: mirrorRows(this.lists.inbound),
    };
    const never = traffic === 'out' ? [...this.#tcp, ...this.#echoRequests, ...this.essentials.errors] : [];
    const beginning = intersectRegions(region, never);
    // step 2: answers to keep-reachable
    let answers = judged.through(this.#answered.kept, minus(region, never), isRule);
    // step 3: guard
    const guard = this.lists['guard out'];
    answers = judged.through(guard, answers, isRefusal);
    const rest = judged.through(guard, beginning, isRefusal);
    // step 5: answers; the default counts for TCP only
    answers = judged.take(answers, mirrorRegion(this.essentials.echo), 'allow');
    const isLetIn = ({ verdict, decider }: Decided): boolean =>
      verdict === 'allow' && (decider.kind !== 'default' || traffic === 'answers');
    answers = judged.through(this.#answered.inbound, answers, isLetIn, () => plainOutcome('allow'));
    // steps 6 and 7
    judged.through(this.lists.outbound, [...answers, ...rest], () => true);
    return judged.all;
  }
}

/** What is decided so far. */
class Collected {
  readonly all: Judged[] = [];

  constructor(private readonly budget: Budget) {}

  /** Asks a list: what it `takes` is decided by it, the rest is returned. */
  through(
    list: SectionRegions,
    region: Region,
    takes: (decided: Decided) => boolean,
    outcome: (decided: Decided) => Outcome = outcomeOfRow,
  ): Cube[] {
    const rest: Cube[] = [];
    for (const decided of decide(list, region, this.budget)) {
      if (takes(decided)) this.all.push({ outcome: outcome(decided), cube: decided.cube });
      else rest.push(decided.cube);
    }
    return rest;
  }

  /** Decides what lies in `part`; the rest is returned. */
  take(region: Region, part: Region, verdict: Verdict): Cube[] {
    for (const cube of intersectRegions(region, part)) this.all.push({ outcome: plainOutcome(verdict), cube });
    return minus(region, part);
  }
}

const isRule = ({ decider }: Decided): boolean => decider.kind === 'rule';

/** A row of the guard that allows only ends it. */
const isRefusal = (decided: Decided): boolean => isRule(decided) && decided.verdict !== 'allow';

function minus(region: Region, part: Region): Cube[] {
  return subtractRegion(region, part, Infinity)!;
}
