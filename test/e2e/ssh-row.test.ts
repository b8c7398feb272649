/** `sluice ssh`: who gets in to SSH by real connections, and a change that would cut the caller. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { serve, tcpConnect } from '../support/clients';
import { EdgeHost, HOST, NEIGHBOUR } from '../support/edge-host';
import { expectAllCounted } from '../support/host-figures';

const RULES = `version: 1
interfaces: [eth0]
inbound:
  default: deny
  ssh: { port: 22, from: anyone }   # the way in
  rules:
    - allow from 192.0.2.1 to any port 2222 proto tcp
`;
const session = { SSH_CONNECTION: `${NEIGHBOUR.ipv4} 50000 ${HOST.ipv4} 22` };

let host: EdgeHost;
beforeEach(async () => {
  host = await EdgeHost.open('sshrow');
  host.write('rules.yaml', RULES);
  await serve(host.edge, ['tcp:22', 'tcp:2222']);
  await host.must('enable');
});
afterEach(() => host.close());

const file = (): string => readFileSync(join(host.directory, 'rules.yaml'), 'utf8');
const reach = async () => [
  await tcpConnect(host.wire, HOST.ipv4, 22),
  await tcpConnect(host.wire, HOST.ipv4, 2222),
  await tcpConnect(host.wire, HOST.ipv6, 2222),
];

test('ports, who may come, off; the file keeps its form', async () => {
  expect(await reach()).toEqual(['connected', 'connected', 'timeout']);
  expect(await host.must('ssh', '22,2222')).toMatch(
    /^the SSH row is 22,2222\/tcp from anyone now \(was 22\/tcp from anyone\)\napplied/,
  );
  expect(file()).toBe(RULES.replace('port: 22,', 'port: [22, 2222],'));
  expect(await reach()).toEqual(['connected', 'connected', 'connected']);
  expect(await host.must('status')).toMatch(/tier 8 +22,2222\/tcp +ALLOW IN/);
  await host.must('ssh', 'from', 'rules');
  expect(await reach()).toEqual(['timeout', 'connected', 'timeout']);
  await host.must('ssh', '22', 'from', 'anyone');
  expect(file()).toBe(RULES);
  await host.must('ssh', 'off');
  expect(await reach()).toEqual(['timeout', 'connected', 'timeout']);
  expect((await host.sluice(['ssh', 'off'])).stdout).toBe('the SSH row is off already\n');
  await expectAllCounted(host);
});

test('a row that would cut the caller is refused and not written, --force obeys', async () => {
  for (const words of [['2222'], ['off'], ['from', 'rules']]) {
    const { status, stderr } = await host.sluice(['ssh', ...words], session);
    expect([status, stderr]).toEqual([
      5,
      expect.stringMatching(/your session from 192\.0\.2\.1 to port 22 would be denied/),
    ]);
    expect(file()).toBe(RULES);
  }
  expect(await reach()).toEqual(['connected', 'connected', 'timeout']);
  expect((await host.sluice(['ssh', '2222', '--force'], session)).status).toBe(0);
  expect(await reach()).toEqual(['timeout', 'connected', 'connected']);
  for (const words of [
    ['22:30'],
    ['0'],
    ['22,'],
    ['70000'],
    ['on'],
    ['22', 'from', 'office'],
    ['from'],
    ['22', '2222'],
  ]) {
    const { status, stderr } = await host.sluice(['ssh', ...words]);
    expect([words, status, stderr]).toEqual([words, 2, expect.stringMatching(/sluice ssh 22,2222 from rules/)]);
  }
});

test('a program bans, lists, unbans, and ends rules, as the commands do', async () => {
  host.write(
    'rules.yaml',
    `${RULES}    - allow 9000/tcp until 2020-01-01\nguard: { keep-reachable: [{ id: admin, from: 198.51.100.7 }] }\n`,
  );
  await host.must('apply');
  const script = `
    const { Firewall, BanRefusedError } = require(${JSON.stringify(join(__dirname, '../../dist/index.js'))});
    const say = (value) => console.log(JSON.stringify(value, (_, x) => (typeof x === 'bigint' ? String(x) : x)));
    void (async () => {
      const firewall = await Firewall.open();
      const { banned, active } = await firewall.ban(['192.0.2.1', '2001:db8:9::1'], { until: new Date(Date.now() + 3600e3) });
      say([banned.length, active, (await firewall.bans()).bans.map(({ prefix }) => prefix.length)]);
      say((await firewall.bans('2001:db8:9::77')).bans.length);
      await firewall.ban(['198.51.100.0/24']).catch((error) => say([error instanceof BanRefusedError, error.message]));
      await firewall.ban(['010.0.0.1']).catch((error) => say([error.code, error.message]));
      for (const until of ['31.12.2026', '2020-01-01', '+200000-01-01T00:00:00Z'])
        await firewall.ban(['203.0.113.1'], { until: new Date(until) }).catch((error) => say([error.code, error.message]));
      await firewall.endRules(new Date('soon')).catch((error) => say(error.code));
      await firewall.unban(['192.0.2.1']);
      say((await firewall.bans()).bans.length);
      say((await firewall.unban('all')).ended.length);
      say(await firewall.endRules());
    })();`;
  const { stdout, stderr } = await host.command([process.execPath, '-e', script]);
  expect(stderr).toBe('');
  expect(
    stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown),
  ).toEqual([
    [2, true, [32, 64]],
    1,
    [true, '"198.51.100.0/24" is not banned: guard/admin "allow from 198.51.100.7" keeps a source in it reachable'],
    ['operate/source', expect.stringContaining('"010.0.0.1"')],
    ['operate/moment', expect.stringContaining('Invalid Date')],
    ['operate/moment', '"2020-01-01T00:00:00.000Z" has passed'],
    ['operate/moment', expect.stringContaining('500 is the most')],
    'operate/moment',
    1,
    1,
    null,
  ]);
});
