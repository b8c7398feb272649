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

/** What is written: `checksum` is the SHA-256 of the body's JSON text, so that a half-written or edited file shows. */
interface Envelope {
  readonly schemaVersion: number;
  readonly checksum: string;
  readonly body: unknown;
}

/** Anything larger is not ours. */
const MAX_STATE_BYTES = 256 * 1024 * 1024;
/** At most, around the body. */
const ENVELOPE_BYTES = 256;

/** Writes `body` as a state file (mode 0600). Throws `SluiceError` `state/write`; `state/too-large` before anything is written. */
export function writeSealed(file: string, schemaVersion: number, body: unknown): void {
  const text = stateText(file, body);
  if (Buffer.byteLength(text) > MAX_STATE_BYTES - ENVELOPE_BYTES) throw tooLarge(file);
  const envelope = `{"schemaVersion":${schemaVersion},"checksum":"${contentDigest(text)}","body":${text}}\n`;
  try {
    writeAtomically(file, envelope, { mode: 0o600, how: 'replace' });
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
  const text = readText(file);
  if (text === null) return { value: null };
  try {
    const envelope = JSON.parse(text) as Envelope | null;
    if (typeof envelope !== 'object' || envelope === null || typeof envelope.schemaVersion !== 'number')
      throw new Error('it is not a state file');
    if (envelope.schemaVersion > schemaVersion)
      return { value: null, warning: `"${file}" was written by a newer version of sluice and is not used` };
    if (!(envelope.schemaVersion >= oldest)) throw new Error(`unknown version ${envelope.schemaVersion}`);
    if (contentDigest(JSON.stringify(envelope.body)) !== envelope.checksum) throw new Error('the checksum is wrong');
    return { value: check(envelope.body) };
  } catch (error) {
    return { value: null, warning: setAside(file, error instanceof Error ? error.message : String(error)) };
  }
}

function readText(file: string): string | null {
  try {
    if (fs.statSync(file).size > MAX_STATE_BYTES) return '';
    return fs.readFileSync(file, 'utf8');
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
