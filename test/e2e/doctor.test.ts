/** `sluice doctor`: the lines it prints are typed as they stand, and he who could not get in can. */
import { serve, tcpConnect, udpEcho, SILENT_SECONDS } from '../support/clients';
import { EdgeHost, HOST, NEIGHBOUR } from '../support/edge-host';

const RULES = `version: 1
interfaces: [eth0]
inbound:
  default: deny
  udp: off
  rules:
    - deny 8000
    - allow from 192.0.2.0/24 to any port 8000
    - allow from 203.0.113.0/24 to any port 9000
`;

let host: EdgeHost;

beforeEach(async () => {
  host = await EdgeHost.open('doctor');
  host.write('rules.yaml', RULES);
  await serve(host.edge, ['tcp:8000', 'tcp:9000', 'udp:9000']);
});

afterEach(() => host.close());

/** The lines to paste, in their order. */
async function remedies(...words: string[]): Promise<string[]> {
  const { obstacles } = JSON.parse(await host.must('doctor', ...words, '--json')) as {
    obstacles: { remedy: string | null }[];
  };
  return obstacles.flatMap(({ remedy }) => remedy ?? []);
}

async function type(lines: readonly string[]): Promise<void> {
  for (const line of lines) await host.must(...line.split(' ').slice(1));
}

test('an allow under a deny: the row is moved, and the connection is there', async () => {
  await host.must('enable');
  expect(await tcpConnect(host.wire, HOST.ipv4, 8000)).toBe('timeout');
  expect(await host.must('doctor', '8000', 'from', NEIGHBOUR.ipv4)).toMatch(
    /NO +rule 1 "deny 8000" denies it; rule 2 "allow from 192.0.2.0\/24 to any port 8000" would let it in, but stands below: the first that matches decides\n +sluice move 2 before 1\n {2}ok +\S+ listens on 8000\/tcp\nit cannot get in; the line above lets it in, by the scan\n$/,
  );
  await type(await remedies('8000', NEIGHBOUR.ipv4));
  expect(await tcpConnect(host.wire, HOST.ipv4, 8000)).toBe('connected');
  expect(await host.must('doctor', '8000', NEIGHBOUR.ipv4)).toMatch(
    /ok +the rules let it in: .*rule .*\n[^]*nothing here keeps it out/,
  );
});

test('banned, the UDP switch, no row: three lines in their order, over both families', async () => {
  await host.must('enable');
  await host.must('ban', NEIGHBOUR.ipv4);
  const lines = await remedies('9000/udp', NEIGHBOUR.ipv4);
  expect(lines).toEqual([
    `sluice unban ${NEIGHBOUR.ipv4}/32`,
    'sluice udp on',
    `sluice allow from ${NEIGHBOUR.ipv4} to any port 9000 proto udp`,
  ]);
  for (const line of lines) {
    expect(await udpEcho(host.wire, HOST.ipv4, 9000, SILENT_SECONDS)).toBe(false);
    await type([line]);
  }
  expect(await udpEcho(host.wire, HOST.ipv4, 9000)).toBe(true);
  expect(await host.must('doctor', '9000', NEIGHBOUR.ipv6)).toMatch(
    /NO +no row lets it in, and the default denies what no row decides; rule 3 "allow from 203.0.113.0\/24 to any port 9000" lets the same in, from elsewhere\n/,
  );
  await type(await remedies('9000', NEIGHBOUR.ipv6));
  expect(await tcpConnect(host.wire, HOST.ipv6, 9000)).toBe('connected');
});

test('above the rows, and behind them: said, not promised', async () => {
  expect(await host.must('doctor', '8000', NEIGHBOUR.ipv4)).toMatch(
    /look +nothing is filtered: sluice keeps nobody out/,
  );
  host.write('rules.yaml', `${RULES}guard: { rules: ["deny from ${NEIGHBOUR.ipv4}"] }\n`);
  await host.must('enable', '--no-confirm');
  expect(await host.must('doctor', '8000', NEIGHBOUR.ipv4)).toMatch(
    /NO +the guard, rule 1 "deny from 192.0.2.1", denies it, above all rows: only guard: in \S+rules.yaml can let it in\n[^]*no row can change that\n$/,
  );
  await host.edge
    .start([process.execPath, '-e', 'require("net").createServer().listen(8100, "127.0.0.1", () => console.log("up"))'])
    .waitFor(/up/);
  expect(await host.must('doctor', '8100', '203.0.113.9')).toMatch(
    /NO +node\[\d+\] listens on 8100\/tcp, but only on 127.0.0.1, for this machine alone/,
  );
  expect(await host.must('doctor', '7777', '203.0.113.9')).toMatch(/look +nothing listens on 7777\/tcp here/);
  // Without a source: who can at all.
  expect(await host.must('doctor', '9000')).toMatch(
    /reached over IPv4 by: 203.0.113.0\/24\n[^]*reached over IPv6 by: nobody\n/,
  );
  expect(
    await host.must('allow', 'from', '203.0.113.9', 'to', 'any', 'port', '8000', '--confirm', '10m'),
  ).toBeDefined();
  expect(await host.must('doctor', '9000', '203.0.113.9')).toMatch(
    /look +inbound waits to be confirmed: in \d+ s[^]*sluice confirm --section inbound/,
  );
  await host.must('confirm');
});

test.each([
  [['99999'], /"99999" is no port/],
  [['htps'], /"htps" is no port/],
  [['8000', '10.0.0.0/8'], /"10.0.0.0\/8" is a network: name one address/],
  [['8000', 'from'], /expected one address/],
  [['8000', '192.0.2.1', '192.0.2.2'], /expected one address/],
  [['8000', '1.2.3'], /1\.2\.3/],
])('doctor %j is refused', async (words, message) => {
  expect(await host.sluice(['doctor', ...words])).toMatchObject({
    status: 2,
    stderr: expect.stringMatching(message) as string,
  });
});
