/**
 * Changes that wait to be confirmed. The kernel alone ends the wait, by its clock; what is here keeps or takes back a
 * change before that, and tidies up afterwards, whenever the next command comes: files then say what judges already.
 */
import { accessSync, constants } from 'node:fs';
import { dirname } from 'node:path';
import { RefusedError, SluiceError } from '../kernel/errors';
import { clearInterrupted } from '../load/apply';
import { confirmGate, letGo, type PendingGate, pendingGate, returnGate } from '../load/confirm';
import { awaitsConfirmation } from '../load/gate-word';
import { SharedState } from '../load/state';
import { unload } from '../load/unload';
import { SLC_SLOT_OPEN } from '../abi/layout.gen';
import { rememberOtherwise } from './enforce';
import { saveForBoot } from './boot-files';
import { type Author, authorOf } from './change-note';
import type { Context } from './context';
import { foldInto, keepState } from './counts';
import { readEnforcement, stateOf } from './enforcement';
import { type GenerationRecord, pruneGenerationRecords, readGenerationRecord } from './generation-record';
import { addPending, endPending, type RevisionOutcome, tolerate } from './history';
import { takeBackInterrupted } from './interrupted';
import { DECISION_PATIENCE_MS, withLock, withWriterLock } from './lock';
import { hasEndedOpenings, settleOpenings } from './openings';
import { describeEnded } from './render-openings';
import { canPutNotedBack, putFilesBack, putNotedBack } from './put-back';
import { addReturned, describeReturned, readReturned, type Returned } from './returned';
import { hasWords, settleTrials } from './settle-trials';
import { readEnforced, readEnforcedText, removeOtherTexts, writeEnforced } from './state-files';
import { messageOf } from './system-error';
import { liveTrials, waits } from './trial-state';
import { putSectionsBack, textReturned } from './trial-text';

/** There is nothing to confirm, or to take back: `late` says what became of a change that was not in time. */
export class NothingPendingError extends SluiceError {
  constructor(
    readonly late: readonly Returned[],
    section?: string,
  ) {
    const nothing =
      section === undefined ? 'nothing waits to be confirmed' : `"${section}" does not wait to be confirmed by itself`;
    const isLate = late.length > 0;
    super('operate/nothing-pending', isLate ? late.map(describeReturned).join('\n  ') : nothing, {
      hint: isLate
        ? 'it came too late'
        : section === undefined
          ? 'sluice status shows what is enforced'
          : 'sluice status shows what waits; sluice confirm keeps all of it',
    });
  }
}

/** A change would take the place of one that waits, and could not be taken back with it. */
export class PendingError extends RefusedError {
  constructor(generation: number, secondsLeft: number) {
    super(
      'operate/pending',
      `generation ${generation} waits to be confirmed, ${secondsLeft} s are left: nobody has said yet that it is right`,
      {
        hint: 'sluice confirm keeps it, sluice rollback takes it back; with --confirm 60s this change waits with it',
      },
    );
  }
}

/** Somebody has decided what becomes of a change, the kernel judges by that, and files do not say so yet. */
export class UnwrittenError extends SluiceError {
  constructor(what: string, word: 'confirmed' | 'taken-back', cause: unknown) {
    const done = word === 'confirmed' ? 'confirmed and' : 'taken back, which is';
    super('operate/unwritten', `${what}: ${done} enforced, but files do not say so yet: ${messageOf(cause)}`, {
      hint:
        word === 'confirmed'
          ? 'the next command writes it down; a boot before that may take it back'
          : 'the next command writes it down, and puts the file back',
      cause,
    });
  }
}

/**
 * What waits holds from now on; `atBoot`: systemd is to load it too. Throws `NothingPendingError`, also where it comes too
 * late.
 */
