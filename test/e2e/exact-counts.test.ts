import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CapturedFrame } from '../../src/observe/pcap';
import type { Snapshot } from '../../src/observe/snapshot';
import { evaluate } from '../../src/model/evaluate';
import { parseRuleset } from '../../src/parse/parse';
import { LinkCapture } from '../support/capture';
import { httpGet, ping, sendFrames, tcpConnect, udpEcho } from '../support/clients';
import { driverCounters, since } from '../support/ethtool';
import {
  arp,
  compose,
  cut,
  fragment,
  hopByHop,
  icmp,
  icmpv6,
  ipv4,
  ipv6,
  raw,
  routing,
  sctp,
  tcp,
  truncate,
  udp,
  vlan,
} from '../support/packet';
import { openPlayground, type Playground } from '../support/playground';
import { EDGE, WIRE_LINK } from '../support/topology';

const RULES = `version: 1
interfaces: [eth0]
inbound:
  default: deny
  ssh: { port: 22, from: anyone }
  rules:
    - { id: home, action: allow, from: [78.168.0.0/16, "2001:db8:9::/64"], port: 14141 }
    - { id: nobody, action: deny, port: 14141 }
    - { id: web, action: allow, port: "8000,14511/tcp" }
    - { id: echo, action: allow, port: 9000/udp }
`;

const ACK = { flags: ['ack'] } as const;
/** Frames no ordinary client sends; none of them makes edge answer towards a client that would answer back. */
const ODD_FRAMES = [
  compose(vlan({ id: 5 }), ipv4({ from: '78.168.1.2' }), tcp(ACK)),
  compose(vlan({ kind: 'ad' }), vlan(), ipv4({ from: '78.168.1.2' }), tcp(ACK)),
  compose(vlan({ kind: 'ad' }), vlan(), vlan(), ipv4(), tcp(ACK)),
  compose(ipv6({ from: '2001:db8:9::2' }), hopByHop(), tcp(ACK)),
  compose(ipv6(), routing({ type: 0 }), tcp(ACK)),
  compose(ipv4({ options: [1, 1, 1, 1] }), tcp(ACK)),
  compose(ipv4({ ihl: 4 }), tcp(ACK)),
  compose(ipv4({ totalLength: 4000 }), tcp(ACK)),
  compose(ipv4(), truncate(12), tcp(ACK)),
  compose(ipv4(), tcp({ ...ACK, dataOffset: 3 })),
  compose(ipv4(), tcp({ ...ACK, from: 0 })),
  compose(ipv4({ moreFragments: true, id: 9 }), tcp(ACK), raw(new Uint8Array(12))),
  compose(ipv4({ fragmentOffset: 32, id: 9 }), raw(new Uint8Array(8), 6)),
  compose(ipv6(), fragment({ offset: 32 }), raw(new Uint8Array(8), 6)),
  compose(
    ipv4(),
    icmp({ type: 3, code: 1, quote: [ipv4({ from: EDGE.ipv4, to: '78.168.1.2' }), tcp({ from: 14141 })] }),
  ),
  compose(
    ipv4(),
    icmp({ type: 3, code: 1, quote: [ipv4({ from: EDGE.ipv4, to: '198.51.100.9' }), tcp({ from: 14141 })] }),
  ),
  compose(ipv4(), icmp({ type: 11, quote: [ipv4(), tcp()], quoteBytes: 24 })),
  compose(ipv6(), icmpv6({ type: 129 })),
  compose(ipv4(), sctp({ to: 14141 })),
  compose(ipv4(), udp({ to: 53 })),
  compose(ipv4(), raw('GRE', 47)),
  compose(arp({ target: '192.0.2.77' })),
  cut(compose(ipv4(), tcp(ACK)), 30),
];

/** Keys of what decided, to how often. */
type Tally = Record<string, number>;

/** Rows about what comes in by id, everything no row decided by its reason. */
function tallyOf(snapshot: Snapshot): Tally {
  const rows = snapshot.sections.flatMap((section) =>
    section.rows.filter(({ direction }) => direction === 'in').map((row) => [row.id, Number(row.packets)] as const),
  );
  const reasons = snapshot.reasons.map(({ reason, packets }) => [reason, Number(packets)] as const);
  return Object.fromEntries([...rows, ...reasons]);
}

