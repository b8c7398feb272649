/** `doctor --wait` while somebody really connects, `--report` for a ticket, and `who-reaches`, by what is enforced. */
import { tcpConnect } from '../support/clients';
import { EdgeHost, HOST, NEIGHBOUR } from '../support/edge-host';
import type { Background } from '../support/process';

const RULES = `version: 1
interfaces: [eth0]
sets: { office: [203.0.113.0/24] }
guard:
  rules:
    - { id: secret-row, action: deny, from: 198.18.77.0/24 }
    - { id: hidden-row, action: deny, from: ${NEIGHBOUR.ipv4}, port: 1066/tcp }
    - { id: noted-row, action: deny, from: ${NEIGHBOUR.ipv4}, port: 1077/tcp, log: true }
inbound: { default: deny, ssh: { port: 22, from: anyone } }
servers:
  red:
    address: ${HOST.ipv4}
    ports: 1000-1099
    rules:
      - { id: quiet, action: deny, from: ${NEIGHBOUR.ipv4}, port: 1011 }
      - { id: open, action: allow, port: 1022 }
      - { id: some, action: allow, from: office, port: 1033 }
  green: { address: "${HOST.ipv4}", ports: 2000-2099, rules: [{ id: green-row, action: allow, port: 2001 }] }
`;

let host: EdgeHost;
beforeAll(async () => {
  host = await EdgeHost.open('doctor-wait');
  host.write('rules.yaml', RULES);
  await host.must('apply');
});
afterAll(() => host.close());

/** Starts `doctor --wait`, connects once it says so, and gives what it printed. */
async function waitFor(words: readonly string[], port: number | null): Promise<string> {
  const doctor: Background = host.startSluice(['doctor', ...words]);
  await doctor.waitFor(/connect now/);
  if (port !== null) await tcpConnect(host.wire, HOST.ipv4, port);
  expect(await doctor.end()).toBe(0);
  return doctor.output;
}

test('refused by the default, which is told of: he is named, and the line lets him in', async () => {
  const output = await waitFor(['red', '1044', '--wait', '60s'], 1044);
  expect(output).toMatch(/^seen: a packet from 192\.0\.2\.1 port \d+ was refused by default, \d\d:\d\d:\d\d UTC$/m);
  expect(output).toMatch(/^ +sluice allow from 192\.0\.2\.1 to any port 1044 proto tcp --server red$/m);
});

test('refused by a row that is not told of: its counter', async () => {
  const output = await waitFor(['red', '1011', NEIGHBOUR.ipv4, '--wait', '60s'], 1011);
  expect(output).toMatch(
    /^counted: .+ refused by quiet of red, which is what decides about his; others may be among them$/m,
  );
  expect(output).toMatch(/NO +red: rule 1 ".+" denies it/);
  // However slow everything is: it is told to end once the packet has been there.
  const unnamed = host.startSluice(['doctor', 'red', '1011', '--wait', '60s']);
  await unnamed.waitFor(/connect now/);
  await tcpConnect(host.wire, HOST.ipv4, 1011);
  expect(await unnamed.stop('SIGTERM')).toBe(0);
  expect(unnamed.output).toMatch(
    /^nothing was told of a packet to that port within 60 s; meanwhile these rows decided:\n {2}\d+ by deny from 192/m,
  );
});

test('let in: said too', async () => {
  const output = await waitFor(['red', '1022', NEIGHBOUR.ipv4, '--wait', '60s'], 1022);
  expect(output).toMatch(/^counted: .+ let in by open of red/m);
  expect(output).toContain('ok    the rules let it in');
});

test('what never arrives is said to be no affair of the rules, and the line that would let it in stands there', async () => {
  const output = await waitFor(['red', '1044', '198.51.100.77', '--wait', '1s'], null);
  expect(output).toMatch(/^nothing came: no packet of his reached eth0 within 1 s \(\d+ of others did\)$/m);
  expect(output).toMatch(/^ +sluice allow from 198\.51\.100\.77 to any port 1044 proto tcp --server red$/m);
  const asJson = await host.must('doctor', 'red', '1044', '198.51.100.77', '--wait', '1s', '--json');
  expect(JSON.parse(asJson)).toMatchObject({ seen: null, server: 'red' });
});

