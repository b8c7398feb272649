/** A flow table of another size: what is in the old one is in the new one, where it fits; also with a million flows. */
import { flowBuckets } from '../../src/compile/flow-table';
import { measureHz } from '../../src/kernel/clock';
import { kernel } from '../../src/kernel/native';
import { closesAfterEach } from '../support/close-after';
import { FlowStand, FlowTable } from '../support/flow-stand';
import * as p from '../support/packet';

const DENY = 'version: 1\ninbound: { default: deny }\nlogging: off\n';
const { source4, destination4 } = p.DEFAULTS;
const PASSES = { passed: true, reason: 'flow' } as const;
const DENIED = { passed: false, reason: 'default' } as const;
const BATCH = 50_000;

let hz: number;
const opened = closesAfterEach();

beforeAll(async () => {
  hz = await measureHz(kernel());
});

async function tableFor(flows: number): Promise<FlowTable> {
  const table = await FlowTable.create(flowBuckets(flows), hz);
  opened.push(table);
  return table;
}

async function standOver(table: FlowTable, generation: number): Promise<FlowStand> {
  // None ends meanwhile, however slow the machine is.
  const timeouts = { TCP_OPENING: 3600, TCP_RESET: 3600 };
  const stand = await FlowStand.load(DENY, table, { generation, timeouts });
  opened.push(stand);
  return stand;
}

const out = (port: number, ...flags: p.TcpFlag[]): Uint8Array =>
  p.compose(p.ipv4({ from: destination4, to: source4 }), p.tcp({ from: port, to: 443, flags }));
const back = (port: number): Uint8Array => p.compose(p.ipv4(), p.tcp({ from: 443, to: port, flags: ['ack'] }));

/** SYNs to so many addresses and ports, first `first`, as frames back to back. */
function synsTo(first: number, count: number): [Uint8Array, Uint32Array] {
  const syn = out(40_000, 'syn');
  const frames = Buffer.alloc(syn.length * count);
  for (let i = 0; i < count; i++) {
    frames.set(syn, i * syn.length);
    frames.writeUInt32BE(0xc6120000 + ((first + i) & 0x1ffff), i * syn.length + 30);
    frames.writeUInt16BE(1024 + ((first + i) >> 17), i * syn.length + 36);
  }
  return [frames, new Uint32Array(count).fill(syn.length)];
}

async function open(stand: FlowStand, count: number): Promise<void> {
  for (let first = 0; first < count; first += BATCH)
    await stand.outMany(...synsTo(first, Math.min(BATCH, count - first)));
}

test('into a larger table all flows go, as they are', async () => {
  const [small, large] = [await tableFor(2048), await tableFor(16_384)];
  const host = await standOver(small, 1);
  await open(host, 1000);
  await host.out(out(5000, 'syn'));
  await host.out(out(5000, 'ack'));
  await host.out(out(5001, 'syn'));
  await host.out(out(5001, 'rst'));
  const before = await small.living();
  expect(await large.moveFrom(small, 2)).toBe(0);
  const byName = (flows: typeof before): Map<string, unknown> => new Map(flows.map((flow) => [flow.name, flow]));
  expect(byName(await large.living())).toEqual(byName(before));
  const after = await standOver(large, 2);
  expect(await after.in(back(5000))).toEqual(PASSES);
  expect(await after.in(back(5002))).toEqual(DENIED);
});

test('moved again: what was opened meanwhile comes after, what the new programs have judged stays', async () => {
  const [small, large] = [await tableFor(2048), await tableFor(16_384)];
  const old = await standOver(small, 1);
  for (const port of [5000, 5001, 5002]) {
    await old.out(out(port, 'syn'));
    await old.out(out(port, 'ack'));
  }
  await large.moveFrom(small, 2);
  // Before the gate changes the old programs go on: one flow more, one that ends.
  await old.out(out(5003, 'syn'));
  await old.out(out(5001, 'fin', 'ack'));
  // After it the new ones: they let one flow go on, and see it end.
  const host = await standOver(large, 2);
  await host.out(out(5002, 'ack'));
  await host.out(out(5002, 'fin', 'ack'));
  expect(await host.in(back(5003))).toEqual(DENIED);
  await large.moveFrom(small, 2);
  expect(await host.in(back(5003))).toEqual(PASSES);
  const flags = new Map((await large.living()).map(({ name, flags: seen }) => [name.split(' ').at(-2), seen]));
  const [established, closed, doubted] = [1, 3, 8];
  expect(flags).toEqual(
    new Map([
      ['5000', established],
      ['5001', closed],
      ['5002', closed],
      ['5003', doubted],
    ]),
  );
});

test('a million flows: nearly all have room, are found, and move on; what does not fit makes room, counted', async () => {
  const FLOWS = 1_000_000;
  const large = await tableFor(FLOWS);
  const host = await standOver(large, 1);
  await open(host, FLOWS);
  const full = await large.figures();
  expect(full.made).toBe(BigInt(FLOWS));
  expect(BigInt(full.live) + full.evicted).toBe(BigInt(FLOWS));
  expect(full.live).toBeGreaterThan(0.98 * FLOWS);
  const small = await tableFor(65_536);
  const lost = await small.moveFrom(large, 2);
  const left = await small.figures();
  expect(left.live + lost).toBe(full.live);
  // All ways are taken, where no bucket is left out by chance.
  expect(left.live).toBeGreaterThan(0.98 * left.ways);
  expect(left.evicted).toBe(BigInt(lost));
});
