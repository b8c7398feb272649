/** What is told of packets: each class at each level, and that no event is lost without being counted. */
import { setTimeout as sleep } from 'node:timers/promises';
import { SLC_EVENT_LIMITS } from '../../src/abi/layout.gen';
import { kernel } from '../../src/kernel/native';
import { evaluate } from '../../src/model/evaluate';
import { logWordOfFrame } from '../../src/model/log-word';
import { LOG_LEVELS, type LogLevel } from '../../src/model/logging';
import { eventText, fieldOf } from '../../src/observe/events';
import { EventStand, gist } from '../support/event-stand';
import * as p from '../support/packet';

const rules = (level: LogLevel, fallback = 'deny'): string => `version: 1
interfaces: [eth0]
logging: ${level}
inbound:
  default: ${fallback}
  ssh: { port: 22, from: anyone }
  rules:
    - { id: web, action: allow, port: 8000/tcp }
    - { id: shut, action: deny, port: 14141/tcp }
    - { id: told, action: allow, port: 8001/tcp, log: on }
    - { id: told-all, action: allow, port: 8002/tcp, log: all }
    - deny log 8003/tcp id refused
`;

const tcp = (to: number, flags: readonly p.TcpFlag[]): Uint8Array => p.compose(p.ipv4(), p.tcp({ to, flags }));
const syn = (to: number): Uint8Array => tcp(to, ['syn']);
const established = (to: number): Uint8Array => tcp(to, ['ack']);

const { EVENT_CAP_ALL: ALL, EVENT_CAP_RULE: RULE, EVENT_CAP_SOURCE: SOURCE, EVENT_FRAME_BYTES } = SLC_EVENT_LIMITS;
const CPUS = kernel().possibleCpus();

/** What each level tells of a frame that comes in; null: nothing. */
interface Row {
  readonly what: string;
  readonly frame: Uint8Array;
  readonly told: Readonly<Record<LogLevel, string | null>>;
  readonly fallback?: 'allow' | 'deny';
}

const from = (first: LogLevel, word: string): Row['told'] => {
  const index = LOG_LEVELS.indexOf(first);
  return Object.fromEntries(LOG_LEVELS.map((level, i) => [level, i >= index ? word : null])) as Row['told'];
};

const TABLE: readonly Row[] = [
  { what: 'what the default refuses', frame: syn(9), told: from('low', 'BLOCK default default') },
  { what: 'also within a connection', frame: established(9), told: from('low', 'BLOCK default default') },
  { what: 'a row that asks for it: a new one', frame: syn(8001), told: from('low', 'ALLOW told rule') },
  { what: 'not what follows', frame: established(8001), told: from('high', 'AUDIT told rule') },
  { what: 'a row that asks for all', frame: established(8002), told: from('low', 'ALLOW told-all rule') },
  { what: 'a deny row that asks for it', frame: syn(8003), told: from('low', 'BLOCK refused rule') },
  { what: 'a row that does not ask', frame: syn(8000), told: from('medium', 'AUDIT web rule') },
  { what: 'what follows on it', frame: established(8000), told: from('high', 'AUDIT web rule') },
  { what: 'a deny row that does not ask', frame: syn(14141), told: from('medium', 'AUDIT shut rule') },
  { what: 'the SSH row', frame: syn(22), told: from('medium', 'AUDIT ssh ssh') },
  { what: 'what the default lets in', frame: syn(9), fallback: 'allow', told: from('medium', 'ALLOW default default') },
  {
    what: 'what follows on it',
    frame: established(9),
    fallback: 'allow',
    told: from('high', 'AUDIT default default'),
  },
  {
    what: 'malformed',
    frame: p.compose(p.ipv4(), p.tcp({ to: 0 })),
    told: from('medium', 'AUDIT INVALID - port-zero'),
  },
  {
    what: 'an unknown protocol on the link',
    frame: p.compose(p.ethernet({ ethertype: 0x88b5, padTo: 60 })),
    told: from('medium', 'AUDIT INVALID - ethertype'),
  },
  {
    what: 'of no connection',
    frame: p.compose(p.ipv4(), p.icmp({ type: 3, code: 1, quote: [p.ipv4(), p.udp()] })),
    told: from('medium', 'AUDIT INVALID - icmp-unrelated'),
  },
  {
    what: 'an echo-request',
    frame: p.compose(p.ipv4(), p.icmp({ type: 8 })),
    told: from('medium', 'AUDIT - icmp-echo'),
  },
  {
    what: 'ARP, never',
    frame: p.compose(p.arp()),
    told: { off: null, low: null, medium: null, high: null, full: null },
  },
  {
    what: 'neighbour discovery is IPv6',
    frame: p.compose(p.ipv6({ hopLimit: 255 }), p.neighbour()),
    told: from('medium', 'AUDIT - neighbour-discovery'),
  },
];

