/** What outlives the kernel's state: counters by rule id when a generation retires, hits of bans at the end. */
import { readClock } from '../kernel/clock';
import type { CounterFigures } from '../kernel/counters';
import { SluiceError } from '../kernel/errors';
import type { Fold } from '../load/generations';
import { SharedState } from '../load/state';
import { findUsable } from '../load/unload';
import { nameFigures, type NamedFigures } from '../observe/figures';
import { keepBans } from './bans';
import type { Context } from './context';
import { type GenerationRecord, rankEntriesOf, readGenerationRecord } from './generation-record';
import { emptyTotals, foldCounters, readTotals, writeTotals } from './totals';

/** Adds a retired generation to the totals by rule id, once. */
export function foldInto(context: Context): Fold {
  return async (generation, slots) => {
    const state = SharedState.find(context.kernel, context.pins);
    if (!state) return;
    const { instance, hz } = state;
    state.close();
    const record = readGenerationRecord(context.folder, generation, instance);
    const now = new Date().toISOString();
    const totals = readTotals(context.folder).value ?? emptyTotals(now);
    const figures = { ...(await namedFigures(context, slots, record, hz)), since: record?.since ?? now };
    writeTotals(context.folder, foldCounters(totals, generation, figures, context.pins.generations()));
  };
}

/** Figures of one generation under the names its record gives them. */
export async function namedFigures(
  context: Context,
  slots: ReadonlyMap<number, CounterFigures>,
  record: GenerationRecord | null,
  hz: number,
): Promise<NamedFigures> {
  const clock = await readClock(context.kernel);
  return nameFigures(slots, record ? rankEntriesOf(record) : [], { clock, hz, nowMs: Date.now() });
}

/** Saves the hits of bans. Each change has saved the bans themselves: where this cannot be written, they are kept. */
export async function keepState(context: Context): Promise<void> {
  const state = findUsable(context.kernel, context.pins);
  if (!state) return;
  try {
    await keepBans(context, state);
  } catch (error) {
    if (!(error instanceof SluiceError && error.code === 'state/write')) throw error;
  } finally {
    state.close();
  }
}
