/** The step at which a candidate becomes what judges: kernel, records and what a reboot needs, under the lock. */
import type { Image } from '../compile/image';
import { type Applied, applyImage, type ApplyRequest } from '../load/apply';
import { currentAttachments } from '../load/attach';
import { failpoint } from '../load/failpoint';
import { currentSpare } from '../load/spare';
import { datapathDigest } from '../kernel/datapath-object';
import type { Interface } from '../kernel/interfaces';
import { SluiceError } from '../kernel/errors';
import type { Ruleset } from '../model/ruleset';
import { restoreBans } from './bans';
import { readBootPlan, savedRulesets, saveForBoot, saveNothingForBoot } from './boot-files';
import { newestOf, readCheckpoint } from './checkpoint';
import type { ChangeNote } from './change-note';
import type { Context } from './context';
import { foldInto } from './counts';
import { contentDigest } from './digest';
import { readEnforcement, stateOf } from './enforcement';
import {
  type FileEdit,
  type GenerationRecord,
  type PendingSection,
  prepareRecord,
  pruneGenerationRecords,
  readGenerationRecord,
  writeGenerationRecord,
} from './generation-record';
import { addRevision, type History, keepRevisionTexts, tolerate } from './history';
import { keepRefusals } from './native-refusals';
import { meanwhile } from './meanwhile';
import { forgetReturned } from './returned';
import {
  type EnforcedState,
  keepBegunText,
  keepText,
  readEnforced,
  removeOtherTexts,
  type StateFolder,
  writeEnforced,
} from './state-files';
import { messageOf } from './system-error';
import { newestFolded, readTotals } from './totals';

/** A ruleset that has been parsed, checked and compiled. */
export interface Candidate {
  /** Absolute path of its file. */
  readonly file: string;
  readonly text: string;
  readonly ruleset: Ruleset;
  readonly image: Image;
  /** Interfaces of the command line, which stand in `ruleset` in place of the file's. */
  readonly interfaceOverride?: readonly string[];
}

/** The new ruleset enforces, but what comes after that, such as saving the counts of the old one, failed. */
export class UnfinishedError extends SluiceError {
  constructor(generation: number, cause: unknown) {
    const message = `the new ruleset enforces (generation ${generation}), but what follows failed: ${messageOf(cause)}`;
    super('operate/unfinished', message, {
      hint: 'sluice apply finishes it; until then status and counters are right all the same',
      cause,
    });
  }
}

/** What is to be made to judge again otherwise, and what becomes of files that are put back then. */
export interface Fallback {
  /** As it is now. */
  readonly before: GenerationRecord;
  readonly candidate: Candidate;
  readonly trials: readonly PendingSection[];
  readonly edits: readonly FileEdit[];
  /** Texts that these name, and that are not kept yet. */
  readonly texts: readonly string[];
}

/** Whose packets a candidate is to judge. */
export interface Where {
  /** Those that exist. */
  readonly interfaces: readonly Interface[];
  /** Names of all that are meant. */
  readonly names: readonly string[];
  /** The generation that enforces now, null where none does. */
  readonly before: number | null;
  /** Set where the candidate waits to be confirmed: until then it is not what files name and boots load. */
  readonly confirm?: NonNullable<GenerationRecord['confirm']>;
  /** Sections that wait by themselves, both states of which the image holds, and those of their words whose time begins. */
  readonly trials?: { readonly trials: readonly PendingSection[]; readonly begin: NonNullable<ApplyRequest['begin']> };
  /** Where another change waits as a whole, and this one is none of it: what judges again otherwise; `confirm` is of the other. */
  readonly fallback?: Fallback;
  /** What the history says of it; left out: nothing. */
  readonly change?: ChangeNote;
  /** The history as it is, where the caller has read it. */
  readonly known?: History | null;
  /** `file`: verbs go on with its file, but boots load what they did; left out: boots load it too. */
  readonly keep?: GenerationRecord['keep'];
  /** Nobody asked for it: what was said of changes that were not confirmed goes on being said. */
  readonly byItself?: boolean;
  /** Called where the record cannot be written; left out: nothing changes then. */
  readonly onUnwritten?: (why: string) => void;
}

/** What was applied; `historyTrouble`: why the history does not tell of it, or not all. */
export type Enforced = Applied & { readonly historyTrouble?: string };

