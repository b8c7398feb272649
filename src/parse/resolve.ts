/** Clauses of a row → what it matches: addresses, ports, protocols and how they fit together. */
import { type AddressMatch, ANY, type Any, type IcmpType, type Match, type PortMatch } from '../model/match';
import { type Family, formatPrefix, type Prefix } from '../model/prefix';
import { PORT_DEFAULT_PROTOCOLS, PORT_PROTOCOLS, PROTOCOL } from '../model/protocol';
import type { WrittenForm } from '../model/ruleset';
import { parseAddressText } from './address';
import type { Clauses } from './clauses';
import { at, quote, refuse, remark, type Sink, splitTerm, type Term, warn } from './finding';
import type { AddressWording } from './format-rule';
import { ICMP_TYPE_NAMES, parseIcmpType } from './icmp';
import { lookUpSet, type Names } from './names';
import { nearest } from './nearest';
import { parsePorts, type PortClause } from './port';
import { formatProtocol } from '../model/protocol-names';
import { parseProtocol, PROTOCOL_NAMES } from './protocols';

/** A row's match, with what its text still knows. */
export interface Resolved {
  readonly match: Match;
  readonly wording: Required<AddressWording>;
  readonly written: WrittenForm;
}

/** Resolves a row; undefined when it had an error. Everything wrong with it is reported. */
export function resolveClauses(clauses: Clauses, names: Names, report: Sink): Resolved | undefined {
  let failed = false;
  const sink: Sink = (finding) => {
    if (finding.severity === 'error') failed = true;
    report(finding);
  };
  const family = resolveFamily(clauses.family, sink);
  const from = resolveAddresses(clauses.from, clauses.dashboardRow, names, sink);
  const to = resolveAddresses(clauses.to, false, names, sink);
  const named = resolveProtocols(clauses.proto, sink);
  const fromPorts = clauses.fromPort && resolvePorts(clauses.fromPort, names, sink);
  const toPorts = clauses.port && resolvePorts(clauses.port, names, sink);
  if (failed) return undefined;
  const carried = combineProtocols(clauses, named, fromPorts, toPorts, sink);
  const icmp = resolveIcmpTypes(clauses.icmpType, carried, family, sink);
  const protocols = icmp.protocols;
  const match: Match = {
    family,
    protocols,
    from: from.match,
    to: to.match,
    fromPorts: portMatch(fromPorts),
    toPorts: portMatch(toPorts),
    icmpTypes: icmp.types,
  };
  if (!failed) checkFamilies(clauses, match, from.literal && to.literal, sink);
  if (failed) return undefined;
  const written: WrittenForm = {
    dashboardRow: clauses.dashboardRow,
    ipv4AnyFrom: from.ipv4Any && clauses.family === undefined,
    ipv4AnyTo: to.ipv4Any && clauses.family === undefined,
  };
  return { match, wording: { from: from.text, to: to.text }, written };
}

function resolveFamily(term: Term | undefined, sink: Sink): Any | Family {
  if (!term) return ANY;
  const word = term.text.toLowerCase();
  if (['ipv4', 'ip4', 'inet', 'v4', '4'].includes(word)) return 4;
  if (['ipv6', 'ip6', 'inet6', 'v6', '6'].includes(word)) return 6;
  if (word === 'any' || word === 'both') return ANY;
  sink(at(term, refuse('parse/family', `${quote(term.text)} is not a family`, 'write ipv4, ipv6 or any')));
  return ANY;
}

interface Addresses {
  readonly match: AddressMatch;
  /** Canonical text, sets by name. */
  readonly text: string;
  /** `0.0.0.0/0` was written outside a dashboard row and no IPv6 stands beside it. */
  readonly ipv4Any: boolean;
  /** No set among them: the text alone decides the families. */
  readonly literal: boolean;
}

const ANY_ADDRESS: Addresses = { match: ANY, text: 'any', ipv4Any: false, literal: true };
const NO_ADDRESS: Addresses = { match: [], text: 'none', ipv4Any: false, literal: true };

