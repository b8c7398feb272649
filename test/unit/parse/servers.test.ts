import { formatPrefix } from '../../../src/model/prefix';
import { findings, good, parse } from './support';

const edge = (servers: string): string => `version: 1\nservers:\n${servers}`;
const messages = (text: string): string[] => parse(text).diagnostics.map(({ message }) => message);

describe('servers', () => {
  test('addresses, ports, target, SSH row, switch, default, rows', () => {
    const { servers = [] } = good(
      edge(`  shop:
    address: [198.51.100.7, "2001:db8:7::/48", 198.51.101.0/24]
    ports: [14600-14699, "14500:14510", 14505-14520, 15000]
    target: 10.0.0.17
    ssh: { port: 14541, from: rules }
    udp: on
    default: reject
    rules: [allow ssh, deny 14511]
  box: { address: 203.0.113.9 }
`),
    );
    expect(servers.map(({ name }) => name)).toEqual(['box', 'shop']);
    const [box, shop] = servers;
    expect(shop.addresses.map(formatPrefix)).toEqual(['198.51.100.7', '2001:db8:7::/48', '198.51.101.0/24']);
    expect(shop.ports).toEqual([
      { first: 14500, last: 14520 },
      { first: 14600, last: 14699 },
      { first: 15000, last: 15000 },
    ]);
    expect(shop).toMatchObject({ target: '10.0.0.17', default: 'reject', ssh: { ports: [14541], from: 'rules' } });
    // `ssh` is the port of the section.
    expect(shop.rules.map(({ text }) => text)).toEqual(['allow 14541/tcp', 'deny 14511']);
    expect(shop.udp).toBeUndefined();
    expect(box).toMatchObject({ default: 'deny', udp: 'off', rules: [] });
    expect(box.ports).toBeUndefined();
  });

  test('an owner: group, mode as it is written, quotas', () => {
    const owners = [
      '{ group: gpu-17 }',
      '{ group: 1000, mode: 0600, rules: 3 }',
      '{ group: a, mode: "666", entries: 9, changes: 2 }',
    ];
    const text = owners.map((owner, i) => `  s${i}: { address: 192.0.2.${i}, owner: ${owner} }`).join('\n');
    const quotas = { rules: 500, entries: 2000, changes: 30 };
    expect(good(edge(text)).servers?.map(({ owner }) => owner)).toEqual([
      { group: 'gpu-17', mode: 0o660, quotas },
      { group: '1000', mode: 0o600, quotas: { ...quotas, rules: 3 } },
      { group: 'a', mode: 0o666, quotas: { rules: 500, entries: 9, changes: 2 } },
    ]);
  });

  test.each([
    ['servers: {}', []],
    ['servers:', []],
    ['servers: []', ['error parse/wrong-type 2:10+1']],
    ['servers: { dir: servers.d }', ['error parse/server-files 2:17+9']],
    ['servers: { dir: ../servers.d }', ['error parse/server-files 2:17+12']],
    ['servers: { dir: /etc/servers.d }', ['error parse/server-files 2:17+14']],
    [
      'servers: { dir: a, b: { address: 192.0.2.1 } }',
      ['error parse/server-files 2:17+1', 'error parse/unknown-key 2:20+1'],
    ],
    ['servers: { a: { addres: 192.0.2.1 } }', ['error parse/missing-key 2:17+6', 'error parse/unknown-key 2:17+6']],
    ['servers: { a: { ports: 80 } }', ['error parse/missing-key 2:17+5']],
    ['servers: { a: { address: [] } }', ['error parse/empty-list 2:26+2']],
    ['servers: { a: { address: 192.0.2.1, ports: [] } }', ['error parse/empty-list 2:44+2']],
    ['servers: { a: { address: 192.0.2.1, ports: 90-80 } }', ['error parse/port 2:44+5']],
    ['servers: { a: { address: 192.0.2.1, ports: http } }', ['error parse/port 2:44+4']],
    ['servers: { a: { address: 192.0.2.1, owner: { group: a b } } }', ['error parse/owner 2:53+3']],
    ['servers: { a: { address: 192.0.2.1, owner: { group: 4294967295 } } }', ['error parse/owner 2:53+10']],
    ['servers: { a: { address: 192.0.2.1, owner: { group: a, mode: 0777 } } }', ['error parse/owner 2:62+4']],
    ['servers: { a: { address: 192.0.2.1, owner: { group: a, rules: 0 } } }', ['error parse/wrong-type 2:63+1']],
    ['servers: { a: { address: 192.0.2.1, owner: { group: a, changes: 601 } } }', ['error parse/wrong-type 2:65+3']],
    [
      'servers: { a: { address: 192.0.2.1, owner: { grup: a } } }',
      ['error parse/missing-key 2:46+4', 'error parse/unknown-key 2:46+4'],
    ],
    ['servers: { a: { address: office } }', ['error parse/address 2:26+6']],
    ['servers: { a: { address: 192.0.2.1, target: 10.0.0.0/8 } }', ['error parse/address 2:45+10']],
    ['servers: { a: { address: 192.0.2.1, udp: maybe } }', ['error parse/wrong-type 2:42+5']],
    ['servers: { a: { address: 192.0.2.1, rules: [allow out 80] } }', ['error parse/direction 2:51+3']],
    [
      'servers: { a: { address: 192.0.2.1, rules: [{ action: allow, prot: tcp }] } }',
      ['error parse/unknown-key 2:62+4'],
    ],
    [
      'servers: { a: { address: 192.0.2.1, ssh: { port: 22, form: anyone } } }',
      ['error parse/missing-key 2:44+4', 'error parse/unknown-key 2:54+4'],
    ],
  ])('%s', (line, expected) => expect(findings(`version: 1\n${line}\n`)).toEqual(expected));

  test('unknown keys get the nearest known one', () => {
    const { diagnostics } = parse(edge('  a: { address: 192.0.2.1, port: 80 }\n'));
    expect(diagnostics.map(({ message, hint }) => [message, hint])).toEqual([
      ['"port" is not a key of "a"', 'did you mean ports?'],
    ]);
  });

  test.each(['inbound', 'OUTBOUND', 'guard', 'a/b', '_x', '"a\\u001b[31mb"', '"a\\nb"', 'x'.repeat(65), '__proto__'])(
    'no server is called %s',
    (name) => {
      const { diagnostics } = parse(edge(`  ${name}: { address: 192.0.2.1 }\n`));
      expect(diagnostics.map(({ code }) => code)).toEqual(['parse/name']);
      // eslint-disable-next-line no-control-regex
      expect(diagnostics[0].message).not.toMatch(/[\u0000-\u001f]/);
    },
  );

  test('the same id in two servers are two rows; in one it is taken', () => {
    const row = '{ id: web, action: allow, port: 80 }';
    const two = `  a: { address: 192.0.2.1, rules: [${row}] }\n  b: { address: 192.0.2.2, rules: [${row}] }\n`;
    expect(findings(edge(two))).toEqual([]);
    expect(findings(edge(`  a: { address: 192.0.2.1, rules: [${row}, ${row}] }\n`))).toEqual(['error parse/id 3:80+3']);
    expect(messages(edge(`  a: { address: 192.0.2.1, rules: [{ id: udp-off, action: allow, port: 80 }] }\n`))).toEqual([
      expect.stringContaining('implicit row'),
    ]);
  });
});

