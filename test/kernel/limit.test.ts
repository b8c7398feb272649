/**
 * Limit rules in the program, by a clock that the test sets: each frame's verdict and counter, the twin's word before
 * it, and the model's, which is stepped along. Then what a flood can do and what it cannot.
 */
import { availableParallelism } from 'node:os';
import { LAYOUT } from '../../src/abi/layout.gen';
import { judgeLimit, type LimitState, NO_LIMITS, recordLimit } from '../../src/model/limit';
import { decode } from '../../src/model/decode';
import { evaluate } from '../../src/model/evaluate';
import { NO_STATE } from '../../src/model/given-state';
import { closesAfterEach } from '../support/close-after';
import { Random, testSeed } from '../support/generate/random';
import { IngressStand, IngressTables, type Judged } from '../support/ingress-stand';
import * as p from '../support/packet';

const opened = closesAfterEach();

/** A stand whose model sees what the program sees. */
class Limited {
  limits: LimitState = NO_LIMITS;

  constructor(readonly stand: IngressStand) {}

  static async load(rules: readonly string[], tables?: IngressTables): Promise<Limited> {
    const used = tables ?? (await IngressTables.create());
    const text = `version: 1\ninbound:\n  default: deny\n  rules:\n${rules.map((row) => `    - ${row}\n`).join('')}`;
    const stand = await IngressStand.load(text, used);
    opened.push(stand, ...(tables ? [] : [used]));
    if (!tables) used.now = 1_000_000;
    return new Limited(stand);
  }

  get tables(): IngressTables {
    return this.stand.tables;
  }

  /** Time passes. */
  wait(ms: number): void {
    this.tables.now += ms;
  }

  /** A frame comes in. Throws where the model says otherwise. */
  async in(...layers: p.Layer[]): Promise<Judged> {
    return this.inFrame(p.compose(...layers));
  }

  async inFrame(frame: Uint8Array): Promise<Judged> {
    this.limits = { ...this.limits, now: this.tables.now };
    const { ruleset } = this.stand;
    const expected = evaluate(ruleset, frame, { ...NO_STATE, limits: this.limits });
    const { action, at } = await this.stand.in(frame);
    const refused = expected.reason === 'limit' ? '/refused' : '';
    expect({ passed: action === 'pass', at }).toEqual({
      passed: expected.verdict === 'allow',
      at: `${expected.rule ?? expected.reason}${refused}`,
    });
    if (expected.verdict === 'deny') expect(action).toBe('drop');
    const rule = ruleset.inbound.rules.find(({ id }) => id === expected.rule);
    const decoded = decode(frame);
    if (rule?.limit && decoded.kind === 'ip')
      this.limits = recordLimit(`inbound/${rule.id}`, rule.limit, decoded.packet, this.limits);
    return { action, at };
  }
}

const PRESET = '{ id: ssh-limit, action: limit, port: 22/tcp }';
const syn = (from = '203.0.113.50', port = 22): p.Layer[] => [p.ipv4({ from }), p.tcp({ to: port })];
const ACCEPTED = { action: 'pass', at: 'ssh-limit' };
const REFUSED = { action: 'tx', at: 'ssh-limit/refused' };

