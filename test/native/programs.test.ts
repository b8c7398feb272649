/** Objects and programs: settings before the load, the verifier's word, test runs. */
import { VerifierError } from '../../src/kernel/errors';
import { kernel } from '../../src/kernel/native';
import { Namespace } from '../support/netns';
import { bpfDescriptors, collectUntil, frameOf, key32, loadProbe, openProbe, outcome, until } from './support';

const XDP_DROP = 1;
const XDP_PASS = 2;
const FRAME = frameOf(64);

function bpfMaps(): number {
  return bpfDescriptors().filter((target) => target.includes('map')).length;
}

describe('settings before the load', () => {
  test('read-only data decides', async () => {
    const object = openProbe();
    object.setRodata(0, key32(XDP_DROP));
    await object.load();
    const program = object.program('probe_observe');
    expect((await program.testRun({ frame: FRAME })).returnValue).toBe(XDP_DROP);
    program.close();
    object.close();
  });

  test('read-only data has an end', async () => {
    const object = openProbe();
    expect(await outcome(() => object.setRodata(4096, key32(1)))).toBe('RangeError');
    object.close();
  });

  test('sizes of a map', async () => {
    const object = openProbe();
    object.setMap('sized', { valueSize: 16, maxEntries: 9 });
    await object.load();
    const map = object.map('sized');
    expect(map.info()).toMatchObject({ valueSize: 16, maxEntries: 9 });
    map.close();
    object.close();
  });

  test('a map that exists already', async () => {
    const own = kernel().createMap({ type: 'array', name: 'mine', keySize: 4, valueSize: 8, maxEntries: 4 });
    own.update(key32(3), Buffer.from([XDP_PASS, 0, 0, 0, 0, 0, 0, 0]));
    const object = openProbe(['probe_wide']);
    object.setMap('sized', { reuse: own });
    await object.load();
    const map = object.map('sized');
    expect(map.info().id).toBe(own.info().id);
    const program = object.program('probe_wide');
    expect((await program.testRun({ frame: FRAME })).returnValue).toBe(XDP_PASS);
    [map, own, program, object].forEach((handle) => handle.close());
    expect(() => openProbe().setMap('sized', { reuse: own, maxEntries: 3 })).toThrow('brings its sizes along');
  });

  test('what is left out is not there', async () => {
    await collectUntil(() => true); // what earlier tests dropped
    const before = bpfMaps();
    const object = openProbe();
    object.setMap('sized', { create: false });
    object.setMap('slots', { create: false });
    await object.load();
    // Its read-only data, the results and the ring.
    expect(bpfMaps() - before).toBe(3);
    expect(await outcome(() => object.map('sized'))).toBe('ENOENT');
    expect(await outcome(() => object.program('probe_wide'))).toBe('ENOENT');
    object.close();
  });

  test('names that do not exist', async () => {
    const object = openProbe();
    expect(await outcome(() => object.setMap('nothing', { maxEntries: 1 }))).toBe('ENOENT');
    expect(await outcome(() => object.setPrograms(['probe_observe', 'nothing']))).toBe('ENOENT');
    await object.load();
    expect(await outcome(() => object.map('nothing'))).toBe('ENOENT');
    expect(await outcome(() => object.program('nothing'))).toBe('ENOENT');
    object.close();
  });

  test('bytes that are no object', async () => {
    expect(await outcome(() => kernel().openObject(new Uint8Array(100), 'none'))).toBe('LIBBPF_ERRNO__FORMAT');
    expect(await outcome(() => kernel().openObject(new Uint8Array(0), 'none'))).toBe('EINVAL');
  });
});