describe.each(LOG_LEVELS)('at level %s', (level) => {
  let stands: Record<'deny' | 'allow', EventStand>;
  beforeAll(async () => {
    stands = {
      deny: await EventStand.load(rules(level), OPEN),
      allow: await EventStand.load(rules(level, 'allow'), OPEN),
    };
  });
  afterAll(() => Object.values(stands).forEach((stand) => stand.close()));

  test.each(TABLE.map((row) => [row.what, row] as const))('%s', async (_what, { frame, told, fallback = 'deny' }) => {
    const stand = stands[fallback];
    await sleep(LONGEST_TICK_MS);
    expect((await stand.tell(frame)).map(gist)).toEqual(told[level] === null ? [] : [told[level]]);
    // The model says the same.
    const decision = evaluate(stand.ruleset, frame);
    expect(logWordOfFrame(stand.ruleset, decision, frame) ?? '').toBe(wordOf(told[level]));
  });

  test('what goes out', async () => {
    const out = (flags: readonly p.TcpFlag[]): Uint8Array =>
      p.compose(p.ipv4({ from: '192.0.2.10', to: '203.0.113.9' }), p.tcp({ from: 40001, to: 443, flags }));
    // The flow is opened by the first; what follows belongs to it.
    expect((await stands.deny.tell(out(['syn']), 'egress')).map(gist)).toEqual(
      told(from('medium', 'ALLOW default default')[level]),
    );
    const [event] = await stands.deny.tell(out(['ack']), 'egress');
    expect(event ? gist(event) : null).toBe(from('high', 'AUDIT - flow')[level]);
    if (event) expect([fieldOf(event, 'IN'), fieldOf(event, 'SRV')]).toEqual(['', 'outbound']);
  });
});

