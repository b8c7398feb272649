/**
 * Bans: sources whose packets drop in tier 3.2, above flows and rows (SPEC §6). They are no part of a ruleset: each is
 * set and ended by itself. The datapath's twin is `bpf/bans.h`.
 */
import {
  type AddressWords,
  addressBits,
  compareAddresses,
  type Family,
  type Prefix,
  prefixContains,
  prefixCovers,
} from './prefix';

/** Prefixes that are banned now; which of two that overlap was written first is of no matter. */
export type Bans = readonly Prefix[];

export const NO_BANS: Bans = [];

/** Whether a ban holds the source. */
export function isBanned(bans: Bans, packet: { readonly family: Family; readonly source: AddressWords }): boolean {
  return bans.some((prefix) => prefix.family === packet.family && prefixContains(prefix, packet.source));
}

/** What banning one address bans: of IPv6 its /64, the least that one line gets (RFC 6177). */
export function banOfAddress(prefix: Prefix, exact: boolean): Prefix {
  if (exact || prefix.family === 4 || prefix.length !== addressBits(6)) return prefix;
  return { ...prefix, words: [prefix.words[0], prefix.words[1], 0, 0], length: 64 };
}

/**
 * The longest chain of prefixes each of which holds the next, from the widest on. The datapath looks past so many that
 * have ended and no further, so no chain may be longer than that and one.
 */
export function longestNesting(prefixes: readonly Prefix[]): readonly Prefix[] {
  const ordered = [...prefixes].sort(byPosition);
  let longest: readonly Prefix[] = [];
  const chain: Prefix[] = [];
  for (const prefix of ordered) {
    while (chain.length > 0 && !prefixCovers(chain[chain.length - 1], prefix)) chain.pop();
    chain.push(prefix);
    if (chain.length > longest.length) longest = [...chain];
  }
  return longest;
}

/** By family, then by address, the wider first: IPv4 before IPv6. */
export function byPosition(one: Prefix, other: Prefix): number {
  if (one.family !== other.family) return one.family - other.family;
  return compareAddresses(one.words, other.words) || one.length - other.length;
}