function partsOf(terms: readonly Term[]): readonly Term[] {
  return terms.length === 1 ? splitTerm(terms[0]) : terms.flatMap(splitTerm);
}

/** One address alone, as most rows have it; undefined where there is anything to say about it. */
function resolveOneAddress({ text }: Term, dashboard: boolean, names: Names): Addresses | undefined {
  if (lookUpSet(names, text)) return undefined;
  if (text === 'any') return ANY_ADDRESS;
  const known = names.addresses.get(text);
  if (known) return { match: known, text, ipv4Any: false, literal: true };
  const reading = parseAddressText(text);
  if (reading.kind !== 'prefix' || reading.warning) return undefined;
  const { prefix } = reading;
  if (prefix.length === 0 && dashboard) return undefined;
  const ipv4Any = prefix.family === 4 && prefix.length === 0;
  const match = [prefix];
  const canonical = formatPrefix(prefix);
  // Rows that name the same address share its list.
  if (canonical === text && prefix.family === 4 && prefix.length > 0) names.addresses.set(text, match);
  return { match, text: canonical, ipv4Any, literal: true };
}

function resolveAddresses(terms: readonly Term[] | undefined, dashboard: boolean, names: Names, sink: Sink): Addresses {
  if (!terms) return ANY_ADDRESS;
  const parts = partsOf(terms);
  if (parts.length === 1) {
    const one = resolveOneAddress(parts[0], dashboard, names);
    if (one) return one;
    if (parts[0].text.toLowerCase() === 'none') return NO_ADDRESS;
  }
  const lists: (readonly Prefix[])[] = [];
  const texts = new Set<string>();
  let literal = true;
  let anyone = false;
  for (const part of parts) {
    const set = lookUpSet(names, part.text);
    if (set) {
      literal = false;
      if (!texts.has(part.text)) lists.push(set);
      texts.add(part.text);
    } else if (/^(any|anywhere|all)$/i.test(part.text)) {
      anyone = true;
      if (parts.length > 1) {
        const message = `${quote(part.text)} stands alone, the addresses beside it would mean nothing`;
        sink(at(part, refuse('parse/address', message)));
      }
    } else {
      const prefix = readAddress(part, names, sink);
      if (!prefix) continue;
      if (dashboard && prefix.family === 4 && prefix.length === 0) {
        const message = `${quote(part.text)} in a dashboard row is read as everyone, IPv4 and IPv6`;
        sink(at(part, remark('parse/dashboard-any', message, 'write any; for IPv4 alone add: family ipv4')));
        anyone = true;
        continue;
      }
      const text = formatPrefix(prefix);
      if (!texts.has(text)) lists.push([prefix]);
      texts.add(text);
    }
  }
  if (anyone) return ANY_ADDRESS;
  const text = [...texts].join(',');
  const match = joinLists(lists, text, names);
  const onlyIpv4 = literal && match.every((prefix) => prefix.family === 4);
  const ipv4Any = onlyIpv4 && match.some((prefix) => prefix.length === 0);
  return { match, text: text || 'none', ipv4Any, literal };
}

/** One set alone is shared, never copied; so are equal combinations that name a set. */
function joinLists(lists: readonly (readonly Prefix[])[], text: string, names: Names): readonly Prefix[] {
  if (lists.length === 1) return lists[0];
  const known = names.joined.get(text);
  if (known) return known;
  const joined = lists.flat();
  if (joined.length > 1024) names.joined.set(text, joined);
  return joined;
}

function readAddress(part: Term, names: Names, sink: Sink): Prefix | undefined {
  const reading = parseAddressText(part.text);
  if (reading.kind === 'prefix') {
    if (reading.warning) sink(at(part, reading.warning));
    return reading.prefix;
  }
  const { problem } = reading;
  const guess = problem.hint === undefined ? nearest(part.text, [...names.sets.keys(), 'any']) : undefined;
  const hint =
    guess === undefined ? (problem.hint ?? 'name a list of addresses under sets:') : `did you mean ${guess}?`;
  sink(at(part, { ...problem, hint }));
  return undefined;
}

