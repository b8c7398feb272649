/**
 * Flows: what opens one, what refreshes or ends one, and that nothing from outside can. Verdict and counter of every
 * frame, both hooks, on the programs that enforce; the model agrees on every frame that comes in.
 */
import { measureHz } from '../../src/kernel/clock';
import { kernel } from '../../src/kernel/native';
import { closesAfterEach } from '../support/close-after';
import { FlowStand, FlowTable, type TimeoutSeconds } from '../support/flow-stand';
import { Random, testSeed } from '../support/generate/random';
import { paced } from '../support/pace';
import * as p from '../support/packet';

const DENY = 'version: 1\ninbound: { default: deny, rules: [allow 53/udp, allow 8000/tcp] }\n';
const ALLOW = 'version: 1\ninbound: { default: allow, rules: [allow 53/udp] }\n';
/** The inside is 192.0.2.10 and 2001:db8:1::10, the outside the sender of composed packets. */
const { source4, destination4, source6, destination6 } = p.DEFAULTS;
const OUT = {
  4: () => p.ipv4({ from: destination4, to: source4 }),
  6: () => p.ipv6({ from: destination6, to: source6 }),
};
const IN = { 4: () => p.ipv4(), 6: () => p.ipv6() };
const FAMILIES = [4, 6] as const;

/** TCP from local port 40000 to remote port 443, and back. */
const going = (...flags: p.TcpFlag[]): p.Layer => p.tcp({ from: 40000, to: 443, flags });
const coming = (...flags: p.TcpFlag[]): p.Layer => p.tcp({ from: 443, to: 40000, flags });
const echo = {
  4: (type: number, rest: number) => p.icmp({ type: type === 128 ? 8 : 0, rest }),
  6: (type: number, rest: number) => p.icmpv6({ type, rest }),
};

let hz: number;
const opened = closesAfterEach();

async function stand(
  text = DENY,
  { buckets = 64, timeouts }: { buckets?: number; timeouts?: TimeoutSeconds } = {},
): Promise<FlowStand> {
  const table = await FlowTable.create(buckets, hz);
  const made = await FlowStand.load(text, table, { timeouts });
  opened.push(made, table);
  return made;
}

beforeAll(async () => {
  hz = await measureHz(kernel());
});

const PASSES_AS_FLOW = { passed: true, reason: 'flow' } as const;
const DENIED = { passed: false, reason: 'default' } as const;
const FIRST = { passed: true, reason: 'default' } as const;

