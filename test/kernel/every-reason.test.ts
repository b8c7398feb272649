/**
 * Every reason of the ABI, at each hook that can give it: the verdict, the one counter that goes up, the one event, and
 * what the dry twin says. A reason that is added and has no line here does not compile, and is missed by the last test.
 */
import { LAYOUT, SLC_LIMITS, SLC_REASON, SLC_SLOT_OPEN } from '../../src/abi/layout.gen';
import { REASON_CODE, REASON_OF_CODE } from '../../src/abi/codec';
import { openDatapath } from '../../src/kernel/datapath-object';
import type { BpfMap, EventRing } from '../../src/kernel/kernel';
import { kernel } from '../../src/kernel/native';
import { BanTable } from '../../src/load/ban-table';
import { packGateWord } from '../../src/load/gate-word';
import { OpenTable } from '../../src/load/open-table';
import { slotKey } from '../../src/load/state';
import { evaluate } from '../../src/model/evaluate';
import type { Reason } from '../../src/model/reason';
import type { Direction } from '../../src/model/ruleset';
import { gist, readRing } from '../support/event-stand';
import { type Action, IngressStand, IngressTables, type SharedMaps } from '../support/ingress-stand';
import * as p from '../support/packet';

const HOST = '192.0.2.10';
const [SHOP, AJAR] = ['192.0.2.99', '192.0.2.98'];
const OFFICE = '203.0.113.9';
const [GUARDED, BANNED] = ['198.51.100.66', '198.51.100.67'];
const STRANGER = '198.51.100.7';

const RULES = `version: 1
interfaces: [eth0]
logging: full
icmp: { mode: essentials, echo-rate: 4, echo-rate-per-source: 2 }
guard:
  keep-reachable: [{ id: kept, from: ${OFFICE}, port: 22/tcp }]
  rules: [{ id: nobody, action: deny, from: ${GUARDED} }, { id: nowhere, action: deny, direction: out, to: ${GUARDED} }]
inbound:
  ssh: { port: 22, from: anyone }
  rules: [allow 80/tcp id web, allow 53/udp id dns, limit 8000/tcp 2/1h id few]
outbound:
  rules: [reject out to any port 25 id mail, deny out to any port 9 id shut]
servers:
  shop: { address: ${SHOP}, udp: off, rules: [] }
  ajar: { address: ${AJAR}, rules: [] }
`;
/** Another ruleset where one way out needs it. */
const VARIANTS = { '': RULES, 'fragments: drop': `${RULES}fragments: drop\n`, damaged: RULES } as const;

interface Step {
  readonly hook: Direction;
  readonly frame: Uint8Array;
}

interface Way extends Step {
  readonly with?: keyof typeof VARIANTS;
  /** Packets before it. */
  readonly after?: readonly Step[];
  readonly action: Action;
  /** The counter: the reason in brackets, or the row. */
  readonly at: string;
  /** The event: ufw's word, the rule, the reason; null: none. */
  readonly told: string | null;
}

type Ways = readonly [Way, ...Way[]];
type Frame = Uint8Array | readonly p.Layer[];

const framed = (frame: Frame): Uint8Array => (frame instanceof Uint8Array ? frame : p.compose(...frame));
const step = (hook: Direction, ...layers: readonly p.Layer[]): Step => ({ hook, frame: p.compose(...layers) });

/** A frame that the reason alone drops: no word of the image decides. */
const drops = (reason: Reason, hook: Direction, frame: Frame, more: Partial<Way> = {}): Way => ({
  ...{ hook, frame: framed(frame), action: 'drop', at: `(${reason})` },
  ...{ told: `AUDIT INVALID - ${reason}`, ...more },
});
const passes = (reason: Reason, hook: Direction, frame: Frame, more: Partial<Way> = {}): Way => ({
  ...{ hook, frame: framed(frame), action: 'pass', at: `(${reason})` },
  ...{ told: `AUDIT - ${reason}`, ...more },
});
/** A row decides. */
const decides = (hook: Direction, frame: Frame, action: Action, at: string, told: string): Way => ({
  ...{ hook, frame: framed(frame), action, at, told },
});
/** The same frame at both hooks. */
const atBoth = (make: (hook: Direction) => Way): Ways => [make('in'), make('out')];

