/**
 * Every change of what is enforced, as revisions: a small file each, and the texts they name, each text once. It remembers
 * and decides nothing: lost or damaged, what enforces goes on. What a change is about stands in its generation's record
 * before the change happens, so that a process that is killed leaves no gap (`catchUp`).
 */
import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import { SluiceError } from '../kernel/errors';
import { syncFolder, writeAtomically } from './atomic-write';
import type { Author, ChangeNote } from './change-note';
import { contentDigest, isDigestText } from './digest';
import type { GenerationRecord, PendingSection } from './generation-record';
import { beyondBounds, OWNERS_REVISIONS_MAX, REVISIONS_MAX, textsToKeep } from './history-bounds';
import { readSealed, type StateRead, writeSealed } from './sealed-file';
import { areStates, isSha, sectionLines, type WrittenRuleset } from './section-state';
import {
  type EnforcedState,
  fileMark,
  historyDirectory,
  makeFolder,
  type StateFolder,
  textFile as enforcedTextFile,
} from './state-files';
import { errnoOf, fileError } from './system-error';

/** How a change went on. */
export type RevisionOutcome =
  'applied' | 'pending' | 'confirmed' | 'rolled-back-by-deadline' | 'rolled-back-by-hand' | 'rolled-back-at-boot';

/** One change of what is enforced. */
export interface Revision extends ChangeNote {
  /** Counts from 1, never used twice. */
  readonly number: number;
  /** Generation that it became, and its installation; null where it ended enforcement. */
  readonly generation: number | null;
  readonly instance: string | null;
  /** The file, and the digest of its text (SHA-256, hex); null where it ended enforcement. */
  readonly source: Pick<EnforcedState, 'file' | 'textDigest' | 'interfaceOverride'> | null;
  /** Digest of the compiled image; empty where it ended enforcement. */
  readonly digest: string;
  readonly outcome: RevisionOutcome;
  /** Who confirmed it or took it back, and when, ISO time. */
  readonly ended?: { readonly at: string; readonly by?: Author } | undefined;
}

/** The revisions that are kept, oldest first; `warnings`: what of them is lost. */
export interface History {
  readonly revisions: readonly Revision[];
  readonly warnings: readonly string[];
}

const SCHEMA_VERSION = 1;

/** Whether the change has, or had at last, an effect: it was not taken back. */
export function holds({ outcome }: Revision): boolean {
  return outcome === 'applied' || outcome === 'pending' || outcome === 'confirmed';
}

/** The revision that says what is enforced now; null where there was none, or it is lost. */
export function currentRevision({ revisions }: Pick<History, 'revisions'>): Revision | null {
  return revisions.filter(holds).at(-1) ?? null;
}

/** Does what the history needs; the trouble it has with that, in words, is no reason to change or enforce anything else. */
export function tolerate(write: () => void): string | null {
  try {
    write();
    return null;
  } catch (error) {
    if (error instanceof SluiceError && error.code.startsWith('state/')) return error.message;
    throw error;
  }
}

/** Reads what is kept. Throws only where the folder cannot be read. */
export function readHistory(folder: StateFolder): History {
  const revisions: Revision[] = [];
  const warnings: string[] = [];
  for (const number of numbersIn(folder).kept) {
    const { value, warning } = readRevision(folder, number);
    if (value) revisions.push(value);
    if (warning !== undefined) warnings.push(warning);
  }
  return { revisions, warnings };
}

/** The text of a revision; null where it has none, or it is not kept any more, or no longer the one. */
export function readRevisionText(folder: StateFolder, { source }: Pick<Revision, 'source'>): string | null {
  return source && readText(folder, source.textDigest);
}

/** The text that a change left of a section, from the left margin; null where it was not kept. */
export function readSectionText(
  folder: StateFolder,
  { after }: Pick<Revision, 'after'>,
  section: string,
): string | null {
  const digest = after?.[section]?.text;
  return digest === undefined ? null : readText(folder, digest);
}

/** Keeps what a change is about to be about, the whole and its sections; the caller holds the lock. */
export function keepRevisionTexts(folder: StateFolder, to: WrittenRuleset, change: ChangeNote | undefined): void {
  if (!change) return;
  keepRevisionText(folder, to.text);
  for (const [section, { text }] of Object.entries(change.after ?? {}))
    if (text !== undefined) keepRevisionText(folder, sectionLines(to, section) ?? '');
}

