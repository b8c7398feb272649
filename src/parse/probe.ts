/** The description of one packet, for `explain`: in words, as `A:port -> B:port`, or a line of a packet log. */
import type { AddressWords, Family } from '../model/prefix';
import { addressBits } from '../model/prefix';
import { PORT_PROTOCOLS, PROTOCOL } from '../model/protocol';
import type { Direction } from '../model/ruleset';
import { parseAddressText } from './address';
import { at, type Finding, quote, refuse, type Sink, type Term } from './finding';
import { parseIcmpType } from './icmp';
import { parsePortRange } from './port';
import { formatProtocol } from '../model/protocol-names';
import { parseProtocol } from './protocols';
import { type Token, tokenize } from './tokens';

/** A packet to be judged. Ports are 0 where the protocol has none. */
export interface Probe {
  readonly family: Family;
  readonly protocol: number;
  readonly source: AddressWords;
  /** Undefined where none was named: the caller takes an address of the machine. */
  readonly destination: AddressWords | undefined;
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** Set for ICMP over IPv4 and ICMPv6 over IPv6. */
  readonly icmp?: { readonly type: number; readonly code: number };
}

/** `probe` is null when a finding is an error. Places count from the text's start. */
export interface ProbeReading {
  readonly probe: Probe | null;
  readonly findings: readonly Finding[];
  /** What a line of a log tells beside the packet. */
  readonly line?: LogLine;
}

export interface LogLine {
  /** By its `IN=` and `OUT=`. */
  readonly direction: Direction;
  /** The generation that judged the packet; null where the line is not of sluice. */
  readonly generation: number | null;
}

/** Source port of a probe that names none: the first of the dynamic range (RFC 6335). */
export const DEFAULT_SOURCE_PORT = 49152;

/** The words of a probe, before they mean anything. */
interface ProbeWords {
  proto?: Term;
  from?: Term;
  fromPort?: Term;
  to?: Term;
  toPort?: Term;
  type?: Term;
  code?: Term;
}

/**
 * Reads `tcp from 78.168.1.2 port 5555 to 198.51.100.7 port 14541`, `tcp A:5555 -> B:14541`,
 * `icmp from A to B type 8 code 0`, or a log line with `SRC= DST= PROTO= SPT= DPT=`. IPv6 with a port
 * behind a colon stands in brackets.
 */
export function parseProbe(text: string): ProbeReading {
  const findings: Finding[] = [];
  const sink: Sink = (finding) => findings.push(finding);
  const tokens = tokenize(text, sink);
  const isLine = /\bSRC=/.test(text);
  const words = isLine ? readLogWords(text) : readWords(tokens, sink);
  const whole = { text, start: 0, length: Math.max(1, text.length) };
  const probe = findings.length === 0 ? resolve(words, whole, sink) : null;
  return { probe: findings.length > 0 ? null : probe, findings, ...(isLine && { line: readLogLine(text) }) };
}

function readLogLine(text: string): LogLine {
  const generation = /(?<=\s)GEN=(\d{1,10})(?=\s|$)/.exec(text)?.[1];
  const leaves = /(?<=^|\s)IN=(?=\s)/.test(text) && /(?<=\s)OUT=\S/.test(text);
  return { direction: leaves ? 'out' : 'in', generation: generation === undefined ? null : Number(generation) };
}

/** netfilter's key=value text, as ufw and sluice log it. An empty value is none. */
function readLogWords(text: string): ProbeWords {
  const words: ProbeWords = {};
  const keys = {
    SRC: 'from',
    DST: 'to',
    PROTO: 'proto',
    SPT: 'fromPort',
    DPT: 'toPort',
    TYPE: 'type',
    CODE: 'code',
  } as const;
  for (const match of text.matchAll(/(?<=^|\s)(SRC|DST|PROTO|SPT|DPT|TYPE|CODE)=(\S+)/g)) {
    const key = keys[match[1] as keyof typeof keys];
    // An ICMP error quotes a packet in brackets behind its own fields: the first of each counts.
    words[key] ??= { text: match[2], start: match.index + match[1].length + 1, length: match[2].length };
  }
  return words;
}