/** A packet of a stranger to this host, and one that this host sends. */
const IN4 = p.ipv4({ from: STRANGER, to: HOST });
const OUT4 = p.ipv4({ from: HOST, to: STRANGER });
const WEB = p.tcp({ to: 80 });
const options = (count: number): p.Layer[] => Array.from({ length: count }, () => p.destinationOptions());
const bytes = (length: number, protocol = 6): p.Layer => p.raw(new Uint8Array(length), protocol);
const malformed = (reason: Reason, ...layers: readonly p.Layer[]): Ways =>
  atBoth((hook) => drops(reason, hook, layers));
const cutShort = (reason: Reason, length: number, ...layers: readonly p.Layer[]): Ways =>
  atBoth((hook) => drops(reason, hook, p.cut(p.compose(...layers), length)));
const essential = (reason: Reason, told: string | null, ...layers: readonly p.Layer[]): Ways =>
  atBoth((hook) => passes(reason, hook, layers, { told }));
const error = (...quote: readonly p.Layer[]): p.Layer => p.icmp({ type: 3, code: 1, quote: [...quote] });
const ping = (from: string): Step => step('in', p.ipv4({ from, to: HOST }), p.icmp());
const knock = (source: number): Step =>
  step('in', p.ipv4({ from: `198.51.100.${source}`, to: HOST }), p.tcp({ to: 8000 }));
/** A first fragment that passes, and what may follow it. */
const pieces = (hook: Direction, id: number): { first: Step; later: (at: number) => p.Layer[] } => {
  const ip = (fragmentOffset: number, moreFragments: boolean): p.Layer =>
    hook === 'in'
      ? p.ipv4({ from: STRANGER, to: HOST, id, fragmentOffset, moreFragments })
      : p.ipv4({ from: HOST, to: STRANGER, id, fragmentOffset, moreFragments });
  return {
    first: step(hook, ip(0, true), p.tcp({ to: 80 }), bytes(12)),
    later: (at) => [ip(at, false), bytes(32)],
  };
};

