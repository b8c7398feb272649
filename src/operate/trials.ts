/**
 * What a change does with sections that wait to be confirmed, each by itself, and which it makes wait. The kernel alone
 * ends the wait, by its clock; rows and text of the rest of the ruleset go on as they are, whatever becomes of one.
 */
import { CapacityError } from '../compile/capacity';
import { compile } from '../compile/compile';
import type { CheckMemory } from './check-memory';
import { isSameTerritory } from '../compile/same-server';
import { datapathDigest } from '../kernel/datapath-object';
import { RefusedError, SluiceError } from '../kernel/errors';
import { CONFIRM_WORDS_MAX } from '../load/confirm-words';
import { SharedState } from '../load/state';
import type { Ruleset } from '../model/ruleset';
import { isFixedSection, isServerBefore, rulesetReturned, type SectionBefore, sectionNow } from '../model/trial';
import { rulesetAt, rulesetWithoutEnds } from '../model/until';
import type { Context } from './context';
import { judgeText } from './check';
import { pathOf } from './edit/section-lines';
import { takeText } from './edit/lazy-section-text';
import type { Candidate, Fallback } from './enforce';
import type { Enforcement } from './enforcement';
import { changeFallback, type FallbackChange, fallbackOf } from './fallback';
import type { GenerationRecord, PendingSection } from './generation-record';
import { changedSections, planRuleset, SETTINGS } from './plan';
import { sectionDigest } from './section-digest';
import { readEnforcedText } from './state-files';
import { hasReturned, type LiveTrial, storedTrial, usedWords, waits } from './trial-state';
import { textReturned } from './trial-text';

/** A change would take the place of one that waits. */
export class SectionPendingError extends RefusedError {
  readonly section: string;

  constructor({ previous: { name }, leftNs }: Pick<LiveTrial, 'previous' | 'leftNs'>, why?: string) {
    const left = Math.ceil(Number(leftNs) / 1e9);
    super(
      'operate/pending',
      `"${name}" waits to be confirmed, ${left} s are left: ${why ?? 'nobody has said yet that its rows are right'}`,
      {
        hint: `sluice confirm ${optionFor(name)} keeps them, sluice rollback ${optionFor(name)} takes them back`,
      },
    );
    this.section = name;
  }
}

/** The option by which commands are told of one section. */
export function optionFor(section: string): string {
  return `${isFixedSection(section) ? '--section' : '--server'} ${section}`;
}

/** A change is about one whose time is over, and whose file cannot be put back before what waits as a whole has ended. */
export class SectionOverError extends RefusedError {
  constructor({ previous: { name } }: Pick<LiveTrial, 'previous'>) {
    super(
      'operate/pending',
      `"${name}" was not confirmed in time: its rows before judge again, and another change waits as a whole`,
      { hint: `sluice confirm keeps that, sluice rollback takes it back; then the file says what judges "${name}"` },
    );
  }
}

/** A change that may only wait by itself cannot. */
export class NotAloneError extends RefusedError {
  constructor(server: string) {
    super('operate/not-alone', `the change of "${server}" cannot wait to be confirmed by itself`, {
      hint: 'nothing was changed; without --confirm it holds at once',
    });
  }
}

/** What a change does with sections that wait, and which it puts on trial itself. */
export interface TrialPlan {
  /** With the image that holds both states of all that wait. */
  readonly candidate: Candidate;
  readonly trials: readonly PendingSection[];
  /** Words whose time begins with the change. */
  readonly begin: readonly { readonly word: number; readonly ns: bigint }[];
  /** Whether all that changes waits by itself: then the whole ruleset need not. */
  readonly alone: boolean;
  /** Those that the change itself takes back. */
  readonly ended: readonly PendingSection[];
  /** Where another change waits as a whole, and this one is none of it: what judges again otherwise, with this change. */
  readonly fallback?: Fallback;
}

/** How it is to be changed, as far as that matters here. */
export interface TrialOptions {
  readonly confirmSeconds?: number | undefined;
  readonly edited?: boolean | undefined;
  /** Whether the same interfaces are filtered as before. */
  readonly sameInterfaces: boolean;
  readonly memory?: CheckMemory | undefined;
  /** Whether those whose time is over stay so in the image, until their files can be put back. */
  readonly keepOver?: boolean;
  /** Words that are left to others. */
  readonly wordsLeft?: number | undefined;
}

/** Words that owners leave to their provider: he can always try something. */
export const PROVIDERS_WORDS = 55;

/** Whether only this server begins to wait with the change. */
export function waitsAlone({ alone, trials, begin }: TrialPlan, server: string): boolean {
  const words = new Set(begin.map(({ word }) => word));
  return alone && trials.every((trial) => !words.has(trial.word) || trial.previous.name === server);
}

/**
 * Plans for a change over what enforces: what waits and does not change goes on waiting with its own deadline, in the image
 * of the change too; sections that change, with a time to confirm and nothing else changed, wait by themselves.
 * Throws `SectionPendingError` where the change is about one that waits and does not wait itself.
 */