export async function confirmPending(context: Context): Promise<{ generation: number; atBoot: boolean }> {
  const confirm = async (): Promise<{ generation: number; atBoot: boolean }> => {
    await settleLocked(context);
    const found = readPending(context);
    if (!found) throw new NothingPendingError(readReturned(context.folder));
    const { pending, record } = found;
    if (!(await confirmGate(context))) {
      await settleLocked(context);
      throw new NothingPendingError(readReturned(context.folder));
    }
    const { generation } = pending;
    try {
      await rememberJudging(context, await authorOf(context));
    } catch (error) {
      throw new UnwrittenError(`generation ${generation}`, 'confirmed', error);
    }
    return { generation, atBoot: record?.confirm?.atBoot ?? false };
  };
  return withLock(context, confirm, DECISION_PATIENCE_MS);
}

/** What was taken back, and what became of the file. */
export type TakenBack = Pick<Returned, 'generation' | 'previous' | 'file' | 'fate' | 'others'>;

/** What waits is taken back before its time. Throws `NothingPendingError`. */
export async function rollbackPending(context: Context): Promise<TakenBack> {
  const takeBack = async (): Promise<TakenBack> => {
    await settleLocked(context);
    const found = readPending(context);
    if (!found) throw new NothingPendingError(readReturned(context.folder));
    const by = await authorOf(context);
    await rememberFallback(context);
    const fates = putFilesBack(context, found.record);
    writeOutcome(context, found.record, 'rolled-back-by-hand', by);
    const { generation, previous } = found.pending;
    try {
      await returnLocked(context);
    } catch (error) {
      if (isGatePending(context)) throw error;
      throw new UnwrittenError(`generation ${generation}`, 'taken-back', error);
    }
    return { generation, previous, ...fates };
  };
  return withLock(context, takeBack, DECISION_PATIENCE_MS);
}

/** Whether a change waits as a whole, in time or not tidied up after. */
export function isGatePending(context: Context): boolean {
  return readPending(context) !== null;
}

/**
 * Tidies up after a change whose time is over, and after ALLOW ALL, in words; null where there was nothing to tidy up, or
 * another process is about to. With `leaveUnwritable` also where the file is to be put back and this process may not write
 * it, as the daemon's unit: the next command may.
 */
export async function settle(context: Context, { leaveUnwritable = false } = {}): Promise<string | null> {
  try {
    if (!isUnsettled(context) && !hasEndedOpenings(context) && !canPutNotedBack(context)) return null;
  } catch {
    return null; // what is damaged is said by the command that needs it
  }
  const isLeft = leaveUnwritable && isUnwritable(readPending(context)?.record ?? readJudging(context));
  const settleAll = async (): Promise<string[]> => {
    const returned = isLeft ? null : await settleLocked(context);
    const over = await settleOpenings(context);
    const noted = putNotedBack(context).map((file) => `${file} is again as it was before what was not confirmed`);
    return [...(returned ? [describeReturned(returned)] : []), ...noted, ...over.map(describeEnded)];
  };
  const trialNews = isLeft ? [] : await settleTrialsAlone(context);
  const news = [...trialNews, ...(await unlessLocked(() => withLock(context, settleAll, 0)))];
  return news.length > 0 ? news.join('\n') : null;
}

/** What was done; nothing where another process is about to. */
async function unlessLocked(work: () => Promise<string[]>): Promise<string[]> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'operate/locked') return [];
    throw error;
  }
}

/** Tidies up after sections that waited by themselves: a writer may stand in their file, so not while there is one. */
async function settleTrialsAlone(context: Context): Promise<string[]> {
  if (!isTrialOver(context)) return [];
  const settleThem = async (): Promise<string[]> => {
    const file = await takeBackInterrupted(context);
    const tidyUp = async (): ReturnType<typeof settleTrials> => {
      const settled = await settleTrials(context);
      // Also of who was cut short when he had done all but this.
      pruneGenerationRecords(context.folder, new Set(context.pins.generations()));
      return settled;
    };
    const settled = await withLock(context, tidyUp, 0);
    return [
      ...(file === null ? [] : [`${file} was put back as it was applied: a change of it was cut short`]),
      ...(settled?.late ?? []).map(describeReturned),
    ];
  };
  return unlessLocked(() => withWriterLock(context, settleThem, 0));
}

