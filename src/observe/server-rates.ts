/** Packets a second of each server, between two snapshots. */
import type { ServerSection } from './server-page';

/** What its rows, SSH row, default and UDP switch let in and refused. */
export interface ServerRate {
  /** Packets a second. */
  readonly allowed: number;
  readonly denied: number;
}

/**
 * By the name of the server; it has none where it was not there before, or where its counters are behind what they were: a
 * row that has gone took its own with it.
 */
export function serverRates(
  before: readonly ServerSection[],
  after: readonly ServerSection[],
  seconds: number,
): ReadonlyMap<string, ServerRate> {
  // Somebody has set the clock back.
  if (seconds <= 0) return new Map();
  const known = new Map(before.map(({ name, server }) => [name, server]));
  return new Map(
    after.flatMap(({ name, server }): [string, ServerRate][] => {
      const earlier = known.get(name);
      if (!earlier) return [];
      const [allowed, denied] = (['allowed', 'denied'] as const).map(
        (word) => Number(BigInt(server[word]) - BigInt(earlier[word])) / seconds,
      );
      return allowed < 0 || denied < 0 ? [] : [[name, { allowed, denied }]];
    }),
  );
}

/** What servers can be ordered by. */
export const SERVER_ORDERS = ['name', 'passed', 'dropped'] as const;
export type ServerOrder = (typeof SERVER_ORDERS)[number];

/** Most first: by packets a second, where these are the same by packets. */
export function orderServers(
  servers: readonly ServerSection[],
  rates: ReadonlyMap<string, ServerRate>,
  order: ServerOrder,
): readonly ServerSection[] {
  if (order === 'name') return servers;
  const word = order === 'passed' ? 'allowed' : 'denied';
  const rateOf = ({ name }: ServerSection): number => rates.get(name)?.[word] ?? 0;
  return [...servers].sort((a, b) => rateOf(b) - rateOf(a) || compare(BigInt(b.server[word]), BigInt(a.server[word])));
}

function compare(one: bigint, other: bigint): number {
  return one === other ? 0 : one < other ? -1 : 1;
}
