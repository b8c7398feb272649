/**
 * What a rejected packet is answered with. The datapath (`bpf/reject.h`) turns the frame round into that answer, as
 * long as its source, and all together, are within the budget of the second. One that wanted out is answered in the name
 * of whom it was for.
 */
import { TCP_FLAG } from './flow';
import type { Packet } from './packet';
import type { AddressWords, Family } from './prefix';
import { PORT_PROTOCOLS, PROTOCOL } from './protocol';

/**
 * - `reset`: a TCP RST as RFC 9293 §3.10.7.1 has it for a closed port.
 * - `port-unreachable`: ICMP 3/3 or ICMPv6 1/4, for what else has ports.
 * - `prohibited`: ICMP 3/13 or ICMPv6 1/1 ("administratively prohibited"), for the rest.
 * - `none`: never answered (RFC 1122 §3.2.2, RFC 4443 §2.4e): a RST, an ICMP error or redirect, multicast, broadcast
 *   and addresses that are no host's, later fragments. A first fragment without ACK neither: its segment's length is not known. On its way out
 *   nothing that has IP options or IPv6 extension headers: the answer must begin where the question does.
 */
export type Answer = 'reset' | 'port-unreachable' | 'prohibited' | 'none';

/** Answers a second to one source (of IPv6 a /64), and to all together; what is beyond drops silently. */
export const ANSWERS_A_SECOND = { source: 10, all: 1000 } as const;

/** The same to those who wanted out. */
export const ANSWERS_OUT_A_SECOND = { source: 100, all: 1000 } as const;

/** ICMP messages about which no error is sent; of ICMPv6 also every type below 128. */
const UNANSWERED_ICMP: Record<Family, ReadonlySet<number>> = { 4: new Set([3, 4, 5, 11, 12]), 6: new Set([137]) };

/** What the packet is answered with where a rule rejects it; `isGroup`: a link address of it is no single station's. */
export function answerTo(packet: Packet, isGroup = false): Answer {
  const { family, protocol, tcpFlags = 0, icmp } = packet;
  if (packet.fragment === 'later') return 'none';
  if (isGroup || isNobody(family, packet.source) || isNobody(family, packet.destination)) return 'none';
  if (icmp && (UNANSWERED_ICMP[family].has(icmp.type) || (family === 6 && icmp.type < 128))) return 'none';
  if (protocol !== PROTOCOL.TCP) return PORT_PROTOCOLS.has(protocol) ? 'port-unreachable' : 'prohibited';
  if ((tcpFlags & TCP_FLAG.RST) !== 0) return 'none';
  return packet.fragment === 'none' || (tcpFlags & TCP_FLAG.ACK) !== 0 ? 'reset' : 'none';
}

/** Multicast, broadcast, unspecified, loopback, reserved. */
function isNobody(family: Family, words: AddressWords): boolean {
  if (family === 4) return words[0] >>> 28 >= 0xe || words[0] >>> 24 === 0 || words[0] >>> 24 === 127;
  return words[0] >>> 24 === 0xff || (words.slice(0, 3).every((word) => word === 0) && words[3] <= 1);
}
