import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import {
  type Checkpoint,
  newestOf,
  readCheckpoint,
  settleCheckpoint,
  writeCheckpoint,
} from '../../../src/operate/checkpoint';
import { type StateFolder, stateFolder } from '../../../src/operate/state-files';
import {
  emptyTotals,
  foldCounters,
  foldGates,
  type GateTotals,
  type GenerationFigures,
} from '../../../src/operate/totals';

const NONE = { packets: 0n, bytes: 0n };
const NOTHING = { packets: '0', bytes: '0' };

/** A generation that saw so many packets. */
function figures(packets: bigint): GenerationFigures {
  return {
    since: '2026-01-01T00:00:00.000Z',
    rules: { 'inbound/web': { packets, bytes: 60n * packets, lastHit: '2026-01-01T05:00:00.000Z' } },
    reasons: {},
    verdicts: { allow: { packets, bytes: 60n * packets }, deny: NONE },
    outgoing: { reasons: {}, verdicts: { allow: NONE, deny: NONE } },
  };
}

function gates(instance: string, packets: number): GateTotals {
  const empty = { packets: String(packets), bytes: String(60 * packets) };
  return { instance, in: { empty, open: NOTHING }, out: { empty: NOTHING, open: NOTHING } };
}

const START = emptyTotals('2026-01-01T00:00:00.000Z');
const saved = (instance: string, ...generations: [number, bigint][]): Checkpoint => ({
  instance,
  generations: generations.map(([generation, packets]) => ({ generation, figures: figures(packets) })),
  gates: gates(instance, 4),
});

describe('what a checkpoint adds to the totals', () => {
  const hits = (totals: typeof START): string => totals.rules['inbound/web']?.packets ?? '0';

  test('all of it, once, when what it was read from is gone', () => {
    const checkpoint = saved('a', [1, 5n], [2, 7n]);
    const once = settleCheckpoint(START, checkpoint, { instance: 'b' });
    expect([hits(once), once.foldedThrough, once.reasons['gate-empty'].packets]).toEqual(['12', 2, '4']);
    expect(settleCheckpoint(once, checkpoint, { instance: 'b' })).toBe(once);
    expect(settleCheckpoint(START, checkpoint, null)).toEqual(once);
  });

  test('nothing while that still counts, or once its generation was folded with its last figures', () => {
    const checkpoint = saved('a', [2, 7n]);
    expect(settleCheckpoint(START, checkpoint, { instance: 'a' })).toBe(START);
    const folded = foldCounters(START, 2, figures(9n));
    expect(settleCheckpoint(folded, checkpoint, { instance: 'b' })).toBe(folded);
    expect(settleCheckpoint(START, null, null)).toBe(START);
  });

  test('only generations that the totals lack', () => {
    const folded = foldCounters(START, 1, figures(5n));
    expect(hits(settleCheckpoint(folded, saved('a', [1, 4n], [2, 7n]), null))).toBe('12');
  });
});

describe('what gates decided', () => {
  const counted = (totals: typeof START): string => totals.reasons['gate-empty']?.packets ?? '0';

  test('counts once, whatever is folded again, and older readings take nothing away', () => {
    let totals = START;
    for (const packets of [3, 3, 8, 5, 8, 9]) totals = foldGates(totals, gates('a', packets));
    expect([counted(totals), totals.verdicts.deny]).toEqual(['9', { packets: '9', bytes: '540' }]);
  });

  test('begins anew with another installation', () => {
    const totals = foldGates(foldGates(START, gates('a', 9)), gates('b', 2));
    expect([counted(totals), totals.gates]).toEqual(['11', gates('b', 2)]);
  });

  test('adds no reason where nothing was decided', () => {
    expect(foldGates(START, gates('a', 0)).reasons).toEqual({});
  });
});

describe('the file', () => {
  let directory: string;
  let folder: StateFolder;
  beforeEach(() => {
    directory = fs.mkdtempSync(path.join(os.tmpdir(), 'slc-checkpoint-'));
    folder = stateFolder('host', directory);
  });
  afterEach(() => fs.rmSync(directory, { recursive: true }));

  test('comes back as it was written', () => {
    expect(readCheckpoint(folder)).toEqual({ value: null });
    const checkpoint = saved('a', [1, 2n ** 63n], [2, 0n]);
    writeCheckpoint(folder, checkpoint);
    expect(readCheckpoint(folder)).toEqual({ value: checkpoint });
    expect([newestOf(checkpoint), newestOf(null)]).toEqual([2, 0]);
  });

  test.each([
    ['no number', { ...saved('a', [1, 1n]), generations: [{ generation: 0, figures: figures(1n) }] }],
    ['out of order', saved('a', [2, 1n], [1, 1n])],
    ['is no count', saved('a', [1, -1n])],
  ])('is set aside where %s', (why, checkpoint) => {
    writeCheckpoint(folder, checkpoint);
    const { value, warning } = readCheckpoint(folder);
    expect(value).toBeNull();
    expect(warning).toContain(why);
  });
});
