/**
 * `limit` rules (SPEC §5): new connections of a source within a sliding window of time stamps. The scan is given what
 * was seen before and changes nothing; `recordLimit` says what a packet leaves behind. The datapath's twin is
 * `bpf/limit.h`, whose table is finite; here there is always room.
 */
import { TCP_FLAG } from './flow';
import type { FlowKey } from './packet';
import { type AddressWords, type Family, formatPrefix, maskWord } from './prefix';
import { PROTOCOL } from './protocol';

/** What a rule allows of each source. */
export interface Limit {
  /** The attempt that is refused, 2–`MAX_LIMIT_COUNT`. */
  readonly count: number;
  /** Within this many milliseconds, 1–`MAX_LIMIT_WINDOW_MS`. */
  readonly windowMs: number;
  readonly verdict: 'reject' | 'deny';
  /** Leading bits of an address that make one source. */
  readonly prefix: Readonly<Record<Family, number>>;
}

/** What `limit` means when nothing else is written: ufw's six attempts in half a minute. */
export const UFW_LIMIT: Limit = { count: 6, windowMs: 30_000, verdict: 'reject', prefix: { 4: 32, 6: 64 } };

/** Time stamps that a window holds. */
export const MAX_LIMIT_COUNT = 32;
export const MAX_LIMIT_WINDOW_MS = 3_600_000;

/** A packet as far as it can be a new connection. */
export type LimitedPacket = FlowKey & { readonly tcpFlags?: number };

/** What limit rules have seen by the time `now`, in milliseconds of any clock. */
export interface LimitState {
  readonly now: number;
  /** Times of the attempts of a source at a rule, ascending, by `rule source`. */
  readonly attempts: ReadonlyMap<string, readonly number[]>;
  /** Time of the newest packet of a UDP pair that the rule let in, by `rule source port`. */
  readonly pairs: ReadonlyMap<string, number>;
}

/** No rule has seen anything. */
export const NO_LIMITS: LimitState = { now: 0, attempts: new Map(), pairs: new Map() };

/** What a limit rule makes of a packet that it matches: only attempts are counted. */
export type Limited = 'uncounted' | 'accepted' | 'refused';

/** Judges a packet by what was seen before. `rule` is the rule's id with its section: `inbound/web`. */
export function judgeLimit(rule: string, limit: Limit, packet: LimitedPacket, state: LimitState): Limited {
  if (!isAttempt(rule, limit, packet, state)) return 'uncounted';
  const before = state.attempts.get(sourceKey(rule, limit, packet)) ?? [];
  const within = before.filter((time) => state.now - time < limit.windowMs);
  return within.length + 1 >= limit.count ? 'refused' : 'accepted';
}

/** What is seen after the packet: every attempt counts, refused ones too; a UDP pair is known once it was let in. */
export function recordLimit(rule: string, limit: Limit, packet: LimitedPacket, state: LimitState): LimitState {
  const judged = judgeLimit(rule, limit, packet, state);
  const attempts = new Map(state.attempts);
  const pairs = new Map(state.pairs);
  if (judged !== 'uncounted') {
    const key = sourceKey(rule, limit, packet);
    attempts.set(key, [...(attempts.get(key) ?? []), state.now]);
  }
  if (packet.protocol === PROTOCOL.UDP && judged !== 'refused') pairs.set(pairKey(rule, limit, packet), state.now);
  return { now: state.now, attempts, pairs };
}

/** A TCP SYN without ACK; a UDP packet of a source port that the rule has not let in within the window. */
function isAttempt(rule: string, limit: Limit, packet: LimitedPacket, state: LimitState): boolean {
  if (packet.protocol === PROTOCOL.TCP)
    return ((packet.tcpFlags ?? 0) & (TCP_FLAG.SYN | TCP_FLAG.ACK)) === TCP_FLAG.SYN;
  if (packet.protocol !== PROTOCOL.UDP) return false;
  const seen = state.pairs.get(pairKey(rule, limit, packet));
  return seen === undefined || state.now - seen >= limit.windowMs;
}

function sourceKey(rule: string, limit: Limit, { family, source }: LimitedPacket): string {
  const length = limit.prefix[family];
  const words: AddressWords = source.map((word, i) => (word & maskWord(length, i)) >>> 0);
  return `${rule} ${formatPrefix({ family, words, length })}`;
}

function pairKey(rule: string, limit: Limit, packet: LimitedPacket): string {
  return `${sourceKey(rule, limit, packet)} ${packet.sourcePort}`;
}