describe.each(FAMILIES)('IPv%d: what goes out opens its way back', (family) => {
  test.each([
    ['TCP', going('syn'), coming('syn', 'ack')],
    ['TCP with ECN', p.tcp({ from: 40000, to: 443, flags: ['syn', 'psh'] }), coming('ack')],
    ['UDP', p.udp({ from: 5000, to: 53 }), p.udp({ from: 53, to: 5000 })],
    ['echo', echo[family](128, 0x12340001), echo[family](129, 0x12340001)],
    ['SCTP', p.sctp({ from: 5000, to: 36412 }), p.sctp({ from: 36412, to: 5000 })],
    ['GRE', p.raw('a packet', 47), p.raw('an answer', 47)],
  ])('%s', async (_name, question, answer) => {
    const host = await stand();
    const [out, back] = [p.compose(OUT[family](), question), p.compose(IN[family](), answer)];
    expect(await host.in(back)).toEqual(DENIED);
    expect(await host.out(out)).toEqual(FIRST);
    expect(await host.in(back)).toEqual(PASSES_AS_FLOW);
    expect(await host.out(out)).toEqual(PASSES_AS_FLOW);
    expect(await host.in(back)).toEqual(PASSES_AS_FLOW);
    expect(await host.table.figures()).toMatchObject({ live: 1, made: 1n, evicted: 0n });
    // The same in a VLAN is the same flow: rules and flows see addresses.
    expect(await host.in(p.compose(p.vlan(), IN[family](), answer))).toEqual(PASSES_AS_FLOW);
  });

  test.each([
    ['another remote port', p.tcp({ from: 444, to: 40000, flags: ['ack'] })],
    ['another local port', p.tcp({ from: 443, to: 40001, flags: ['ack'] })],
    ['another protocol', p.udp({ from: 443, to: 40000 })],
    ['ports exchanged', p.tcp({ from: 40000, to: 443, flags: ['ack'] })],
  ])('%s is another flow', async (_name, answer) => {
    const host = await stand();
    await host.out(p.compose(OUT[family](), going('syn')));
    expect(await host.in(p.compose(IN[family](), answer))).toEqual(DENIED);
  });

  test('an echo-reply with another identifier, or a request, is no answer', async () => {
    const host = await stand(`${DENY}icmp: rules\n`);
    await host.out(p.compose(OUT[family](), echo[family](128, 0x12340001)));
    expect(await host.in(p.compose(IN[family](), echo[family](129, 0x12340007)))).toEqual(PASSES_AS_FLOW);
    expect(await host.in(p.compose(IN[family](), echo[family](129, 0x12350001)))).toEqual(DENIED);
    expect(await host.in(p.compose(IN[family](), echo[family](128, 0x12340001)))).toEqual(DENIED);
  });

  test.each([
    ['SYN-ACK', going('syn', 'ack')],
    ['ACK', going('ack')],
    ['RST', going('rst')],
    ['RST-ACK of a closed port', going('rst', 'ack')],
    ['FIN', going('fin')],
    ['no flags', going()],
    ['echo-reply', echo[family](129, 0x12340001)],
    [
      'ICMP unreachable',
      (family === 4 ? p.icmp : p.icmpv6)({ type: family === 4 ? 3 : 1, quote: [IN[family](), p.udp()] }),
    ],
  ])('%s opens none', async (_name, packet) => {
    const host = await stand();
    expect(await host.out(p.compose(OUT[family](), packet))).toEqual(FIRST);
    expect(await host.table.figures()).toMatchObject({ live: 0, made: 0n });
    expect(await host.in(p.compose(IN[family](), coming('ack')))).toEqual(DENIED);
  });

  test('an answer to what the rules let in opens none; let in by the default alone it does', async () => {
    const answer = p.compose(OUT[family](), p.udp({ from: 53, to: 5000 }));
    const byRule = await stand(DENY);
    expect(await byRule.out(answer)).toEqual({ passed: true, reason: 'answer' });
    expect(await byRule.table.figures()).toMatchObject({ made: 0n });
    const byDefault = await stand(ALLOW);
    expect(await byDefault.out(answer)).toEqual({ passed: true, reason: 'answer' });
    expect(await byDefault.out(p.compose(OUT[family](), p.udp({ from: 54, to: 5000 })))).toEqual(FIRST);
    expect(await byDefault.table.figures()).toMatchObject({ made: 1n });
  });

  test('an ICMP error about a flow passes, a forged one does not', async () => {
    const host = await stand();
    const error = (quote: p.Layer[]): Uint8Array =>
      p.compose(IN[family](), family === 4 ? p.icmp({ type: 3, code: 4, quote }) : p.icmpv6({ type: 2, quote }));
    const mine = error([OUT[family](), going('ack')]);
    const forged = error([OUT[family](), p.tcp({ from: 40001, to: 443 })]);
    expect(await host.in(mine)).toEqual({ passed: false, reason: 'icmp-unrelated' });
    await host.out(p.compose(OUT[family](), going('syn')));
    await host.out(p.compose(OUT[family](), p.udp({ from: 5000, to: 33434 })));
    await host.out(p.compose(OUT[family](), echo[family](128, 0x12340001)));
    const passes = { passed: true, reason: 'icmp-error' };
    expect(await host.in(mine)).toEqual(passes);
    expect(await host.in(error([OUT[family](), p.udp({ from: 5000, to: 33434 })]))).toEqual(passes);
    expect(await host.in(error([OUT[family](), echo[family](128, 0x12340009)]))).toEqual(passes);
    const unrelated = { passed: false, reason: 'icmp-unrelated' };
    expect(await host.in(forged)).toEqual(unrelated);
    expect(await host.in(error([OUT[family](), echo[family](128, 0x99990001)]))).toEqual(unrelated);
    expect(await host.in(error([IN[family](), coming('ack')]))).toEqual(unrelated);
  });

  test('scans of closed ports: none passes', async () => {
    const host = await stand();
    await host.out(p.compose(OUT[family](), going('syn')));
    const scans: p.TcpFlag[][] = [['ack'], ['fin'], ['rst'], ['syn', 'ack'], [], ['fin', 'psh', 'urg'], ['rst', 'ack']];
    for (const flags of scans) {
      const scan = p.compose(IN[family](), p.tcp({ from: 443, to: 41000, flags }));
      expect(await host.in(scan)).toEqual(DENIED);
    }
    expect(await host.table.figures()).toMatchObject({ live: 1, made: 1n });
  });
});

