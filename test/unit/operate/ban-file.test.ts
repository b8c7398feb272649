import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Ban, readBans, writeBans } from '../../../src/operate/ban-file';
import { stateFolder, writeStateFile } from '../../../src/operate/state-files';
import { prefixOf } from '../../support/ban-stand';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'slc-bans-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

const NOW = Date.UTC(2027, 0, 31);
const banOf = (text: string, untilMs: number | null = null): Ban => {
  return { prefix: prefixOf(text), untilMs, packets: 7n, lastHitMs: NOW - 5000 };
};

test('what was written is read again, without what has ended', () => {
  const folder = stateFolder('host', directory);
  const bans = [banOf('192.0.2.1', NOW + 60_000), banOf('2001:db8::/64'), banOf('0.0.0.0/0', NOW + 10_000)];
  expect(readBans(folder, NOW)).toEqual({ value: null });
  writeBans(folder, bans, NOW);
  expect(readBans(folder, NOW)).toEqual({ value: bans });
  expect(readBans(folder, NOW + 10_000).value).toEqual(bans.slice(0, 2));
  expect(readBans(folder, NOW + 60_000).value).toEqual([bans[1]]);
});

test('a clock that was set back makes no ban longer', () => {
  const folder = stateFolder('host', directory);
  writeBans(folder, [banOf('192.0.2.1', NOW + 60_000)], NOW);
  const past = Date.UTC(1970, 0, 1);
  expect(readBans(folder, past).value).toMatchObject([{ untilMs: past + 60_000 }]);
});

test.each([
  ['no list', { savedAtMs: NOW }],
  ['no time', { bans: [] }],
  ['not a prefix', { savedAtMs: NOW, bans: [['192.0.2.300', null, '0', null]] }],
  ['a time that is none', { savedAtMs: NOW, bans: [['192.0.2.1', 'soon', '0', null]] }],
  ['a count that is none', { savedAtMs: NOW, bans: [['192.0.2.1', null, '-1', null]] }],
  ['a line that is none', { savedAtMs: NOW, bans: [null] }],
])('%s: set aside, with a warning', (_name, body) => {
  const folder = stateFolder('host', directory);
  writeStateFile(folder, 'bans.json', 1, body);
  expect(readBans(folder, NOW)).toMatchObject({ value: null, warning: expect.stringContaining('set aside') as string });
});
