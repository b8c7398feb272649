/** Files that a ruleset consists of: each is read whole or refused, trusted only where nobody else may write it, and exchanged atomically. */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { SluiceError } from '../kernel/errors';
import { SEPARATOR } from '../parse/bundle';
import { MAX_FILE_BYTES, readRegularFile } from '../parse/read-file';
import { beginWrite, type BegunWrite, syncFolder, writeAtomically } from './atomic-write';
import { bytesOf, isKept, keepDecoded, knownText } from './long-text';
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

/** The text of one file, alone. Throws as `readRulesetText`. A part's folder has been looked at before. */
export function readFileText(target: string, { isPart }: { readonly isPart?: true } = {}): string {
  const descriptor = openForReading(target, isPart ? fs.constants.O_NOFOLLOW : 0);
  try {
    const stat = fs.fstatSync(descriptor);
    refuseIrregular(target, stat);
    if (runsAsRoot()) (isPart ? refuseFileOfOthers : refuseWritableByOthers)(target, stat);
    if (stat.size > MAX_RULESET_BYTES) throw tooLarge(target);
    return decoded(target, readCapped(descriptor, target, stat.size));
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
  else if (old === null) create(file, bytesOf(text));
  else replace(file, bytesOf(text), old);
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

/** New contents of files that are on their way to the disk, by the file each is to be in. */
const begun = new Map<string, BegunExchange>();

interface BegunExchange extends Pick<fs.Stats, 'mode' | 'uid' | 'gid'> {
  readonly bytes: Uint8Array;
  readonly write: BegunWrite;
}

/**
 * Writes what a file is to hold beside it, while nobody knows yet whether it will: `exchange` has little left to do, once
 * `ready` has resolved. `giveUp` removes it, where it has not been exchanged. Short texts are not worth it.
 */
export function beginExchange(
  named: string,
  text: string,
): { readonly ready: Promise<void>; readonly giveUp: () => Promise<void> } {
  const nothing = { ready: Promise.resolve(), giveUp: (): Promise<void> => Promise.resolve() };
  try {
    const target = resolveLinks(named);
    const stat = fs.lstatSync(target);
    refuseIrregular(target, stat);
    if (begun.has(target) || !isKept(text)) return nothing;
    const { mode, uid, gid } = stat;
    const bytes = bytesOf(text);
    const write = beginWrite(target, bytes, { mode: mode & 0o7777, owner: { uid, gid } });
    begun.set(target, { bytes, mode, uid, gid, write });
    const giveUp = async (): Promise<void> => {
      if (begun.get(target)?.write === write) begun.delete(target);
      await write.abandon();
    };
    return { ready: write.synced.catch(() => undefined), giveUp };
  } catch {
    return nothing; // whoever exchanges it says why it cannot be
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
    const half = begun.get(target);
    begun.delete(target);
    const isSame = half?.mode === stat.mode && half.uid === stat.uid && half.gid === stat.gid;
    if (isSame && half.bytes === bytes && half.write.isSynced()) half.write.finish({ beforeExchange: unchanged });
    else writeAtomically(target, bytes, { mode: stat.mode & 0o7777, owner, how: 'replace', beforeExchange: unchanged });
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

/** What long files are read into, one after the other: a change reads the same one several times. */
let scratch = Buffer.alloc(0);
const MOST_SCRATCH = 16 << 20;

/** Bytes to read into, which hold until the next file is read. */
function roomFor(size: number): Buffer {
  if (size < CHUNK || size > MOST_SCRATCH) return Buffer.allocUnsafe(size);
  if (scratch.length < size) scratch = Buffer.allocUnsafeSlow(Math.min(MOST_SCRATCH, size + CHUNK));
  return scratch.subarray(0, size);
}

/**
 * Reads to the end, but never more than the ceiling: sizes of growing files and pipes are not known beforehand. `expected`:
 * what the file seems to hold, so that it is read at once.
 */
function readCapped(descriptor: number, name: string, expected = CHUNK): Buffer {
  const chunks: Buffer[] = [];
  let total = 0;
  for (;;) {
    const more = total > expected ? CHUNK : 512;
    const chunk = total === 0 ? roomFor(Math.max(512, expected + 1)) : Buffer.allocUnsafe(more);
    const count = readSome(descriptor, chunk);
    if (count === 0) return chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, total);
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
    const known = knownText(bytes);
    const text = known ?? UTF8.decode(bytes);
    if (!text.includes(SEPARATOR)) {
      if (known === undefined) keepDecoded(text, bytes);
      return text;
    }
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