function resolveProtocols(terms: readonly Term[] | undefined, sink: Sink): Any | readonly number[] {
  if (!terms) return ANY;
  const parts = terms.flatMap(splitTerm);
  if (parts.length === 1 && parts[0].text.toLowerCase() === 'none') return [];
  const numbers = new Set<number>();
  let any = false;
  for (const part of parts) {
    const protocol = parseProtocol(part.text);
    if (protocol === ANY) any = true;
    else if (protocol !== undefined) numbers.add(protocol);
    else {
      const guess = nearest(part.text, PROTOCOL_NAMES);
      const hint =
        guess === undefined ? 'write tcp, udp, icmp, a name or a number from 0 to 255' : `did you mean ${guess}?`;
      sink(at(part, refuse('parse/protocol', `${quote(part.text)} is not a protocol`, hint)));
    }
  }
  if (any && parts.length > 1) sink(at(parts[0], refuse('parse/protocol', '"any" stands alone among protocols')));
  return any ? ANY : [...numbers].sort((a, b) => a - b);
}

function resolvePorts(terms: readonly Term[], names: Names, sink: Sink): PortClause | undefined {
  if (terms.length === 1) {
    const word = terms[0].text.toLowerCase();
    if (word === 'any') return undefined;
    if (word === 'none') return { ranges: [], protocols: null };
  }
  return parsePorts(terms, names, sink);
}

function portMatch(clause: PortClause | undefined): PortMatch {
  return clause ? clause.ranges : ANY;
}

/** Named protocols, those that services and `/tcp` bring, and what a port alone means. */
function combineProtocols(
  clauses: Clauses,
  named: Any | readonly number[],
  fromPorts: PortClause | undefined,
  toPorts: PortClause | undefined,
  sink: Sink,
): Any | readonly number[] {
  const portTerms = [...(clauses.fromPort ?? []), ...(clauses.port ?? [])];
  if (!fromPorts && !toPorts) return named;
  const place = portTerms[0] ?? clauses.whole;
  let implied: readonly number[] | null = null;
  for (const clause of [fromPorts, toPorts]) {
    const own = clause?.protocols ?? null;
    if (own === null) continue;
    if (implied !== null && String(implied) !== String(own)) {
      sink(at(place, refuse('parse/protocol-clash', 'source and destination port name different protocols')));
    }
    implied = own;
  }
  if (named === ANY) return implied ?? PORT_DEFAULT_PROTOCOLS;
  const without = named.find((protocol) => !PORT_PROTOCOLS.has(protocol));
  if (without !== undefined) {
    const message = `${formatProtocol(without)} has no ports`;
    sink(
      at(place, refuse('parse/port-protocol', message, 'leave the port out, or name tcp, udp, sctp, dccp or udplite')),
    );
    return named;
  }
  const missing = implied && named.find((protocol) => !implied.includes(protocol));
  if (missing !== null && missing !== undefined) {
    const message = `the port is ${implied!.map(formatProtocol).join(' and ')}, the rule says ${formatProtocol(missing)}`;
    sink(at(place, refuse('parse/protocol-clash', message, 'write the port by number, or leave the protocol out')));
  }
  return named;
}

interface Icmp {
  readonly protocols: Any | readonly number[];
  readonly types: Any | readonly IcmpType[];
}

