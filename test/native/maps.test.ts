/** Maps through the addon: pairs, batches, memory, freezing, program arrays. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { KernelError } from '../../src/kernel/errors';
import type { BpfMap } from '../../src/kernel/kernel';
import { kernel } from '../../src/kernel/native';
import { closeMaps, openPinnedMaps, PinnedMaps } from '../../src/load/pinned-maps';
import { bpfDescriptors, frameOf, key32, loadProbe, outcome, privateBpffs, value64 } from './support';

type MapType = Parameters<ReturnType<typeof kernel>['createMap']>[0]['type'];

const opened: BpfMap[] = [];
afterEach(() => opened.splice(0).forEach((map) => map.close()));

function create(
  type: MapType,
  sizes: Partial<{ keySize: number; valueSize: number; maxEntries: number }> = {},
): BpfMap {
  const flags = type === 'lpm-trie' ? (['no-prealloc'] as const) : [];
  const map = kernel().createMap({ type, name: 'test', keySize: 4, valueSize: 8, maxEntries: 64, flags, ...sizes });
  opened.push(map);
  return map;
}

/** `count` keys 0, 1, 2 … and values three times as much, back to back. */
function pairs(count: number): { keys: Uint8Array; values: Uint8Array } {
  const numbers = Array.from({ length: count }, (_, i) => i);
  return {
    keys: Buffer.concat(numbers.map(key32)),
    values: Buffer.concat(numbers.map((i) => value64(BigInt(3 * i)))),
  };
}

function sum(values: Uint8Array): bigint {
  return new BigUint64Array(values.slice().buffer).reduce((total, value) => total + value, 0n);
}

describe('single pairs', () => {
  test('what was written is found, what was deleted is not', () => {
    const map = create('hash');
    expect(map.lookup(key32(1))).toBeNull();
    map.update(key32(1), value64(5n));
    expect(map.lookup(key32(1))).toEqual(new Uint8Array(value64(5n)));
    expect(map.delete(key32(1))).toBe(true);
    expect(map.delete(key32(1))).toBe(false);
  });

  test('noexist and exist are kept to', async () => {
    const map = create('hash');
    expect(await outcome(() => map.update(key32(1), value64(1n), 'exist'))).toBe('ENOENT');
    map.update(key32(1), value64(1n), 'noexist');
    expect(await outcome(() => map.update(key32(1), value64(2n), 'noexist'))).toBe('EEXIST');
    map.update(key32(1), value64(3n), 'exist');
    expect(map.lookup(key32(1))).toEqual(new Uint8Array(value64(3n)));
  });

  test('keys and values of another length are refused', () => {
    const map = create('hash');
    expect(() => map.lookup(new Uint8Array(5))).toThrow('key has the wrong length');
    expect(() => map.update(key32(1), new Uint8Array(4))).toThrow('value has the wrong length');
  });

  test('information is that of the kernel', () => {
    const map = create('hash', { maxEntries: 17 });
    expect(map.info()).toMatchObject({
      type: 1,
      keySize: 4,
      valueSize: 8,
      maxEntries: 17,
      name: 'test',
      frozen: false,
    });
    map.freeze();
    expect(map.info().frozen).toBe(true);
  });

  test('a frozen map takes no writes', async () => {
    const map = create('array');
    map.freeze();
    expect(await outcome(() => map.update(key32(0), value64(1n)))).toBe('EPERM');
  });

  test('a per-CPU value has a padded part for every CPU', () => {
    const cpus = kernel().possibleCpus();
    const map = create('percpu-array', { valueSize: 4 });
    const value = Buffer.alloc(8 * cpus);
    for (let cpu = 0; cpu < cpus; cpu++) value.writeUInt32LE(cpu + 1, 8 * cpu);
    map.update(key32(2), value);
    expect(map.lookup(key32(2))).toEqual(new Uint8Array(value));
  });
});