test('what is decided outside the rows, or after packets before it, is told of with its reason', async () => {
  const stand = await EventStand.load(`version: 1
interfaces: [eth0]
logging: full
guard:
  keep-reachable: [{ id: kept, from: 203.0.113.0/24, port: 22/tcp }]
  rules: [deny from 198.51.100.66 id nobody]
inbound:
  udp: off
  rules: [limit 8000/tcp id few]
`);
  const host = '192.0.2.10';
  const told = async (...layers: readonly p.Layer[]): Promise<string[]> =>
    (await stand.tell(p.compose(...layers))).map(gist);
  const kept = { from: '203.0.113.9', to: host };
  expect(await told(p.ipv4(kept), p.tcp({ to: 22 }))).toEqual(['AUDIT kept keep-reachable']);
  expect(await told(p.ipv4({ from: '198.51.100.66', to: host }), p.tcp({ to: 8000 }))).toEqual(['AUDIT nobody guard']);
  expect(await told(p.ipv4(), p.udp({ to: 53 }))).toEqual(['BLOCK udp-off udp-off']);
  const knock = [p.ipv4({ from: '198.51.100.7', to: host }), p.tcp({ to: 8000 })];
  for (let i = 0; i < 5; i++) expect(await told(...knock)).toEqual(['AUDIT few rule']);
  expect(await told(...knock)).toEqual(['LIMIT BLOCK few limit']);
  // Ten in a second pass, at whatever moment it begins.
  const pings = (await stand.tell(p.compose(p.ipv4(), p.icmp()), 'ingress', 30)).map(gist);
  expect([...new Set(pings)].sort()).toEqual(['AUDIT - icmp-echo', 'AUDIT INVALID - icmp-echo-source']);
  const first = p.raw(new Uint8Array(12), 6);
  expect(await told(p.ipv4({ ...kept, moreFragments: true, id: 7 }), p.tcp({ to: 22 }), first)).toEqual([
    'AUDIT kept keep-reachable',
  ]);
  const later = (fragmentOffset: number): Promise<string[]> =>
    told(p.ipv4({ ...kept, fragmentOffset, id: 7 }), p.raw(new Uint8Array(16), 6));
  expect(await later(32)).toEqual(['AUDIT - fragment-follows']);
  expect(await later(8)).toEqual(['AUDIT INVALID - fragment-overlap']);
  stand.close();
});

test('so is who is banned, what finds no room or nothing left of a rate, and what answers', async () => {
  const stand = await EventStand.load(
    `version: 1
interfaces: [eth0]
logging: full
icmp: { mode: essentials, echo-rate: 5, echo-rate-per-source: 1000 }
guard:
  keep-reachable: [{ id: kept, from: 203.0.113.0/24, port: 22/tcp }]
inbound:
  rules: [limit 8000/tcp 2/1h id few, allow 53/udp id dns]
`,
    { banned: [{ family: 4, words: [0xc6336442], length: 32 }] },
  );
  const host = '192.0.2.10';
  const told = async (hook: 'ingress' | 'egress', ...layers: readonly p.Layer[]): Promise<string[]> =>
    (await stand.tell(p.compose(...layers), hook)).map(gist);
  expect(await told('ingress', p.ipv4({ from: '198.51.100.66', to: host }), p.udp({ to: 53 }))).toEqual([
    'AUDIT - banned',
  ]);
  // The table has one bucket: eight sources at their limit leave no room for a ninth.
  const knock = (source: number): p.Layer[] => [
    p.ipv4({ from: `198.51.100.${source}`, to: host }),
    p.tcp({ to: 8000 }),
  ];
  for (let source = 1; source <= 8; source++)
    expect(await told('ingress', ...knock(source))).toEqual(['AUDIT few rule']);
  expect(await told('ingress', ...knock(9))).toEqual(['AUDIT INVALID - limit-full']);
  // Five in a second pass, at whatever moment it begins.
  const pings = (await stand.tell(p.compose(p.ipv4(), p.icmp()), 'ingress', 30)).map(gist);
  expect([...new Set(pings)].sort()).toEqual(['AUDIT - icmp-echo', 'AUDIT INVALID - icmp-echo-all']);
  expect(await told('egress', p.ipv4({ from: host, to: '198.51.100.7' }), p.udp({ from: 53, to: 40001 }))).toEqual([
    'AUDIT - answer',
  ]);
  const kept = [p.ipv4({ from: host, to: '203.0.113.9' }), p.tcp({ from: 22, to: 40001, flags: ['syn', 'ack'] })];
  expect(await told('egress', ...kept)).toEqual(['AUDIT - keep-reachable-answer']);
  stand.close();
});

/** Windows of one tick of the kernel's clock: a frame a window is never held back. */
const OPEN = { window: 0 };
/** At 100 Hz, the slowest clock a kernel is built with. */
const LONGEST_TICK_MS = 12;
const wordOf = (line: string | null): string => (line === null ? '' : line.replace(/ \S+ \S+$/, ''));
const told = (line: string | null): string[] => (line === null ? [] : [line]);

