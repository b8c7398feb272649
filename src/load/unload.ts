/** Running firewall → nothing: detached everywhere, counters folded, every pin gone. */
import { SluiceError } from '../kernel/errors';
import type { Kernel } from '../kernel/kernel';
import type { PinLayout } from '../kernel/pins';
import { detachOne } from './attach';
import { type Place, removeStaleFilters } from './egress-filter';
import { figuresOf, type Fold } from './generations';
import { SharedState } from './state';

/**
 * Ends enforcement in the namespace, and removes what one left behind whose pins were removed by hand. Returns false
 * where there was nothing. The caller holds the lock.
 */
export async function unload(place: Place, fold: Fold): Promise<boolean> {
  const { kernel, pins } = place;
  if (!pins.exists()) return (await removeStaleFilters(place)).length > 0;
  const state = findUsable(kernel, pins);
  const links = pins.links();
  try {
    for (const ifindex of new Set(links.map((link) => link.ifindex))) await detachOne(place, ifindex);
    if (state) {
      await kernel.grace();
      for (const generation of pins.generations()) await fold(generation, figuresOf(kernel, pins, generation));
    }
  } finally {
    state?.close();
  }
  const stale = await removeStaleFilters(place);
  pins.removeAll();
  return state !== null || links.length > 0 || stale.length > 0;
}

/** The state, null also where it is damaged or of another version: that can be ended, but not read. */
export function findUsable(kernel: Kernel, pins: PinLayout): SharedState | null {
  try {
    return SharedState.find(kernel, pins);
  } catch (error) {
    if (error instanceof SluiceError && ['load/damaged', 'load/abi'].includes(error.code)) return null;
    throw error;
  }
}
