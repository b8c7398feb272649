import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';

/** Largest ruleset and largest set file, in bytes. */
export const MAX_FILE_BYTES = 64 * 1024 * 1024;

/**
 * Reads a regular file of at most `MAX_FILE_BYTES`. Throws an Error with a message for the user for
 * anything else: a directory, a FIFO (which is not waited for), a device, a file that grows meanwhile. `inspect` looks
 * at the open file first; what it throws refuses the file.
 */
export function readRegularFile(path: string, inspect: (stat: Stats) => void = () => undefined): Uint8Array {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new Error('not a regular file');
    if (stat.size > MAX_FILE_BYTES) throw new Error(`larger than ${MAX_FILE_BYTES} bytes`);
    inspect(stat);
    const buffer = Buffer.allocUnsafe(stat.size + 1);
    let length = 0;
    while (length < buffer.length) {
      const bytes = readSync(fd, buffer, length, buffer.length - length, null);
      if (bytes === 0) return buffer.subarray(0, length);
      length += bytes;
    }
    throw new Error('the file grew while it was read');
  } finally {
    closeSync(fd);
  }
}

const ERRNO_WORDS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
  ELOOP: 'its links go round in a circle',
  ENXIO: 'not a regular file',
  ENAMETOOLONG: 'the path is too long',
};

/** Why a file could not be read, in words; `hint` where the error itself knows a remedy. */
export function explainReadError(error: unknown): { readonly why: string; readonly hint?: string } {
  const { code, message, hint } = (typeof error === 'object' && error !== null ? error : {}) as {
    code?: string;
    message?: string;
    hint?: string;
  };
  return { why: ERRNO_WORDS[code ?? ''] ?? message ?? String(error), ...(hint !== undefined && { hint }) };
}
