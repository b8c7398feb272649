/** Running firewall → nothing: detached everywhere, counters folded, every pin gone. */
import type { Kernel } from '../kernel/kernel';
import type { PinLayout } from '../kernel/pins';
import { detachOne } from './attach';
import { figuresOf, type Fold } from './generations';
import { SharedState } from './state';

/** Ends enforcement in the namespace. Returns false where nothing was active. The caller holds the lock. */
export async function unload(kernel: Kernel, pins: PinLayout, fold: Fold): Promise<boolean> {
  if (!pins.exists()) return false;
  const state = SharedState.find(kernel, pins);
  try {
    for (const link of pins.links()) detachOne(kernel, pins, link.ifindex);
    if (state) {
      await kernel.grace();
      for (const generation of pins.generations()) await fold(generation, figuresOf(kernel, pins, generation));
    }
  } finally {
    state?.close();
  }
  pins.removeAll();
  return state !== null;
}
