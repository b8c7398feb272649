/**
 * Rows in canonical form, as nearly all of a large ruleset have it: `deny from 192.0.2.7 to 198.51.100.0/24 port 80 proto
 * tcp`, `allow from 10.0.0.0/8`. Read here in one pass; whatever looks otherwise is left to the reader of any row, which
 * reads these the same.
 */
import { ANY, type AddressMatch, type Match, type PortMatch } from '../model/match';
import { PORT_DEFAULT_PROTOCOLS, PROTOCOL } from '../model/protocol';
import type { WrittenForm } from '../model/ruleset';
import type { Action } from '../model/verdict';
import { readUsualIpv4 } from './address';
import type { Names } from './names';
import type { AddressWording } from './format-rule';

/** The rows of a ruleset are many, and plain data: what they have in common is there once. */
const PROTOCOLS: ReadonlyMap<string, readonly number[]> = new Map([
  ['tcp', [PROTOCOL.TCP]],
  ['udp', [PROTOCOL.UDP]],
  ['icmp', [PROTOCOL.ICMP]],
]);
const WRITTEN: WrittenForm = { dashboardRow: false, ipv4AnyFrom: false, ipv4AnyTo: false };

/** Such a row; it says no more. */
export interface UsualLine {
  readonly action: Action;
  readonly match: Match;
  readonly wording: Required<AddressWording>;
  readonly written: WrittenForm;
  readonly text: string;
}

/** The row, or undefined where its text is not in this form. */
export function readUsualLine(text: string, names: Names): UsualLine | undefined {
  const action = actionOf(text);
  if (action === undefined) return undefined;
  let at = action.length;
  let from: AddressMatch = ANY;
  let to: AddressMatch = ANY;
  let fromText = 'any';
  let toText = 'any';
  let toPorts: PortMatch = ANY;
  let protocols: Match['protocols'] = ANY;
  if (text.startsWith(' from ', at)) {
    fromText = wordAt(text, at + 6);
    at += 6 + fromText.length;
    const list = addressOf(fromText, names);
    if (!list) return undefined;
    from = list;
  }
  const hasTo = text.startsWith(' to ', at);
  if (hasTo) {
    toText = wordAt(text, at + 4);
    at += 4 + toText.length;
    if (toText !== 'any') {
      const list = addressOf(toText, names);
      if (!list) return undefined;
      to = list;
    }
    if (text.startsWith(' port ', at)) {
      const word = wordAt(text, at + 6);
      at += 6 + word.length;
      const ports = portsOf(word);
      if (!ports) return undefined;
      toPorts = ports;
      protocols = PORT_DEFAULT_PROTOCOLS;
    }
  }
  if (text.startsWith(' proto ', at)) {
    const word = wordAt(text, at + 7);
    at += 7 + word.length;
    const named = PROTOCOLS.get(word);
    if (!named || (word === 'icmp' && toPorts !== ANY)) return undefined;
    protocols = named;
  }
  // Without an address the canonical text is a shorter one.
  if (at !== text.length || (from === ANY && to === ANY) || (hasTo && to === ANY && toPorts === ANY)) return undefined;
  const match: Match = { family: ANY, protocols, from, to, fromPorts: ANY, toPorts, icmpTypes: ANY };
  return { action, match, wording: { from: fromText, to: toText }, written: WRITTEN, text };
}

function actionOf(text: string): Action | undefined {
  if (text.startsWith('allow ')) return 'allow';
  if (text.startsWith('deny ')) return 'deny';
  return text.startsWith('reject ') ? 'reject' : undefined;
}

/** Up to the next blank, or the end. */
function wordAt(text: string, start: number): string {
  const end = text.indexOf(' ', start);
  return end < 0 ? text.slice(start) : text.slice(start, end);
}

/** Rows that name the same address share its list. */
function addressOf(text: string, { addresses }: Names): AddressMatch | undefined {
  const known = addresses.get(text);
  if (known) return known;
  const prefix = readUsualIpv4(text);
  // Of everybody there is more to say, and /32 is not canonical.
  if (!prefix || prefix.length === 0 || text.endsWith('/32')) return undefined;
  const list = [prefix];
  addresses.set(text, list);
  return list;
}

function portsOf(text: string): PortMatch | undefined {
  const colon = text.indexOf(':');
  const first = numberOf(text, 0, colon < 0 ? text.length : colon);
  const last = colon < 0 ? first : numberOf(text, colon + 1, text.length);
  if (first === 0 || last === 0 || (colon >= 0 && first >= last)) return undefined;
  return [{ first, last }];
}

/** A port as it is written canonically; 0 where it is none. */
function numberOf(text: string, start: number, end: number): number {
  if (end - start > 5 || text.charCodeAt(start) === 0x30) return 0;
  let number = 0;
  for (let i = start; i < end; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return 0;
    number = number * 10 + digit;
  }
  return number <= 65535 ? number : 0;
}