const EXAMPLE = 'tcp from 192.0.2.1 port 5555 to 198.51.100.7 port 22';

function readWords(tokens: readonly Token[], sink: Sink): ProbeWords {
  const words: ProbeWords = {};
  let owner: 'from' | 'to' | null = null;
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i];
    const word = token.text.toLowerCase();
    const next = tokens[i + 1] as Token | undefined;
    const take = (key: keyof ProbeWords, term: Term | undefined): void => {
      i++;
      if (!term)
        sink(at(token, refuse('parse/probe', `behind ${quote(token.text)} something is missing`, `as in ${EXAMPLE}`)));
      else set(words, key, term, sink);
    };
    if (word === 'from' || word === 'to') {
      owner = word;
      // `to port 22`: wherever the packet goes if nothing is said of it.
      if (word === 'from' || next?.text.toLowerCase() !== 'port') take(word, next);
    } else if (word === 'port') take(owner === 'from' ? 'fromPort' : 'toPort', next);
    else if (word === 'proto') take('proto', next);
    else if (word === 'type' || word === 'icmp-type') take('type', next);
    else if (word === 'code') take('code', next);
    else if (word === '->' || word === '→') owner = 'to';
    else if (i === 0 && parseProtocol(token.text) !== undefined) words.proto = token;
    else if (isEndpoint(token.text)) {
      const side: 'from' | 'to' = owner === 'to' ? 'to' : 'from';
      owner = side;
      readEndpoint(token, side, words, sink);
    } else {
      sink(at(token, refuse('parse/probe', `${quote(token.text)} has no place in a packet`, `write it as ${EXAMPLE}`)));
    }
  }
  return words;
}

function set(words: ProbeWords, key: keyof ProbeWords, term: Term, sink: Sink): void {
  if (words[key]) sink(at(term, refuse('parse/probe', `${quote(term.text)}: a packet has only one of these`)));
  else words[key] = term;
}

function isEndpoint(text: string): boolean {
  return /[.:]/.test(text);
}

/** `192.0.2.1:22`, `[2001:db8::1]:22`, or a bare address of either family. */
function readEndpoint(token: Token, side: 'from' | 'to', words: ProbeWords, sink: Sink): void {
  const bracket = /^\[([^\]]*)\](?::(\d*))?$/.exec(token.text);
  const plain = /^([0-9.]+):(\d*)$/.exec(token.text);
  const found = bracket ?? plain;
  const lead = bracket ? 1 : 0;
  const address = found ? found[1] : token.text;
  set(words, side, { text: address, start: token.start + lead, length: Math.max(1, address.length) }, sink);
  const port = found?.[2];
  if (port === undefined) return;
  const start = token.start + token.text.length - port.length;
  set(words, side === 'from' ? 'fromPort' : 'toPort', { text: port, start, length: Math.max(1, port.length) }, sink);
}

function resolve(words: ProbeWords, whole: Term, sink: Sink): Probe | null {
  const source = words.from && readAddress(words.from, sink);
  const destination = words.to && readAddress(words.to, sink);
  if (!words.from) sink(at(whole, refuse('parse/probe', 'the packet has no source address', `write it as ${EXAMPLE}`)));
  const protocol = readProtocol(words, whole, sink);
  if (!source || (words.to && !destination) || protocol === undefined) return null;
  const { family } = source;
  if (destination && destination.family !== family) {
    sink(at(words.to!, refuse('parse/probe', `${quote(words.to!.text)} is of another family than the source`)));
  }
  const base = { family, protocol, source: source.words, destination: destination?.words };
  if (PORT_PROTOCOLS.has(protocol)) {
    refuseWords([words.type, words.code], `${formatProtocol(protocol)} has no ICMP type`, sink);
    if (!words.toPort)
      sink(at(whole, refuse('parse/probe', 'the packet has no destination port', `write it as ${EXAMPLE}`)));
    const sourcePort = words.fromPort ? readPort(words.fromPort, sink) : DEFAULT_SOURCE_PORT;
    return { ...base, sourcePort, destinationPort: words.toPort ? readPort(words.toPort, sink) : 0 };
  }
  refuseWords([words.fromPort, words.toPort], `${formatProtocol(protocol)} has no ports`, sink);
  const portless = { ...base, sourcePort: 0, destinationPort: 0 };
  if (protocol === (family === 4 ? PROTOCOL.ICMPV6 : PROTOCOL.ICMP)) {
    const message = `${formatProtocol(protocol)} does not belong to IPv${family}`;
    const hint = `write ${family === 4 ? 'icmp' : 'icmpv6'}`;
    sink(at(words.proto ?? whole, refuse('parse/probe', message, hint)));
  }
  if (protocol !== (family === 4 ? PROTOCOL.ICMP : PROTOCOL.ICMPV6)) {
    refuseWords([words.type, words.code], `${formatProtocol(protocol)} over IPv${family} has no ICMP type`, sink);
    return portless;
  }
  return { ...portless, icmp: readIcmp(words, protocol, sink) };
}

