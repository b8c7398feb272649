/**
 * Later fragments and what stands above the sections: bans and the guard stop them by what they show, keep-reachable
 * spares what can be its own. Verdict and counter on the programs that enforce; the model agrees on every frame.
 */
import { measureHz } from '../../src/kernel/clock';
import { kernel } from '../../src/kernel/native';
import { evaluate } from '../../src/model/evaluate';
import { NO_STATE } from '../../src/model/given-state';
import { BanStand, banOf, prefixOf } from '../support/ban-stand';
import { closesAfterEach } from '../support/close-after';
import { FlowStand, FlowTable } from '../support/flow-stand';
import * as p from '../support/packet';

let hz = 0;
const opened = closesAfterEach();

beforeAll(async () => {
  hz = await measureHz(kernel());
});

/** A host over one table of fragments, generation by generation. */
class Host {
  private constructor(
    readonly table: FlowTable,
    private generation: number,
    public stand: FlowStand,
  ) {}

  static async open(guard: string): Promise<Host> {
    const table = await FlowTable.create(64, hz);
    opened.push(table);
    return new Host(table, 1, await Host.load(table, guard, 1));
  }

  private static async load(table: FlowTable, guard: string, generation: number): Promise<FlowStand> {
    const text = `version: 1\nguard: ${guard}\ninbound: { default: allow }\n`;
    const stand = await FlowStand.load(text, table, { generation });
    opened.unshift(stand);
    return stand;
  }

  async apply(guard: string): Promise<void> {
    this.stand = await Host.load(this.table, guard, ++this.generation);
  }
}

const NOBODY = '{}';
const FOLLOWS = { passed: true, reason: 'fragment-follows' };
const GUARDED = { passed: false, reason: 'guard' };
const UNKNOWN = { passed: false, reason: 'fragment' };

