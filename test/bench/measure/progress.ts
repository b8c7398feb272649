/** What a generator tells of its work: `progress` of bpf/progress.h, the only variable of its `.bss`. */
import { join } from 'node:path';
import type { BpfMap } from '../../../src/kernel/kernel';

export const PROGRESS_HEADER = join(__dirname, '../bpf/progress.h');
/** Frames the kernel sends at once; a generator reads the clock as often. */
export const BATCH = 64;
/** Four words, then bins of two. */
const BINS = 256;
const BINS_AT = 32;
const PROGRESS_BYTES = BINS_AT + BINS * 16;
/** Batches of more than about three times the median were interrupted: eight bins double the time. */
const KEPT_BINS = 12;
const ZERO_KEY = new Uint8Array(4);

/** Forgets what was sent. `next`: where the generator begins. */
export function resetProgress(progress: BpfMap, next = 0n): void {
  const bytes = Buffer.alloc(PROGRESS_BYTES);
  bytes.writeBigUInt64LE(next);
  progress.update(ZERO_KEY, bytes);
}

/** Frames sent, and what one took: the mean of the batches that nothing interrupted. */
export function readProgress(progress: BpfMap): { ns: number; sent: number; next: bigint } {
  const bytes = Buffer.from(progress.lookup(ZERO_KEY)!);
  const word = (at: number): number => Number(bytes.readBigUInt64LE(at));
  const bins = Array.from({ length: BINS }, (_, i) => ({
    batches: word(BINS_AT + 16 * i),
    ns: word(BINS_AT + 16 * i + 8),
  }));
  const all = bins.reduce((sum, { batches }) => sum + batches, 0);
  let below = 0;
  const median = bins.findIndex(({ batches }) => (below += batches) * 2 >= all && all > 0);
  const kept = bins.slice(0, median + KEPT_BINS + 1);
  const [batches, ns] = kept.reduce(([count, sum], bin) => [count + bin.batches, sum + bin.ns], [0, 0]);
  return { ns: ns / (batches * BATCH), sent: word(8), next: bytes.readBigUInt64LE(0) };
}
