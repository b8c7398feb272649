/** Where the ruleset file is, and how it is read and written without ever leaving half of it. */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { SluiceError } from '../kernel/errors';
import { failpoint } from '../load/failpoint';
import { type Bundle, joinBundle, type Part, splitBundle } from '../parse/bundle';
import { folderNamed } from '../parse/server-files';
import { removeUnfinished } from './atomic-write';
import { contentDigest, textOfDigest } from './digest';
import { partsReadLast, readParts } from './server-folder';
import {
  changed,
  decoded,
  exchange,
  MAX_RULESET_BYTES,
  readStandardInput,
  readFileText,
  resolveLinks,
  tooLarge,
} from './text-file';

export { MAX_RULESET_BYTES, readSetFile } from './text-file';

/** The file that is used when neither `--file` nor `SLUICE_CONFIG` names one. */
export const DEFAULT_RULESET_FILE = '/etc/sluice/rules.yaml';

/** `-` as a file name: standard input, for reading only. */
export const STANDARD_INPUT = '-';

/** A ruleset's text as it was found, and what must still hold when it is written back. */
export interface RulesetText {
  /** As the user named it, made absolute; `-` for standard input. */
  readonly path: string;
  /** Of the file; where it names a folder of servers, of all of them (`joinBundle`). */
  readonly text: string;
  /** SHA-256 of the text as UTF-8, hex: the compare-and-set token of `writeRulesetText`. */
  readonly digest: string;
}

/** The ruleset file to use: `--file`, else `SLUICE_CONFIG`, else `/etc/sluice/rules.yaml`; absolute, or `-`. */
export function rulesetPath(option?: string, environment: NodeJS.ProcessEnv = process.env): string {
  const chosen = option ?? (environment.SLUICE_CONFIG || DEFAULT_RULESET_FILE);
  return chosen === STANDARD_INPUT ? chosen : path.resolve(chosen);
}

/**
 * Reads a ruleset file (symbolic links are followed), and the files of the folder that it names under `servers: { dir }`.
 *
 * Throws `SluiceError`: `file/missing`, `file/not-regular`, `file/too-large`, `file/encoding`, `file/unsafe`
 * (root, and somebody else may write the file), `file/read`; about the folder also `file/servers`.
 */
export function readRulesetText(file: string): RulesetText {
  if (file === STANDARD_INPUT) return withDigest(file, decoded(file, readStandardInput()));
  const target = path.resolve(file);
  const main = readFileText(target);
  const dir = folderOf(main);
  return withDigest(target, dir === null ? main : joinBundle({ main, dir, parts: readParts(target, dir) }));
}

function folderOf(main: string): string | null {
  if (withoutFolder.includes(main)) return null;
  const dir = folderNamed(main);
  if (dir === null) noteWithoutFolder(main);
  return dir;
}

/** Long texts of a ruleset file that name no folder: a change looks several times at the same two, of megabytes. */
const withoutFolder: string[] = [];
const LONG_TEXT = 64 * 1024;

/** Whoever has read a text as one without a folder, and found it right, says so. */
export function noteWithoutFolder(main: string): void {
  if (main.length < LONG_TEXT || withoutFolder.includes(main)) return;
  if (withoutFolder.push(main) > 2) withoutFolder.shift();
}

/**
 * Puts a new text in place of the file, atomically. `expected` is the digest that was read (null: the file must not
 * exist yet, and its folder is made). Mode and owner are kept; where the path is a symbolic link, the file it
 * points to is replaced and the link stays. Of a ruleset of several files those that differ are exchanged, each
 * atomically; where one cannot be, the others are put back. Files of a folder that is no longer named stay.
 *
 * Throws `SluiceError`: `file/changed` when the content is no longer the expected one, and the codes of reading.
 */
