import { type AddressMatch, ANY, type Match } from '../model/match';
import { formatPrefix } from '../model/prefix';
import { PORT_DEFAULT_PROTOCOLS, PROTOCOL } from '../model/protocol';
import type { Direction } from '../model/ruleset';
import type { Limit } from '../model/limit';
import type { Action } from '../model/verdict';
import { formatIcmpType } from './icmp';
import { formatLimit } from './limit';
import { formatPorts } from '../model/port-range';
import { formatProtocol } from '../model/protocol-names';

/** Addresses as they were named (`office,10.0.0.0/8`); left out: by number. */
export interface AddressWording {
  readonly from?: string;
  readonly to?: string;
}

/**
 * The canonical one-line text of a rule, which `parseRuleLine` reads back to the same match:
 * `allow 8000/tcp`, `allow from 10.0.0.0/8 to any port 22 proto tcp`, `limit 22/tcp 20/10s`. An empty list is `none`.
 */
export function formatRule(action: Action, match: Match, wording: AddressWording = {}, limit?: Limit): string {
  return [formatMatch(action, match, wording), limit ? formatLimit(limit) : ''].join(' ').trimEnd();
}

function formatMatch(action: Action, match: Match, wording: AddressWording): string {
  const { family, protocols, fromPorts, toPorts, icmpTypes } = match;
  const from = wording.from ?? formatAddresses(match.from);
  const to = wording.to ?? formatAddresses(match.to);
  const defaultProtocols = protocols !== ANY && sameNumbers(protocols, PORT_DEFAULT_PROTOCOLS);
  const plain = family === ANY && match.from === ANY && match.to === ANY && fromPorts === ANY && icmpTypes === ANY;
  if (plain && toPorts !== ANY && toPorts.length > 0 && protocols !== ANY) {
    if (defaultProtocols) return `${action} ${formatPorts(toPorts)}`;
    if (protocols.length === 1) return `${action} ${formatPorts(toPorts)}/${formatProtocol(protocols[0])}`;
  }
  const words: string[] = [action];
  const needsTo = match.to !== ANY || toPorts !== ANY;
  if (match.from !== ANY || fromPorts !== ANY || !needsTo) words.push('from', from);
  if (fromPorts !== ANY) words.push('port', formatPorts(fromPorts));
  if (needsTo) words.push('to', to);
  if (toPorts !== ANY) words.push('port', formatPorts(toPorts));
  const impliedByPorts = defaultProtocols && (fromPorts !== ANY || toPorts !== ANY);
  if (protocols !== ANY && !impliedByPorts) words.push('proto', formatProtocols(protocols));
  if (icmpTypes !== ANY) {
    const protocol = protocols !== ANY && protocols.includes(PROTOCOL.ICMPV6) ? PROTOCOL.ICMPV6 : PROTOCOL.ICMP;
    words.push('icmp-type', icmpTypes.map((type) => formatIcmpType(protocol, type)).join(',') || 'none');
  }
  if (family !== ANY) words.push('family', `ipv${family}`);
  return words.join(' ');
}

/** The canonical text, saying that it is about packets that go out where it is: `allow out 53`. */
export function directed(text: string, direction: Direction): string {
  return direction === 'out' ? text.replace(' ', ' out ') : text;
}

/** Canonical text of an address list: `any`, `none`, or prefixes joined by commas. */
export function formatAddresses(match: AddressMatch): string {
  if (match === ANY) return 'any';
  return match.length === 0 ? 'none' : match.map(formatPrefix).join(',');
}

function formatProtocols(protocols: readonly number[]): string {
  return protocols.length === 0 ? 'none' : protocols.map(formatProtocol).join(',');
}

function sameNumbers(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((n, i) => n === b[i]);
}
