/**
 * The product's own path with real packets, everything of it once and in few commands: what `npm run test:vm` tries on
 * the oldest kernel, where a processor may be emulated and each command takes seconds. Three numbers agree.
 */
import { readFileSync } from 'node:fs';
import { probeFeatures } from '../../src/kernel/features';
import type { BpfLink } from '../../src/kernel/kernel';
import { acceptAnswers } from '../support/accept-answers';
import { ping, serve, tcpConnect, udpEcho, SILENT_SECONDS } from '../support/clients';
import { EdgeHost, HOST, NEIGHBOUR, untilGone } from '../support/edge-host';
import { inboundRows } from '../support/snapshot-rows';

/** Seconds for what must come; what must not is dropped, and counted. */
const WAIT = 10;
const RULES = `version: 1
interfaces: [eth0]
logging: medium
guard:
  keep-reachable: [{ from: "${NEIGHBOUR.ipv6}", port: 22/tcp }]
  rules: [deny from 203.0.113.0/24, deny out to any port 25]
inbound:
  default: deny
  rules:
    - { id: web, action: allow, port: 8000/tcp }
    - { id: knock, action: limit, port: 8001/tcp, limit: 3/1h }
    - { id: go-away, action: reject, port: 8002/tcp }
    - { id: shut, action: deny, port: 8003/tcp, log: true }
    - { id: echo, action: allow, port: 9000/udp }
outbound:
  default: deny
  rules:
    - { id: names, action: allow, port: 53 }
    - { id: tls, action: allow, port: 443/tcp }
`;
const hookHere = async (): Promise<string> =>
  (await probeFeatures()).find(({ name }) => name === 'tcx')!.answer === 'supported' ? 'tcx' : 'clsact';
const taint = (): string => readFileSync('/proc/sys/kernel/tainted', 'utf8');

let host: EdgeHost;
let answers: BpfLink;

beforeEach(async () => {
  host = await EdgeHost.open('every');
  answers = await acceptAnswers(host.wire, NEIGHBOUR.link);
  await serve(host.wire, ['tcp:443', 'udp:53', 'udp:4433']);
  await serve(host.edge, ['tcp:22', 'tcp:8000', 'tcp:8001', 'tcp:8002', 'tcp:8003', 'udp:9000']);
});

afterEach(async () => {
  try {
    await host.close();
  } finally {
    answers.close();
  }
});

test('guard, rows, limit, reject, fragments, flows, outbound, bans, events; a change, and the end of it', async () => {
  const before = taint();
  const { edge, wire } = host;
  host.write('rules.yaml', RULES);
  await host.must('enable');

  for (const address of [HOST.ipv4, HOST.ipv6]) {
    expect(await tcpConnect(wire, address, 8000, WAIT)).toBe('connected');
    expect(await tcpConnect(wire, address, 8002, WAIT)).toBe('refused');
    expect(await tcpConnect(wire, address, 8003)).toBe('timeout');
  }
  expect(await tcpConnect(wire, HOST.ipv6, 22, WAIT)).toBe('connected');
  expect(await tcpConnect(wire, HOST.ipv4, 22)).toBe('timeout');
  expect(await udpEcho(wire, HOST.ipv4, 9000)).toBe(true);
  expect(await ping(wire, HOST.ipv4, 1, 4000)).toBe(1); // in three fragments, and so the answer
  for (const expected of ['connected', 'connected', 'refused'])
    expect(await tcpConnect(wire, HOST.ipv4, 8001, WAIT)).toBe(expected);

  for (const address of [NEIGHBOUR.ipv4, NEIGHBOUR.ipv6]) {
    expect(await tcpConnect(edge, address, 443, WAIT)).toBe('connected');
    expect(await udpEcho(edge, address, 53)).toBe(true);
  }
  expect(await udpEcho(edge, NEIGHBOUR.ipv4, 4433, SILENT_SECONDS)).toBe(false);

  const status = await host.status();
  expect(status.interfaces).toMatchObject([{ name: HOST.link, mode: 'native', egress: await hookHere() }]);
  expect(status.warnings).toEqual([]);
  const hits = Object.fromEntries(inboundRows(status).map(({ id, packets, refused }) => [id, [packets, refused]]));
  expect(hits).toMatchObject({ 'go-away': ['2', null], echo: ['1', null] });
  expect(hits.knock[1]).toBe('1');
  expect(Number(hits.shut[0])).toBeGreaterThanOrEqual(2);
  expect(status.flows).toMatchObject({ made: '4', evicted: '0' });
  expect(status.fragments).toMatchObject({ made: '2' });
  expect(status.rejects).toMatchObject({ answered: '3' });
  const outbound = status.sections.find(({ name }) => name === 'outbound')!.rows;
  expect(outbound.map(({ id, packets }) => [id, Number(packets) > 0])).toEqual([
    ['names', true],
    ['tls', true],
    ['default', true],
  ]);
  expect(Number(status.events!.made)).toBeGreaterThan(0);
  // By the model and by the twin of the program, which must agree.
  const why = await host.must(
    'explain',
    'tcp',
    'from',
    NEIGHBOUR.ipv4,
    'port',
    '5555',
    'to',
    HOST.ipv4,
    'port',
    '8003',
  );
  expect(why).toContain('shut');

  await host.must('ban', NEIGHBOUR.ipv4);
  expect(await tcpConnect(wire, HOST.ipv4, 8000)).toBe('timeout');
  expect(await tcpConnect(wire, HOST.ipv6, 8000, WAIT)).toBe('connected');
  host.write('rules.yaml', RULES.replace('action: allow, port: 8000/tcp', 'action: deny, port: 8000/tcp'));
  await host.must('apply');
  expect(await tcpConnect(wire, HOST.ipv6, 8000)).toBe('timeout');
  expect(await tcpConnect(edge, NEIGHBOUR.ipv6, 443, WAIT)).toBe('connected');

  const objects = host.objects();
  await host.must('disable', '--yes');
  expect(host.pinned()).toEqual([]);
  await untilGone(objects);
  for (const port of [8000, 22]) expect(await tcpConnect(wire, HOST.ipv4, port, WAIT)).toBe('connected');
  expect(taint()).toBe(before);
});

test('the generic hook judges the same', async () => {
  host.write('rules.yaml', `mode: generic\n${RULES}`);
  await host.must('enable');
  expect(await tcpConnect(host.wire, HOST.ipv4, 8000, WAIT)).toBe('connected');
  expect(await tcpConnect(host.wire, HOST.ipv6, 8002, WAIT)).toBe('refused');
  expect(await tcpConnect(host.wire, HOST.ipv4, 22)).toBe('timeout');
  expect(await tcpConnect(host.edge, NEIGHBOUR.ipv4, 443, WAIT)).toBe('connected');
  expect(await ping(host.wire, HOST.ipv4, 1, 4000)).toBe(1);
  expect((await host.status()).interfaces).toMatchObject([{ mode: 'generic', egress: await hookHere() }]);
  await host.must('disable', '--yes');
  expect(host.pinned()).toEqual([]);
});
