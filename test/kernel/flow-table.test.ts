/** The table of flows under the hands of two CPUs, and how keys spread in it. */
import { SLC_FLOW_TIMEOUT } from '../../src/abi/layout.gen';
import { measureHz, readClock } from '../../src/kernel/clock';
import { kernel } from '../../src/kernel/native';
import { flowTimeouts } from '../../src/load/tables';
import { closesAfterEach } from '../support/close-after';
import { FlowStand, FlowTable } from '../support/flow-stand';
import * as p from '../support/packet';

const DENY = 'version: 1\ninbound: { default: deny }\nlogging: off\n';
const { source4, destination4 } = p.DEFAULTS;
const out = (local: number, remote: number, ...flags: p.TcpFlag[]): Uint8Array =>
  p.compose(p.ipv4({ from: destination4, to: source4 }), p.tcp({ from: local, to: remote, flags }));
const back = (local: number, remote: number): Uint8Array =>
  p.compose(p.ipv4(), p.tcp({ from: remote, to: local, flags: ['ack'] }));

const opened = closesAfterEach();

async function stand(buckets: number, options: Parameters<typeof FlowStand.load>[2] = {}): Promise<FlowStand> {
  const table = await FlowTable.create(buckets, await measureHz(kernel()));
  const made = await FlowStand.load(DENY, table, options);
  opened.push(made, table);
  return made;
}

const batch = (frames: readonly Uint8Array[]): [Uint8Array, Uint32Array] => [
  Buffer.concat(frames),
  Uint32Array.from(frames, ({ length }) => length),
];

/** Answers to the flows of these ports that do not pass while another CPU does something again and again. */
async function missedMeanwhile(host: FlowStand, ports: readonly number[], write: () => Promise<void>): Promise<number> {
  const answers = Array.from({ length: 2400 }, (_, i) => back(ports[i % ports.length], 443));
  const [frames, lengths] = batch(answers);
  let going = true;
  const read = async (): Promise<number> => {
    let missed = 0;
    for (let round = 0; round < 100; round++) missed += (await host.inMany(frames, lengths)).dropped;
    going = false;
    return missed;
  };
  const [missed] = await Promise.all([
    read(),
    (async () => {
      while (going) await write();
    })(),
  ]);
  return missed;
}

test('flows that live are found while others are made and end in the same buckets', async () => {
  const BUCKETS = 16;
  // What opens lives a tick: the ways that the flows which stay leave free change hands all the time.
  const host = await stand(BUCKETS, { timeouts: { TCP_OPENING: 1 / (await measureHz(kernel())) } });
  // Half of them in one bucket is past all chance: then nothing would have to make room for what passes.
  const staying = Array.from({ length: 12 }, (_, i) => 50_000 + i);
  for (const [i, port] of staying.entries()) {
    // Again where a tick has passed between the two.
    do await host.outMany(...batch([out(port, 443, 'syn'), out(port, 443, 'ack')]));
    while ((await host.table.names()).size === i);
  }
  const before = await host.table.names();
  expect(before.size).toBe(staying.length);
  const [passing, sizes] = batch(Array.from({ length: 2000 }, (_, i) => out(1024 + i, 444, 'syn')));
  const madeBefore = (await host.table.figures()).made;
  const missed = await missedMeanwhile(host, staying, () => host.outMany(passing, sizes));
  expect(missed).toBe(0);
  // They lived a tick, so their ways were given away again and again.
  expect((await host.table.figures()).made - madeBefore).toBeGreaterThan(4000n);
  const after = await host.table.names();
  expect([...before].filter((name) => !after.has(name))).toEqual([]);
});

test('what is refreshed on one CPU while it is asked for on another is never missed', async () => {
  const host = await stand(1);
  await host.outMany(...batch([out(50_000, 443, 'syn'), out(50_000, 443, 'ack')]));
  const [sent, sizes] = batch(
    // Now and then it is opened anew: then all of it is written again, but for its key.
    Array.from({ length: 20_000 }, (_, i) =>
      out(50_000, 443, ...(i % 5 === 0 ? (['syn'] as const) : (['ack'] as const))),
    ),
  );
  const missed = await missedMeanwhile(host, [50_000], () => host.outMany(sent, sizes));
  expect(missed).toBe(0);
});

test('a flow at work is written now and then, its end lags behind by a 64th of its time at most, what ends it by nothing', async () => {
  const SECONDS = 8;
  const host = await stand(1, { timeouts: { TCP_ESTABLISHED: SECONDS } });
  const hz = host.table.hz;
  const timeout = BigInt(SECONDS * hz);
  const lag = timeout >> 6n;
  const end = async (): Promise<bigint> => (await host.table.living())[0].expires;
  const jiffies = async (): Promise<bigint> => (await readClock(kernel())).jiffies;
  await host.out(out(50_000, 443, 'syn'));
  await host.out(out(50_000, 443, 'ack'));
  const ends = [await end()];
  const began = await jiffies();
  let now = began;
  // Twice at least, however long the machine holds it up in between.
  while (now - began < 8n * lag || ends.length < 2) {
    const before = await jiffies();
    await host.outMany(...batch([out(50_000, 443, 'ack'), out(50_000, 443, 'ack')]));
    now = await jiffies();
    const seen = await end();
    expect(seen).toBeGreaterThanOrEqual(before + timeout - lag);
    expect(seen).toBeLessThanOrEqual(now + timeout);
    if (seen !== ends.at(-1)) ends.push(seen);
  }
  // it follows the packets, by steps of more than the lag
  expect(ends.length).toBeGreaterThan(1);
  ends.slice(1).forEach((seen, i) => {
    expect(seen - ends[i]).toBeGreaterThan(lag);
  });
  const closing = await jiffies();
  await host.out(out(50_000, 443, 'fin', 'ack'));
  const last = flowTimeouts(hz)[SLC_FLOW_TIMEOUT.TCP_CLOSING];
  expect(await end()).toBeGreaterThanOrEqual(closing + last);
  expect(await end()).toBeLessThanOrEqual((await jiffies()) + last);
});

test('neighbouring addresses and ports spread over all buckets, whatever the seed', async () => {
  const BUCKETS = 1024;
  const FLOWS = BUCKETS * 4;
  const lost: number[] = [];
  const frames = Array.from({ length: FLOWS }, (_, i) =>
    p.compose(
      p.ipv4({ from: destination4, to: `198.18.${i >> 11}.${(i >> 3) & 255}` }),
      p.tcp({ from: 40_000, to: 1024 + (i & 7), flags: ['syn'] }),
    ),
  );
  for (let seed = 0; seed < 12; seed++) {
    const host = await stand(BUCKETS, { seed });
    await host.outMany(...batch(frames));
    lost.push(FLOWS - (await host.table.figures()).live);
  }
  // Half full, of random keys 0.7 % meet a full bucket.
  expect(Math.max(...lost)).toBeLessThan(FLOWS * 0.02);
});
