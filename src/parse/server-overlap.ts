/**
 * Which servers own the same packets, in one sweep over their addresses: prefixes that are sorted by address, the wider
 * first, contain each other or come one behind the other.
 */
import { firstWhere } from '../model/first-where';
import { formatPorts, type PortRange } from '../model/port-range';
import { compareAddresses, formatPrefix, type Prefix, prefixCovers } from '../model/prefix';
import type { Server } from '../model/ruleset';

/** Two servers by their index, which may be one and the same, and what both own: `198.51.100.7 port 14500:14599`. */
export interface Overlap {
  readonly one: number;
  readonly other: number;
  readonly what: string;
}

/** What servers have of one prefix, ascending by port; no two overlap. */
interface Level {
  readonly prefix: Prefix;
  readonly taken: { readonly range: PortRange; readonly server: number }[];
}

/** A server without ports owns all of them, and what has none. */
const WHOLE: PortRange = { first: 0, last: 65535 };

/** Pairs of servers that are named: who copied a file a thousand times needs no more. */
const OVERLAPS_MAX = 100;

/** The first overlap of each pair of servers, up to `OVERLAPS_MAX`; `one` stands before `other` in the list. */
export function findOverlaps(servers: readonly Pick<Server, 'addresses' | 'ports'>[]): Overlap[] {
  const owned = servers.flatMap(({ addresses }, server) => addresses.map((prefix) => ({ prefix, server })));
  owned.sort(
    ({ prefix: a, server: i }, { prefix: b, server: j }) =>
      a.family - b.family || compareAddresses(a.words, b.words) || a.length - b.length || i - j,
  );
  const overlaps: Overlap[] = [];
  const told = new Set<string>();
  /** Prefixes around the current one, the widest first. */
  const around: Level[] = [];
  for (const { prefix, server } of owned) {
    while (around.length > 0 && !prefixCovers(around[around.length - 1].prefix, prefix)) around.pop();
    if (around.at(-1)?.prefix.length !== prefix.length) around.push({ prefix, taken: [] });
    const own = around[around.length - 1];
    for (const range of servers[server].ports ?? [WHOLE]) {
      const met = around.flatMap((level) => meeting(level, range) ?? []).at(0);
      if (!met) {
        own.taken.splice(placeOf(own, range), 0, { range, server });
        continue;
      }
      const common = { first: Math.max(met.range.first, range.first), last: Math.min(met.range.last, range.last) };
      const ports = common.first === WHOLE.first ? '' : ` port ${formatPorts([common])}`;
      const [one, other] = [Math.min(met.server, server), Math.max(met.server, server)];
      if (told.has(`${one} ${other}`)) continue;
      if (told.size === OVERLAPS_MAX) return overlaps;
      told.add(`${one} ${other}`);
      overlaps.push({ one, other, what: `${formatPrefix(prefix)}${ports}` });
    }
  }
  return overlaps;
}

/** What of the level has a port of the range; undefined where nothing has. */
function meeting(level: Level, range: PortRange): Level['taken'][number] | undefined {
  const at = placeOf(level, range);
  const found = [level.taken.at(at), at > 0 ? level.taken[at - 1] : undefined];
  return found.find((each) => each && each.range.first <= range.last && range.first <= each.range.last);
}

/** Where the range would stand among those of the level. */
function placeOf({ taken }: Level, { first }: PortRange): number {
  return firstWhere(taken, ({ range }) => range.first >= first);
}
