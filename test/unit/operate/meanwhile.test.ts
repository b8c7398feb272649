/** What is made while something else is waited for. */
import { setImmediate as turn } from 'node:timers/promises';
import { meanwhile } from '../../../src/operate/meanwhile';

test.each([
  ['begun', false],
  ['at the next turn', true],
])('%s it is made once, before it is taken', async (_, soon) => {
  const make = jest.fn(() => 7);
  const { begin, take } = meanwhile(make, { soon });
  await turn();
  expect(make).toHaveBeenCalledTimes(soon ? 1 : 0);
  begin();
  expect(make).toHaveBeenCalledTimes(1);
  expect([take(), take()]).toEqual([7, 7]);
  expect(make).toHaveBeenCalledTimes(1);
});

test('taken first, it is made then, and not again', async () => {
  const make = jest.fn(() => 7);
  const { begin, take } = meanwhile(make, { soon: true });
  expect(take()).toBe(7);
  begin();
  await turn();
  expect(make).toHaveBeenCalledTimes(1);
});

test('a failure is told to whoever takes it', () => {
  const { begin, take } = meanwhile(
    () => {
      throw new Error('no room');
    },
    { soon: false },
  );
  begin();
  expect(take).toThrow('no room');
});
