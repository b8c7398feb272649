/** The size of the table of windows. */
import { SLC_LIMITS } from '../abi/layout.gen';

/** Sources whose windows the table is made for: 5.75 MiB. */
export const DEFAULT_WINDOWS = 16_384;

/** Buckets of a table for so many windows, a power of two; half of the ways stay empty, as in the flow table. */
export function windowBuckets(windows: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, (2 * windows) / SLC_LIMITS.LIMIT_WAYS)));
}
