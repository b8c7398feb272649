/** A checked ruleset becomes the one that is enforced. */
import { findNarrowed, type NarrowedEntry } from '../analyse/keep-reachable';
import { findLockout, type LockoutFinding } from '../analyse/lockout';
import { type Applied, clearInterrupted } from '../load/apply';
import type { Attachment } from '../load/attach';
import { datapathDigest } from '../kernel/datapath-object';
import { RefusedError, SluiceError } from '../kernel/errors';
import type { AttachMode } from '../model/ruleset';
import type { CheckMemory } from './check-memory';
import type { Image } from '../compile/image';
import { Twin } from '../observe/twin';
import { describeChange, type Intent } from './change-note';
import { type ChangePlan, planChange } from './change-plan';
import {
  addRevision,
  catchUp,
  currentRevision,
  endTrials,
  type History,
  keepRevisionTexts,
  readHistory,
  tolerate,
} from './history';
import { describeRevision } from './render-history';
import type { Context } from './context';
import type { Interface } from '../kernel/interfaces';
import { foldInto } from './counts';
import { contentDigest } from './digest';
import { type Candidate, enforce, type Fallback, remember, sourceOf } from './enforce';
import { type Enforcement, readEnforcement } from './enforcement';
import {
  type FileEdit,
  type GenerationRecord,
  pruneGenerationRecords,
  writeGenerationRecord,
} from './generation-record';
import { withLock } from './lock';
import { freshLook, type Look } from './look';
import { clearOrphans } from './orphans';
import { PendingError, settleLocked } from './pending';
import { replaceOlderLocked } from './replace-older';
import { readRulesetText, removeUnfinishedRuleset, STANDARD_INPUT } from './ruleset-file';
import { requireAsSeen, type Seen } from './seen';
import { sshConnections } from './ssh-sessions';
import { keepText } from './state-files';
import { freeWords } from './settle-trials';
import { waits } from './trial-state';
import { NotAloneError, planTrials, PROVIDERS_WORDS, waitsAlone } from './trials';

/** What an apply did: nothing, because the same image enforces already, or what it changed. */
export type ApplyOutcome = {
  /** The file that was enforced before, where it is another: verbs now edit this candidate's. */
  readonly previousFile?: string;
  /** Why the history does not tell of it, or not all: what enforces is right all the same. */
  readonly historyTrouble?: string;
  /** Set where it waits to be confirmed: the generation that judges again otherwise (null: nothing does), and when. */
  readonly pending?: { readonly previous: number | null; readonly secondsLeft: number };
  /** What waits as a whole is another change: this one is also in what judges again otherwise. */
  readonly beside?: true;
  /** Sections that wait by themselves, each with the time that is left to it. */
  readonly waiting?: readonly { readonly section: string; readonly secondsLeft: number }[];
} & (
  | { readonly kind: 'unchanged'; readonly generation: number; readonly attachments: readonly Attachment[] }
  | ({
      readonly kind: 'applied';
      readonly overridden: readonly LockoutFinding[];
      /** What it changed in rows and packets. */
      readonly change: ChangePlan;
    } & Applied)
);

/** What an apply would do; nothing was changed. */
export interface DryRun {
  readonly kind: 'would-apply';
  readonly overridden: readonly LockoutFinding[];
  readonly change: ChangePlan;
}

/** Rows of both rulesets together up to which an apply tells which packets it is about: a second of time. */
const COMPARED_ROWS_MAX = 20_000;

/** The ruleset would cut the caller or a live SSH session. */
export class LockoutError extends RefusedError {
  readonly findings: readonly LockoutFinding[];

  constructor(findings: readonly LockoutFinding[]) {
    const causes = findings.map(({ message }) => message).join('\n  ');
    const fixes = [...new Set(findings.map(({ fix }) => fix))].map((fix) => `to keep it, ${fix}`);
    super('operate/lockout', `this ruleset would cut a live SSH session:\n  ${causes}`, {
      hint: [...fixes, 'to do it all the same: --force'].join('\n  '),
    });
    this.findings = findings;
  }
}

