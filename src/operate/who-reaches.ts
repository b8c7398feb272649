/** Who reaches a port, exactly: for people and as data. */
import { type Reach, ReachMap } from '../analyse/reach';
import type { Sources } from '../analyse/space';
import { type Family, formatPrefix, type Prefix } from '../model/prefix';
import type { Ruleset } from '../model/ruleset';

/** Who reaches a port over one protocol of one family. */
export interface Reached {
  readonly family: Family;
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
  /** Where it is reached. */
  readonly addresses: readonly Prefix[];
  /** Null where too many rules overlap to say. */
  readonly reach: Reach | null;
}

/** What is asked. */
export interface ReachQuestion {
  readonly port: number;
  readonly protocols: readonly ('tcp' | 'udp')[];
  /** Addresses of both families; a family without any is not answered for. */
  readonly addresses: readonly Prefix[];
  readonly bans: readonly Prefix[];
}

/** Answers by the rules and by bans; what is under ALLOW ALL is open in the ruleset that is given. */
export function whoReaches(ruleset: Ruleset, { port, protocols, addresses, bans }: ReachQuestion): Reached[] {
  const doors = protocols.flatMap((protocol) =>
    ([4, 6] as const).map((family) => ({
      ...{ family, protocol, port },
      addresses: addresses.filter((prefix) => prefix.family === family),
    })),
  );
  const there = doors.filter((door) => door.addresses.length > 0);
  const map = new ReachMap(ruleset, there, bans);
  return there.map((door) => ({ ...door, reach: map.of(door) }));
}

/** A paragraph for each: every network, or so many of each list, in a line of its own where there are more than fit into one. */
export function renderReached(reached: readonly Reached[], most = Infinity): string {
  return reached.map((one) => renderOne(one, most)).join('\n');
}

function renderOne({ family, protocol, port, reach }: Reached, most: number): string {
  const head = `${port}/${protocol} over IPv${family}`;
  if (!reach) return `${head}: not proven, too many rules overlap`;
  const { sources, limited, partly } = reach;
  return [
    `${head}: ${listed(sources, most)}`,
    ...(isNobody(limited) ? [] : [`  of them limited: ${listed(limited, most)}`]),
    ...(isNobody(partly)
      ? []
      : [`  of them from some source ports, or to some of the addresses, only: ${listed(partly, most)}`]),
  ].join('\n');
}

/** Networks in one line. */
const IN_A_LINE = 4;

function listed({ everyoneBut, prefixes }: Sources, most: number): string {
  if (prefixes.length === 0) return everyoneBut ? 'everyone' : 'nobody';
  const names = prefixes.slice(0, most).map(formatPrefix);
  const more = prefixes.length - names.length;
  const before = everyoneBut ? 'everyone but' : '';
  if (names.length <= IN_A_LINE) return `${before} ${names.join(', ')}`.trimStart();
  return [
    `${before || prefixes.length}${before ? ` ${prefixes.length}` : ''} networks`,
    ...names.map((name) => `    ${name}`),
    ...(more > 0 ? [`    and ${more} more`] : []),
  ].join('\n');
}

function isNobody({ everyoneBut, prefixes }: Sources): boolean {
  return !everyoneBut && prefixes.length === 0;
}

/** The same as JSON; `more`: how many networks of a list are left out. */
export function reachedToJson(
  { family, protocol, port, addresses, reach }: Reached,
  most = Infinity,
): Record<string, unknown> {
  const plain = ({ everyoneBut, prefixes }: Sources) => ({
    ...{ everyoneBut, networks: prefixes.slice(0, most).map(formatPrefix) },
    ...(prefixes.length > most && { more: prefixes.length - most }),
  });
  return {
    ...{ family, protocol, port, addresses: addresses.map(formatPrefix), proven: reach !== null },
    ...(reach && { sources: plain(reach.sources), limited: plain(reach.limited), partly: plain(reach.partly) }),
  };
}
