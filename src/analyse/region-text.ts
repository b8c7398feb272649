/** Regions in the words of rules: who, to whom, which port. */
import { type Family, formatPrefix } from '../model/prefix';
import { icmpOf, PORT_PROTOCOLS, PROTOCOL } from '../model/protocol';
import { type Cube, DIMENSION, type Region } from './cube';
import { type IntervalSet, sizeOf, subtractSets } from './interval-set';
import { LANE, type Sources, type Space, WITH_PORTS } from './space';

/** Part of a region, in words. */
export interface RegionText {
  /** `tcp from 203.0.113.0/24 to any port 8000`. */
  readonly text: string;
  readonly families: readonly Family[];
  /** The first cube that it tells of. */
  readonly cube: Cube;
}

/** A cube as data. Ranges are inclusive; what does not narrow it is left out. */
export interface RegionData {
  readonly family: Family;
  readonly protocols?: Ranges;
  readonly from?: AddressData;
  readonly to?: AddressData;
  readonly fromPorts?: Ranges;
  readonly ports?: Ranges;
  readonly icmpTypes?: Ranges;
  readonly icmpCodes?: Ranges;
}

type Ranges = readonly (readonly [first: number, last: number])[];

/** These prefixes, or (`but`) all others of the family. */
export type AddressData = { readonly in: readonly string[] } | { readonly but: readonly string[] };

/** Addresses, ports and types that one line lists; of more it says how many. */
const LISTED_MAX = 4;

/** One line for each cube; those that differ in family alone share one. The least special come first. */
export function describeRegion(space: Space, region: Region): RegionText[] {
  const lines = new Map<string, RegionText & { readonly special: number; readonly hasAddress: boolean }>();
  for (const cube of region) {
    const words = describeCube(space, cube);
    const known = lines.get(words.text);
    const families = [...new Set([...(known?.families ?? []), cube.family])].sort();
    lines.set(words.text, { ...words, families, cube: known?.cube ?? cube });
  }
  return [...lines.values()]
    .sort((a, b) => a.special - b.special)
    .map(({ text, families, cube, hasAddress }) => {
      // An address shows its family itself.
      const [family] = families.length === 1 && !hasAddress ? families : [];
      return { text: family === undefined ? text : `${text} (IPv${family})`, families, cube };
    });
}

/** The whole of a cube as data, nothing shortened. */
export function regionData(space: Space, { family, sets }: Cube): RegionData {
  const protocols = sets[DIMENSION.PROTOCOL];
  const [toLane, fromLane] = [sets[DIMENSION.DESTINATION_LANE], sets[DIMENSION.SOURCE_LANE]];
  const isIcmp = sizeOf(protocols) === 1 && protocols[0] === icmpOf(family);
  const hasPorts = subtractSets(protocols, WITH_PORTS).length === 0;
  const addresses = (ranks: IntervalSet): AddressData | undefined => {
    const { everyoneBut, prefixes } = space.sourcesOf(family, ranks);
    const texts = prefixes.map(formatPrefix);
    if (everyoneBut) return texts.length === 0 ? undefined : { but: texts };
    return { in: texts };
  };
  const [from, to] = [addresses(sets[DIMENSION.SOURCE]), addresses(sets[DIMENSION.DESTINATION])];
  const lane = (set: IntervalSet, first: number, last: number): Ranges | undefined =>
    isFull(set) ? undefined : rangesOf(set, first, last);
  const [ports, fromPorts] = hasPorts ? [lane(toLane, 1, 65535), lane(fromLane, 1, 65535)] : [];
  const [icmpTypes, icmpCodes] = isIcmp ? [lane(toLane, 0, 255), lane(fromLane, 0, 255)] : [];
  return {
    family,
    ...(sizeOf(protocols) < 256 && { protocols: rangesOf(protocols, 0, 255) }),
    ...(from && { from }),
    ...(to && { to }),
    ...(fromPorts && { fromPorts }),
    ...(ports && { ports }),
    ...(icmpTypes && { icmpTypes }),
    ...(icmpCodes && { icmpCodes }),
  };
}