function refuseWords(terms: readonly (Term | undefined)[], message: string, sink: Sink): void {
  for (const term of terms) if (term) sink(at(term, refuse('parse/probe', message, 'leave it out')));
}

function readAddress(term: Term, sink: Sink): { family: Family; words: AddressWords } | undefined {
  const bare = /^\[([^\]]+)\]$/.exec(term.text)?.[1] ?? term.text;
  const reading = parseAddressText(bare);
  if (reading.kind === 'refused') {
    sink(at(term, reading.problem));
    return undefined;
  }
  const { prefix } = reading;
  if (prefix.length === addressBits(prefix.family)) return prefix;
  sink(
    at(
      term,
      refuse('parse/probe', `${quote(term.text)} is a prefix, a packet has one address`, 'write one of its addresses'),
    ),
  );
  return undefined;
}

/** Named, or clear from what else was said: a type belongs to ICMP. Nothing else is assumed. */
function readProtocol(words: ProbeWords, whole: Term, sink: Sink): number | undefined {
  if (!words.proto) {
    sink(
      at(whole, refuse('parse/probe', 'the packet has no protocol', `begin with tcp, udp, icmp …, as in ${EXAMPLE}`)),
    );
    return undefined;
  }
  const protocol = parseProtocol(words.proto.text);
  if (typeof protocol === 'number') return protocol;
  sink(
    at(
      words.proto,
      refuse('parse/probe', `${quote(words.proto.text)} is not a protocol`, 'write tcp, udp, icmp, icmpv6 or a number'),
    ),
  );
  return undefined;
}

function readPort(term: Term, sink: Sink): number {
  const range = parsePortRange(term.text);
  if ('code' in range) sink(at(term, range));
  else if (range.first !== range.last)
    sink(at(term, refuse('parse/probe', `${quote(term.text)} is a range, a packet has one port`)));
  else return range.first;
  return 0;
}

/** Left out: an echo-request. */
function readIcmp(words: ProbeWords, protocol: number, sink: Sink): { type: number; code: number } {
  if (!words.type) {
    if (words.code)
      sink(at(words.code, refuse('parse/probe', 'a code stands without its type', 'write type 8 code 0')));
    return { type: protocol === PROTOCOL.ICMP ? 8 : 128, code: 0 };
  }
  const meaning = parseIcmpType(words.type.text)?.get(protocol);
  if (!meaning) {
    sink(at(words.type, refuse('parse/probe', `${quote(words.type.text)} is no type of ${formatProtocol(protocol)}`)));
    return { type: 0, code: 0 };
  }
  if (!words.code) return { type: meaning.type, code: meaning.code ?? 0 };
  const code = /^(0|[1-9][0-9]{0,2})$/.test(words.code.text) ? Number(words.code.text) : 256;
  if (code > 255 || meaning.code !== undefined) {
    sink(
      at(
        words.code,
        refuse('parse/probe', `${quote(words.code.text)} is not a code here`, 'write a number from 0 to 255, once'),
      ),
    );
  }
  return { type: meaning.type, code };
}