describe('servers that overlap', () => {
  test.each([
    ['192.0.2.1', '', '192.0.2.1', '', '192.0.2.1'],
    ['192.0.2.0/24', '', '192.0.2.7', '', '192.0.2.7'],
    ['192.0.2.1', 'ports: 80-90', '192.0.2.1', 'ports: 90-99', '192.0.2.1 port 90'],
    ['192.0.2.1', '', '192.0.2.1', 'ports: 90-99', '192.0.2.1 port 90:99'],
    ['192.0.2.0/24', 'ports: 5', '192.0.2.1', '', '192.0.2.1 port 5'],
    ['"2001:db8::/32"', 'ports: 1-65535', '"2001:db8::1"', 'ports: 443', '2001:db8::1 port 443'],
  ])('%s %s and %s %s', (one, onePorts, other, otherPorts, what) => {
    const { diagnostics } = parse(
      edge(`  a: { address: ${one}, ${onePorts} }\n  b: { address: ${other}, ${otherPorts} }\n`),
    );
    expect(diagnostics).toMatchObject([
      {
        code: 'parse/server-overlap',
        message: `servers "a" and "b" overlap: both own ${what}`,
        source: { line: 4 },
        notes: [{ message: 'server "a"', source: { line: 3 } }],
      },
    ]);
  });

  test('a pair is named once, and of very many pairs the first', () => {
    const ports = Array.from({ length: 200 }, (_, i) => 1000 + 2 * i).join(', ');
    const copies = (count: number): string =>
      Array.from({ length: count }, (_, i) => `  s${i}: { address: [192.0.2.1, 192.0.2.2], ports: [${ports}] }\n`).join(
        '',
      );
    expect(messages(edge(copies(2)))).toHaveLength(1);
    expect(messages(edge(copies(300)))).toHaveLength(100);
  });

  test('beside each other they do not', () => {
    const servers = `  a: { address: 192.0.2.1, ports: 80-89 }
  b: { address: 192.0.2.1, ports: [79, 90-99] }
  c: { address: 192.0.2.2 }
  d: { address: [192.0.2.4/30, "2001:db8::1"] }
`;
    expect(findings(edge(servers))).toEqual([]);
    expect(messages(edge('  a: { address: [192.0.2.1, 192.0.2.0/24] }\n'))).toEqual([
      'server "a" names 192.0.2.1 twice',
    ]);
  });
});

