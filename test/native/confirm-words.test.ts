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
