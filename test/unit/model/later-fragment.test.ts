import { laterMatch, laterRows, looksOnlyAtLater } from '../../../src/model/later-fragment';
import { ANY } from '../../../src/model/match';
import type { Rule } from '../../../src/model/ruleset';
import { parseRuleset } from '../../../src/parse/parse';

const rules = (...rows: string[]): Rule[] => {
  const { ruleset, diagnostics } = parseRuleset(`version: 1\nguard: { rules: ${JSON.stringify(rows)} }\n`, {
    file: 'r.yaml',
  });
  if (!ruleset) throw new Error(JSON.stringify(diagnostics));
  return [...ruleset.guard.rules];
};
const certainty = (row: string): (boolean | null)[] =>
  ([4, 6] as const).map((family) => laterMatch(rules(row)[0].match, family)?.isCertain ?? null);

test.each([
  ['deny from any', true, true],
  ['deny from 192.0.2.0/24', true, true],
  ['deny from any family ipv6', null, true],
  ['deny from any proto udp', true, false],
  ['deny from any proto gre', true, false],
  ['deny 53/udp', false, false],
  ['deny from any port 53 to any', false, false],
  ['deny from any proto icmp icmp-type echo-reply', false, null],
  ['deny from any proto icmpv6 icmp-type echo-reply', null, false],
])('%s: IPv4 certain %p, IPv6 %p', (row, four, six) => {
  expect(certainty(row)).toEqual([four, six]);
});

test('what is left of a match: addresses, and protocols over IPv4', () => {
  const [{ match }] = rules('deny from 192.0.2.0/24 to any port 53 proto udp');
  expect(laterMatch(match, 4)!.match).toMatchObject({ family: 4, protocols: [17], toPorts: ANY, from: match.from });
  expect(laterMatch(match, 6)!.match).toMatchObject({ family: 6, protocols: ANY, toPorts: ANY });
  // Ports without a protocol are those of TCP and UDP: no other packet can match.
  expect(laterMatch({ ...match, protocols: ANY }, 4)!.match.protocols).not.toContain(47);
});

test('lists that are empty or contradict one another match nothing', () => {
  const [{ match }] = rules('deny 53/udp');
  expect(laterMatch({ ...match, toPorts: [] }, 4)).toBeNull();
  expect(laterMatch({ ...match, protocols: [] }, 6)).toBeNull();
  expect(laterMatch({ ...match, protocols: [47] }, 6)).toBeNull();
});

test('rows that may refuse are left out, rows that may let through are not, those that are off neither count', () => {
  const rows = rules('allow from any to any port 53', 'deny 54', 'deny from 192.0.2.1', 'deny from any proto udp');
  const off = { ...rows[2], enabled: false };
  const texts = (list: readonly Rule[], family: 4 | 6): string[] =>
    laterRows(list, (rule) => rule, family).map(({ row }) => row.text);
  expect(texts([...rows, off], 4)).toEqual(['allow 53', 'deny from 192.0.2.1', 'deny from any proto udp']);
  expect(texts(rows, 6)).toEqual(['allow 53', 'deny from 192.0.2.1']);
  expect(looksOnlyAtLater(rows)).toBe(false);
  expect(looksOnlyAtLater(rows.slice(2, 3))).toBe(true);
  expect(looksOnlyAtLater([{ ...rows[0], enabled: false }])).toBe(true);
});