/** The ruleset takes something out of keep-reachable, which nothing else may do unnoticed. */
export class KeepReachableError extends RefusedError {
  constructor(narrowed: readonly NarrowedEntry[]) {
    const causes = narrowed.map(({ rule, example }) =>
      example === null ? `"${rule.text}" (guard/${rule.id})` : `"${rule.text}" (guard/${rule.id}): ${example}`,
    );
    super(
      'operate/keep-reachable',
      `this ruleset keeps less reachable than the one that enforces:\n  ${causes.join('\n  ')}`,
      {
        hint: 'put the entries back under guard: { keep-reachable: […] }, or to do it all the same: --force',
      },
    );
  }
}

/** Somebody has changed what is enforced since the caller looked. */
export class RevisionError extends RefusedError {
  constructor(history: Pick<History, 'revisions'>, expected: number) {
    const now = currentRevision(history);
    const since = history.revisions.filter(({ number }) => number > expected).map(describeRevision);
    const found = now ? `revision ${now.number} is enforced` : 'no revision is enforced';
    super('operate/revision', [`${found}, not ${expected}`, ...since].join('\n  '), {
      hint: now
        ? `nothing was changed; sluice show ${now.number}, then --expect-revision ${now.number}`
        : 'nothing was changed; --expect-revision 0 means that none is',
    });
  }
}

/** How a candidate is applied. */
export interface ApplyOptions {
  /** Also when it cuts a live SSH session, or narrows keep-reachable. */
  readonly force?: boolean;
  /** Only where this is what enforces; else a `SluiceError` `operate/changed`, and nothing has happened. */
  readonly inPlaceOf?: GenerationRecord;
  /**
   * Nobody asks for it, it comes by itself: also where nobody has tidied up after sections that waited by themselves, which
   * stay as the kernel judges them; and what was said of changes that were not confirmed goes on being said.
   */
  readonly byItself?: boolean;
  /** Only where the file still holds the candidate's text: who changed it meanwhile would not be what enforces. */
  readonly asRead?: boolean;
  /** Those that are filtered now, by name, whatever the ruleset says. */
  readonly interfaces?: readonly string[];
  /** It waits so long to be confirmed; then what it replaced judges again by itself. Left out: it holds at once. */
  readonly confirmSeconds?: number;
  /** Where it waits, then only this server, which its owner changes, and by itself: else it is refused. */
  readonly alone?: string;
  /** What the history says of it; left out: `apply`. */
  readonly intent?: Intent;
  /** Only where this revision (0: none yet) says what is enforced; else a `RevisionError`, and nothing has happened. */
  readonly expectRevision?: number;
  /** Only where what is enforced, or one section of it, is as a writer saw it; else it is refused, and nothing has happened. */
  readonly seen?: Seen;
  /** Everything but the change itself: what could refuse it is asked, the verifier too. */
  readonly dryRun?: boolean;
  /** A verb changed the enforced file to this candidate's text: that is taken back with the rest. */
  readonly edited?: boolean;
  /** What was compiled before in this process, where both states of sections that wait are. */
  readonly memory?: CheckMemory;
  /** Begun by who had something else to do first. */
  readonly look?: Look;
  /** Where it waits: its confirmation answers that boots are to load it (`enable`). */
  readonly atBoot?: boolean;
}

/**
 * Applies the candidate. Throws `LockoutError` and `KeepReachableError` unless `force`; until the gate changes, what
 * enforced before goes on. A failure after that is an `UnfinishedError`.
 */
