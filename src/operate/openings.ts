/**
 * What is under ALLOW ALL, and what of it is over: the kernel's deadlines and counts with the names of the file. The
 * kernel ends it by its clock; the next command afterwards writes down what it let in, whoever runs it.
 */
import { sectionId } from '../compile/owners';
import { UDP_OFF } from '../compile/ranks';
import type { OpenEntry, OpenRow } from '../load/open-table';
import { SharedState } from '../load/state';
import type { OpenSections } from '../model/allow-all';
import { SluiceError } from '../kernel/errors';
import { formatAddress } from '../model/prefix';
import type { Ruleset } from '../model/ruleset';
import type { Author } from './change-note';
import type { Context } from './context';
import { type GenerationRecord, rankEntriesOf, readGenerationRecord } from './generation-record';
import { tolerate } from './history';
import { mergeRows, type Opening, type OpeningEnd, readOpenings, type SparedRow, writeOpenings } from './opening-file';

/** One that is on, or over and not yet written down; `leftNs` is 0n then. */
export interface LiveOpening extends Opening {
  readonly leftNs: bigint;
}

/** What there is to be opened: the names of sections, `inbound` first. */
export function sectionsToOpen({ inbound, servers = [] }: Pick<Ruleset, 'inbound' | 'servers'>): string[] {
  return [inbound.name, ...servers.map(({ name }) => name)];
}

/** What is open now, and what is over and not yet written down. */
export function currentOpenings(context: Context): LiveOpening[] {
  return inKernel(context).map(({ opening, leftNs }) => ({ ...opening, leftNs }));
}

/** All that is remembered, the oldest first; what is open now with what it has let in so far. */
export function rememberedOpenings(context: Context): Opening[] {
  const live = new Map(inKernel(context).map(({ opening }) => [opening.section, opening]));
  return readAll(context.folder).map((one) => (one.ended ? one : (live.get(one.section) ?? one)));
}

function inKernel(context: Context): ReturnType<typeof liveOpenings> {
  const state = SharedState.find(context.kernel, context.pins);
  if (!state) return [];
  try {
    return state.open.lastDeadlineNs === 0n ? [] : liveOpenings(context, state);
  } finally {
    state.close();
  }
}

/** What is open now, as the model takes it. */
export function openSections(context: Context): OpenSections {
  const live = currentOpenings(context).filter(({ leftNs }) => leftNs > 0n);
  return live.some(({ section }) => section === null) ? 'everything' : new Set(live.map(({ section }) => section!));
}

/** Whether something is over, and nobody has written it down. */
export function hasEndedOpenings({ kernel, pins, folder }: Context): boolean {
  const state = SharedState.find(kernel, pins);
  if (!state) return false;
  try {
    const entries = state.open.lastDeadlineNs === 0n ? [] : state.open.list();
    const now = kernel.bootTimeNs();
    return entries.some(({ deadlineNs }) => deadlineNs <= now) || lostIn(readAll(folder), state, entries).length > 0;
  } finally {
    state.close();
  }
}

/** Writes down what is over; returns it. The caller holds the lock. */
export async function settleOpenings(context: Context): Promise<Opening[]> {
  const { kernel, pins, folder } = context;
  const state = SharedState.find(kernel, pins);
  try {
    const entries = state?.open.list() ?? [];
    const over = entries.filter(({ deadlineNs }) => deadlineNs <= kernel.bootTimeNs());
    const ended = state ? await writeDown(context, state, over, 'in-time') : [];
    // What the kernel knows nothing of ended with the state it was in.
    const openings = readAll(folder);
    const at = new Date().toISOString();
    const lost = lostIn(openings, state, entries);
    if (lost.length === 0) return ended;
    const closed = lost.map((one): Opening => ({
      ...one,
      ended: { at: one.until < at ? one.until : at, how: 'enforcement-ended' },
    }));
    const trouble = tolerate(() => {
      writeOpenings(folder, [...openings.filter((one) => !lost.includes(one)), ...closed]);
    });
    return trouble === null ? [...ended, ...closed] : ended;
  } finally {
    state?.close();
  }
}

/** Takes over into the file what a generation that judges no more has counted. The caller holds the lock. */
export function foldOpenings(context: Context, state: SharedState, generation: number): void {
  if (state.open.lastDeadlineNs === 0n) return;
  const live = liveOpenings(context, state, generation).map(({ opening }) => opening);
  const taken = readAll(context.folder).map((one) => {
    const now = one.ended ? undefined : live.find(({ section }) => section === one.section);
    if (!now) return one;
    return { ...now, folded: [...new Set([...one.folded, generation])] };
  });
  const trouble = tolerate(() => {
    writeOpenings(context.folder, taken);
  });
  // Where they could not be taken over they stay, as long as there is room.
  if (trouble === null) state.open.freeRows(generation);
}

/**
 * Ends entries in the file, then forgets them in the kernel; returns what they let in, nothing where that cannot be
 * written: it stays in the kernel then, where it lets nothing in any more; for `off` it throws `operate/openings`. Their
 * deadlines have passed. The caller holds the lock.
 */
