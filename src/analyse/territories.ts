/**
 * What servers own, by address: prefixes that are sorted by address, the wider first, contain each other or stand one
 * behind the other, so that a question about a prefix looks at those around it and those in it alone.
 */
import { firstWhere } from '../model/first-where';
import {
  type AddressWords,
  compareAddresses,
  type Family,
  lastAddress,
  type Prefix,
  prefixCovers,
} from '../model/prefix';
import { PROTOCOL } from '../model/protocol';
import type { Server } from '../model/ruleset';
import { type Cube, DIMENSION } from './cube';
import { areDisjoint, contains, EMPTY, type IntervalSet, subtractSets, unionOf } from './interval-set';
import { LANE, portLane } from './space';

/** What is asked about packets to some address: those of TCP and UDP by port, and whether there are others. */
interface Wanted {
  readonly ports: IntervalSet;
  readonly others: boolean;
}

/** What servers have of one prefix. */
interface Level {
  readonly prefix: Prefix;
  /** Index of the narrowest prefix around it; -1 where there is none. */
  readonly around: number;
  /** Index behind the last prefix in it. */
  end: number;
  /** Ascending by port; a server without ports has all of them, and what has none. */
  readonly parts: { readonly ports: IntervalSet; readonly others: boolean; readonly server: number }[];
  /** Of all parts together. */
  ports: IntervalSet;
  others: boolean;
}

/** The packets that servers own. No two own the same one. */
export class Territories {
  private readonly levels: Record<Family, readonly Level[]>;

  constructor(servers: readonly Pick<Server, 'addresses' | 'ports'>[]) {
    this.levels = { 4: levelsOf(servers, 4), 6: levelsOf(servers, 6) };
  }

  /**
   * Servers that own packets of these cubes to these addresses, ascending by index; null where some of the packets, or
   * all, are nobody's. Of a cube all counts but its destination.
   */
  ownersOf(region: readonly Cube[], to: readonly Prefix[]): number[] | null {
    const owners = new Set<number>();
    for (const cube of region) {
      const protocols = cube.sets[DIMENSION.PROTOCOL];
      const hasPorts = contains(protocols, PROTOCOL.TCP) || contains(protocols, PROTOCOL.UDP);
      const wanted = {
        ports: hasPorts ? cube.sets[DIMENSION.DESTINATION_LANE] : EMPTY,
        others: subtractSets(protocols, TCP_AND_UDP).length > 0,
      };
      for (const prefix of to) if (prefix.family === cube.family && !this.isOwned(prefix, wanted, owners)) return null;
    }
    return owners.size === 0 ? null : [...owners].sort((a, b) => a - b);
  }

  private isOwned(prefix: Prefix, wanted: Wanted, owners: Set<number>): boolean {
    const levels = this.levels[prefix.family];
    const behind = firstBehind(levels, prefix);
    let rest = wanted;
    let at = behind - 1;
    while (at >= 0 && !prefixCovers(levels[at].prefix, prefix)) at = levels[at].around;
    for (; at >= 0; at = levels[at].around) rest = take(levels[at], rest, owners);
    return isNothing(rest) || this.isTiled(prefix, behind, levels.length, rest, owners);
  }

  /** Whether the levels in the prefix, from `first` on, leave nothing of what is wanted of any address. */
  private isTiled(prefix: Prefix, first: number, end: number, wanted: Wanted, owners: Set<number>): boolean {
    const levels = this.levels[prefix.family];
    let next: AddressWords | null = prefix.words;
    let at = first;
    while (next !== null) {
      if (at >= end || compareAddresses(levels[at].prefix.words, next) !== 0) return false;
      const level = levels[at];
      const rest = take(level, wanted, owners);
      if (!isNothing(rest) && !this.isTiled(level.prefix, at + 1, level.end, rest, owners)) return false;
      next = addressBehind(level.prefix, prefix);
      at = level.end;
    }
    return true;
  }
}

const TCP_AND_UDP = unionOf([PROTOCOL.TCP, PROTOCOL.UDP].map((protocol) => [protocol, protocol + 1] as const));

function isNothing({ ports, others }: Wanted): boolean {
  return ports.length === 0 && !others;
}

/** What is left of it where the level's servers have taken theirs; they are added to the owners. */
function take(level: Level, wanted: Wanted, owners: Set<number>): Wanted {
  if (areDisjoint(level.ports, wanted.ports) && !(level.others && wanted.others)) return wanted;
  for (const { ports, others, server } of level.parts)
    if ((others && wanted.others) || !areDisjoint(ports, wanted.ports)) owners.add(server);
  return { ports: subtractSets(wanted.ports, level.ports), others: wanted.others && !level.others };
}

function levelsOf(servers: readonly Pick<Server, 'addresses' | 'ports'>[], family: Family): Level[] {
  const owned = servers
    .flatMap(({ addresses }, server) => addresses.map((prefix) => ({ prefix, server })))
    .filter(({ prefix }) => prefix.family === family)
    .sort(({ prefix: a }, { prefix: b }) => compareAddresses(a.words, b.words) || a.length - b.length);
  const levels: Level[] = [];
  let around = -1;
  for (const { prefix, server } of owned) {
    while (around >= 0 && !prefixCovers(levels[around].prefix, prefix)) around = close(levels, around);
    if (around < 0 || levels[around].prefix.length !== prefix.length) {
      levels.push({ prefix, around, end: 0, parts: [], ports: EMPTY, others: false });
      around = levels.length - 1;
    }
    const { ports } = servers[server];
    levels[around].parts.push({ ports: ports ? portLane(ports) : LANE, others: ports === undefined, server });
  }
  while (around >= 0) around = close(levels, around);
  for (const level of levels) {
    level.ports = unionOf(level.parts.flatMap(({ ports }) => pairsOf(ports)));
    level.others = level.parts.some(({ others }) => others);
  }
  return levels;
}

/** Ends a level; the one around it. */
function close(levels: readonly Level[], at: number): number {
  levels[at].end = levels.length;
  return levels[at].around;
}

function pairsOf(set: IntervalSet): (readonly [number, number])[] {
  return Array.from({ length: set.length / 2 }, (_, i) => [set[2 * i], set[2 * i + 1]] as const);
}

/** Index of the first level that stands behind the prefix: in it and narrower, or at a higher address. */
function firstBehind(levels: readonly Level[], prefix: Prefix): number {
  return firstWhere(levels, ({ prefix: { words, length } }) => {
    return (compareAddresses(words, prefix.words) || length - prefix.length) > 0;
  });
}

/** The address behind the inner prefix; null where that is behind the outer one too. */
function addressBehind(inner: Prefix, outer: Prefix): AddressWords | null {
  const last = lastAddress(inner);
  if (compareAddresses(last, lastAddress(outer)) === 0) return null;
  const words = [...last];
  let at = words.length - 1;
  while (words[at] === 0xffffffff) words[at--] = 0;
  words[at]++;
  return words;
}
