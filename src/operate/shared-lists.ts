/**
 * Lists of addresses in state files: each stands there once, however many rows name it, and rows that shared one share
 * one again when they are read, which the compiler relies on to compile it once.
 */
import { type AddressMatch, ANY } from '../model/match';
import type { Prefix } from '../model/prefix';
import type { Rule, Ruleset } from '../model/ruleset';

/** What is written: the number of a list stands where the list stood. */
export interface WithLists<T> {
  readonly lists: readonly (readonly Prefix[])[];
  /** Of the same shape, but for numbers in place of lists. */
  readonly packed: T;
}

/** Exchanges the addresses of a match or set. */
export type Exchange = (addresses: AddressMatch) => AddressMatch;
/** Walks through all places of a value in which addresses stand. */
type Walk<T> = (value: T, exchange: Exchange) => T;

/** The lists of a value, and the value with their numbers. */
export function packLists<T>(value: T, walk: Walk<T>): WithLists<T> {
  const numbers = new Map<readonly Prefix[], number>();
  const packed = walk(value, (addresses) => {
    if (addresses === ANY) return addresses;
    const number = numbers.get(addresses) ?? numbers.size;
    numbers.set(addresses, number);
    return number as unknown as AddressMatch;
  });
  return { lists: [...numbers.keys()], packed };
}

/** The value again. Throws where a list is missing. */
export function unpackLists<T>({ lists, packed }: WithLists<T>, walk: Walk<T>): T {
  return walk(packed, (addresses) => {
    if (addresses === ANY) return addresses;
    const list = (lists as Readonly<Record<number, readonly Prefix[] | undefined>>)[addresses as unknown as number];
    if (list === undefined) throw new Error('a list of addresses is missing');
    return list;
  });
}

/** All addresses of rules. */
export function walkRules<R extends Rule>(rules: readonly R[], exchange: Exchange): readonly R[] {
  return rules.map((rule) => withMatch(rule, exchange));
}

/** What has a match and a place in a file: a rule, an expectation. */
export type Row = Pick<Rule, 'match' | 'source'>;
/** What becomes of a row, its addresses exchanged. */
export type OnRow = <R extends Row>(row: R, exchange: Exchange) => R;

/** All addresses of a ruleset; `onRow` may change more of its rows. */
export function walkRuleset(ruleset: Ruleset, exchange: Exchange, onRow: OnRow = withMatch): Ruleset {
  const { sets, guard, inbound, outbound, servers, expect } = ruleset;
  const all = <R extends Row>(rows: readonly R[]): readonly R[] => rows.map((row) => onRow(row, exchange));
  return {
    ...ruleset,
    sets: sets.map((set) => ({ ...set, addresses: exchange(set.addresses) })),
    guard: { keepReachable: all(guard.keepReachable), rules: all(guard.rules) },
    inbound: { ...inbound, rules: all(inbound.rules) },
    outbound: { ...outbound, rules: all(outbound.rules) },
    ...(servers && { servers: servers.map((server) => ({ ...server, rules: all(server.rules) })) }),
    expect: all(expect),
  };
}

function withMatch<T extends Pick<Rule, 'match'>>(row: T, exchange: Exchange): T {
  const { match } = row;
  return { ...row, match: { ...match, from: exchange(match.from), to: exchange(match.to) } };
}