/**
 * Makes the candidate judge, and keeps what later processes and boots need of it. Until the gate changes a failure
 * changes nothing; after that it is an `UnfinishedError`. The caller holds the lock.
 */
export async function enforce(context: Context, candidate: Candidate, where: Where): Promise<Enforced> {
  const { kernel, pins, folder, netns } = context;
  const { names, confirm, change, fallback } = where;
  const since = new Date().toISOString();
  // While the verifier looks at the programs; where they are loaded already, while anything else is waited for.
  const packed = meanwhile(() => prepareRecord(folder, { ...candidate.image, ruleset: candidate.ruleset }), {
    soon: currentSpare(kernel, pins) !== null,
  });
  const request: ApplyRequest = {
    image: candidate.image,
    interfaces: where.interfaces,
    mode: candidate.ruleset.mode,
    firstGeneration: () => newestKnown(folder) + 1,
    fold: foldInto(context),
    whileLoading: packed.begin,
    ...(confirm && !fallback && { confirmNs: BigInt(confirm.seconds) * 1_000_000_000n }),
    ...(fallback && { fallback: fallback.candidate.image }),
    ...(where.trials && { begin: where.trials.begin }),
    fillState: (state) => restoreBans(context, state),
    record: (generation, instance, otherwise) => {
      const { keep } = where;
      const trials = trialsBegun(where, where.trials?.trials ?? [], generation);
      if (fallback && otherwise !== undefined) {
        const also = trialsBegun(where, fallback.trials, generation);
        const { interfaces } = fallback.before;
        const made = { generation: otherwise, instance, since, ...(interfaces && { interfaces }) };
        writeGenerationRecord(
          folder,
          recordOf(fallback.candidate, { ...made, ...(also.length > 0 && { trials: also }) }),
        );
      }
      const named = {
        ...{ generation, instance, since, interfaces: names },
        ...(trials.length > 0 && { trials }),
        ...(confirm && { confirm }),
        ...(keep && { keep }),
        ...(change && { change }),
        ...(fallback && { beside: true as const }),
      };
      try {
        writeGenerationRecord(folder, recordOf(candidate, named), packed.take());
      } catch (error) {
        if (!where.onUnwritten) throw error;
        where.onUnwritten(messageOf(error));
      }
      return Promise.resolve();
    },
    ...(netns !== undefined && { netns }),
  };
  try {
    // What may become the enforced text, or return, is kept before anything judges by it.
    if (!where.keep) await keepBegunText(folder, candidate.text);
    for (const text of fallback ? [fallback.candidate.text, ...fallback.texts] : []) keepText(folder, text);
    if (confirm && where.before === null) keepBootsOpen(folder);
    let trouble = tolerate(() => {
      keepRevisionTexts(folder, candidate, change);
    });
    const applied = await applyImage(kernel, pins, request);
    keepRefusals(folder, applied.attachments);
    const otherwise = applied.fallback && readGenerationRecord(folder, applied.fallback, applied.instance);
    if (otherwise) await rememberOtherwise(context, otherwise, { confirm, source: sourceOf(candidate) });
    else if (confirm) keepTexts(folder, candidate, confirm);
    else if (where.keep !== 'nothing')
      await remember(
        context,
        candidate,
        { ...applied, names },
        { forBoot: where.keep !== 'file', isKept: !where.keep },
      );
    if (!where.byItself) forgetReturned(folder);
    failpoint('before-revision');
    const record = readGenerationRecord(folder, applied.generation, applied.instance);
    trouble ??= tolerate(() => {
      const isPart = confirm !== undefined && !fallback;
      const isWaiting = isPart || (where.trials?.begin ?? []).length > 0;
      if (record) addRevision(folder, record, isWaiting ? 'pending' : 'applied', where.known);
    });
    failpoint('after-enforced');
    pruneGenerationRecords(folder, new Set(pins.generations()));
    return { ...applied, ...(trouble !== null && { historyTrouble: trouble }) };
  } catch (error) {
    try {
      pruneGenerationRecords(folder, new Set(pins.generations()));
    } catch {
      // What failed first is what is told.
    }
    const now = await readEnforcement(context).catch(() => null);
    if (!now || now.generation === where.before) throw error;
    throw new UnfinishedError(now.generation, error);
  }
}

