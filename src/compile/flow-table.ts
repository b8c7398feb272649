/** How large a table of flows becomes: decided with the image, since its memory is stated with it. */
import { LAYOUT, SLC_LIMITS } from '../abi/layout.gen';

/**
 * Buckets of a table for so many entries, a power of two. Half of the ways stay empty, so that fewer than one flow in a
 * hundred meets a full bucket when the table holds what it was made for (a Poisson distribution of mean 4).
 */
export function flowBuckets(entries: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, (2 * entries) / SLC_LIMITS.TABLE_WAYS)));
}

/** Kernel memory of the table: buckets, and eight bytes of tags for each. */
export function flowTableBytes(maxFlows: number): number {
  return flowBuckets(maxFlows) * (LAYOUT.slc_flow_bucket.size + SLC_LIMITS.TABLE_WAYS);
}
