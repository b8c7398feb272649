/**
 * What a change does with servers that wait to be confirmed, each by itself, and which it makes wait. The kernel alone ends
 * the wait, by its clock; rows and text of the rest of the ruleset go on as they are, whatever becomes of one.
 */
import { compile } from '../compile/compile';
import type { CompileMemory } from '../compile/compile-memory';
import { isSameTerritory } from '../compile/same-server';
import { datapathDigest } from '../kernel/datapath';
import { RefusedError, SluiceError } from '../kernel/errors';
import { CONFIRM_WORDS_MAX } from '../load/confirm-words';
import { SharedState } from '../load/state';
import type { Ruleset, Server } from '../model/ruleset';
import { rulesetReturned } from '../model/trial';
import { hasEnded } from '../model/until';
import type { Context } from './context';
import { judgeText } from './check';
import { pathOf } from './edit/section-lines';
import { takeText } from './edit/section-text';
import type { Candidate } from './enforce';
import type { Enforcement } from './enforcement';
import type { GenerationRecord, PendingSection } from './generation-record';
import { changedSections, planRuleset, SETTINGS } from './plan';
import { sectionDigest } from './section-digest';
import { readEnforcedText } from './state-files';
import { type LiveTrial, storedTrial, usedWords, waits } from './trial-state';
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
        hint: `sluice confirm --server ${name} keeps them, sluice rollback --server ${name} takes them back`,
      },
    );
    this.section = name;
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

/** What a change does with servers that wait, and which it puts on trial itself. */
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
}

/** How it is to be changed, as far as that matters here. */
export interface TrialOptions {
  readonly confirmSeconds?: number | undefined;
  readonly edited?: boolean | undefined;
  /** Whether the same interfaces are filtered as before. */
  readonly sameInterfaces: boolean;
  readonly memory?: CompileMemory | undefined;
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
 * of the change too; servers whose rows change, with a time to confirm and nothing else changed, wait by themselves.
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
  if (!record || (live.length === 0 && confirmSeconds === undefined)) return none;
  const over = enforcement.pending ? undefined : live.find((trial) => !waits(trial));
  if (over) throw overMeanwhile(over);
  const changed = changedSections(planRuleset(withoutEnds(record.ruleset), withoutEnds(candidate.ruleset)));
  const place: Place = { context, enforcement, record, candidate, changed };
  const begun = confirmSeconds === undefined ? null : newTrials(place, options, live);
  const kept: PendingSection[] = [];
  const ended: PendingSection[] = [];
  for (const trial of live) {
    const { name } = trial.previous;
    const now = serverOf(candidate.ruleset, name);
    if (begun?.some(({ previous }) => previous.name === name)) continue;
    if (!now || !isSameTerritory(now, trial.previous)) throw new SectionPendingError(trial);
    if (!changed.includes(name)) kept.push({ ...storedTrial(trial), previous: serverNow(trial.previous) });
    else if (isBackAgain(place, trial)) ended.push(storedTrial(trial));
    else throw new SectionPendingError(trial);
  }
  const carried = changed.includes(SETTINGS) ? kept.map((trial) => readAnew(place, trial, kept)) : kept;
  const trials = [...carried, ...(begun ?? [])];
  if (trials.length === 0) return { ...none, ended };
  const ns = BigInt(confirmSeconds ?? 0) * 1_000_000_000n;
  return {
    candidate: { ...candidate, image: compile(candidate.ruleset, memory, trials) },
    ...{ trials, ended, alone: begun !== null },
    begin: begun ? [...new Set(begun.map(({ word }) => word))].map((word) => ({ word, ns })) : [],
  };
}

/** What is over has been tidied up after before anything is changed; this one was not over then. */
function overMeanwhile({ previous: { name } }: LiveTrial): SluiceError {
  return new SluiceError('operate/changed', `the time in which "${name}" waited to be confirmed was over meanwhile`, {
    hint: 'its rows before judge it again; look at them (sluice status), then try again',
  });
}

interface Place {
  readonly context: Context;
  readonly enforcement: Enforcement;
  readonly record: GenerationRecord;
  readonly candidate: Candidate;
  readonly changed: readonly string[];
}

function serverOf({ servers = [] }: Ruleset, name: string): Server | undefined {
  return servers.find((server) => server.name === name);
}

/** Rows that have ended, or not yet: whichever it is, nobody has changed them. */
function withoutEnds(ruleset: Ruleset): Ruleset {
  if (!ruleset.servers?.some(({ rules }) => rules.some(({ untilMs }) => untilMs !== undefined))) return ruleset;
  const servers = ruleset.servers.map((server) => ({
    ...server,
    rules: server.rules.map((rule) => (rule.untilMs === undefined ? rule : { ...rule, enabled: true })),
  }));
  return { ...ruleset, servers };
}

/** The server without its rows that have ended by now. */
function serverNow(server: Server): Server {
  const now = Date.now();
  if (!server.rules.some((rule) => rule.enabled && hasEnded(rule, now))) return server;
  return { ...server, rules: server.rules.map((rule) => (hasEnded(rule, now) ? { ...rule, enabled: false } : rule)) };
}

function isBackAgain({ record, candidate }: Place, trial: LiveTrial): boolean {
  const { name } = trial.previous;
  const before = rulesetReturned(record.ruleset, [trial], () => true);
  return sectionDigest(before, name) === sectionDigest(candidate.ruleset, name);
}

/** What the change puts on trial; null where it must wait as a whole. One transaction is one word. */
function newTrials(
  { context, enforcement, record, candidate, changed }: Place,
  { confirmSeconds, edited, sameInterfaces, wordsLeft }: TrialOptions,
  live: readonly LiveTrial[],
): PendingSection[] | null {
  const { enforced, pending } = enforcement;
  if (pending || !sameInterfaces || record.datapath !== datapathDigest() || enforcement.attachments.length === 0)
    return null;
  if (!enforced || enforced.file !== candidate.file || changed.length === 0) return null;
  const text = readEnforcedText(context.folder, enforced);
  const word = text === null ? undefined : freeWord(context, wordsLeft);
  if (text === null || word === undefined) return null;
  const trials: PendingSection[] = [];
  for (const name of changed) {
    const [was, now] = [serverOf(record.ruleset, name), serverOf(candidate.ruleset, name)];
    const before = takeText(text, pathOf(name));
    if (!was || !now || !isSameTerritory(was, now) || typeof before !== 'string') return null;
    const known = live.find(({ previous }) => previous.name === name);
    trials.push({
      ...{ word, seconds: confirmSeconds!, began: known?.began ?? [] },
      ...{ previous: known?.previous ?? was, before: known?.before ?? before },
      edited: (edited ?? false) && (known?.edited ?? true),
    });
  }
  return canGoBack(candidate, text, trials, record.ruleset) ? trials : null;
}

/** Whether the text without what is on trial says what was before. */
function canGoBack(candidate: Candidate, now: string, trials: readonly PendingSection[], ruleset: Ruleset): boolean {
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
  const previous = read && serverOf(read, name);
  if (previous && isSameTerritory(previous, trial.previous)) return { ...trial, previous };
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