describe.each([4, 6] as const)('IPv%d', (family) => {
  const here = family === 4 ? p.DEFAULTS.destination4 : p.DEFAULTS.destination6;
  const there = family === 4 ? p.DEFAULTS.source4 : p.DEFAULTS.source6;
  const elsewhere = family === 4 ? '203.0.113.99' : '2001:db8:99::1';
  type Way = 'in' | 'out';

  /** A first fragment of UDP to port 53 and, with `at`, a later one of the same packet. */
  function fragment(
    way: Way,
    { at, from, protocol = 17 }: { at?: number; from?: string; protocol?: number } = {},
  ): Uint8Array {
    const ends = way === 'in' ? { from: from ?? there, to: here } : { from: here, to: from ?? there };
    const head =
      family === 4
        ? [p.ipv4({ ...ends, id: 7, moreFragments: at === undefined, ...(at !== undefined && { fragmentOffset: at }) })]
        : [p.ipv6(ends), p.fragment({ id: 7, more: at === undefined, offset: at ?? 0, nextHeader: protocol })];
    if (at === undefined) return p.compose(...head, p.udp({ to: 53, length: 200 }), p.raw(new Uint8Array(72)));
    return p.compose(...head, p.raw(new Uint8Array(40), protocol));
  }

  const firstPasses = async (host: Host, way: Way): Promise<void> => {
    expect(await host.stand[way](fragment(way))).toMatchObject({ passed: true });
    expect(await host.stand[way](fragment(way, { at: 80 }))).toEqual(FOLLOWS);
  };

  describe.each(['in', 'out'] as const)('%s', (way) => {
    const any = way === 'in' ? 'from' : 'out to';
    /** The peer as rows name it, and the port its packets go to. */
    const port = (peer: string, number: number): string =>
      way === 'in' ? `from ${peer} to any port ${number}` : `out to ${peer} port ${number}`;

    test(`a row ${way === 'in' ? 'that rejects' : 'that denies'} cuts what follows a first that had passed`, async () => {
      const host = await Host.open(NOBODY);
      await firstPasses(host, way);
      await host.apply(`{ rules: ["${way === 'in' ? 'reject' : 'deny'} ${any} ${there}"] }`);
      expect(await host.stand[way](fragment(way, { at: 80 }))).toEqual(GUARDED);
      expect(await host.stand[way](fragment(way, { at: 80, from: elsewhere }))).toEqual(UNKNOWN);
    });

    test('a row about others, or one that is off, changes nothing', async () => {
      const host = await Host.open(NOBODY);
      await firstPasses(host, way);
      const off = way === 'in' ? '{ action: deny, enabled: off }' : '{ action: deny, direction: out, enabled: off }';
      await host.apply(`{ rules: ["deny ${any} ${elsewhere}", ${off}] }`);
      expect(await host.stand[way](fragment(way, { at: 80 }))).toEqual(FOLLOWS);
    });

    test('a row with ports follows the first: refused there, or passed', async () => {
      const refusing = await Host.open(`{ rules: ["deny ${port('any', 53)}"] }`);
      expect(await refusing.stand[way](fragment(way))).toEqual(GUARDED);
      expect(await refusing.stand[way](fragment(way, { at: 80 }))).toEqual(UNKNOWN);
      const other = await Host.open(`{ rules: ["deny ${port('any', 54)}"] }`);
      await firstPasses(other, way);
    });

    test('a row that lets ports through above one that refuses all: what it may have let through goes on', async () => {
      const rules = [`allow ${port(there, 53)}`, `deny ${any} any`];
      const host = await Host.open(`{ rules: ${JSON.stringify(rules)} }`);
      await firstPasses(host, way);
      expect(await host.stand[way](fragment(way, { at: 80, from: elsewhere }))).toEqual(GUARDED);
    });

    test('a protocol is certain over IPv4 only; over IPv6 the row follows the first', async () => {
      const host = await Host.open(NOBODY);
      await firstPasses(host, way);
      await host.apply(`{ rules: ["deny ${any} any proto udp"] }`);
      expect(await host.stand[way](fragment(way, { at: 80 }))).toEqual(family === 4 ? GUARDED : FOLLOWS);
      // A forged next header does not get by, nor get stopped: receivers do not look at it.
      if (family === 6) expect(await host.stand[way](fragment(way, { at: 80, protocol: 59 }))).toEqual(FOLLOWS);
    });

    test('what keep-reachable may have let in is spared, and follows its first', async () => {
      const host = await Host.open(NOBODY);
      await firstPasses(host, way);
      const refuse = `rules: ["deny ${any} any"]`;
      await host.apply(`{ keep-reachable: [{ from: "${there}", port: 53/udp }], ${refuse} }`);
      expect(await host.stand[way](fragment(way, { at: 80 }))).toEqual(FOLLOWS);
      expect(await host.stand[way](fragment(way, { at: 80, from: elsewhere }))).toEqual(GUARDED);
      await host.apply(`{ keep-reachable: [{ from: "${elsewhere}", port: 53/udp }], ${refuse} }`);
      expect(await host.stand[way](fragment(way, { at: 80 }))).toEqual(GUARDED);
      // Of another protocol it cannot be, as far as the packet shows one.
      await host.apply(`{ keep-reachable: [{ from: "${there}", port: 22/tcp }], ${refuse} }`);
      expect(await host.stand[way](fragment(way, { at: 80 }))).toEqual(family === 4 ? GUARDED : FOLLOWS);
    });
  });

  test('keep-reachable lets no fragment in by itself, and overlaps still drop', async () => {
    const host = await Host.open(`{ keep-reachable: [{ from: "${there}" }], rules: ["deny from any"] }`);
    expect(await host.stand.in(fragment('in', { at: 80 }))).toEqual(UNKNOWN);
    expect(await host.stand.in(fragment('in'))).toEqual({ passed: true, reason: 'keep-reachable' });
    expect(await host.stand.in(fragment('in', { at: 80 }))).toEqual(FOLLOWS);
    if (family === 6)
      expect(await host.stand.in(fragment('in', { at: 8 }))).toMatchObject({ reason: 'fragment-overlap' });
  });

  test('an ICMP type follows the first, whatever a later fragment would read as', async () => {
    const name = family === 4 ? 'proto icmp icmp-type echo-reply' : 'proto icmpv6 icmp-type echo-reply';
    const host = await Host.open(`{ rules: ["deny from any ${name}"] }`);
    expect(await host.stand.in(fragment('in', { at: 80, protocol: family === 4 ? 1 : 58 }))).toEqual(UNKNOWN);
  });

  test('bans stop them while keep-reachable is in use, but for what can be its own', async () => {
    const net = family === 4 ? `${there}/24` : `${there}/48`;
    const later = fragment('in', { at: 80 });
    const judge = async (kept: string): Promise<object> => {
      const stand = await BanStand.load(
        `version: 1\nguard: { keep-reachable: [${kept}] }\ninbound: { default: allow }\n`,
      );
      opened.push(stand);
      await stand.set(banOf(net));
      const { passed, tier, reason } = await stand.judge(later);
      const model = evaluate(stand.ruleset, later, { ...NO_STATE, bans: [prefixOf(net)] });
      expect({ passed: model.verdict === 'allow', tier: model.tier, reason: model.reason }).toEqual({
        ...{ passed, tier, reason },
      });
      return { tier, reason };
    };
    expect(await judge(`{ from: "${elsewhere}" }`)).toEqual({ tier: '3.2', reason: 'banned' });
    expect(await judge(`{ from: "${there}", port: 53/udp }`)).toEqual({ tier: '4', reason: 'fragment' });
    expect(await judge('{ port: 53/udp }')).toEqual({ tier: '4', reason: 'fragment' });
  });
});