/** Whether verbs changed a file that cannot be put back from here. */
function isUnwritable(record: GenerationRecord | null | undefined): boolean {
  const edits = (record?.confirm?.edits ?? []).map(({ file }) => file);
  const files = record?.trials?.some(({ edited }) => edited) ? [...edits, record.source.file] : edits;
  return files.some((file) => {
    try {
      accessSync(dirname(file), constants.W_OK);
      return false;
    } catch {
      return true;
    }
  });
}

function readJudging({ kernel, pins, folder }: Context): GenerationRecord | null {
  const state = SharedState.find(kernel, pins);
  try {
    return state && readGenerationRecord(folder, state.slotGeneration(state.gate.slot), state.instance);
  } finally {
    state?.close();
  }
}

/** The same of what waited as a whole, for who holds the lock. */
export async function settleLocked(context: Context): Promise<Returned | null> {
  const found = readPending(context);
  if (!found) {
    if (isForgotten(context)) await rememberJudging(context);
    return null;
  }
  const { pending, record } = found;
  await rememberFallback(context);
  if (context.kernel.bootTimeNs() < pending.deadlineNs) return null;
  const returned: Returned = {
    generation: pending.generation,
    previous: pending.previous,
    seconds: record?.confirm?.seconds ?? 0,
    since: record?.since ?? new Date().toISOString(),
    ...putFilesBack(context, record),
  };
  // Before the gate says that it is over: whoever is interrupted here finds it again.
  addReturned(context.folder, returned);
  writeOutcome(context, record, 'rolled-back-by-deadline');
  await returnLocked(context);
  return returned;
}

/** Whether a change was cut short before files said that it holds. */
function isForgotten({ kernel, pins, folder }: Context): boolean {
  const state = SharedState.find(kernel, pins);
  if (!state) return false;
  try {
    return !awaitsConfirmation(state.gate) && isForgottenIn(folder, state);
  } finally {
    state.close();
  }
}

function isForgottenIn(folder: Context['folder'], state: SharedState, slot = state.gate.slot): boolean {
  const generation = slot === SLC_SLOT_OPEN ? 0 : state.slotGeneration(slot);
  // Only then the record, which holds the whole ruleset, is worth reading.
  if (generation === 0 || readEnforced(folder).value?.generation === generation) return false;
  const record = readGenerationRecord(folder, generation, state.instance);
  return record !== null && record.keep !== 'nothing';
}

/** Whether the kernel went on without us, or a change was cut short before files said that it holds. */
function isUnsettled(context: Context): boolean {
  const state = SharedState.find(context.kernel, context.pins);
  if (!state) return false;
  try {
    const { gate } = state;
    if (isTrialOverIn(context, state)) return true;
    if (awaitsConfirmation(gate))
      return context.kernel.bootTimeNs() >= gate.deadlineNs || isForgottenIn(context.folder, state, gate.previous);
    return isForgottenIn(context.folder, state);
  } finally {
    state.close();
  }
}

/** Whether a section does not wait any more, or a word is set that no generation names. */
function isTrialOver(context: Context): boolean {
  const state = SharedState.find(context.kernel, context.pins);
  try {
    return state !== null && isTrialOverIn(context, state);
  } finally {
    state?.close();
  }
}

function isTrialOverIn({ folder, kernel }: Context, state: SharedState): boolean {
  if (awaitsConfirmation(state.gate) || !hasWords(state)) return false;
  const record = readGenerationRecord(folder, state.slotGeneration(state.gate.slot), state.instance);
  const live = record ? liveTrials(state, record, kernel.bootTimeNs()) : [];
  return record !== null && (live.length === 0 || live.some((trial) => !waits(trial)));
}

function readPending({ kernel, pins, folder }: Context): {
  pending: PendingGate;
  record: GenerationRecord | null;
} | null {
  const state = SharedState.find(kernel, pins);
  if (!state) return null;
  try {
    const pending = pendingGate(state);
    return pending && { pending, record: readGenerationRecord(folder, pending.generation, state.instance) };
  } finally {
    state.close();
  }
}

/**
 * Ends what was replaced by what judges, and writes that one down: from now on it is what a boot loads and what verbs
 * go by. Cut short, it is done again.
 */