/** Keeps a text; the caller holds the lock. */
export function keepRevisionText(folder: StateFolder, text: string): void {
  makeHistory(folder);
  const digest = contentDigest(text);
  if (readText(folder, digest) !== null) return;
  const file = textFile(folder, digest);
  try {
    // What is kept beside the enforced text is that file: nobody writes into one, they are only exchanged.
    if (!linkText(enforcedTextFile(folder, digest), file)) writeAtomically(file, text, { mode: 0o600, how: 'replace' });
  } catch (error) {
    throw fileError('state/write', 'write', file, error);
  }
}

/** Gives a file that was written whole a second name; false where there is none. */
function linkText(file: string, name: string): boolean {
  try {
    fs.linkSync(file, name);
  } catch (error) {
    if (['ENOENT', 'EEXIST', 'EXDEV', 'EPERM', 'EMLINK'].includes(errnoOf(error) ?? '')) return false;
    throw error;
  }
  syncFolder(dirname(name));
  return true;
}

/**
 * What changes the history returns it as it is then. It takes what the caller has read under the same lock, or reads it:
 * each revision is a file.
 */
type KnownHistory = History | null | undefined;

/**
 * Adds the change that a generation's record tells of, unless it is there; one without a note, such as what a boot loads
 * again, is none. The caller holds the lock.
 */
export function addRevision(
  folder: StateFolder,
  record: GenerationRecord,
  outcome: RevisionOutcome,
  known?: KnownHistory,
): History {
  const { change, generation, instance, digest, source } = record;
  const history = known ?? readHistory(folder);
  if (!change || history.revisions.some(isOf(record))) return history;
  return append(folder, history, { ...change, generation, instance, source, digest, outcome });
}

/** The same of what waits as a whole, or was made beside that. The caller holds the lock. */
export function addPending(folder: StateFolder, record: GenerationRecord): History {
  const isWaiting = !record.beside || (record.change && beganWith(record)({ ...record, at: record.change.at }));
  return addRevision(folder, record, isWaiting ? 'pending' : 'applied');
}

/** Adds the end of enforcement. The caller holds the lock. */
export function addEnd(folder: StateFolder, change: ChangeNote, known?: KnownHistory): History {
  return append(folder, known ?? readHistory(folder), {
    ...change,
    ...{ generation: null, instance: null, source: null, digest: '', outcome: 'applied' },
  });
}

/** The changes with which these sections began to wait have ended so, where nobody has said how. The caller holds the lock. */
export function endTrials(
  folder: StateFolder,
  instance: string,
  trials: readonly PendingSection[],
  { outcome, by }: { readonly outcome: RevisionOutcome; readonly by?: Author },
): void {
  const isTheirs = beganWith({ instance, trials });
  for (const revision of readHistory(folder).revisions)
    if (revision.outcome === 'pending' && isTheirs(revision)) rewrite(folder, revision, outcome, by);
}

/** Whether a section that waits by itself began to with the revision. */
function beganWith(
  record: Pick<GenerationRecord, 'instance' | 'trials'> | null,
): (revision: Pick<Revision, 'instance' | 'generation' | 'at'>) => boolean {
  const began = (record?.trials ?? []).flatMap((trial) => trial.began);
  return ({ instance, generation, at }) =>
    instance === record?.instance && began.some((one) => one.generation === generation && one.at === at);
}

/**
 * All that waits as a whole has ended so, and the record's change whatever was said of it before; sections that wait by
 * themselves go on. The caller holds the lock.
 */
export function endPending(
  folder: StateFolder,
  outcome: RevisionOutcome,
  ending: {
    readonly by?: Author;
    readonly record?: GenerationRecord | null;
    readonly known?: KnownHistory;
    /** Revisions of which this does not hold go on. */
    readonly besides?: (revision: Revision) => boolean;
  } = {},
): History {
  const isIt = isOf(ending.record?.beside ? null : (ending.record ?? null));
  const waitsAlone = ending.besides ?? beganWith(ending.record ?? null);
  const history = ending.known ?? readHistory(folder);
  return {
    ...history,
    revisions: history.revisions.map((revision) =>
      (revision.outcome === 'pending' || isIt(revision)) && !waitsAlone(revision)
        ? rewrite(folder, revision, outcome, ending.by)
        : revision,
    ),
  };
}

