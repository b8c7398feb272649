/**
 * Flows: what was opened from inside, so that its answers come in (SPEC §3.4). A flow is named by the tuple on the
 * wire of the filtered interface; only packets that go out open, refresh or end one, so nobody outside can. The
 * datapath's twin is `bpf/flows.h`.
 */
import { isEchoRequest, mirror, type FlowKey } from './packet';
import { PROTOCOL } from './protocol';

/** Flows that live, as `flowOfAnswer` names them. */
export type Flows = ReadonlySet<string>;

export const NO_FLOWS: Flows = new Set();

/** Flows that the table is made for: where nothing is written, and what may be written. */
export const DEFAULT_MAX_FLOWS = 65_536;
export const LEAST_MAX_FLOWS = 1024;
export const MOST_MAX_FLOWS = 1_000_000;

/**
 * Seconds a flow outlives the last packet that went out, by what our own packets have told:
 *
 * - `tcp-established`, after our first ACK: 5 days, as nf_conntrack; RFC 5382 (REQ-5) asks for 2 h 4 min at least.
 * - `tcp-opening` and `tcp-closing`, after our SYN and our FIN: 4 minutes, the least RFC 5382 (REQ-5) allows.
 * - `tcp-reset`, after our RST: 10 s, as nf_conntrack; a later packet of ours takes it back.
 * - `datagram`, UDP and UDP-Lite: 30 s, as nf_conntrack, since a resolver asks thousands of questions.
 *   `datagram-stream`, once packets go out 2 s after the first: 180 s, more than the two minutes of RFC 4787 (REQ-5).
 * - `echo`: 30 s, as nf_conntrack. `other` protocols: 600 s, nf_conntrack's for protocols it does not know.
 *
 * The datapath writes a flow's end anew only where that moves it by more than a 64th of its time or `LAG_SECONDS`: by so
 * much a flow may end too early.
 *
 * Packets that come in refresh nothing: RFC 4787 (REQ-6) leaves that open, and it would let strangers keep a flow.
 */
export const FLOW_TIMEOUTS = {
  'tcp-opening': 240,
  'tcp-established': 432_000,
  'tcp-closing': 240,
  'tcp-reset': 10,
  datagram: 30,
  'datagram-stream': 180,
  echo: 30,
  other: 600,
} as const;

export type FlowTimeout = keyof typeof FLOW_TIMEOUTS;

/**
 * How long packets come in by a flow that was opened under an earlier ruleset, from the first of them on, while nothing
 * goes out by it: the next packet that goes out is judged by the ruleset that enforces, and settles it.
 */
export const DOUBTED_SECONDS = 60;

/** The most by which the end of a flow that is at work lags behind. */
export const LAG_SECONDS = 1;

/** Age of a flow from which on further datagrams make it a stream. */
export const STREAM_AGE_SECONDS = 2;

/** Name of the flow that a packet which comes in would answer; null where none can be: of ICMP only echo-replies are. */
export function flowOfAnswer(answer: FlowKey): string | null {
  const { family, protocol, destination, source, icmp } = answer;
  const addresses = `${protocol} ${destination.join('.')} ${source.join('.')}`;
  if (!icmp) return `${addresses} ${answer.destinationPort} ${answer.sourcePort}`;
  return icmp.type === (family === 4 ? 0 : 129) ? `${addresses} ${icmp.identifier ?? 0} 0` : null;
}

/** Name of the flow that a packet which goes out belongs to. */
export function flowOfPacket(packet: FlowKey): string | null {
  return flowOfAnswer(mirror(packet));
}

/** TCP flags that flows look at (RFC 9293 §3.1). */
export const TCP_FLAG = { FIN: 1, SYN: 2, RST: 4, ACK: 16 } as const;

/**
 * Whether a packet that goes out, and has no flow, opens one where it passes: always (a TCP SYN without ACK, an
 * echo-request), never (the rest of TCP and ICMP), or `unless-answer` to something the rules let in.
 */
export function opensFlow(packet: FlowKey & { readonly tcpFlags?: number }): 'always' | 'never' | 'unless-answer' {
  if (packet.protocol === PROTOCOL.TCP) {
    const flags = (packet.tcpFlags ?? 0) & (TCP_FLAG.SYN | TCP_FLAG.ACK);
    return flags === TCP_FLAG.SYN ? 'always' : 'never';
  }
  if (packet.icmp) return isEchoRequest(packet) ? 'always' : 'never';
  return 'unless-answer';
}
