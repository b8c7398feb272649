import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { stateFolder, writeStateFile } from '../../../src/operate/state-files';
import {
  addFigures,
  emptyTotals,
  foldCounters,
  isFolded,
  newestFolded,
  type GenerationFigures,
  readTotals,
  writeTotals,
} from '../../../src/operate/totals';

const first: GenerationFigures = {
  since: '2026-01-01T00:00:00.000Z',
  rules: {
    'inbound/web': { packets: 2n ** 63n, bytes: 100n, lastHit: '2026-01-01T05:00:00.000Z' },
    'inbound/idle': { packets: 0n, bytes: 0n, lastHit: null },
  },
  reasons: { arp: { packets: 3n, bytes: 126n } },
  verdicts: { allow: { packets: 5n, bytes: 500n }, deny: { packets: 1n, bytes: 60n } },
  outgoing: {
    reasons: { flow: { packets: 7n, bytes: 700n } },
    verdicts: { allow: { packets: 7n, bytes: 700n }, deny: { packets: 0n, bytes: 0n } },
  },
};
const second: GenerationFigures = {
  since: '2026-01-02T00:00:00.000Z',
  rules: {
    'inbound/web': { packets: 2n ** 63n, bytes: 1n, lastHit: null },
    'inbound/new': { packets: 1n, bytes: 60n, lastHit: '2026-01-02T01:00:00.000Z' },
  },
  reasons: { arp: { packets: 1n, bytes: 42n }, 'port-zero': { packets: 1n, bytes: 60n } },
  verdicts: { allow: { packets: 1n, bytes: 40n }, deny: { packets: 0n, bytes: 0n } },
  outgoing: {
    reasons: { flow: { packets: 1n, bytes: 60n }, default: { packets: 2n, bytes: 120n } },
    verdicts: { allow: { packets: 3n, bytes: 180n }, deny: { packets: 0n, bytes: 0n } },
  },
};

test('figures add up over generations, beyond 64 bits, and keep the last hit and the first observation', () => {
  const totals = foldCounters(foldCounters(emptyTotals('2026-01-01T00:00:00.000Z'), 1, first), 2, second);
  expect(totals.rules['inbound/web']).toEqual({
    packets: (2n ** 64n).toString(),
    bytes: '101',
    lastHit: '2026-01-01T05:00:00.000Z',
    watchedSince: '2026-01-01T00:00:00.000Z',
  });
  expect(totals.rules['inbound/idle'].packets).toBe('0');
  expect(totals.rules['inbound/new'].watchedSince).toBe('2026-01-02T00:00:00.000Z');
  expect(totals.reasons).toEqual({
    arp: { packets: '4', bytes: '168' },
    'port-zero': { packets: '1', bytes: '60' },
  });
  expect(totals.verdicts).toEqual({ allow: { packets: '6', bytes: '540' }, deny: { packets: '1', bytes: '60' } });
  expect(totals.outgoing).toEqual({
    reasons: { flow: { packets: '8', bytes: '760' }, default: { packets: '2', bytes: '120' } },
    verdicts: { allow: { packets: '10', bytes: '880' }, deny: { packets: '0', bytes: '0' } },
  });
  expect(totals.foldedThrough).toBe(2);
});

test('a generation is folded once', () => {
  const once = foldCounters(emptyTotals('2026-01-01T00:00:00.000Z'), 3, first);
  expect(foldCounters(once, 3, first)).toBe(once);
  expect(foldCounters(once, 2, second)).toBe(once);
  expect(() => foldCounters(once, 0, first)).toThrow('no generation');
});

test('one that was not confirmed is folded before the older one that judges again', () => {
  const start = foldCounters(emptyTotals('2026-01-01T00:00:00.000Z'), 1, first, [1, 2]);
  // Generation 3 was tried over 2, twice: 4 too.
  const tried = foldCounters(foldCounters(start, 3, first, [2, 3]), 4, first, [2, 4]);
  expect(tried).toMatchObject({ foldedThrough: 1, folded: [3, 4] });
  expect([1, 2, 3, 4, 5].filter((number) => isFolded(tried, number))).toEqual([1, 3, 4]);
  expect(newestFolded(tried)).toBe(4);
  expect(foldCounters(tried, 3, first, [2])).toBe(tried);
  const replaced = foldCounters(tried, 2, second, [2, 6]);
  expect(replaced).toMatchObject({ foldedThrough: 4, folded: [] });
  expect(BigInt(replaced.reasons.arp.packets)).toBe(3n * 3n + 1n);
});

test('showing running figures folds nothing', () => {
  const totals = emptyTotals('2026-01-01T00:00:00.000Z');
  expect(addFigures(totals, first).foldedThrough).toBe(0);
  expect(totals.rules).toEqual({});
});

test('totals survive on disk; a section named like a property of Object too', () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-totals-'));
  try {
    const folder = stateFolder('host', directory);
    expect(readTotals(folder)).toEqual({ value: null });
    const figures = { ...first, reasons: JSON.parse('{"__proto__":{"packets":1,"bytes":2}}') as object };
    const odd = Object.fromEntries(Object.keys(figures.reasons).map((key) => [key, { packets: 1n, bytes: 2n }]));
    const totals = foldCounters(emptyTotals('2026-01-01T00:00:00.000Z'), 1, { ...first, reasons: odd });
    writeTotals(folder, totals);
    expect(readTotals(folder)).toEqual({ value: totals });
    // Totals of a version that knew no list of generations.
    const { folded, ...older } = totals;
    expect(folded).toEqual([]);
    writeStateFile(folder, 'totals.json', 1, older);
    expect(readTotals(folder)).toEqual({ value: totals });
    writeStateFile(folder, 'totals.json', 1, { ...totals, folded: ['2'] });
    expect(readTotals(folder).warning).toMatch(/fields are missing/);
    fs.writeFileSync(path.join(folder.path, 'totals.json'), '{"schemaVersion":1}');
    expect(readTotals(folder).warning).toMatch(/set aside/);
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
});
