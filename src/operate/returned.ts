/** Changes that nobody confirmed in time: what `status` says of them until somebody applies another one. */
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
/** Since 2 there can be several. */
const SCHEMA_VERSION = 2;

/** Remembers it for whoever looks next, beside others; who writes it again, since he was cut short, takes its place. */
export function addReturned(folder: StateFolder, returned: Returned): void {
  keepReturned(folder, [...readReturned(folder).filter((one) => nameOf(one) !== nameOf(returned)), returned]);
}

/** What is remembered from now on. */
export function keepReturned(folder: StateFolder, returned: readonly Returned[]): void {
  writeStateFile(folder, FILE, SCHEMA_VERSION, { returned });
}

/** What waited, and since when. */
function nameOf({ since, sections = [] }: Returned): string {
  return [since, ...sections].join();
}

/** Changes that were not confirmed since somebody last applied one, the oldest first. */
export function readReturned(folder: StateFolder): readonly Returned[] {
  const check = (body: unknown): readonly Returned[] => {
    const { returned } = (body ?? {}) as { returned?: unknown };
    const found = (Array.isArray(returned) ? returned : [body]) as readonly (Partial<Returned> | null)[];
    if (!found.every(isSound)) throw new Error('fields are missing');
    return found as readonly Returned[];
  };
  return readStateFile(folder, FILE, SCHEMA_VERSION, check, 1).value ?? [];
}

function isSound(returned: Partial<Returned> | null): boolean {
  return (
    Number.isSafeInteger(returned?.generation) &&
    typeof returned?.seconds === 'number' &&
    typeof returned.since === 'string' &&
    typeof returned.file === 'string' &&
    FATES.includes(returned.fate!)
  );
}

/** Somebody has applied something else since. */
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