describe('sanity of what goes out', () => {
  test.each([
    ['port-zero', p.compose(OUT[4](), p.tcp({ from: 0, to: 443 }))],
    ['ip-length', p.compose(p.ipv4({ totalLength: 4000 }), p.tcp())],
    ['ethertype', p.compose(p.ethernet({ ethertype: 0x8847 }), p.raw('label'))],
    ['vlan-depth', p.compose(p.vlan({ kind: 'ad' }), p.vlan(), p.vlan(), OUT[4](), p.tcp())],
  ] as const)('%s drops', async (reason, frame) => {
    expect(await (await stand()).out(frame)).toEqual({ passed: false, reason });
  });

  test.each([
    ['arp', p.compose(p.arp())],
    ['neighbour-discovery', p.compose(p.ipv6({ hopLimit: 255 }), p.neighbour())],
    ['default', p.compose(p.ipv4({ fragmentOffset: 8 }), p.raw(new Uint8Array(32), 17))],
  ] as const)('%s passes and opens nothing', async (reason, frame) => {
    const host = await stand();
    expect(await host.out(frame)).toEqual({ passed: true, reason });
    expect(await host.table.figures()).toMatchObject({ made: 0n });
  });
});

describe('the life of a flow', () => {
  const SHORT = 0.4; // seconds, and more where the machine is slow
  const answer = p.compose(IN[4](), coming('ack'));
  const out = (host: FlowStand, ...flags: p.TcpFlag[]): Promise<unknown> =>
    host.out(p.compose(OUT[4](), going(...flags)));

  test('an unanswered SYN ends soon; our ACK makes it last', () =>
    paced(SHORT, async (pace) => {
      const host = await stand(DENY, { timeouts: { TCP_OPENING: pace.unit } });
      pace.begin();
      await out(host, 'syn');
      expect(await host.in(answer)).toEqual(PASSES_AS_FLOW);
      await pace.pause(2);
      expect(await host.in(answer)).toEqual(DENIED);
      await out(host, 'syn');
      await out(host, 'ack');
      await pace.pause(2);
      expect(await host.in(answer)).toEqual(PASSES_AS_FLOW);
    }));

  /** Packets of ours, what their answer is, and how many seconds it may come after the last of them. */
  const udpOut = p.udp({ from: 5000, to: 53 });
  const udpBack = p.udp({ from: 53, to: 5000 });
  test.each<[string, p.Layer[], p.Layer, number]>([
    ['a SYN', [going('syn')], coming('syn', 'ack'), 4 * 60],
    ['a connection', [going('syn'), going('ack')], coming('ack'), 5 * 24 * 3600],
    ['after our FIN', [going('syn'), going('ack'), going('fin', 'ack')], coming('ack'), 4 * 60],
    ['after our RST', [going('syn'), going('ack'), going('rst')], coming('ack'), 10],
    ['a question', [udpOut], udpBack, 30],
    ['a stream of datagrams', [udpOut, udpOut], udpBack, 180],
    ['an echo', [echo[4](128, 0x12340001)], echo[4](129, 0x12340001), 30],
    ['another protocol', [p.raw('a packet', 47)], p.raw('an answer', 47), 600],
  ])('%s waits as long as README says', async (_name, packets, reply, seconds) => {
    // Seconds that the machine may take between two lines; the table is aged, nobody waits.
    const SLOW = Math.min(5, seconds / 4);
    // What makes datagrams a stream is two seconds of them, of which nobody waits either.
    const timeouts = packets.length > 1 ? { FLOW_STREAM_AGE: 0 } : {};
    const host = await stand(DENY, { buckets: 1, timeouts });
    const back = p.compose(IN[4](), reply);
    for (const packet of packets) await host.out(p.compose(OUT[4](), packet));
    await host.table.age('flows', seconds - SLOW);
    expect(await host.in(back)).toEqual(PASSES_AS_FLOW);
    await host.table.age('flows', SLOW + 1);
    expect(await host.in(back)).toEqual(DENIED);
  });

  test('our FIN ends it after a while, packets of ours keep it meanwhile', () =>
    paced(SHORT, async (pace) => {
      const host = await stand(DENY, { timeouts: { TCP_CLOSING: 4 * pace.unit } });
      pace.begin();
      await out(host, 'syn');
      await out(host, 'ack');
      await out(host, 'fin', 'ack');
      for (let i = 0; i < 4; i++) {
        await pace.pause(1);
        expect(await host.in(answer)).toEqual(PASSES_AS_FLOW);
        await out(host, 'ack');
      }
      await pace.pause(5);
      expect(await host.in(answer)).toEqual(DENIED);
      // The same ports again: a new connection.
      await out(host, 'syn');
      expect(await host.in(answer)).toEqual(PASSES_AS_FLOW);
    }));

  test('our RST ends it soon, a later packet of ours takes that back', () =>
    paced(SHORT, async (pace) => {
      const host = await stand(DENY, { timeouts: { TCP_RESET: pace.unit } });
      pace.begin();
      await out(host, 'syn');
      await out(host, 'ack');
      await out(host, 'rst');
      await out(host, 'ack');
      await pace.pause(2);
      expect(await host.in(answer)).toEqual(PASSES_AS_FLOW);
      await out(host, 'rst', 'ack');
      await pace.pause(2);
      expect(await host.in(answer)).toEqual(DENIED);
    }));

  test('what comes in neither ends nor refreshes it', () =>
    paced(SHORT, async (pace) => {
      const host = await stand(DENY, { timeouts: { TCP_RESET: 0, TCP_CLOSING: 0, TCP_ESTABLISHED: 3.5 * pace.unit } });
      pace.begin();
      await out(host, 'syn');
      await out(host, 'ack');
      for (const flags of [['rst'], ['rst', 'ack'], ['fin', 'ack'], ['syn']] as p.TcpFlag[][])
        expect(await host.in(p.compose(IN[4](), coming(...flags)))).toEqual(PASSES_AS_FLOW);
      for (let i = 0; i < 3; i++) {
        await pace.pause(1);
        await host.in(answer);
      }
      await pace.pause(1);
      expect(await host.in(answer)).toEqual(DENIED);
    }));

  test('datagrams become a stream by age, not by number', () =>
    paced(SHORT, async (pace) => {
      const host = await stand(DENY, { timeouts: { DATAGRAM: 2 * pace.unit, FLOW_STREAM_AGE: pace.unit / 2 } });
      pace.begin();
      const question = p.compose(OUT[4](), p.udp({ from: 5000, to: 53 }));
      const back = p.compose(IN[4](), p.udp({ from: 53, to: 5000 }));
      await host.out(question);
      await host.out(question);
      await pace.pause(3);
      expect(await host.in(back)).toEqual(DENIED);
      await host.out(question);
      await pace.pause(1);
      await host.out(question);
      await pace.pause(3);
      expect(await host.in(back)).toEqual(PASSES_AS_FLOW);
    }));

  test('a new generation keeps it', async () => {
    const host = await stand();
    await out(host, 'syn');
    await out(host, 'ack');
    const next = await FlowStand.load(DENY, host.table, { generation: 2 });
    opened.unshift(next);
    expect(await next.in(answer)).toEqual(PASSES_AS_FLOW);
    // The first packet that goes out is judged by the new rules, and settles it.
    expect(await next.out(p.compose(OUT[4](), going('ack')))).toEqual(FIRST);
    expect(await next.out(p.compose(OUT[4](), going('ack')))).toEqual(PASSES_AS_FLOW);
    expect(await next.in(answer)).toEqual(PASSES_AS_FLOW);
  });

  test('a generation that was not confirmed leaves no mark: its doubt and its refusals end', () =>
    paced(SHORT, async (pace) => {
      const host = await stand();
      await out(host, 'syn');
      await out(host, 'ack');
      const refusing = `${DENY}outbound: { default: deny }\n`;
      const tried = await FlowStand.load(refusing, host.table, { generation: 2, timeouts: { DOUBTED: pace.unit } });
      opened.unshift(tried);
      pace.begin();
      expect(await tried.in(answer)).toEqual(PASSES_AS_FLOW);
      // The generation before judges again: it lasts as it did.
      await out(host, 'ack');
      await pace.pause(2);
      expect(await host.in(answer)).toEqual(PASSES_AS_FLOW);
      // Tried once more, the doubt begins anew, and ends as it must.
      expect(await tried.in(answer)).toEqual(PASSES_AS_FLOW);
      await pace.pause(2);
      expect(await tried.in(answer)).toEqual(DENIED);

      await out(host, 'syn');
      await out(host, 'ack');
      await out(tried, 'ack');
      expect(await tried.in(answer)).toEqual(DENIED);
      expect(await host.out(p.compose(OUT[4](), going('ack')))).toEqual(FIRST);
      expect(await host.in(answer)).toEqual(PASSES_AS_FLOW);
    }));
});

