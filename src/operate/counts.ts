/** Counts: read from the kernel under the names of rules, and kept in files over generations, processes and reboots. */
import { readClock, wallTimeAt } from '../kernel/clock';
import { SluiceError } from '../kernel/errors';
import type { CounterFigures } from '../kernel/counters';
import { figuresOf, type Fold } from '../load/generations';
import { SharedState } from '../load/state';
import { findUsable } from '../load/unload';
import { nameFigures, type NamedFigures } from '../observe/figures';
import { keepBans } from './bans';
import { readCheckpoint, settleCheckpoint, writeCheckpoint } from './checkpoint';
import type { Context } from './context';
import { type GenerationRecord, readGenerationRecord } from './generation-record';
import { withLock } from './lock';
import { foldOpenings } from './openings';
import type { StateRead } from './sealed-file';
import {
  type CounterTotals,
  emptyTotals,
  foldCounters,
  foldGates,
  type GateTotals,
  type GenerationFigures,
  isFolded,
  newestFolded,
  type ReasonTotal,
  readTotals,
  writeTotals,
} from './totals';

/** Figures of one generation under the names its record gives them. */
export async function namedFigures(
  context: Context,
  slots: ReadonlyMap<number, CounterFigures>,
  record: GenerationRecord | null,
  hz: number,
  isTold?: (place: number) => boolean,
): Promise<NamedFigures> {
  const clock = await readClock(context.kernel);
  return nameFigures(slots, record?.ranks ?? [], { clock, hz, nowMs: wallTimeAt(context.kernel, clock) }, isTold);
}

/** What the counters of one generation hold, and what its ranks mean. */
export interface PinnedSlots {
  readonly generation: number;
  readonly slots: ReadonlyMap<number, CounterFigures>;
  readonly record: GenerationRecord | null;
}

/**
 * Counters of the generation that enforces and of those before it whose figures no apply has added to the totals yet
 * (it is under way, or was cut short, or was not confirmed), ascending.
 */
export function pinnedSlots(
  { kernel, pins, folder }: Context,
  { generation: enforcing, instance }: { generation: number; instance: string },
): PinnedSlots[] {
  const found: PinnedSlots[] = [];
  for (const generation of pins.generations()) {
    const slots = figuresOf(kernel, pins, generation);
    // A newer one judged before, and was not confirmed; or it has never judged.
    if (generation > enforcing && slots.size === 0) continue;
    found.push({ generation, slots, record: readGenerationRecord(folder, generation, instance) });
  }
  return found;
}

/** The same under the names of rules. */
export async function pinnedFigures(
  context: Context,
  enforcing: { generation: number; instance: string; hz: number },
): Promise<{ generation: number; figures: GenerationFigures }[]> {
  const found: { generation: number; figures: GenerationFigures }[] = [];
  for (const { generation, slots, record } of pinnedSlots(context, enforcing)) {
    const figures = await namedFigures(context, slots, record, enforcing.hz);
    found.push({ generation, figures: { ...figures, since: record?.since ?? new Date().toISOString() } });
  }
  return found;
}

/** What the gates decided themselves. */
export function readGates(state: SharedState): GateTotals {
  const text = ({ packets, bytes }: { packets: bigint; bytes: bigint }): ReasonTotal => {
    return { packets: packets.toString(), bytes: bytes.toString() };
  };
  const direction = (hook: 'xdp' | 'egress'): GateTotals['in'] => {
    const { empty, open } = state.gateFigures(hook);
    return { empty: text(empty), open: text(open) };
  };
  return { instance: state.instance, in: direction('xdp'), out: direction('egress') };
}

/**
 * Totals, with what was saved of an installation that is gone.
 * @param instance the installation that counts now; null where none does.
 */
export function readSettledTotals({ folder }: Context, instance: string | null): StateRead<CounterTotals> {
  const totals = readTotals(folder);
  const checkpoint = readCheckpoint(folder);
  const warning = totals.warning ?? checkpoint.warning;
  const value = settleCheckpoint(
    totals.value ?? emptyTotals(new Date().toISOString()),
    checkpoint.value,
    instance === null ? null : { instance },
  );
  return { value, ...(warning !== undefined && { warning }) };
}

/** Adds a retired generation, and what its gates decided meanwhile, to the totals by rule id, once. */
export function foldInto(context: Context): Fold {
  return async (generation, slots) => {
    const state = SharedState.find(context.kernel, context.pins);
    if (!state) return;
    const { instance, hz } = state;
    const gates = readGates(state);
    try {
      foldOpenings(context, state, generation);
    } finally {
      state.close();
    }
    const record = readGenerationRecord(context.folder, generation, instance);
    const totals = readSettledTotals(context, instance).value!;
    const figures = await namedFigures(context, slots, record, hz, toldIn(totals, record));
    const since = record?.since ?? new Date().toISOString();
    const folded = foldCounters(totals, generation, { ...figures, since }, context.pins.generations());
    const all = foldGates(folded, gates);
    writeTotals(context.folder, all);
    told = record && { rules: all.rules, ranks: record.ranks };
  };
}

type Ranks = GenerationRecord['ranks'];

/** The ranks that were folded last, all of which these totals know. */
let told: { readonly rules: CounterTotals['rules']; readonly ranks: Ranks } | null = null;

/** Whether totals know the row at a place of the record's ranks: a change leaves those before it and behind it as they were. */
function toldIn({ rules }: CounterTotals, record: GenerationRecord | null): (place: number) => boolean {
  if (told?.rules !== rules || !record) return () => false;
  const [before, now] = [told.ranks, record.ranks];
  const isSame = (i: number, j: number): boolean =>
    before[i] === now[j] || (before[i].id === now[j].id && before[i].section === now[j].section);
  const most = Math.min(before.length, now.length);
  let head = 0;
  while (head < most && isSame(head, head)) head++;
  let tail = 0;
  while (tail < most - head && isSame(before.length - 1 - tail, now.length - 1 - tail)) tail++;
  const end = now.length - tail;
  return (place) => place < head || place >= end;
}

/**
 * Saves what is counted at this moment, and the hits of bans, for a machine that goes down without a word. Does nothing
 * where nothing counts.
 */
export async function saveCounts(context: Context): Promise<void> {
  // The lock would make the directory of the pins.
  if (!context.pins.exists()) return;
  await withLock(context, async () => {
    const state = findUsable(context.kernel, context.pins);
    try {
      if (state) await saveCountsOf(context, state);
    } finally {
      state?.close();
    }
  });
}

/** They are numbered from 1. */
const NO_GENERATION = 0;

async function saveCountsOf(context: Context, state: SharedState): Promise<void> {
  const { folder, kernel } = context;
  const { instance, hz } = state;
  // What an installation before this one left in the checkpoint goes into the totals before it is overwritten.
  const kept = readTotals(folder).value;
  const settled = readSettledTotals(context, instance).value!;
  if (newestFolded(settled) > (kept ? newestFolded(kept) : 0)) writeTotals(folder, settled);
  const generation = state.judging(kernel.bootTimeNs()) ?? NO_GENERATION;
  const pinned = await pinnedFigures(context, { generation, instance, hz });
  const generations = pinned.filter((entry) => !isFolded(settled, entry.generation));
  if (generations.length > 0) writeCheckpoint(folder, { instance, generations, gates: readGates(state) });
  await keepBans(context, state);
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