export async function applyRuleset(
  context: Context,
  candidate: Candidate,
  options?: ApplyOptions & { readonly dryRun?: false },
): Promise<ApplyOutcome>;
export async function applyRuleset(
  context: Context,
  candidate: Candidate,
  options: ApplyOptions,
): Promise<ApplyOutcome | DryRun>;
export async function applyRuleset(
  context: Context,
  given: Candidate,
  options: ApplyOptions = {},
): Promise<ApplyOutcome | DryRun> {
  const { folder } = context;
  const intent = options.intent ?? { what: 'apply' };
  const outcome = await withLock(context, async (): Promise<ApplyOutcome | DryRun> => {
    let candidate = given;
    removeUnfinishedRuleset(candidate.file);
    if (!options.dryRun) await replaceOlderLocked(context);
    // While the kernel is asked what else there is.
    const look = freshLook(context, options.interfaces ?? candidate.ruleset.interfaces, options.look);
    await settleLocked(context);
    const enforcement = await readEnforcement(context);
    let history: History | null = null;
    const troubles = [
      tolerate(() => {
        history = catchUp(folder, enforcement);
      }),
    ];
    if (options.expectRevision !== undefined)
      refuseOtherRevision(history ?? readHistory(folder), options.expectRevision);
    if (options.seen) requireAsSeen(enforcement, history ?? readHistory(folder), options.seen);
    if (options.asRead) refuseOtherText(candidate);
    if (options.inPlaceOf) refuseOtherThan(options.inPlaceOf, enforcement?.record ?? null);
    const interfaces = await look.interfaces;
    const wanted = interfaces.map((device) => device.index).sort((a, b) => a - b);
    const filtered = (enforcement?.attachments ?? []).map((attachment) => attachment.ifindex).sort((a, b) => a - b);
    const overridden = findLockout(candidate.ruleset, await look.connections);
    refuseOtherMode(candidate.ruleset.mode, wanted, enforcement?.attachments ?? []);
    const sameInterfaces = wanted.join() === filtered.join();
    const { confirmSeconds: seconds, edited, memory, alone } = options;
    const waiting = enforcement?.pending ? enforcement.record?.confirm : undefined;
    const plan = planTrials(context, enforcement, candidate, {
      ...{ confirmSeconds: seconds, edited, memory },
      // What waits to be let go of is filtered still.
      sameInterfaces: waiting ? wanted.join() === waiting.ifindexes.toSorted((a, b) => a - b).join() : sameInterfaces,
      ...(options.byItself && { keepOver: true }),
      ...(alone !== undefined && { wordsLeft: PROVIDERS_WORDS }),
    });
    candidate = plan.candidate;
    // What waits by itself makes nothing else wait.
    const confirmSeconds = plan.alone ? undefined : seconds;
    const before = enforcement?.enforced?.file;
    const previous = before !== undefined && before !== candidate.file ? { previousFile: before } : {};
    if (
      !plan.fallback &&
      enforcement?.record?.digest === candidate.image.digest &&
      // Another version of sluice means its own programs for the same rules.
      enforcement.record.datapath === datapathDigest() &&
      sameInterfaces &&
      enforcement.attachments.every(({ egress }) => egress !== null)
    ) {
      if (options.dryRun) return { kind: 'unchanged', ...previous, ...unchangedBy(enforcement) };
      await clearInterrupted(context, foldInto(context));
      // Notes and owners are no part of the image, but of what status shows.
      const { generation, instance, record: known, pending } = enforcement;
      const names = interfaces.map(({ name }) => name);
      const source = sourceOf(candidate);
      const isNews = source.textDigest !== known.source.textDigest || source.file !== known.source.file;
      const change = isNews
        ? await describeChange(context, intent, planChange(known.ruleset, candidate.ruleset, 0), candidate)
        : known.change;
      const waits = pending && known.confirm && { ...known.confirm, ...confirmation(enforcement, candidate, options) };
      const record = {
        ...{ ...known, ruleset: candidate.ruleset, source, interfaces: names },
        ...(change && { change }),
        ...(waits && { confirm: waits }),
      };
      troubles.push(
        tolerate(() => {
          keepRevisionTexts(folder, candidate, change);
        }),
      );
      writeGenerationRecord(folder, record);
      // What waits is not the enforced file yet.
      if (pending) keepText(folder, candidate.text);
      else await remember(context, candidate, { generation, instance, names });
      if (isNews)
        troubles.push(
          tolerate(() => {
            addRevision(folder, record, pending ? 'pending' : 'applied', history);
          }),
        );
      pruneGenerationRecords(folder, new Set(context.pins.generations()));
      return { kind: 'unchanged', ...previous, ...unchangedBy(enforcement), ...troubleIn(troubles) };
    }
    const { fallback } = plan;
    if (enforcement?.pending && !fallback && (seconds === undefined || alone !== undefined))
      throw new PendingError(enforcement.generation, secondsIn(enforcement.pending.leftNs));
    if (seconds !== undefined && alone !== undefined && !waitsAlone(plan, alone)) throw new NotAloneError(alone);
    if (fallback) overridden.push(...(await cutOtherwise(context, fallback, interfaces, overridden)));
    if (overridden.length > 0 && !options.force) throw new LockoutError(overridden);
    const enforced = enforcement?.record?.ruleset;
    const narrowed = enforced ? findNarrowed(enforced.guard, candidate.ruleset.guard) : [];
    if (narrowed.length > 0 && !options.force) throw new KeepReachableError(narrowed);

    const change = planChange(enforcement ? (enforced ?? 'lost') : 'unfiltered', candidate.ruleset, COMPARED_ROWS_MAX);
    if (options.dryRun) {
      await verify(context, candidate.image);
      return { kind: 'would-apply', overridden, change };
    }

    // Given by name they are those that are filtered now; one that is away at the moment is meant all the same.
    const meant = options.interfaces ? (enforcement?.enforced?.interfaces ?? []) : [];
    const found = options.interfaces && enforcement?.pending ? [] : interfaces;
    const names = [...new Set([...meant, ...found.map(({ name }) => name)])];
    const confirm =
      waiting && fallback
        ? { ...waiting, edits: fallback.edits }
        : confirmSeconds !== undefined && {
            seconds: confirmSeconds,
            // What waits to be let go of goes on waiting.
            ifindexes: (options.interfaces && waiting?.ifindexes) || wanted,
            ...confirmation(enforcement, candidate, options),
          };
    const applied = await enforce(context, candidate, {
      ...{ interfaces, names, before: enforcement?.generation ?? null },
      ...(confirm && { confirm }),
      ...(fallback && { fallback }),
      trials: plan,
      change: await describeChange(context, intent, change, candidate),
      known: history,
      ...(options.byItself && { byItself: true }),
    });
    const now = await readEnforcement(context);
    if (plan.ended.length > 0 && now)
      troubles.push(
        tolerate(() => {
          endTrials(folder, now.instance, plan.ended, { outcome: 'rolled-back-by-hand' });
        }),
      );
    freeWords(context);
    const trouble = troubleIn([...troubles, applied.historyTrouble ?? null]);
    const isBeside = fallback !== undefined && { beside: true as const };
    return { kind: 'applied', ...previous, overridden, change, ...applied, ...pendingIn(now), ...isBeside, ...trouble };
  });
  await clearOrphans(context);
  return outcome;
}