/**
 * Writes down what processes that were killed did not: the change that enforces, and how what waited has ended.
 * `enforcing`: null where nothing enforces. The caller holds the lock.
 */
export function catchUp(
  folder: StateFolder,
  enforcing: { readonly record: GenerationRecord | null; readonly pending: object | null } | null,
): History {
  const record = enforcing?.record ?? null;
  const isPending = Boolean(enforcing?.pending);
  const waitsAlone = beganWith(record);
  const isAlone = record?.change !== undefined && waitsAlone({ ...record, at: record.change.at });
  const isPart = record !== null && !record.beside;
  const outcome = (isPending && isPart) || isAlone ? 'pending' : isPart && record.confirm ? 'confirmed' : 'applied';
  const known = record ? addRevision(folder, record, outcome) : readHistory(folder);
  const own = known.revisions.find(isOf(record));
  if (isPending) return own && isPart ? endPending(folder, 'pending', { record, known }) : known;
  const isWaiting = known.revisions.some((one) => one.outcome === 'pending' && !waitsAlone(one));
  if (!isWaiting) return known;
  // What waited as a whole judges: it itself, or with another change beside it.
  const isConfirmed = record?.beside ? record.confirm !== undefined : own?.outcome === 'pending' && !isAlone;
  const ended = isConfirmed ? 'confirmed' : 'rolled-back-by-hand';
  return endPending(folder, ended, { known, besides: waitsAlone });
}

function rewrite(folder: StateFolder, revision: Revision, outcome: RevisionOutcome, by?: Author): Revision {
  if (outcome === 'pending' && revision.outcome === 'pending') return revision;
  // Undefined is left out of JSON: what waits again has not ended.
  const ended = outcome === 'pending' ? undefined : { at: new Date().toISOString(), ...(by && { by }) };
  const rewritten = { ...revision, outcome, ended };
  writeSealed(revisionFile(folder, revision.number), SCHEMA_VERSION, rewritten);
  return rewritten;
}

/** Whether a revision is the change that the record tells of. */
function isOf(record: GenerationRecord | null): (revision: Revision) => boolean {
  return ({ instance, generation, at }) =>
    record?.change !== undefined &&
    instance === record.instance &&
    generation === record.generation &&
    at === record.change.at;
}

/** Finds a revision by number, or by the first digits of its text's, image's or a section's digest; of several the newest. */
export function findRevision({ revisions }: Pick<History, 'revisions'>, reference: string): Revision {
  const found = revisions.filter(({ number, digest, source, after = {} }) =>
    /^\d{1,6}$/.test(reference)
      ? number === Number(reference)
      : isDigestText(reference) &&
        [digest, source?.textDigest, ...Object.values(after).map((state) => state.digest)].some((one) =>
          one?.startsWith(reference.toLowerCase()),
        ),
  );
  const last = found.at(-1);
  if (last) return last;
  const [first, newest] = [revisions.at(0)?.number, revisions.at(-1)?.number];
  throw new SluiceError('operate/no-revision', `there is no revision "${reference}"`, {
    hint:
      first === undefined
        ? 'nothing was changed yet that is remembered'
        : `sluice history lists those from ${first} to ${newest}; a digest needs 7 digits or more`,
  });
}

function append(folder: StateFolder, history: History, fresh: Omit<Revision, 'number'>): History {
  makeHistory(folder);
  const number = Math.max(0, ...numbersIn(folder).used) + 1;
  const added: Revision = { ...fresh, number };
  writeSealed(revisionFile(folder, number), SCHEMA_VERSION, added);
  const gone = prune(folder, [...history.revisions, added]);
  return { ...history, revisions: [...history.revisions, added].filter((one) => !gone.has(one.number)) };
}

/** The oldest of each go first, and texts that are too much or that nobody names. Numbers of those that went. */
function prune(folder: StateFolder, revisions: readonly Revision[]): Set<number> {
  const gone = new Set(beyondBounds(revisions).map(({ number }) => number));
  for (const number of gone) fs.rmSync(revisionFile(folder, number), { force: true });
  const kept = revisions.filter(({ number }) => !gone.has(number));
  const named = new Set([...textsToKeep(kept, (digest) => sizeOf(textFile(folder, digest)))].map(textName));
  for (const name of fs.readdirSync(historyDirectory(folder)))
    if (/^[0-9a-f]{32}\.text$/.test(name) && !named.has(name))
      fs.rmSync(join(historyDirectory(folder), name), { force: true });
  return gone;
}

