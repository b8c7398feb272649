/**
 * The space that the cubes of one analysis live in. Addresses become ranks: every place where a prefix of the
 * given matches begins or ends is a cut, and two addresses between the same cuts can never be told apart. So all
 * algebra runs on small integers, exactly, whatever the family.
 *
 * Exactness against `matches` of `model/evaluate.ts`: real packets have ports 1–65535 and ICMP types and codes
 * 0–255. A range that ends at such a border is drawn out to the border of the lane (0–65535). So a lane value that no
 * packet has (port 0, type 65535) always shares its fate with the nearest real one, and every piece that is left over
 * stands for real packets.
 */
import { ANY, type AddressMatch, type IcmpType, type Match, MATCH_ALL, type PortMatch } from '../model/match';
import type { FlowKey } from '../model/packet';
import { addressBits, type AddressWords, type Family, lastAddress, type Prefix } from '../model/prefix';
import { icmpOf, PORT_PROTOCOLS, PROTOCOL } from '../model/protocol';
import { type Cube, DIMENSION, type Region } from './cube';
import type { Point } from './cube-table';
import { contains, EMPTY, intersectSets, interval, type IntervalSet, subtractSets, unionOf } from './interval-set';

/** An address as one number: a double for IPv4, a bigint for IPv6. */
type AddressValue = number | bigint;

/** Every value of a lane. */
export const LANE = interval(0, 65536);
const PROTOCOLS = interval(0, 256);
/** Protocols whose lanes are ports. */
export const WITH_PORTS = unionOf([...PORT_PROTOCOLS.keys()].map((protocol) => [protocol, protocol + 1] as const));

/** What an example is taken from when it may be anything: documentation addresses (RFC 5737, RFC 3849). */
const EXAMPLE_ADDRESSES: Record<Family, readonly AddressWords[]> = {
  4: [[0xc0000209], [0xc6336409], [0xcb007109]],
  6: [[0x20010db8, 0, 0, 9]],
};
const EXAMPLE_PROTOCOLS = [PROTOCOL.TCP, PROTOCOL.UDP, PROTOCOL.ICMP, PROTOCOL.ICMPV6];
const EXAMPLE_SOURCE_PORT = 40000;
const EXAMPLE_DESTINATION_PORT = 443;

/** Sources, as few prefixes: these, or everybody of the family but these. */
export interface Sources {
  readonly everyoneBut: boolean;
  readonly prefixes: readonly Prefix[];
}

/** Turns matches into regions and pieces of regions into example packets. */
export class Space {
  private readonly axes: Record<Family, Axis>;
  private readonly cache = new Map<readonly Prefix[], Record<Family, IntervalSet>>();

  /** A space that tells apart whatever the given matches tell apart; only they may be asked for. */
  constructor(matches: Iterable<Match>) {
    const lists = new Set<readonly Prefix[]>();
    for (const { from, to } of matches) {
      if (from !== ANY) lists.add(from);
      if (to !== ANY) lists.add(to);
    }
    this.axes = { 4: new Axis(4, lists), 6: new Axis(6, lists) };
  }

  /** The packets a match matches. */
  regionOf(match: Match): Region {
    const cubes = this.cubesOf(match, 4);
    const more = this.cubesOf(match, 6);
    return more.length === 0 ? cubes : cubes.length === 0 ? more : [...cubes, ...more];
  }

  /** All packets of the families, as the match of any packet has them. */
  everything(): Region {
    return this.regionOf(MATCH_ALL);
  }

  /** Where a packet lies; protocols without lanes lie at 0 of both, as anywhere in them. */
  pointOf({ family, source, destination, protocol, icmp, ...ports }: FlowKey): Point {
    const axis = this.axes[family];
    const hasPorts = contains(WITH_PORTS, protocol);
    const lanes = icmp ? [icmp.type, icmp.code] : hasPorts ? [ports.destinationPort, ports.sourcePort] : [0, 0];
    return { family, values: [axis.rankOf(source), axis.rankOf(destination), ...lanes, protocol] };
  }

