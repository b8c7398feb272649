/** Where the ruleset file is, and how it is read and written without ever leaving half of it. */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { SluiceError } from '../kernel/errors';
import { MAX_FILE_BYTES, readRegularFile } from '../parse/read-file';
import { removeUnfinished, writeAtomically } from './atomic-write';
import { contentDigest } from './digest';
import { errnoOf, fileError } from './system-error';

/** The file that is used when neither `--file` nor `SLUICE_CONFIG` names one. */
export const DEFAULT_RULESET_FILE = '/etc/sluice/rules.yaml';

/** Larger files are refused before they are read. */
export const MAX_RULESET_BYTES = MAX_FILE_BYTES;

/** `-` as a file name: standard input, for reading only. */
export const STANDARD_INPUT = '-';
const STANDARD_INPUT_DESCRIPTOR = 0;

/** A ruleset's text as it was found, and what must still hold when it is written back. */
export interface RulesetText {
  /** As the user named it, made absolute; `-` for standard input. */
  readonly path: string;
  readonly text: string;
  /** SHA-256 of the bytes, hex: the compare-and-set token of `writeRulesetText`. */
  readonly digest: string;
}

/** The ruleset file to use: `--file`, else `SLUICE_CONFIG`, else `/etc/sluice/rules.yaml`; absolute, or `-`. */
export function rulesetPath(option?: string, environment: NodeJS.ProcessEnv = process.env): string {
  const chosen = option ?? (environment.SLUICE_CONFIG || DEFAULT_RULESET_FILE);
  return chosen === STANDARD_INPUT ? chosen : path.resolve(chosen);
}

/**
 * Reads a ruleset file (symbolic links are followed).
 *
 * Throws `SluiceError`: `file/missing`, `file/not-regular`, `file/too-large`, `file/encoding`, `file/unsafe`
 * (root, and somebody else may write the file), `file/read`.
 */
export function readRulesetText(file: string): RulesetText {
  if (file === STANDARD_INPUT) return decoded(file, readStandardInput());
  const target = path.resolve(file);
  return decoded(target, readTrusted(target));
}

/**
 * Puts a new text in place of the file, atomically. `expected` is the digest that was read (null: the file must not
 * exist yet, and its folder is made). Mode and owner are kept; where the path is a symbolic link, the file it
 * points to is replaced and the link stays.
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
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length > MAX_RULESET_BYTES) throw tooLarge(named);
  if (expected === null) create(named, bytes);
  else replace(named, bytes, expected);
  return { path: named, text, digest: contentDigest(bytes) };
}

/** Removes what a command that was killed while it wrote the file left beside it. */
export function removeUnfinishedRuleset(file: string): void {
  if (file === STANDARD_INPUT) return;
  const target = fs.existsSync(file) ? fs.realpathSync(file) : file;
  removeUnfinished(path.dirname(target), path.basename(target));
}

/** Reads a file that a ruleset names (a set): whoever may write that decides who is let in as much as the ruleset. */
export function readSetFile(file: string): Uint8Array {
  return readRegularFile(file, (stat) => {
    if (runsAsRoot()) refuseWritableByOthers(file, stat);
  });
}

function readTrusted(target: string): Buffer {
  const descriptor = openForReading(target);
  try {
    const stat = fs.fstatSync(descriptor);
    refuseIrregular(target, stat);
    if (runsAsRoot()) refuseWritableByOthers(target, stat);
    if (stat.size > MAX_RULESET_BYTES) throw tooLarge(target);
    return readCapped(descriptor, target);
  } catch (error) {
    throw error instanceof SluiceError ? error : fileError('file/read', 'read', target, error);
  } finally {
    fs.closeSync(descriptor);
  }
}

function create(target: string, bytes: Uint8Array): void {
  try {
    fs.mkdirSync(path.dirname(target), { recursive: true, mode: 0o755 });
    writeAtomically(target, bytes, { mode: 0o644, how: 'create' });
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') throw changed(target, 'it exists already');
    throw fileError('file/write', 'write', target, error);
  }
}

function replace(named: string, bytes: Uint8Array, expected: string): void {
  const target = resolveLinks(named);
  const stat = fs.lstatSync(target);
  refuseIrregular(target, stat);
  const unchanged = (): void => {
    if (readRulesetText(target).digest !== expected) throw changed(named, 'its content is no longer the one read');
  };
  unchanged();
  try {
    // Looked at again once only the rename is missing: whoever saves in an editor meanwhile is not overwritten.
    const owner = { uid: stat.uid, gid: stat.gid };
    writeAtomically(target, bytes, { mode: stat.mode & 0o7777, owner, how: 'replace', beforeExchange: unchanged });
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    throw fileError('file/write', 'write', target, error);
  }
}

