/** Words of which rows in canonical form are made, and what they say: read without a second look, the rest is left. */
import type { AddressMatch, Match } from '../model/match';
import type { PortRange } from '../model/port-range';
import { PROTOCOL } from '../model/protocol';
import type { WrittenForm } from '../model/ruleset';
import type { Action } from '../model/verdict';
import { readUsualIpv4 } from './address';
import type { AddressWording } from './format-rule';
import type { Names } from './names';

/** The rows of a ruleset are many, and plain data: what they have in common is there once. */
export const USUAL_PROTOCOLS: ReadonlyMap<string, readonly number[]> = new Map([
  ['tcp', [PROTOCOL.TCP]],
  ['udp', [PROTOCOL.UDP]],
  ['icmp', [PROTOCOL.ICMP]],
]);
export const USUAL_WRITTEN: WrittenForm = { dashboardRow: false, ipv4AnyFrom: false, ipv4AnyTo: false };

/** A row that says nothing but this. */
export interface UsualRow {
  readonly action: Action;
  readonly match: Match;
  readonly wording: Required<AddressWording>;
  readonly written: WrittenForm;
  /** Canonical. */
  readonly text: string;
}

/** The list of one IPv4 address or network in canonical form; rows that name the same share it. */
export function usualAddress(text: string, { addresses }: Names): AddressMatch | undefined {
  const known = addresses.get(text);
  if (known) return known;
  const prefix = readUsualIpv4(text);
  // Of everybody there is more to say, and /32 is not canonical.
  if (!prefix || prefix.length === 0 || text.endsWith('/32')) return undefined;
  const list = [prefix];
  addresses.set(text, list);
  return list;
}

/** One port or one range, by number; of a range both ends may be the same. */
export function usualPorts(text: string): readonly PortRange[] | undefined {
  const colon = text.indexOf(':');
  const first = numberOf(text, 0, colon < 0 ? text.length : colon);
  const last = colon < 0 ? first : numberOf(text, colon + 1, text.length);
  return first === 0 || last === 0 || first > last ? undefined : [{ first, last }];
}

/** A port as it is written canonically; 0 where it is none. */
function numberOf(text: string, start: number, end: number): number {
  if (end === start || end - start > 5 || text.charCodeAt(start) === 0x30) return 0;
  let number = 0;
  for (let i = start; i < end; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return 0;
    number = number * 10 + digit;
  }
  return number <= 65535 ? number : 0;
}
