/** IP protocol numbers (IANA "Assigned Internet Protocol Numbers") and what sluice knows of them. */
import type { Family } from './prefix';

export const PROTOCOL = {
  HOPOPT: 0,
  ICMP: 1,
  IGMP: 2,
  TCP: 6,
  UDP: 17,
  ROUTING: 43,
  FRAGMENT: 44,
  ESP: 50,
  AH: 51,
  ICMPV6: 58,
  NO_NEXT_HEADER: 59,
  DESTINATION_OPTIONS: 60,
  SCTP: 132,
  DCCP: 33,
  UDPLITE: 136,
  MOBILITY: 135,
  HIP: 139,
  SHIM6: 140,
} as const;

/** Protocol number of the ICMP of a family. */
export function icmpOf(family: Family): number {
  return family === 4 ? PROTOCOL.ICMP : PROTOCOL.ICMPV6;
}

/**
 * Protocols that carry a source and a destination port in their first four bytes, with the smallest
 * transport header that is not truncated. Only these may be named together with a port.
 */
export const PORT_PROTOCOLS: ReadonlyMap<number, { readonly name: string; readonly headerBytes: number }> = new Map([
  [PROTOCOL.TCP, { name: 'tcp', headerBytes: 20 }],
  [PROTOCOL.UDP, { name: 'udp', headerBytes: 8 }],
  [PROTOCOL.DCCP, { name: 'dccp', headerBytes: 12 }],
  [PROTOCOL.SCTP, { name: 'sctp', headerBytes: 12 }],
  [PROTOCOL.UDPLITE, { name: 'udplite', headerBytes: 8 }],
]);

/** What a port without a protocol means (SPEC §2): TCP and UDP. */
export const PORT_DEFAULT_PROTOCOLS: readonly number[] = [PROTOCOL.TCP, PROTOCOL.UDP];