/** Ways of each reason; of those that the gates give see below. */
const WAYS: Readonly<Record<Exclude<Reason, 'too-short' | 'gate-empty' | 'gate-open'>, Ways>> = {
  rule: [
    decides('in', [IN4, WEB], 'pass', 'web', 'AUDIT web rule'),
    decides('out', [OUT4, p.tcp({ to: 9 })], 'drop', 'shut', 'AUDIT shut rule'),
    decides('out', [OUT4, p.tcp({ to: 25 })], 'redirect', 'mail', 'AUDIT mail rule'),
  ],
  ssh: [decides('in', [IN4, p.tcp({ to: 22 })], 'pass', 'ssh', 'AUDIT ssh ssh')],
  default: [
    decides('in', [IN4, p.tcp({ to: 9 })], 'drop', 'default', 'BLOCK default default'),
    decides('out', [OUT4, p.tcp({ to: 443 })], 'pass', 'default', 'ALLOW default default'),
  ],
  'keep-reachable': [
    decides('in', [p.ipv4({ from: OFFICE, to: HOST }), p.tcp({ to: 22 })], 'pass', 'kept', 'AUDIT kept keep-reachable'),
  ],
  guard: [
    decides('in', [p.ipv4({ from: GUARDED, to: HOST }), WEB], 'drop', 'nobody', 'AUDIT nobody guard'),
    decides('out', [p.ipv4({ from: HOST, to: GUARDED }), WEB], 'drop', 'nowhere', 'AUDIT nowhere guard'),
  ],
  arp: essential('arp', null, p.arp()),
  'link-protocol': essential('link-protocol', null, p.ethernet({ ethertype: 0x88cc }), p.raw('tlv')),
  'neighbour-discovery': essential(
    ...(['neighbour-discovery', 'AUDIT - neighbour-discovery', p.ipv6({ hopLimit: 255 }), p.neighbour()] as const),
  ),
  'multicast-listener': essential(
    ...(['multicast-listener', 'AUDIT - multicast-listener', p.ipv6({ from: 'fe80::1' })] as const),
    p.multicastListener(),
  ),
  'icmp-echo': [passes('icmp-echo', 'in', [IN4, p.icmp()])],
  'icmp-error': [
    passes('icmp-error', 'in', [IN4, error(OUT4, p.tcp({ from: 80, to: 40_000 }))]),
    // About what this host has opened.
    passes('icmp-error', 'in', [IN4, error(OUT4, p.tcp({ from: 40_001, to: 443 }))], {
      after: [step('out', OUT4, p.tcp({ from: 40_001, to: 443 }))],
    }),
  ],
  flow: [
    passes('flow', 'in', [IN4, p.tcp({ from: 443, to: 40_002, flags: ['syn', 'ack'] })], {
      after: [step('out', OUT4, p.tcp({ from: 40_002, to: 443 }))],
    }),
    passes('flow', 'out', [OUT4, p.tcp({ from: 40_002, to: 443, flags: ['ack'] })], {
      after: [step('out', OUT4, p.tcp({ from: 40_002, to: 443 }))],
    }),
  ],
  answer: [passes('answer', 'out', [OUT4, p.udp({ from: 53, to: 40_000 })])],
  'keep-reachable-answer': [
    passes('keep-reachable-answer', 'out', [
      p.ipv4({ from: HOST, to: OFFICE }),
      p.tcp({ from: 22, to: 40_000, flags: ['syn', 'ack'] }),
    ]),
  ],
  'fragment-follows': atBoth((hook) => {
    const { first, later } = pieces(hook, 1);
    return passes('fragment-follows', hook, later(32), { after: [first] });
  }),
  'fragment-overlap': atBoth((hook) => {
    const { first, later } = pieces(hook, 2);
    return drops('fragment-overlap', hook, later(8), { after: [first] });
  }),
  fragment: [drops('fragment', 'in', pieces('in', 3).later(32)), drops('fragment', 'out', pieces('out', 3).later(32))],
  'fragment-refused': [drops('fragment-refused', 'in', pieces('in', 4).later(32), { with: 'fragments: drop' })],
  'allow-all': [
    passes('allow-all', 'in', [p.ipv4({ from: STRANGER, to: AJAR }), p.tcp({ to: 9 })], {
      told: 'ALLOW default allow-all',
    }),
  ],
  'own-answer': [
    passes('own-answer', 'in', [IN4, p.tcp({ from: 25, to: 40_003, flags: ['rst', 'ack'] })], {
      after: [step('out', OUT4, p.tcp({ from: 40_003, to: 25 }))],
    }),
  ],
  dhcp: [passes('dhcp', 'in', [p.ipv4({ to: '255.255.255.255' }), p.udp({ from: 67, to: 68 })])],
  'vlan-depth': malformed('vlan-depth', p.vlan({ kind: 'ad' }), p.vlan(), p.vlan(), IN4, WEB),
  'vlan-truncated': cutShort('vlan-truncated', 16, p.vlan(), IN4, WEB),
  ethertype: malformed('ethertype', p.ethernet({ ethertype: 0x8847 }), p.raw('label')),
  // No kernel sends one out.
  'ip-truncated': [cutShort('ip-truncated', 33, IN4, WEB)[0]],
  'ip-version': malformed('ip-version', p.ipv4({ version: 6 }), WEB),
  'ipv4-ihl': malformed('ipv4-ihl', p.ipv4({ ihl: 4 }), WEB),
  'ip-length': malformed('ip-length', p.ipv4({ totalLength: 41 }), WEB),
  'ipv6-chain': malformed('ipv6-chain', p.ipv6(), p.fragment(), p.fragment(), WEB),
  'ipv6-chain-long': malformed('ipv6-chain-long', p.ipv6(), ...options(9), WEB),
  'ipv6-routing-0': malformed('ipv6-routing-0', p.ipv6(), p.routing({ type: 0 }), WEB),
  'l4-truncated': malformed('l4-truncated', p.ipv4(), p.truncate(19), WEB),
  'l4-length': malformed('l4-length', p.ipv4(), p.tcp({ to: 80, dataOffset: 4 })),
  'tiny-fragment': malformed('tiny-fragment', p.ipv4({ moreFragments: true }), p.truncate(16), WEB),
  'port-zero': malformed('port-zero', p.ipv4(), p.tcp({ to: 0 })),
  'fragment-length': malformed('fragment-length', p.ipv4({ moreFragments: true }), WEB, bytes(16)),
  'icmp-unrelated': [drops('icmp-unrelated', 'in', [IN4, error(OUT4, p.tcp({ from: 9, to: 40_000 }))])],
  'icmp-quote-short': [
    drops('icmp-quote-short', 'in', [IN4, p.icmp({ type: 3, quote: [OUT4, p.tcp({ from: 80 })], quoteBytes: 27 })]),
  ],
  'icmp-quote-error': [drops('icmp-quote-error', 'in', [IN4, error(OUT4, p.icmp({ type: 11 }))])],
  banned: [drops('banned', 'in', [p.ipv4({ from: BANNED, to: HOST }), WEB], { told: 'AUDIT - banned' })],
  'udp-off': [
    decides(
      ...(['in', [p.ipv4({ from: STRANGER, to: SHOP }), p.udp({ to: 53 })], 'drop', 'shop/udp-off'] as const),
      'BLOCK udp-off udp-off',
    ),
  ],
  'icmp-echo-source': [
    drops('icmp-echo-source', 'in', ping(STRANGER).frame, { after: [ping(STRANGER), ping(STRANGER)] }),
  ],
  'icmp-echo-all': [
    drops('icmp-echo-all', 'in', ping(STRANGER).frame, {
      after: ['198.51.100.1', '198.51.100.2', '198.51.100.3', '198.51.100.4'].map(ping),
    }),
  ],
  // The table of windows has one bucket of eight.
  limit: [
    {
      ...{ ...knock(9), after: [knock(9)], action: 'tx', at: 'few/refused' },
      told: 'LIMIT BLOCK few limit',
    },
  ],
  'limit-full': [
    drops('limit-full', 'in', knock(9).frame, { after: [1, 2, 3, 4, 5, 6, 7, 8].map(knock), action: 'tx' }),
  ],
  'image-fault': atBoth((hook) =>
    drops('image-fault', hook, [hook === 'in' ? IN4 : OUT4, p.tcp({ to: 443 })], { with: 'damaged' }),
  ),
};

