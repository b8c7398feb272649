/** What is decided before IP addresses are looked at, the same for packets that come in and that go out: sanity, link essentials. */
import { decode, ETHERTYPE } from './decode';
import { LISTENER_MESSAGES, NEIGHBOUR_DISCOVERY } from './essentials';
import { matches } from './match-packet';
import type { Packet } from './packet';
import type { Reason } from './reason';
import type { Ruleset } from './ruleset';

/** What becomes of a frame by itself; `ip`: that is for the tiers below. */
export type LinkDecision =
  | { readonly step: 'ip'; readonly packet: Packet }
  | { readonly step: 'sanity' | 'link'; readonly verdict: 'allow' | 'deny'; readonly reason: Reason };

/** Judges a frame, beginning with its Ethernet header, as far as it is not IP. */
export function judgeLink({ ethertypes }: Pick<Ruleset, 'ethertypes'>, frame: Uint8Array): LinkDecision {
  const decoded = decode(frame);
  switch (decoded.kind) {
    case 'malformed':
      return { step: 'sanity', verdict: 'deny', reason: decoded.reason };
    case 'non-ip':
      if (decoded.ethertype === ETHERTYPE.ARP) return { step: 'link', verdict: 'allow', reason: 'arp' };
      if (ethertypes.includes(decoded.ethertype)) return { step: 'link', verdict: 'allow', reason: 'link-protocol' };
      return { step: 'link', verdict: 'deny', reason: 'ethertype' };
    case 'ip':
      return { step: 'ip', packet: decoded.packet };
  }
}

/** Why an IPv6 packet passes as a link essential, or null. */
export function judgeIpv6Link(packet: Packet): Reason | null {
  if (packet.family !== 6 || packet.fragment !== 'none' || !packet.icmp) return null;
  if (packet.hopLimit === 255 && matches(NEIGHBOUR_DISCOVERY, packet)) return 'neighbour-discovery';
  return matches(LISTENER_MESSAGES, packet) ? 'multicast-listener' : null;
}
