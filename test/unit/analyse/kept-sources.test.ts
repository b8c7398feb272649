/** Which prefixes hold, or lie in, a source that is kept reachable; by trying every entry as well. */
import { KeptSources } from '../../../src/analyse/kept-sources';
import { ANY } from '../../../src/model/match';
import { prefixCovers } from '../../../src/model/prefix';
import { NO_GUARD, type Rule } from '../../../src/model/ruleset';
import { prefix, rule } from '../../support/findings';

const kept = (...entries: Rule[]): KeptSources => new KeptSources({ ...NO_GUARD, keepReachable: entries });
const admins = rule(1, 'allow', { from: ['203.0.113.7', '198.51.100.0/24', '2001:db8:5::1'] });

test.each([
  ['203.0.113.7', true],
  ['203.0.113.0/24', true],
  ['0.0.0.0/0', true],
  ['198.51.100.9', true],
  ['198.51.100.128/25', true],
  ['2001:db8:5::/64', true],
  ['203.0.113.8', false],
  ['203.0.113.8/29', false],
  ['198.51.101.0/24', false],
  ['2001:db8:5:1::/64', false],
  ['2001:db8:5::2', false],
])('%s: %s', (text, expected) => {
  expect(kept(admins).entryIn(prefix(text))).toBe(expected ? admins : null);
});

test('an entry for everybody names nobody; one that is off, or of the other family, keeps nothing', () => {
  const entries = [
    rule(1, 'allow', { port: [22] }),
    rule(2, 'allow', { from: ['0.0.0.0/0'] }),
    { ...admins, enabled: false },
    rule(3, 'allow', { from: ['192.0.2.1'], family: 6 }),
  ];
  expect(entries[0].match.from).toBe(ANY);
  for (const text of ['203.0.113.7', '192.0.2.1', '0.0.0.0/0'])
    expect(kept(...entries).entryIn(prefix(text))).toBeNull();
});

test('nested and neighbouring entries by the hundred: as trying each of them', () => {
  let seed = 7;
  const random = (below: number): number => ((seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff) >>> 8) % below;
  const some = (): string => `10.${random(256)}.${random(256)}.${random(256)}/${17 + random(16)}`;
  const entries = Array.from({ length: 1000 }, (_, i) => rule(i + 1, 'allow', { from: [some()] }));
  const sources = kept(...entries);
  let held = 0;
  for (let i = 0; i < 2000; i++) {
    const tried = prefix(some());
    const meets = ({ match }: Rule): boolean =>
      match.from !== ANY && match.from.some((from) => prefixCovers(from, tried) || prefixCovers(tried, from));
    const found = sources.entryIn(tried);
    expect(found !== null).toBe(entries.some(meets));
    if (found) expect([held++, meets(found)][1]).toBe(true);
  }
  expect(held).toBeGreaterThan(100);
  expect(held).toBeLessThan(1990);
});
