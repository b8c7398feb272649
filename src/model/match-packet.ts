/** Whether a packet is what a match describes, field by field. */
import { ANY, type AddressMatch, type Match, type PortMatch } from './match';
import type { FlowKey } from './packet';
import { portInRanges } from './port-range';
import { type AddressWords, type Family, prefixContains } from './prefix';
import { PORT_PROTOCOLS } from './protocol';

/** Whether every field of the match holds for the packet. */
export function matches(match: Match, packet: FlowKey): boolean {
  return firstMismatch(match, packet) === null;
}

/** Names of the fields of a match, in the order in which `explain` looks at them. */
export type MatchField = 'family' | 'proto' | 'from' | 'to' | 'from-port' | 'port' | 'icmp-type';

/** The first field that does not hold, or null where all do. */
export function firstMismatch(match: Match, packet: FlowKey): MatchField | null {
  if (match.family !== ANY && match.family !== packet.family) return 'family';
  if (match.protocols !== ANY && !match.protocols.includes(packet.protocol)) return 'proto';
  if (!addressMatches(match.from, packet.family, packet.source)) return 'from';
  if (!addressMatches(match.to, packet.family, packet.destination)) return 'to';
  if (!portMatches(match.fromPorts, packet, packet.sourcePort)) return 'from-port';
  if (!portMatches(match.toPorts, packet, packet.destinationPort)) return 'port';
  if (match.icmpTypes !== ANY && !icmpMatches(match.icmpTypes, packet.icmp)) return 'icmp-type';
  return null;
}

function addressMatches(match: AddressMatch, family: Family, address: AddressWords): boolean {
  return match === ANY || match.some((prefix) => prefix.family === family && prefixContains(prefix, address));
}

function portMatches(match: PortMatch, packet: FlowKey, port: number): boolean {
  return match === ANY || (PORT_PROTOCOLS.has(packet.protocol) && portInRanges(match, port));
}

function icmpMatches(types: readonly { type: number; code?: number }[], icmp: FlowKey['icmp']): boolean {
  return types.some(({ type, code }) => icmp?.type === type && (code === undefined || icmp.code === code));
}
