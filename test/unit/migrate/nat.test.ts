/** NAT tables as the tools of a real machine listed them: `rules.nft` as nft 1.0.6 prints it, iptables 1.8.9 beside it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatDrift, formatProposal, formatSplit } from '../../../src/cli/format-nat';
import { parseIptablesNat } from '../../../src/migrate/iptables-nat';
import type { NatRule } from '../../../src/migrate/nat-rule';
import { findNatDrift, forwardedBy, proposeServers, unownedOf } from '../../../src/migrate/nat-servers';
import { parseNftNat } from '../../../src/migrate/nft-nat';
import type { Server } from '../../../src/model/ruleset';
import { checkRuleset } from '../../../src/operate/check';
import { prefix } from '../../support/findings';

const fixture = (name: string): string => readFileSync(join(__dirname, '../../fixtures/nat', name), 'utf8');
const own = (device?: string): ReturnType<typeof prefix>[] =>
  device === undefined || device === 'eth0' ? [prefix('192.0.2.1'), prefix('2001:db8::1')] : [];
const serversOf = (text: string): readonly Server[] => {
  const { ruleset, diagnostics } = checkRuleset('rules.yaml', `version: 1\n${text}`);
  expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
  return ruleset!.servers ?? [];
};
const iptables = (...lines: string[]): ReturnType<typeof parseIptablesNat> =>
  parseIptablesNat(`*nat\n:PREROUTING ACCEPT [0:0]\n${lines.join('\n')}\nCOMMIT\n`, 4);
const brief = ({ to, ports, target, targetPort, protocols, device }: NatRule): unknown[] => [
  to === 'own' ? (device ?? 'own') : to.map(({ words }) => words),
  ports?.map(({ first, last }) => [first, last]),
  protocols,
  target,
  ...(targetPort === undefined ? [] : [targetPort]),
];

test('nft: matches, sets, maps, chains; what is no DNAT of one address is left out and named', () => {
  const { rules, unread, ofIptables } = parseNftNat(fixture('nft.json'));
  const a7 = [[0xc6336407]];
  const a9 = [[0xc6336409]];
  expect(rules.map(brief)).toEqual([
    ['eth0', [[1080, 1080]], [6], '10.0.1.2', 80],
    ['eth0', [[1022, 1022]], [6], '10.0.1.2', 22],
    [a7, [[14500, 14599]], [6, 17], '10.0.0.17'],
    [[[0xc6336400]], [[443, 443]], [6], '10.0.0.20'],
    [a7, [[5001, 5001]], [6], '10.0.0.5', 22],
    [a7, [[5002, 5002]], [6], '10.0.0.5', 80],
    [[[0xc6336414]], [[25, 25]], [6], '10.0.0.40'],
    [[[0xc6336415]], [[25, 25]], [6], '10.0.0.41'],
    [a9, [[7000, 7009]], [6], '10.0.0.7'],
    [
      a9,
      [
        [7000, 7000],
        [7005, 7006],
      ],
      [17],
      '10.0.0.8',
    ],
    [[[0xc633640a]], undefined, [6, 17], '10.0.0.10'],
    ['own', [[8080, 8080]], [6], '172.17.0.2', 80],
    [[[0x20010db8, 0, 0, 7]], [[1022, 1022]], [6], 'fd00:1::2', 22],
  ]);
  expect(unread).toEqual([
    { words: 'ip more pre handle 20', why: 'it is about all but some ports' },
    { words: 'ip more pre handle 21', why: 'it sends to more than one address' },
  ]);
  expect(ofIptables).toBe(2);
});

test('iptables: lists of ports, chains, devices that are left out', () => {
  const { rules, unread } = parseIptablesNat(fixture('iptables.txt'), 4);
  expect(rules.map(brief)).toEqual([
    [
      [[0xcb007105]],
      [
        [80, 80],
        [443, 443],
        [1000, 1010],
      ],
      [6],
      '10.0.0.30',
    ],
    ['own', [[8081, 8081]], [6], '172.17.0.3', 81],
  ]);
  expect(unread).toEqual([]);
});

test.each([
  ['-A PREROUTING ! -d 198.51.100.7/32 -p tcp --dport 80 -j DNAT --to-destination 10.0.0.1', /^"! -d .*" is not/],
  ['-A PREROUTING -p tcp -m tcp ! --dport 80 -j DNAT --to-destination 10.0.0.1', /^"! --dport 80" is not/],
  ['-A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.0.0.1-10.0.0.9', /is not one address/],
  ['-A PREROUTING -p icmp -j DNAT --to-destination 10.0.0.1', /"-p icmp" is not understood/],
  ['-A PREROUTING -p udp -j DNAT --to-destination 10.0.0.1', /all ports of one protocol/],
  ['-A PREROUTING -p 132 -j DNAT --to-destination 10.0.0.1', /neither TCP nor UDP/],
  ['-A PREROUTING -p tcp --dport 99999 -j DNAT --to-destination 10.0.0.1', /"--dport 99999" is not/],
])('what iptables says and no server can mean is left out: %s', (line, why) => {
  const { rules, unread } = iptables(line);
  expect(rules).toEqual([]);
  expect(unread).toEqual([{ words: line, why: expect.stringMatching(why) as string }]);
});

test('listings that are damaged, endless in themselves or of something else give nothing, or a SyntaxError', () => {
  expect(iptables('-A PREROUTING -j LOOP', '-A LOOP -j LOOP').rules).toEqual([]);
  expect(parseIptablesNat('*filter\n-A PREROUTING -j DNAT --to-destination 10.0.0.1\nCOMMIT\n', 4).rules).toEqual([]);
  for (const text of ['{}', '{"nftables": 7}', '{"nftables": [{"rule": {}}, {"chain": {}}, {"set": {"elem": 3}}]}'])
    expect(parseNftNat(text).rules).toEqual([]);
  expect(() => parseNftNat('table ip nat {')).toThrow(SyntaxError);
});

test('servers as the table suggests them: a ruleset that is valid as it stands, and that agrees with the table', () => {
  const tables = [parseNftNat(fixture('nft.json')), parseIptablesNat(fixture('iptables.txt'), 4)];
  const { forwarded, split } = forwardedBy(
    tables.flatMap(({ rules }) => rules),
    own,
  );
  const text = formatProposal(proposeServers(forwarded, new Set(['server-10-0-0-17'])));
  expect(text).toContain(`  server-10-0-0-17-2:
    address: 198.51.100.7
    ports: 14500-14599
    target: 10.0.0.17
    udp: on
    default: deny
    rules:
      # Translated and closed now; take the # away from what others may reach:
      # - allow 14500:14599        # 10.0.0.17, ip more pre handle 13
`);
  expect(text).toContain('    ssh: { port: 5001, from: rules }\n');
  const servers = serversOf(text);
  expect(servers.map(({ target, ports }) => [target, ports?.length])).toHaveLength(12);
  expect(findNatDrift(forwarded, servers)).toEqual([]);
  expect(unownedOf(forwarded, servers)).toEqual([]);
  // With the # taken away the rows are rows.
  const rows = serversOf(text.replace(/^( +)# - /gm, '$1- '));
  expect(rows.every(({ rules }) => rules.length > 0)).toBe(true);
  expect(split.map(formatSplit)).toEqual([
    expect.stringMatching(/^198\.51\.100\.9 port 7000: to 10\.0\.0\.7 .* and to 10\.0\.0\.8 /),
    expect.stringMatching(/^198\.51\.100\.9 ports 7005-7006: to 10\.0\.0\.7 /),
  ]);
});

test('the first translation decides; the same by TCP and UDP is one', () => {
  const { rules } = iptables(
    '-A PREROUTING -d 198.51.100.7 -p tcp --dport 80 -j DNAT --to-destination 10.0.0.1',
    '-A PREROUTING -d 198.51.100.7 -p tcp --dport 79:81 -j DNAT --to-destination 10.0.0.2',
    '-A PREROUTING -d 198.51.100.7 -p udp --dport 80 -j DNAT --to-destination 10.0.0.1',
  );
  const { forwarded, split } = forwardedBy(rules, own);
  expect(forwarded.map(({ ports, target }) => [target, ports.map(({ first }) => first)])).toEqual([
    ['10.0.0.1', [80]],
    ['10.0.0.2', [79, 81]],
  ]);
  expect(split).toEqual([]);
});

test('where servers and the table differ: unowned, elsewhere, nowhere; not a part of a range that is not used yet', () => {
  const { rules } = iptables(
    '-A PREROUTING -d 198.51.100.7 -p tcp --dport 1080 -j DNAT --to-destination 10.0.0.1:80',
    '-A PREROUTING -d 198.51.100.7 -p tcp --dport 2080 -j DNAT --to-destination 10.0.0.9:80',
    '-A PREROUTING -d 198.51.100.7 -p tcp --dport 5000:5009 -j DNAT --to-destination 10.0.0.5',
  );
  const servers = serversOf(`servers:
  red: { address: 198.51.100.7, ports: 1000-1099, target: 10.0.0.1 }
  green: { address: 198.51.100.7, ports: 2000-2099, target: 10.0.0.2 }
  blue: { address: 198.51.100.7, ports: "3000-3099,5003", target: 10.0.0.3 }
  grey: { address: 198.51.100.8, target: 10.0.0.4 }
  six: { address: "2001:db8::7", target: 10.0.0.4 }
  plain: { address: 198.51.100.9 }
`);
  expect(findNatDrift(forwardedBy(rules, own).forwarded, servers).map(formatDrift)).toEqual([
    'green says target 10.0.0.2, and NAT sends 198.51.100.7 port 2080 to 10.0.0.9',
    'blue says target 10.0.0.3, and NAT sends 198.51.100.7 port 5003 to 10.0.0.5',
    'no server owns 198.51.100.7 ports 5000-5002, 5004-5009, which NAT sends to 10.0.0.5: the rows of inbound judge it',
    'grey owns 198.51.100.8 ports 1-65535, and NAT sends none of it to 10.0.0.4',
  ]);
});