export function writeRulesetText(file: string, text: string, expected: string | null): RulesetText {
  if (file === STANDARD_INPUT)
    throw new SluiceError('file/standard-input', 'standard input cannot be written to', {
      hint: 'name a file with --file',
    });
  const named = path.resolve(file);
  removeUnfinishedRuleset(named);
  // A character has three bytes at most.
  if (3 * text.length > MAX_RULESET_BYTES && Buffer.byteLength(text) > MAX_RULESET_BYTES) throw tooLarge(named);
  const next = splitBundle(text);
  const before = expected === null ? null : (knownFile(expected, next) ?? readAgain(named, expected));
  if (next.dir === null && (before?.dir ?? null) === null) exchange(named, before?.main ?? null, next.main);
  else exchangeAll(named, before, next);
  return { path: named, text, digest: contentDigest(text) };
}

/** What was read, where it is one file before and after: whoever exchanges it compares it with what stands there then. */
function knownFile(expected: string, next: Bundle): Bundle | null {
  const text = next.dir === null ? textOfDigest(expected) : undefined;
  return text !== undefined && withoutFolder.includes(text) ? splitBundle(text) : null;
}

/** What stands there, which must be what was read before. */
function readAgain(named: string, expected: string): Bundle {
  resolveLinks(named);
  const last = readLast(named);
  if (last && contentDigest(last) === expected) return splitBundle(last);
  const { text, digest } = readRulesetText(named);
  if (digest !== expected) throw changed(named, 'its content is no longer the one read');
  return splitBundle(text);
}

/** What was read last, where its folder is as it was then; null where it has none. Whoever exchanges a file looks at that one. */
function readLast(named: string): string | null {
  const main = readFileText(named);
  const dir = folderOf(main);
  const parts = dir === null ? null : partsReadLast(named, dir);
  return parts && joinBundle({ main, dir, parts });
}

/** Exchanges what differs: servers first, so that none is missing where the ruleset file names their folder already. */
function exchangeAll(named: string, before: Bundle | null, next: Bundle): void {
  if (next.dir !== null) removeUnfinished(path.join(path.dirname(named), next.dir));
  const steps = partSteps(named, before, next);
  if (before?.main !== next.main) steps.push({ file: named, old: before?.main ?? null, text: next.main });
  const done: Step[] = [];
  try {
    for (const step of steps) {
      exchange(step.file, step.old, step.text);
      done.push(step);
      failpoint('between-files');
    }
  } catch (error) {
    for (const { file, old, text } of done.reverse()) putBack(file, text, old);
    throw error;
  }
}

/** A file whose content is exchanged; null where it is not there. */
interface Step {
  readonly file: string;
  readonly old: string | null;
  readonly text: string | null;
}

function partSteps(named: string, before: Bundle | null, next: Bundle): Step[] {
  if (next.dir === null) return [];
  // A folder that was not named until now may hold files: those are not overwritten, nor servers unasked.
  const there = before?.dir === next.dir ? before.parts : existingParts(named, next.dir);
  const old = new Map(there.map((part) => [part.path, part.text]));
  const wanted = new Map(next.parts.map((part) => [part.path, part.text]));
  const steps = [...new Set([...old.keys(), ...wanted.keys()])].sort().flatMap((part): Step[] => {
    const [was, text] = [old.get(part) ?? null, wanted.get(part) ?? null];
    return was === text ? [] : [{ file: path.join(path.dirname(named), part), old: was, text }];
  });
  const lost = before?.dir === next.dir ? undefined : steps.find((step) => step.old !== null);
  if (lost) throw changed(lost.file, 'it is there already, and holds another server than what is to be written');
  return steps;
}

function existingParts(named: string, dir: string): readonly Part[] {
  return fs.existsSync(path.join(path.dirname(named), dir)) ? readParts(named, dir) : [];
}

/** The error that led here is the one to report. */
function putBack(file: string, now: string | null, then: string | null): void {
  try {
    exchange(file, now, then);
  } catch {
    // Whoever wrote the note of the change (`withNote`) puts it back.
  }
}

/** Removes what a command that was killed while it wrote the file left beside it. */
export function removeUnfinishedRuleset(file: string): void {
  if (file === STANDARD_INPUT) return;
  const target = fs.existsSync(file) ? fs.realpathSync(file) : file;
  removeUnfinished(path.dirname(target), path.basename(target));
}

function withDigest(name: string, text: string): RulesetText {
  return { path: name, text, digest: contentDigest(text) };
}
