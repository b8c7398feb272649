/** Enforcement ends: nothing of it is left in the kernel, and what is kept of it stays, or goes too. */
import { currentAttachments } from '../load/attach';
import type { Fold } from '../load/generations';
import { unload } from '../load/unload';
import { SluiceError } from '../kernel/errors';
import { readBootPlan, saveNothingForBoot } from './boot-files';
import { describeChange, type Intent } from './change-note';
import { addEnd, catchUp, endPending, tolerate } from './history';
import type { Context } from './context';
import { foldInto, keepState } from './counts';
import { contentDigest } from './digest';
import { readEnforcement } from './enforcement';
import { pruneGenerationRecords } from './generation-record';
import { withLock } from './lock';
import { settleOpenings } from './openings';
import { clearOrphans } from './orphans';
import { putUnconfirmedBack, textConfirmed } from './pending';
import { forgetReturned } from './returned';
import { readEnforced, removeState, type StateFolder, writeEnforced } from './state-files';
import { messageOf } from './system-error';

/** Enforcement was to end, and something of it is left. */
export class UnfinishedEndError extends SluiceError {
  constructor(opened: readonly string[], filtered: readonly string[], cause: unknown) {
    const now = opened.length > 0 ? `everything reaches ${opened.join(', ')} unfiltered` : 'nothing is filtered';
    const message =
      filtered.length > 0
        ? `${filtered.join(', ')} could not be let go of: ${messageOf(cause)}`
        : `enforcement has ended, ${now}, but the last counts could not be saved: ${messageOf(cause)}`;
    super('operate/unfinished-end', message, {
      hint:
        filtered.length > 0
          ? 'sluice disable tries again'
          : 'they are kept in the kernel until sluice disable, run again, has saved them',
      cause,
    });
  }
}

/** What ending enforcement changed. */
export interface Ended {
  readonly wasActive: boolean;
  /** Those that were filtered. */
  readonly interfaces: readonly string[];
  /** Files that verbs had changed, which nobody had confirmed: they are again as they were. */
  readonly putBack: readonly string[];
}

/**
 * Ends enforcement: off every interface, nothing left in the kernel; the counters, and which file enforced, are kept.
 * Throws `UnfinishedEndError` where it stopped half way; another call finishes it.
 */
export async function disable(context: Context, intent: Intent = { what: 'disable' }): Promise<Ended> {
  const ended = await withLock(context, async () => {
    const change = await describeChange(context, intent, null);
    // What is damaged can be ended all the same.
    const enforcement = await readEnforcement(context).catch(() => null);
    tolerate(() => {
      catchUp(context.folder, enforcement);
    });
    const text = textConfirmed(context);
    const done = await end(context, foldInto(context), () => keepState(context));
    if (text !== null) rememberText(context.folder, text);
    forgetReturned(context.folder);
    await settleOpenings(context);
    tolerate(() => {
      const known = endPending(context.folder, 'rolled-back-by-hand', { by: change.author });
      if (done.wasActive) addEnd(context.folder, change, known);
    });
    pruneGenerationRecords(context.folder, new Set());
    loadNothingAtBoot(context, done.wasActive);
    return done;
  });
  await clearOrphans(context);
  return ended;
}

/**
 * Ends enforcement and removes everything that is kept of it; the last counts are given up, so that nothing needs to be
 * written. All in one turn: an apply that waited for it begins anew, and loses nothing. Throws as `disable`.
 */
export async function uninstall(context: Context): Promise<Ended> {
  const ended = await withLock(context, async () => {
    const done = await end(context, () => Promise.resolve());
    removeState(context.folder);
    return done;
  });
  await clearOrphans(context);
  return ended;
}

async function end(context: Context, fold: Fold, keep: () => Promise<void> = () => Promise.resolve()): Promise<Ended> {
  // Not readEnforcement(): what is damaged, or of another version, must be possible to end.
  const before = await filteredInterfaces(context);
  const putBack = putUnconfirmedBack(context);
  await keep();
  const wasActive = await unload(context, fold).catch(async (error: unknown) => {
    const left = await filteredInterfaces(context);
    const opened = before.filter((name) => !left.includes(name));
    throw new UnfinishedEndError(opened, left, error);
  });
  return { wasActive, interfaces: before, putBack };
}

/** What verbs and `enable` go on from: rows that nobody confirmed are no part of it. */
function rememberText(folder: StateFolder, text: string): void {
  tolerate(() => {
    const enforced = readEnforced(folder).value;
    if (enforced) writeEnforced(folder, { ...enforced, textDigest: contentDigest(text) }, text);
  });
}

function loadNothingAtBoot({ folder }: Context, wasActive: boolean): void {
  if (!wasActive && readBootPlan(folder).value === null) return;
  try {
    saveNothingForBoot(folder);
  } catch (error) {
    const message = `enforcement has ended, but a boot would begin it again: ${messageOf(error)}`;
    throw new SluiceError('operate/unfinished-end', message, { hint: 'sluice disable tries again', cause: error });
  }
}

/** Names of the interfaces that are filtered, also where nothing else of what is pinned can be read. */
export async function filteredInterfaces({ kernel, pins, netns }: Context): Promise<string[]> {
  return (await currentAttachments(kernel, pins, netns)).map((attachment) => attachment.name);
}
