/** How many jiffies a second has is measured once for a whole state: right at the first try, also where ticks come late. */
import { measureHz, readClock } from '../../src/kernel/clock';
import { kernel } from '../../src/kernel/native';

test('jiffies go with the clock that the same ticks move, so that the rate is the same each time', async () => {
  const hz = await measureHz(kernel());
  const first = await readClock(kernel());
  for (let i = 0; i < 20; i++) {
    const { jiffies, tickNs } = await readClock(kernel());
    // A tick may come between the two.
    const passed = (Number(tickNs - first.tickNs) * hz) / 1e9;
    expect(Math.abs(passed - Number(jiffies - first.jiffies))).toBeLessThan(1.5);
  }
  for (let i = 0; i < 5; i++) expect(await measureHz(kernel())).toBe(hz);
});
