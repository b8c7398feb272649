/**
 * What is told of packets at each level (SPEC §7): levels and words are those of ufw. The datapath decides the same in
 * `bpf/events.h`, and holds back what comes too often.
 */
import { decode } from './decode';
import type { Decision } from './evaluate';
import { LOG_LEVELS, type LogLevel, type LogWord, type RowLog } from './logging';
import type { Packet } from './packet';
import { PROTOCOL } from './protocol';
import type { Reason } from './reason';
import { type Ruleset, writtenSections } from './ruleset';
import type { Action, OutTier, Tier } from './verdict';

/** How a packet left, as far as telling of it depends on that. */
export interface Departure {
  readonly passed: boolean;
  readonly reason: Reason;
  readonly tier: Tier | OutTier;
  /** The row, SSH row or default that decided; null where none did. */
  readonly row: { readonly action: Action; readonly log?: RowLog } | null;
}

const SYN = 0x02;
const ACK = 0x10;

/** What the packet is written as at this level; null where it is not. `packet` is null where it is no IP packet. */
export function logWordOf(level: LogLevel, departure: Departure, packet: Packet | null): LogWord | null {
  const { passed, reason, tier, row } = departure;
  const rank = LOG_LEVELS.indexOf(level);
  if (rank === 0) return null;
  const isNew = isNewPacket(departure, packet);
  const isLimit = row?.action === 'limit';
  // low: what ALLOW ALL lets in, what limits refuse, rows that ask for it, what the default and the UDP switch refuse
  if (reason === 'allow-all' && isNew) return 'ALLOW';
  if (isLimit && !passed) return 'LIMIT BLOCK';
  if (row?.log === 'all' || (row?.log === 'new' && isNew)) return isLimit ? 'LIMIT' : passed ? 'ALLOW' : 'BLOCK';
  if ((reason === 'default' || reason === 'udp-off') && !passed) return 'BLOCK';
  if (rank < LOG_LEVELS.indexOf('medium')) return null;
  // medium: what the default lets in, what is malformed or of no connection, new connections
  if (reason === 'default' && isNew) return 'ALLOW';
  if (row === null && !passed && tier !== '3.2') return 'AUDIT INVALID';
  if (!packet) return null;
  // high and full: every IP packet
  return isNew || rank >= LOG_LEVELS.indexOf('high') ? 'AUDIT' : null;
}

/** Whether the packet opens a connection, as far as one packet shows it: of TCP a SYN without ACK, else no flow's. */
function isNewPacket({ reason }: Departure, packet: Packet | null): boolean {
  if (reason === 'flow' || reason === 'answer' || packet?.fragment === 'later') return false;
  return packet?.protocol !== PROTOCOL.TCP || ((packet.tcpFlags ?? 0) & (SYN | ACK)) === SYN;
}

/** What a frame that was decided so is written as by the ruleset. */
export function logWordOfFrame(ruleset: Ruleset, decision: Decision, frame: Uint8Array): LogWord | null {
  const decoded = decode(frame);
  const { tier, reason, verdict } = decision;
  const departure = { passed: verdict === 'allow', reason, tier, row: rowOf(ruleset, decision) };
  return logWordOf(ruleset.logging, departure, decoded.kind === 'ip' ? decoded.packet : null);
}

function rowOf(ruleset: Ruleset, { section, tier, rule, reason }: Decision): Departure['row'] {
  if (rule !== null) {
    const { rules } = writtenSections(ruleset).find(({ name }) => name === section) ?? ruleset.inbound;
    return rules.find(({ id }) => id === rule) ?? null;
  }
  if (reason === 'default') {
    const { outbound, inbound, servers = [] } = ruleset;
    const owner = [outbound, ...servers].find(({ name }) => name === section) ?? inbound;
    return { action: owner.default };
  }
  return tier === '8' ? { action: 'allow' } : null;
}