/** What of the set lies between the two: lanes reach beyond what packets can have, see `space.ts`. */
function rangesOf(set: IntervalSet, first: number, last: number): Ranges {
  return Array.from(
    { length: set.length / 2 },
    (_, i) => [Math.max(first, set[2 * i]), Math.min(last, set[2 * i + 1] - 1)] as const,
  ).filter(([from, to]) => from <= to);
}

function describeCube(space: Space, { family, sets }: Cube): { text: string; special: number; hasAddress: boolean } {
  const protocols = sets[DIMENSION.PROTOCOL];
  const [toLane, fromLane] = [sets[DIMENSION.DESTINATION_LANE], sets[DIMENSION.SOURCE_LANE]];
  const isIcmp = sizeOf(protocols) === 1 && protocols[0] === icmpOf(family);
  const hasPorts = subtractSets(protocols, WITH_PORTS).length === 0;
  const lane = (word: string, set: IntervalSet, last: number): string =>
    isFull(set) ? '' : ` ${word} ${laneWords(set, last)}`;
  const ends = [sets[DIMENSION.SOURCE], sets[DIMENSION.DESTINATION]].map((ranks) => space.sourcesOf(family, ranks));
  const [source, destination] = ends.map(addressWords);
  const hasAddress = ends.some(({ prefixes }) => prefixes.length > 0);
  const text = [
    protocolWords(family, protocols),
    isIcmp ? `${lane('type', toLane, 255)}${lane('code', fromLane, 255)}` : '',
    ` from ${source}${hasPorts ? lane('port', fromLane, 65535) : ''}`,
    ` to ${destination}${hasPorts ? lane('port', toLane, 65535) : ''}`,
  ].join('');
  const special = [source === 'any', destination === 'any', isFull(toLane), isFull(fromLane)].filter(
    (isWide) => !isWide,
  ).length;
  return { text, special, hasAddress };
}

function isFull(set: IntervalSet): boolean {
  return set.length === LANE.length && set.every((bound, i) => bound === LANE[i]);
}

function addressWords({ everyoneBut, prefixes }: Sources): string {
  if (prefixes.length === 0) return everyoneBut ? 'any' : 'nobody';
  return `${everyoneBut ? 'any but ' : ''}${list(prefixes.map(formatPrefix))}`;
}

function protocolWords(family: Family, set: IntervalSet): string {
  const others = subtractSets([0, 256], set);
  if (others.length === 0) return 'any protocol';
  // The family's own ICMP first, so that both families read the same.
  const rank = (number: number): number => (number === icmpOf(family) ? -1 : number);
  const words = (of: IntervalSet): string =>
    list(
      values(of)
        .sort((a, b) => rank(a) - rank(b))
        .map((number) => protocolWord(family, number)),
    );
  return sizeOf(others) < sizeOf(set) ? `any protocol but ${words(others)}` : words(set);
}

function protocolWord(family: Family, number: number): string {
  if (number === icmpOf(family)) return 'icmp';
  if (number === PROTOCOL.ICMP || number === PROTOCOL.ICMPV6) return `proto ${number}`;
  return PORT_PROTOCOLS.get(number)?.name ?? `proto ${number}`;
}

/** `22,8000:8080`, `any but 22`; lanes reach beyond what packets can have, see `space.ts`. */
function laneWords(set: IntervalSet, last: number): string {
  const others = subtractSets(LANE, set);
  const [shown, prefix] = others.length < set.length ? [others, 'any but '] : [set, ''];
  const ranges = rangesOf(shown, last === 255 ? 0 : 1, last);
  return `${prefix}${list(
    ranges.map(([from, to]) => (from === to ? String(from) : `${from}:${to}`)),
    ',',
  )}`;
}

function values(set: IntervalSet): number[] {
  const all: number[] = [];
  for (let i = 0; i < set.length; i += 2) for (let value = set[i]; value < set[i + 1]; value++) all.push(value);
  return all;
}

function list(words: readonly string[], between = ', '): string {
  const more = words.length - LISTED_MAX;
  return more > 0 ? `${words.slice(0, LISTED_MAX).join(between)} and ${more} more` : words.join(between);
}
