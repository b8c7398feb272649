import { closeSync, openSync, readSync } from 'node:fs';
import { errnoOf, fileError } from './system-error';

const HEAD_BYTES = 512;

/** The first characters of a file; empty where there is none. */
export function readHead(file: string): string {
  try {
    const descriptor = openSync(file, 'r');
    try {
      const bytes = Buffer.alloc(HEAD_BYTES);
      return bytes.toString('latin1', 0, readSync(descriptor, bytes, 0, HEAD_BYTES, 0));
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return '';
    throw fileError('state/read', 'read', file, error);
  }
}
