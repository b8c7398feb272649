/** Prefix lists in front of allows, and prefixes nested in one another with changing verdicts. */
import type { Prefix } from '../../../src/model/prefix';
import { PROTOCOL } from '../../../src/model/protocol';
import { ALL_PORTS, type PlainRule, prefix4 } from '../../support/generate/plain-rule';
import { Random } from '../../support/generate/random';

/** Prefix lengths a thousand entries: mostly networks of 256 and hosts, so that few entries lie inside others. */
const LENGTHS = [
  [16, 2],
  [19, 4],
  [20, 8],
  [21, 12],
  [22, 40],
  [23, 60],
  [24, 380],
  [26, 30],
  [28, 40],
  [29, 24],
  [32, 400],
].flatMap(([length, share]) => new Array<number>(share).fill(length));
const SERVICES = [
  22, 25, 53, 80, 110, 143, 443, 465, 587, 993, 995, 1194, 3306, 5432, 6379, 8080, 8443, 9000, 9090, 51820,
];
const ANYWHERE = prefix4(0, 0);
/** A level of a nested chain is so many bits longer than the one around it. */
const CHAIN = [8, 12, 16, 20, 22, 24, 26, 28, 30, 32];

/** Different prefixes, some of them inside others. */
export function blockedPrefixes(size: number, seed = 5): Prefix[] {
  const random = new Random(seed + size);
  const seen = new Set<number>();
  const prefixes: Prefix[] = [];
  while (prefixes.length < size) {
    const address = ((random.between(1, 223) << 24) | (random.word() & 0xffffff)) >>> 0;
    const prefix = prefix4(address, random.pick(LENGTHS));
    const key = prefix.words[0] * 64 + prefix.length;
    if (seen.has(key)) continue;
    seen.add(key);
    prefixes.push(prefix);
  }
  return prefixes;
}

/** Different single addresses: what firewalls without prefixes can be given. */
export function blockedHosts(size: number, seed = 9): Prefix[] {
  const random = new Random(seed + size);
  const hosts = new Set<number>();
  while (hosts.size < size) hosts.add(((random.between(1, 223) << 24) | (random.word() & 0xffffff)) >>> 0);
  return [...hosts].map((host) => prefix4(host, 32));
}

/** What comes behind a list: twenty services for everybody. */
export function serviceAllows(): PlainRule[] {
  return SERVICES.map((port) => ({
    from: ANYWHERE,
    to: ANYWHERE,
    fromPorts: ALL_PORTS,
    toPorts: [port, port],
    protocol: port === 53 || port === 51820 ? PROTOCOL.UDP : PROTOCOL.TCP,
    action: 'allow',
  }));
}

/** Rules of a source prefix each, in chains of up to ten nested ones, the narrowest first, verdicts in turn. */
export function nestedRules(size: number, seed = 6): PlainRule[] {
  const random = new Random(seed + size);
  const seen = new Set<number>();
  const rules: PlainRule[] = [];
  while (rules.length < size - 1) {
    const host = ((random.between(1, 223) << 24) | (random.word() & 0xffffff)) >>> 0;
    const depth = random.between(1, CHAIN.length);
    for (let level = CHAIN.length - 1; level >= CHAIN.length - depth && rules.length < size - 1; level--) {
      const from = prefix4(host, CHAIN[level]);
      const key = from.words[0] * 64 + from.length;
      if (seen.has(key)) continue;
      seen.add(key);
      const action = level % 2 === 0 ? 'deny' : 'allow';
      rules.push({ from, to: ANYWHERE, fromPorts: ALL_PORTS, toPorts: ALL_PORTS, protocol: null, action });
    }
  }
  // narrow before wide: otherwise the inner ones would never decide
  rules.sort((a, b) => b.from.length - a.from.length);
  const rest = { from: ANYWHERE, to: ANYWHERE, fromPorts: ALL_PORTS, protocol: PROTOCOL.TCP, action: 'allow' } as const;
  return [...rules, { ...rest, toPorts: [443, 443] }];
}