test('each section counts by its own rows and windows, also under the same id', async () => {
  const tables = await IngressTables.create();
  const door = (limit: string, verdict = 'reject'): string =>
    `{ id: door, action: limit, port: 22/tcp, limit: ${limit}, verdict: ${verdict} }`;
  const stand = await IngressStand.load(
    `version: 1
inbound: { default: deny, rules: [${door('3/1h')}] }
servers:
  a: { address: 198.51.100.8, default: deny, rules: [allow 80/tcp, ${door('2/1h', 'deny')}] }
  b: { address: 198.51.100.9, default: deny, rules: [${door('4/1h')}, allow 81/tcp] }
`,
    tables,
  );
  opened.push(stand, tables);
  tables.now = 1_000_000;
  const ask = async (to: string): Promise<string> => {
    const { action, at } = await stand.in(p.compose(p.ipv4({ from: '203.0.113.50', to }), p.tcp({ to: 22 })));
    return `${action} ${at}`;
  };
  const said: Record<string, string[]> = { a: [], b: [], inbound: [] };
  for (let i = 0; i < 4; i++) {
    said.inbound.push(await ask('198.51.100.7'));
    said.b.push(await ask('198.51.100.9'));
    said.a.push(await ask('198.51.100.8'));
  }
  const times = (count: number, text: string): string[] => new Array<string>(count).fill(text);
  expect(said).toEqual({
    inbound: [...times(2, 'pass door'), ...times(2, 'tx door/refused')],
    a: [...times(1, 'pass a/door'), ...times(3, 'drop a/door/refused')],
    b: [...times(3, 'pass b/door'), ...times(1, 'tx b/door/refused')],
  });
  expect((await tables.limits()).live).toBe(3);
});

describe('the preset', () => {
  test('the 6th attempt within 30 s is refused, and answered', async () => {
    const host = await Limited.load([PRESET]);
    for (let i = 0; i < 5; i++) expect(await host.in(...syn())).toEqual(ACCEPTED);
    expect(await host.in(...syn())).toEqual(REFUSED);
    // Nobody else is.
    expect(await host.in(...syn('203.0.113.51'))).toEqual(ACCEPTED);
    expect(await host.tables.limits()).toEqual({
      live: 2,
      liveBy: new Map([[0, 2]]),
      ways: 512,
      bytes: 512 * 152,
      pressure: 0,
      made: 2n,
      evicted: 0n,
    });
  });

  test('the window slides, to the millisecond', async () => {
    const host = await Limited.load([PRESET]);
    for (let i = 0; i < 5; i++) {
      expect(await host.in(...syn())).toEqual(ACCEPTED);
      host.wait(6_000);
    }
    // 30 s after the first it has left the window; the others are in it.
    expect(await host.in(...syn())).toEqual(ACCEPTED);
    host.wait(5_999);
    expect(await host.in(...syn())).toEqual(REFUSED);
    host.wait(6_000);
    expect(await host.in(...syn())).toEqual(REFUSED);
    host.wait(12_000);
    expect(await host.in(...syn())).toEqual(ACCEPTED);
  });

  test('a CPU that read an earlier tick than the newest attempt counts one, like any', async () => {
    const host = await Limited.load([PRESET]);
    expect(await host.in(...syn())).toEqual(ACCEPTED);
    host.wait(-4);
    for (let i = 0; i < 4; i++) expect(await host.in(...syn())).toEqual(ACCEPTED);
    expect(await host.in(...syn())).toEqual(REFUSED);
    host.wait(-4);
    expect(await host.in(...syn())).toEqual(REFUSED);
  });

  test('who keeps knocking stays out until a whole window has fewer', async () => {
    const host = await Limited.load([PRESET]);
    for (let i = 0; i < 5; i++) await host.in(...syn());
    for (let i = 0; i < 40; i++) {
      expect(await host.in(...syn())).toEqual(REFUSED);
      host.wait(5_999);
    }
    host.wait(24_000);
    expect(await host.in(...syn())).toEqual(ACCEPTED);
  });

  test('verdict deny drops', async () => {
    const host = await Limited.load(['{ id: quiet, action: limit, port: 22/tcp, limit: 2/1s, verdict: deny }']);
    expect(await host.in(...syn())).toEqual({ action: 'pass', at: 'quiet' });
    expect(await host.in(...syn())).toEqual({ action: 'drop', at: 'quiet/refused' });
    host.wait(999);
    expect(await host.in(...syn())).toEqual({ action: 'drop', at: 'quiet/refused' });
    host.wait(1_000);
    expect(await host.in(...syn())).toEqual({ action: 'pass', at: 'quiet' });
  });
});

