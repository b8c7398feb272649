/** Sources that an entry of keep-reachable names, which nothing may ban. */
import { firstWhere } from '../model/first-where';
import { ANY } from '../model/match';
import { type AddressWords, compareAddresses, type Family, lastAddress, type Prefix } from '../model/prefix';
import type { Guard, Rule } from '../model/ruleset';

/** Addresses from `first` to `last` that an entry names. */
interface Kept {
  readonly first: AddressWords;
  readonly last: AddressWords;
  readonly entry: Rule;
}

/**
 * The sources of all entries that are on. An entry for everybody names no source: it keeps a port open, and whoever is
 * banned still gets through to that port, since tier 3.1 stands before bans.
 */
export class KeptSources {
  /** Disjoint, ascending. */
  readonly #kept: Readonly<Record<Family, readonly Kept[]>>;

  constructor({ keepReachable }: Pick<Guard, 'keepReachable'>) {
    const entries = keepReachable.filter(({ enabled }) => enabled);
    this.#kept = { 4: keptOf(entries, 4), 6: keptOf(entries, 6) };
  }

  /** An entry of which a source lies in the prefix; null where there is none. */
  entryIn(prefix: Prefix): Rule | null {
    const list = this.#kept[prefix.family];
    const end = lastAddress(prefix);
    // The last one that begins in or before the prefix is the only one that can reach into it.
    const behind = firstWhere(list, ({ first }) => compareAddresses(first, end) > 0);
    const kept = behind > 0 ? list[behind - 1] : null;
    return kept && compareAddresses(kept.last, prefix.words) >= 0 ? kept.entry : null;
  }
}

function keptOf(entries: readonly Rule[], family: Family): Kept[] {
  const all = entries.flatMap((entry): Kept[] => {
    const { from, family: only } = entry.match;
    if (from === ANY || (only !== ANY && only !== family)) return [];
    return from
      .filter((prefix) => prefix.family === family && prefix.length > 0)
      .map((prefix) => ({ first: prefix.words, last: lastAddress(prefix), entry }));
  });
  // Prefixes are nested or disjoint: behind its start a wider one comes first, and hides what lies inside.
  all.sort((a, b) => compareAddresses(a.first, b.first) || compareAddresses(b.last, a.last));
  const outermost: Kept[] = [];
  for (const kept of all) {
    const before = outermost.at(-1);
    if (!before || compareAddresses(before.last, kept.first) < 0) outermost.push(kept);
  }
  return outermost;
}
