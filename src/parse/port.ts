/** Port text → ranges: `80`, `8000:8080`, `80,443/tcp`, `ssh`. */
import type { PortRange } from '../model/port-range';
import { PORT_PROTOCOLS, PROTOCOL } from '../model/protocol';
import { at, type Problem, quote, refuse, type Sink, splitTerm, type Term } from './finding';
import type { Names } from './names';
import { nearest } from './nearest';
import { parseProtocol } from './protocols';
import type { Service } from './services';
import { profileOf } from './ufw-profiles';

/** Ports of one clause and the protocols they bring with them; `null` where none was said. */
export interface PortClause {
  readonly ranges: readonly PortRange[];
  readonly protocols: readonly number[] | null;
}

interface Item {
  readonly term: Term;
  readonly ranges: readonly PortRange[];
  /** From a service: what it covers. */
  readonly service?: readonly number[];
  /** From `/tcp`. */
  readonly suffix?: number;
}

/** Reads the ports of one clause, which several terms may hold. Undefined where nothing was understood. */
export function parsePorts(terms: readonly Term[], names: Names, sink: Sink): PortClause | undefined {
  const usual = terms.length === 1 ? readUsualPort(terms[0].text) : 0;
  if (usual > 0 && !names.services.has(terms[0].text))
    return { ranges: [{ first: usual, last: usual }], protocols: null };
  const items = terms.flatMap((term) => readTerm(term, names, sink));
  if (items.some((item) => item === null)) return undefined;
  return mergeItems(items as Item[], sink);
}

/** A port as most rows have it, one number; 0 for any other text. */
function readUsualPort(text: string): number {
  let port = 0;
  if (text.length > 5 || text.startsWith('0')) return 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return 0;
    port = port * 10 + digit;
  }
  return port <= 65535 ? port : 0;
}

/** Sorted; ranges that overlap become one. */
export function normalizeRanges(ranges: readonly PortRange[]): PortRange[] {
  const sorted = [...ranges].sort((a, b) => a.first - b.first || a.last - b.last);
  const merged: PortRange[] = [];
  for (const range of sorted) {
    const last = merged[merged.length - 1];
    if (last && range.first <= last.last) {
      merged[merged.length - 1] = { first: last.first, last: Math.max(last.last, range.last) };
    } else merged.push(range);
  }
  return merged;
}

/** Whether the text reads as ports and nothing else: digits, ranges, lists, with or without a protocol. */
export function looksLikePorts(text: string): boolean {
  return /^\d+([:-]\d+)?(\/[a-z0-9-]+)?(,\d+([:-]\d+)?(\/[a-z0-9-]+)?)*$/i.test(text);
}

/** One number or one range, 1–65535. */
export function parsePortRange(text: string): PortRange | Problem {
  const range = /^(\d+)\s*[:-]\s*(\d+)$/.exec(text);
  const first = readPort(range ? range[1] : text);
  if (typeof first !== 'number') return first;
  if (!range) return { first, last: first };
  const last = readPort(range[2]);
  if (typeof last !== 'number') return last;
  if (first > last) {
    return refuse(
      'parse/port',
      `${quote(text)}: a range goes from the lower to the higher port`,
      `write ${last}:${first}`,
    );
  }
  return { first, last };
}

function readPort(text: string): number | Problem {
  if (!/^\d+$/.test(text)) return refuse('parse/port', `${quote(text)} is not a port`);
  const port = Number(text);
  if (port === 0)
    return refuse(
      'parse/port',
      `${quote(text)} is not a port: ports go from 1 to 65535`,
      'for every port leave it out',
    );
  if (port > 65535) return refuse('parse/port', `${quote(text)} is not a port: ports go from 1 to 65535`);
  if (text.startsWith('0')) return refuse('parse/port', `${quote(text)} has a leading zero`, `write ${port}`);
  return port;
}