async function rememberJudging(context: Context, by?: Author): Promise<void> {
  const { folder, pins } = context;
  const enforcement = await readEnforcement(context);
  if (!enforcement?.record) return;
  // Cut short before anything was attached, it filters nothing; but somebody may have confirmed it while its interface was away.
  if (enforcement.attachments.length === 0 && !by) return;
  const { record, instance } = enforcement;
  const { confirm, interfaces } = record;
  // Who was given another index meanwhile is known by its name.
  if (confirm)
    await letGo(context, ({ ifindex, name }) => !confirm.ifindexes.includes(ifindex) && !interfaces?.includes(name));
  await clearInterrupted(context, foldInto(context));
  const enforced = stateOf(record, enforcement.attachments);
  if (!record.keep && readEnforcedText(folder, enforced) !== null)
    await saveForBoot(context, record.ruleset, { ...enforced, instance });
  if (confirm) writeOutcome(context, record, 'confirmed', by);
  // Last: by this the next command knows that all is done.
  writeEnforced(folder, enforced, null);
  pruneGenerationRecords(folder, new Set(pins.generations()));
}

/**
 * Writes down what judges again where nobody confirms what waits as a whole, where a change beside that was cut short before
 * files said that it is in both.
 */
async function rememberFallback(context: Context): Promise<void> {
  const { kernel, pins, folder } = context;
  const state = SharedState.find(kernel, pins);
  try {
    if (!state || !awaitsConfirmation(state.gate)) return;
    const { slot, previous } = state.gate;
    if (!isForgottenIn(folder, state, previous)) return;
    const [waiting, record] = [slot, previous].map((one) =>
      readGenerationRecord(folder, state.slotGeneration(one), state.instance),
    );
    if (record) await rememberOtherwise(context, record, waiting);
  } finally {
    state?.close();
  }
}

/** All that waited has ended so; what a process that was killed did not write down of it before comes with it. */
function writeOutcome(
  { folder }: Context,
  record: GenerationRecord | null,
  outcome: RevisionOutcome,
  by?: Author,
): void {
  tolerate(() => {
    const known = record && addPending(folder, record);
    endPending(folder, outcome, { ...(by && { by }), record, known });
  });
}

/** What was replaced judges again, in the kernel and in the files. */
async function returnLocked(context: Context): Promise<void> {
  const { pins, folder } = context;
  const fold = foldInto(context);
  if (!(await returnGate(context, fold))) {
    await keepState(context);
    await unload(context, fold);
  }
  const enforced = readEnforced(folder).value;
  removeOtherTexts(folder, enforced ? [enforced.textDigest] : []);
  pruneGenerationRecords(folder, new Set(pins.generations()));
}

/**
 * Where something waits to be confirmed, or did and was not: files that verbs changed meanwhile are again as they were.
 * Which; none where nobody can tell any more. The caller holds the lock.
 */
export function putUnconfirmedBack(context: Context): readonly string[] {
  try {
    const record = readPending(context)?.record ?? null;
    const alone = record ?? readJudging(context);
    const { file, fate, others } = putFilesBack(context, record);
    const back = [...(fate === 'put-back' ? [file] : []), ...others];
    if (!alone?.trials) return back;
    const trials = alone.trials.filter(({ confirmed }) => !confirmed);
    const sections = putSectionsBack(alone.source.file, readEnforcedText(context.folder, alone.source), trials);
    return sections.length > 0 ? [...new Set([...back, alone.source.file])] : back;
  } catch (error) {
    if (error instanceof SluiceError) return [];
    throw error;
  }
}

/** The enforced text with what was before in the place of sections that wait; null where none does, or it is lost. */
export function textConfirmed(context: Context): string | null {
  const { folder } = context;
  try {
    const record = readPending(context)?.record ?? readJudging(context);
    const trials = (record?.trials ?? []).filter(({ confirmed }) => !confirmed);
    const enforced = trials.length > 0 ? readEnforced(folder).value : null;
    const text = enforced && readEnforcedText(folder, enforced);
    return text === null ? null : textReturned(text, trials);
  } catch (error) {
    if (error instanceof SluiceError) return null;
    throw error;
  }
}