  /** One packet of the cube, a familiar one where there is a choice. */
  exampleOf({ family, sets }: Cube): FlowKey {
    const icmp = icmpOf(family);
    const protocol = preferred(sets[DIMENSION.PROTOCOL], EXAMPLE_PROTOCOLS);
    const key = {
      family,
      source: this.exampleAddress(family, sets[DIMENSION.SOURCE], 0),
      destination: this.exampleAddress(family, sets[DIMENSION.DESTINATION], 1),
      protocol,
      sourcePort: 0,
      destinationPort: 0,
    };
    if (protocol === icmp) {
      const type = preferred(sets[DIMENSION.DESTINATION_LANE], [family === 4 ? 8 : 128]);
      const code = preferred(sets[DIMENSION.SOURCE_LANE], []);
      return { ...key, icmp: { type: Math.min(255, type), code: Math.min(255, code) } };
    }
    if (!PORT_PROTOCOLS.has(protocol)) return key;
    return {
      ...key,
      sourcePort: Math.max(1, preferred(sets[DIMENSION.SOURCE_LANE], [EXAMPLE_SOURCE_PORT])),
      destinationPort: Math.max(1, preferred(sets[DIMENSION.DESTINATION_LANE], [EXAMPLE_DESTINATION_PORT])),
    };
  }

  /** Packets at both ends of every field of the cube, for each of the familiar protocols it holds, or its first one. */
  cornersOf({ family, sets }: Cube): FlowKey[] {
    const familiar = EXAMPLE_PROTOCOLS.filter((protocol) => contains(sets[DIMENSION.PROTOCOL], protocol));
    const protocols = familiar.length > 0 ? familiar : [sets[DIMENSION.PROTOCOL][0]];
    const axis = this.axes[family];
    const ends = ['first', 'last'] as const;
    return protocols.flatMap((protocol) =>
      ends.map((end) => {
        const valueOfLane = (dimension: number): number => endOf(sets[dimension], end);
        const key = {
          family,
          source: axis.endOf(sets[DIMENSION.SOURCE], end),
          destination: axis.endOf(sets[DIMENSION.DESTINATION], end),
          ...{ protocol, sourcePort: 0, destinationPort: 0 },
        };
        const [to, from] = [valueOfLane(DIMENSION.DESTINATION_LANE), valueOfLane(DIMENSION.SOURCE_LANE)];
        if (protocol === icmpOf(family))
          return { ...key, icmp: { type: Math.min(255, to), code: Math.min(255, from) } };
        if (!PORT_PROTOCOLS.has(protocol)) return key;
        return { ...key, sourcePort: Math.max(1, from), destinationPort: Math.max(1, to) };
      }),
    );
  }

  /** The addresses of a set of ranks of the family, in the shorter of the two forms. */
  sourcesOf(family: Family, set: IntervalSet): Sources {
    const axis = this.axes[family];
    const [these, others] = [set, subtractSets(axis.full, set)].map((ranks) => axis.prefixesOf(ranks));
    const everyoneBut = others.length < these.length;
    return { everyoneBut, prefixes: everyoneBut ? others : these };
  }

  private cubesOf(match: Match, family: Family): Cube[] {
    if (match.family !== ANY && match.family !== family) return [];
    const source = this.addressSet(match.from, family);
    const destination = this.addressSet(match.to, family);
    if (source.length === 0 || destination.length === 0) return [];
    const cube = (protocols: IntervalSet, destinationLane: IntervalSet, sourceLane: IntervalSet): Cube[] => {
      if (destinationLane.length === 0 || sourceLane.length === 0 || protocols.length === 0) return [];
      return [{ family, sets: [source, destination, destinationLane, sourceLane, protocols] }];
    };

    const protocols = protocolSet(match.protocols);
    const hasPorts = match.fromPorts !== ANY || match.toPorts !== ANY;
    if (match.icmpTypes !== ANY) {
      const icmp = icmpOf(family);
      if (hasPorts || !contains(protocols, icmp)) return [];
      return icmpLanes(match.icmpTypes).flatMap(({ types, codes }) => cube(interval(icmp, icmp + 1), types, codes));
    }
    if (!hasPorts) return cube(protocols, LANE, LANE);
    return cube(withPortsOnly(protocols), portLane(match.toPorts), portLane(match.fromPorts));
  }

  private addressSet(match: AddressMatch, family: Family): IntervalSet {
    if (match === ANY) return this.axes[family].full;
    // Nearly every list is one prefix: quicker found again than remembered.
    if (match.length === 1) return this.axes[family].setOf(match);
    let sets = this.cache.get(match);
    if (!sets) {
      sets = { 4: this.axes[4].setOf(match), 6: this.axes[6].setOf(match) };
      this.cache.set(match, sets);
    }
    return sets[family];
  }

  private exampleAddress(family: Family, set: IntervalSet, rotate: number): AddressWords {
    const axis = this.axes[family];
    const examples = EXAMPLE_ADDRESSES[family];
    for (let i = 0; i < examples.length; i++) {
      const words = examples[(i + rotate) % examples.length];
      if (contains(set, axis.rankOf(words))) return words;
    }
    return axis.firstOf(set[0]);
  }
}

