/**
 * ALLOW ALL in the datapath: what tiers 6 to 9 of an open section refuse passes at one counter of its own, until a deadline
 * that the program itself sees; rows that would have refused are told apart, with the last source. What stands above, and
 * every other section, goes on as before.
 */
import { SLC_LIMITS } from '../../src/abi/layout.gen';
import { IngressStand, IngressTables, type Judged } from '../support/ingress-stand';
import { OpenStand } from '../support/open-stand';
import * as p from '../support/packet';

const { destination4: ADDRESS, destination6: ADDRESS6 } = p.DEFAULTS;
const RULES = `version: 1
interfaces: [eth0]
guard: { rules: [deny from 192.0.2.66] }
inbound: { default: deny, udp: off, rules: [{ id: web, action: allow, port: 80/tcp }, { id: shut, action: reject, port: 81/tcp }] }
servers:
  shop:
    address: [${ADDRESS}, "${ADDRESS6}"]
    ports: 9000-9099
    rules: [{ id: web, action: allow, port: 9001 }, { id: shut, action: deny, port: 9002 }, { id: few, action: limit, port: 9003/tcp, limit: 2/30s }]
  game: { address: [${ADDRESS}, "${ADDRESS6}"], ports: 9100-9199, default: reject }
`;
const MINUTE_NS = 60_000_000_000n;
const PASSED: Judged = { action: 'pass', at: '(allow-all)' };

let tables: IngressTables;
let open: OpenStand;
let stand: IngressStand;

beforeEach(async () => {
  [tables, open] = [await IngressTables.create(), await OpenStand.create()];
  tables.now = 1000;
  stand = await IngressStand.load(RULES, tables, { open: open.maps });
});

afterEach(() => {
  for (const each of [stand, tables, open]) each.close();
});

const send = async (...layers: p.Layer[]): Promise<Judged> => {
  const { action, at } = await stand.in(p.compose(...layers));
  return { action, at };
};
const tcp = (to: number, from: string = p.DEFAULTS.source4): Promise<Judged> => send(p.ipv4({ from }), p.tcp({ to }));
const rankOf = (section: string, id: string): number =>
  stand.image.ranks.find((entry) => entry.section === section && entry.id === id)!.rank;

test('an open section lets in what it would refuse, and names the row; others, and what stands above, do not change', async () => {
  await open.set(new Set(['shop']), MINUTE_NS);
  expect(await tcp(9001)).toEqual({ action: 'pass', at: 'shop/web' });
  expect(await tcp(9002, '192.0.2.7')).toEqual(PASSED);
  expect(await tcp(9002, '192.0.2.8')).toEqual(PASSED);
  expect(await send(p.ipv6(), p.udp({ to: 9050 }))).toEqual(PASSED);
  expect(await tcp(9150)).toMatchObject({ at: 'game/default' });
  expect(await tcp(82)).toEqual({ action: 'drop', at: 'default' });
  expect(await tcp(9002, '192.0.2.66')).toMatchObject({ action: 'drop' });
  const [entry, ...others] = open.table.list();
  expect(others).toEqual([]);
  expect(entry).toMatchObject({ packets: 3n, unlisted: 0n, deadlineNs: MINUTE_NS });
  expect(entry.rows).toEqual([
    {
      ...{ generation: 1, rank: rankOf('shop', 'shut'), packets: 2n, lastHitNs: 1_000_000_000n },
      ...{ bytes: expect.any(BigInt) as bigint, source: { family: 4, words: [0xc0000208] } },
    },
    expect.objectContaining({
      rank: rankOf('shop', 'udp-off'),
      packets: 1n,
      source: expect.objectContaining({ family: 6 }) as object,
    }),
  ]);
  expect(entry.rows[0].bytes + entry.rows[1].bytes).toBe(entry.bytes);
});

test('it ends at its deadline, to the nanosecond, with nobody there', async () => {
  await open.set(new Set(['shop']), 2_000_000_000n);
  tables.now = 1999;
  expect(await tcp(9002)).toEqual(PASSED);
  tables.now = 2000;
  expect(await tcp(9002)).toEqual({ action: 'drop', at: 'shop/shut' });
  expect(open.table.list()[0].packets).toBe(1n);
});