test('the line holds what netfilter would print, and who decided', async () => {
  const stand = await EventStand.load(rules('low'));
  const [event] = await stand.tell(
    p.compose(p.vlan({ id: 7 }), p.ipv4({ from: '198.51.100.7', to: '192.0.2.10' }), p.tcp({ from: 40222, to: 8003 })),
  );
  expect(eventText(event)).toMatch(
    /^\[SLUICE BLOCK\] IN=\S+ OUT= MAC=(?:[0-9a-f]{2}:){13}00 VPROTO=8100 VID=7 SRC=198\.51\.100\.7 DST=192\.0\.2\.10 LEN=40 TOS=0x00 PREC=0x00 TTL=\d+ ID=\d+ (?:DF )?PROTO=TCP SPT=40222 DPT=8003 WINDOW=64240 RES=0x00 SYN URGP=0 SRV=inbound RULE=refused REASON=rule GEN=1 EVENT=test-0$/,
  );
  stand.close();
});

test('a packet that is answered is told of as it came, though its frame has become the answer', async () => {
  const stand = await EventStand.load(`version: 1
interfaces: [eth0]
inbound: { rules: [reject log 113/tcp id ident, reject log 5000/udp id udp] }
`);
  for (const [network, source] of [
    [p.ipv4({ from: '198.51.100.7', to: '192.0.2.10' }), '198.51.100.7'],
    [p.ipv6({ from: '2001:db8::7', to: '2001:db8::10' }), '2001:0db8:0000:0000:0000:0000:0000:0007'],
  ] as const) {
    const [tcpEvent] = await stand.tell(p.compose(network, p.tcp({ from: 40222, to: 113 })));
    expect([gist(tcpEvent), ...['SRC', 'PROTO', 'SPT', 'DPT'].map((key) => fieldOf(tcpEvent, key))]).toEqual([
      'BLOCK ident rule',
      ...[source, 'TCP', '40222', '113'],
    ]);
    const [udpEvent] = await stand.tell(p.compose(network, p.udp({ from: 40222, to: 5000 })));
    expect([gist(udpEvent), fieldOf(udpEvent, 'SRC'), fieldOf(udpEvent, 'PROTO')]).toEqual([
      'BLOCK udp rule',
      source,
      'UDP',
    ]);
  }
  stand.close();
});

test('frames in pieces, short ones and long ones', async () => {
  const stand = await EventStand.load(rules('medium'), OPEN);
  const long = p.compose(p.ipv4(), p.udp({ to: 9 }), p.raw(new Uint8Array(1200)));
  await stand.ingress.testRun({ frame: long, linear: 20 });
  const [event] = await stand.read();
  expect([gist(event), fieldOf(event, 'DPT')]).toEqual(['BLOCK default default', '9']);
  expect(EVENT_FRAME_BYTES).toBeLessThan(long.length);
  const [short] = await stand.tell(new Uint8Array(14));
  expect(gist(short)).toBe('AUDIT INVALID - ethertype');
  stand.close();
});

