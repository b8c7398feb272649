/** Counter slots under the names of rows. */
import { HIT_ROUND } from '../../../src/kernel/counters';
import { nameFigures } from '../../../src/observe/figures';

const time = { clock: { jiffies: 1_000n, bootNs: 0n, tickNs: 0n }, hz: 100, nowMs: Date.UTC(2026, 0, 1) };
const at = (age: number): string => new Date(time.nowMs - age).toISOString();
const row = { section: 'inbound', tier: '7', id: 'web' } as const;

test('a row that stands at two ranks, since its section waits to be confirmed, has the hits of both', () => {
  const slots = new Map([
    [300, { packets: 3n, bytes: 300n, lastHitJiffies: 900n }],
    [301, { packets: 1n, bytes: 60n, lastHitJiffies: 901n }],
    [400, { packets: 4n, bytes: 400n, lastHitJiffies: 950n }],
  ]);
  const ranks = [
    { ...row, rank: 300, action: 'limit' },
    { ...row, rank: 400, action: 'allow' },
  ] as const;
  for (const order of [ranks, [...ranks].reverse()]) {
    const { rules, verdicts } = nameFigures(slots, order, time);
    expect(rules).toEqual({
      'inbound/web': { packets: 7n, bytes: 700n, lastHit: at(500) },
      'inbound/web/refused': { packets: 1n, bytes: 60n, lastHit: at(990) },
    });
    expect(verdicts).toEqual({ allow: { packets: 7n, bytes: 700n }, deny: { packets: 1n, bytes: 60n } });
  }
});

test('one that was hit at neither has no last hit', () => {
  const ranks = [300, 400].map((rank) => ({ ...row, rank, action: 'allow' as const }));
  expect(nameFigures(new Map(), ranks, time).rules).toEqual({
    'inbound/web': { packets: 0n, bytes: 0n, lastHit: null },
  });
});

test('a row that is told already is left out where it has counted nothing, and where it has it is not', () => {
  const slots = new Map([[301, { packets: 3n, bytes: 300n, lastHitJiffies: 900n }]]);
  const ranks = [
    { ...row, rank: 300, action: 'allow' },
    { ...row, id: 'hit', rank: 301, action: 'deny' },
    { ...row, id: 'new', rank: 302, action: 'deny' },
  ] as const;
  const { rules, verdicts } = nameFigures(slots, ranks, time, (place) => place < 2);
  expect(Object.keys(rules)).toEqual(['inbound/hit', 'inbound/new']);
  expect(verdicts).toEqual(nameFigures(slots, ranks, time).verdicts);
});

test.each([
  ['just now', 0n, 0],
  ['before times came round', 6_400n, 64_000],
  ['after the clock was read, which is now', -64n, 0],
])('a last hit %s', (_, behind, age) => {
  const jiffies = 5n * HIT_ROUND + 1_000n;
  const slots = new Map([[300, { packets: 1n, bytes: 60n, lastHitJiffies: (jiffies - behind) % HIT_ROUND }]]);
  const named = nameFigures(slots, [{ ...row, rank: 300, action: 'allow' }], {
    ...time,
    clock: { ...time.clock, jiffies },
  });
  expect(named.rules['inbound/web'].lastHit).toBe(at(age));
});
