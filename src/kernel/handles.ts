/**
 * The handles of `kernel.ts` over those of the addon. Arguments are taken apart here, so that the addon sees plain
 * numbers and buffers; failures are named here.
 */
import type { RawLink, RawMap, RawObject, RawProgram, RawRegion, RawRing } from './addon';
import type {
  BpfLink,
  BpfMap,
  BpfObject,
  BpfProgram,
  EventRing,
  LinkInfo,
  MapInfo,
  MappedRegion,
  ProgramInfo,
  RingBatch,
  TestRun,
} from './kernel';
import { attempt, attemptLater, isAddonError, translate } from './translate';
import { readVerifierFigures } from './verifier-log';

/** Bytes the addon copies in one go: well under a millisecond. */
const PIECE = 256 * 1024;
/** Flags of BPF_MAP_UPDATE_ELEM. */
const UPDATE_FLAGS = { any: 0, noexist: 1, exist: 2 } as const;

/** Lets the event loop run. */
function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The addon's handle behind one of ours; somebody else's implementation has none. */
function rawOf<Raw>(
  handle: unknown,
  type: abstract new (...args: never[]) => { readonly raw: Raw },
  name: string,
): Raw {
  if (!(handle instanceof type)) throw new TypeError(`${name} must be a handle of this kernel`);
  return handle.raw;
}

export class ObjectHandle implements BpfObject {
  constructor(
    readonly raw: RawObject,
    private readonly name: string,
  ) {}

  setRodata(offset: number, bytes: Uint8Array): void {
    attempt(`set read-only data of "${this.name}"`, () => this.raw.setRodata(offset, bytes));
  }

  setMap(name: string, options: { valueSize?: number; maxEntries?: number; reuse?: BpfMap; create?: boolean }): void {
    const { valueSize, maxEntries, reuse, create = true } = options;
    if (reuse !== undefined && (valueSize !== undefined || maxEntries !== undefined)) {
      throw new TypeError('a map that is reused brings its sizes along');
    }
    const raw = reuse === undefined ? null : rawOf(reuse, MapHandle, 'reuse');
    attempt(`set map "${name}"`, () => this.raw.setMap(name, valueSize ?? null, maxEntries ?? null, raw, create));
  }

  setPrograms(names: readonly string[]): void {
    attempt(`select programs of "${this.name}"`, () => this.raw.setPrograms(names));
  }

  load(): Promise<void> {
    return attemptLater(`load "${this.name}"`, () => this.raw.load());
  }

  map(name: string): BpfMap {
    return new MapHandle(
      attempt(`open map "${name}"`, () => this.raw.map(name)),
      name,
    );
  }

  program(name: string): BpfProgram {
    return new ProgramHandle(
      attempt(`open program "${name}"`, () => this.raw.program(name)),
      name,
    );
  }

  verifierStats(): Record<string, { instructions: number; peakStates: number }> {
    const logs = attempt(`read figures of "${this.name}"`, () => this.raw.logs());
    const stats: Record<string, { instructions: number; peakStates: number }> = {};
    for (const [program, log] of Object.entries(logs)) {
      const figures = readVerifierFigures(log);
      if (figures !== null) stats[program] = figures;
    }
    return stats;
  }

  close(): void {
    this.raw.close();
  }
}

export class MapHandle implements BpfMap {
  constructor(
    readonly raw: RawMap,
    private readonly name: string,
  ) {}

  info(): MapInfo {
    return attempt(`describe map "${this.name}"`, () => this.raw.info());
  }

  lookup(key: Uint8Array): Uint8Array | null {
    return attempt(`look up in map "${this.name}"`, () => this.raw.lookup(key));
  }

  update(key: Uint8Array, value: Uint8Array, flags: 'any' | 'noexist' | 'exist' = 'any'): void {
    attempt(`write map "${this.name}"`, () => this.raw.update(key, value, UPDATE_FLAGS[flags]));
  }

  updateProgram(key: Uint8Array, program: BpfProgram): void {
    const raw = rawOf(program, ProgramHandle, 'program');
    attempt(`put a program into map "${this.name}"`, () => this.raw.updateProgram(key, raw));
  }

  delete(key: Uint8Array): boolean {
    return attempt(`delete from map "${this.name}"`, () => this.raw.delete(key));
  }

  entries(): Promise<{ count: number; keys: Uint8Array; values: Uint8Array }> {
    return attemptLater(`read map "${this.name}"`, () => this.raw.entries());
  }

  async updateBatch(keys: Uint8Array, values: Uint8Array, count: number): Promise<void> {
    // In pieces, since the addon copies them before it leaves the event loop. Uneven lengths are refused by the addon.
    const operation = `write map "${this.name}"`;
    const even = keys instanceof Uint8Array && values instanceof Uint8Array && Number.isSafeInteger(count);
    if (!even || count <= 0 || keys.length % count !== 0 || values.length % count !== 0) {
      return attemptLater(operation, () => this.raw.updateBatch(keys, values, count));
    }
    const keySize = keys.length / count;
    const valueSize = values.length / count;
    const step = Math.max(1, Math.floor(PIECE / Math.max(1, keySize + valueSize)));
    for (let from = 0; from < count; from += step) {
      const to = Math.min(count, from + step);
      try {
        await this.raw.updateBatch(
          keys.subarray(from * keySize, to * keySize),
          values.subarray(from * valueSize, to * valueSize),
          to - from,
        );
      } catch (error) {
        if (isAddonError(error)) Object.assign(error, { written: from + (error.written ?? 0) });
        throw translate(operation, error);
      }
    }
  }

