/**
 * Default deny, and everything this host begins gets its answers: with real tools, over both families. What was
 * running before the first enforcement goes on. Three numbers agree.
 */
import {
  httpGet,
  hurry,
  ping,
  serve,
  slowDownload,
  tcpConnect,
  udpEcho,
  udpTalk,
  SILENT_SECONDS,
} from '../support/clients';
import { EdgeHost, HOST, NEIGHBOUR } from '../support/edge-host';
import { expectSame, readFigures } from '../support/host-figures';
import { joinByVeth, Namespace } from '../support/netns';
import { type Background, must } from '../support/process';
import { inboundRules } from '../support/ruleset-text';

const RULES = inboundRules('allow 8000/tcp');
const NEIGHBOURS = [NEIGHBOUR.ipv4, NEIGHBOUR.ipv6];
const HOSTS = [HOST.ipv4, HOST.ipv6];

/** A download lasts until `hurry`: no test depends on what a busy machine does in its time. */
const LONG_SECONDS = 180;

let host: EdgeHost;
let atWire: Background;
let atEdge: Background;

beforeEach(async () => {
  host = await EdgeHost.open('flows');
  atWire = await serve(host.wire, ['tcp:443', 'http:8080', 'udp:53', 'udp:123', 'udp:443']);
  atEdge = await serve(host.edge, ['http:8000', 'http:8001', 'http:8002', 'udp:9000', 'tcp:22']);
  host.write('rules.yaml', RULES);
});

afterEach(() => host.close());

test('answers come in, questions do not; driver, counters and frames agree', async () => {
  await host.must('enable');
  const { edge, wire } = host;
  const before = await readFigures(host);
  for (const address of NEIGHBOURS) {
    expect(await tcpConnect(edge, address, 443)).toBe('connected');
    expect(await httpGet(edge, `http://${address.includes(':') ? `[${address}]` : address}:8080/`)).toBe(
      'hello from port 8080\n',
    );
    expect(await udpEcho(edge, address, 53)).toBe(true);
    expect(await udpEcho(edge, address, 123)).toBe(true);
    // As QUIC: datagrams of 1,200 bytes both ways.
    expect(await udpTalk(edge, address, 443, { bytes: 1200, count: 100 })).toBe(100);
    expect(await ping(edge, address, 5)).toBe(5);
    // A closed port refuses at once: RST and port unreachable are answers too.
    expect(await tcpConnect(edge, address, 444)).toBe('refused');
  }
  for (const address of HOSTS) {
    expect(await httpGet(wire, `http://${address.includes(':') ? `[${address}]` : address}:8000/`)).toBe(
      'hello from port 8000\n',
    );
    expect(await tcpConnect(wire, address, 8001)).toBe('timeout');
    expect(await tcpConnect(wire, address, 22)).toBe('timeout');
    expect(await udpEcho(wire, address, 9000, SILENT_SECONDS)).toBe(false);
  }
  const after = await readFigures(host);
  expectSame(before, after, 'seen');
  const reasons = after.ours.reasons.map(({ reason }) => reason);
  expect(reasons).toContain('flow');
  // TCP 443, 8080, 444, UDP 53, 123, 443 and an echo, twice; nothing that wire began.
  expect(after.ours.flows).toMatchObject({ made: '14', evicted: '0' });
});

test('a new ruleset keeps flows', async () => {
  await host.must('enable');
  const download = await slowDownload(host.edge, NEIGHBOUR.ipv4, 8080, LONG_SECONDS);
  host.write('rules.yaml', RULES.replace('8000', '8001'));
  await host.must('apply');
  hurry(atWire);
  expect(await download.end()).toBe(0);
});

test('a flow table of another size takes the flows over, larger and smaller', async () => {
  await host.must('enable');
  const download = await slowDownload(host.edge, NEIGHBOUR.ipv4, 8080, LONG_SECONDS);
  for (const [max, ways] of [
    [1_000_000, 2_097_152],
    [1024, 2048],
  ]) {
    host.write('rules.yaml', `${RULES}flows: { max: ${max} }\n`);
    await host.must('apply');
    const { flows } = await host.status();
    expect(flows).toMatchObject({ ways, evicted: '0' });
    expect(flows!.live).toBeGreaterThanOrEqual(1);
    expect(await tcpConnect(host.wire, HOST.ipv4, 22)).toBe('timeout');
  }
  // Twice as many questions as it holds: the gauge says so, and what would end first makes room, not the connection.
  const ask =
    'import socket, sys\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n' +
    'for port in range(10000, 14000): s.sendto(b"?", (sys.argv[1], port))';
  must(host.edge.argv(['python3', '-c', ask, NEIGHBOUR.ipv4]));
  const metrics = await host.must('metrics');
  expect(Number(/^sluice_flow_pressure (\S+)$/m.exec(metrics)?.[1])).toBeGreaterThan(0.5);
  expect(Number(/^sluice_flows_evicted_total (\d+)$/m.exec(metrics)?.[1])).toBeGreaterThan(1000);
  expect(await host.must('status')).toMatch(/^flows: .* % of its buckets are full/m);
  hurry(atWire);
  expect(await download.end()).toBe(0);
});

const SPEAKER = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 4433))
print('listening', flush=True)
_, peer = s.recvfrom(100)
s.sendto(b'first', peer)
for line in sys.stdin: s.sendto(line.strip().encode(), peer)
`;
const LISTENER = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect((sys.argv[1], 4433))
s.send(b'?')
while True: print(s.recv(100).decode(), flush=True)
`;

