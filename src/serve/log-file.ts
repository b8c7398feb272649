/**
 * The log file: whole lines only, bounded by rotation. It is opened again when somebody has moved it away (logrotate),
 * and cut back to its last whole line when a writer was killed in the middle of one.
 */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR } = constants;

/** Where the log is, and how much is kept of it. */
export interface LogFileOptions {
  readonly path: string;
  /** Bytes after which the file is rotated. */
  readonly bytes: number;
  /** Rotated files that are kept: `PATH.1` is the newest. */
  readonly keep: number;
}

export const DEFAULT_LOG_FILE = '/var/log/sluice.log';

/** The log: the one that is named, else `$SLUICE_LOG`, else `/var/log/sluice.log`. */
export function logPath(named?: string, environment: NodeJS.ProcessEnv = process.env): string {
  return resolve(named ?? (environment.SLUICE_LOG || DEFAULT_LOG_FILE));
}
export const DEFAULT_LOG_BYTES = 10 * 1024 * 1024;
export const DEFAULT_LOG_KEEP = 4;

/** Bytes of the end of the file in which its last line is looked for. */
const TAIL_BYTES = 64 * 1024;
const NEWLINE = 10;

export class LogFile {
  #descriptor: number | null = null;
  #inode = 0;

  constructor(private readonly options: LogFileOptions) {}

  /** Appends the lines; throws what the system says, and has then written a beginning of them, whole lines only. */
  append(lines: readonly string[]): void {
    let room = this.room();
    let part: Buffer[] = [];
    for (const line of lines) {
      const bytes = Buffer.from(`${line}\n`);
      if (bytes.length > room) {
        this.write(Buffer.concat(part));
        part = [];
        if (this.room() < this.options.bytes) this.rotate();
        room = this.options.bytes;
      }
      part.push(bytes);
      room -= bytes.length;
    }
    this.write(Buffer.concat(part));
  }

  /** The last line of the log, also where it was just rotated; null where there is none. */
  lastLine(): string | null {
    for (const path of [this.options.path, `${this.options.path}.1`]) {
      const line = lastLineOf(path);
      if (line !== null) return line;
    }
    return null;
  }

  close(): void {
    if (this.#descriptor !== null) closeSync(this.#descriptor);
    this.#descriptor = null;
  }

  private open(): number {
    const { path } = this.options;
    const found = statSync(path, { throwIfNoEntry: false });
    if (this.#descriptor !== null && found?.ino === this.#inode) return this.#descriptor;
    this.close();
    mkdirSync(dirname(path), { recursive: true });
    const descriptor = openLog(path, O_RDWR | O_APPEND | O_CREAT);
    this.#descriptor = descriptor;
    const { ino, size } = fstatSync(descriptor);
    this.#inode = ino;
    const whole = endOfLastLine(descriptor, size);
    if (whole < size) ftruncateSync(descriptor, whole);
    return descriptor;
  }

  /** Bytes until the file is to be rotated. */
  private room(): number {
    return this.options.bytes - fstatSync(this.open()).size;
  }

  private write(bytes: Buffer): void {
    if (bytes.length === 0) return;
    const descriptor = this.open();
    const { size } = fstatSync(descriptor);
    let written = 0;
    try {
      while (written < bytes.length) written += writeSync(descriptor, bytes, written, bytes.length - written);
    } catch (error) {
      // A full disk takes the beginning: only its whole lines stay.
      const whole = written === 0 ? 0 : bytes.lastIndexOf(NEWLINE, written - 1) + 1;
      if (written > 0) ftruncateSync(descriptor, size + whole);
      throw error;
    }
  }

  private rotate(): void {
    const { path, keep } = this.options;
    this.close();
    if (keep === 0) rmSync(path);
    for (let number = keep; number > 0; number--) {
      const from = number === 1 ? path : `${path}.${number - 1}`;
      if (existsSync(from)) renameSync(from, `${path}.${number}`);
    }
  }
}

/**
 * Opens the log. A pipe would stop the daemon once nobody reads it, and behind a symbolic link may
 * lie what is no log: lines would be cut off its end.
 */
export function openLog(path: string, flags: number = O_RDONLY): number {
  const descriptor = open(path, flags);
  if (!fstatSync(descriptor).isFIFO()) return descriptor;
  closeSync(descriptor);
  throw new Error(`"${path}" is a pipe, not a file`);
}

function open(path: string, flags: number): number {
  try {
    return openSync(path, flags | O_NOFOLLOW | O_NONBLOCK, 0o640);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ELOOP') throw error;
    throw new Error(`"${path}" is a symbolic link, which is not followed`, { cause: error });
  }
}

/** Paths of a log and its rotated files that exist, oldest first. */
export function logFiles(path: string): string[] {
  const found: string[] = [];
  for (let number = 1; existsSync(`${path}.${number}`); number++) found.unshift(`${path}.${number}`);
  return existsSync(path) ? [...found, path] : found;
}

/** Where the last whole line ends. */
function endOfLastLine(descriptor: number, size: number): number {
  const tail = readTail(descriptor, size);
  const end = tail.lastIndexOf(NEWLINE);
  return end < 0 ? Math.max(0, size - tail.length) : size - tail.length + end + 1;
}

function lastLineOf(path: string): string | null {
  if (!existsSync(path)) return null;
  const descriptor = openLog(path, O_RDONLY);
  try {
    const tail = readTail(descriptor, fstatSync(descriptor).size);
    return (
      tail
        .subarray(0, tail.lastIndexOf(NEWLINE) + 1)
        .toString()
        .trimEnd()
        .split('\n')
        .findLast((line) => line !== '') ?? null
    );
  } finally {
    closeSync(descriptor);
  }
}

/** Whole lines of the end of a log, of its newest rotated file too, oldest first: at most so many bytes of each; null: there is no log. */
export function newestLines(path: string, bytes: number): string[] | null {
  const files = logFiles(path).slice(-2);
  if (files.length === 0) return null;
  return files.flatMap((file) => {
    const descriptor = openLog(file, O_RDONLY);
    try {
      const { size } = fstatSync(descriptor);
      const lines = readTail(descriptor, size, bytes).toString().split('\n');
      // What stands before the first line end, and behind the last, may be parts of lines.
      return lines.slice(size > bytes ? 1 : 0, -1);
    } finally {
      closeSync(descriptor);
    }
  });
}

function readTail(descriptor: number, size: number, most = TAIL_BYTES): Buffer {
  const tail = Buffer.alloc(Math.min(size, most));
  return tail.subarray(0, readSync(descriptor, tail, 0, tail.length, size - tail.length));
}
