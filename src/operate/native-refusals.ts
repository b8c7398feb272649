/** Why interfaces are filtered in generic mode, kept for whoever asks later: the driver says it once, when it is asked. */
import { isDeepStrictEqual } from 'node:util';
import type { Attachment } from '../load/attach';
import { SluiceError } from '../kernel/errors';
import { readStateFile, type StateFolder, writeStateFile } from './state-files';

interface Refusal {
  readonly name: string;
  readonly ifindex: number;
  readonly why: string;
}

const FILE = 'native-refused.json';
const SCHEMA_VERSION = 1;
/** More are not kept: the oldest go. */
const KEPT = 64;

/** Keeps what was said when these were attached. Where it cannot be written nothing else suffers. */
export function keepRefusals(folder: StateFolder, attachments: readonly Attachment[]): void {
  const fresh = attachments.flatMap(({ name, ifindex, fallback }) =>
    fallback === undefined ? [] : [{ name, ifindex, why: fallback }],
  );
  if (fresh.length === 0) return;
  const before = read(folder);
  const others = before.filter((old) => !fresh.some(({ ifindex }) => ifindex === old.ifindex));
  const now = [...others, ...fresh].slice(-KEPT);
  if (isDeepStrictEqual(now, before)) return;
  try {
    writeStateFile(folder, FILE, SCHEMA_VERSION, now);
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
  }
}

/** What was said when the interface was attached; null where that is not known. */
export function whyNotNative(folder: StateFolder, { name, index }: { name: string; index: number }): string | null {
  return read(folder).find((old) => old.name === name && old.ifindex === index)?.why ?? null;
}

function read(folder: StateFolder): readonly Refusal[] {
  const { value } = readStateFile(folder, FILE, SCHEMA_VERSION, (body) => {
    const sound = (one: Partial<Refusal> | null): boolean =>
      [one?.name, one?.why].every((text) => typeof text === 'string') && Number.isSafeInteger(one?.ifindex);
    if (!Array.isArray(body) || !body.every(sound)) throw new Error('fields are missing');
    return body as Refusal[];
  });
  return value ?? [];
}
