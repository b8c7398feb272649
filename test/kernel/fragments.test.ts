/**
 * Fragments: the first is judged, later ones follow it where it passed, and no fragment makes anything pass that was
 * not let in. Verdict and counter of every frame on the programs that enforce; the model, given what the kernel
 * remembers, agrees on every frame that comes in.
 */
import { measureHz } from '../../src/kernel/clock';
import { kernel } from '../../src/kernel/native';
import { decode } from '../../src/model/decode';
import { nameOfFragments } from '../../src/model/fragment';
import { closesAfterEach } from '../support/close-after';
import { FlowStand, FlowTable } from '../support/flow-stand';
import { Random, testSeed } from '../support/generate/random';
import { paced } from '../support/pace';
import * as p from '../support/packet';

const DENY =
  'version: 1\ninbound: { default: deny, ssh: { port: 22, from: anyone }, rules: [allow 53/udp, allow 443/tcp] }\n';
const { source4, destination4, source6, destination6 } = p.DEFAULTS;

let hz: number;
const opened = closesAfterEach();

async function stand(
  text = DENY,
  { buckets = 64, seconds }: { buckets?: number; seconds?: number } = {},
): Promise<FlowStand> {
  const table = await FlowTable.create(64, hz, buckets);
  const made = await FlowStand.load(text, table, { fragmentSeconds: seconds });
  opened.push(made, table);
  return made;
}

beforeAll(async () => {
  hz = await measureHz(kernel());
});

interface Piece {
  readonly id?: number;
  readonly from?: string;
  readonly to?: string;
  readonly more?: boolean;
}

/** A first fragment of each family: a transport header and `bytes` behind it. */
const first = {
  4: (transport: p.Layer, bytes: number, { id = 7, from, to }: Piece = {}) =>
    p.compose(p.ipv4({ id, from, to, moreFragments: true }), transport, p.raw(new Uint8Array(bytes))),
  6: (transport: p.Layer, bytes: number, { id = 7, from, to }: Piece = {}) =>
    p.compose(p.ipv6({ from, to }), p.fragment({ id, more: true }), transport, p.raw(new Uint8Array(bytes))),
};
/** A later fragment: `bytes` that belong at `at`. */
const later = {
  4: (at: number, bytes: number, { id = 7, from, to, more }: Piece = {}, protocol = 17) =>
    p.compose(
      p.ipv4({ id, from, to, fragmentOffset: at, moreFragments: more }),
      p.raw(new Uint8Array(bytes).fill(0xff), protocol),
    ),
  6: (at: number, bytes: number, { id = 7, from, to, more }: Piece = {}, protocol = 17) =>
    p.compose(
      p.ipv6({ from, to }),
      p.fragment({ id, offset: at, more, nextHeader: protocol }),
      p.raw(new Uint8Array(bytes).fill(0xff)),
    ),
};
const udp = (bytes: number, to = 53): p.Layer => p.udp({ to, length: 8 + bytes });
const FAMILIES = [4, 6] as const;
const BACK = { 4: { from: destination4, to: source4 }, 6: { from: destination6, to: source6 } } as const;
const OTHER = { 4: { from: '192.0.2.77' }, 6: { from: '2001:db8:9::77' } } as const;
const OTHER_TO = { 4: { to: '192.0.2.78' }, 6: { to: '2001:db8:9::78' } } as const;

const FOLLOWS = { passed: true, reason: 'fragment-follows' } as const;
const UNKNOWN = { passed: false, reason: 'fragment' } as const;
const OVERLAP = { passed: false, reason: 'fragment-overlap' } as const;
const DENIED = { passed: false, reason: 'default' } as const;
const LET_IN = { passed: true, reason: 'rule' } as const;
const pause = (seconds: number): Promise<void> => new Promise((done) => setTimeout(done, seconds * 1000));