/** A connected UDP socket that has asked once, and from then on only listens; `hear` waits for what the peer says. */
async function listenTo(from: Namespace): Promise<{ hear: (word: string) => Promise<void>; end: () => Promise<void> }> {
  const peer = host.wire.start(['python3', '-uc', SPEAKER, NEIGHBOUR.ipv4]);
  await peer.waitFor(/listening/);
  const client = from.start(['python3', '-c', LISTENER, NEIGHBOUR.ipv4]);
  await client.waitFor(/^first$/m);
  return {
    hear: async (word) => {
      peer.write(`${word}\n`);
      await client.waitFor(new RegExp(`^${word}$`, 'm'));
    },
    end: async () => {
      await client.stop('SIGKILL');
      await peer.stop('SIGKILL');
    },
  };
}

test('what ran before the first enforcement goes on, in both directions', async () => {
  // Inbound would let in what a server owns, whose own rows do not.
  const owned = `servers: { web: { address: ${HOST.ipv4}, ports: [8002], rules: [] } }\n`;
  host.write('rules.yaml', `${inboundRules('allow 8000/tcp', 'allow 8002/tcp')}${owned}`);
  const out = await slowDownload(host.edge, NEIGHBOUR.ipv6, 8080, LONG_SECONDS);
  const denied = await slowDownload(host.wire, HOST.ipv4, 8001, LONG_SECONDS);
  const deniedByServer = await slowDownload(host.wire, HOST.ipv4, 8002, LONG_SECONDS);
  const allowed = await slowDownload(host.wire, HOST.ipv4, 8000, LONG_SECONDS);
  const datagrams = await listenTo(host.edge);
  await host.must('enable');
  expect((await host.status()).flows).toMatchObject({ live: 4 });
  await datagrams.hear('second');
  await datagrams.end();
  // A connection that began outside to a port that is closed now cannot be told from one of ours.
  expect(await tcpConnect(host.wire, HOST.ipv4, 8001)).toBe('timeout');
  expect(await tcpConnect(host.wire, HOST.ipv4, 8002)).toBe('timeout');
  for (const server of [atWire, atEdge]) hurry(server);
  expect(await out.end()).toBe(0);
  expect(await denied.end()).toBe(0);
  expect(await deniedByServer.end()).toBe(0);
  expect(await allowed.end()).toBe(0);
});

test('one removed egress pin: status says so, apply heals', async () => {
  await host.must('enable');
  must(['rm', host.pins.link(host.edge.ifindex(HOST.link), 'egress')]);
  expect((await host.status()).warnings).toEqual([
    expect.stringContaining('packets that go out through eth0 are not seen'),
  ]);
  expect(await tcpConnect(host.edge, NEIGHBOUR.ipv4, 443)).toBe('timeout');
  await host.must('apply');
  expect((await host.status()).warnings).toEqual([]);
  expect(await tcpConnect(host.edge, NEIGHBOUR.ipv4, 443)).toBe('connected');
});

test('disable, and removal of the pins, leave nothing at either hook', async () => {
  await host.must('enable');
  await host.must('disable', '-y');
  expect(await tcpConnect(host.wire, HOST.ipv4, 22)).toBe('connected');
  expect(host.pinned()).toEqual([]);
  await host.must('enable');
  must(['rm', '-r', host.pins.directory]);
  // The kernel lets go of a removed pin a moment later.
  let attempt = '';
  for (const deadline = Date.now() + 60_000; attempt !== 'connected' && Date.now() < deadline;)
    attempt = await tcpConnect(host.wire, HOST.ipv4, 22);
  expect(attempt).toBe('connected');
  await host.recount('the pins were removed by hand, and the counters with them');
  await host.must('enable');
  expect(await tcpConnect(host.wire, HOST.ipv4, 22)).toBe('timeout');
});

test('a router: what it masquerades gets its answers, also what ran before', async () => {
  const inner = Namespace.create('flows-inner');
  try {
    joinByVeth(
      { namespace: host.edge, name: 'lan', mac: '02:00:00:00:01:01', addresses: ['10.0.0.1/24'] },
      { namespace: inner, name: 'eth0', mac: '02:00:00:00:01:02', addresses: ['10.0.0.2/24'] },
    );
    inner.ip('route add default via 10.0.0.1');
    host.edge.setSysctls({ 'net/ipv4/ip_forward': '1' });
    const nat = `table ip nat {
      chain post {
        type nat hook postrouting priority srcnat
        oifname "eth0" masquerade random
      }
    }`;
    must(host.edge.argv(['nft', '-f', '-']), { input: nat });
    const running = await slowDownload(inner, NEIGHBOUR.ipv4, 8080, LONG_SECONDS);
    const datagrams = await listenTo(inner);
    await host.must('enable');
    // Before anything goes on: what the kernel tracks, with the port that NAT chose.
    expect((await host.status()).flows).toMatchObject({ made: '2' });
    await datagrams.hear('second');
    await datagrams.end();
    expect(await httpGet(inner, `http://${NEIGHBOUR.ipv4}:8080/`)).toBe('hello from port 8080\n');
    expect(await udpEcho(inner, NEIGHBOUR.ipv4, 53)).toBe(true);
    expect(await ping(inner, NEIGHBOUR.ipv4, 3)).toBe(3);
    hurry(atWire);
    expect(await running.end()).toBe(0);
  } finally {
    inner.destroy();
  }
});
