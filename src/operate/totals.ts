/** Counters by rule id that outlive generations, processes and reboots. */
import { join } from 'node:path';
import { fileMark, readStateFile, type StateFolder, writeStateFile } from './state-files';
import type { StateRead } from './sealed-file';

/** Figures of one rule over all generations. Numbers are decimal strings: 64 bits do not fit a JSON number. */
export interface RuleTotal {
  readonly packets: string;
  readonly bytes: string;
  /** ISO time of the last packet, null where there was none. */
  readonly lastHit: string | null;
  /** ISO time since when hits of this rule have been counted. */
  readonly watchedSince: string;
}

/** Figures of packets that no row decided, by reason word. */
export interface ReasonTotal {
  readonly packets: string;
  readonly bytes: string;
}

export interface CounterTotals {
  readonly schemaVersion: 1;
  /** Of all generations up to this one the figures are contained; 0 for none. */
  readonly foldedThrough: number;
  /** Newer ones that are contained too, ascending: an older one judges again, since they were not confirmed. */
  readonly folded: readonly number[];
  /** ISO time of the first counting. */
  readonly since: string;
  /** By `section/id`, implicit rows as `section/ssh` and `section/default`. */
  readonly rules: Readonly<Record<string, RuleTotal>>;
  readonly reasons: Readonly<Record<string, ReasonTotal>>;
  /** All packets by what became of them: exact also when rules were removed or changed their action since. */
  readonly verdicts: Readonly<Record<'allow' | 'deny', ReasonTotal>>;
  /** Packets that went out. */
  readonly outgoing: {
    readonly reasons: Readonly<Record<string, ReasonTotal>>;
    readonly verdicts: Readonly<Record<'allow' | 'deny', ReasonTotal>>;
  };
  /** How much of what the gates decided is contained; left out: nothing of any installation's. */
  readonly gates?: GateTotals;
}

/** What the gates of one installation (`SharedState.instance`) decided themselves since they were made. */
export interface GateTotals {
  readonly instance: string;
  /** Packets that met an empty slot or an open gate, by direction. */
  readonly in: Readonly<Record<'empty' | 'open', ReasonTotal>>;
  readonly out: Readonly<Record<'empty' | 'open', ReasonTotal>>;
}

/** Final figures of one generation, read when nothing writes to its counters any more. */
export interface GenerationFigures {
  /** ISO time at which the generation began to enforce. */
  readonly since: string;
  readonly rules: Readonly<Record<string, { packets: bigint; bytes: bigint; lastHit: string | null }>>;
  readonly reasons: Readonly<Record<string, { packets: bigint; bytes: bigint }>>;
  readonly verdicts: Readonly<Record<'allow' | 'deny', { packets: bigint; bytes: bigint }>>;
  readonly outgoing: Pick<GenerationFigures, 'reasons' | 'verdicts'>;
}

const NONE: ReasonTotal = { packets: '0', bytes: '0' };
const FILE = 'totals.json';
const SCHEMA_VERSION = 1;

/** Totals that contain nothing yet. */
export function emptyTotals(since: string): CounterTotals {
  return {
    schemaVersion: SCHEMA_VERSION,
    foldedThrough: 0,
    folded: [],
    since,
    rules: {},
    reasons: {},
    verdicts: { allow: NONE, deny: NONE },
    outgoing: { reasons: {}, verdicts: { allow: NONE, deny: NONE } },
  };
}

/** Whether the figures of a generation are contained. */
export function isFolded({ foldedThrough, folded }: CounterTotals, generation: number): boolean {
  return generation <= foldedThrough || folded.includes(generation);
}

/** The newest generation whose figures are contained; 0 for none. */
export function newestFolded({ foldedThrough, folded }: CounterTotals): number {
  return Math.max(foldedThrough, ...folded);
}

/**
 * Adds the figures of a retired generation. One that is contained already changes nothing (the same object is
 * returned), so that a crash after the write costs no double count. `open` are the generations whose figures may be
 * added later; they may be older: one that was not confirmed retires before the one it was to replace.
 */
export function foldCounters(
  totals: CounterTotals,
  generation: number,
  figures: GenerationFigures,
  open: readonly number[] = [],
): CounterTotals {
  if (!Number.isSafeInteger(generation) || generation < 1) throw new TypeError(`no generation: ${generation}`);
  if (isFolded(totals, generation)) return totals;
  const contained = [...totals.folded, generation].sort((a, b) => a - b);
  const oldestOpen = Math.min(...open.filter((other) => other !== generation && !isFolded(totals, other)));
  const foldedThrough = Math.max(totals.foldedThrough, ...contained.filter((number) => number < oldestOpen));
  return {
    ...addFigures(totals, figures),
    foldedThrough,
    folded: contained.filter((number) => number > foldedThrough),
  };
}

/**
 * Adds what the gates decided. They outlive generations and are never reset, so only what exceeds the part that is
 * contained already is added: any number of calls, in any order, count a packet once.
 */
export function foldGates(totals: CounterTotals, gates: GateTotals): CounterTotals {
  const contained = totals.gates?.instance === gates.instance ? totals.gates : null;
  const beyond = (one: ReasonTotal, before: ReasonTotal | undefined): { packets: bigint; bytes: bigint } => ({
    packets: positive(BigInt(one.packets) - BigInt(before?.packets ?? '0')),
    bytes: positive(BigInt(one.bytes) - BigInt(before?.bytes ?? '0')),
  });
  const figures = (direction: 'in' | 'out'): GenerationFigures['outgoing'] => {
    const empty = beyond(gates[direction].empty, contained?.[direction].empty);
    const open = beyond(gates[direction].open, contained?.[direction].open);
    return {
      reasons: { ...(empty.packets > 0n && { 'gate-empty': empty }), ...(open.packets > 0n && { 'gate-open': open }) },
      verdicts: { allow: open, deny: empty },
    };
  };
  const most = (direction: 'in' | 'out'): GateTotals['in'] => {
    const larger = (kind: 'empty' | 'open'): ReasonTotal => {
      const before = contained?.[direction][kind];
      return before && BigInt(before.packets) > BigInt(gates[direction][kind].packets)
        ? before
        : gates[direction][kind];
    };
    return { empty: larger('empty'), open: larger('open') };
  };
  const added = addFigures(totals, { since: totals.since, rules: {}, ...figures('in'), outgoing: figures('out') });
  return { ...added, gates: { instance: gates.instance, in: most('in'), out: most('out') } };
}

