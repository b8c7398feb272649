/** Every method of every handle, in every state of the handle: an answer or a refusal, never a crash. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { BpfLink, BpfMap, BpfObject, BpfProgram, MappedRegion } from '../../src/kernel/kernel';
import { kernel } from '../../src/kernel/native';
import { Namespace } from '../support/netns';
import { frameOf, key32, loadProbe, openProbe, outcome, privateBpffs, value64 } from './support';

const CLOSED = 'kernel/closed';
const BUSY = 'kernel/busy';

let bpffs: ReturnType<typeof privateBpffs>;
let pins = 0;
beforeAll(() => (bpffs = privateBpffs()));
afterAll(() => bpffs.remove());

function freshPin(): string {
  return join(bpffs.path, `pin${pins++}`);
}

describe('an object', () => {
  const methods: Record<string, (object: BpfObject) => unknown> = {
    setRodata: (object) => object.setRodata(0, key32(2)),
    setMap: (object) => object.setMap('sized', { maxEntries: 8 }),
    setPrograms: (object) => object.setPrograms(['probe_wide']),
    load: (object) => object.load(),
    map: (object) => object.map('sized').close(),
    program: (object) => object.program('probe_observe').close(),
    verifierStats: (object) => object.verifierStats(),
  };
  const expected: Record<string, { open: string; loaded: string }> = {
    setRodata: { open: 'ok', loaded: 'EALREADY' },
    setMap: { open: 'ok', loaded: 'EALREADY' },
    setPrograms: { open: 'ok', loaded: 'EALREADY' },
    load: { open: 'ok', loaded: 'EALREADY' },
    map: { open: 'EINVAL', loaded: 'ok' },
    program: { open: 'EINVAL', loaded: 'ok' },
    verifierStats: { open: 'ok', loaded: 'ok' },
  };

  test.each(Object.keys(methods))('%s', async (name) => {
    const open = openProbe();
    expect(await outcome(() => methods[name](open))).toBe(expected[name].open);
    open.close();

    const loaded = await loadProbe();
    expect(await outcome(() => methods[name](loaded))).toBe(expected[name].loaded);
    loaded.close();

    const busy = openProbe();
    const loading = busy.load();
    expect(await outcome(() => methods[name](busy))).toBe(BUSY);
    await loading;
    busy.close();

    const closed = openProbe();
    closed.close();
    closed.close();
    expect(await outcome(() => methods[name](closed))).toBe(CLOSED);
  });

  test('closed while it is being loaded: the load ends as it would have', async () => {
    const object = openProbe();
    const loading = object.load();
    object.close();
    await expect(loading).resolves.toBeUndefined();
    expect(await outcome(() => object.map('sized'))).toBe(CLOSED);
  });
});

describe('a map', () => {
  const methods: Record<string, (map: BpfMap) => unknown> = {
    info: (map) => map.info(),
    lookup: (map) => map.lookup(key32(0)),
    update: (map) => map.update(key32(0), value64(7n)),
    delete: (map) => map.delete(key32(0)),
    entries: (map) => map.entries(),
    updateBatch: (map) => map.updateBatch(key32(1), value64(1n), 1),
    freeze: (map) => map.freeze(),
    pin: (map) => map.pin(freshPin()),
    mmap: (map) => map.mmap({ writable: false }).close(),
    ring: (map) => map.ring().close(),
  };
  const open = (): BpfMap =>
    kernel().createMap({ type: 'hash', name: 'table', keySize: 4, valueSize: 8, maxEntries: 16 });

  test.each(Object.keys(methods))('%s', async (name) => {
    const map = open();
    // A hash cannot be mapped into memory, and is no ring.
    expect(await outcome(() => methods[name](map))).toBe({ mmap: 'ENOTSUPP', ring: 'EINVAL' }[name] ?? 'ok');
    const busy = map.entries();
    await outcome(() => methods[name](map));
    await busy;
    map.close();
    map.close();
    expect(await outcome(() => methods[name](map))).toBe(CLOSED);
  });

  test('closed while entries are read: they arrive', async () => {
    const map = open();
    map.update(key32(3), value64(9n));
    const reading = map.entries();
    map.close();
    expect((await reading).count).toBe(1);
  });

  test('a handle that is no program is refused', async () => {
    const object = await loadProbe();
    const slots = object.map('slots');
    expect(() => slots.updateProgram(key32(0), slots as unknown as BpfProgram)).toThrow(TypeError);
    slots.close();
    object.close();
  });
});

describe('a mapped region', () => {
  const methods: Record<string, (region: MappedRegion) => unknown> = {
    read: (region) => region.read(0, 8),
    write: (region) => region.write(0, value64(1n)),
    load64: (region) => region.load64(0),
    store64: (region) => region.store64(0, 1n),
    compareExchange64: (region) => region.compareExchange64(0, 1n, 2n),
    hits: (region) => region.hits(16),
  };
  const open = (writable: boolean): MappedRegion => {
    const map = kernel().createMap({
      type: 'array',
      name: 'words',
      keySize: 4,
      valueSize: 64,
      maxEntries: 1,
      flags: ['mmapable'],
    });
    const region = map.mmap({ writable });
    map.close(); // the mapping keeps the memory
    return region;
  };

  test.each(Object.keys(methods))('%s', async (name) => {
    const region = open(true);
    expect(await outcome(() => methods[name](region))).toBe('ok');
    region.close();
    region.close();
    expect(await outcome(() => methods[name](region))).toBe(CLOSED);

    const readOnly = open(false);
    const reads = name === 'read' || name === 'load64' || name === 'hits';
    expect(await outcome(() => methods[name](readOnly))).toBe(reads ? 'ok' : 'EACCES');
    readOnly.close();
  });
});

describe('a program', () => {
  const methods: Record<string, (program: BpfProgram) => unknown> = {
    info: (program) => program.info(),
    pin: (program) => program.pin(freshPin()),
    testRun: (program) => program.testRun({ frame: frameOf(64) }),
    testRunBatch: (program) => program.testRunBatch({ frames: frameOf(64), lengths: Uint32Array.of(64) }),
    injectLive: (program) => program.injectLive({ frame: frameOf(64), count: 1, ingressIfindex: 1 }),
  };

  test.each(Object.keys(methods))('%s', async (name) => {
    const object = await loadProbe();
    const program = object.program('probe_observe');
    object.close(); // the program's handle is one of its own
    expect(await outcome(() => methods[name](program))).toBe('ok');
    const busy = program.testRun({ frame: frameOf(64), repeat: 50_000 });
    expect(await outcome(() => methods[name](program))).toBe('ok');
    program.close();
    program.close();
    expect((await busy).returnValue).toBe(2);
    expect(await outcome(() => methods[name](program))).toBe(CLOSED);
  });
});

describe('a link', () => {
  let namespace: Namespace;
  beforeAll(() => {
    namespace = Namespace.create('handles');
    namespace.ip('link add v0 type veth peer name v1');
  });
  afterAll(() => namespace.destroy());

  test('each method, open and closed', async () => {
    const object = await loadProbe(['probe_observe', 'probe_reflect']);
    const program = object.program('probe_observe');
    const other = object.program('probe_reflect');
    const ifindex = namespace.ifindex('v0');
    const methods: Record<string, (link: BpfLink) => unknown> = {
      info: (link) => link.info(),
      pin: (link) => {
        const path = freshPin();
        link.pin(path);
        rmSync(path);
      },
      update: (link) => link.update(other),
      detach: (link) => link.detach(),
    };
    for (const [name, method] of Object.entries(methods)) {
      const link = await kernel().attachXdp(program, { ifindex, mode: 'generic', netns: namespace.path });
      expect([name, await outcome(() => method(link))]).toEqual([name, 'ok']);
      link.close();
      link.close();
      expect([name, await outcome(() => method(link))]).toEqual([name, CLOSED]);
    }
    const closed = object.program('probe_observe');
    closed.close();
    expect(await outcome(() => kernel().attachXdp(closed, { ifindex, mode: 'generic' }))).toBe(CLOSED);
    [program, other, object].forEach((handle) => handle.close());
  });
});

test('constructors of handles are for the addon alone', () => {
  const map = kernel().createMap({ type: 'array', name: 'one', keySize: 4, valueSize: 8, maxEntries: 1 });
  const { raw } = map as unknown as { raw: object };
  const Constructor = raw.constructor as new (...args: unknown[]) => unknown;
  expect(() => new Constructor()).toThrow('cannot be constructed');
  expect(() => new Constructor(raw)).toThrow('cannot be constructed');
  const stranger = Object.create(Object.getPrototypeOf(raw) as object) as { info(): unknown };
  expect(() => stranger.info()).toThrow('Illegal invocation');
  map.close();
});