describe('batches', () => {
  test.each(['hash', 'array', 'percpu-hash', 'percpu-array', 'lpm-trie'] as const)(
    '%s: all pairs return',
    async (type) => {
      const count = 1000;
      const perCpu = type.startsWith('percpu') ? kernel().possibleCpus() : 1;
      const lpm = type === 'lpm-trie';
      const map = create(type, { maxEntries: count, keySize: lpm ? 8 : 4 });
      const numbers = Array.from({ length: count }, (_, i) => i);
      const keys = lpm
        ? Buffer.concat(numbers.map((i) => Buffer.from([32, 0, 0, 0, 10, 0, i >> 8, i & 255])))
        : pairs(count).keys;
      const values = Buffer.concat(
        numbers.flatMap((i) => Array.from({ length: perCpu }, () => value64(BigInt(3 * i)))),
      );
      await map.updateBatch(keys, values, count);
      const read = await map.entries();
      expect(read.count).toBe(count);
      expect(read.keys).toHaveLength(keys.length);
      expect(sum(read.values)).toBe(sum(values));
      const sorted = Array.from({ length: count }, (_, i) =>
        Buffer.from(read.keys).toString('hex', i * (keys.length / count), (i + 1) * (keys.length / count)),
      );
      expect(new Set(sorted).size).toBe(count);
    },
  );

  test('100,000 pairs do not stop the event loop', async () => {
    const count = 100_000;
    const map = create('hash', { maxEntries: count });
    const { keys, values } = pairs(count);
    // Most of some rounds: a processor that is taken from this thread stops its loop too.
    let most = 0;
    for (let round = 0; round < 20 && most <= 3; round++) {
      let ticks = 0;
      const timer = setInterval(() => ticks++, 1);
      await map.updateBatch(keys, values, count);
      const read = await map.entries();
      clearInterval(timer);
      expect(read.count).toBe(count);
      expect(sum(read.values)).toBe(sum(values));
      most = Math.max(most, ticks);
    }
    expect(most).toBeGreaterThan(3);
  });

  test('a batch larger than the map tells how much of it was written', async () => {
    const map = create('hash', { maxEntries: 100 });
    const { keys, values } = pairs(150);
    const error = await map.updateBatch(keys, values, 150).then(
      () => null,
      (thrown: unknown) => thrown as KernelError,
    );
    expect(error).toMatchObject({
      errno: 'E2BIG',
      written: 100,
      operation: 'write map "test"',
      hint: 'the map is full',
    });
    expect((await map.entries()).count).toBe(100);
  });

  test('the number written counts the pieces before', async () => {
    const map = create('hash', { maxEntries: 60_000 });
    const { keys, values } = pairs(70_000);
    const error = await map.updateBatch(keys, values, 70_000).then(
      () => null,
      (thrown: unknown) => thrown as KernelError,
    );
    expect(error).toMatchObject({ errno: 'E2BIG', written: 60_000 });
  });

  test('nothing is a batch, too', async () => {
    const map = create('hash');
    await map.updateBatch(new Uint8Array(0), new Uint8Array(0), 0);
    expect((await map.entries()).count).toBe(0);
  });

  test('lengths that do not fit are refused', async () => {
    const map = create('hash');
    expect(await outcome(() => map.updateBatch(key32(1), value64(1n), 2))).toBe('RangeError');
    expect(await outcome(() => map.updateBatch(key32(1), new Uint8Array(7), 1))).toBe('RangeError');
  });

  test('a buffer given away meanwhile does no harm', async () => {
    const count = 50_000;
    const map = create('hash', { maxEntries: count });
    const { keys, values } = pairs(count);
    const own = new Uint8Array(keys);
    const writing = map.updateBatch(own, values, count);
    structuredClone(own.buffer, { transfer: [own.buffer] });
    // What was copied before is written, the rest is no longer there.
    expect(await outcome(() => writing)).toMatch(/^(ok|RangeError|TypeError)$/);
  });

  test('a map without batches is read one by one', async () => {
    const object = await loadProbe(['probe_gate', 'probe_observe']);
    const slots = object.map('slots');
    opened.push(slots);
    slots.updateProgram(key32(1), object.program('probe_observe'));
    const read = await slots.entries();
    expect(Buffer.from(read.keys).readUInt32LE(0)).toBe(1);
    expect(read.count).toBe(1);
    object.close();
  });
});

