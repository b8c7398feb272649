/**
 * Fragments through a default deny, with real tools: large pings and datagrams, both ways, over both families; and what
 * an attacker composes by hand. Three numbers agree.
 */
import { since } from '../support/ethtool';
import { ping, sendFrames, serve, udpTalk } from '../support/clients';
import { expectSame, readFigures } from '../support/host-figures';
import { EdgeHost, HOST, NEIGHBOUR } from '../support/edge-host';
import * as p from '../support/packet';

const RULES = `version: 1
interfaces: [eth0]
inbound:
  default: deny
  rules: [allow 8000, allow 53/udp]
`;
const LARGE = 4000;

let host: EdgeHost;

beforeEach(async () => {
  host = await EdgeHost.open('fragments');
});

afterEach(() => host.close());

/** Runs `traffic` and compares frames sent, the driver's counters and ours; the reasons that were counted meanwhile. */
async function counted(traffic: () => Promise<void>): Promise<Record<string, number>> {
  const before = await readFigures(host);
  await traffic();
  const after = await readFigures(host);
  expect(since(before.driver, after.driver).packets).toBe(after.neighbour.sent - before.neighbour.sent);
  expectSame(before, after, 'allowed');
  const old = new Map(before.ours.reasons.map(({ reason, packets }) => [reason, Number(packets)]));
  return Object.fromEntries(
    after.ours.reasons
      .map(({ reason, packets }) => [reason, Number(packets) - (old.get(reason) ?? 0)] as const)
      .filter(([, count]) => count > 0),
  );
}

test('large pings and datagrams pass both ways, in every fragment', async () => {
  await serve(host.edge, ['udp:8000']);
  await serve(host.wire, ['udp:5201']);
  host.write('rules.yaml', RULES);
  await host.must('enable');
  const reasons = await counted(async () => {
    for (const [here, there] of [
      [HOST.ipv4, NEIGHBOUR.ipv4],
      [HOST.ipv6, NEIGHBOUR.ipv6],
    ]) {
      expect(await ping(host.edge, there, 5, LARGE)).toBe(5);
      expect(await ping(host.wire, here, 5, LARGE)).toBe(5);
      // Each is sent back: 50 questions and 50 answers either way.
      expect(await udpTalk(host.edge, there, 5201, { bytes: LARGE, count: 50 })).toBe(50);
      expect(await udpTalk(host.wire, here, 8000, { bytes: LARGE, count: 50 })).toBe(50);
    }
  });
  // 4,000 bytes are three frames: 5 replies, 5 requests, 50 answers and 50 questions a family, two later ones each.
  expect(reasons['fragment-follows']).toBe(2 * 2 * (5 + 5 + 50 + 50));
  for (const reason of ['fragment', 'fragment-overlap', 'tiny-fragment', 'fragment-length'])
    expect(reasons).not.toHaveProperty([reason]);
  expect((await host.status()).fragments).toMatchObject({ evicted: '0' });
  const verbose = await host.must('status', 'verbose');
  expect(verbose).toMatch(/^fragments: \d+ packets whose first one passed/m);
  // Counters bear the tier, of what comes in and of what goes out.
  for (const [tier, reason] of [
    ...([
      ['tier 4', 'fragment-follows'],
      ['tier 4', 'flow'],
      ['tier 5', 'icmp-echo'],
    ] as const),
    ...([
      ['out 4', 'fragment-follows'],
      ['out 5', 'answer'],
    ] as const),
  ])
    expect(verbose).toMatch(new RegExp(`^${tier} +${reason} +passed +[1-9]`, 'm'));
  expect(await host.must('metrics')).toMatch(/^sluice_fragments_made_total [1-9]/m);
});

test('fragments: drop keeps them out, whole packets pass', async () => {
  host.write('rules.yaml', `${RULES}fragments: drop\n`);
  await host.must('enable');
  const reasons = await counted(async () => {
    for (const there of [NEIGHBOUR.ipv4, NEIGHBOUR.ipv6]) {
      expect(await ping(host.edge, there, 2, LARGE)).toBe(0);
      expect(await ping(host.edge, there, 2)).toBe(2);
    }
  });
  expect(reasons).toMatchObject({ 'fragment-refused': 12, flow: 4 });
});

test('an attack: what is composed to slip in between drops, each with its reason', async () => {
  host.write('rules.yaml', RULES);
  await host.must('enable');
  const bytes = (count: number, protocol = 17): p.Layer => p.raw(new Uint8Array(count), protocol);
  const from = '192.0.2.1';
  const open = (id: number): Uint8Array =>
    p.compose(p.ipv4({ from, id, moreFragments: true }), p.udp({ to: 53, length: 2000 }), bytes(72));
  const frames = [
    // A later one alone; of a denied first; and before its first.
    p.compose(p.ipv4({ from, id: 1, fragmentOffset: 80 }), bytes(16)),
    p.compose(p.ipv4({ from, id: 2, moreFragments: true }), p.udp({ to: 161, length: 2000 }), bytes(72)),
    p.compose(p.ipv4({ from, id: 2, fragmentOffset: 80 }), bytes(16)),
    p.compose(p.ipv4({ from, id: 3, fragmentOffset: 80 }), bytes(16)),
    open(3),
    // Half a TCP header, and the flags of an allowed one rewritten (RFC 1858).
    p.compose(p.ipv4({ from, id: 4, moreFragments: true }), p.truncate(8), p.tcp({ to: 8000 })),
    p.compose(p.ipv4({ from, id: 5, moreFragments: true }), p.tcp({ to: 8000, flags: ['ack'] }), bytes(4, 6)),
    p.compose(p.ipv4({ from, id: 5, fragmentOffset: 8 }), bytes(16, 6)),
    // The ports of an allowed datagram replaced, over IPv6, with the next header of another protocol.
    p.compose(
      p.ipv6({ from: NEIGHBOUR.ipv6 }),
      p.fragment({ id: 6, more: true }),
      p.udp({ to: 53, length: 2000 }),
      bytes(8),
    ),
    p.compose(p.ipv6({ from: NEIGHBOUR.ipv6 }), p.fragment({ id: 6, offset: 8, nextHeader: 6 }), bytes(16)),
    // The ping of death, nothing at all, and nine bytes with more to come.
    open(7),
    p.compose(p.ipv4({ from, id: 7, fragmentOffset: 65_528 }), bytes(600)),
    p.compose(p.ipv4({ from, id: 7, fragmentOffset: 80 }), bytes(0)),
    p.compose(p.ipv4({ from, id: 7, fragmentOffset: 80, moreFragments: true }), bytes(9)),
    // The same name the other way round, and from somebody else.
    p.compose(p.ipv4({ from: HOST.ipv4, to: from, id: 7, fragmentOffset: 80 }), bytes(16)),
    p.compose(p.ipv4({ from: '192.0.2.2', id: 7, fragmentOffset: 80 }), bytes(16)),
  ];
  const reasons = await counted(async () => {
    await sendFrames(host.wire, NEIGHBOUR.link, frames);
  });
  expect(reasons).toMatchObject({
    fragment: 5,
    'tiny-fragment': 1,
    'fragment-overlap': 2,
    'fragment-length': 3,
  });
  expect(reasons).not.toHaveProperty(['fragment-follows']);
});