test('limit 8000/tcp 20/10s, and the longest there is: 32/1h', async () => {
  const host = await Limited.load(['limit 8000/tcp 20/10s', 'limit 8001/tcp 32/1h']);
  const outcomes: string[] = [];
  for (let i = 0; i < 20; i++) outcomes.push((await host.in(...syn(undefined, 8000))).action);
  expect(outcomes).toEqual([...Array<string>(19).fill('pass'), 'tx']);
  const long: string[] = [];
  for (let i = 0; i < 32; i++) {
    long.push((await host.in(...syn(undefined, 8001))).action);
    host.wait(115_000);
  }
  expect(long).toEqual([...Array<string>(31).fill('pass'), 'tx']);
  // Two days later the low words of the stamps have not been mistaken for new ones, nor in two months.
  for (const days of [2, 49, 49.7103]) {
    host.wait(days * 86_400_000);
    expect((await host.in(...syn(undefined, 8001))).action).toBe('pass');
  }
});

test('what is no new connection is let in uncounted, also at the limit', async () => {
  const host = await Limited.load(['{ id: all, action: limit, from: 203.0.113.0/24, limit: 2/1h }']);
  const others = [
    ...([['ack'], ['syn', 'ack'], ['rst'], ['fin', 'ack'], []] as p.TcpFlag[][]).map((flags) => p.tcp({ flags })),
    p.sctp(),
    p.raw('x', 47),
  ];
  for (const other of others) expect(await host.in(p.ipv4(), other)).toEqual({ action: 'pass', at: 'all' });
  expect((await host.tables.limits()).made).toBe(0n);
  await host.in(...syn());
  expect(await host.in(...syn())).toEqual({ action: 'tx', at: 'all/refused' });
  for (const other of others) expect(await host.in(p.ipv4(), other)).toEqual({ action: 'pass', at: 'all' });
});

describe('UDP', () => {
  const RULE = '{ id: dns, action: limit, port: 53/udp, limit: 3/10s }';
  const from = (port: number): p.Layer[] => [p.ipv4(), p.udp({ from: port, to: 53 })];
  const PASS = { action: 'pass', at: 'dns' };
  const REJECT = { action: 'tx', at: 'dns/refused' };

  test('a new source port is an attempt; a port let in before is not, while packets keep coming', async () => {
    const host = await Limited.load([RULE]);
    for (let i = 0; i < 20; i++) {
      expect(await host.in(...from(1000))).toEqual(PASS);
      host.wait(9_999);
    }
    expect(await host.in(...from(1000))).toEqual(PASS);
    expect(await host.in(...from(1001))).toEqual(PASS);
    expect(await host.in(...from(1002))).toEqual(PASS);
    expect(await host.in(...from(1003))).toEqual(REJECT);
    // Refused ones are not known: they go on knocking.
    expect(await host.in(...from(1003))).toEqual(REJECT);
    expect(await host.in(...from(1002))).toEqual(PASS);
    host.wait(10_000);
    // Nothing came for a window: new again.
    expect(await host.in(...from(1002))).toEqual(PASS);
    expect(await host.in(...from(1004))).toEqual(PASS);
    expect(await host.in(...from(1005))).toEqual(REJECT);
  });

  test('a first fragment counts as its packet does', async () => {
    const host = await Limited.load([RULE]);
    const first = [p.ipv4({ moreFragments: true }), p.udp({ from: 7, to: 53, length: 99 }), p.raw(new Uint8Array(16))];
    for (let i = 0; i < 3; i++) expect(await host.in(...first)).toEqual(PASS);
    expect((await host.tables.limits()).made).toBe(2n);
  });
});