describe('memory', () => {
  function region(): { map: BpfMap; region: ReturnType<BpfMap['mmap']> } {
    const map = kernel().createMap({
      type: 'array',
      name: 'big',
      keySize: 4,
      valueSize: 3 * 1024 * 1024,
      maxEntries: 1,
      flags: ['mmapable'],
    });
    opened.push(map);
    return { map, region: map.mmap({ writable: true }) };
  }

  test('what is written there is what a look-up finds', async () => {
    const { map, region: memory } = region();
    expect(memory.size).toBe(3 * 1024 * 1024);
    const bytes = Buffer.alloc(memory.size);
    for (let i = 0; i < bytes.length; i += 997) bytes[i] = i % 251;
    await memory.write(0, bytes);
    expect(Buffer.compare(map.lookup(key32(0))!, bytes)).toBe(0);
    expect(Buffer.compare(memory.read(12_345, 100_000), bytes.subarray(12_345, 112_345))).toBe(0);
    memory.close();
  });

  test('compare-and-exchange replaces only what it expected', () => {
    const { region: memory } = region();
    memory.store64(8, 5n);
    expect(memory.compareExchange64(8, 4n, 9n)).toBe(5n);
    expect(memory.load64(8)).toBe(5n);
    expect(memory.compareExchange64(8, 5n, 0xffff_ffff_ffff_ffffn)).toBe(5n);
    expect(memory.load64(8)).toBe(0xffff_ffff_ffff_ffffn);
    memory.close();
  });

  test('counters of all CPUs are added up: what was handed over, halves of a word, the newest packet', () => {
    const { region: memory } = region();
    const row = 768 * 1024; // four rows: packets and bytes that all share, two CPUs
    const slots = row / 8;
    const set = (key: number, slot: number, word: bigint): void => {
      memory.store64(key * row + slot * 8, word);
    };
    const hit = (time: bigint, packets: bigint, bytes: bigint): bigint => (time << 34n) | (packets << 22n) | bytes;
    const newest = (1n << 30n) - 2n;
    set(0, 0, 5n);
    set(1, 0, 500n);
    set(2, 0, hit(7n, 3n, 300n));
    set(3, 0, hit(9n, 1n, 64n));
    set(3, slots - 1, hit(4n, 2n, 120n));
    // All handed over: the time is left.
    set(0, 1, 1n);
    set(1, 1, 60n);
    set(2, 1, hit(3n, 0n, 0n));
    // Times come round: the second is the newer one.
    set(2, 2, hit(newest, 1n, 60n));
    set(3, 2, hit(1n, 1n, 60n));
    const sums = memory.hits(row);
    expect(sums.length).toBe(3 * slots);
    expect([...sums.subarray(0, 9)]).toEqual([9n, 864n, 9n << 6n, 1n, 60n, 3n << 6n, 2n, 120n, 1n << 6n]);
    expect([...sums.subarray(-3)]).toEqual([2n, 120n, 4n << 6n]);
    expect(sums.reduce((all, each) => all + each)).toBe(9n + 864n + 61n + 122n + 122n + ((9n + 3n + 1n + 4n) << 6n));
    for (const odd of [0, 12, 1000, 4 * row, 3 * row, -16, 2 ** 32])
      expect(() => memory.hits(odd)).toThrow(expect.objectContaining({ name: 'RangeError' }) as Error);
    memory.close();
  });

  test('two mappings see the same words', () => {
    const { map, region: memory } = region();
    const other = map.mmap({ writable: false });
    memory.store64(16, 77n);
    expect(other.load64(16)).toBe(77n);
    other.close();
    memory.close();
  });

  test.each([
    ['past the end', 3 * 1024 * 1024, 'RangeError'],
    ['reaching past the end', 3 * 1024 * 1024 - 4, 'RangeError'],
    ['not aligned', 4, 'RangeError'],
    ['negative', -8, 'RangeError'],
    ['no number', NaN, 'RangeError'],
    ['enormous', 2 ** 53 - 8, 'RangeError'],
  ])('an offset %s is refused', async (_, offset, expected) => {
    const { region: memory } = region();
    expect(await outcome(() => memory.load64(offset))).toBe(expected);
    expect(await outcome(() => memory.store64(offset, 1n))).toBe(expected);
    if (offset !== 4) expect(await outcome(() => memory.write(offset, value64(1n)))).toBe(expected);
    memory.close();
  });

  test('a large write past the end writes nothing', async () => {
    const { region: memory } = region();
    const bytes = new Uint8Array(memory.size).fill(1);
    expect(await outcome(() => memory.write(8, bytes))).toBe('RangeError');
    expect(memory.load64(8)).toBe(0n);
    memory.close();
  });

  test('freezing waits for writable mappings to go', async () => {
    const { map, region: memory } = region();
    expect(await outcome(() => map.freeze())).toBe('EBUSY');
    memory.close();
    map.freeze();
    expect(await outcome(() => map.mmap({ writable: true }))).toBe('EPERM');
    const readOnly = map.mmap({ writable: false });
    expect(readOnly.load64(0)).toBe(0n);
    readOnly.close();
  });
});