describe('caps', () => {
  /**
   * Tells of a frame so often, by programs that have told of nothing before. Each processor has caps of its own: where the
   * run has moved from one to another, so that more than `most` were told, it is made again.
   */
  const toldAtOne = async (
    text: string,
    { port, times, most }: { port: number; times: number; most: number },
  ): Promise<{ stand: EventStand; told: number }> => {
    for (let attempt = 1; ; attempt++) {
      const stand = await EventStand.load(text);
      const told = (await stand.tell(syn(port), 'ingress', times)).length;
      if (told <= most || told > most * CPUS || attempt === 10) return { stand, told };
      stand.close();
    }
  };

  test('of a source: so many of one, the rest is counted', async () => {
    const { stand, told } = await toldAtOne(rules('low'), { port: 9, times: 100, most: SOURCE });
    expect(told).toBe(SOURCE);
    const { made, written, capped } = stand.figures();
    expect({ made, written, source: capped.source }).toEqual({
      made: 100n,
      written: BigInt(SOURCE),
      source: BigInt(100 - SOURCE),
    });
    stand.close();
  });

  const flood = (sources: number, ports: readonly number[]): Uint8Array[] =>
    Array.from({ length: sources }, (_, i) =>
      p.compose(
        p.ipv4({ from: `198.${18 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}` }),
        p.tcp({ to: ports[i % ports.length] }),
      ),
    );

  test.each([
    ['of a rule', 'rule', RULE, flood(1000, [9])],
    ['of a processor in all', 'all', ALL, flood(2000, [9, 8001, 8002, 8003, 7000])],
  ] as const)('%s, whatever the source', async (_what, cap, most, frames) => {
    const text = cap === 'rule' ? rules('low') : MANY;
    const stand = await EventStand.load(text);
    await stand.ingress.testRunBatch({
      frames: Buffer.concat(frames),
      lengths: Uint32Array.from(frames, (frame) => frame.length),
    });
    const events = await stand.read();
    const { made, written, capped, ringFull } = stand.figures();
    expect(made).toBe(BigInt(frames.length));
    expect(written).toBe(BigInt(events.length));
    // Each processor has a cap of its own, and the run may have moved.
    expect(events.length).toBeGreaterThanOrEqual(Math.min(most, frames.length));
    expect(events.length).toBeLessThanOrEqual(most * CPUS);
    expect(capped[cap]).toBeGreaterThan(0n);
    expect(written + capped.all + capped.rule + capped.source + ringFull).toBe(made);
    stand.close();
  });

  test('a ring that nobody reads: what finds no room is counted', async () => {
    const stand = await EventStand.load(rules('full'), { ringBytes: 4096 });
    await stand.ingress.testRun({ frame: syn(9), repeat: 500 });
    const { made, written, ringFull } = stand.figures();
    expect([made, written + ringFull]).toEqual([500n, 500n]);
    expect(ringFull).toBeGreaterThan(400n);
    expect((await stand.read()).length).toBe(Number(written));
    // Room again.
    expect((await stand.tell(syn(9))).length).toBe(1);
    stand.close();
  });

  test('a new window gives room again', async () => {
    const stand = await EventStand.load(rules('low'), OPEN);
    for (let i = 0; i < 3 * SOURCE; i++) {
      expect((await stand.tell(syn(9))).length).toBe(1);
      await sleep(20); // a tick of the slowest kernels is 10 ms
    }
    stand.close();
  });

  test('full holds back only rows that ask, as ufw does; high also what is audited', async () => {
    for (const [level, port, most] of [
      ['full', 8000, 50],
      ['full', 8001, SOURCE],
      ['high', 8000, SOURCE],
      ['high', 9, 50],
    ] as const) {
      const { stand, told } = await toldAtOne(rules(level), { port, times: 50, most });
      expect([level, port, told]).toEqual([level, port, most]);
      stand.close();
    }
  });
});

/** Enough rules that ask for it that their caps do not hold the processor's back. */
const MANY = `version: 1
interfaces: [eth0]
logging: low
inbound:
  rules:
${[8001, 8002, 8003, 7000].map((port) => `    - deny log-all ${port}/tcp`).join('\n')}
`;

test('at off the program holds no trace of it', async () => {
  const [off, low] = [await EventStand.load(rules('off')), await EventStand.load(rules('low'))];
  const maps = (stand: EventStand): number => stand.ingress.info().mapIds.length;
  expect(maps(low) - maps(off)).toBe(4); // the ring, its figures, the caps of ranks, and of sources and servers
  expect(await off.tell(syn(9), 'ingress', 10)).toEqual([]);
  expect(off.figures().made).toBe(0n);
  [off, low].forEach((stand) => stand.close());
});
