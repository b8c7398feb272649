/** Running firewall → nothing: detached everywhere, counters folded, every pin gone. */
import { SluiceError } from '../kernel/errors';
import type { Kernel } from '../kernel/kernel';
import type { PinLayout } from '../kernel/pins';
import { detachOne } from './attach';
import { figuresOf, type Fold } from './generations';
import { SharedState } from './state';

/** Ends enforcement in the namespace. Returns false where nothing was active. The caller holds the lock. */
export async function unload(kernel: Kernel, pins: PinLayout, fold: Fold): Promise<boolean> {
  if (!pins.exists()) return false;
  const state = findUsable(kernel, pins);
  const links = pins.links();
  try {
    for (const ifindex of new Set(links.map((link) => link.ifindex))) detachOne(kernel, pins, ifindex);
    if (state) {
      await kernel.grace();
      for (const generation of pins.generations()) await fold(generation, figuresOf(kernel, pins, generation));
    }
  } finally {
    state?.close();
  }
  pins.removeAll();
  return state !== null || links.length > 0;
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