function resolveLinks(named: string): string {
  try {
    return fs.realpathSync(named);
  } catch (error) {
    throw errnoOf(error) === 'ENOENT' ? changed(named, 'it is gone') : fileError('file/read', 'read', named, error);
  }
}

function openForReading(target: string): number {
  // O_NONBLOCK: opening a FIFO must not hang before its kind is known.
  try {
    return fs.openSync(target, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT')
      throw new SluiceError('file/missing', `there is no file "${target}"`, {
        hint: 'sluice init writes one for this machine; --file names another',
        cause: error,
      });
    throw fileError('file/read', 'read', target, error);
  }
}

function readStandardInput(): Buffer {
  try {
    return readCapped(STANDARD_INPUT_DESCRIPTOR, 'standard input');
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    throw fileError('file/read', 'read', 'standard input', error);
  }
}

/** Reads to the end, but never more than the ceiling: sizes of growing files and pipes are not known beforehand. */
function readCapped(descriptor: number, name: string): Buffer {
  const chunks: Buffer[] = [];
  let total = 0;
  for (;;) {
    const chunk = Buffer.allocUnsafe(256 * 1024);
    const count = readSome(descriptor, chunk);
    if (count === 0) return Buffer.concat(chunks, total);
    total += count;
    if (total > MAX_RULESET_BYTES) throw tooLarge(name);
    chunks.push(chunk.subarray(0, count));
  }
}

function readSome(descriptor: number, chunk: Buffer): number {
  for (;;) {
    try {
      return fs.readSync(descriptor, chunk, 0, chunk.length, null);
    } catch (error) {
      if (errnoOf(error) === 'EOF') return 0;
      // A terminal or pipe in non-blocking mode without data yet: wait a little, then ask again. A file that has
      // none yet, as some in /proc, is not waited for.
      if (errnoOf(error) !== 'EAGAIN' || descriptor !== STANDARD_INPUT_DESCRIPTOR) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    }
  }
}

function decoded(name: string, bytes: Buffer): RulesetText {
  try {
    // The byte order mark stays in the text, so that writing it back changes nothing else.
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return { path: name, text, digest: contentDigest(bytes) };
  } catch (error) {
    throw new SluiceError('file/encoding', `"${name}" is not UTF-8 text`, {
      hint: 'save the file as UTF-8',
      cause: error,
    });
  }
}

function refuseIrregular(target: string, stat: fs.Stats): void {
  if (stat.isFile()) return;
  const kind = stat.isDirectory() ? 'a folder' : 'not a regular file';
  throw new SluiceError('file/not-regular', `"${target}" is ${kind}; a regular file was expected`);
}

/** Whoever may write the ruleset may open the host: for root, that must be the owner (or root's group) alone. */
function refuseWritableByOthers(target: string, stat: fs.Stats): void {
  const privateGroup = stat.gid === 0 || stat.gid === stat.uid;
  const who = stat.mode & 0o002 ? 'everybody' : stat.mode & 0o020 && !privateGroup ? `group ${stat.gid}` : null;
  if (who !== null)
    throw new SluiceError('file/unsafe', `"${target}" can be written by ${who}, so what it says cannot be trusted`, {
      hint: `chmod go-w ${target}`,
    });
  const folder = path.dirname(fs.realpathSync(target));
  const folderMode = fs.statSync(folder).mode;
  if (folderMode & 0o002 && !(folderMode & 0o1000))
    throw new SluiceError('file/unsafe', `everybody can replace "${target}": its folder "${folder}" is open to all`, {
      hint: `chmod o-w ${folder}`,
    });
}

function runsAsRoot(): boolean {
  return process.geteuid?.() === 0;
}

function tooLarge(name: string): SluiceError {
  return new SluiceError('file/too-large', `"${name}" is larger than ${MAX_RULESET_BYTES} bytes`, {
    hint: 'move long address lists into files of their own (sets: { name: { file: … } })',
  });
}

function changed(name: string, how: string): SluiceError {
  return new SluiceError('file/changed', `"${name}" was changed by somebody else in the meantime: ${how}`, {
    hint: 'nothing was written; look at the file and run the command again',
  });
}
