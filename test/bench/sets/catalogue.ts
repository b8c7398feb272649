/** Every set of the benchmark by name. `WORKLOAD_VERSION` rises whenever a generator changes what it makes. */
import type { Family } from '../../../src/model/prefix';
import { classbenchRules } from '../../support/generate/classbench';
import { CLASSBENCH_PROFILES } from '../../support/generate/classbench-profiles';
import { prefix4, twinOf, twinPrefix } from '../../support/generate/plain-rule';
import type { BenchSet } from './bench-set';
import { blockedHosts, blockedPrefixes, nestedRules, serviceAllows } from './blocklists';
import { crossingRules, mixedRules, portRangeRules, wildcardRules } from './firewalls';
import { EDGE_ROWS, SERVER_ROWS, serverRules } from './servers';

export const WORKLOAD_VERSION = 1;

type Maker = (size: number) => Pick<BenchSet, 'list' | 'rules' | 'servers'>;

const plain =
  (make: (size: number) => BenchSet['rules']): Maker =>
  (size) => ({ list: null, rules: make(size) });

const MAKERS: Readonly<Record<string, Maker>> = {
  ...Object.fromEntries(
    Object.keys(CLASSBENCH_PROFILES).map((shape) => [shape, plain((size) => classbenchRules(shape, size))]),
  ),
  wildcard: plain(wildcardRules),
  mixed: plain(mixedRules),
  ranges: plain(portRangeRules),
  crossing: plain(crossingRules),
  nested: plain(nestedRules),
  hosts: (size) => ({ list: blockedHosts(size), rules: serviceAllows() }),
  servers: (size) => ({ list: null, rules: serverRules(size, SERVER_ROWS), servers: SERVER_ROWS }),
  edge: (size) => ({ list: null, rules: serverRules(size, EDGE_ROWS), servers: EDGE_ROWS }),
  blocklist: (size) => ({ list: blockedPrefixes(size), rules: serviceAllows() }),
};

/** The twelve shapes of ClassBench's seeds. */
export const CLASSBENCH_SHAPES: readonly string[] = Object.keys(CLASSBENCH_PROFILES);

export const SET_NAMES: readonly string[] = Object.keys(MAKERS);

/** Largest size of a set: rows are bounded by the product's ceilings, prefixes of a list by others. */
export function largestSize(name: string): number {
  return name === 'blocklist' ? 1_000_000 : 100_000;
}

/** Makes a set; the same arguments give the same set on every machine. */
export function makeSet(name: string, size: number, family: Family): BenchSet {
  const { list, rules, servers } = MAKERS[name](size);
  if (family === 4) return { name, family, size, list, rules, ...(servers !== undefined && { servers }) };
  return {
    ...(servers !== undefined && { servers }),
    name,
    family,
    size,
    // a host becomes a /63: IPv6 lists name networks
    list: list && list.map(({ words, length }) => twinPrefix(prefix4(words[0], Math.min(31, length)))),
    rules: rules.map(twinOf),
  };
}