describe('the verifier', () => {
  test('figures of what it took', async () => {
    const object = await loadProbe(['probe_observe', 'probe_gate']);
    const stats = object.verifierStats();
    expect(Object.keys(stats).sort()).toEqual(['probe_gate', 'probe_observe']);
    expect(stats.probe_observe.instructions).toBeGreaterThan(10);
    expect(stats.probe_observe.peakStates).toBeGreaterThanOrEqual(0);
    object.close();
  });

  test('the telling lines of what it refused', async () => {
    const object = openProbe(['probe_observe', 'probe_refused', 'probe_wide']);
    const error = await object.load().then(
      () => null,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(VerifierError);
    const refused = error as VerifierError;
    expect(refused.errno).toBe('EACCES');
    expect(refused.operation).toBe('load program "probe_refused"');
    expect(refused.lines.at(-1)).toMatch(/^R\d invalid mem access 'map_value_or_null'$/);
    expect(refused.lines.some((line) => /^\d+: \([0-9a-f]{2}\) /.test(line))).toBe(true);
    expect(refused.lines.length).toBeLessThan(8);
    expect(refused.log.split('\n').filter((line) => line !== '')).toHaveLength(refused.lines.length + refused.omitted);
    expect(await outcome(() => object.program('probe_observe'))).toBe('EINVAL');
    object.close();
  });

  test('a refused load leaves nothing open', async () => {
    await collectUntil(() => true); // what earlier tests dropped
    const before = bpfDescriptors().length;
    const object = openProbe(['probe_observe', 'probe_refused']);
    await outcome(() => object.load());
    object.close();
    // Fewer where the collector finds more of theirs only now.
    expect(bpfDescriptors().length).toBeLessThanOrEqual(before);
  });

  test('logs of several objects loading at once do not mix', async () => {
    const objects = Array.from({ length: 8 }, (_, i) => openProbe([i % 2 === 0 ? 'probe_refused' : 'probe_gate']));
    const results = await Promise.allSettled(objects.map((object) => object.load()));
    results.forEach((result, i) => {
      expect(result.status).toBe(i % 2 === 0 ? 'rejected' : 'fulfilled');
      if (result.status === 'rejected') expect((result.reason as VerifierError).log).toContain('map_value_or_null');
      else expect(Object.keys(objects[i].verifierStats())).toEqual(['probe_gate']);
      objects[i].close();
    });
  });
});

describe('information', () => {
  test('about a program, by handle and by id', async () => {
    const object = await loadProbe();
    const program = object.program('probe_observe');
    const map = object.map('results');
    const info = program.info();
    expect(info).toMatchObject({ type: 6, name: 'probe_observe' });
    expect(info.tag).toMatch(/^[0-9a-f]{16}$/);
    expect(info.mapIds).toContain(map.info().id);
    expect(info.loadedAtNs).toBeLessThanOrEqual(kernel().bootTimeNs());
    expect(kernel().programInfo(info.id)).toEqual(info);
    expect(kernel().objectIds().programs).toContain(info.id);
    [program, map, object].forEach((handle) => handle.close());
    await until(() => kernel().programInfo(info.id) === null);
    expect(kernel().programInfo(info.id)).toBeNull();
  });
});

describe('test runs', () => {
  test('a result with output and time', async () => {
    const object = await loadProbe();
    const program = object.program('probe_observe');
    const run = await program.testRun({ frame: FRAME, repeat: 1000, withOutput: true });
    expect(run).toMatchObject({ returnValue: XDP_PASS, output: FRAME });
    expect(run.durationNs).toBeGreaterThanOrEqual(0);
    expect('output' in (await program.testRun({ frame: FRAME }))).toBe(false);
    program.close();
    object.close();
  });

  test('a frame that is too short, a split past its end', async () => {
    const object = await loadProbe();
    const program = object.program('probe_observe');
    expect(await outcome(() => program.testRun({ frame: new Uint8Array(13) }))).toBe('RangeError');
    expect(await outcome(() => program.testRun({ frame: FRAME, linear: 65 }))).toBe('RangeError');
    expect(await outcome(() => program.testRun({ frame: FRAME, ingressIfindex: 999_999 }))).toBe('ENODEV');
    program.close();
    object.close();
  });

  test('the program sees the linear part and the device it is told', async () => {
    const namespace = Namespace.create('testrun');
    namespace.ip('link add v0 type veth peer name v1', 'link set v0 up', 'link set v1 up');
    const ifindex = namespace.ifindex('v1');
    const object = await loadProbe();
    const program = object.program('probe_observe');
    const region = object.map('results').mmap({ writable: false });
    const frame = frameOf(200);
    await program.testRun({ frame, linear: 40, ingressIfindex: ifindex, netns: namespace.path });
    const record = Buffer.from(region.read(0, 16));
    expect([record.readUInt32LE(0), record.readUInt32LE(4), record.readUInt32LE(8)]).toEqual([200, 40, ifindex]);
    [region, program, object].forEach((handle) => handle.close());
    namespace.destroy();
  });

  test('a batch returns every verdict and every record', async () => {
    const object = await loadProbe();
    const program = object.program('probe_observe');
    const results = object.map('results').mmap({ writable: false });
    const count = 5000;
    const lengths = Uint32Array.from({ length: count }, (_, i) => 14 + (i % 300));
    const linear = Int32Array.from(lengths, (length, i) => (i % 3 === 0 ? -1 : Math.min(length, 14 + (i % 20))));
    const frames = new Uint8Array(lengths.reduce((total, length) => total + length, 0));
    const batch = await program.testRunBatch({ frames, lengths, linear, results, record: 16 });
    expect(batch.returnValues.every((value) => value === XDP_PASS)).toBe(true);
    const records = Buffer.from(batch.records);
    const firstRun = records.readUInt32LE(12);
    for (let i = 0; i < count; i++) {
      const [length, split, , run] = [0, 4, 8, 12].map((at) => records.readUInt32LE(16 * i + at));
      expect([length, split, run]).toEqual([lengths[i], linear[i] < 0 ? lengths[i] : linear[i], firstRun + i]);
    }
    [results, program, object].forEach((handle) => handle.close());
  });

  test('batches that do not add up are refused', async () => {
    const object = await loadProbe();
    const program = object.program('probe_observe');
    const results = object.map('results').mmap({ writable: false });
    const run = (options: object): Promise<string> =>
      outcome(() => program.testRunBatch({ frames: frameOf(64), lengths: Uint32Array.of(64), ...options }));
    expect(await run({})).toBe('ok');
    expect(await run({ lengths: Uint32Array.of(63) })).toBe('RangeError');
    expect(await run({ lengths: Uint32Array.of(54, 10) })).toBe('RangeError');
    expect(await run({ linear: Int32Array.of(1, 2) })).toBe('RangeError');
    expect(await run({ linear: Int32Array.of(65) })).toBe('RangeError');
    expect(await run({ record: 16 })).toBe('RangeError');
    expect(await run({ record: 17, results })).toBe('RangeError');
    expect(await run({ results: {} })).toBe('TypeError');
    expect(await run({ frames: new Uint8Array(0), lengths: new Uint32Array(0) })).toBe('ok');
    [results, program, object].forEach((handle) => handle.close());
  });
});
