/** Bans on disk: what outlives a reboot, and what there is while nothing enforces. */
import { formatPrefix, type Prefix } from '../model/prefix';
import { parseAddressText } from '../parse/address';
import type { StateRead } from './sealed-file';
import { readStateFile, type StateFolder, writeStateFile } from './state-files';

/** A ban by the wall clock. */
export interface Ban {
  readonly prefix: Prefix;
  /** Milliseconds since 1970 from which on it bans nobody; null: it has no end. */
  readonly untilMs: number | null;
  /** Packets it stopped. */
  readonly packets: bigint;
  /** When it stopped the last one; null: none yet. */
  readonly lastHitMs: number | null;
}

const FILE = 'bans.json';
const SCHEMA_VERSION = 1;

/** `[prefix, untilMs, packets, lastHitMs]`: there can be 100,000 of them, and each change writes them all. */
type Line = readonly [prefix: string, untilMs: number | null, packets: string, lastHitMs: number | null];

/** Writes the bans, atomically. */
export function writeBans(folder: StateFolder, bans: readonly Ban[], nowMs: number): void {
  const lines = bans.map(({ prefix, untilMs, packets, lastHitMs }): Line => {
    return [formatPrefix(prefix), untilMs, packets.toString(), lastHitMs];
  });
  writeStateFile(folder, FILE, SCHEMA_VERSION, { savedAtMs: nowMs, bans: lines });
}

/**
 * The bans that have not ended. A clock that stands before the moment of writing, as after a boot without a battery,
 * makes none of them longer: it is taken to stand there.
 */
export function readBans(folder: StateFolder, nowMs: number): StateRead<readonly Ban[]> {
  return readStateFile(folder, FILE, SCHEMA_VERSION, (body) => {
    const { savedAtMs, bans } = (body ?? {}) as { savedAtMs?: unknown; bans?: unknown };
    if (!isTime(savedAtMs) || !Array.isArray(bans)) throw new Error('fields are missing');
    const behind = Math.max(0, savedAtMs - nowMs);
    return bans
      .map(readLine)
      .map((ban) => (ban.untilMs === null ? ban : { ...ban, untilMs: ban.untilMs - behind }))
      .filter(({ untilMs }) => untilMs === null || untilMs > nowMs);
  });
}

function readLine(line: unknown): Ban {
  const [text, untilMs, packets, lastHitMs] = (Array.isArray(line) ? line : []) as unknown[];
  const reading = typeof text === 'string' ? parseAddressText(text) : undefined;
  const sound =
    reading?.kind === 'prefix' &&
    (untilMs === null || isTime(untilMs)) &&
    (lastHitMs === null || isTime(lastHitMs)) &&
    typeof packets === 'string' &&
    /^\d{1,20}$/.test(packets);
  if (!sound) throw new Error(`it has a line that is no ban: ${JSON.stringify(line)}`);
  return { prefix: reading.prefix, untilMs, packets: BigInt(packets), lastHitMs };
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}
