/**
 * How many echo-requests pass in a second (SPEC §3, tier 5): of each source, and in all, so that nobody can make the
 * host answer without end. The datapath's twin is `bpf/echo.h`.
 */
import type { FlowKey } from './packet';

/** Echo-requests that pass in a second of the clock, 1–`MAX_ECHO_RATE`. */
export interface EchoRates {
  readonly inAll: number;
  /** Of one source: an IPv4 address, the /64 of an IPv6 one. */
  readonly perSource: number;
}

export const DEFAULT_ECHO_RATES: EchoRates = { inAll: 1000, perSource: 10 };
export const MAX_ECHO_RATE = 1_000_000;

/** Echo-requests of this second so far. */
export interface EchoState {
  /** By source, as `echoSource` names it. */
  readonly bySource: ReadonlyMap<string, number>;
  /** Those that their source's rate let pass. */
  readonly inAll: number;
}

/** Nobody has sent any. */
export const NO_ECHOES: EchoState = { bySource: new Map(), inAll: 0 };

/** What is one source. */
export function echoSource({ family, source }: Pick<FlowKey, 'family' | 'source'>): string {
  return `${family} ${source.slice(0, family === 4 ? 1 : 2).join('.')}`;
}

/** What becomes of an echo-request: the rate of its source is asked first, so that one source cannot spend that of all. */
export function judgeEcho(
  rates: EchoRates,
  packet: FlowKey,
  state: EchoState,
): 'icmp-echo' | 'icmp-echo-source' | 'icmp-echo-all' {
  if ((state.bySource.get(echoSource(packet)) ?? 0) >= rates.perSource) return 'icmp-echo-source';
  return state.inAll >= rates.inAll ? 'icmp-echo-all' : 'icmp-echo';
}