describe('one source is', () => {
  test('an IPv4 address, an IPv6 /64', async () => {
    const host = await Limited.load(['{ id: r, action: limit, port: 22/tcp, limit: 2/10s }']);
    const from6 = (text: string): p.Layer[] => [p.ipv6({ from: text }), p.tcp({ to: 22 })];
    expect((await host.in(...from6('2001:db8:7:1::1'))).action).toBe('pass');
    expect((await host.in(...from6('2001:db8:7:1:ffff::2'))).action).toBe('tx');
    expect((await host.in(...from6('2001:db8:7:2::1'))).action).toBe('pass');
    expect((await host.in(...syn('203.0.113.1'))).action).toBe('pass');
    expect((await host.in(...syn('203.0.113.2'))).action).toBe('pass');
  });

  test('what per says', async () => {
    const cases: [string, string, string, boolean][] = [
      ['/24', '203.0.113.1', '203.0.113.200', true],
      ['/24', '203.0.113.1', '203.0.114.1', false],
      ['/8', '203.0.113.1', '203.255.0.1', true],
      ['/1', '203.0.113.1', '129.0.0.1', true],
      ['/31', '203.0.113.1', '203.0.113.2', false],
      ['/24,/128', '2001:db8::1', '2001:db8::2', false],
      ['/24,/48', '2001:db8:1:1::1', '2001:db8:1:2::2', true],
      ['/48', '2001:db8:1:1::1', '2001:db8:1:2::2', true],
      ['/32,/33', '2001:db8:8000::1', '2001:db8:7fff::2', false],
    ];
    const host = await Limited.load(cases.map(([per], i) => `limit ${1000 + i}/tcp 2/10s per ${per}`));
    for (const [i, [, one, other, same]] of cases.entries()) {
      const from = (text: string): p.Layer[] =>
        text.includes(':') ? [p.ipv6({ from: text }), p.tcp({ to: 1000 + i })] : syn(text, 1000 + i);
      await host.in(...from(one));
      expect([i, (await host.in(...from(other))).action]).toEqual([i, same ? 'tx' : 'pass']);
    }
  });
});

test('windows belong to the rule: other rules count by themselves, and the next ruleset goes on', async () => {
  const host = await Limited.load([PRESET, 'limit 80/tcp 2/10s id web']);
  for (let i = 0; i < 6; i++) await host.in(...syn());
  expect(await host.in(...syn(undefined, 80))).toEqual({ action: 'pass', at: 'web' });
  const rows = ['deny 9/tcp', 'limit 443/tcp 2/1h', 'limit 80/tcp 2/10s id web', 'allow 1/udp', PRESET];
  const next = await Limited.load(rows, host.tables);
  next.limits = host.limits;
  expect(await next.in(...syn())).toEqual(REFUSED);
  expect(await next.in(...syn(undefined, 80))).toEqual({ action: 'tx', at: 'web/refused' });
  // A rule of another name is another one, even with the same match.
  const renamed = await Limited.load([PRESET.replace('ssh-limit', 'other')], host.tables);
  expect(await renamed.in(...syn())).toEqual({ action: 'pass', at: 'other' });
});

test('an ICMP error that quotes an answer is let in at the limit, and counts nothing', async () => {
  const host = await Limited.load([PRESET]);
  for (let i = 0; i < 6; i++) await host.in(...syn());
  const { destination4, source4 } = p.DEFAULTS;
  const quote = [p.ipv4({ from: destination4, to: source4 }), p.tcp({ from: 22, to: 40000, flags: ['ack'] })];
  const error = p.compose(p.ipv4(), p.icmp({ type: 3, code: 4, quote }));
  expect(await host.stand.in(error)).toMatchObject({ action: 'pass', at: '(icmp-error)' });
});