test('a section that is over stays shut while another is open', async () => {
  await open.set(new Set(['shop']), 2_000_000_000n);
  open.table.open('game', MINUTE_NS);
  tables.now = 3000;
  expect(await tcp(9002)).toEqual({ action: 'drop', at: 'shop/shut' });
  expect(await tcp(9150)).toEqual(PASSED);
  // Prolonged, it is open again and goes on counting.
  open.table.open('shop', MINUTE_NS);
  expect(await tcp(9002)).toEqual(PASSED);
  expect(open.table.list()).toHaveLength(2);
});

test('a limit goes on counting attempts, and refuses nobody; a reject is not answered', async () => {
  await open.set(new Set(['shop', 'game', 'inbound']), MINUTE_NS);
  expect(await tcp(9003)).toEqual({ action: 'pass', at: 'shop/few' });
  for (let i = 0; i < 3; i++) expect(await tcp(9003)).toEqual(PASSED);
  expect(await tcp(9150)).toEqual(PASSED);
  expect(await tcp(81)).toEqual(PASSED);
  expect(await send(p.ipv4(), p.udp({ to: 53 }))).toEqual(PASSED);
  expect(tables.rejects()).toEqual({ answered: 0n, capped: 0n, unanswered: 0n });
  await open.set(new Set());
  // Who knocked meanwhile is over the limit still.
  expect(await tcp(9003)).toMatchObject({ at: 'shop/few/refused' });
});

test('an error about a connection that only ALLOW ALL lets in passes tier 5', async () => {
  const error = (): Promise<Judged> =>
    send(
      p.ipv4(),
      p.icmp({ type: 3, quote: [p.ipv4({ from: ADDRESS, to: p.DEFAULTS.source4 }), p.tcp({ from: 9002, to: 40000 })] }),
    );
  expect(await error()).toEqual({ action: 'drop', at: '(icmp-unrelated)' });
  await open.set(new Set(['shop']), MINUTE_NS);
  expect(await error()).toEqual({ action: 'pass', at: '(icmp-error)' });
});

test('the whole edge: every section, and none of what stands above them', async () => {
  await open.set('everything', MINUTE_NS);
  for (const port of [9002, 9150, 81, 82]) expect(await tcp(port)).toEqual(PASSED);
  expect(await tcp(82, '192.0.2.66')).toMatchObject({ action: 'drop' });
  expect(await send(p.ipv4(), p.tcp({ to: 0 }))).toEqual({ action: 'drop', at: '(port-zero)' });
  expect(open.table.list()).toMatchObject([{ entry: 0, id: 0n, packets: 4n }]);
});

test('rows beyond those that an entry can name are counted together', async () => {
  stand.close();
  const rows = Array.from({ length: SLC_LIMITS.OPEN_ROWS + 3 }, (_, i) => `deny ${1000 + i}/tcp`).join(', ');
  stand = await IngressStand.load(`version: 1\ninbound: { default: deny, rules: [${rows}] }\n`, tables, {
    open: open.maps,
  });
  await open.set(new Set(['inbound']), MINUTE_NS);
  for (let i = 0; i < SLC_LIMITS.OPEN_ROWS + 3; i++) expect(await tcp(1000 + i)).toEqual(PASSED);
  const [entry] = open.table.list();
  expect(entry).toMatchObject({ packets: BigInt(SLC_LIMITS.OPEN_ROWS + 3), unlisted: 3n });
  expect(entry.rows).toHaveLength(SLC_LIMITS.OPEN_ROWS);
  // A generation that judges no more makes room.
  open.table.freeRows(1);
  expect(open.table.list()[0]).toMatchObject({ packets: entry.packets, rows: [] });
  await tcp(1018);
  expect(open.table.list()[0].rows).toMatchObject([{ packets: 1n }]);
});

test('there is room for 255 sections beside the whole edge, and no more', () => {
  for (let i = 1; i < SLC_LIMITS.OPEN_SECTIONS; i++) open.table.open(`s${i}`, MINUTE_NS);
  open.table.open(null, MINUTE_NS);
  open.table.open('s7', 2n * MINUTE_NS);
  expect(() => {
    open.table.open('one-more', MINUTE_NS);
  }).toThrow('255 sections are under ALLOW ALL');
  expect(open.table.lastDeadlineNs).toBe(2n * MINUTE_NS);
});
