import { eventFactor, eventWindow } from '../../../src/load/event-caps';

test.each([
  [100, 1.28],
  [250, 1.024],
  [300, 0.853],
  [1000, 1.024],
])('at %i ticks a second a window is %d seconds', (hz, seconds) => {
  expect(2 ** eventWindow(hz) / hz).toBeCloseTo(seconds, 2);
});

test('the factor is odd, follows from the seed, and differs from seed to seed', () => {
  const factors = [1, 2, 3].map((byte) => eventFactor(new Uint8Array(8).fill(byte)));
  expect(new Set(factors).size).toBe(3);
  for (const factor of factors) expect(factor & 1n).toBe(1n);
  expect(eventFactor(new Uint8Array(8).fill(1))).toBe(factors[0]);
});
