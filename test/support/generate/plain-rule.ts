/**
 * Rules of one source prefix, one destination prefix, one range a port and one protocol: what benchmarks and other
 * firewalls have in common. Everything else (model, text, other tools' languages) is made from it.
 */
import { formatRule } from '../../../src/parse/format-rule';
import { ANY, type Match } from '../../../src/model/match';
import type { Family, Prefix } from '../../../src/model/prefix';
import { PORT_DEFAULT_PROTOCOLS, PROTOCOL } from '../../../src/model/protocol';
import type { Rule } from '../../../src/model/ruleset';

/** Inclusive bounds. */
export type Bounds = readonly [number, number];

/** Every port that rules can name. */
export const ALL_PORTS: Bounds = [1, 65535];

/** One rule; a prefix of length 0 and `ALL_PORTS` stand for anything, also for packets without ports. */
export interface PlainRule {
  readonly from: Prefix;
  readonly to: Prefix;
  readonly fromPorts: Bounds;
  readonly toPorts: Bounds;
  /** IP protocol number; null is any, and TCP or UDP where a port is named. */
  readonly protocol: number | null;
  readonly action: 'allow' | 'deny';
}

/** The prefix of that length around an IPv4 address (host order). */
export function prefix4(address: number, length: number): Prefix {
  const mask = length === 0 ? 0 : (0xffffffff << (32 - length)) >>> 0;
  return { family: 4, words: [(address & mask) >>> 0], length };
}

/** Every address of a family. */
export function anyAddress(family: Family): Prefix {
  return { family, words: new Array<number>(family === 4 ? 1 : 4).fill(0), length: 0 };
}

export function isAllPorts([first, last]: Bounds): boolean {
  return first <= ALL_PORTS[0] && last === ALL_PORTS[1];
}

/** The protocols a rule covers: one, TCP and UDP, or null for all. */
export function protocolsOf(rule: PlainRule): readonly number[] | null {
  if (rule.protocol !== null) return [rule.protocol];
  return isAllPorts(rule.fromPorts) && isAllPorts(rule.toPorts) ? null : PORT_DEFAULT_PROTOCOLS;
}

export function matchOf(rule: PlainRule): Match {
  const ports = (bounds: Bounds): Match['toPorts'] =>
    isAllPorts(bounds) ? ANY : [{ first: bounds[0], last: bounds[1] }];
  return {
    // without an address the family would be lost
    family: rule.from.length === 0 && rule.to.length === 0 ? rule.from.family : ANY,
    protocols: protocolsOf(rule) ?? ANY,
    from: rule.from.length === 0 ? ANY : [rule.from],
    to: rule.to.length === 0 ? ANY : [rule.to],
    fromPorts: ports(rule.fromPorts),
    toPorts: ports(rule.toPorts),
    icmpTypes: ANY,
  };
}

/** A row of the model; its text is left out (the compiler never reads it), its id is `r<index>`. */
export function ruleOf(rule: PlainRule, index: number): Rule {
  return {
    id: `r${index}`,
    idIsExplicit: true,
    action: rule.action,
    match: matchOf(rule),
    enabled: true,
    text: '',
    source: { file: 'bench.yaml', line: index + 1, column: 1, offset: 0, length: 0 },
    written: { dashboardRow: false, ipv4AnyFrom: false, ipv4AnyTo: false },
  };
}

/** The rule as a person writes it on one line. */
export function lineOf(rule: PlainRule): string {
  return formatRule(rule.action, matchOf(rule));
}

/** Addresses of the IPv6 twins lie below this word. */
export const TWIN_STEM = 0x20010db8;

/**
 * The same rule over IPv6: a /n becomes 2001:db8::/32 and the n bits behind it, a host a /128 with an interface
 * identifier of its own, so that nesting and sharing stay what they were.
 */
export function twinOf(rule: PlainRule): PlainRule {
  const protocol = rule.protocol === PROTOCOL.ICMP ? PROTOCOL.ICMPV6 : rule.protocol;
  return { ...rule, from: twinPrefix(rule.from), to: twinPrefix(rule.to), protocol };
}

export function twinPrefix({ words: [word], length }: Prefix): Prefix {
  if (length === 0) return anyAddress(6);
  if (length < 32) return { family: 6, words: [TWIN_STEM, word, 0, 0], length: 32 + length };
  const low = Math.imul(word, 0x9e3779b1) >>> 0;
  return { family: 6, words: [TWIN_STEM, word, low, Math.imul(low ^ 0x5bd1e995, 0x85ebca6b) >>> 0], length: 128 };
}
