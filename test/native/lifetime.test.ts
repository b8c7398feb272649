/** Nothing leaks, nothing lingers: descriptors, collected handles, worker threads, processes that end. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import { kernel } from '../../src/kernel/native';
import { bpfDescriptors, collectUntil, frameOf, key32, loadProbe, outcome, probeBytes, value64 } from './support';

const ADDON = resolve(__dirname, '../../build/Release/sluice.node');
const WORKER = join(__dirname, 'fixtures/worker.js');

function descriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

test('200,000 operations leave no descriptor behind', async () => {
  const object = await loadProbe();
  const map = kernel().createMap({ type: 'hash', name: 'many', keySize: 4, valueSize: 8, maxEntries: 64 });
  const program = object.program('probe_observe');
  const before = descriptors();
  for (let i = 0; i < 60_000; i++) {
    map.update(key32(i % 64), value64(BigInt(i)));
    map.lookup(key32(i % 64));
    map.delete(key32(i % 64));
  }
  for (let i = 0; i < 2000; i++) {
    object.map('results').close();
    object.program('probe_observe').close();
    const region = object.map('results').mmap({ writable: true });
    region.store64(0, BigInt(i));
    region.close();
    await outcome(() => kernel().openPinnedMap('/nowhere'));
    await outcome(() => map.pin('/nowhere/else'));
    if (i % 20 === 0) {
      await program.testRun({ frame: frameOf(64) });
      await map.entries();
      await kernel().netnsCookie('/proc/self/ns/net');
      await outcome(() => kernel().netnsCookie('/nowhere'));
      kernel().tryLock(`/tmp/slc-${process.pid}-leak`)?.close();
    }
  }
  await collectUntil(() => descriptors() <= before);
  expect(descriptors()).toBeLessThanOrEqual(before);
  [map, program, object].forEach((handle) => handle.close());
  rmSync(`/tmp/slc-${process.pid}-leak`);
});

test('handles nobody holds are closed when they are collected', async () => {
  const before = bpfDescriptors().length;
  await (async () => {
    for (let i = 0; i < 20; i++) {
      const object = await loadProbe();
      object.map('results').mmap({ writable: true });
      object.program('probe_observe');
      kernel().createMap({ type: 'array', name: 'lost', keySize: 4, valueSize: 8, maxEntries: 1 });
    }
  })();
  expect(bpfDescriptors().length).toBeGreaterThan(before);
  await collectUntil(() => bpfDescriptors().length <= before);
});

test('four worker threads at once, each with handles of its own', async () => {
  const workers = Array.from(
    { length: 4 },
    () => new Worker(WORKER, { workerData: { addon: ADDON, object: probeBytes(), rounds: 10 } }),
  );
  const answers = await Promise.all(workers.map((worker) => once(worker, 'message')));
  expect(answers.flat()).toEqual(['done', 'done', 'done', 'done']);
  await Promise.all(workers.map((worker) => worker.terminate()));
});

test('worker threads terminated in the middle of work leave nothing behind', async () => {
  const before = bpfDescriptors().length;
  for (let i = 0; i < 6; i++) {
    const worker = new Worker(WORKER, { workerData: { addon: ADDON, object: probeBytes(), endless: true } });
    await once(worker, 'message');
    await new Promise((resolve) => setTimeout(resolve, 5 + 3 * i));
    await worker.terminate();
  }
  await collectUntil(() => bpfDescriptors().length <= before);
});

test.each([
  ['by itself', ''],
  ['by process.exit', 'setTimeout(() => process.exit(0), 1);'],
])('a process with work under way ends %s', (_, ending) => {
  const script = `
    const addon = require(${JSON.stringify(ADDON)});
    const map = addon.createMap(2, 'end', 4, 8, 100000, 0);
    void map.entries(); void map.entries(); void addon.membarrier(1); void addon.netnsCookie('');
    ${ending}`;
  expect(() => execFileSync(process.execPath, ['-e', script], { timeout: 100_000 })).not.toThrow();
});
