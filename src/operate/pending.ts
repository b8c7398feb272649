/**
 * Changes that wait to be confirmed. The kernel alone ends the wait, by its clock; what is here keeps or takes back a
 * change before that, and tidies up afterwards, whenever the next command comes: files then say what judges already.
 */
import { RefusedError, SluiceError } from '../kernel/errors';
import { confirmGate, type PendingGate, pendingGate, returnGate } from '../load/confirm';
import { awaitsConfirmation } from '../load/gate-word';
import { SharedState } from '../load/state';
import { unload } from '../load/unload';
import { saveForBoot } from './boot-files';
import { type Author, authorOf } from './change-note';
import type { Context } from './context';
import { foldInto, keepState } from './counts';
import { readEnforcement, stateOf } from './enforcement';
import { type GenerationRecord, pruneGenerationRecords, readGenerationRecord } from './generation-record';
import { addRevision, endPending, type RevisionOutcome, tolerate } from './history';
import { withLock } from './lock';
import { describeReturned, type FileFate, readReturned, type Returned, writeReturned } from './returned';
import { readRulesetText, writeRulesetText } from './ruleset-file';
import { readEnforced, readEnforcedText, removeOtherTexts, writeEnforced } from './state-files';

/** There is nothing to confirm, or to take back: `late` says what became of a change that was not in time. */
export class NothingPendingError extends SluiceError {
  constructor(late: Returned | null) {
    super('operate/nothing-pending', late ? describeReturned(late) : 'nothing waits to be confirmed', {
      hint: late ? 'it came too late' : 'sluice status shows what is enforced',
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

/** What waits holds from now on. Throws `NothingPendingError`, also where it comes too late. */
export async function confirmPending(context: Context): Promise<{ generation: number }> {
  return withLock(context, async () => {
    await settleLocked(context);
    const found = readPending(context);
    if (!found) throw new NothingPendingError(readReturned(context.folder));
    const { pending, record } = found;
    const { pins } = context;
    const ifindexes = record?.confirm?.ifindexes ?? pins.links().map(({ ifindex }) => ifindex);
    const held = await confirmGate(context, { ifindexes, fold: foldInto(context) });
    if (!held) {
      await settleLocked(context);
      throw new NothingPendingError(readReturned(context.folder));
    }
    await rememberConfirmed(context, await authorOf(context));
    return { generation: pending.generation };
  });
}

/** What waits is taken back before its time. Throws `NothingPendingError`. */
export async function rollbackPending(
  context: Context,
): Promise<Pick<Returned, 'generation' | 'previous' | 'file' | 'fate'>> {
  return withLock(context, async () => {
    await settleLocked(context);
    const found = readPending(context);
    if (!found) throw new NothingPendingError(readReturned(context.folder));
    const by = await authorOf(context);
    const fate = putFileBack(context, found.record);
    writeOutcome(context, found.record, 'rolled-back-by-hand', by);
    await returnLocked(context);
    const { generation, previous } = found.pending;
    return { generation, previous, file: found.record?.source.file ?? '', fate };
  });
}

/**
 * Tidies up after a change whose time is over, in words; null where there was nothing to tidy up, or another process
 * is about to.
 */
export async function settle(context: Context): Promise<string | null> {
  if (!isUnsettled(context)) return null;
  try {
    const returned = await withLock(context, () => settleLocked(context), 0);
    return returned && describeReturned(returned);
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'operate/locked') return null;
    throw error;
  }
}

/** The same for who holds the lock. */
export async function settleLocked(context: Context): Promise<Returned | null> {
  const found = readPending(context);
  if (!found) {
    if (isUnsettled(context)) await rememberConfirmed(context);
    return null;
  }
  const { pending, record } = found;
  if (context.kernel.bootTimeNs() < pending.deadlineNs) return null;
  const returned: Returned = {
    generation: pending.generation,
    previous: pending.previous,
    seconds: record?.confirm?.seconds ?? 0,
    since: record?.since ?? new Date().toISOString(),
    file: record?.source.file ?? 'the file',
    fate: putFileBack(context, record),
  };
  // Before the gate says that it is over: whoever is interrupted here finds it again.
  writeReturned(context.folder, returned);
  writeOutcome(context, record, 'rolled-back-by-deadline');
  await returnLocked(context);
  return returned;
}

/** Whether the kernel went on without us, or a confirmation was cut short before it was written down. */
function isUnsettled(context: Context): boolean {
  const state = SharedState.find(context.kernel, context.pins);
  if (!state) return false;
  try {
    const { gate, instance } = state;
    if (awaitsConfirmation(gate)) return context.kernel.bootTimeNs() >= gate.deadlineNs;
    const generation = state.slotGeneration(gate.slot);
    // Only then the record, which holds the whole ruleset, is worth reading.
    if (generation === 0 || readEnforced(context.folder).value?.generation === generation) return false;
    return readGenerationRecord(context.folder, generation, instance)?.confirm !== undefined;
  } finally {
    state.close();
  }
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

/** Writes down that what judges is confirmed: from now on it is what a boot loads and what verbs go by. */
async function rememberConfirmed(context: Context, by?: Author): Promise<void> {
  const { folder, pins } = context;
  const enforcement = await readEnforcement(context);
  if (enforcement?.record) {
    writeOutcome(context, enforcement.record, 'confirmed', by);
    const enforced = stateOf(enforcement.record, enforcement.attachments);
    const text = readEnforcedText(folder, enforced);
    writeEnforced(folder, enforced, text);
    if (text !== null)
      await saveForBoot(context, enforcement.record.ruleset, { ...enforced, instance: enforcement.instance });
  }
  pruneGenerationRecords(folder, new Set(pins.generations()));
}

/** All that waited has ended so; what a process that was killed did not write down of it before comes with it. */
function writeOutcome(
  { folder }: Context,
  record: GenerationRecord | null,
  outcome: RevisionOutcome,
  by?: Author,
): void {
  tolerate(() => {
    if (record) addRevision(folder, record, 'pending');
    endPending(folder, outcome, by, record);
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
 * Where a verb changed the file, and nobody did since, the text before it stands there again. A file that was changed
 * by hand is its owner's: it is never touched.
 */
function putFileBack({ folder }: Context, record: GenerationRecord | null): FileFate {
  const before = record?.confirm?.textBefore;
  if (!record || before === undefined) return 'kept';
  const text = readEnforcedText(folder, { textDigest: before });
  try {
    const { file, textDigest } = record.source;
    const now = readRulesetText(file).digest;
    if (now === before) return 'put-back'; // an interrupted process was here
    if (text === null || now !== textDigest) return 'kept';
    writeRulesetText(file, text, textDigest);
    return 'put-back';
  } catch (error) {
    if (error instanceof SluiceError) return 'kept';
    throw error;
  }
}