test('a daemon that runs shows it what it reads; of several connections the one that was named', async () => {
  const daemon = host.startSluice(['daemon']);
  await daemon.waitFor(/the daemon runs/);
  const output = await waitFor(['red', '1055', NEIGHBOUR.ipv4, '--wait', '60s'], 1055);
  expect(output).toMatch(/^seen: a packet from 192\.0\.2\.1 port \d+ was refused by default/m);
  expect(await daemon.stop('SIGTERM')).toBe(0);
  const report = await host.must('doctor', 'red', '1055', NEIGHBOUR.ipv4, '--report');
  expect(report).toMatch(
    /^newest refusals at that port:\n {2}\S+ \S+ UTC TCP from 192\.0\.2\.1 port \d+ to port 1055: default$/m,
  );
  expect(report).toMatch(/^ {2}\[2\] allow 1022: \d+ packets, last \S+ \S+ UTC$/m);
  expect(report.split('\n').length).toBeLessThan(40);
});

test('a report names nobody else, and nothing of the provider', async () => {
  await host.must('ban', '198.51.100.66');
  const guarded = await host.must('doctor', 'red', '1022', '198.18.77.9', '--report');
  expect(guarded).toContain('NO    blocked by the provider');
  const banned = await host.must('doctor', 'red', '1044', '198.51.100.66', '--report');
  expect(banned).toContain('NO    blocked by the provider');
  await host.must('ban', NEIGHBOUR.ipv4);
  const counted = await waitFor(['red', '1044', NEIGHBOUR.ipv4, '--wait', '60s', '--report'], 1044);
  await host.must('unban', NEIGHBOUR.ipv4);
  const hidden = await waitFor(['red', '1066', NEIGHBOUR.ipv4, '--wait', '60s', '--report'], 1066);
  const noted = await waitFor(['red', '1077', NEIGHBOUR.ipv4, '--wait', '60s', '--report'], 1077);
  for (const seen of [counted, hidden]) expect(seen).toMatch(/refused by the provider/);
  expect(noted).toMatch(/^seen: a packet from 192\.0\.2\.1 port \d+ was refused by the provider,/m);
  // Whose packet it was that the guard refused is his affair who has named him.
  const unnamed = await waitFor(['red', '1077', '--wait', '60s', '--report'], 1077);
  expect(unnamed).toMatch(/^seen: a packet was refused by the provider,/m);
  expect(unnamed).not.toMatch(/192\.0\.2\.1 port/);
  const nothing = await host.must('doctor', 'red', '1044', '198.51.100.77', '--wait', '1s', '--report');
  expect(nothing).toMatch(/^nothing came: no packet of his reached the firewall within 1 s$/m);
  for (const report of [guarded, banned, counted, hidden, noted, unnamed, nothing])
    for (const secret of [
      'green',
      'secret-row',
      'hidden-row',
      'noted-row',
      HOST.link,
      '198.18.77.0',
      'unban',
      'guard',
      host.directory,
      'rules.yaml',
    ])
      expect(report).not.toContain(secret);
  expect(await host.sluice(['doctor', '22', '--report'])).toMatchObject({ status: 2 });
  await host.must('unban', '198.51.100.66');
});

test('who-reaches: exactly, with what is banned, over both families, also of a file', async () => {
  expect(await host.must('who-reaches', 'red', '1033/tcp')).toBe(
    `who gets in at red, ${HOST.ipv4}:\n1033/tcp over IPv4: 203.0.113.0/24\n`,
  );
  await host.must('ban', '203.0.113.64/26');
  const { reached } = JSON.parse(await host.must('who-reaches', 'red', '1033', '--json')) as { reached: unknown[] };
  expect(reached).toEqual([
    expect.objectContaining({
      ...{ family: 4, protocol: 'tcp', port: 1033, addresses: [HOST.ipv4], proven: true },
      sources: { everyoneBut: false, networks: ['203.0.113.0/26', '203.0.113.128/25'] },
    }),
    expect.objectContaining({ protocol: 'udp', sources: { everyoneBut: false, networks: [] } }),
  ]);
  await host.must('unban', '203.0.113.64/26');
  expect(await host.must('who-reaches', 'red', '1022/tcp')).toMatch(/: everyone but 198\.18\.77\.0\/24$/m);
  // A service that is both is asked about as both.
  expect(await host.must('who-reaches', 'https')).toMatch(
    /^443\/tcp over IPv4: nobody\n[^]*^443\/udp over IPv4: nobody$/m,
  );
  expect(await host.must('who-reaches', 'ssh')).toMatch(/^22\/tcp over IPv6: everyone$/m);
  const file = host.write('other.yaml', RULES.replace('office, port: 1033', 'any, port: 1033'));
  expect(await host.must('who-reaches', 'red', '1033/tcp', '--file', file)).toContain(
    '1033/tcp over IPv4: everyone but 198.18.77.0/24',
  );
  expect(await host.sluice(['who-reaches', 'red', '2001'])).toMatchObject({ status: 2 });
  expect(await host.sluice(['who-reaches', 'red', '99999'])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('"99999" is no port') as string,
  });
});
