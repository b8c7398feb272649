/** What is found in servers, and what a change of one does to which packets. */
import { analyse } from '../../../src/analyse/analyse';
import { findDifference } from '../../../src/analyse/difference';
import { explainByModel } from '../../../src/analyse/explain';
import { findLockout } from '../../../src/analyse/lockout';
import { ReachMap } from '../../../src/analyse/reach';
import type { Ruleset } from '../../../src/model/ruleset';
import { parseRuleset } from '../../../src/parse/parse';
import { expectationProblems, prefix } from '../../support/findings';

const edge = (servers: string, more = ''): Ruleset => {
  const text = `version: 1\ninbound: { ssh: { port: 22, from: anyone } }\n${more}servers:\n${servers}`;
  const { ruleset, diagnostics } = parseRuleset(text, { file: 'rules.yaml' });
  if (!ruleset) throw new Error(JSON.stringify(diagnostics));
  return ruleset;
};
const found = (ruleset: Ruleset): string[] =>
  analyse(ruleset).map(({ severity, code, message }) => `${severity} ${code} ${message}`);
const gpu = (rest: string): string => `  gpu: { address: 198.51.100.7, ports: 14500-14599, ${rest} }\n`;
const key = (source: string, destination: string, port: number, protocol = 6) => ({
  ...({ family: 4, source: prefix(source).words, destination: prefix(destination).words } as const),
  ...{ protocol, sourcePort: 40000, destinationPort: port },
});

