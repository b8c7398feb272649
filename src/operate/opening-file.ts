/** What was put under ALLOW ALL, by whom and why, and what it let in: kept in a file, the newest last. */
import { readStateFile, type StateFolder, writeStateFile } from './state-files';
import type { StateRead } from './sealed-file';
import type { Author } from './change-note';

/** Packets that a row would have refused. */
export interface SparedRow {
  readonly section: string;
  /** Id of the rule; `ssh`, `default` or `udp-off`. */
  readonly rule: string;
  /** The row as it is written, in words for implicit ones. */
  readonly text: string;
  /** Decimal strings. */
  readonly packets: string;
  readonly bytes: string;
  /** ISO time of the newest, and where it came from. */
  readonly lastHit: string;
  readonly source: string;
}

/** One time that a section, or the whole edge, was under ALLOW ALL. */
export interface Opening {
  /** Null: the whole edge. */
  readonly section: string | null;
  /** Installation in whose state it is. */
  readonly instance: string;
  /** ISO times: when it began, and when it is, or was, to end. */
  readonly at: string;
  readonly until: string;
  readonly author: Author;
  readonly reason?: string;
  /** Left out: it is on, or nobody has looked since. */
  readonly ended?: { readonly at: string; readonly how: OpeningEnd; readonly by?: Author };
  /** All that would have been refused; how many of them by rows that are not among `rows`. */
  readonly packets: string;
  readonly bytes: string;
  readonly unlisted: string;
  /** Most packets first. */
  readonly rows: readonly SparedRow[];
  /** Generations that judge no more, whose part is in `rows`. */
  readonly folded: readonly number[];
}

/** How it ended: its time was over, somebody ended it, or enforcement ended (a boot ends it too). */
export type OpeningEnd = 'in-time' | 'off' | 'enforcement-ended';

/** Openings that are kept at most. */
export const OPENINGS_MAX = 300;

const FILE = 'allow-all.json';
const SCHEMA_VERSION = 1;

/** All that are remembered, the newest last; none where there is no file. */
export function readOpenings(folder: StateFolder): StateRead<readonly Opening[]> {
  return readStateFile(folder, FILE, SCHEMA_VERSION, (body) => {
    if (!Array.isArray(body) || !body.every(isOpening)) throw new Error('fields are missing');
    return body;
  });
}

/** Writes them, the oldest ended ones given up. The caller holds the lock. */
export function writeOpenings(folder: StateFolder, openings: readonly Opening[]): void {
  const ended = openings.filter((one) => one.ended);
  const tooMany = new Set(ended.slice(0, Math.max(0, openings.length - OPENINGS_MAX)));
  const kept = openings.filter((one) => !tooMany.has(one));
  writeStateFile(folder, FILE, SCHEMA_VERSION, kept);
}

/** Adds up rows by section and rule. */
export function mergeRows(rows: readonly SparedRow[], more: readonly SparedRow[]): SparedRow[] {
  const merged = new Map<string, SparedRow>();
  for (const row of [...rows, ...more]) {
    const key = `${row.section}/${row.rule}`;
    const known = merged.get(key);
    const newest = known && known.lastHit > row.lastHit ? known : row;
    const sum = (field: 'packets' | 'bytes'): string => (BigInt(known?.[field] ?? '0') + BigInt(row[field])).toString();
    merged.set(key, { ...newest, packets: sum('packets'), bytes: sum('bytes') });
  }
  return [...merged.values()].sort((a, b) => Number(BigInt(b.packets) - BigInt(a.packets)));
}

function isOpening(value: unknown): value is Opening {
  const one = value as Partial<Opening> | null;
  const decimal = /^\d{1,20}$/;
  return (
    (one?.section === null || typeof one?.section === 'string') &&
    [one.instance, one.at, one.until, one.author?.user].every((text) => typeof text === 'string') &&
    [one.at, one.until].every((text) => !Number.isNaN(Date.parse(text!))) &&
    [one.packets, one.bytes, one.unlisted].every((text) => typeof text === 'string' && decimal.test(text)) &&
    Array.isArray(one.folded) &&
    Array.isArray(one.rows) &&
    one.rows.every(
      (row: Partial<SparedRow> | null) =>
        [row?.section, row?.rule, row?.text, row?.lastHit, row?.source].every((text) => typeof text === 'string') &&
        [row?.packets, row?.bytes].every((text) => typeof text === 'string' && decimal.test(text)),
    )
  );
}