/** All addresses of one family, cut wherever a prefix begins or ends. */
class Axis {
  readonly full: IntervalSet;
  /** Ascending; rank `i` stands for the addresses from `cuts[i]` up to the next cut. */
  private readonly cuts: ArrayLike<AddressValue>;

  constructor(
    private readonly family: Family,
    lists: Iterable<readonly Prefix[]>,
  ) {
    this.cuts = family === 4 ? cutsOf4(lists) : cutsOf6(lists);
    this.full = interval(0, this.cuts.length);
  }

  /** The ranks of the addresses of the prefixes, which are among those the axis was made of. */
  setOf(prefixes: readonly Prefix[]): IntervalSet {
    if (prefixes.length === 1) return prefixes[0].family === this.family ? this.setOfOne(prefixes[0]) : EMPTY;
    // In ascending order: what is looked up next to each other lies in the same cache line.
    if (this.family === 4) return Array.from(rangesOf4(prefixes), (value) => this.cutsBelow(value));
    const own = prefixes.filter(({ family }) => family === this.family);
    return unionOf(
      own.map((prefix) => [this.cutsBelow(valueOf(prefix.words)), this.cutsBelow(behind(prefix))] as const),
    );
  }

  private setOfOne(prefix: Prefix): IntervalSet {
    return [this.cutsBelow(valueOf(prefix.words)), this.cutsBelow(behind(prefix))];
  }

  /** The rank of any address. */
  rankOf(words: AddressWords): number {
    const value = valueOf(words);
    const below = this.cutsBelow(value);
    return this.cuts[below] === value ? below : below - 1;
  }

  /** The lowest address of a rank. */
  firstOf(rank: number): AddressWords {
    const value = this.cuts[rank];
    return wordsOf(this.family, BigInt(value));
  }

  /** The lowest or the highest address of a set of ranks. */
  endOf(set: IntervalSet, end: 'first' | 'last'): AddressWords {
    if (end === 'first') return this.firstOf(set[0]);
    const behindLast = set[set.length - 1];
    const limit = 1n << BigInt(addressBits(this.family));
    return wordsOf(this.family, (behindLast < this.cuts.length ? BigInt(this.cuts[behindLast]) : limit) - 1n);
  }

  /** The fewest prefixes that make up the ranks, ascending. */
  prefixesOf(set: IntervalSet): Prefix[] {
    const bits = addressBits(this.family);
    const end = 1n << BigInt(bits);
    const valueAt = (rank: number): bigint => (rank < this.cuts.length ? BigInt(this.cuts[rank]) : end);
    const prefixes: Prefix[] = [];
    for (let i = 0; i < set.length; i += 2) {
      const behindLast = valueAt(set[i + 1]);
      for (let first = valueAt(set[i]); first < behindLast;) {
        // The widest prefix that begins here and does not reach too far.
        let length = 0;
        let size = end;
        while (first % size !== 0n || first + size > behindLast) {
          size >>= 1n;
          length++;
        }
        prefixes.push({ family: this.family, words: wordsOf(this.family, first), length });
        first += size;
      }
    }
    return prefixes;
  }

