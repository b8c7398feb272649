import { sampleExpectations } from '../../../src/analyse/expect-samples';
import { describePacket } from '../../../src/analyse/packet-text';
import { parseRuleset } from '../../../src/parse/parse';

function samples(text: string, most = 64): string[][] {
  const { ruleset, diagnostics } = parseRuleset(text, { file: 'rules.yaml' });
  if (!ruleset) throw new Error(JSON.stringify(diagnostics));
  return sampleExpectations(ruleset, most).map(({ packets }) => packets.map(describePacket));
}

const RULES = `version: 1
inbound:
  rules:
    - allow from 10.0.0.0/8 to any port 80 proto tcp
    - allow from 192.0.2.0/24 to any port 80:90 proto tcp
`;

test('a witness of each row that decides, then both ends of what is described', () => {
  expect(samples(`${RULES}expect: [allow tcp from 192.0.2.0/25 to 9.9.9.9 port 80:85]\n`)).toEqual([
    [
      'tcp from 192.0.2.9 port 40000 to 9.9.9.9 port 80',
      'tcp from 192.0.2.0 port 1 to 9.9.9.9 port 80',
      'tcp from 192.0.2.127 port 65535 to 9.9.9.9 port 85',
    ],
  ]);
  const [both] = samples(`${RULES}expect: [allow tcp from 0.0.0.0/0 to 9.9.9.9 port 80]\n`);
  expect(both.slice(0, 3)).toEqual([
    'tcp from 192.0.2.9 port 40000 to 9.9.9.9 port 80',
    'tcp from 10.0.0.0 port 40000 to 9.9.9.9 port 80',
    'tcp from 198.51.100.9 port 40000 to 9.9.9.9 port 80',
  ]);
});

test('both families, each familiar protocol, and both ends of ICMP', () => {
  const [all] = samples(`${RULES}expect: [deny from any to any]\n`);
  for (const expected of [
    'tcp from 255.255.255.255 port 65535 to 255.255.255.255 port 65535',
    'udp from 0.0.0.0 port 1 to 0.0.0.0 port 1',
    'icmp type 255 code 255 from 255.255.255.255 to 255.255.255.255',
    'tcp from :: port 1 to :: port 1',
    'icmpv6 type 255 code 255 from ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff to ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
  ]) {
    expect(all).toContain(expected);
  }
});

test('no more than asked for, none twice, and none of what no expectation is about', () => {
  const [few] = samples(`${RULES}expect: [deny from any to any]\n`, 3);
  expect(few).toHaveLength(3);
  const [errors] = samples(`${RULES}expect: [deny icmp from any to any]\n`, 1000);
  expect(new Set(errors).size).toBe(errors.length);
  expect(errors.length).toBeGreaterThan(0);
  // Type 5 is no error, and lies between two that are.
  const [between] = samples(`${RULES}expect: [{ verdict: deny, proto: icmp, icmp-type: [3, 5, 11] }]\n`);
  expect(between.map((text) => text.split(' from ')[0])).toContain('icmp type 5');
  expect(errors.filter((text) => / type (3|11|12) /.test(text))).toEqual([]);
});
