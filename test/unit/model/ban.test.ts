import { banOfAddress, isBanned, longestNesting } from '../../../src/model/ban';
import { formatPrefix, type Prefix } from '../../../src/model/prefix';
import { prefixOf } from '../../support/ban-stand';

const bansOf = (...texts: string[]): Prefix[] => texts.map(prefixOf);
const asked = (text: string): { family: 4 | 6; source: readonly number[] } => {
  const { family, words } = prefixOf(text);
  return { family, source: words };
};

test('a source is banned where any ban holds it, of its family only', () => {
  const bans = bansOf('10.0.0.0/8', '10.1.2.3', '2001:db8::/64');
  expect(['10.1.2.3', '10.255.0.1', '2001:db8::1'].map((text) => isBanned(bans, asked(text)))).toEqual([
    true,
    true,
    true,
  ]);
  expect(['11.0.0.1', '2001:db8:0:1::1'].map((text) => isBanned(bans, asked(text)))).toEqual([false, false]);
  expect(isBanned(bansOf('::/0'), asked('192.0.2.1'))).toBe(false);
  expect(isBanned([], asked('192.0.2.1'))).toBe(false);
});

test('an IPv6 address stands for its /64 unless it is meant exactly', () => {
  const banned = (text: string, exact = false): string => formatPrefix(banOfAddress(prefixOf(text), exact));
  expect(banned('2001:db8:1:2:3::4')).toBe('2001:db8:1:2::/64');
  expect(banned('2001:db8:1:2:3::4', true)).toBe('2001:db8:1:2:3::4');
  expect(banned('2001:db8::/96')).toBe('2001:db8::/96');
  expect(banned('192.0.2.1')).toBe('192.0.2.1');
});

test('the longest nesting is a chain, each prefix inside the one before', () => {
  const chain = (...texts: string[]): string[] => longestNesting(bansOf(...texts)).map(formatPrefix);
  expect(chain()).toEqual([]);
  expect(chain('10.1.2.3', '10.0.0.0/8', '10.1.0.0/16', '10.2.0.0/16', '11.0.0.0/8')).toEqual([
    '10.0.0.0/8',
    '10.1.0.0/16',
    '10.1.2.3',
  ]);
  // Neighbours do not count, however many; families never mix.
  expect(chain('0.0.0.0/1', '128.0.0.0/1', '::/0', '8000::/1')).toEqual(['::/0', '8000::/1']);
});
