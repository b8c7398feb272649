/**
 * A change of sections while another one waits as a whole: it is in both, in what waits and in what judges again otherwise
 * (SPEC §6). Here is what judges again otherwise, with the same change in it.
 */
import { isDeepStrictEqual } from 'node:util';
import { compile } from '../compile/compile';
import { SharedState } from '../load/state';
import type { Ruleset } from '../model/ruleset';
import { sectionNow } from '../model/trial';
import { rulesetAt } from '../model/until';
import { datapathDigest } from '../kernel/datapath-object';
import { BUILT_IN } from './built-in';
import { judgeText } from './check';
import type { Context } from './context';
import { contentDigest } from './digest';
import { pathOf } from './edit/section-lines';
import { putText, takeText } from './edit/lazy-section-text';
import type { Candidate, Fallback } from './enforce';
import type { Enforcement } from './enforcement';
import { type FileEdit, type GenerationRecord, type PendingSection, readGenerationRecord } from './generation-record';
import { SETTINGS, withSectionOf } from './plan';
import { sectionDigest } from './section-digest';
import { readEnforcedText } from './state-files';
import { type LiveTrial, liveTrials } from './trial-state';

/** What judges again where nobody confirms what waits as a whole, before and after a change of sections. */
export interface FallbackChange {
  readonly record: GenerationRecord;
  readonly text: string;
  readonly trials: readonly LiveTrial[];
  /** Without an image: that depends on what waits in it. */
  readonly candidate: Omit<Candidate, 'image'>;
}

/**
 * The change in what judges again otherwise. Null where it cannot be made there: nothing is filtered then, it is about
 * something else than sections, about one that what waits changes too, or there it means something else.
 */
export function changeFallback(
  context: Context,
  { pending, record, instance }: Enforcement,
  candidate: Candidate,
  changed: readonly string[],
): FallbackChange | null {
  const { folder } = context;
  if (!record || pending?.previous == null || changed.length === 0 || changed.includes(SETTINGS)) return null;
  if (record.source.file !== candidate.file) return null;
  const before = readGenerationRecord(folder, pending.previous, instance);
  if (!before || before.source.file === BUILT_IN || [record, before].some(isOthers)) return null;
  const text = readEnforcedText(folder, before.source);
  if (text === null || changed.some((name) => !isSame(name, record.ruleset, before.ruleset))) return null;
  const after = withSections(text, candidate.text, changed);
  const ruleset = after === null ? null : rulesetWith(before, candidate, after, changed);
  if (after === null || !ruleset) return null;
  const { file, interfaceOverride } = before.source;
  return {
    ...{ record: before, text, trials: trialsOf(context, before) },
    candidate: { file, text: after, ruleset, ...(interfaceOverride && { interfaceOverride }) },
  };
}

function isOthers({ datapath }: GenerationRecord): boolean {
  return datapath !== datapathDigest();
}

function isSame(name: string, one: Ruleset, other: Ruleset): boolean {
  return sectionDigest(one, name) === sectionDigest(other, name);
}

function trialsOf({ kernel, pins }: Context, record: GenerationRecord): LiveTrial[] {
  const state = SharedState.find(kernel, pins);
  try {
    return state ? liveTrials(state, record, kernel.bootTimeNs()) : [];
  } finally {
    state?.close();
  }
}

/** The text with these sections as another one has them; null where they have no place in it. */
function withSections(text: string, other: string, names: readonly string[]): string | null {
  let now: string | null = text;
  for (const name of names) {
    const part = takeText(other, pathOf(name));
    if (part === undefined) return null;
    if (now !== null) now = putText(now, pathOf(name), part);
  }
  return now;
}

/** The ruleset with these sections, read with its own sets and services; null where they mean something else there. */
function rulesetWith(
  before: GenerationRecord,
  candidate: Candidate,
  text: string,
  changed: readonly string[],
): Ruleset | null {
  const read = judgeText(before.source.file, text).ruleset;
  if (!read) return null;
  const others = [...sectionNames(read), ...sectionNames(before.ruleset)].filter((name) => !changed.includes(name));
  if (others.some((name) => !isSame(name, read, before.ruleset))) return null;
  if (changed.some((name) => !isSame(name, read, candidate.ruleset))) return null;
  const stale = staleSets(before.ruleset, read);
  if (changed.some((name) => namesOneOf(read, name, stale))) return null;
  return rulesetAt(
    changed.reduce((now, name) => withSectionOf(now, read, name), before.ruleset),
    Date.now(),
  );
}

/** Sets whose file has changed since: what judges again has the list of then, and so must rows that name it. */
function staleSets(before: Ruleset, read: Ruleset): ReadonlySet<string> {
  const old = new Map(before.sets.map(({ name, addresses }) => [name, addresses]));
  return new Set(
    read.sets.filter(({ name, addresses }) => !isDeepStrictEqual(old.get(name), addresses)).map(({ name }) => name),
  );
}

function namesOneOf(ruleset: Ruleset, section: string, names: ReadonlySet<string>): boolean {
  const now = sectionNow(ruleset, section);
  const rows = now && 'keepReachable' in now ? [...now.keepReachable, ...now.rules] : (now?.rules ?? []);
  return names.size > 0 && rows.some(({ text }) => text.split(/[^\w.-]+/).some((word) => names.has(word)));
}

function sectionNames({ servers = [] }: Ruleset): string[] {
  return ['inbound', 'outbound', 'guard', ...servers.map(({ name }) => name)];
}

/** The fallback with its image, and the files that are put back with it. */
export function fallbackOf(
  { folder }: Context,
  waiting: GenerationRecord,
  { record: before, candidate }: FallbackChange,
  {
    trials,
    changed,
    after,
    edited,
  }: {
    readonly trials: readonly PendingSection[];
    readonly changed: readonly string[];
    readonly after: Candidate;
    readonly edited: boolean;
  },
): Fallback {
  const texts: string[] = [];
  const edits = (waiting.confirm?.edits ?? []).map((edit): FileEdit => {
    const isIts = edit.before === before.source.textDigest;
    const old = isIts ? null : readEnforcedText(folder, { textDigest: edit.before });
    const text = isIts ? candidate.text : old === null ? null : withSections(old, after.text, changed);
    if (text !== null) texts.push(text);
    const isWritten = edited && edit.file === after.file && edit.after === waiting.source.textDigest;
    return {
      file: edit.file,
      before: text === null ? edit.before : contentDigest(text),
      after: isWritten ? contentDigest(after.text) : edit.after,
    };
  });
  // Its own file holds the change when it is the enforced one again.
  const own = before.source.file;
  if (own !== after.file && !edits.some(({ file }) => file === own))
    edits.push({ file: own, before: contentDigest(candidate.text), after: before.source.textDigest });
  const image = compile(candidate.ruleset, undefined, trials);
  return { before, candidate: { ...candidate, image }, trials, edits, texts };
}