/** What waits, with the change among those with which it began. */
function trialsBegun(
  { trials: plan, change }: Where,
  trials: readonly PendingSection[],
  generation: number,
): readonly PendingSection[] {
  const begun = new Set(plan?.begin.map(({ word }) => word));
  return trials.map((trial) => {
    if (!begun.has(trial.word) || !change) return trial;
    const { ownerOf, group } = change.author;
    const isOwners = ownerOf === trial.previous.name && group !== undefined;
    return { ...trial, began: [...trial.began, { generation, at: change.at, ...(isOwners && { group }) }] };
  });
}

/** Where nothing has ever enforced, a boot loads nothing until something is confirmed. */
function keepBootsOpen(folder: StateFolder): void {
  if (readBootPlan(folder).value === null && savedRulesets(folder).length === 0) saveNothingForBoot(folder);
}

/** Keeps the text that waits, the one that is enforced, those that may stand in files again, and no other. */
function keepTexts(folder: StateFolder, candidate: Candidate, { edits }: NonNullable<Where['confirm']>): void {
  const enforced = readEnforced(folder).value;
  const before = (edits ?? []).map((edit) => edit.before);
  removeOtherTexts(folder, [contentDigest(candidate.text), ...(enforced ? [enforced.textDigest] : []), ...before]);
}

/**
 * Keeps which text enforces, under which name, and what the next boot loads: that first, so that who is cut short here
 * is found by `enforced.json` (`settle`).
 */
export async function remember(
  context: Context,
  candidate: Candidate,
  { generation, instance, names }: { generation: number; instance: string; names: readonly string[] },
  /** `isKept`: its text was kept under the same lock. */
  { forBoot = true, isKept = false }: { readonly forBoot?: boolean; readonly isKept?: boolean } = {},
): Promise<void> {
  const state: EnforcedState = {
    ...sourceOf(candidate),
    rulesetDigest: candidate.image.digest,
    generation,
    appliedAt: new Date().toISOString(),
    interfaces: names,
    mode: candidate.ruleset.mode,
  };
  if (!isKept) keepText(context.folder, candidate.text);
  if (forBoot) await saveForBoot(context, candidate.ruleset, { ...state, instance });
  writeEnforced(context.folder, state, null);
}

/**
 * The same of what judges again where nobody confirms what waits as a whole: that is what boots load, and what is enforced
 * then.
 */
export async function rememberOtherwise(
  context: Context,
  record: GenerationRecord,
  waiting: Pick<GenerationRecord, 'confirm' | 'source'> | null,
): Promise<void> {
  const { folder, kernel, pins, netns } = context;
  const state = stateOf(record, await currentAttachments(kernel, pins, netns));
  await saveForBoot(context, record.ruleset, { ...state, instance: record.instance });
  const before = (waiting?.confirm?.edits ?? []).map((edit) => edit.before);
  writeEnforced(folder, state, null, [...(waiting ? [waiting.source.textDigest] : []), ...before]);
}

/** Where a candidate came from, as records keep it. */
export function sourceOf({ file, text, interfaceOverride }: Candidate): GenerationRecord['source'] {
  return { file, textDigest: contentDigest(text), ...(interfaceOverride && { interfaceOverride }) };
}

/** The record of a candidate that is about to judge. */
export function recordOf(
  candidate: Candidate,
  named: Pick<
    GenerationRecord,
    'generation' | 'instance' | 'since' | 'interfaces' | 'confirm' | 'trials' | 'keep' | 'change' | 'beside'
  >,
): GenerationRecord {
  const { digest, counterSlots, features, sections, ranks, bytes, returningFrom } = candidate.image;
  return {
    ...named,
    ...(returningFrom !== undefined && { returningFrom }),
    digest,
    datapath: datapathDigest(),
    counterSlots,
    imageBytes: bytes.length,
    features,
    sections,
    ranks,
    ruleset: candidate.ruleset,
    source: sourceOf(candidate),
  };
}

/** The newest generation that any file names: numbers never repeat, over reboots too. */
function newestKnown(folder: StateFolder): number {
  const totals = readTotals(folder).value;
  return Math.max(
    totals ? newestFolded(totals) : 0,
    newestOf(readCheckpoint(folder).value),
    readEnforced(folder).value?.generation ?? 0,
  );
}
