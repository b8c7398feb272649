/**
 * Fragments: only the first of a packet shows ports. The tiers judge it; where it passes, later ones of the same packet
 * follow for a while (SPEC §3.4), as long as they leave alone what was judged. The datapath's twin is `bpf/fragments.h`.
 */
import type { Packet } from './packet';

/** Which way a fragment goes: later ones follow a first that went the same way. */
export type Way = 'in' | 'out';

/**
 * First fragments that passed, as `nameOfFragments` names their packets, with the bytes from the start of their data
 * that no later one may touch.
 */
export type FirstFragments = ReadonlyMap<string, number>;

export const NO_FRAGMENTS: FirstFragments = new Map();

/** How long later fragments follow their first: as long as Linux waits for them (`net.ipv4.ipfrag_time`). */
export const FRAGMENT_SECONDS = 30;

/**
 * What receivers tell packets in fragments apart by: IPv4 with the protocol (RFC 791 §3.2), IPv6 without, as the next
 * header of later fragments means nothing (RFC 8200 §4.5).
 */
export function nameOfFragments(packet: Packet, way: Way): string {
  const { family, source, destination, protocol, part } = packet;
  return `${way} ${source.join('.')} ${destination.join('.')} ${family === 4 ? protocol : 0} ${part?.id ?? 0}`;
}

/** What becomes of a later fragment. */
export function judgeLaterFragment(
  firsts: FirstFragments,
  packet: Packet,
  way: Way,
): 'fragment-follows' | 'fragment' | 'fragment-overlap' {
  const judged = firsts.get(nameOfFragments(packet, way));
  if (judged === undefined) return 'fragment';
  return (packet.part?.at ?? 0) < judged ? 'fragment-overlap' : 'fragment-follows';
}