function resolveIcmpTypes(
  terms: readonly Term[] | undefined,
  protocols: Any | readonly number[],
  family: Any | Family,
  sink: Sink,
): Icmp {
  if (!terms) return { protocols, types: ANY };
  const parts = terms.flatMap(splitTerm);
  if (parts.length === 1 && parts[0].text.toLowerCase() === 'any') return { protocols, types: ANY };
  const none = parts.length === 0 || (parts.length === 1 && parts[0].text.toLowerCase() === 'none');
  const meanings = none ? [] : parts.map((part) => readIcmpType(part, sink));
  const known = meanings.filter((meaning) => meaning !== undefined);
  if (known.length < meanings.length) return { protocols, types: ANY };
  const place = terms[0] ?? { start: 0, length: 1 };
  let protocol: number | undefined;
  if (protocols !== ANY) {
    if (protocols.length !== 1 || (protocols[0] !== PROTOCOL.ICMP && protocols[0] !== PROTOCOL.ICMPV6)) {
      const message = `an icmp-type needs icmp or icmpv6 alone, the rule says ${protocols.map(formatProtocol).join(', ')}`;
      sink(at(place, refuse('parse/icmp-protocol', message, 'write one rule for icmp and one for icmpv6')));
      return { protocols, types: ANY };
    }
    protocol = protocols[0];
  } else {
    const candidates = [PROTOCOL.ICMP, PROTOCOL.ICMPV6].filter(
      (p) => known.every((meaning) => meaning.has(p)) && (family === ANY || (family === 4) === (p === PROTOCOL.ICMP)),
    );
    if (candidates.length !== 1 || none) {
      const message =
        candidates.length === 0
          ? 'these types are not all of one ICMP'
          : `${quote(parts[0]?.text ?? 'none')} is a type of icmp and of icmpv6`;
      sink(at(place, refuse('parse/icmp-protocol', message, 'add proto icmp or proto icmpv6')));
      return { protocols, types: ANY };
    }
    protocol = candidates[0];
  }
  const types: IcmpType[] = [];
  for (const [i, meaning] of known.entries()) {
    const type = meaning.get(protocol);
    if (!type) {
      const message = `${quote(parts[i].text)} is no type of ${formatProtocol(protocol)}`;
      sink(at(parts[i], refuse('parse/icmp-type', message, 'write it by number, type or type/code')));
    } else if (!types.some((other) => other.type === type.type && other.code === type.code)) types.push(type);
  }
  return { protocols: [protocol], types };
}

function readIcmpType(part: Term, sink: Sink): ReadonlyMap<number, IcmpType> | undefined {
  const meaning = parseIcmpType(part.text);
  if (meaning) return meaning;
  const guess = nearest(part.text, ICMP_TYPE_NAMES);
  const hint =
    guess === undefined
      ? 'write a name such as echo-request, or type or type/code by number'
      : `did you mean ${guess}?`;
  sink(at(part, refuse('parse/icmp-type', `${quote(part.text)} is not an ICMP type`, hint)));
  return undefined;
}

/** A row whose families exclude one another matches nothing: an error where the text alone says so. */
function checkFamilies(clauses: Clauses, match: Match, literal: boolean, sink: Sink): void {
  let possible: Family[] = match.family === ANY ? [4, 6] : [match.family];
  for (const addresses of [match.from, match.to]) {
    if (addresses === ANY || addresses.length === 0) continue;
    const families = familiesOf(addresses);
    possible = possible.filter((family) => families.has(family));
  }
  if (possible.length === 0) {
    const message = 'no packet is of both families: from, to and family do not fit together';
    const problem = literal
      ? refuse('parse/family', message, 'write one rule for each family')
      : warn('parse/never-matches', message);
    sink(at(clauses.whole, problem));
    return;
  }
  const only = match.protocols !== ANY && match.protocols.length === 1 ? match.protocols[0] : undefined;
  const wants = only === PROTOCOL.ICMP ? 4 : only === PROTOCOL.ICMPV6 ? 6 : undefined;
  if (wants !== undefined && !possible.includes(wants)) {
    const message = `${formatProtocol(only!)} belongs to IPv${wants}, the rule's addresses or family are IPv${possible[0]}`;
    sink(at(clauses.whole, warn('parse/never-matches', message, `write proto ${wants === 4 ? 'icmpv6' : 'icmp'}`)));
  }
}

const FAMILIES = new WeakMap<readonly Prefix[], ReadonlySet<Family>>();

/** Families in a list; remembered, since thousands of rows may name the same large set. */
function familiesOf(addresses: readonly Prefix[]): ReadonlySet<Family> {
  if (addresses.length <= 16) return new Set(addresses.map((prefix) => prefix.family));
  let families = FAMILIES.get(addresses);
  if (!families) {
    families = new Set(addresses.map((prefix) => prefix.family));
    FAMILIES.set(addresses, families);
  }
  return families;
}