describe.each(FAMILIES)('IPv%d', (family) => {
  test('later ones follow a first that a row let in, in any order among themselves', async () => {
    const host = await stand();
    expect(await host.in(later[family](1480, 100))).toEqual(UNKNOWN);
    expect(await host.in(first[family](udp(2900), 1472))).toEqual(LET_IN);
    expect(await host.in(later[family](2960, 8))).toEqual(FOLLOWS);
    expect(await host.in(later[family](1480, 1480, { more: true }))).toEqual(FOLLOWS);
    // A copy of one follows as well; receivers know what to do with it.
    expect(await host.in(later[family](2960, 8))).toEqual(FOLLOWS);
    expect(await host.table.fragmentFigures()).toMatchObject({ live: 1, made: 1n, evicted: 0n });
  });

  test('no later one follows a first that was refused', async () => {
    const host = await stand();
    expect(await host.in(first[family](udp(2900, 161), 1472))).toEqual(DENIED);
    expect(await host.in(later[family](1480, 100))).toEqual(UNKNOWN);
    expect(await host.table.fragmentFigures()).toMatchObject({ live: 0, made: 0n });
  });

  test.each([
    ['its SSH row (tier 8)', DENY, p.tcp({ to: 22 }), 6, 'ssh'],
    ['its default (tier 9)', 'version: 1\ninbound: { default: allow }\n', udp(2900, 9999), 17, 'default'],
    ['ICMP essentials (tier 5)', DENY, family === 4 ? p.icmp() : p.icmpv6(), family === 4 ? 1 : 58, 'icmp-echo'],
    ['a protocol without ports', DENY.replace('allow 53/udp', 'allow proto gre'), p.raw('gre-head', 47), 47, 'rule'],
  ] as const)('they follow whatever tier let the first in: %s', async (_name, text, transport, protocol, reason) => {
    const host = await stand(text);
    // TCP's header is 20 bytes long: 60 more make a multiple of 8; the others have 8.
    const bytes = protocol === 6 ? 60 : 72;
    expect(await host.in(first[family](transport, bytes))).toEqual({ passed: true, reason });
    expect(await host.in(later[family](80, 100, {}, protocol))).toEqual(FOLLOWS);
  });

  test('they follow the answer of a flow (tier 4), and an ICMP error', async () => {
    const host = await stand();
    const question = { 4: p.ipv4(BACK[4]), 6: p.ipv6(BACK[6]) }[family];
    await host.out(p.compose(question, p.udp({ from: 5000, to: 9999 })));
    const answer = p.udp({ from: 9999, to: 5000, length: 2908 });
    expect(await host.in(first[family](answer, 72))).toEqual({ passed: true, reason: 'flow' });
    expect(await host.in(later[family](80, 100))).toEqual(FOLLOWS);
    const quote = [question, p.udp({ from: 5000, to: 9999 })];
    const error = family === 4 ? p.icmp({ type: 3, code: 3, quote }) : p.icmpv6({ type: 1, code: 4, quote });
    const bytes = 72 - (family === 4 ? 28 : 48);
    expect(await host.in(first[family](error, bytes, { id: 8 }))).toEqual({ passed: true, reason: 'icmp-error' });
    // What it quotes was judged: nothing may replace it.
    expect(await host.in(later[family](8, 100, { id: 8 }, family === 4 ? 1 : 58))).toEqual(OVERLAP);
    expect(await host.in(later[family](80, 100, { id: 8 }, family === 4 ? 1 : 58))).toEqual(FOLLOWS);
  });

  test.each([
    ['another identification', { id: 8 }],
    ['another source', OTHER[family]],
    ['another destination', OTHER_TO[family]],
    ['source and destination exchanged', BACK[family]],
  ] as const)('%s is another packet', async (_name, piece) => {
    const host = await stand();
    await host.in(first[family](udp(2900), 1472));
    expect(await host.in(later[family](1480, 100, piece))).toEqual(UNKNOWN);
    expect(await host.in(later[family](1480, 100))).toEqual(FOLLOWS);
  });

  test('what comes in does not follow what went out, nor the other way round', async () => {
    const host = await stand();
    expect(await host.out(first[family](p.udp({ from: 5000, to: 9999, length: 2908 }), 1472, BACK[family]))).toEqual({
      passed: true,
      reason: 'default',
    });
    expect(await host.out(later[family](1480, 100, BACK[family]))).toEqual(FOLLOWS);
    expect(await host.in(later[family](1480, 100, BACK[family]))).toEqual(UNKNOWN);
    expect(await host.in(first[family](udp(2900), 1472, { id: 9 }))).toEqual(LET_IN);
    // Nothing is refused below tier 4 of what goes out, unknown ones meet that default.
    expect(await host.out(later[family](1480, 100, { id: 9 }))).toEqual({ passed: true, reason: 'default' });
    expect(await host.out(later[family](0x1000, 100, BACK[family]))).toEqual(FOLLOWS);
    expect(await host.out(later[family](family === 4 ? 8 : 1472, 100, BACK[family]))).toEqual(
      family === 4 ? FOLLOWS : OVERLAP,
    );
  });

  test('fragments: drop remembers nothing and lets none in; what goes out does', async () => {
    const host = await stand(`${DENY}fragments: drop\n`);
    const refused = { passed: false, reason: 'fragment-refused' };
    expect(await host.in(first[family](udp(2900), 1472))).toEqual(refused);
    expect(await host.in(later[family](1480, 100))).toEqual(refused);
    const passes = { passed: true, reason: 'default' };
    expect(await host.out(first[family](p.udp({ from: 5000, to: 9999, length: 2908 }), 1472, BACK[family]))).toEqual(
      passes,
    );
    expect(await host.out(later[family](1480, 100, BACK[family]))).toEqual(passes);
    expect(await host.table.fragmentFigures()).toMatchObject({ live: 0, made: 0n });
  });

  test('it is forgotten in time, and a first that comes again makes it last', () =>
    paced(0.4, async (pace) => {
      const host = await stand(DENY, { seconds: 2.5 * pace.unit });
      pace.begin();
      await host.in(first[family](udp(2900), 1472));
      await pace.pause(1.5);
      await host.in(first[family](udp(2900), 1472));
      await pace.pause(1.5);
      expect(await host.in(later[family](1480, 100))).toEqual(FOLLOWS);
      await pace.pause(2);
      expect(await host.in(later[family](1480, 100))).toEqual(UNKNOWN);
      // Expired, its way is taken by the next without an eviction.
      await host.in(first[family](udp(2900), 1472));
      expect(await host.table.fragmentFigures()).toMatchObject({ live: 1, made: 3n, evicted: 0n });
    }));

  test('for 30 seconds', async () => {
    const host = await stand(DENY, { buckets: 1 });
    await host.in(first[family](udp(2900), 1472));
    // The table is aged, nobody waits; five seconds are the machine's.
    await host.table.age('fragments', 25);
    expect(await host.in(later[family](1480, 100))).toEqual(FOLLOWS);
    await host.table.age('fragments', 6);
    expect(await host.in(later[family](1480, 100))).toEqual(UNKNOWN);
  });

  test('a new generation remembers it', async () => {
    const host = await stand();
    await host.in(first[family](udp(2900), 1472));
    const next = await FlowStand.load(DENY, host.table, { generation: 2 });
    opened.unshift(next);
    expect(await next.in(later[family](1480, 100))).toEqual(FOLLOWS);
  });
});