describe('lints', () => {
  test.each([
    ['rules: [allow from 192.0.2.0/24 to any port 14511]', []],
    [
      'rules: [allow 14999/tcp]',
      [
        /^error lint\/outside-server gpu rule 1 "allow 14999\/tcp" never matches: 14999 is not this server's, which has 14500:14599/,
      ],
    ],
    [
      'rules: [allow 14590:14610/tcp]',
      [/^warning lint\/outside-server gpu rule 1 .* reaches beyond its server: 14590:14610/],
    ],
    [
      'rules: [allow from any to 198.51.100.8 port 14511]',
      [/^error lint\/outside-server .*198\.51\.100\.8 is not this server's, which has 198\.51\.100\.7/],
    ],
    ['rules: [deny from any to 198.51.100.0/24]', [/^warning lint\/outside-server .*198\.51\.100\.0\/24/]],
    ['rules: [allow proto icmp]', [/^error lint\/outside-server .*TCP and UDP only/]],
    ['ssh: { port: 22, from: anyone }', [/^error lint\/outside-server the SSH port of "gpu" is 22/]],
    ['ssh: { port: 14541, from: rules }', [/^warning lint\/no-ssh .*"gpu"/]],
    ['udp: off, rules: [allow 14511/udp]', [/^error lint\/udp-off gpu rule 1/]],
    [
      'rules: [deny 14511, allow from 192.0.2.0/24 to any port 14511]',
      [/^warning lint\/shadowed gpu rule 2 .* gpu rule 1/],
    ],
    // Narrowed to the server both rows are about the same packets.
    ['rules: [deny from any, allow 14500:14599]', [/^warning lint\/shadowed gpu rule 2/]],
    // The server has no IPv6 that a row for IPv4 alone could leave open.
    ['default: allow, rules: [deny from 0.0.0.0/0 to any port 14511]', []],
  ])('%s', (rest, expected) => {
    const findings = found(edge(gpu(rest)));
    expect(findings).toHaveLength(expected.length);
    expected.forEach((pattern, i) => expect(findings[i]).toMatch(pattern));
  });

  test('a server with IPv6 is asked for the twin', () => {
    const both =
      '  web: { address: [198.51.100.8, "2001:db8::8"], default: allow, rules: [deny from 0.0.0.0/0 to any port 80] }\n';
    expect(found(edge(both))).toEqual([expect.stringMatching(/^error lint\/ipv4-only-any .*web rule 1/)]);
  });

  test('a row about a family of which the server has no address', () => {
    const rows = (row: string, address = '198.51.100.8'): string[] =>
      found(edge(`  web: { address: ${address}, rules: ["${row}", allow from any to any port 81 proto tcp] }\n`));
    const never = [
      expect.stringMatching(/^warning lint\/never-matches web rule 1 .*about IPv6, and this server has IPv4 alone/),
    ];
    expect(rows('allow from 2001:db8::/32 to any port 80')).toEqual(never);
    expect(rows('allow from any to any port 80 family ipv6')).toEqual(never);
    expect(rows('allow from 2001:db8::/32 to any port 80', '[198.51.100.8, "2001:db8::8"]')).toEqual([]);
  });

  test('keep-reachable without destination must not open servers', () => {
    const kept = (entry: string, servers = gpu('rules: []')): string[] =>
      found(edge(servers, `guard: { keep-reachable: [{ from: 192.0.2.0/24, ${entry} }] }\n`)).filter((text) =>
        text.includes('keep-reachable'),
      );
    // Port 22 of the shared address is no server's.
    expect(kept('port: 22/tcp')).toEqual([]);
    const opened = [
      expect.stringMatching(/^error lint\/kept-servers .*would open server "gpu" \(198\.51\.100\.7\) too/),
    ];
    expect(kept('port: 14511/tcp')).toEqual(opened);
    expect(kept('port: 22/tcp', '  gpu: { address: 198.51.100.7 }\n')).toEqual(opened);
    expect(kept('port: 14511/tcp, to: 198.51.100.7')).toEqual([]);
    expect(kept('port: 22/tcp', '  gpu: { address: "2001:db8::7" }\n')).toEqual([]);
  });

  test('an SSH row for some only, under a default that lets in everybody', () => {
    const open = (rest: string): string[] =>
      found(edge(gpu(`default: allow, ssh: { port: 14541, from: rules }${rest}`)));
    expect(open('')).toEqual([expect.stringMatching(/^warning lint\/no-ssh .*"gpu"/)]);
    expect(open(', rules: [allow from 192.0.2.0/24 to any port 14541]')).toEqual([]);
  });

  test('owners who may have more, all together, than there is', () => {
    const told = (count: number, owner: string): string[] => {
      const server = (i: number): string => `  s${i}: { address: 198.18.${i >> 8}.${i & 255}, owner: { ${owner} } }\n`;
      return found(edge(Array.from({ length: count }, (_, i) => server(i)).join(''))).filter((text) =>
        text.includes('owner-quotas'),
      );
    };
    expect(told(200, 'group: 1')).toEqual([]);
    expect(told(201, 'group: 1')).toEqual([
      expect.stringMatching(
        /^note lint\/owner-quotas the owners of 201 servers may have 100500 rules in all, and there is room for 100000/,
      ),
    ]);
    expect(told(201, 'group: 1, rules: 497')).toEqual([]);
    expect(told(21, 'group: 1, entries: 100000')).toEqual([
      expect.stringMatching(/may have 2100000 entries \(addresses times ports\) in all, and there is room for 2097152/),
    ]);
  });

  test('rows of inbound inside servers', () => {
    const rows = (row: string): string[] => found(withInbound(row));
    expect(rows('allow from any to 198.51.100.7 port 14511 proto tcp')).toEqual([
      expect.stringMatching(/^warning lint\/inside-servers rule 1 .* belongs to server gpu,/),
    ]);
    expect(rows('allow from any to 198.51.100.7 port 14599:14600 proto tcp')).toEqual([]);
    expect(rows('allow from any to 198.51.100.7 proto icmp icmp-type 13')).toEqual([]);
  });

  function withInbound(row: string): Ruleset {
    const text = `version: 1\ninbound: { ssh: { port: 22, from: anyone }, rules: ["${row}"] }\nservers:\n${gpu('rules: []')}`;
    return parseRuleset(text, { file: 'rules.yaml' }).ruleset!;
  }
});

describe('what follows from servers', () => {
  const before = edge(
    `${gpu('rules: [{ id: web, action: allow, port: 14511/tcp }]')}  box: { address: 198.51.100.8, rules: [{ id: web, action: allow, port: 80 }] }\n`,
  );
  const after = edge(
    `${gpu('rules: [{ id: web, action: deny, port: 14511/tcp }]')}  box: { address: 198.51.100.8, rules: [{ id: web, action: allow, port: 80 }] }\n`,
  );

  test('a change of one server changes its packets, and only these', () => {
    const { changes, isExact } = findDifference(before, after);
    expect(isExact).toBe(true);
    expect(changes.map(({ from, to, examples }) => [from.key, to.key, examples.length])).toEqual([
      ['allow', 'deny', 1],
    ]);
    const [{ key: packet, after: decision }] = changes[0].examples;
    expect(packet).toMatchObject({ destination: prefix('198.51.100.7').words, destinationPort: 14511, protocol: 6 });
    expect(decision).toMatchObject({ section: 'gpu', rule: 'web', tier: '7' });
    expect(findDifference(before, before).changes).toEqual([]);
  });

  test('a server that comes takes its packets from inbound', () => {
    const open = { ...before, inbound: { ...before.inbound, default: 'allow' as const } };
    const { changes } = findDifference({ ...open, servers: [] }, open);
    expect(changes.map(({ from, to }) => `${from.key} ${to.key}`)).toEqual(['allow deny']);
  });

  test('expectations are about the rows of the owner', () => {
    const expecting = (line: string): string[] =>
      expectationProblems(
        edge(gpu('rules: [allow from 192.0.2.0/24 to any port 14511]'), `expect: ["${line}"]\n`),
      ).flatMap(({ notes }) => notes.map(({ message }) => message));
    expect(expecting('allow tcp from 192.0.2.9 to 198.51.100.7 port 14511')).toEqual([]);
    expect(expecting('deny tcp from 192.0.3.9 to 198.51.100.7 port 14511')).toEqual([]);
    expect(expecting('deny udp from 192.0.2.9 to 198.51.100.7 port 14511')).toEqual([]);
    expect(expecting('allow tcp from 192.0.3.9 to 198.51.100.7 port 14511')).toEqual([
      expect.stringContaining('the default of gpu decides "deny"'),
    ]);
    expect(expecting('allow tcp to 198.51.100.7 port 22')).toEqual([]);
  });

  test('explain, lock-out and reach ask the owner', () => {
    const packet = { ...key('192.0.2.9', '198.51.100.7', 14512), hopLimit: 64, fragment: 'none' } as const;
    const { decision, steps } = explainByModel(before, packet);
    expect(decision).toMatchObject({ section: 'gpu', tier: '9', reason: 'default' });
    expect(steps.map(({ rule, number }) => [rule, number])).toEqual([['web', 1]]);
    const connection = { key: key('192.0.2.9', '198.51.100.7', 14511), description: 'your SSH session' };
    expect(findLockout(before, [connection])).toEqual([]);
    const [lockout] = findLockout(after, [connection]);
    expect(lockout.message).toContain('gpu rule 1 "deny 14511/tcp"');
    expect(lockout.fix).toBe('write as the first row of gpu: allow from 192.0.2.9 to any port 14511 proto tcp');
    const door = (port: number, protocol: 'tcp' | 'udp' = 'tcp') =>
      ({ family: 4, protocol, port, addresses: [prefix('198.51.100.7')] }) as const;
    const doors = [door(14511), door(14512), door(14511, 'udp'), door(22)];
    const map = new ReachMap(before, doors);
    expect(doors.map((each) => map.of(each)!.sources.everyoneBut)).toEqual([true, false, false, true]);
  });
});