/** Totals and the figures of the generation that runs, for showing; `foldedThrough` stays. */
export function addFigures(totals: CounterTotals, figures: GenerationFigures): CounterTotals {
  // Of a hundred thousand rules most have counted nothing since: these are as they were.
  let rules: Record<string, RuleTotal> | null = null;
  for (const key in figures.rules) {
    const added = figures.rules[key];
    const known = Object.hasOwn(totals.rules, key) ? totals.rules[key] : undefined;
    if (known && added.packets === 0n && added.bytes === 0n && added.lastHit === null) continue;
    rules ??= { ...totals.rules };
    rules[key] = {
      packets: plus(known?.packets, added.packets),
      bytes: plus(known?.bytes, added.bytes),
      lastHit: later(known?.lastHit ?? null, added.lastHit),
      watchedSince: known?.watchedSince ?? figures.since,
    };
  }
  return {
    ...totals,
    rules: rules ?? totals.rules,
    ...addDirection(totals, figures),
    outgoing: addDirection(totals.outgoing, figures.outgoing),
  };
}

/** Adds up reasons and verdicts of one direction. */
function addDirection(
  totals: CounterTotals['outgoing'],
  figures: GenerationFigures['outgoing'],
): CounterTotals['outgoing'] {
  const reasons = new Map(Object.entries(totals.reasons));
  for (const [key, added] of Object.entries(figures.reasons)) {
    const known = reasons.get(key);
    reasons.set(key, { packets: plus(known?.packets, added.packets), bytes: plus(known?.bytes, added.bytes) });
  }
  const sum = (verdict: 'allow' | 'deny'): ReasonTotal => ({
    packets: plus(totals.verdicts[verdict].packets, figures.verdicts[verdict].packets),
    bytes: plus(totals.verdicts[verdict].bytes, figures.verdicts[verdict].bytes),
  });
  return { reasons: Object.fromEntries(reasons), verdicts: { allow: sum('allow'), deny: sum('deny') } };
}

/** Reads the totals; null where there are none yet. */
export function readTotals(folder: StateFolder): StateRead<CounterTotals> {
  const path = join(folder.path, FILE);
  const mark = fileMark(path);
  if (mark !== null && last?.path === path && last.mark === mark) return { value: last.totals };
  const read = readStateFile(folder, FILE, SCHEMA_VERSION, checkTotals);
  last = mark === null || !read.value ? null : { path, mark, totals: read.value };
  return read;
}

/** What this process has read or written last: those of a hundred thousand rows take a quarter of a second to read. */
let last: { readonly path: string; readonly mark: string; readonly totals: CounterTotals } | null = null;

/** Writes the totals, atomically. */
export function writeTotals(folder: StateFolder, totals: CounterTotals): void {
  writeStateFile(folder, FILE, SCHEMA_VERSION, totals);
  const path = join(folder.path, FILE);
  const mark = fileMark(path);
  last = mark === null ? null : { path, mark, totals };
}

function positive(count: bigint): bigint {
  return count > 0n ? count : 0n;
}

function plus(known: string | undefined, added: bigint): string {
  return (BigInt(known ?? '0') + added).toString();
}

/** ISO times of one form (`toISOString`) order like their text. */
function later(one: string | null, other: string | null): string | null {
  if (one === null || other === null) return one ?? other;
  return one > other ? one : other;
}

function checkTotals(body: unknown): CounterTotals {
  const totals = body as Partial<CounterTotals> | null;
  const sound =
    isRecord(totals) &&
    Number.isSafeInteger(totals.foldedThrough) &&
    (totals.folded === undefined || (Array.isArray(totals.folded) && totals.folded.every(Number.isSafeInteger))) &&
    typeof totals.since === 'string' &&
    isRecord(totals.rules) &&
    Object.values(totals.rules).every(isFigure) &&
    isDirection(totals) &&
    isDirection(totals.outgoing) &&
    (totals.gates === undefined || isGates(totals.gates));
  if (!sound) throw new Error('fields are missing');
  // Totals written before changes could wait to be confirmed have no list.
  return { ...(totals as CounterTotals), folded: totals.folded ?? [] };
}

function isDirection(value: unknown): boolean {
  return (
    isRecord(value) &&
    isRecord(value.reasons) &&
    isRecord(value.verdicts) &&
    [value.verdicts.allow, value.verdicts.deny, ...Object.values(value.reasons)].every(isFigure)
  );
}

/** Whether it is what gates decided, as a state file holds it. */
export function isGates(value: unknown): value is GateTotals {
  return (
    isRecord(value) &&
    typeof value.instance === 'string' &&
    [value.in, value.out].every((side) => isRecord(side) && isFigure(side.empty) && isFigure(side.open))
  );
}

function isFigure(value: unknown): boolean {
  const decimal = /^\d{1,30}$/;
  return (
    isRecord(value) &&
    typeof value.packets === 'string' &&
    decimal.test(value.packets) &&
    typeof value.bytes === 'string' &&
    decimal.test(value.bytes)
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