test('random sequences: program, twin and model agree on every frame', async () => {
  const random = new Random(testSeed(7));
  const rules = [
    'limit 22/tcp 3/30s per /1,/32 id a',
    'limit from 203.0.113.0/24 to any port 8000 3/10s id b',
    'limit 53/udp 3/20s per /24,/48 id c',
    'limit from 2001:db8::/32 to any port 8000 3/1m verdict deny id d',
    'limit from 198.51.100.0/24 3/1m id e',
  ];
  const host = await Limited.load(rules, undefined);
  const sources = ['203.0.113.1', '203.0.113.2', '198.51.100.1', '198.51.100.7', '192.0.2.200'];
  const sources6 = ['2001:db8:7::1', '2001:db8:7::2', '2001:db8:7:1::1', '2001:db9::1'];
  const flags: p.TcpFlag[][] = [['syn'], ['syn'], ['syn'], ['ack'], ['syn', 'ack'], ['rst'], ['syn', 'fin']];
  const outcomes: Record<string, number> = {};
  for (let i = 0; i < 1000; i++) {
    const network = random.chance(0.6)
      ? p.ipv4({ from: random.pick(sources) })
      : p.ipv6({ from: random.pick(sources6) });
    const to = random.pick([22, 8000, 53, 9]);
    const transport = random.chance(0.7)
      ? p.tcp({ to, flags: random.pick(flags) })
      : p.udp({ from: 1000 + random.below(12), to });
    const { at } = await host.in(network, transport);
    outcomes[at] = (outcomes[at] ?? 0) + 1;
    if (random.chance(0.5)) host.wait(random.pick([1, 10, 300, 999, 1_000, 1_999, 2_000, 5_000]));
  }
  // Every rule let in and refused: nothing of this was compared in vain.
  for (const id of ['a', 'b', 'c', 'd', 'e'])
    expect([id, outcomes[id] > 0, outcomes[`${id}/refused`] > 0]).toEqual([id, true, true]);
});

test('who is kept reachable is never limited, however often he comes', async () => {
  const tables = await IngressTables.create(1);
  tables.now = 1_000_000;
  const stand = await IngressStand.load(
    'version: 1\nguard: { keep-reachable: [{ id: kept, from: 203.0.113.50, port: 22/tcp }] }\n' +
      'inbound: { rules: [limit 22/tcp 2/1h id few] }\n',
    tables,
  );
  opened.push(stand, tables);
  const kept = Array.from({ length: 40 }, () => p.compose(...syn()));
  expect(await stand.inMany(kept)).toEqual({ actions: { pass: 40 }, at: { kept: 40 } });
  expect((await tables.limits()).made).toBe(0n);
  const other = Array.from({ length: 2 }, () => p.compose(...syn('203.0.113.51')));
  expect(await stand.inMany(other)).toEqual({ actions: { pass: 1, tx: 1 }, at: { few: 1, 'few/refused': 1 } });
});

