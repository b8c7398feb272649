/**
 * What a verb, a rollback or an owner changes is in the file before it is applied. Who is killed in between leaves a note of
 * which text he was about to replace, so that the next writer puts that back: nobody was told of a success, and nobody after
 * him is refused because the file is not what was applied. Writers hold the writers' lock.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Context } from './context';
import { readEnforcement } from './enforcement';
import { splitBundle } from '../parse/bundle';
import { contentDigest } from './digest';
import { readRulesetText, type RulesetText, writeRulesetText } from './ruleset-file';
import { readEnforcedText, readStateFile, type StateFolder, writeStateFile } from './state-files';

/** The file, and the digests of its text before and after the change. */
interface Change {
  readonly file: string;
  readonly before: string;
  readonly after: string;
  /**
   * Set where more than one file of the ruleset changes: digests by path of what is to stand in them (null: nothing), the
   * ruleset file under an empty one. Whoever is killed in between leaves some of them.
   */
  readonly files?: Readonly<Record<string, string | null>>;
}

/** A change of the ruleset's text. */
export interface TextChange {
  readonly file: string;
  readonly before: string;
  readonly after: string;
}

const NAME = 'change.json';
const SCHEMA_VERSION = 1;

/** Notes that the text of the file is about to be exchanged. */
function noteChange(folder: StateFolder, change: Change): void {
  writeStateFile(folder, NAME, SCHEMA_VERSION, change);
}

/** Does work that exchanges the text and applies it, or puts it back; where it did neither, the note stays for the next writer. */
export async function withNote<T>(
  folder: StateFolder,
  { file, before, after }: TextChange,
  work: () => Promise<T>,
): Promise<T> {
  const files = changedFiles(before, after);
  const isMany = Object.keys(files).length > 1;
  const change = { file, before: contentDigest(before), after: contentDigest(after), ...(isMany && { files }) };
  noteChange(folder, change);
  try {
    const done = await work();
    forgetChange(folder);
    return done;
  } catch (error) {
    if (!stillStands(change)) forgetChange(folder);
    throw error;
  }
}

/** Whether the new text, or some of it, is in the file, or may be. */
function stillStands({ file, before }: Change): boolean {
  try {
    return readRulesetText(file).digest !== before;
  } catch {
    return true;
  }
}

/** The change has been applied, or its text taken back. */
function forgetChange(folder: StateFolder): void {
  rmSync(join(folder.path, NAME), { force: true });
}

/**
 * Takes back the text of a change that was cut short; the name of its file, or null where there is nothing to do. What
 * somebody has written or applied since is left as it is.
 */
export async function takeBackInterrupted(context: Context): Promise<string | null> {
  const { folder } = context;
  const change = readStateFile(folder, NAME, SCHEMA_VERSION, check).value;
  if (!change) return null;
  const enforced = (await readEnforcement(context))?.enforced ?? null;
  const isOurs = enforced?.file === change.file && enforced.textDigest === change.before;
  const before = isOurs ? readEnforcedText(folder, enforced) : null;
  const now = before === null ? null : readRulesetText(change.file);
  const taken = before !== null && now !== null && isLeftBy(change, before, now);
  if (taken) writeRulesetText(change.file, before, now.digest);
  forgetChange(folder);
  return taken ? change.file : null;
}

/** Whether what stands there is the change, or what a writer of several files had done of it. */
function isLeftBy({ after, files }: Change, before: string, now: RulesetText): boolean {
  if (now.digest === after) return true;
  if (!files || now.text === before) return false;
  const found = changedFiles(before, now.text);
  return Object.entries(found).every(([path, digest]) => Object.hasOwn(files, path) && files[path] === digest);
}

/** Digests by path of the files that differ, as they are after; null where there is none. */
function changedFiles(before: string, after: string): Record<string, string | null> {
  const [old, now] = [before, after]
    .map(splitBundle)
    .map(({ main, parts }) => new Map([['', main], ...parts.map(({ path, text }) => [path, text] as const)]));
  const paths = [...new Set([...old.keys(), ...now.keys()])].filter((path) => old.get(path) !== now.get(path));
  return Object.fromEntries(
    paths.map((path) => {
      const text = now.get(path);
      return [path, text === undefined ? null : contentDigest(text)];
    }),
  );
}

function check(body: unknown): Change {
  const change = body as Partial<Change> | null;
  if (![change?.file, change?.before, change?.after].every((text) => typeof text === 'string'))
    throw new Error('fields are missing');
  return change as Change;
}
