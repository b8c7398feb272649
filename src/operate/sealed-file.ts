/** JSON files of the state directory: written atomically, with a checksum; a broken one is set aside, never fatal. */
import * as fs from 'node:fs';
import { writeAtomically } from './atomic-write';
import { contentDigest } from './digest';
import { SluiceError } from '../kernel/errors';
import { errnoOf, fileError } from './system-error';

/** A value read from the state directory; `warning` says what was wrong and what became of the file. */
export interface StateRead<T> {
  readonly value: T | null;
  readonly warning?: string;
}

/** What stands before the body's JSON text; `checksum` is that text's SHA-256, so that a half-written or edited file shows. */
const HEAD = /^\{"schemaVersion":\d+,"checksum":"([0-9a-f]{64})","body":/;
/** That much also a newer version writes. */
const VERSION = /^\{"schemaVersion":(\d+)/;
/** What stands behind the body. */
const TAIL = '}\n';

/** Anything larger is not ours. */
const MAX_STATE_BYTES = 256 * 1024 * 1024;
/** At most, around the body. */
const ENVELOPE_BYTES = 256;

/** A body as it stands in its file. */
export interface SealedBody {
  readonly bytes: Buffer;
  /** SHA-256 of the bytes, hex. */
  readonly checksum: string;
}

/** What `writeSealedBody` writes of a body: for whoever names the file by what is in it. Throws `SluiceError` `state/too-large`. */
export function sealBody(file: string, body: unknown): SealedBody {
  const bytes = Buffer.from(stateText(file, body));
  if (bytes.length > MAX_STATE_BYTES - ENVELOPE_BYTES) throw tooLarge(file);
  return { bytes, checksum: contentDigest(bytes) };
}

/** Writes `body` as a state file (mode 0600). Throws `SluiceError` `state/write`; `state/too-large` before anything is written. */
export function writeSealed(file: string, schemaVersion: number, body: unknown): void {
  writeSealedBody(file, schemaVersion, sealBody(file, body));
}

/** The same of a body that is sealed already. */
export function writeSealedBody(file: string, schemaVersion: number, { bytes, checksum }: SealedBody): void {
  const head = `{"schemaVersion":${schemaVersion},"checksum":"${checksum}","body":`;
  try {
    writeAtomically(file, [head, bytes, TAIL], { mode: 0o600, how: 'replace' });
  } catch (error) {
    throw fileError('state/write', 'write', file, error);
  }
}

function stateText(file: string, body: unknown): string {
  try {
    return JSON.stringify(body);
  } catch (error) {
    if (error instanceof RangeError) throw tooLarge(file); // longer than any string can be
    throw error;
  }
}

function tooLarge(file: string): SluiceError {
  const message = `"${file}" would have more than ${MAX_STATE_BYTES / 2 ** 20} MiB, the most a state file can have`;
  return new SluiceError('state/too-large', message, {
    hint: 'addresses that several rows name are kept once where they stand under sets: name them there',
  });
}

/**
 * Reads a state file of this schema version, or of one down to `oldest`; `check` turns the body into the value, or says what is wrong with it
 * by throwing. A missing file is `null` without a warning; a damaged one is renamed and reported; one of a newer
 * version is left where it is and reported. Throws `SluiceError` `state/read` only where the file cannot be read.
 */
export function readSealed<T>(
  file: string,
  schemaVersion: number,
  check: (body: unknown) => T,
  oldest = schemaVersion,
): StateRead<T> {
  const bytes = readBytes(file);
  if (bytes === null) return { value: null };
  try {
    const start = bytes.toString('latin1', 0, ENVELOPE_BYTES);
    const version = Number(VERSION.exec(start)?.[1] ?? NaN);
    if (version > schemaVersion)
      return { value: null, warning: `"${file}" was written by a newer version of sluice and is not used` };
    const head = HEAD.exec(start);
    if (!head) throw new Error('it is not a state file');
    if (version < oldest) throw new Error(`unknown version ${version}`);
    const body = bytes.subarray(head[0].length, -TAIL.length);
    if (contentDigest(body) !== head[1]) throw new Error('the checksum is wrong');
    return { value: check(JSON.parse(body.toString())) };
  } catch (error) {
    return { value: null, warning: setAside(file, error instanceof Error ? error.message : String(error)) };
  }
}

function readBytes(file: string): Buffer | null {
  try {
    if (fs.statSync(file).size > MAX_STATE_BYTES) return Buffer.alloc(0);
    return fs.readFileSync(file);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw fileError('state/read', 'read', file, error);
  }
}

/** Renames a damaged file, keeping it for whoever wants to look; the sentence for the user. */
function setAside(file: string, why: string): string {
  const aside = `${file}.damaged-${new Date().toISOString().replace(/[:.]/g, '')}`;
  try {
    fs.renameSync(file, aside);
    return `"${file}" is damaged (${why}); it was set aside as "${aside}"`;
  } catch (error) {
    return `"${file}" is damaged (${why}) and could not be set aside (${errnoOf(error) ?? 'unknown error'})`;
  }
}
