/**
 * Counts of what runs, saved now and then: the kernel's own are gone after a reboot. They are added to the totals once
 * what they were read from is gone, and by the number of their generation never twice.
 */
import { readStateFile, type StateFolder, writeStateFile } from './state-files';
import type { StateRead } from './sealed-file';
import {
  type CounterTotals,
  foldCounters,
  foldGates,
  type GateTotals,
  type GenerationFigures,
  isFolded,
  isGates,
} from './totals';

/** What had been counted at one moment by generations that no totals contain yet. */
export interface Checkpoint {
  /** Installation that counted (`SharedState.instance`). */
  readonly instance: string;
  /** Ascending, at least one. */
  readonly generations: readonly { readonly generation: number; readonly figures: GenerationFigures }[];
  readonly gates: GateTotals;
}

/** What counts in the kernel now. */
export interface Counting {
  readonly instance: string;
}

const FILE = 'checkpoint.json';
const SCHEMA_VERSION = 1;

/** The newest generation a checkpoint contains, 0 for none. */
export function newestOf(checkpoint: Checkpoint | null): number {
  return checkpoint?.generations.at(-1)?.generation ?? 0;
}

/**
 * Totals with what a checkpoint saved. Where the installation it was read from still counts, or the totals contain its
 * newest generation, they have all of it already, and the same object is returned.
 */
export function settleCheckpoint(
  totals: CounterTotals,
  checkpoint: Checkpoint | null,
  counting: Counting | null,
): CounterTotals {
  if (!checkpoint || checkpoint.instance === counting?.instance || isFolded(totals, newestOf(checkpoint)))
    return totals;
  const folded = checkpoint.generations.reduce(
    (sum, { generation, figures }) => foldCounters(sum, generation, figures),
    totals,
  );
  return foldGates(folded, checkpoint.gates);
}

/** Writes the checkpoint, atomically. */
export function writeCheckpoint(folder: StateFolder, { instance, generations, gates }: Checkpoint): void {
  const body = {
    instance,
    gates,
    generations: generations.map((entry) => ({ ...entry, figures: toText(entry.figures) })),
  };
  writeStateFile(folder, FILE, SCHEMA_VERSION, body);
}

/** Reads the checkpoint; null where there is none. */
export function readCheckpoint(folder: StateFolder): StateRead<Checkpoint> {
  return readStateFile(folder, FILE, SCHEMA_VERSION, check);
}

/** Figures with decimal strings, which JSON can hold, in place of numbers of 64 bits. */
function toText(figures: GenerationFigures): unknown {
  return JSON.parse(
    JSON.stringify(figures, (_key, value: unknown) => (typeof value === 'bigint' ? `${value}` : value)),
  );
}

function check(body: unknown): Checkpoint {
  const { instance, generations, gates } = record(body);
  if (typeof instance !== 'string' || !isGates(gates) || !Array.isArray(generations))
    throw new Error('fields are missing');
  const read = generations.map((entry) => {
    const { generation, figures } = record(entry);
    if (!Number.isSafeInteger(generation) || (generation as number) < 1) throw new Error('a generation has no number');
    return { generation: generation as number, figures: readFigures(record(figures)) };
  });
  if (read.some(({ generation }, i) => i > 0 && generation <= read[i - 1].generation))
    throw new Error('generations are out of order');
  return { instance, generations: read, gates };
}

function readFigures(figures: Record<string, unknown>): GenerationFigures {
  if (typeof figures.since !== 'string') throw new Error('a generation has no time');
  return {
    since: figures.since,
    rules: readEach(figures.rules, readRule),
    ...readDirection(figures),
    outgoing: readDirection(record(figures.outgoing)),
  };
}

function readDirection({ reasons, verdicts }: Record<string, unknown>): GenerationFigures['outgoing'] {
  const { allow, deny } = record(verdicts);
  return { reasons: readEach(reasons, readCount), verdicts: { allow: readCount(allow), deny: readCount(deny) } };
}

function readEach<T>(values: unknown, read: (value: unknown) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(record(values)).map(([key, value]) => [key, read(value)]));
}

function readRule(value: unknown): GenerationFigures['rules'][string] {
  const { lastHit } = record(value);
  if (lastHit !== null && typeof lastHit !== 'string') throw new Error('a rule has no last hit');
  return { ...readCount(value), lastHit };
}

function readCount(value: unknown): { packets: bigint; bytes: bigint } {
  const { packets, bytes } = record(value);
  return { packets: readNumber(packets), bytes: readNumber(bytes) };
}

function readNumber(value: unknown): bigint {
  if (typeof value !== 'string' || !/^\d{1,30}$/.test(value)) throw new Error(`${JSON.stringify(value)} is no count`);
  return BigInt(value);
}

function record(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('fields are missing');
  return value as Record<string, unknown>;
}
