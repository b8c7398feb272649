/** The reading end of a ring buffer: what comes, what comes again, and that nothing of it outlives its handle. */
import { join } from 'node:path';
import type { BpfObject, BpfProgram, EventRing, RingBatch } from '../../src/kernel/kernel';
import { kernel } from '../../src/kernel/native';
import { run } from '../support/process';
import { bpfDescriptors, collectUntil, frameOf, loadProbe, outcome, until } from './support';

/** include/uapi/linux/bpf.h: enum xdp_action. */
const [XDP_ABORTED, XDP_DROP] = [0, 1];
/** Bytes a record of 8 takes in the ring: its header, and the record. */
const STEP = 16n;
/** Records that fill the ring of one page. */
const FULL = 4096 / Number(STEP);

let object: BpfObject;
let program: BpfProgram;
let ring: EventRing;
beforeEach(async () => {
  object = await loadProbe(['probe_tell']);
  program = object.program('probe_tell');
  const map = object.map('told');
  ring = map.ring();
  map.close(); // the ring has a descriptor of its own
});
afterEach(() => [ring, program, object].forEach((handle) => handle.close()));

const tell = async (...lengths: number[]): Promise<number[]> => {
  const returned: number[] = [];
  for (const length of lengths) returned.push((await program.testRun({ frame: frameOf(length) })).returnValue);
  return returned;
};
const lengthsIn = ({ records, lengths }: RingBatch): number[] => {
  const bytes = Buffer.from(records);
  expect([...lengths]).toEqual([...lengths].map(() => 8));
  return Array.from(lengths, (_, i) => Number(bytes.readBigUInt64LE(8 * i)));
};

test('records come in order, with their places, and again until they are released', async () => {
  expect(await ring.read({ timeoutMs: 0 })).toBeNull();
  await tell(20, 30, 40);
  expect(ring.waiting()).toBe(3 * Number(STEP));
  const first = (await ring.read({ timeoutMs: 0 }))!;
  expect(lengthsIn(first)).toEqual([20, 30, 40]);
  expect([...first.positions]).toEqual([0n, STEP, 2n * STEP]);
  await tell(50);
  expect(lengthsIn((await ring.read({ timeoutMs: 0 }))!)).toEqual([20, 30, 40, 50]);
  const some = (await ring.read({ timeoutMs: 0, most: 2 }))!;
  ring.release(some.end);
  const rest = (await ring.read({ timeoutMs: 0 }))!;
  expect(lengthsIn(rest)).toEqual([40, 50]);
  ring.release(rest.end);
  expect(ring.waiting()).toBe(0);
});

test('what was discarded is passed over, and makes room when released', async () => {
  await tell(21, 30, 31);
  const batch = (await ring.read({ timeoutMs: 0 }))!;
  expect([lengthsIn(batch), batch.end]).toEqual([[30], 3n * STEP]);
  ring.release(batch.end);
  await tell(33);
  const empty = (await ring.read({ timeoutMs: 0 }))!;
  expect([lengthsIn(empty), empty.end]).toEqual([[], 4n * STEP]);
  ring.release(empty.end);
});

test('a full ring refuses, and a released one takes again, all the way round', async () => {
  for (let round = 0; round < 3; round++) {
    const returned = await tell(...new Array<number>(FULL + 5).fill(64));
    const taken = returned.filter((value) => value === XDP_DROP).length;
    expect(returned.slice(taken)).toEqual(new Array(FULL + 5 - taken).fill(XDP_ABORTED));
    expect(taken).toBeGreaterThanOrEqual(FULL - 1);
    const batch = (await ring.read({ timeoutMs: 0 }))!;
    expect(batch.lengths.length).toBe(taken);
    ring.release(batch.end);
  }
});

test('a read waits for the next record, and no longer than it was told to', async () => {
  const waiting = ring.read({ timeoutMs: 20_000 });
  await tell(60);
  expect(lengthsIn((await waiting)!)).toEqual([60]);
  ring.release(STEP);
  expect(await ring.read({ timeoutMs: 20 })).toBeNull();
});

test('one read at a time, and no release meanwhile', async () => {
  const waiting = ring.read({ timeoutMs: 20_000 });
  expect(await outcome(() => ring.read({ timeoutMs: 0 }))).toBe('kernel/busy');
  expect(await outcome(() => ring.release(STEP))).toBe('kernel/busy');
  expect(await outcome(() => ring.waiting())).toBe('ok');
  await tell(60);
  expect(lengthsIn((await waiting)!)).toEqual([60]);
});

test('only what was read can be released, once', async () => {
  await tell(20, 30);
  for (const end of [0n, STEP, 2n * STEP, 1n << 63n]) expect(await outcome(() => ring.release(end))).toBe('RangeError');
  const { end } = (await ring.read({ timeoutMs: 0 }))!;
  expect(await outcome(() => ring.release(STEP))).toBe('RangeError');
  ring.release(end);
  expect(await outcome(() => ring.release(end))).toBe('RangeError');
  expect(await outcome(() => ring.read({ timeoutMs: 0, most: 0 }))).toBe('RangeError');
  expect(await outcome(() => ring.read({ timeoutMs: 60_001 }))).toBe('RangeError');
});

test('closing ends a read that waits; a closed ring refuses everything', async () => {
  const began = Date.now();
  const waiting = ring.read({ timeoutMs: 60_000 });
  ring.close();
  ring.close();
  expect(await waiting).toBeNull();
  expect(Date.now() - began).toBeLessThan(30_000);
  expect(await outcome(() => ring.read({ timeoutMs: 0 }))).toBe('kernel/closed');
  expect(await outcome(() => ring.release(STEP))).toBe('kernel/closed');
  expect(await outcome(() => ring.waiting())).toBe('kernel/closed');
});

test('what one reader read and did not release is there for the next', async () => {
  await tell(20, 30);
  await ring.read({ timeoutMs: 0 });
  ring.close();
  const map = object.map('told');
  ring = map.ring();
  map.close();
  expect(lengthsIn((await ring.read({ timeoutMs: 0 }))!)).toEqual([20, 30]);
});

test('no ring, no reader', async () => {
  const map = kernel().createMap({ type: 'array', name: 'plain', keySize: 4, valueSize: 8, maxEntries: 1 });
  expect(await outcome(() => map.ring())).toBe('EINVAL');
  map.close();
});

test('a ring that is collected gives its descriptors back', async () => {
  await collectUntil(() => true); // what earlier tests dropped
  const before = bpfDescriptors().length;
  let gone = false;
  const registry = new FinalizationRegistry(() => (gone = true));
  (() => {
    const map = object.map('told');
    registry.register(map.ring(), 'ring');
    map.close();
  })();
  await collectUntil(() => gone);
  await until(() => bpfDescriptors().length === before);
  expect(bpfDescriptors().length).toBe(before);
});

test('a worker that is terminated while it reads takes nothing with it', async () => {
  const { status, stderr } = await run([process.execPath, join(__dirname, 'fixtures/ring-worker.js')]);
  expect([status, stderr]).toEqual([0, '']);
});
