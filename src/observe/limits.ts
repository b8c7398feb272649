/** The table of windows and the answers to what is rejected, as figures. Reads every bucket: a few milliseconds. */
import { LAYOUT, SLC_HOOK, SLC_LIMITS, SLC_WINDOW_FULL_BITS } from '../abi/layout.gen';
import type { BpfMap } from '../kernel/kernel';
import type { Direction } from '../model/ruleset';
import type { TableFigures } from './tables';

/** What became of rejected packets. */
export interface RejectFigures {
  readonly answered: bigint;
  /** Over the budget of their source, or of all. */
  readonly capped: bigint;
  /** Of a kind that is never answered. */
  readonly unanswered: bigint;
}

const {
  slc_window_bucket: BUCKET,
  slc_attempts: ATTEMPTS,
  slc_table_figures: FIGURES,
  slc_reject_figures: REJECT,
} = LAYOUT;
const NS_A_MS = 1_000_000n;

/** Counts the windows, and UDP pairs that were seen, that have not passed at `tickNs`. */
export async function readLimitFigures(windows: BpfMap, stats: BpfMap, tickNs: bigint): Promise<TableFigures> {
  const { count, values } = await windows.entries();
  const view = new DataView(values.buffer, values.byteOffset, values.byteLength);
  const nowMs = tickNs / NS_A_MS;
  let live = 0;
  let full = 0;
  const liveBy = new Map<number, number>();
  for (let bucket = 0; bucket < values.length; bucket += BUCKET.size) {
    const before = live;
    for (let way = 0; way < SLC_LIMITS.LIMIT_WAYS; way++) {
      const name = view.getBigUint64(bucket + BUCKET.fields.keys.offset + 8 * way, true);
      if (name === 0n) continue;
      const newest =
        view.getBigUint64(bucket + BUCKET.fields.newest.offset + 8 * way, true) >> BigInt(SLC_WINDOW_FULL_BITS);
      if (nowMs - newest >= BigInt(view.getUint32(bucket + BUCKET.fields.window_ms.offset + 4 * way, true))) continue;
      live++;
      const owner = Number(name & BigInt(SLC_LIMITS.OWNERS - 1));
      liveBy.set(owner, (liveBy.get(owner) ?? 0) + 1);
    }
    if (live - before === SLC_LIMITS.LIMIT_WAYS) full++;
  }
  const sum = sumOver(stats, FIGURES.size);
  return {
    live,
    ways: count * SLC_LIMITS.LIMIT_WAYS,
    pressure: full / count,
    bytes: values.length + count * ATTEMPTS.size,
    made: sum(FIGURES.fields.made.offset),
    evicted: sum(FIGURES.fields.evicted.offset),
    liveBy,
  };
}

/** Of packets that come in, or go out. */
export function readRejectFigures(stats: BpfMap, direction: Direction): RejectFigures {
  const sum = sumOver(stats, REJECT.size, direction === 'in' ? SLC_HOOK.INGRESS : SLC_HOOK.EGRESS);
  const { answered, capped, unanswered } = REJECT.fields;
  return { answered: sum(answered.offset), capped: sum(capped.offset), unanswered: sum(unanswered.offset) };
}

/** Sums of 64-bit fields over the CPUs of an entry. */
function sumOver(stats: BpfMap, size: number, entry = 0): (offset: number) => bigint {
  const key = Buffer.alloc(4);
  key.writeUInt32LE(entry);
  const figures = Buffer.from(stats.lookup(key) ?? []);
  return (offset) => {
    let total = 0n;
    for (let cpu = 0; cpu < figures.length; cpu += size) total += figures.readBigUInt64LE(cpu + offset);
    return total;
  };
}