/** Both programs of a ruleset over the same tables, and the ring they tell into. */
class Stand {
  private constructor(
    readonly tables: IngressTables,
    readonly programs: Readonly<Record<Direction, IngressStand>>,
    private readonly ring: EventRing,
    private readonly maps: readonly BpfMap[],
  ) {}

  static async load(variant: keyof typeof VARIANTS): Promise<Stand> {
    const tables = await IngressTables.create(1);
    const sections = SLC_LIMITS.OPEN_SECTIONS;
    const object = openDatapath(kernel(), 'slc_read_clock', {
      create: {
        ...{ slc_clock: 1, slc_state: 1, slc_open: sections, slc_open_index: sections },
        ...{ slc_ban_hosts: 8, slc_ban_nets: 8, slc_ban_filter: 1 },
        ...{ slc_events: 1 << 16, slc_event_stats: 1, slc_event_sources: kernel().possibleCpus() },
      },
    });
    await object.load();
    const state = object.map('slc_state');
    const open = { state, open: object.map('slc_open'), index: object.map('slc_open_index') };
    const bans = {
      ...{ state, hosts: object.map('slc_ban_hosts'), nets: object.map('slc_ban_nets') },
      filter: object.map('slc_ban_filter'),
    };
    const told = {
      ...{ events: object.map('slc_events'), eventStats: object.map('slc_event_stats') },
      eventSources: object.map('slc_event_sources'),
    };
    object.close();
    const words = [BANNED.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)];
    const ban = { prefix: { family: 4, words, length: 32 }, expiresNs: null, packets: 0n, lastHitNs: null } as const;
    await new BanTable(bans).change([], [ban], []);
    new OpenTable(open).open('ajar', 1n << 62n);
    const shared: SharedMaps = { open, bans, ...told };
    const programs = {
      in: await IngressStand.load(VARIANTS[variant], tables, shared, 'in'),
      out: await IngressStand.load(VARIANTS[variant], tables, shared, 'out'),
    };
    // Where the sections of rows stand.
    const fault = (image: DataView): void => {
      for (let entry = 0; entry < 9; entry++)
        image.setUint32(8 * SLC_LIMITS.SECTIONS_SLOT + entry * LAYOUT.slc_section.size, 0x00ff_ffff, true);
    };
    if (variant === 'damaged') for (const program of Object.values(programs)) await program.damage(fault);
    const maps = new Set<BpfMap>([...Object.values(open), ...Object.values(bans), ...Object.values(told)]);
    return new Stand(tables, programs, told.events.ring(), [...maps]);
  }

  /** What was told since it was last asked. */
  async told(): Promise<string[]> {
    const ranks = Object.values(this.programs).flatMap(({ image }) => image.ranks);
    return (await readRing(this.ring, (rank) => ranks.find((entry) => entry.rank === rank))).map(gist);
  }

  close(): void {
    this.ring.close();
    for (const each of [...Object.values(this.programs), this.tables, ...this.maps]) each.close();
  }
}

