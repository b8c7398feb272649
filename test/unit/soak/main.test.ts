import { baselineOf, findGrowth, readMinutes } from '../../soak/main';

const LINE = {
  ...{
    seconds: 60,
    changes: 50,
    usedMib: 50,
    daemonUsedMib: 20,
    rssMib: 200,
    daemonRssMib: 100,
    descriptors: 40,
    daemonDescriptors: 60,
    pins: 35,
  },
  ...{ maps: 40, programs: 10, frames: 1000, misjudged: 0, uncounted: 0 },
};

test('what stays as it was, or grows within its tolerance, is flat', () => {
  expect(findGrowth(LINE, { ...LINE, seconds: 120, changes: 100, rssMib: 210, descriptors: 42 })).toEqual([]);
  expect(findGrowth(LINE, { ...LINE, rssMib: 100, maps: 30 })).toEqual([]);
});

test.each([
  ['usedMib', 59, 'memory in use (MiB) grew from 50 to 59'],
  ['rssMib', 225, 'memory (MiB) grew from 200 to 225'],
  ['daemonDescriptors', 70, 'descriptors of the daemon grew from 60 to 70'],
  ['pins', 36, 'pins grew from 35 to 36'],
  ['maps', 70, 'maps of the firewall grew'],
  ['misjudged', 1, 'frames that another row counted grew from 0 to 1'],
  ['uncounted', 1, 'frames that none counted grew from 0 to 1'],
])('%s of %d is told', (name, value, words) => {
  expect(findGrowth(LINE, { ...LINE, [name]: value })).toEqual([expect.stringContaining(words)]);
});

test('resident memory is held against the most of the first quarter', () => {
  const lines = [200, 230, 210, 250, 251, 252, 253, 254].map((rssMib) => ({ ...LINE, rssMib }));
  expect(baselineOf(lines)).toEqual({ ...LINE, rssMib: 230 });
});

test('minutes are read, or refused with the usage', () => {
  expect(readMinutes([])).toBe(20);
  expect(readMinutes(['--minutes', '5'])).toBe(5);
  for (const words of [['--minutes'], ['--minutes', '1'], ['--minutes', 'x'], ['5']])
    expect(() => readMinutes(words)).toThrow(/usage: npm run soak/);
});