describe('a full bucket', () => {
  const syn = (port: number): Uint8Array => p.compose(OUT[4](), p.tcp({ from: port, to: 443, flags: ['syn'] }));
  const ack = (port: number): Uint8Array => p.compose(OUT[4](), p.tcp({ from: port, to: 443, flags: ['ack'] }));
  const back = (port: number): Uint8Array => p.compose(IN[4](), p.tcp({ from: 443, to: port, flags: ['ack'] }));

  test('makes room where the end is nearest, and counts it', async () => {
    const host = await stand(DENY, { buckets: 1 });
    expect(await host.table.figures()).toMatchObject({ live: 0, pressure: 0 });
    for (let port = 1001; port <= 1008; port++) {
      await host.out(syn(port));
      if (port !== 1005) await host.out(ack(port));
    }
    expect(await host.table.figures()).toMatchObject({ live: 8, ways: 8, pressure: 1, made: 8n, evicted: 0n });
    await host.out(syn(1009));
    expect(await host.table.figures()).toMatchObject({ live: 8, made: 9n, evicted: 1n });
    expect(await host.in(back(1005))).toEqual(DENIED);
    for (const port of [1001, 1002, 1003, 1004, 1006, 1007, 1008, 1009])
      expect(await host.in(back(port))).toEqual(PASSES_AS_FLOW);
  });

  test('takes one that has ended first, uncounted; the same tuple takes its own way', () =>
    paced(0.5, async (pace) => {
      const host = await stand(DENY, { buckets: 1, timeouts: { TCP_OPENING: pace.unit } });
      pace.begin();
      for (let port = 1001; port <= 1008; port++) {
        await host.out(syn(port));
        if (port !== 1003) await host.out(ack(port));
      }
      await pace.pause(2);
      await host.out(syn(1003));
      await host.out(ack(1003));
      expect(await host.table.figures()).toMatchObject({ live: 8, made: 9n, evicted: 0n });
    }));
});