const stands = new Map<string, Stand>();

beforeAll(async () => {
  for (const variant of Object.keys(VARIANTS) as (keyof typeof VARIANTS)[])
    stands.set(variant, await Stand.load(variant));
});

afterAll(() => stands.forEach((stand) => stand.close()));

const LINES = Object.entries(WAYS).flatMap(([reason, ways]) =>
  ways.map((way, i) => [`${reason}, ${way.hook}${i > 1 ? `, ${i}` : ''}`, way] as const),
);

test.each(LINES)('%s', async (_name, { hook, frame, action, at, told, ...way }) => {
  const stand = stands.get(way.with ?? '')!;
  // Beyond every rate and window of the lines before.
  stand.tables.now += 7_200_000;
  for (const before of way.after ?? []) await stand.programs[before.hook].in(before.frame);
  await stand.told();
  const judged = await stand.programs[hook].in(frame);
  const where = p.describeFrame(frame);
  expect({ where, action: judged.action, at: judged.at }).toEqual({ where, action, at });
  expect(await stand.told()).toEqual(told === null ? [] : [told]);
});

test('too-short: the kernel hands over no such frame', async () => {
  const { programs } = stands.get('')!;
  for (const hook of ['in', 'out'] as const) await expect(programs[hook].in(new Uint8Array(13))).rejects.toThrow();
  expect(evaluate(programs.in.ruleset, new Uint8Array(13))).toMatchObject({ verdict: 'deny', reason: 'too-short' });
  expect(await stands.get('')!.told()).toEqual([]);
});

/** The gates count for themselves and have no ring: what they decide is told of by status, never packet by packet. */
test.each([
  ['slc_gate_xdp', { drop: 1, pass: 2 }, 0],
  ['slc_gate_egress', { drop: 2, pass: 0xffffffff }, 2],
] as const)('gate-empty and gate-open of %s', async (name, returns, first) => {
  const programs = name === 'slc_gate_xdp' ? 'slc_programs' : 'slc_egress';
  const object = openDatapath(kernel(), name, {
    create: { slc_state: 1, [programs]: SLC_LIMITS.PROGRAM_SLOTS, slc_gate_counters: 4 },
  });
  await object.load();
  const [gate, map, counters] = [object.program(name), object.map('slc_state'), object.map('slc_gate_counters')];
  const state = map.mmap({ writable: true });
  const counts = (): bigint[] =>
    [0, 1, 2, 3].map((entry) => {
      const rows = Buffer.from(counters.lookup(slotKey(entry))!);
      const all = Array.from({ length: rows.length / LAYOUT.slc_counter.size }, (_, cpu) =>
        rows.readBigUInt64LE(cpu * LAYOUT.slc_counter.size),
      );
      return all.reduce((sum, one) => sum + one, 0n);
    });
  for (const [i, reason, slot, returned] of [
    [0, 'gate-empty', 1, returns.drop],
    [1, 'gate-open', SLC_SLOT_OPEN, returns.pass],
  ] as const) {
    expect(REASON_CODE[reason] - SLC_REASON.GATE_EMPTY).toBe(i);
    state.store64(LAYOUT.slc_state.fields.gate.offset, packGateWord({ slot, previous: slot, deadlineNs: 0n }));
    const before = counts();
    expect((await gate.testRun({ frame: p.compose(IN4, WEB) })).returnValue).toBe(returned);
    expect(counts().map((count, entry) => count - before[entry])).toEqual(
      [0, 1, 2, 3].map((entry) => (entry === first + i ? 1n : 0n)),
    );
  }
  for (const handle of [state, map, counters, gate, object]) handle.close();
});

test('no reason of the ABI is missing', () => {
  const shown = new Set<string>([...Object.keys(WAYS), 'too-short', 'gate-empty', 'gate-open']);
  const all = Object.values(SLC_REASON).filter((code) => code !== SLC_REASON.NONE);
  expect(all.map((code) => REASON_OF_CODE.get(code)!).filter((reason) => !shown.has(reason))).toEqual([]);
});
