/** Programs for the next change, loaded while nobody waits for them. */
import { readdirSync } from 'node:fs';
import { closeFlows, openFlows } from '../load/generations';
import { currentSpare, prepareSpare, removeSpares, type Spare } from '../load/spare';
import { findUsable } from '../load/unload';
import type { Context } from './context';
import { readGenerationRecord } from './generation-record';
import { prepareServerRows } from './server-rows';
import { withLock } from './lock';

/**
 * Keeps a spare for a change of what the gate names: the next apply whose ruleset uses the same switches is spared the
 * verifier. Null where nothing enforces, or its record is lost, or the spare would take too much memory. Waits
 * `patienceMs` for the lock, see `withLock`.
 */
export async function makeReady(context: Context, patienceMs?: number): Promise<Spare | null> {
  // The lock would make the directory of the pins.
  if (!context.pins.exists()) return null;
  return withLock(context, () => makeReadyLocked(context), patienceMs);
}

async function makeReadyLocked({ kernel, pins, folder }: Context): Promise<Spare | null> {
  const state = findUsable(kernel, pins);
  if (!state) {
    removeSpares(pins);
    return null;
  }
  try {
    // Also where it waits to be confirmed: what is changed next is changed over it.
    const generation = state.slotGeneration(state.gate.slot);
    const record = generation === 0 ? null : readGenerationRecord(folder, generation, state.instance);
    if (!record) return null;
    prepareServerRows(folder, record, 'later');
    const { counterSlots, features, imageBytes } = record;
    const flows = openFlows(kernel, pins, generation);
    try {
      return await prepareSpare(kernel, pins, state, { counterSlots, features, bytes: { length: imageBytes } }, flows);
    } finally {
      closeFlows(flows);
    }
  } finally {
    state.close();
  }
}

/** The spare that waits; null where none does. */
export function spareOf({ kernel, pins }: Context): Spare | null {
  return currentSpare(kernel, pins);
}

/** Changes whenever a generation or a spare comes or goes: whether `makeReady` may have something to do. */
export function readinessMark({ pins }: Context): string {
  const list = (directory: string): string[] => {
    try {
      return readdirSync(directory).sort();
    } catch {
      return [];
    }
  };
  return JSON.stringify([pins.generations(), list(pins.spares)]);
}
