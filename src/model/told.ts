/**
 * Answers of sluice's own, to whoever was rejected on his way out: they come in by the interface that the rejected packet
 * was to leave through, and pass. The datapath (`bpf/told.h`) remembers them for this second and the next.
 */
import { TCP_FLAG } from './flow';
import type { FlowKey, Packet } from './packet';
import { PROTOCOL } from './protocol';

/** Names of the answers that are under way. */
export type OwnAnswers = ReadonlySet<string>;

/** How an answer is known: by its addresses, its protocol, and its ports or its ICMP type and code. */
export function nameOfAnswer({
  family,
  protocol,
  source,
  destination,
  sourcePort,
  destinationPort,
  icmp,
}: FlowKey): string {
  const ends = icmp ? [icmp.type, icmp.code] : [sourcePort, destinationPort];
  return [family, protocol, ...source, ...destination, ...ends].join(' ');
}

/** Whether the packet that comes in is one of these. Only a RST, and an ICMP message that says "unreachable", can be. */
export function isOwnAnswer(answers: OwnAnswers, packet: Packet): boolean {
  const { family, protocol, icmp, tcpFlags = 0 } = packet;
  if (answers.size === 0 || packet.fragment === 'later') return false;
  const tells = protocol === PROTOCOL.TCP ? (tcpFlags & TCP_FLAG.RST) !== 0 : icmp?.type === (family === 4 ? 3 : 1);
  return tells && answers.has(nameOfAnswer(packet));
}
