/** What the programs need to know to hold events back: the length of a window, and the secret of the source slots. */
import { createHash } from 'node:crypto';

/** Ticks of a window as a power of two, nearest to a second where `hz` ticks are one. */
export function eventWindow(hz: number): number {
  return Math.round(Math.log2(hz));
}

/** Odd factor of the hash of sources, from the installation's seed: nobody can choose who shares a slot with whom. */
export function eventFactor(seed: Uint8Array): bigint {
  return createHash('sha256').update('sluice event factor').update(seed).digest().readBigUInt64LE(0) | 1n;
}