describe('ceilings of servers', () => {
  test('addresses times ranges of ports', () => {
    const list = (count: number, item: (i: number) => string): string =>
      Array.from({ length: count }, (_, i) => item(i)).join(', ');
    const server = (ranges: number): string =>
      `  a: { address: [${list(64, (i) => `192.0.2.${i}`)}], ports: [${list(ranges, (i) => String(1000 + 2 * i))}] }\n`;
    expect(messages(edge(server(64)))).toEqual([]);
    expect(messages(edge(server(65)))).toEqual([
      'server "a" has 64 addresses with 65 ranges of ports each, 4160 in all; at most 4096 are one server\'s',
    ]);
  });

  const count = (n: number, line: (i: number) => string): string =>
    Array.from({ length: n }, (_, i) => line(i)).join('');

  test('4,000 servers, of which each shares an address with others', () => {
    const line = (i: number): string => `  s${i}: { address: 198.51.100.${i % 4}, ports: ${1000 + i} }\n`;
    expect(good(edge(count(4000, line))).servers).toHaveLength(4000);
    expect(messages(edge(count(4001, line)))).toEqual(['4001 servers, a ruleset holds at most 4000']);
  });

  test('10,000 rules a server, 100,000 in all', () => {
    const rows = (n: number): string => count(n, (i) => `      allow ${1 + (i % 60_000)}/tcp\n`);
    const server = (name: string, place: number, n: number): string =>
      `  ${name}:\n    address: 192.0.2.${place}\n    rules: |\n${rows(n)}`;
    expect(messages(edge(server('a', 1, 10_001)))).toEqual([
      'server "a" has 10001 rules, a server holds at most 10000',
    ]);
    const eleven = count(10, (i) => server(`s${i}`, i, 10_000));
    expect(messages(edge(`${eleven}${server('last', 200, 1)}`))).toEqual([
      'with server "last" there are more than 100000 rules, the most a ruleset holds',
    ]);
  });

  test('addresses and ranges of ports of one', () => {
    const list = (n: number, item: (i: number) => string): string =>
      Array.from({ length: n }, (_, i) => item(i)).join(', ');
    const addresses = list(257, (i) => `10.${i >> 8}.${i & 255}.1`);
    const ports = list(257, (i) => String(1 + 2 * i));
    expect(
      messages(edge(`  a: { address: [${addresses}] }\n  b: { address: 192.0.2.1, ports: [${ports}] }\n`)),
    ).toEqual([
      'server "a" has 257 addresses, at most 256 are one server\'s',
      'server "b" has 257 ranges of ports, at most 256 are one server\'s',
    ]);
  });
});