function minus(after: Tally, before: Tally): Tally {
  const keys = Object.keys(after).filter((key) => after[key] !== (before[key] ?? 0));
  return Object.fromEntries(keys.map((key) => [key, after[key] - (before[key] ?? 0)]));
}

// Three numbers that must agree: frames on the wire, the driver's own XDP counters, the sum of ours (SPEC §3). And
// what the scan says of each captured frame must be what the kernel counted for its rule or reason.
describe.each(['native', 'generic'] as const)('every frame is counted once, in %s mode', (mode) => {
  let playground: Playground;
  const sluice = async (...words: string[]): Promise<string> => {
    const options = { cwd: playground.directory, env: playground.environment };
    const { status, stdout, stderr } = await playground.network.edge.run(['sluice', ...words], options);
    if (status !== 0) throw new Error(`sluice ${words.join(' ')} ended with ${status}: ${stderr}${stdout}`);
    return stdout;
  };
  const snapshot = async (): Promise<Snapshot> =>
    (JSON.parse(await sluice('status', '--json')) as { snapshot: Snapshot }).snapshot;

  beforeAll(async () => {
    playground = await openPlayground(`counts-${mode}`);
    writeFileSync(join(playground.directory, 'rules.yaml'), `${RULES}mode: ${mode}\n`);
    await sluice('apply');
  });

  afterAll(() => playground.destroy());

  test('clients and odd frames', async () => {
    const { edge, wire, office, home, phone } = playground.network;
    const before = { ours: await snapshot(), driver: driverCounters(edge, EDGE.link) };
    const capture = await LinkCapture.start(wire, WIRE_LINK, { direction: 'out' });

    expect(await tcpConnect(home, EDGE.ipv4, 14141)).toBe('connected');
    expect(await tcpConnect(home, EDGE.ipv6, 14141)).toBe('connected');
    expect(await tcpConnect(phone, EDGE.ipv4, 14141)).toBe('timeout');
    expect(await tcpConnect(office, EDGE.ipv6, 14141)).toBe('timeout');
    expect(await tcpConnect(phone, EDGE.ipv4, 22)).toBe('connected');
    expect(await httpGet(office, `http://${EDGE.ipv4}:8000/`)).toBe('hello from port 8000\n');
    expect(await httpGet(phone, `http://[${EDGE.ipv6}]:14511/`)).toBe('hello from port 14511\n');
    expect(await udpEcho(office, EDGE.ipv4, 9000)).toBe(true);
    // Ten a second together: by chance the two share a place in the table of rates.
    expect(await ping(home, EDGE.ipv4, 5)).toBe(5);
    expect(await ping(phone, EDGE.ipv6, 5)).toBe(5);
    for (let round = 0; round < 20; round++) await sendFrames(wire, WIRE_LINK, ODD_FRAMES);

    const frames = await capture.stop();
    const after = { ours: await snapshot(), driver: driverCounters(edge, EDGE.link) };
    const seen = Number(after.ours.packets.seen) - Number(before.ours.packets.seen);
    const denied = Number(after.ours.packets.denied) - Number(before.ours.packets.denied);
    expect(seen).toBe(frames.length);
    if (mode === 'native') {
      // The generic hook runs behind the driver, which then counts nothing.
      const driver = since(before.driver, after.driver);
      expect(driver).toEqual({ packets: frames.length, drops: denied, tx: 0, txErrors: 0, redirects: 0 });
    }
    const tally = judged(frames);
    expect(minus(tallyOf(after.ours), tallyOf(before.ours))).toEqual(tally);
    expect(Object.values(tally).reduce((sum, count) => sum + count, 0)).toBe(seen);
    // Ways out that no ordinary client takes were taken, as often as such frames were sent.
    expect(tally).toMatchObject({
      'vlan-depth': 20,
      'ipv4-ihl': 20,
      'l4-truncated': 20,
      'icmp-error': 20,
      fragment: 40,
    });
  });

  /** What the scan says of the frames. */
  function judged(frames: readonly CapturedFrame[]): Tally {
    const parsed = parseRuleset(readFileSync(join(playground.directory, 'rules.yaml'), 'utf8'), { file: 'rules.yaml' });
    if (!parsed.ruleset) throw new Error(JSON.stringify(parsed.diagnostics));
    const tally: Tally = {};
    for (const { bytes } of frames) {
      const { rule, reason } = evaluate(parsed.ruleset, bytes);
      const key = rule ?? reason;
      tally[key] = (tally[key] ?? 0) + 1;
    }
    return tally;
  }
});