export function planTrials(
  context: Context,
  enforcement: Enforcement | null,
  candidate: Candidate,
  options: TrialOptions,
): TrialPlan {
  const { confirmSeconds, memory } = options;
  const record = enforcement?.record;
  const live = enforcement?.trials ?? [];
  const none = { candidate, trials: [], begin: [], alone: false, ended: [] };
  if (!record || (live.length === 0 && confirmSeconds === undefined && !enforcement.pending)) return none;
  const over = enforcement.pending || options.keepOver ? undefined : live.find((trial) => !waits(trial));
  if (over) throw overMeanwhile(over);
  const changed = changedSections(
    planRuleset(rulesetWithoutEnds(record.ruleset), rulesetWithoutEnds(candidate.ruleset)),
  );
  const place: Place = { record, candidate, changed };
  const other = options.sameInterfaces ? changeFallback(context, enforcement, candidate, changed) : null;
  const begun = confirmSeconds === undefined ? null : newTrials(context, enforcement, place, options, other);
  const ns = BigInt(confirmSeconds ?? 0) * 1_000_000_000n;
  const planWith = (fresh: Begun | null): TrialPlan => {
    const { kept, ended } = keptTrials(place, live, fresh?.waiting ?? []);
    const carried = changed.includes(SETTINGS) ? kept.map((trial) => readAnew(place, trial, kept)) : kept;
    const trials = [...carried, ...(fresh?.waiting ?? [])];
    // With a time of its own it waits by itself, or else as a part of what waits.
    const isBeside = other !== null && (confirmSeconds === undefined || fresh !== null);
    const fallback = isBeside && { fallback: fallbackWith(place, other, fresh?.otherwise ?? []) };
    if (trials.length === 0) return { ...none, ended, ...fallback };
    return {
      candidate: { ...candidate, image: compile(candidate.ruleset, memory?.compiled, trials) },
      ...{ trials, ended, alone: fresh !== null, ...fallback },
      begin: fresh ? [...new Set(fresh.waiting.map(({ word }) => word))].map((word) => ({ word, ns })) : [],
    };
  };
  const fallbackWith = (to: Place, of: FallbackChange, fresh: readonly PendingSection[]): Fallback => {
    const { kept } = keptTrials({ ...of, changed: to.changed }, of.trials, fresh);
    const trials = [...kept, ...fresh];
    return fallbackOf(context, record, of, { trials, changed, after: candidate, edited: options.edited ?? false });
  };
  try {
    return planWith(begun);
  } catch (error) {
    // An image has no room for both states of so much: then there are two images.
    if (!(error instanceof CapacityError) || begun === null) throw error;
    return planWith(null);
  }
}

/** What goes on waiting, and what the change takes back; the change is not about the others. */
function keptTrials(
  place: Place,
  live: readonly LiveTrial[],
  fresh: readonly PendingSection[],
): { readonly kept: readonly PendingSection[]; readonly ended: readonly PendingSection[] } {
  const { candidate, changed } = place;
  const kept: PendingSection[] = [];
  const ended: PendingSection[] = [];
  for (const trial of live) {
    const { name } = trial.previous;
    const now = sectionNow(candidate.ruleset, name);
    if (fresh.some(({ previous }) => previous.name === name)) continue;
    // Confirmed while a change waits as a whole: what is changed now are rows that hold.
    if (trial.state === 'confirmed' && changed.includes(name)) continue;
    if (hasReturned(trial) && changed.includes(name)) throw new SectionOverError(trial);
    if (!now || !fits(now, trial.previous)) throw new SectionPendingError(trial);
    if (!changed.includes(name)) kept.push({ ...storedTrial(trial), previous: beforeNow(place, trial) });
    else if (isBackAgain(place, trial)) ended.push(storedTrial(trial));
    else throw new SectionPendingError(trial);
  }
  return { kept, ended };
}

/** What is over has been tidied up after before anything is changed; this one was not over then. */
function overMeanwhile({ previous: { name } }: LiveTrial): SluiceError {
  return new SluiceError('operate/changed', `the time in which "${name}" waited to be confirmed was over meanwhile`, {
    hint: 'its rows before judge it again; look at them (sluice status), then try again',
  });
}

/** A state of the ruleset that a change is made in. */
interface Place {
  readonly record: Pick<GenerationRecord, 'ruleset'>;
  readonly candidate: Omit<Candidate, 'image'>;
  readonly changed: readonly string[];
}

/** Sections that begin to wait: in what enforces, and in what judges again where something waits as a whole. */
interface Begun {
  readonly waiting: readonly PendingSection[];
  readonly otherwise: readonly PendingSection[];
}

/** Whether one can take the place of the other while packets pass: servers must own the same. */
function fits(one: SectionBefore, other: SectionBefore): boolean {
  return !isServerBefore(one) || (isServerBefore(other) && isSameTerritory(one, other));
}

