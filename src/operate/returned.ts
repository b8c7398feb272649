/** A change that nobody confirmed in time: what `status` says of it until the next one. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { readStateFile, type StateFolder, writeStateFile } from './state-files';

/** What became of the ruleset file. */
export type FileFate = 'put-back' | 'kept';

/** A change that was not confirmed in time. */
export interface Returned {
  readonly generation: number;
  /** The generation that judges again; null where everything passes again. */
  readonly previous: number | null;
  /** How long it waited. */
  readonly seconds: number;
  /** ISO time of the change. */
  readonly since: string;
  readonly file: string;
  readonly fate: FileFate;
  /** Only these servers waited, by themselves. */
  readonly sections?: readonly string[];
  /** Other files that verbs had changed, and that are again as they were. */
  readonly others?: readonly string[];
}

const FILE = 'returned.json';
const SCHEMA_VERSION = 1;

/** Remembers it for whoever looks next. */
export function writeReturned(folder: StateFolder, returned: Returned): void {
  writeStateFile(folder, FILE, SCHEMA_VERSION, returned);
}

/** The last change that was not confirmed; null where there was none, or another change came after it. */
export function readReturned(folder: StateFolder): Returned | null {
  return readStateFile(folder, FILE, SCHEMA_VERSION, (body) => {
    const returned = body as Partial<Returned> | null;
    const sound =
      Number.isSafeInteger(returned?.generation) &&
      typeof returned?.seconds === 'number' &&
      typeof returned.since === 'string' &&
      typeof returned.file === 'string' &&
      (returned.fate === 'put-back' || returned.fate === 'kept');
    if (!sound) throw new Error('fields are missing');
    return returned as Returned;
  }).value;
}

export function forgetReturned(folder: StateFolder): void {
  rmSync(join(folder.path, FILE), { force: true });
}

/** What happened, in words. */
export function describeReturned(returned: Returned): string {
  const { generation, previous, seconds, since, file, fate, sections, others = [] } = returned;
  const when = `${since.slice(0, 19).replace('T', ' ')} UTC`;
  if (sections) {
    const rest =
      fate === 'put-back'
        ? `in ${file} too`
        : `${file} was left as it is: sluice apply --confirm ${seconds}s tries again`;
    return `the change of ${when} of ${sections.join(', ')} was not confirmed within ${seconds} s: the rows before judge again, ${rest}`;
  }
  const now = previous === null ? 'nothing is filtered, as before' : `generation ${previous} judges again`;
  const rest =
    fate === 'put-back'
      ? `${file} is again as it was`
      : `${file} was left as it is: sluice apply --confirm ${seconds}s tries again`;
  return `the change of ${when} (generation ${generation}) was not confirmed within ${seconds} s: ${[now, rest, ...others.map((other) => `${other} is again as it was`)].join('; ')}`;
}
