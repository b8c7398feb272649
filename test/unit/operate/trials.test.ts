import type { TrialPlan } from '../../../src/operate/trials';
import { freeWordAmong, PROVIDERS_WORDS, waitsAlone } from '../../../src/operate/trials';

const first = (n: number): Set<number> => new Set(Array.from({ length: n }, (_, i) => i + 1));

test('owners leave words to their provider, who has all there are', () => {
  expect(freeWordAmong(new Set([1, 3]), PROVIDERS_WORDS)).toBe(2);
  expect(freeWordAmong(first(199), PROVIDERS_WORDS)).toBe(200);
  expect(freeWordAmong(first(200), PROVIDERS_WORDS)).toBeUndefined();
  expect(freeWordAmong(first(254), 0)).toBe(255);
  expect(freeWordAmong(first(255), 0)).toBeUndefined();
});

test('a change waits alone where nothing but its server begins to wait with it', () => {
  const plan = (alone: boolean, ...trials: [string, number][]): TrialPlan =>
    ({
      ...{ alone, begin: [{ word: 7, ns: 1n }] },
      trials: trials.map(([name, word]) => ({ previous: { name }, word })),
    }) as unknown as TrialPlan;
  expect(waitsAlone(plan(true, ['green', 1], ['red', 7]), 'red')).toBe(true);
  expect(waitsAlone(plan(true, ['green', 7], ['red', 7]), 'red')).toBe(false);
  expect(waitsAlone(plan(false), 'red')).toBe(false);
});