  /** How many cuts are smaller than the value. */
  private cutsBelow(value: AddressValue): number {
    let low = 0;
    let high = this.cuts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.cuts[middle] < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Lists that are remembered: a set may have a million prefixes, and a thousand servers may name it. */
const LONG_LIST = 64;
const RANGES4 = new WeakMap<readonly Prefix[], Float64Array>();

/** The IPv4 addresses of a list: where each run of them begins and where it ends, ascending and apart. */
function rangesOf4(list: readonly Prefix[]): Float64Array {
  let ranges = RANGES4.get(list);
  if (ranges) return ranges;
  const own = list.filter(({ family }) => family === 4);
  // An address and a length in one number, sorted as such: of prefixes that begin together the widest comes first.
  const keys = Float64Array.from(own, ({ words, length }) => words[0] * 64 + length).sort();
  ranges = new Float64Array(2 * keys.length);
  let count = 0;
  for (const key of keys) {
    const first = Math.floor(key / 64);
    const end = first + 2 ** (32 - (key % 64));
    // Two prefixes lie apart, or one lies in the other.
    if (count === 0 || first > ranges[count - 1]) {
      ranges[count++] = first;
      ranges[count++] = end;
    } else if (first === ranges[count - 1]) ranges[count - 1] = end;
  }
  ranges = ranges.subarray(0, count);
  if (list.length >= LONG_LIST) RANGES4.set(list, ranges);
  return ranges;
}

function cutsOf4(lists: Iterable<readonly Prefix[]>): Float64Array {
  const values: number[] = [0];
  for (const list of lists) {
    if (list.length > 1) {
      // A place inside a run tells nothing apart.
      for (const value of rangesOf4(list)) values.push(value);
    } else if (list.length === 1 && list[0].family === 4) {
      values.push(list[0].words[0], list[0].words[0] + 2 ** (32 - list[0].length));
    }
  }
  const cuts = Float64Array.from(values).sort();
  let count = 1;
  for (let i = 1; i < cuts.length; i++) {
    if (cuts[i] !== cuts[count - 1] && cuts[i] < 2 ** 32) cuts[count++] = cuts[i];
  }
  return cuts.subarray(0, count);
}

function cutsOf6(lists: Iterable<readonly Prefix[]>): bigint[] {
  const values = new Set<bigint>([0n]);
  for (const list of lists) {
    for (const prefix of list) {
      if (prefix.family !== 6) continue;
      values.add(valueOf(prefix.words) as bigint);
      values.add(behind(prefix) as bigint);
    }
  }
  values.delete(1n << 128n);
  const low = (1n << 64n) - 1n;
  for (const value of values) if ((value & low) !== 0n) return [...values].sort((a, b) => (a < b ? -1 : 1));
  // Networks of a /64 or wider are sorted as numbers too.
  return Array.from(BigUint64Array.from(values, (value) => value >> 64n).sort(), (value) => value << 64n);
}

function wordsOf(family: Family, value: bigint): AddressWords {
  const shifts = family === 4 ? [0n] : [96n, 64n, 32n, 0n];
  return shifts.map((shift) => Number((value >> shift) & 0xffffffffn));
}

function valueOf(words: AddressWords): AddressValue {
  if (words.length === 1) return words[0];
  return words.reduce((value, word) => (value << 32n) | BigInt(word), 0n);
}

/** The first address behind a prefix; 2^32 or 2^128 where it reaches the end. */
function behind(prefix: Prefix): AddressValue {
  const last = valueOf(lastAddress(prefix));
  return typeof last === 'number' ? last + 1 : last + 1n;
}

/** Port ranges as a lane; ports 1 and 65535 are its borders, see the head of the file. */
export function portLane(match: PortMatch): IntervalSet {
  if (match === ANY) return LANE;
  if (match.length === 1) return interval(match[0].first <= 1 ? 0 : match[0].first, match[0].last + 1);
  return unionOf(match.map(({ first, last }) => [first <= 1 ? 0 : first, last + 1] as const));
}

/** Sets of one protocol, which nearly every row has: made once. */
const ONE_PROTOCOL = Array.from({ length: 256 }, (_, number) => interval(number, number + 1));
const ALONE_WITH_PORTS: ReadonlyMap<IntervalSet, IntervalSet> = new Map(
  [...ONE_PROTOCOL, PROTOCOLS].map((set) => [set, intersectSets(set, WITH_PORTS)]),
);

function protocolSet(protocols: Match['protocols']): IntervalSet {
  if (protocols === ANY) return PROTOCOLS;
  if (protocols.length === 1) return ONE_PROTOCOL[protocols[0]];
  return unionOf(protocols.map((number) => [number, number + 1] as const));
}

/** Those of the protocols that carry ports. */
function withPortsOnly(protocols: IntervalSet): IntervalSet {
  return ALONE_WITH_PORTS.get(protocols) ?? intersectSets(protocols, WITH_PORTS);
}

/** ICMP types as lanes: all those with any code together, the others one by one. */
function icmpLanes(types: readonly IcmpType[]): { types: IntervalSet; codes: IntervalSet }[] {
  const lane = (value: number): readonly [number, number] => [value, value === 255 ? 65536 : value + 1];
  const anyCode = unionOf(types.filter(({ code }) => code === undefined).map(({ type }) => lane(type)));
  const single = types.flatMap(({ type, code }) =>
    code === undefined || contains(anyCode, type)
      ? []
      : [{ types: unionOf([lane(type)]), codes: unionOf([lane(code)]) }],
  );
  return [{ types: anyCode, codes: LANE }, ...single];
}

/** The smallest or the greatest element of a set. */
function endOf(set: IntervalSet, end: 'first' | 'last'): number {
  return end === 'first' ? set[0] : set[set.length - 1] - 1;
}

/** The first of the wishes that is in the set, else its smallest element. */
function preferred(set: IntervalSet, wishes: readonly number[]): number {
  return wishes.find((wish) => contains(set, wish)) ?? set[0];
}
