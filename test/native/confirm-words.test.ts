/** Words of sections that wait: what is confirmed was in time when it was stored, or it is as it was. */
import { ConfirmStand } from '../support/confirm-stand';

const WORD = 7;
const DEADLINE = 1000n;

let stand: ConfirmStand;

beforeEach(async () => {
  stand = await ConfirmStand.create();
  stand.words.set(WORD, DEADLINE);
});
afterEach(() => {
  stand.close();
});

/** A clock that has passed on each time it is asked. */
const clock = (...times: readonly bigint[]): (() => bigint) => {
  const left = [...times];
  return () => left.shift()!;
};

test('in time before and after', () => {
  expect(stand.words.confirm(WORD, DEADLINE, clock(998n, 999n))).toBe(true);
  expect(stand.words.get(WORD)).toBe('confirmed');
});

test.each([
  ['too late', [1000n]],
  ['too late when it is stored', [999n, 1000n]],
])('%s it waits as before, and is over', (_, times) => {
  expect(stand.words.confirm(WORD, DEADLINE, clock(...times))).toBe(false);
  expect(stand.words.get(WORD)).toBe(DEADLINE);
});

test.each(['taken-back', 'free', 2000n] as const)('what another has made of it meanwhile stays: %s', (value) => {
  stand.words.set(WORD, value);
  expect(stand.words.confirm(WORD, DEADLINE, clock(998n, 999n))).toBe(false);
  expect(stand.words.get(WORD)).toBe(value);
});

test('words of an older map: what waits goes on waiting, what was ended stays so', () => {
  const words = [0n, 4001n, 1n, 2n ** 64n - 1n];
  stand.words.adopt(words, 8);
  expect([0, 1, 2, 3].map((word) => stand.words.get(word))).toEqual(['free', 4000n, 'taken-back', 'confirmed']);
  // Since then an odd one was taken back.
  stand.words.adopt(words, 9);
  expect([0, 1, 2, 3].map((word) => stand.words.get(word))).toEqual(['free', 'taken-back', 'taken-back', 'confirmed']);
  expect(stand.words.get(WORD)).toBe(DEADLINE);
});