describe('program arrays', () => {
  test('a program put into its slot is the one that runs', async () => {
    const object = await loadProbe(['probe_gate', 'probe_reflect']);
    const gate = object.program('probe_gate');
    const slots = object.map('slots');
    opened.push(slots);
    expect((await gate.testRun({ frame: frameOf(64) })).returnValue).toBe(1);
    slots.updateProgram(key32(1), object.program('probe_reflect'));
    expect((await gate.testRun({ frame: frameOf(64) })).returnValue).toBe(3);
    expect(slots.delete(key32(1))).toBe(true);
    expect((await gate.testRun({ frame: frameOf(64) })).returnValue).toBe(1);
    // Its values are descriptors of this process, which bytes cannot name.
    expect(await outcome(() => slots.update(key32(1), key32(0)))).toBe('EINVAL');
    expect(await outcome(() => slots.updateBatch(key32(1), key32(0), 1))).toBe('EINVAL');
    gate.close();
    object.close();
  });
});

describe('pins', () => {
  test('a map is found again by its pin; other kinds are refused', async () => {
    const bpffs = privateBpffs();
    const path = join(bpffs.path, 'map');
    const map = create('hash');
    map.update(key32(4), value64(44n));
    map.pin(path);
    expect(await outcome(() => map.pin(path))).toBe('EEXIST');
    const again = kernel().openPinnedMap(path);
    expect(again.info().id).toBe(map.info().id);
    expect(again.lookup(key32(4))).toEqual(new Uint8Array(value64(44n)));
    again.close();
    expect(await outcome(() => kernel().openPinnedProgram(path))).toBe('EMEDIUMTYPE');
    expect(await outcome(() => kernel().openPinnedLink(path))).toBe('EMEDIUMTYPE');
    expect(await outcome(() => map.pin('/tmp/slc-no-bpffs'))).toBe('EPERM');
    rmSync(path);
    bpffs.remove();
    expect(await outcome(() => kernel().openPinnedMap(path))).toBe('ENOENT');
  });

  test('of several maps all are opened, or none stays open', () => {
    const bpffs = privateBpffs();
    const [first, second] = ['first', 'second'].map((name) => join(bpffs.path, name));
    create('hash').pin(first);
    create('hash').pin(second);
    const before = bpfDescriptors().length;
    const maps = openPinnedMaps(kernel(), { first, second });
    expect(maps.first.info().id).not.toBe(maps.second.info().id);
    expect(bpfDescriptors()).toHaveLength(before + 2);
    closeMaps(maps);
    rmSync(second);
    expect(() => openPinnedMaps(kernel(), { first, second })).toThrow('ENOENT');
    expect(bpfDescriptors()).toHaveLength(before);
    bpffs.remove();
  });

  test('a pinned map is opened when it is asked for, once, and not any more when the rest is closed', () => {
    const bpffs = privateBpffs();
    const path = join(bpffs.path, 'first');
    create('hash').pin(path);
    const before = bpfDescriptors().length;
    const maps = new PinnedMaps<'first' | 'second'>(kernel(), (name) => join(bpffs.path, name));
    expect(bpfDescriptors()).toHaveLength(before);
    expect(maps.get('first')).toBe(maps.pick(['first']).first);
    expect(bpfDescriptors()).toHaveLength(before + 1);
    expect(() => maps.get('second')).toThrow('ENOENT');
    maps.close();
    expect(bpfDescriptors()).toHaveLength(before);
    expect(() => maps.get('first')).toThrow('after the last use');
    rmSync(path);
    bpffs.remove();
  });
});