describe('a full table', () => {
  const source = (i: number): string => `${1 + (i >> 24)}.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`;

  test('the oldest below its limit makes room, counted; one at its limit never does', async () => {
    const tables = await IngressTables.create(1);
    opened.push(tables);
    tables.now = 5_000_000;
    const host = await Limited.load([PRESET], tables);
    // Eight ways: four at their limit, four below.
    for (let i = 0; i < 8; i++) {
      await host.in(...syn(source(i)));
      if (i % 2 === 0) for (let n = 0; n < 5; n++) await host.in(...syn(source(i)));
      host.wait(10);
    }
    expect(await tables.limits()).toMatchObject({ live: 8, made: 8n, evicted: 0n });
    const raw = host.stand;
    // Newcomers take the ways of the four, oldest first, then each other's; also by the clock of another CPU.
    host.wait(-20);
    for (let i = 100; i < 140; i++) expect((await raw.in(p.compose(...syn(source(i))))).at).toBe('ssh-limit');
    expect(await tables.limits()).toMatchObject({ live: 8, made: 48n, evicted: 40n });
    for (const i of [0, 2, 4, 6]) expect((await raw.in(p.compose(...syn(source(i))))).at).toBe('ssh-limit/refused');
    // One that was evicted begins anew.
    expect((await raw.in(p.compose(...syn(source(1))))).at).toBe('ssh-limit');
    // An expired one is taken before a live one.
    host.wait(30_020);
    expect((await raw.in(p.compose(...syn(source(200))))).at).toBe('ssh-limit');
    expect((await tables.limits()).evicted).toBe(41n);
  });

  test('where all are at their limit a newcomer is refused as limit-full', async () => {
    const tables = await IngressTables.create(1);
    opened.push(tables);
    tables.now = 5_000_000;
    const host = await Limited.load([PRESET, 'limit 80/tcp verdict deny'], tables);
    for (let i = 0; i < 8; i++) for (let n = 0; n < 6; n++) await host.in(...syn(source(i)));
    const { stand } = host;
    expect(await stand.in(p.compose(...syn(source(100))))).toMatchObject({ action: 'tx', at: '(limit-full)' });
    expect(await stand.in(p.compose(...syn(source(100), 80)))).toMatchObject({ action: 'drop', at: '(limit-full)' });
    // What is no attempt comes in all the same.
    const ack = p.compose(p.ipv4({ from: source(100) }), p.tcp({ to: 22, flags: ['ack'] }));
    expect(await stand.in(ack)).toMatchObject({ action: 'pass' });
    host.wait(30_000);
    expect((await stand.in(p.compose(...syn(source(100))))).at).toBe('ssh-limit');
  });

  test('a million spoofed sources free no refused one and touch no flow', async () => {
    const tables = await IngressTables.create(4096);
    opened.push(tables);
    tables.now = 5_000_000;
    const host = await Limited.load([PRESET], tables);
    // What this host has opened, in the one bucket that there is.
    const outgoing = await IngressStand.load('version: 1\n', tables, {}, 'out');
    opened.unshift(outgoing);
    const { destination4: here, source4: there } = p.DEFAULTS;
    const ends = { from: 40_000, to: 443 };
    for (const flags of [['syn'], ['ack']] as p.TcpFlag[][])
      await outgoing.in(p.compose(p.ipv4({ from: here, to: there }), p.tcp({ ...ends, flags })));
    const answer = p.compose(p.ipv4(), p.tcp({ from: ends.to, to: ends.from, flags: ['ack'] }));
    expect((await host.stand.in(answer)).at).toBe('(flow)');
    const flows = Buffer.from((await tables.maps.flows.entries()).values);
    const refused = Array.from({ length: 20 }, (_, i) => p.compose(...syn(`203.0.113.${i + 1}`)));
    for (const frame of refused) for (let n = 0; n < 6; n++) await host.stand.in(frame);
    const frame = Buffer.from(p.compose(...syn()));
    const BATCH = 100_000;
    const template = Buffer.concat(Array.from({ length: BATCH }, () => frame));
    const lengths = new Uint32Array(BATCH).fill(frame.length);
    const random = new Random(testSeed(7));
    let passed = 0;
    for (let round = 0; round < 10; round++) {
      for (let i = 0; i < BATCH; i++) template.writeUInt32BE(random.below(2 ** 32), i * frame.length + 26);
      const { returnValues } = await host.stand.program.testRunBatch({ frames: template, lengths });
      passed += returnValues.filter((value) => value === 2).length;
      host.wait(1_000);
    }
    // Everybody's first attempt is let in: the port is closed to nobody.
    expect(passed).toBeGreaterThan(999_000);
    const figures = await tables.limits();
    expect(Number(figures.evicted)).toBeGreaterThan(900_000);
    for (const one of refused) expect((await host.stand.in(one)).at).toBe('ssh-limit/refused');
    expect(Buffer.from((await tables.maps.flows.entries()).values).equals(flows)).toBe(true);
    expect((await host.stand.in(answer)).at).toBe('(flow)');
  });
});

