/** A change that nobody confirmed in time: what `status` says of it until the next one. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { readStateFile, type StateFolder, writeStateFile } from './state-files';

/** What became of the ruleset file; `later`: it is put back by the next command that may write it. */
export type FileFate = 'put-back' | 'kept' | 'later';

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
  /** Only these sections waited, by themselves. */
  readonly sections?: readonly string[];
  /** Other files that verbs had changed, and that are again as they were. */
  readonly others?: readonly string[];
  /** It still waited when the machine went down. */
  readonly atBoot?: true;
}

const FILE = 'returned.json';
const FATES: readonly FileFate[] = ['put-back', 'kept', 'later'];
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
      FATES.includes(returned.fate!);
    if (!sound) throw new Error('fields are missing');
    return returned as Returned;
  }).value;
}

export function forgetReturned(folder: StateFolder): void {
  rmSync(join(folder.path, FILE), { force: true });
}

/** What happened, in words. */
export function describeReturned(returned: Returned): string {
  const { generation, previous, seconds, since, file, fate, sections, others = [], atBoot } = returned;
  const when = `${since.slice(0, 19).replace('T', ' ')} UTC`;
  const until = atBoot ? 'before the machine went down' : `within ${seconds} s`;
  const rest = {
    'put-back': sections ? `in ${file} too` : `${file} is again as it was`,
    kept: `${file} was left as it is: sluice apply --confirm ${seconds}s tries again`,
    later: `${file} is put back by the next command that may write it`,
  }[fate];
  if (sections)
    return `the change of ${when} of ${sections.join(', ')} was not confirmed ${until}: the rows before judge again, ${rest}`;
  const now = previous === null ? 'nothing is filtered, as before' : `generation ${previous} judges again`;
  const judges = atBoot ? 'what it was to replace judges again' : now;
  return `the change of ${when} (generation ${generation}) was not confirmed ${until}: ${[judges, rest, ...others.map((other) => `${other} is again as it was`)].join('; ')}`;
}
