/** Whatever JavaScript hands to the addon, it answers with a value or an error of a known kind, and goes on working. */
import { resolve } from 'node:path';
import fc from 'fast-check';
import { probeBytes } from './support';

type Callable = (...args: unknown[]) => unknown;
// The addon itself: the TypeScript above it would refuse much of this first.
// eslint-disable-next-line @typescript-eslint/no-require-imports -- an addon cannot be imported
const addon = require(resolve(__dirname, '../../build/Release/sluice.node')) as Record<string, Callable>;

/** Calls that would change the machine, wait, or reach somebody else's files when given sensible arguments. */
const LEFT_OUT = new Set([
  ...['mountBpffs', 'tryLock', 'attachXdp', 'readFileIn', 'netlinkDump', 'injectLive', 'pin'],
  ...['makeClsact', 'removeClsact', 'attachFilter', 'detachFilter', 'exchangeFrames'],
]);

interface Method {
  readonly name: string;
  readonly call: Callable;
}

function methodsOf(target: object): Method[] {
  const names = Object.getOwnPropertyNames(Object.getPrototypeOf(target) as object);
  return names
    .filter((name) => name !== 'constructor' && name !== 'close' && !LEFT_OUT.has(name))
    .map((name) => ({ name, call: (...args) => (target as Record<string, Callable>)[name](...args) }));
}

function detached(): Uint8Array {
  const bytes = new Uint8Array(64);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
}

/** A view whose buffer became shorter than it. */
function shrunk(): Uint8Array {
  const buffer = new (ArrayBuffer as unknown as new (length: number, options: object) => ArrayBuffer)(64, {
    maxByteLength: 128,
  });
  const view = new Uint8Array(buffer, 0, 64);
  (buffer as unknown as { resize(length: number): void }).resize(8);
  return view;
}

async function handles(): Promise<Record<string, object>> {
  const object = addon.openObject(probeBytes(), 'misuse') as {
    setPrograms(names: string[]): void;
    load(): Promise<void>;
    map(name: string): { mmap(writable: boolean): object; ring(): object };
    program(name: string): object;
  };
  object.setPrograms(['probe_observe']);
  await object.load();
  const map = object.map('results');
  const fresh = addon.openObject(probeBytes(), 'fresh') as object;
  return {
    object,
    fresh,
    map,
    region: map.mmap(true),
    readOnly: map.mmap(false),
    ring: object.map('told').ring(),
    program: object.program('probe_observe'),
  };
}

const KNOWN = /^(TypeError|RangeError|Error)$/;

test('names whose reading loads the object: refused, the load goes on', async () => {
  const object = addon.openObject(probeBytes(), 'reentrant') as {
    setPrograms(names: string[]): void;
    load(): Promise<void>;
    close(): void;
  };
  object.setPrograms(['probe_observe']);
  let loading: Promise<void> | undefined;
  const names = Object.defineProperty(['x'], 0, {
    get() {
      loading ??= object.load();
      return 'probe_observe';
    },
  });
  let refusal: unknown;
  try {
    object.setPrograms(names);
  } catch (error) {
    refusal = error;
  }
  expect(refusal).toMatchObject({ state: 'busy' });
  await loading;
  object.close();
});

test('any arguments to any function', async () => {
  const all = await handles();
  const functions = Object.entries(addon)
    .filter(([name]) => !LEFT_OUT.has(name))
    .map(([name, call]): Method => ({ name, call }));
  const methods = [...functions, ...Object.values(all).flatMap(methodsOf)];
  const argument = fc.oneof(
    fc.anything(),
    fc.constantFrom(...Object.values(all)),
    fc.constantFrom('', 'x', 'a\0b', 'sized', 'results', 'probe_observe', 'y'.repeat(5000)),
    fc.constantFrom(0, 1, 4, 8, 14, 64, -1, 0.5, NaN, Infinity, 2 ** 31, 2 ** 32, 2 ** 53, 2 ** 64),
    fc.constantFrom(0n, -1n, 2n ** 63n, 2n ** 64n),
    fc.constantFrom(null, undefined, true, false),
    fc.uint8Array({ maxLength: 200 }),
    fc.constantFrom(4, 16, 64).map((length) => new Uint8Array(length)),
    fc.constantFrom(Uint32Array.of(64), Int32Array.of(14), new Float64Array(4), new DataView(new ArrayBuffer(8))),
    fc.constant(null).map(detached),
    fc.constant(null).map(shrunk),
    fc.constant(null).map(() => new Uint8Array(new SharedArrayBuffer(16))),
    fc.constant(null).map(() => Object.create(Object.getPrototypeOf(all.map) as object) as object),
    fc.constant(null).map(() => new Proxy(all.map, {})),
  );
  const method = fc.constantFrom(...methods);
  await fc.assert(
    fc.asyncProperty(method, fc.array(argument, { maxLength: 8 }), async ({ name, call }, args) => {
      // A million runs of one frame would be an answer, too, but a slow one.
      if (name === 'testRun' && typeof args[1] === 'number' && args[1] > 1000) args[1] = 1000;
      // Waiting for what never comes.
      if (name === 'next' && typeof args[0] === 'number' && args[0] > 5) args[0] = 5;
      // Maps as large as asked for would be created.
      if (name === 'createMap' && [args[2], args[3], args[4]].some((size) => typeof size === 'number' && size > 4096))
        return;
      try {
        await call(...args);
      } catch (error) {
        expect((error as Error).name).toMatch(KNOWN);
        expect((error as Error).message).not.toBe('');
      }
    }),
    { numRuns: 20_000 },
  );
  const region = all.region as { load64(offset: number): bigint };
  expect(typeof region.load64(0)).toBe('bigint');
});

test('methods of one handle on another', async () => {
  const all = await handles();
  for (const source of Object.values(all)) {
    for (const target of Object.values(all)) {
      if (Object.getPrototypeOf(source) === Object.getPrototypeOf(target)) continue;
      for (const name of Object.getOwnPropertyNames(Object.getPrototypeOf(source) as object)) {
        if (name === 'constructor') continue;
        const method = (source as Record<string, Callable>)[name];
        expect(() => method.call(target)).toThrow('Illegal invocation');
      }
    }
  }
});

// Objects with single bytes changed are another matter: libbpf trusts the tables of an ELF file and can crash on them,
// which is why `openObject` asks for bytes the caller trusts.
test('bytes that are no object, or the beginning of one', () => {
  const good = probeBytes();
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 300 }),
        fc.nat(good.length - 1).map((end) => good.subarray(0, end)),
      ),
      (bytes) => {
        expect(() => addon.openObject(bytes, 'mangled')).toThrow('bpf_object__open_mem');
      },
    ),
    { numRuns: 1000 },
  );
});