/** Connections that the change cuts in what judges again otherwise, and only there. */
async function cutOtherwise(
  { kernel, netns }: Context,
  { before, candidate }: Fallback,
  interfaces: readonly Interface[],
  known: readonly LockoutFinding[],
): Promise<LockoutFinding[]> {
  const connections = await sshConnections(kernel, { filtered: interfaces }, netns);
  const cut = new Set([...findLockout(before.ruleset, connections), ...known].map(({ message }) => message));
  return findLockout(candidate.ruleset, connections).filter(({ message }) => !cut.has(message));
}

function troubleIn(troubles: readonly (string | null)[]): Pick<ApplyOutcome, 'historyTrouble'> {
  const historyTrouble = troubles.find((trouble) => trouble !== null) ?? null;
  return historyTrouble === null ? {} : { historyTrouble };
}

function refuseOtherRevision(history: History, expected: number): void {
  if ((currentRevision(history)?.number ?? 0) !== expected) throw new RevisionError(history, expected);
}

function unchangedBy(
  enforcement: Enforcement,
): Pick<Enforcement, 'generation' | 'attachments'> & Pick<ApplyOutcome, 'pending' | 'waiting'> {
  const { generation, attachments } = enforcement;
  return { generation, attachments, ...pendingIn(enforcement) };
}

