/**
 * The rates of echo-requests, by a clock that the test sets: each frame's verdict and counter, the twin's word before it
 * and the model's, which is stepped along. Then what a flood of forged sources can do and what it cannot.
 */
import { decode } from '../../src/model/decode';
import { DEFAULT_ECHO_RATES, echoSource, type EchoState, NO_ECHOES } from '../../src/model/echo';
import { evaluate } from '../../src/model/evaluate';
import { NO_STATE } from '../../src/model/given-state';
import { closesAfterEach } from '../support/close-after';
import { IngressStand, IngressTables, type Judged } from '../support/ingress-stand';
import * as p from '../support/packet';

const opened = closesAfterEach();

/** A stand whose model sees what the program sees. */
class Pinged {
  echoes: EchoState = NO_ECHOES;

  constructor(readonly stand: IngressStand) {}

  static async load(settings = '', tables?: IngressTables): Promise<Pinged> {
    const used = tables ?? (await IngressTables.create(1));
    const stand = await IngressStand.load(`version: 1\n${settings}inbound: { default: deny }\n`, used);
    opened.push(stand, ...(tables ? [] : [used]));
    if (!tables) used.now = 5_000_000;
    return new Pinged(stand);
  }

  /** The clock goes on; with another second everybody begins anew. */
  wait(ms: number): void {
    const { tables } = this.stand;
    const second = Math.floor(tables.now / 1000);
    tables.now += ms;
    if (Math.floor(tables.now / 1000) !== second) this.echoes = NO_ECHOES;
  }

  /** A frame comes in. Throws where the model says otherwise. */
  async in(...layers: p.Layer[]): Promise<Judged> {
    const frame = p.compose(...layers);
    const expected = evaluate(this.stand.ruleset, frame, { ...NO_STATE, echoes: this.echoes });
    const { action, at } = await this.stand.in(frame);
    expect({ passed: action === 'pass', at }).toEqual({
      passed: expected.verdict === 'allow',
      at: expected.tier === '5' ? `(${expected.reason})` : at,
    });
    const decoded = decode(frame);
    if (expected.tier === '5' && expected.reason !== 'icmp-echo-source' && decoded.kind === 'ip') {
      const source = echoSource(decoded.packet);
      const bySource = new Map(this.echoes.bySource);
      bySource.set(source, (bySource.get(source) ?? 0) + 1);
      const inAll = this.echoes.inAll + (expected.reason === 'icmp-echo' ? 1 : 0);
      this.echoes = { bySource, inAll };
    }
    return { action, at };
  }
}

const echo = {
  4: (from?: string) => [p.ipv4({ from }), p.icmp()],
  6: (from?: string) => [p.ipv6({ from }), p.icmpv6()],
};
const PASS = { action: 'pass', at: '(icmp-echo)' };
const OVER_SOURCE = { action: 'drop', at: '(icmp-echo-source)' };
const OVER_ALL = { action: 'drop', at: '(icmp-echo-all)' };
/** A frame a source, however many. */
const flood = (count: number, from = (i: number): string => `198.51.${(i >> 8) & 255}.${i & 255}`): Uint8Array[] =>
  Array.from({ length: count }, (_, i) => p.compose(...echo[4](from(i))));

describe.each([4, 6] as const)('IPv%d', (family) => {
  const [mine, other] = family === 4 ? ['192.0.2.1', '192.0.2.2'] : ['2001:db8:1::1', '2001:db8:2::1'];

  test('of a source 10 a second pass; another has its own; the next second begins anew', async () => {
    const host = await Pinged.load();
    for (let i = 0; i < 10; i++) expect(await host.in(...echo[family](mine))).toEqual(PASS);
    expect(await host.in(...echo[family](mine))).toEqual(OVER_SOURCE);
    expect(await host.in(...echo[family](other))).toEqual(PASS);
    host.wait(999);
    expect(await host.in(...echo[family](mine))).toEqual(OVER_SOURCE);
    host.wait(1);
    expect(await host.in(...echo[family](mine))).toEqual(PASS);
  });

  test('what is no echo-request takes nothing, and goes on where the rate is spent', async () => {
    const host = await Pinged.load('icmp: { echo-rate: 1, echo-rate-per-source: 1 }\n');
    const reply = family === 4 ? [p.ipv4(), p.icmp({ type: 0 })] : [p.ipv6(), p.icmpv6({ type: 129 })];
    for (let i = 0; i < 3; i++) expect((await host.in(...reply)).at).toBe('default');
    expect(await host.in(...echo[family](mine))).toEqual(PASS);
    expect(await host.in(...echo[family](mine))).toEqual(OVER_SOURCE);
    expect(await host.in(...echo[family](other))).toEqual(OVER_ALL);
    expect((await host.in(...reply)).at).toBe('default');
    if (family === 6)
      expect((await host.in(p.ipv6({ hopLimit: 255 }), p.neighbour())).at).toBe('(neighbour-discovery)');
  });

  test('a first fragment counts as its packet would, wherever the linear part ends', async () => {
    const host = await Pinged.load('icmp: { echo-rate-per-source: 2 }\n');
    const first = family === 4 ? [p.ipv4({ moreFragments: true })] : [p.ipv6(), p.fragment({ more: true })];
    const big = [...first, family === 4 ? p.icmp() : p.icmpv6(), p.raw(new Uint8Array(64))];
    expect(await host.in(...big)).toEqual(PASS);
    expect(await host.in(...big)).toEqual(PASS);
    for (const linear of [14, 20, 34, 40]) {
      const { action, at } = await host.stand.in(p.compose(...big), linear);
      expect({ action, at }).toEqual(OVER_SOURCE);
    }
  });
});

