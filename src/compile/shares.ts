/** What each server of an edge has room for, whatever comes to the others: decided by how many there are. */
import { SLC_EVENT_LIMITS } from '../abi/layout.gen';

/** Sources whose windows of limit rules the table is made for: 4.75 MiB. */
export const MAX_WINDOWS = 16_384;

/** Flows and windows that a server has room for at least, however many servers there are. */
const LEAST_ENTRIES = 16;
/** Events a second, for each processor, that all servers together may have; and one of a few. */
const SERVER_EVENTS = 512;
const MOST_EVENTS = 32;

/** Room of each server; the edge's own traffic counts as one more. */
export interface Shares {
  /** Connections opened from inside. */
  readonly flows: number;
  /** Sources that its limit rules remember. */
  readonly windows: number;
  /** Packets it is told of, a second and processor. */
  readonly events: number;
}

/** An equal part of each table, so long as that is worth something. */
export function sharesOf(servers: number, maxFlows: number): Shares {
  const part = (whole: number): number => Math.max(LEAST_ENTRIES, Math.floor(whole / (servers + 1)));
  const events = Math.floor(SERVER_EVENTS / Math.max(1, servers));
  return {
    ...{ flows: part(maxFlows), windows: part(MAX_WINDOWS) },
    events: Math.min(MOST_EVENTS, Math.max(SLC_EVENT_LIMITS.EVENT_CAP_SOURCE, events)),
  };
}
