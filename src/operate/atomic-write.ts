import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { promisify } from 'node:util';
import { failpoint } from '../load/failpoint';
import { errnoOf } from './system-error';

/** How a file is put into place. */
export interface AtomicWriteOptions {
  /** Permission bits of the new file. */
  readonly mode: number;
  /** Owner and group; left out: those of the process. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** `create` fails with EEXIST where the path exists; `replace` takes its place. */
  readonly how: 'create' | 'replace';
  /** Called when the new content is on the disk and only the exchange is missing; throwing gives up. */
  readonly beforeExchange?: () => void;
}

/** Of a file, or pieces of it one behind the other. */
type Content = string | Uint8Array | readonly (string | Uint8Array)[];

/**
 * Writes a file so that a reader, or a machine that loses power, sees the old content or the new one, never a part:
 * a temporary file in the same folder, fsync, rename (or link, which refuses to overwrite), fsync of the folder.
 * Throws Node.js file system errors; the temporary file is removed then.
 */
export function writeAtomically(target: string, content: Content, options: AtomicWriteOptions): void {
  const folder = path.dirname(target);
  const temporary = temporaryFor(target);
  try {
    writeAndSync(temporary, content, options);
    failpoint('during-write');
    options.beforeExchange?.();
    if (options.how === 'create') fs.linkSync(temporary, target);
    else fs.renameSync(temporary, target);
  } finally {
    fs.rmSync(temporary, { force: true });
  }
  syncFolder(folder);
}

/**
 * Gives a file a second name in place of what had it, at once and without a copy. Throws Node.js file system errors. To make
 * it last is the caller's: `syncFolder`.
 */
export function linkAtomically(file: string, name: string): void {
  const temporary = temporaryFor(name);
  try {
    fs.linkSync(file, temporary);
    failpoint('during-link');
    fs.renameSync(temporary, name);
  } finally {
    // Renaming one name of a file over another of the same does nothing, and leaves both.
    fs.rmSync(temporary, { force: true });
  }
}

/** A file whose content is on its way to the disk. Nobody sees it before `finish`, which whoever began it calls, or `abandon`. */
export interface BegunWrite {
  /** Resolves when the content is on the disk; rejects where it cannot be. */
  readonly synced: Promise<void>;
  /** Whether it is. */
  isSynced: () => boolean;
  /** Puts it into place, or that of another `target` in the same folder; only once it is synced. Throws as `writeAtomically`. */
  finish: (options?: { readonly target?: string; readonly beforeExchange?: () => void }) => void;
  /** Removes what was written, unless it is in its place. */
  abandon: () => Promise<void>;
}

const writeSome = promisify(fs.write);
const { O_CREAT, O_EXCL, O_SYNC, O_WRONLY } = fs.constants;

/** The first half of `writeAtomically`, for whoever has something else to do meanwhile; the content is to stay as it is. */
export function beginWrite(
  target: string,
  content: Uint8Array,
  { mode, owner }: Pick<AtomicWriteOptions, 'mode' | 'owner'>,
): BegunWrite {
  const temporary = temporaryFor(target);
  // Written and synced by one call: another thread does both while this one is busy.
  const descriptor = fs.openSync(temporary, O_WRONLY | O_CREAT | O_EXCL | O_SYNC, 0o600);
  let isSynced = false;
  const write = async (): Promise<void> => {
    try {
      if (owner) keepOwner(descriptor, owner);
      fs.fchmodSync(descriptor, mode);
      for (let at = 0; at < content.length;)
        at += (await writeSome(descriptor, content, at, content.length - at)).bytesWritten;
    } finally {
      fs.closeSync(descriptor);
    }
    isSynced = true;
  };
  const synced = write();
  synced.catch(() => undefined); // whoever waits for it is told
  return {
    synced,
    isSynced: () => isSynced,
    finish: ({ target: place = target, beforeExchange } = {}) => {
      failpoint('during-write');
      beforeExchange?.();
      fs.renameSync(temporary, place);
      syncFolder(path.dirname(place));
    },
    abandon: async () => {
      await synced.catch(() => undefined);
      fs.rmSync(temporary, { force: true });
    },
  };
}

/** Where a file is written before it takes its place. */
function temporaryFor(target: string): string {
  const name = `.${path.basename(target)}.${process.pid}.${randomBytes(6).toString('hex')}.new`;
  return path.join(path.dirname(target), name);
}

/**
 * Removes what processes that were killed in one of these left in the folder: of every file, or of the named one.
 * The caller knows that no process of another machine, or that it cannot see, writes there.
 */
export function removeUnfinished(folder: string, name?: string): void {
  let names: string[];
  try {
    names = fs.readdirSync(folder);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return;
    throw error;
  }
  for (const found of names) {
    const match = UNFINISHED.exec(found);
    if (!match || (name !== undefined && match[1] !== name) || isAlive(Number(match[2]))) continue;
    fs.rmSync(path.join(folder, found), { force: true });
  }
}

const UNFINISHED = /^\.(.+)\.(\d+)\.[0-9a-f]{12}\.new$/;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) !== 'ESRCH';
  }
}

function writeAndSync(file: string, content: Content, { mode, owner }: AtomicWriteOptions): void {
  const descriptor = fs.openSync(file, 'wx', 0o600);
  try {
    const pieces = typeof content === 'string' || content instanceof Uint8Array ? [content] : content;
    for (const piece of pieces) fs.writeFileSync(descriptor, piece);
    if (owner) keepOwner(descriptor, owner);
    fs.fchmodSync(descriptor, mode);
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

function keepOwner(descriptor: number, owner: { readonly uid: number; readonly gid: number }): void {
  const now = fs.fstatSync(descriptor);
  if (now.uid === owner.uid && now.gid === owner.gid) return;
  try {
    fs.fchownSync(descriptor, owner.uid, owner.gid);
  } catch (error) {
    // Whoever may write the folder but does not own the file becomes its owner, as with any editor.
    if (errnoOf(error) !== 'EPERM') throw error;
  }
}

/** Makes a rename in the folder last; file systems that cannot sync a folder are left as they are. */
export function syncFolder(folder: string): void {
  const descriptor = fs.openSync(folder, 'r');
  try {
    fs.fsyncSync(descriptor);
  } catch (error) {
    if (errnoOf(error) !== 'EINVAL') throw error;
  } finally {
    fs.closeSync(descriptor);
  }
}
