/** `sluice exposed`: each claim about who reaches which socket, tried with real connections from every kind of source. */
import { prefixContains } from '../../src/model/prefix';
import { EdgeHost, HOST } from '../support/edge-host';
import { prefix } from '../support/findings';
import { expectAllCounted } from '../support/host-figures';
import { listen, type Listening, tryToReach } from '../support/listeners';
import { must } from '../support/process';

interface Claim {
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
  readonly address: string | null;
  readonly families: readonly (4 | 6)[];
  readonly owner: { pid: number; command: string } | null;
  readonly loopback: boolean;
  readonly reach: Readonly<Record<string, { sources: { everyoneBut: boolean; prefixes: string[] } }>>;
}

const OTHER = '192.0.2.11';
const SOURCES = {
  4: ['192.0.2.1', '192.0.2.99', '192.0.2.130', '192.0.2.200'],
  6: ['2001:db8:1::1', '2001:db8:1::99', '2001:db8:1::2:1'],
} as const;
const SOCKETS: readonly Listening[] = [
  { protocol: 'tcp', address: '0.0.0.0', port: 22 },
  { protocol: 'tcp', address: '::', port: 8000, v6only: false },
  { protocol: 'tcp', address: '::', port: 8001, v6only: true },
  { protocol: 'tcp', address: '0.0.0.0', port: 8001 },
  { protocol: 'tcp', address: HOST.ipv4, port: 9000 },
  { protocol: 'tcp', address: OTHER, port: 9001 },
  { protocol: 'tcp', address: HOST.ipv6, port: 9002 },
  { protocol: 'tcp', address: '127.0.0.1', port: 9003 },
  { protocol: 'tcp', address: '::1', port: 9003 },
  { protocol: 'udp', address: '::', port: 53, v6only: false },
  { protocol: 'udp', address: '0.0.0.0', port: 123 },
  { protocol: 'udp', address: '127.0.0.1', port: 323 },
];
const RULES = `version: 1
interfaces: [eth0]
guard:
  keep-reachable: [{ from: 192.0.2.200, port: 22/tcp }]
  rules:
    - deny from 192.0.2.200 to any port 8000
    - deny out to 192.0.2.99 port any proto tcp
inbound:
  default: deny
  ssh: { port: 22, from: anyone }
  rules:
    - deny from 192.0.2.128/26 to any port 22,8000
    - allow 8000
    - limit 8001/tcp 32/1s
    - allow from 192.0.2.0/25 to 192.0.2.10 port 9000:9002
    - allow from 2001:db8:1::/112 to any port 9002 proto tcp
    - allow from any to any port 9003 proto tcp
    - allow from 192.0.2.1 to any port 53
    - allow from 2001:db8:1::99 to any port 53 proto udp
    - allow from any port 123 to any port 123 proto udp
`;

let host: EdgeHost;
beforeEach(async () => {
  host = await EdgeHost.open('exposed');
  const add = (namespace: typeof host.edge, address: string): void =>
    void must(['ip', '-n', namespace.name, 'address', 'add', address, 'dev', 'eth0', 'nodad']);
  add(host.edge, `${OTHER}/24`);
  for (const address of SOURCES[4].slice(1)) add(host.wire, `${address}/24`);
  for (const address of SOURCES[6].slice(1)) add(host.wire, `${address}/64`);
  await listen(host.edge, SOCKETS);
  host.write('rules.yaml', RULES);
});
afterEach(() => host.close());

const claims = async (...words: string[]): Promise<Claim[]> =>
  (JSON.parse(await host.must('exposed', ...words, '--json')) as { sockets: Claim[] }).sockets;

/** Tries every claim; those that the packets contradict. A UDP row from port 123 needs that port: it is not tried. */
async function contradicted(list: readonly Claim[]): Promise<string[]> {
  const attempts = list.flatMap(({ protocol, port, address, families, loopback, reach }) =>
    families.flatMap((family) =>
      SOURCES[family].flatMap((source) => {
        const destinations = address === null ? [family === 4 ? HOST.ipv4 : HOST.ipv6] : [address];
        const claim = reach[`ipv${family}`]?.sources;
        const among = claim && claim.prefixes.some((text) => prefixContains(prefix(text), prefix(source).words));
        return destinations
          .filter(() => !loopback && !(protocol === 'udp' && port === 123))
          .map((destination) => ({
            protocol,
            source,
            destination,
            port,
            expected: claim ? among !== claim.everyoneBut : false,
          }));
      }),
    ),
  );
  expect(attempts.length).toBeGreaterThan(25);
  // Who is claimed to get in, and who is claimed not to.
  const answers = await tryToReach(host.wire, attempts);
  return attempts
    .filter(({ expected }, i) => expected !== answers[i])
    .map(
      ({ protocol, source, destination, port, expected }) =>
        `${source} -> ${destination} ${port}/${protocol}: claimed ${expected}`,
    );
}