describe('fragments that overlap', () => {
  test('IPv4: one that would replace a port or a flag (RFC 1858, RFC 3128)', async () => {
    const host = await stand();
    await host.in(first[4](p.tcp({ to: 443 }), 60));
    for (const at of [8, 16]) expect(await host.in(later[4](at, 40, {}, 6))).toEqual(OVERLAP);
    expect(await host.in(later[4](24, 40, {}, 6))).toEqual(FOLLOWS);
  });

  test('IPv4: nor a TCP option', async () => {
    const host = await stand();
    await host.in(first[4](p.tcp({ to: 443, dataOffset: 15 }), 60));
    expect(await host.in(later[4](56, 40, {}, 6))).toEqual(OVERLAP);
    expect(await host.in(later[4](64, 40, {}, 6))).toEqual(FOLLOWS);
  });

  test('IPv6: none that overlaps the first at all (RFC 5722)', async () => {
    const host = await stand();
    await host.in(first[6](udp(2900), 72));
    for (const at of [8, 64, 72]) expect(await host.in(later[6](at, 40))).toEqual(OVERLAP);
    expect(await host.in(later[6](80, 40))).toEqual(FOLLOWS);
  });

  test('a second first cannot open what was judged of another', async () => {
    const host = await stand();
    // An ICMP error quotes one of our connections: judged to its end. Then a short echo of the same name.
    await host.out(p.compose(p.ipv4(BACK[4]), p.tcp({ from: 40000, to: 443, flags: ['syn'] })));
    const quote = [p.ipv4(BACK[4]), p.tcp({ from: 40000, to: 443 })];
    expect(await host.in(first[4](p.icmp({ type: 3, code: 4, quote }), 16))).toEqual({
      passed: true,
      reason: 'icmp-error',
    });
    expect(await host.in(first[4](p.icmp(), 0))).toEqual({ passed: true, reason: 'icmp-echo' });
    for (const at of [8, 16, 32, 56]) expect(await host.in(later[4](at, 40, {}, 1))).toEqual(OVERLAP);
    expect(await host.in(later[4](64, 40, {}, 1))).toEqual(FOLLOWS);
  });

  test('one that is refused takes nothing from one that passed', async () => {
    const host = await stand();
    await host.in(first[4](udp(2900), 1472));
    expect(await host.in(first[4](udp(2900, 161), 1472))).toEqual(DENIED);
    expect(await host.in(later[4](1480, 100))).toEqual(FOLLOWS);
  });
});

test('IPv4 tells packets apart by protocol, IPv6 does not: the next header of later ones means nothing', async () => {
  const host = await stand();
  await host.in(first[4](udp(2900), 1472));
  await host.in(first[6](udp(2900), 1472));
  expect(await host.in(later[4](1480, 100, {}, 6))).toEqual(UNKNOWN);
  expect(await host.in(later[6](1480, 100, {}, 6))).toEqual(FOLLOWS);
});

