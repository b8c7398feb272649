/**
 * One change at a time. Two things are shared, and each has its lock: the state folder (a file in it) and what is pinned
 * (its directory), since processes may come with different state folders and change the same firewall.
 */
import { readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ensureBpffs } from '../kernel/bpffs';
import { KernelError, SluiceError } from '../kernel/errors';
import type { FileLock, Kernel } from '../kernel/kernel';
import { pinRoot } from '../kernel/pins';
import { finishReplacing } from '../load/replace';
import { removeUnfinished } from './atomic-write';
import type { Context } from './context';
import { historyDirectory, LOCK_FILE, makeFolder } from './state-files';
import { messageOf } from './system-error';

const LOCK_PATIENCE_MS = 5000;
/** Each of those who wait before one takes as long as a change does. */
const WRITER_PATIENCE_MS = 30_000;
/** Who says in time that a change is right, or wrong, is not sent away because somebody else's change of many rules takes long. */
export const DECISION_PATIENCE_MS = WRITER_PATIENCE_MS;
const RETRY_MS = 10;

/**
 * Runs the change alone: waits a few seconds for another process, then refuses (`operate/locked`), naming it. Mounts
 * bpffs where it is missing.
 */
export async function withLock<T>(
  context: Context,
  change: () => Promise<T>,
  patienceMs: number = LOCK_PATIENCE_MS,
): Promise<T> {
  const deadline = Date.now() + patienceMs;
  ensureBpffs(context.kernel, dirname(pinRoot()));
  // Always in this order, so that no two processes wait for each other.
  const stateLock = await lockState(context, deadline);
  try {
    return await withPinLock(context, deadline, change);
  } finally {
    stateLock.close();
  }
}

/**
 * Runs work that reads the enforced file, edits, writes and applies it, alone: so a writer finds what those before him have
 * left, whole, and two who change different sections never meet. Taken before the lock of `withLock`, never behind it.
 */
export async function withWriterLock<T>(
  { kernel, folder }: Context,
  work: () => Promise<T>,
  patienceMs: number = WRITER_PATIENCE_MS,
): Promise<T> {
  const lock = await takeLock(kernel, folder.path, Date.now() + patienceMs, () => {
    makeFolder(folder);
  });
  try {
    return await work();
  } finally {
    lock.close();
  }
}

/**
 * The same for a boot, which must filter also where the state folder cannot be written: then what is pinned is locked
 * alone, and the change is told why.
 */
export async function withBootLock<T>(context: Context, change: (unwritten: string[]) => Promise<T>): Promise<T> {
  const deadline = Date.now() + LOCK_PATIENCE_MS;
  ensureBpffs(context.kernel, dirname(pinRoot()));
  const unwritten: string[] = [];
  const stateLock = await lockState(context, deadline).catch((error: unknown) => {
    if (error instanceof SluiceError && ['operate/locked', 'state/unsafe'].includes(error.code)) throw error;
    unwritten.push(messageOf(error));
    return null;
  });
  try {
    return await withPinLock(context, deadline, () => change(unwritten));
  } finally {
    stateLock?.close();
  }
}

async function lockState({ kernel, folder }: Context, deadline: number): Promise<FileLock> {
  const lock = await takeLock(kernel, join(folder.path, LOCK_FILE), deadline, () => {
    makeFolder(folder);
  });
  try {
    removeUnfinished(folder.path);
    removeUnfinished(historyDirectory(folder));
    return lock;
  } catch (error) {
    lock.close();
    throw error;
  }
}

async function withPinLock<T>(context: Context, deadline: number, change: () => Promise<T>): Promise<T> {
  const { kernel, pins } = context;
  const pinLock = await takeLock(kernel, pins.directory, deadline, () => {
    pins.claim();
  });
  try {
    // Until all links lead to one state no change of it would reach all packets.
    await finishReplacing(context);
    return await change();
  } finally {
    pins.removeEmpty();
    pinLock.close();
  }
}

/** `prepare` makes what is to be locked; whoever held it before may have taken it away. */
async function takeLock(kernel: Kernel, path: string, deadline: number, prepare: () => void): Promise<FileLock> {
  for (;;) {
    const lock = tryToLock(kernel, path, prepare);
    if (lock) return lock;
    if (Date.now() >= deadline) {
      const holder = lockHolder(path);
      const name = holder === null ? 'another sluice' : `another sluice (pid ${holder})`;
      throw new SluiceError('operate/locked', `${name} is changing this firewall`, {
        hint: 'wait until it has ended, then try again',
      });
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

/** Null where another holds it, or has just taken away what was made ready. */
function tryToLock(kernel: Kernel, path: string, prepare: () => void): FileLock | null {
  prepare();
  try {
    return kernel.tryLock(path);
  } catch (error) {
    if (error instanceof KernelError && error.errno === 'ENOENT') return null;
    throw error;
  }
}

/** Process that holds the lock, as proc_locks(5) lists it: `1: FLOCK ADVISORY WRITE 4711 fe:00:131 0 EOF`. */
function lockHolder(path: string): number | null {
  const status = statSync(path, { throwIfNoEntry: false });
  if (!status) return null;
  // The number of a device as glibc's makedev(3) packs it: major in bits 8-19, minor in bits 0-7 and 20-31.
  const major = (status.dev >>> 8) & 0xfff;
  const minor = (status.dev & 0xff) | ((status.dev >>> 12) & 0xfff00);
  const hex = (number: number): string => number.toString(16).padStart(2, '0');
  const file = `${hex(major)}:${hex(minor)}:${status.ino}`;
  for (const line of readFileSync('/proc/locks', 'latin1').split('\n')) {
    const [, kind, , , pid, what] = line.split(/\s+/);
    // Where the holder cannot be seen from here its number is 0 or -1.
    if (kind === 'FLOCK' && what === file && Number(pid) > 0) return Number(pid);
  }
  return null;
}
