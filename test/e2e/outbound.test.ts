/**
 * A host that lets out only what its rules say, with real tools over both families: what it serves still answers, DNS
 * goes out, everything else is refused and counted. The guard above it. Three numbers agree.
 */
import { httpGet, ping, serve, slowDownload, tcpConnect, udpEcho, SILENT_SECONDS } from '../support/clients';
import { EdgeHost, HOST, NEIGHBOUR } from '../support/edge-host';
import { expectSame, readFigures } from '../support/host-figures';

const RULES = `version: 1
interfaces: [eth0]
inbound:
  default: deny
  ssh: { port: 22, from: anyone }
  rules: [allow 8000/tcp, allow 9000/udp]
outbound:
  default: deny
  rules: [allow out to any port 53]
`;
const NEIGHBOURS = [NEIGHBOUR.ipv4, NEIGHBOUR.ipv6];
const HOSTS = [HOST.ipv4, HOST.ipv6];
const urlOf = (address: string, port: number): string =>
  `http://${address.includes(':') ? `[${address}]` : address}:${port}/`;

let host: EdgeHost;

beforeEach(async () => {
  host = await EdgeHost.open('outbound');
  await serve(host.wire, ['tcp:443', 'http:8080', 'udp:53', 'udp:4433']);
  await serve(host.edge, ['http:8000', 'udp:9000', 'udp:9001', 'tcp:22']);
});

afterEach(() => host.close());

test('what is served answers, DNS goes out, everything else is refused and counted', async () => {
  host.write('rules.yaml', RULES);
  await host.must('enable');
  const { edge, wire } = host;
  const before = await readFigures(host);
  for (const address of HOSTS) {
    expect(await tcpConnect(wire, address, 22)).toBe('connected');
    expect(await httpGet(wire, urlOf(address, 8000))).toBe('hello from port 8000\n');
    expect(await udpEcho(wire, address, 9000)).toBe(true);
    expect(await udpEcho(wire, address, 9001, SILENT_SECONDS)).toBe(false);
    expect(await ping(wire, address, 3)).toBe(3);
  }
  for (const address of NEIGHBOURS) {
    expect(await udpEcho(edge, address, 53)).toBe(true);
    expect(await udpEcho(edge, address, 4433, SILENT_SECONDS)).toBe(false);
    expect(await tcpConnect(edge, address, 443)).toBe('timeout');
    expect(await ping(edge, address, 1)).toBe(0);
  }
  const after = await readFigures(host);
  expectSame(before, after, 'allowed');
  // At least a SYN, a datagram and an echo-request a neighbour; the kernel repeats the SYN.
  const denied = [before, after].map(({ ours }) => Number(ours.outgoing.packets.denied));
  expect(denied[1] - denied[0]).toBeGreaterThanOrEqual(6);
  const outbound = after.ours.sections.find(({ name }) => name === 'outbound')!;
  expect(outbound.rows.map(({ number, id }) => [number, id])).toEqual([
    [3, 'allow-53'],
    [null, 'default'],
  ]);
  expect(Number(outbound.rows[0].packets)).toBe(2);
  expect(Number(outbound.rows[1].packets)).toBe(Number(after.ours.outgoing.packets.denied));
});

test('ufw verbs: a default and rules of what goes out, and a flow that is cut', async () => {
  host.write('rules.yaml', 'version: 1\ninterfaces: [eth0]\ninbound: { default: deny }\n');
  await host.must('enable');
  const download = await slowDownload(host.edge, NEIGHBOUR.ipv4, 8080, 120, 8);
  await host.must('allow', 'out', '8080/tcp');
  await host.must('default', 'deny', 'outgoing');
  expect(await tcpConnect(host.edge, NEIGHBOUR.ipv4, 443)).toBe('timeout');
  expect(await httpGet(host.edge, urlOf(NEIGHBOUR.ipv4, 8080))).toBe('hello from port 8080\n');
  const status = await host.must('status', 'numbered');
  expect(status).toContain('ALLOW OUT');
  await host.must('delete', '1');
  expect(await download.end()).not.toBe(0);
  expect(await host.must('explain', 'out', `tcp from ${HOST.ipv4} to ${NEIGHBOUR.ipv4} port 8080`)).toContain(
    'deny in out 7 by default',
  );
});

test('the guard cuts a live flow both ways; keep-reachable stands above it, and goes only with --force', async () => {
  const kept = `guard: { keep-reachable: [{ from: "${NEIGHBOUR.ipv4}", port: 22/tcp }], rules: [deny from any, deny out to any] }\n`;
  const open = 'version: 1\ninterfaces: [eth0]\ninbound: { default: allow }\n';
  host.write('rules.yaml', open);
  await host.must('enable');
  const download = await slowDownload(host.edge, NEIGHBOUR.ipv6, 8080, 120, 8);
  host.write('rules.yaml', open + kept);
  await host.must('apply', '--force');
  expect(await tcpConnect(host.wire, HOST.ipv4, 22)).toBe('connected');
  expect(await tcpConnect(host.wire, HOST.ipv6, 22)).toBe('timeout');
  expect(await tcpConnect(host.wire, HOST.ipv4, 8000)).toBe('timeout');
  expect(await tcpConnect(host.edge, NEIGHBOUR.ipv4, 443)).toBe('timeout');
  expect(await download.end()).not.toBe(0);
  host.write('rules.yaml', open);
  const refused = await host.sluice(['apply']);
  expect(refused.status).not.toBe(0);
  expect(refused.stderr).toContain('keeps less reachable');
  expect(await tcpConnect(host.wire, HOST.ipv6, 22)).toBe('timeout');
  await host.must('apply', '--force');
  expect(await tcpConnect(host.wire, HOST.ipv6, 22)).toBe('connected');
});