describe('a bucket that somebody holds', () => {
  const { fields } = LAYOUT.slc_window_bucket;
  const FIRST = new Uint8Array(4);
  const bucketOf = (tables: IngressTables): Buffer => Buffer.from(tables.maps.windows.lookup(FIRST)!);
  const hold = (tables: IngressTables, held: number): void => {
    const bucket = bucketOf(tables);
    bucket.writeUInt32LE(held, fields.held.offset);
    tables.maps.windows.update(FIRST, bucket);
  };
  const alone = async (rule: string): Promise<Limited> => {
    const tables = await IngressTables.create(1);
    opened.push(tables);
    tables.now = 5_000_000;
    return Limited.load([rule], tables);
  };

  test('for ever: an attempt drops unanswered as limit-full, and is neither written nor waited for without end', async () => {
    const host = await alone(PRESET);
    await host.in(...syn());
    const before = bucketOf(host.tables);
    hold(host.tables, 1);
    // Not by the twin too: that reads without holding.
    const { actions, at } = await host.stand.inMany([p.compose(...syn()), p.compose(...syn('203.0.113.9'))]);
    expect({ actions, at }).toEqual({ actions: { drop: 2 }, at: { '(limit-full)': 2 } });
    hold(host.tables, 0);
    expect(bucketOf(host.tables).equals(before)).toBe(true);
    for (let i = 0; i < 4; i++) expect(await host.stand.in(p.compose(...syn()))).toMatchObject(ACCEPTED);
    expect(await host.stand.in(p.compose(...syn()))).toMatchObject(REFUSED);
  });

  test('for ever: no UDP comes in, neither of a refused source nor of a pair let in before', async () => {
    const host = await alone('{ id: dns, action: limit, port: 53/udp, limit: 2/10s }');
    const from = (port: number): Uint8Array => p.compose(p.ipv4(), p.udp({ from: port, to: 53 }));
    expect(await host.inFrame(from(1))).toEqual({ action: 'pass', at: 'dns' });
    expect(await host.inFrame(from(2))).toEqual({ action: 'tx', at: 'dns/refused' });
    hold(host.tables, 1);
    expect(await host.stand.inMany([from(1), from(2)])).toEqual({ actions: { drop: 2 }, at: { '(limit-full)': 2 } });
    hold(host.tables, 0);
    // The pair lives on, and the packets that dropped were no attempts.
    expect(await host.inFrame(from(1))).toEqual({ action: 'pass', at: 'dns' });
  });

  test('two CPUs that meet in it record each attempt once, and let in as many as the rule says', async () => {
    // Both begin while it is held; once it is free they run into each other at every packet.
    const ATTEMPTS = 20_000;
    const LIMIT = 32;
    const frames = Array<Uint8Array>(ATTEMPTS).fill(p.compose(...syn()));
    for (let met = false; !met;) {
      const host = await alone(`{ id: r, action: limit, port: 22/tcp, limit: ${LIMIT}/1h, verdict: deny }`);
      hold(host.tables, 1);
      const at = await host.stand.inAtOnce(2, frames, async (isRunning) => {
        while (isRunning() && host.stand.cpusAt('limit-full') < 2)
          await new Promise((resolve) => setImmediate(resolve));
        hold(host.tables, 0);
      });
      // What waited in vain is no attempt. Every other one is recorded: but for the first it moves the ring on by one.
      const { r: passed = 0, 'r/refused': refused = 0, '(limit-full)': waited = 0 } = at;
      if (waited === 2 * ATTEMPTS) continue;
      expect({ passed, all: passed + refused + waited }).toEqual({ passed: LIMIT - 1, all: 2 * ATTEMPTS });
      expect(bucketOf(host.tables)[fields.next.offset]).toBe((passed + refused - 1) & 0xff);
      // One CPU alone meets nobody; of two, both waited, and had most of their packets before them.
      met = availableParallelism() < 2 || (host.stand.cpusAt('limit-full') >= 2 && waited < ATTEMPTS / 2);
    }
  });
});

test('the model alone: what is judged changes nothing', () => {
  const limit = { count: 2, windowMs: 10, verdict: 'deny', prefix: { 4: 32, 6: 64 } } as const;
  const packet = {
    family: 4,
    source: [1],
    destination: [2],
    protocol: 6,
    sourcePort: 1,
    destinationPort: 2,
    tcpFlags: 2,
  } as const;
  expect(judgeLimit('a', limit, packet, NO_LIMITS)).toBe('accepted');
  const after = recordLimit('a', limit, packet, NO_LIMITS);
  expect(judgeLimit('a', limit, packet, NO_LIMITS)).toBe('accepted');
  expect(judgeLimit('a', limit, packet, after)).toBe('refused');
  expect(judgeLimit('b', limit, packet, after)).toBe('accepted');
});