test('ten million spoofed SYNs: no flow is opened, none lost', async () => {
  const random = new Random(testSeed(7));
  const host = await stand(DENY, { buckets: 4096 });
  const ports = Array.from({ length: 2000 }, (_, i) => 20_000 + i);
  for (const port of ports) {
    await host.egress.testRun({ frame: p.compose(OUT[4](), p.tcp({ from: port, to: 443, flags: ['syn'] })) });
    await host.egress.testRun({ frame: p.compose(OUT[4](), p.tcp({ from: port, to: 443, flags: ['ack'] })) });
  }
  const before = await host.table.names();
  expect(before.size).toBe(ports.length);
  const syn = p.compose(IN[4](), p.tcp({ from: 443, to: 40000 }));
  const BATCH = 50_000;
  const frames = new Uint8Array(syn.length * BATCH);
  const view = new DataView(frames.buffer);
  for (let i = 0; i < BATCH; i++) frames.set(syn, i * syn.length);
  for (let round = 0; round < 200; round++) {
    for (let i = 0; i < BATCH; i++) {
      // Random source address and port, never the real peer's.
      view.setUint32(i * syn.length + 26, 0x0a00_0000 + random.below(1 << 24));
      view.setUint16(i * syn.length + 34, 1 + random.below(65_535));
      view.setUint16(i * syn.length + 36, round % 2 === 0 ? 8000 : 20_000 + ((i + round) % 2000));
    }
    const { passed, dropped } = await host.inMany(frames, new Uint32Array(BATCH).fill(syn.length));
    // An open port lets them in and stores nothing either.
    expect({ passed, dropped }).toEqual(
      round % 2 === 0 ? { passed: BATCH, dropped: 0 } : { passed: 0, dropped: BATCH },
    );
  }
  expect(await host.table.names()).toEqual(before);
  expect(await host.table.figures()).toMatchObject({ live: ports.length, made: BigInt(ports.length), evicted: 0n });
});