test('IPv6: options behind the fragment header belong to the first and are judged with it', async () => {
  const host = await stand();
  const frame = p.compose(
    p.ipv6(),
    p.fragment({ id: 7, more: true }),
    p.destinationOptions(),
    p.udp({ to: 53, length: 99 }),
  );
  expect(await host.in(frame)).toEqual(LET_IN);
  expect(await host.in(later[6](8, 8, {}, 60))).toEqual(OVERLAP);
  expect(await host.in(later[6](16, 8, {}, 60))).toEqual(FOLLOWS);
});

test('IPv6: an atomic fragment (RFC 6946) is a packet, remembered by nobody', async () => {
  const host = await stand();
  expect(await host.in(p.compose(p.ipv6(), p.fragment({ id: 7 }), p.udp({ to: 53 })))).toEqual(LET_IN);
  expect(await host.in(later[6](8, 8))).toEqual(UNKNOWN);
  expect(await host.table.fragmentFigures()).toMatchObject({ made: 0n });
});

test('a first of neighbour discovery is none (RFC 6980)', async () => {
  const host = await stand();
  const frame = p.compose(p.ipv6({ hopLimit: 255 }), p.fragment({ id: 7, more: true }), p.neighbour());
  expect((await host.in(frame)).passed).toBe(false);
});

test('fragments in VLANs are those without', async () => {
  const host = await stand();
  const tagged = p.compose(p.vlan(), p.ipv4({ id: 7, moreFragments: true }), udp(2900), p.raw(new Uint8Array(1472)));
  expect(await host.in(tagged)).toEqual(LET_IN);
  expect(await host.in(later[4](1480, 100))).toEqual(FOLLOWS);
});

describe('a full bucket', () => {
  test('the oldest makes room, and is counted', async () => {
    const host = await stand(DENY, { buckets: 1 });
    for (let id = 1; id <= 9; id++) {
      await host.in(first[4](udp(2900), 1472, { id }));
      await pause(0.02);
    }
    expect(await host.table.fragmentFigures()).toMatchObject({ live: 8, ways: 8, pressure: 1, made: 9n, evicted: 1n });
    expect(await host.in(later[4](1480, 100, { id: 1 }))).toEqual(UNKNOWN);
    for (let id = 2; id <= 9; id++) expect(await host.in(later[4](1480, 100, { id }))).toEqual(FOLLOWS);
  });
});

test('a flood of first fragments: nothing passes that was not let in, and others keep their place for long enough', async () => {
  const random = new Random(testSeed(11));
  const BATCH = 2000;
  const host = await stand(DENY, { buckets: 2048 });
  const spoofed = first[4](udp(2900), 32);
  const frames = new Uint8Array(spoofed.length * BATCH);
  const view = new DataView(frames.buffer);
  const lengths = new Uint32Array(BATCH).fill(spoofed.length);
  let lost = 0;
  const ROUNDS = 40;
  for (let round = 0; round < ROUNDS; round++) {
    // Entries are as old as the tick they were made in: a round has its own, however fast the machine is.
    await pause(0.02);
    await host.ingress.testRun({ frame: first[4](udp(2900), 1472, { id: 1000 + round }) });
    // Two thousand others come between a packet's fragments: at a million a second, two milliseconds.
    for (let i = 0; i < BATCH; i++) {
      frames.set(spoofed, i * spoofed.length);
      view.setUint32(i * spoofed.length + 26, 0x0a00_0000 + random.below(1 << 24));
      view.setUint16(i * spoofed.length + 18, random.below(65_536));
    }
    expect(await host.inMany(frames, lengths)).toEqual({ passed: BATCH, dropped: 0 });
    const { returnValue } = await host.ingress.testRun({ frame: later[4](1480, 100, { id: 1000 + round }) });
    if (returnValue !== 2) lost++;
  }
  expect(lost).toBe(0);
  const figures = await host.table.fragmentFigures();
  // Every entry that is gone was counted; the table never holds more than its ways.
  expect(figures.made).toBe(BigInt(ROUNDS * (BATCH + 1)));
  expect(figures.made - figures.evicted).toBe(BigInt(figures.live));
  // Later fragments of packets nobody let in: none passes, however full the table is.
  const strangers = later[4](1480, 8, { id: 5 });
  const unknown = new Uint8Array(strangers.length * BATCH);
  const names = await host.table.fragments();
  const stranger = new DataView(unknown.buffer);
  let known = 0;
  for (let i = 0; i < BATCH; i++) {
    unknown.set(strangers, i * strangers.length);
    stranger.setUint32(i * strangers.length + 26, 0x0b00_0000 + random.below(1 << 24));
    const decoded = decode(unknown.subarray(i * strangers.length, (i + 1) * strangers.length));
    if (decoded.kind === 'ip' && names.has(nameOfFragments(decoded.packet, 'in'))) known++;
  }
  expect(known).toBe(0);
  expect(await host.inMany(unknown, new Uint32Array(BATCH).fill(strangers.length))).toEqual({
    passed: 0,
    dropped: BATCH,
  });
});