  mmap(options: { writable: boolean }): MappedRegion {
    return new RegionHandle(
      attempt(`map "${this.name}" into memory`, () => this.raw.mmap(options.writable)),
      this.name,
    );
  }

  ring(): EventRing {
    return new RingHandle(
      attempt(`open ring "${this.name}"`, () => this.raw.ring()),
      this.name,
    );
  }

  freeze(): void {
    attempt(`freeze map "${this.name}"`, () => this.raw.freeze());
  }

  pin(path: string): void {
    attempt(`pin map "${this.name}" at "${path}"`, () => this.raw.pin(path));
  }

  close(): void {
    this.raw.close();
  }
}

/** Records a read takes at most where nothing else is asked: some 200 KB of them. */
const MOST_RECORDS = 1024;

export class RingHandle implements EventRing {
  constructor(
    readonly raw: RawRing,
    private readonly name: string,
  ) {}

  read(options: { timeoutMs: number; most?: number }): Promise<RingBatch | null> {
    const { timeoutMs, most = MOST_RECORDS } = options;
    return attemptLater(`read ring "${this.name}"`, () => this.raw.next(timeoutMs, most));
  }

  release(end: bigint): void {
    attempt(`release records of ring "${this.name}"`, () => this.raw.release(end));
  }

  waiting(): number {
    return attempt(`look into ring "${this.name}"`, () => this.raw.waiting());
  }

  close(): void {
    this.raw.close();
  }
}

export class RegionHandle implements MappedRegion {
  readonly size: number;

  constructor(
    readonly raw: RawRegion,
    private readonly name: string,
  ) {
    this.size = raw.size();
  }

  read(offset: number, length: number): Uint8Array {
    return attempt(`read memory of map "${this.name}"`, () => this.raw.read(offset, length));
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    const operation = `write memory of map "${this.name}"`;
    if (!(bytes instanceof Uint8Array) || bytes.length <= PIECE) {
      attempt(operation, () => this.raw.write(offset, bytes));
      return;
    }
    if (offset + bytes.length > this.size) throw new RangeError('offset and bytes reach past the end');
    // Piece by piece with the event loop in between: no other thread holds a buffer that JavaScript may take away.
    for (let from = 0; from < bytes.length; from += PIECE) {
      attempt(operation, () => this.raw.write(offset + from, bytes.subarray(from, from + PIECE)));
      await breathe();
    }
  }

  load64(offset: number): bigint {
    return attempt(`read memory of map "${this.name}"`, () => this.raw.load64(offset));
  }

  store64(offset: number, value: bigint): void {
    attempt(`write memory of map "${this.name}"`, () => this.raw.store64(offset, value));
  }

  compareExchange64(offset: number, expected: bigint, value: bigint): bigint {
    return attempt(`write memory of map "${this.name}"`, () => this.raw.compareExchange64(offset, expected, value));
  }

  hits(rowBytes: number): BigUint64Array {
    return attempt(`read memory of map "${this.name}"`, () => this.raw.hits(rowBytes));
  }

  close(): void {
    this.raw.close();
  }
}

export class ProgramHandle implements BpfProgram {
  constructor(
    readonly raw: RawProgram,
    private readonly name: string,
  ) {}

  info(): ProgramInfo {
    return attempt(`describe program "${this.name}"`, () => this.raw.info());
  }

  pin(path: string): void {
    attempt(`pin program "${this.name}" at "${path}"`, () => this.raw.pin(path));
  }

  testRun(options: Parameters<BpfProgram['testRun']>[0]): Promise<TestRun> {
    const { frame, repeat = 1, linear = null, ingressIfindex = 0, netns = '', withOutput = false } = options;
    return attemptLater(`run program "${this.name}"`, () =>
      this.raw.testRun(frame, repeat, linear, ingressIfindex, netns, withOutput),
    );
  }

  testRunBatch(
    options: Parameters<BpfProgram['testRunBatch']>[0],
  ): Promise<{ returnValues: Uint32Array; records: Uint8Array }> {
    const { frames, lengths, results, record = 0, linear = null, ingressIfindex = 0, netns = '' } = options;
    return attemptLater(`run program "${this.name}"`, () => {
      const region = results === undefined ? null : rawOf(results, RegionHandle, 'results');
      return this.raw.testRunBatch(frames, lengths, linear, region, record, ingressIfindex, netns);
    });
  }

  injectLive(options: Parameters<BpfProgram['injectLive']>[0]): Promise<number> {
    const { frame, count, batch = 64, ingressIfindex, netns = '' } = options;
    return attemptLater(`send frames with program "${this.name}"`, () =>
      this.raw.injectLive(frame, count, batch, ingressIfindex, netns),
    );
  }

  close(): void {
    this.raw.close();
  }
}

export class LinkHandle implements BpfLink {
  constructor(readonly raw: RawLink) {}

  info(): LinkInfo {
    return attempt('describe link', () => this.raw.info());
  }

  pin(path: string): void {
    attempt(`pin link at "${path}"`, () => this.raw.pin(path));
  }

  update(program: BpfProgram): void {
    const raw = rawOf(program, ProgramHandle, 'program');
    attempt('exchange the program of a link', () => this.raw.update(raw));
  }

  detach(): void {
    attempt('detach link', () => this.raw.detach());
  }

  close(): void {
    this.raw.close();
  }
}

/** The addon's handle behind a program handle of this kernel. */
export function rawProgram(program: BpfProgram): RawProgram {
  return rawOf(program, ProgramHandle, 'program');
}