export async function writeDown(
  context: Context,
  state: SharedState,
  entries: readonly OpenEntry[],
  how: OpeningEnd,
  by?: Author,
): Promise<Opening[]> {
  if (entries.length === 0) return [];
  // No packet is inside a program that has seen them open.
  await context.kernel.grace();
  const over = liveOpenings(context, state)
    .filter(({ entry }) => entries.some((one) => one.entry === entry))
    .map(({ opening }): Opening => {
      return { ...opening, ended: { at: opening.until, how, ...(by && { by }) } };
    });
  const trouble = tolerate(() => {
    const rest = readAll(context.folder).filter(
      (one) => one.ended ?? !over.some(({ section }) => section === one.section),
    );
    writeOpenings(context.folder, [...rest, ...over]);
  });
  if (trouble !== null) {
    if (how === 'in-time') return [];
    throw new SluiceError('operate/openings', `ALLOW ALL has ended, and that could not be written down: ${trouble}`, {
      hint: 'the next command writes it down, once the folder of the state can be written',
    });
  }
  await state.open.clear(entries);
  return over;
}

/** The kernel's entries with what the file says of them; `generation`: counted by this one only, else by all. */
export function liveOpenings(
  context: Context,
  state: SharedState,
  generation?: number,
): { readonly entry: number; readonly opening: Opening; readonly leftNs: bigint }[] {
  const nowNs = context.kernel.bootTimeNs();
  const known = readAll(context.folder).filter(({ ended, instance }) => !ended && instance === state.instance);
  return state.open.list().map((entry) => {
    const section = nameOf(context, state, entry, known);
    const found = known.find((one) => one.section === section);
    const left = entry.deadlineNs - nowNs;
    const rows = entry.rows.filter(
      (row) => !found?.folded.includes(row.generation) && (generation ?? row.generation) === row.generation,
    );
    const opening: Opening = {
      ...(found ?? { at: new Date().toISOString(), author: { user: 'unknown', uid: 0 }, folded: [] }),
      ...{ section, instance: state.instance },
      until: new Date(Date.now() + Number(left) / 1e6).toISOString(),
      ...{ packets: entry.packets.toString(), bytes: entry.bytes.toString(), unlisted: entry.unlisted.toString() },
      rows: mergeRows(
        found?.rows ?? [],
        rows.map((row) => sparedRow(context, state, row, nowNs)),
      ),
    };
    return { entry: entry.entry, opening, leftNs: left > 0n ? left : 0n };
  });
}

/** Entry of a section, or of the whole edge (null). */
export function idOf(section: string | null): bigint {
  return section === null ? 0n : sectionId(section);
}

function readAll(folder: Context['folder']): readonly Opening[] {
  return readOpenings(folder).value ?? [];
}

/** Those that are on by the file, and of which the kernel knows nothing. */
function lostIn(openings: readonly Opening[], state: SharedState | null, entries: readonly OpenEntry[]): Opening[] {
  const ids = new Set(entries.map(({ id }) => id));
  return openings.filter(
    ({ section, instance, ended }) => !ended && !(state?.instance === instance && ids.has(idOf(section))),
  );
}

/** Whose entry it is: where the file is lost, by the names that there are. */
function nameOf(context: Context, state: SharedState, { id }: OpenEntry, known: readonly Opening[]): string | null {
  if (id === 0n) return null;
  const found = known.find(({ section }) => idOf(section) === id);
  if (found) return found.section;
  const generation = state.judging(context.kernel.bootTimeNs());
  const record = generation === null ? null : readGenerationRecord(context.folder, generation, state.instance);
  return sectionsToOpen(record?.ruleset ?? NO_SECTIONS).find((name) => sectionId(name) === id) ?? id.toString(16);
}

const NO_SECTIONS = { inbound: { name: 'inbound' } } as Pick<Ruleset, 'inbound'>;

/** What the implicit rows are called. */
const IMPLICIT: Readonly<Record<string, string>> = {
  'udp-off': 'its UDP switch, which is off',
  ssh: 'its SSH row',
  default: 'its default',
};

function sparedRow(context: Context, state: SharedState, row: OpenRow, nowNs: bigint): SparedRow {
  const record = readGenerationRecord(context.folder, row.generation, state.instance);
  const entry = record ? ranksOf(record).get(row.rank) : undefined;
  return {
    section: entry?.section ?? 'unknown',
    rule: entry?.id ?? `rank ${row.rank} of generation ${row.generation}`,
    text: entry?.rule?.text ?? (entry ? IMPLICIT[entry.id] : undefined) ?? 'a row whose record is lost',
    packets: row.packets.toString(),
    bytes: row.bytes.toString(),
    lastHit: new Date(Date.now() - Number(nowNs - row.lastHitNs) / 1e6).toISOString(),
    source: formatAddress(row.source.family, row.source.words),
  };
}

type Ranks = ReadonlyMap<number, ReturnType<typeof rankEntriesOf>[number]>;
const known = new WeakMap<GenerationRecord, Ranks>();

/** The rows of a record by rank, found once for each record. */
function ranksOf(record: GenerationRecord): Ranks {
  let found = known.get(record);
  if (!found) {
    found = new Map([UDP_OFF, ...rankEntriesOf(record)].map((entry) => [entry.rank, entry]));
    known.set(record, found);
  }
  return found;
}
