/** JSON files of the state directory: written atomically, with a checksum; a broken one is set aside, never fatal. */
import * as fs from 'node:fs';
import { writeAtomically } from './atomic-write';
import { contentDigest } from './digest';
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

/** State files are figures and a few paths: anything larger is not ours. */
const MAX_STATE_BYTES = 256 * 1024 * 1024;

/** Writes `body` as a state file (mode 0600). Throws `SluiceError` `state/write`. */
export function writeSealed(file: string, schemaVersion: number, body: unknown): void {
  const text = JSON.stringify(body);
  const envelope = `{"schemaVersion":${schemaVersion},"checksum":"${contentDigest(text)}","body":${text}}\n`;
  try {
    writeAtomically(file, envelope, { mode: 0o600, how: 'replace' });
  } catch (error) {
    throw fileError('state/write', 'write', file, error);
  }
}

/**
 * Reads a state file of this schema version; `check` turns the body into the value, or says what is wrong with it
 * by throwing. A missing file is `null` without a warning; a damaged one is renamed and reported; one of a newer
 * version is left where it is and reported. Throws `SluiceError` `state/read` only where the file cannot be read.
 */
export function readSealed<T>(file: string, schemaVersion: number, check: (body: unknown) => T): StateRead<T> {
  const text = readText(file);
  if (text === null) return { value: null };
  try {
    const envelope = JSON.parse(text) as Envelope | null;
    if (typeof envelope !== 'object' || envelope === null || typeof envelope.schemaVersion !== 'number')
      throw new Error('it is not a state file');
    if (envelope.schemaVersion > schemaVersion)
      return { value: null, warning: `"${file}" was written by a newer version of sluice and is not used` };
    if (envelope.schemaVersion !== schemaVersion) throw new Error(`unknown version ${envelope.schemaVersion}`);
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