test('of an IPv6 source the /64 counts: whoever owns one sends no more', async () => {
  const host = await Pinged.load();
  for (let i = 0; i < 10; i++) expect(await host.in(...echo[6](`2001:db8:7::${i + 1}`))).toEqual(PASS);
  expect(await host.in(...echo[6]('2001:db8:7::ffff:ffff'))).toEqual(OVER_SOURCE);
  expect(await host.in(...echo[6]('2001:db8:7:1::1'))).toEqual(PASS);
});

test('icmp: rules has no rate, keep-reachable none either', async () => {
  const rules = await Pinged.load('icmp: rules\n');
  for (let i = 0; i < 12; i++) expect((await rules.in(...echo[4]())).at).toBe('default');
  const kept = await IngressStand.load(
    'version: 1\nguard: { keep-reachable: [{ id: office, from: 192.0.2.1 }] }\ninbound: { default: deny }\n',
    rules.stand.tables,
  );
  opened.unshift(kept);
  const many = Array.from({ length: 50 }, () => p.compose(...echo[4]('192.0.2.1')));
  expect((await kept.inMany(many)).at).toEqual({ office: 50 });
});

describe('a flood', () => {
  test('of one source: ten pass, all are counted', async () => {
    const host = await Pinged.load();
    const { actions, at } = await host.stand.inMany(flood(5000, () => '192.0.2.9'));
    expect(actions).toEqual({ pass: 10, drop: 4990 });
    expect(at).toEqual({ '(icmp-echo)': 10, '(icmp-echo-source)': 4990 });
  });

  test('of forged sources: exactly the rate of all passes in each second', async () => {
    const host = await Pinged.load();
    for (let second = 0; second < 3; second++) {
      const { actions } = await host.stand.inMany(flood(30_000));
      expect(actions).toEqual({ pass: DEFAULT_ECHO_RATES.inAll, drop: 29_000 });
      host.wait(1000);
    }
  });

  test('of one source leaves the rate of all to others', async () => {
    const host = await Pinged.load('icmp: { echo-rate: 20 }\n');
    await host.stand.inMany(flood(5000, () => '192.0.2.9'));
    const { actions } = await host.stand.inMany(flood(100, (i) => `203.0.113.${i}`));
    expect(actions).toEqual({ pass: 10, drop: 90 });
  });

  test('touches nothing but echo-requests, whatever it forges', async () => {
    const tables = await IngressTables.create(1);
    tables.now = 9_000_000;
    const host = await IngressStand.load(
      'version: 1\ninbound: { default: deny, rules: [{ id: web, action: allow, port: 80 }] }\n',
      tables,
    );
    opened.push(host, tables);
    await host.inMany(flood(20_000));
    expect(await host.in(p.compose(p.ipv4({ from: '198.51.0.1' }), p.tcp({ to: 80 })))).toMatchObject({ at: 'web' });
  });

  test('the rate survives a new generation, and takes its new number at once', async () => {
    const tables = await IngressTables.create(1);
    tables.now = 7_000_000;
    opened.push(tables);
    const before = await Pinged.load('', tables);
    expect((await before.stand.inMany(flood(50, () => '192.0.2.9'))).actions).toEqual({ pass: 10, drop: 40 });
    const wider = await Pinged.load('icmp: { echo-rate-per-source: 15 }\n', tables);
    expect((await wider.stand.inMany(flood(50, () => '192.0.2.9'))).actions).toEqual({ pass: 5, drop: 45 });
    opened.reverse();
  });
});

test('a clock that another CPU has read later never begins a second anew', async () => {
  const host = await Pinged.load();
  expect((await host.stand.inMany(flood(50, () => '192.0.2.9'))).actions).toEqual({ pass: 10, drop: 40 });
  host.stand.tables.now -= 1000;
  expect((await host.stand.inMany(flood(50, () => '192.0.2.9'))).actions).toEqual({ drop: 50 });
  host.stand.tables.now += 1000;
  expect((await host.stand.inMany(flood(50, () => '192.0.2.9'))).actions).toEqual({ drop: 50 });
});