test('every claim holds, before enable, under the rules, under bans, with UDP off', async () => {
  const open = await claims();
  expect(await contradicted(open)).toEqual([]);
  expect(await host.must('exposed')).toMatch(/^nothing is filtered: everybody reaches all/);
  // The claims of a file come true when it is enforced.
  const before = await claims(`${host.directory}/rules.yaml`);
  await host.must('enable');
  const rules = await claims();
  expect(rules).toEqual(before);
  expect(await contradicted(rules)).toEqual([]);
  await host.must('ban', '192.0.2.0/26', '2001:db8:1::99/128');
  expect(await contradicted(await claims())).toEqual([]);
  await host.must('unban', '--all');
  await host.must('udp', 'on');
  host.write(
    'rules.yaml',
    RULES.replace('default: deny\n  ssh', 'default: allow\n  udp: off\n  ssh').replace(
      '    - allow from 2001:db8:1::99 to any port 53 proto udp\n    - allow from any port 123 to any port 123 proto udp\n',
      '',
    ),
  );
  await host.must('apply');
  const without = await claims();
  expect(await contradicted(without)).toEqual([]);
  expect(
    without
      .filter(({ protocol, loopback }) => protocol === 'udp' && !loopback)
      .flatMap(({ reach }) => Object.values(reach))
      .every(({ sources }) => !sources.everyoneBut && sources.prefixes.length === 0),
  ).toBe(true);
  await expectAllCounted(host);
});

test('what it says: sockets, programs, few prefixes, loopback and interfaces that are not filtered', async () => {
  await host.must('enable');
  const text = await host.must('exposed');
  const line = (port: string, address = ''): string =>
    text
      .split('\n')
      .find((row) => row.startsWith(port) && row.includes(address))
      ?.replace(/\s+/g, ' ') ?? '';
  expect(line('22/tcp')).toMatch(/^22\/tcp any IPv4 python3\[\d+\] everyone but 192\.0\.2\.99, 192\.0\.2\.128\/26$/);
  expect(line('8000/tcp')).toMatch(
    /any python3\[\d+\] everyone but 192\.0\.2\.99, 192\.0\.2\.128\/26, 192\.0\.2\.200; everyone over IPv6$/,
  );
  expect(line('8001/tcp', 'any IPv6')).toMatch(/everyone \(limited\)$/);
  expect(line('9001/tcp')).toMatch(/192\.0\.2\.11 python3\[\d+\] nobody$/);
  expect(line('9002/tcp')).toMatch(/2001:db8:1::10 python3\[\d+\] 2001:db8:1::\/112$/);
  expect(line('9003/tcp', '127.0.0.1')).toMatch(/this machine only$/);
  expect(line('53/udp')).toMatch(/192\.0\.2\.1; 2001:db8:1::99$/);
  expect(line('123/udp')).toMatch(
    /any IPv4 python3\[\d+\] everyone \(some only from some source ports or to some addresses\)$/,
  );
  const listed = await claims();
  expect(listed.map(({ protocol, port, address }) => `${protocol} ${address ?? 'any'} ${port}`).sort()).toEqual(
    SOCKETS.map(
      ({ protocol, address, port }) => `${protocol} ${/^(::|0\.0\.0\.0)$/.test(address) ? 'any' : address} ${port}`,
    ).sort(),
  );
  must(['ip', '-n', host.edge.name, 'link', 'add', 'side', 'type', 'veth', 'peer', 'name', 'down']);
  must(['ip', '-n', host.edge.name, 'link', 'set', 'side', 'up']);
  expect(await host.must('exposed')).toMatch(/^not filtered: side; whoever is there reaches all but loopback\n/);
});

test('review names the row behind which nothing listens, and its line takes that out', async () => {
  await host.must('enable');
  const text = await host.must('review');
  expect(text.match(/nothing here listens on .*/g)).toEqual(['nothing here listens on 9003/tcp']);
  const line = /^ {2}sluice (delete \S+)$/m.exec(text)![1];
  await host.must(...line.split(' '));
  expect(await host.must('review')).not.toMatch(/nothing here listens|what could go/);
});