/** Loads the programs' dry twins with the image, and lets go of them again. Throws where the verifier refuses. */
async function verify({ kernel }: Context, image: Image): Promise<void> {
  for (const direction of ['in', 'out'] as const) (await Twin.load(kernel, image, image, direction)).close();
}

function pendingIn(enforcement: Enforcement | null): Pick<ApplyOutcome, 'pending' | 'waiting'> {
  const waiting = (enforcement?.trials ?? [])
    .filter(waits)
    .map(({ previous: { name }, leftNs }) => ({ section: name, secondsLeft: secondsIn(leftNs) }));
  const pending = enforcement?.pending;
  return {
    ...(pending && { pending: { previous: pending.previous, secondsLeft: secondsIn(pending.leftNs) } }),
    ...(waiting.length > 0 && { waiting }),
  };
}

function secondsIn(ns: bigint): number {
  return Math.ceil(Number(ns) / 1e9);
}

/** What a change that waits says of itself: also what it takes over from one that waits already. */
function confirmation(
  enforcement: Enforcement | null,
  candidate: Candidate,
  { edited, atBoot }: ApplyOptions,
): Pick<NonNullable<GenerationRecord['confirm']>, 'edits' | 'atBoot'> {
  const waiting = enforcement?.pending ? enforcement.record?.confirm : undefined;
  return {
    edits: edited ? withEdit(waiting?.edits ?? [], candidate, enforcement) : (waiting?.edits ?? []),
    ...((atBoot || waiting?.atBoot) && { atBoot: true }),
  };
}

/** Of several edits of a file the text before the first is kept, unless somebody else changed it in between. */
function withEdit(
  edits: readonly FileEdit[],
  { file, text }: Candidate,
  enforcement: Enforcement | null,
): readonly FileEdit[] {
  // The text of another file has no place in this one.
  if (enforcement?.enforced?.file !== file) return edits;
  const now = enforcement.enforced.textDigest;
  const earlier = edits.find((edit) => edit.file === file && edit.after === now);
  const edit = { file, before: earlier?.before ?? now, after: contentDigest(text) };
  return [...edits.filter((other) => other.file !== file), edit];
}

function refuseOtherText({ file, text }: Candidate): void {
  if (file === STANDARD_INPUT || readRulesetText(file).digest === contentDigest(text)) return;
  throw new SluiceError(
    'file/changed',
    `"${file}" was changed after it was read: its content is no longer what was checked`,
    {
      hint: 'nothing was changed; look at what is in it now, then apply it again',
    },
  );
}

function refuseOtherThan(expected: GenerationRecord, found: GenerationRecord | null): void {
  const same = (['generation', 'instance', 'digest'] as const).every((key) => found?.[key] === expected[key]);
  if (same && found?.source.textDigest === expected.source.textDigest) return;
  throw new SluiceError('operate/changed', 'another ruleset was applied meanwhile', {
    hint: 'it goes on enforcing; look at it (sluice status), then try again',
  });
}

/** The kernel has no way to change the mode of an attached program: the interface would be open for a moment. */
function refuseOtherMode(mode: AttachMode, wanted: readonly number[], attachments: readonly Attachment[]): void {
  const other = attachments.find(
    (attachment) => mode !== 'auto' && attachment.mode !== mode && wanted.includes(attachment.ifindex),
  );
  if (!other) return;
  throw new SluiceError(
    'load/mode',
    `"${other.name}" is filtered in ${other.mode} mode, the ruleset asks for ${mode}`,
    {
      hint: 'nothing was changed; the mode changes only through an unfiltered moment: sluice disable, sluice enable',
    },
  );
}