/** Revisions that this process has read, by path, and what their files were like: a daemon reads them at each change. */
const remembered = new Map<string, { readonly mark: string; readonly read: StateRead<Revision> }>();
const REMEMBERED_MAX = 2 * (REVISIONS_MAX + OWNERS_REVISIONS_MAX);

function readRevision(folder: StateFolder, number: number): StateRead<Revision> {
  const path = revisionFile(folder, number);
  const mark = fileMark(path);
  const known = remembered.get(path);
  if (known && known.mark === mark) return known.read;
  const read = readRevisionFile(path, number);
  remembered.delete(path);
  if (read.value && mark !== null) remembered.set(path, { mark, read });
  for (const oldest of remembered.keys()) if (remembered.size > REMEMBERED_MAX) remembered.delete(oldest);
  return read;
}

function readRevisionFile(path: string, number: number): StateRead<Revision> {
  try {
    return readSealed(path, SCHEMA_VERSION, (body) => check(body, number));
  } catch (error) {
    // What is no file at all costs one revision, not all.
    if (error instanceof SluiceError) return { value: null, warning: error.message };
    throw error;
  }
}

function sizeOf(file: string): number {
  return fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

function readText(folder: StateFolder, digest: string): string | null {
  const file = textFile(folder, digest);
  try {
    const text = fs.readFileSync(file, 'utf8');
    return contentDigest(text) === digest ? text : null;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return null;
    throw fileError('state/read', 'read', file, error);
  }
}

/** Numbers of revisions that are kept, ascending; and all that were used, damaged ones too. */
function numbersIn(folder: StateFolder): { kept: number[]; used: number[] } {
  let names: string[];
  try {
    names = fs.readdirSync(historyDirectory(folder));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return { kept: [], used: [] };
    throw fileError('state/read', 'read', historyDirectory(folder), error);
  }
  const matches = names.flatMap((name) => {
    const match = /^(\d{1,6})\.json(\.damaged-.*)?$/.exec(name);
    return match ? [{ number: Number(match[1]), isKept: match[2] === undefined }] : [];
  });
  const kept = matches.filter(({ isKept }) => isKept).map(({ number }) => number);
  return { kept: kept.sort((a, b) => a - b), used: matches.map(({ number }) => number) };
}

function makeHistory(folder: StateFolder): void {
  makeFolder(folder);
  try {
    fs.mkdirSync(historyDirectory(folder), { recursive: true, mode: 0o700 });
  } catch (error) {
    throw fileError('state/write', 'make the folder', historyDirectory(folder), error);
  }
}

function revisionFile(folder: StateFolder, number: number): string {
  return join(historyDirectory(folder), `${number}.json`);
}

function textFile(folder: StateFolder, digest: string): string {
  return join(historyDirectory(folder), textName(digest));
}

function textName(digest: string): string {
  return `${digest.slice(0, 32)}.text`;
}

const OUTCOMES: readonly RevisionOutcome[] = [
  ...(['applied', 'pending', 'confirmed'] as const),
  ...(['rolled-back-by-deadline', 'rolled-back-by-hand', 'rolled-back-at-boot'] as const),
];

function check(body: unknown, number: number): Revision {
  const revision = body as Partial<Revision> | null;
  const { source, author } = revision ?? {};
  const sound =
    revision?.number === number &&
    [revision.at, revision.what, revision.plan, revision.digest, author?.user].every(
      (text) => typeof text === 'string',
    ) &&
    !Number.isNaN(Date.parse(revision.at!)) &&
    (revision.reason === undefined || typeof revision.reason === 'string') &&
    (author?.from === undefined || typeof author.from === 'string') &&
    (author?.ownerOf === undefined || typeof author.ownerOf === 'string') &&
    Number.isSafeInteger(author?.uid) &&
    Array.isArray(revision.sections) &&
    areStates(revision.after) &&
    OUTCOMES.includes(revision.outcome!) &&
    (source === null || (typeof source?.file === 'string' && isSha(source.textDigest)));
  if (!sound) throw new Error('fields are missing');
  return revision as Revision;
}