/** `a,b/tcp`: a protocol behind the last item alone holds for all. */
function readTerm(term: Term, names: Names, sink: Sink): (Item | null)[] {
  const parts = splitTerm(term).map((part) => readPart(part, names, sink));
  const last = parts[parts.length - 1];
  const alone = last?.suffix !== undefined && parts.slice(0, -1).every((part) => part?.suffix === undefined);
  if (!alone) return parts;
  return parts.map((part) => part && { ...part, suffix: last.suffix });
}

function readPart(part: Term, names: Names, sink: Sink): Item | null {
  const slash = part.text.indexOf('/');
  const portText = slash < 0 ? part.text : part.text.slice(0, slash);
  let suffix: number | undefined;
  if (slash >= 0) {
    const protocol = parseProtocol(part.text.slice(slash + 1));
    if (typeof protocol === 'number') suffix = protocol;
    else if (protocol === undefined) {
      const message = `${quote(part.text)}: ${quote(part.text.slice(slash + 1))} is not a protocol`;
      sink(at(part, refuse('parse/protocol', message, 'write tcp or udp behind the slash')));
      return null;
    }
  }
  const base = suffix === undefined ? { term: part } : { term: part, suffix };
  const service = lookUpService(names, portText);
  if (service) return { ...base, ranges: service.ports, service: service.protocols };
  const range = parsePortRange(portText);
  if (!('code' in range)) return { ...base, ranges: [range] };
  sink(at(part, /^[a-z_]/i.test(portText) ? unknownService(portText, names) : portText === '' ? emptyPort() : range));
  return null;
}

/** A service by its name, in any case. */
export function lookUpService(names: Names, name: string): Service | undefined {
  const word = name.toLowerCase();
  if (word === 'ssh') {
    return {
      protocols: [PROTOCOL.TCP],
      ports: normalizeRanges(names.sshPorts.map((port) => ({ first: port, last: port }))),
    };
  }
  return names.services.get(name) ?? names.services.get(word);
}

function unknownService(name: string, names: Names): Problem {
  if (names.sets.has(name)) {
    return refuse('parse/port', `${quote(name)} is a set of addresses, expected a port`, `write from ${name}`);
  }
  const profile = profileOf([name]);
  if (profile) return profile.problem;
  const guess = nearest(name, ['ssh', ...names.services.keys()]);
  const hint = guess === undefined ? 'write the number, or name it under services:' : `did you mean ${guess}?`;
  return refuse('parse/port', `${quote(name)} is not a port, and no service has that name`, hint);
}

function emptyPort(): Problem {
  return refuse('parse/port', 'a port is missing', 'write a number, a range 8000:8080, a list 80,443 or a service');
}

function mergeItems(items: readonly Item[], sink: Sink): PortClause {
  const ranges = normalizeRanges(items.flatMap((item) => item.ranges));
  let protocols: readonly number[] | null = null;
  for (const [i, item] of items.entries()) {
    const own = protocolsOf(item, sink);
    if (i === 0) protocols = own;
    else if (String(own) !== String(protocols)) {
      const message = `${quote(item.term.text)} is ${describe(own)}, the ports before it are ${describe(protocols)}`;
      sink(
        at(
          item.term,
          refuse('parse/protocol-clash', message, 'name one protocol for all (proto tcp), or write a rule for each'),
        ),
      );
      break;
    }
  }
  return { ranges, protocols };
}

function protocolsOf({ term, service, suffix }: Item, sink: Sink): readonly number[] | null {
  if (suffix === undefined) return service ?? null;
  if (!PORT_PROTOCOLS.has(suffix)) {
    sink(at(term, refuse('parse/port-protocol', `${quote(term.text)}: that protocol has no ports`)));
  } else if (service && !service.includes(suffix)) {
    const message = `${quote(term.text)}: the service is ${describe(service)}`;
    sink(at(term, refuse('parse/protocol-clash', message, 'write the port by number')));
  }
  return [suffix];
}

function describe(protocols: readonly number[] | null): string {
  return protocols === null ? 'tcp and udp' : protocols.map((p) => PORT_PROTOCOLS.get(p)?.name ?? p).join(' and ');
}