/** What was before, without rows that have ended by now. */
function beforeNow({ record }: Place, trial: LiveTrial): SectionBefore {
  const { previous } = trial;
  if (!previous.rules.some(({ untilMs }) => untilMs !== undefined)) return previous;
  return sectionNow(
    rulesetAt(
      rulesetReturned(record.ruleset, [trial], () => true),
      Date.now(),
    ),
    previous.name,
  )!;
}

function isBackAgain({ record, candidate }: Place, trial: LiveTrial): boolean {
  const { name } = trial.previous;
  const before = rulesetReturned(record.ruleset, [trial], () => true);
  return sectionDigest(before, name) === sectionDigest(candidate.ruleset, name);
}

/** What the change puts on trial; null where it must wait as a whole. One transaction is one word. */
function newTrials(
  context: Context,
  enforcement: Enforcement,
  place: Place,
  { confirmSeconds, edited, sameInterfaces, wordsLeft }: TrialOptions,
  other: FallbackChange | null,
): Begun | null {
  const { record, enforced, pending, attachments, trials: live } = enforcement;
  if (pending && !other) return null;
  if (!sameInterfaces || record!.datapath !== datapathDigest() || attachments.length === 0) return null;
  if (!enforced || enforced.file !== place.candidate.file || place.changed.length === 0) return null;
  const text = readEnforcedText(context.folder, enforced);
  const word = text === null ? undefined : freeWord(context, wordsLeft);
  if (text === null || word === undefined) return null;
  const how = { word, seconds: confirmSeconds!, edited: edited ?? false };
  const waiting = newTrialsIn(place, text, live, how);
  const otherwise = other && newTrialsIn({ ...place, ...other }, other.text, other.trials, how);
  return waiting && (otherwise || !other) ? { waiting, otherwise: otherwise ?? [] } : null;
}

/** The same of one state of the ruleset, with its text before. */
function newTrialsIn(
  { record, candidate, changed }: Place,
  text: string,
  live: readonly LiveTrial[],
  { word, seconds, edited }: Pick<PendingSection, 'word' | 'seconds' | 'edited'>,
): PendingSection[] | null {
  const trials: PendingSection[] = [];
  for (const name of changed) {
    const [was, now] = [sectionNow(record.ruleset, name), sectionNow(candidate.ruleset, name)];
    const before = takeText(text, pathOf(name));
    if (!was || !now || !fits(was, now) || before === undefined) return null;
    if (before === null && !isFixedSection(name)) return null;
    const known = live.find(({ previous, state }) => previous.name === name && state !== 'confirmed');
    trials.push({
      ...{ word, seconds, began: known?.began ?? [] },
      ...(known ? { previous: known.previous, before: known.before } : { previous: was, before }),
      edited: edited && (known?.edited ?? true),
    });
  }
  // What a verb wrote leaves the file as it was: no word of it outside these sections may differ.
  if (edited && textReturned(candidate.text, trials) !== textReturned(text, trials)) return null;
  return canGoBack(candidate, text, trials, record.ruleset) ? trials : null;
}

/** Whether the text without what is on trial says what was before. */
function canGoBack(
  candidate: Place['candidate'],
  now: string,
  trials: readonly PendingSection[],
  ruleset: Ruleset,
): boolean {
  const text = textReturned(candidate.text, trials);
  if (text === null) return false;
  if (text === now) return true;
  const read = judgeText(candidate.file, text).ruleset;
  const before = rulesetReturned(ruleset, trials, () => true);
  return (
    read !== null && trials.every(({ previous: { name } }) => sectionDigest(read, name) === sectionDigest(before, name))
  );
}

/** What was before, where sets or services that it names have changed under it. */
function readAnew({ candidate }: Place, trial: PendingSection, all: readonly PendingSection[]): PendingSection {
  const { name } = trial.previous;
  const text = textReturned(candidate.text, all);
  const read = text === null ? undefined : judgeText(candidate.file, text).ruleset;
  const previous = read && sectionNow(read, name);
  if (previous && fits(previous, trial.previous)) return { ...trial, previous };
  throw new SectionPendingError({ ...trial, leftNs: 0n }, 'what was before does not fit into what this change makes');
}

/** The first that is not used; undefined where no more than `left` are free. */
export function freeWordAmong(used: ReadonlySet<number>, left: number): number | undefined {
  if (used.size + left >= CONFIRM_WORDS_MAX) return undefined;
  return Array.from({ length: CONFIRM_WORDS_MAX }, (_, i) => i + 1).find((word) => !used.has(word));
}

/** A word that no generation names which judges or may judge again; undefined where all but `left` are taken. */
function freeWord({ kernel, pins, folder }: Context, left = 0): number | undefined {
  const state = SharedState.find(kernel, pins);
  if (!state) return undefined;
  try {
    const used = usedWords(folder, state);
    return used ? freeWordAmong(used, left) : undefined;
  } finally {
    state.close();
  }
}
