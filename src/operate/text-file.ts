/** Files that a ruleset consists of: each is read whole or refused, trusted only where nobody else may write it, and exchanged atomically. */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { SluiceError } from '../kernel/errors';
import { SEPARATOR } from '../parse/bundle';
import { MAX_FILE_BYTES, readRegularFile } from '../parse/read-file';
import { syncFolder, writeAtomically } from './atomic-write';
import { errnoOf, fileError } from './system-error';

/** Larger files are refused before they are read. */
export const MAX_RULESET_BYTES = MAX_FILE_BYTES;

const STANDARD_INPUT_DESCRIPTOR = 0;
const CHUNK = 256 * 1024;

/** Reads a file that a ruleset names (a set): whoever may write that decides who is let in as much as the ruleset. */
export function readSetFile(file: string): Uint8Array {
  return readRegularFile(file, (stat) => {
    if (runsAsRoot()) refuseWritableByOthers(file, stat);
  });
}

/** The text of one file, alone. Throws as `readRulesetText`. */
export function readFileText(file: string): string {
  return decoded(file, readTrusted(file));
}

/** The bytes of a file. A part's folder has been looked at before. */
export function readTrusted(target: string, { isPart }: { readonly isPart?: true } = {}): Buffer {
  const descriptor = openForReading(target, isPart ? fs.constants.O_NOFOLLOW : 0);
  try {
    const stat = fs.fstatSync(descriptor);
    refuseIrregular(target, stat);
    if (runsAsRoot()) (isPart ? refuseFileOfOthers : refuseWritableByOthers)(target, stat);
    if (stat.size > MAX_RULESET_BYTES) throw tooLarge(target);
    return readCapped(descriptor, target, stat.size);
  } catch (error) {
    throw error instanceof SluiceError ? error : fileError('file/read', 'read', target, error);
  } finally {
    fs.closeSync(descriptor);
  }
}

/**
 * What one file holds becomes another text; null: there is no such file. Throws as `writeRulesetText`, also where it does
 * not hold what it held.
 */
export function exchange(file: string, old: string | null, text: string | null): void {
  if (text === null) remove(file, old!);
  else if (old === null) create(file, Buffer.from(text, 'utf8'));
  else replace(file, Buffer.from(text, 'utf8'), old);
}

function remove(file: string, old: string): void {
  if (readFileText(file) !== old) throw changed(file, 'its content is no longer the one read');
  try {
    fs.unlinkSync(file);
    syncFolder(path.dirname(file));
  } catch (error) {
    throw fileError('file/write', 'remove', file, error);
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

function replace(named: string, bytes: Uint8Array, old: string): void {
  const target = resolveLinks(named);
  const stat = fs.lstatSync(target);
  refuseIrregular(target, stat);
  const unchanged = (): void => {
    if (readFileText(target) !== old) throw changed(named, 'its content is no longer the one read');
  };
  try {
    // Looked at once only the rename is missing: whoever saves in an editor meanwhile is not overwritten.
    const owner = { uid: stat.uid, gid: stat.gid };
    writeAtomically(target, bytes, { mode: stat.mode & 0o7777, owner, how: 'replace', beforeExchange: unchanged });
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    throw fileError('file/write', 'write', target, error);
  }
}

/** The file itself, where its path is a link to it. */
export function resolveLinks(named: string): string {
  try {
    return fs.realpathSync(named);
  } catch (error) {
    throw errnoOf(error) === 'ENOENT' ? changed(named, 'it is gone') : fileError('file/read', 'read', named, error);
  }
}

function openForReading(target: string, flags = 0): number {
  // O_NONBLOCK: opening a FIFO must not hang before its kind is known.
  try {
    return fs.openSync(target, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK | flags);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT')
      throw new SluiceError('file/missing', `there is no file "${target}"`, {
        hint: 'sluice init writes one for this machine; --file names another',
        cause: error,
      });
    throw fileError('file/read', 'read', target, error);
  }
}

/** All of standard input, of at most `MAX_RULESET_BYTES`. */
export function readStandardInput(): Buffer {
  try {
    return readCapped(STANDARD_INPUT_DESCRIPTOR, 'standard input');
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    throw fileError('file/read', 'read', 'standard input', error);
  }
}

/**
 * Reads to the end, but never more than the ceiling: sizes of growing files and pipes are not known beforehand. `expected`:
 * what the file seems to hold, so that thousands of small ones are read with little.
 */
function readCapped(descriptor: number, name: string, expected = CHUNK): Buffer {
  const chunks: Buffer[] = [];
  let total = 0;
  for (;;) {
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK, Math.max(512, expected + 1)));
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

/** Bytes as text; throws `SluiceError` `file/encoding` where they are none. */
export function decoded(name: string, bytes: Buffer): string {
  try {
    // The byte order mark stays in the text, so that writing it back changes nothing else.
    const text = UTF8.decode(bytes);
    if (!text.includes(SEPARATOR)) return text;
    throw new SluiceError('file/encoding', `"${name}" holds the control character U+001C: it is not text`, {
      hint: 'take it out',
    });
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    throw new SluiceError('file/encoding', `"${name}" is not UTF-8 text`, {
      hint: 'save the file as UTF-8',
      cause: error,
    });
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function refuseIrregular(target: string, stat: fs.Stats): void {
  if (stat.isFile()) return;
  const kind = stat.isDirectory() ? 'a folder' : 'not a regular file';
  throw new SluiceError('file/not-regular', `"${target}" is ${kind}; a regular file was expected`);
}

function refuseWritableByOthers(target: string, stat: fs.Stats): void {
  refuseFileOfOthers(target, stat);
  const folder = path.dirname(fs.realpathSync(target));
  const folderMode = fs.statSync(folder).mode;
  if (folderMode & 0o002 && !(folderMode & 0o1000))
    throw new SluiceError('file/unsafe', `everybody can replace "${target}": its folder "${folder}" is open to all`, {
      hint: `chmod o-w ${folder}`,
    });
}

/** Whoever may write the ruleset may open the host: for root, that must be the owner (or root's group) alone. */
export function refuseFileOfOthers(target: string, stat: fs.Stats): void {
  const privateGroup = stat.gid === 0 || stat.gid === stat.uid;
  const who = stat.mode & 0o002 ? 'everybody' : stat.mode & 0o020 && !privateGroup ? `group ${stat.gid}` : null;
  if (who !== null)
    throw new SluiceError('file/unsafe', `"${target}" can be written by ${who}, so what it says cannot be trusted`, {
      hint: `chmod go-w ${target}`,
    });
}

/** Whether it matters who may write what is read. */
export function runsAsRoot(): boolean {
  return process.geteuid?.() === 0;
}

/** The error for more than `MAX_RULESET_BYTES`. */
export function tooLarge(name: string): SluiceError {
  return new SluiceError('file/too-large', `"${name}" is larger than ${MAX_RULESET_BYTES} bytes`, {
    hint: 'move long address lists into files of their own (sets: { name: { file: … } })',
  });
}

/** The error for what somebody else wrote since it was read. */
export function changed(name: string, how: string): SluiceError {
  return new SluiceError('file/changed', `"${name}" was changed by somebody else in the meantime: ${how}`, {
    hint: 'nothing was written; look at the file and run the command again',
  });
}
