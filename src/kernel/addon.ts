/**
 * The face of the native addon (`native/`), as types. Positional arguments, numbers and handles only; it throws
 * TypeError and RangeError for misuse and `AddonError` for everything the kernel refused. `netns` is "" for the
 * namespace of the process.
 */
import type { LinkInfo, MapInfo, PeerCredentials, ProgramInfo, RingBatch, TestRun } from './kernel';

/** What the addon throws when a system call fails; `native.ts` turns it into a `KernelError`. */
export interface AddonError extends Error {
  readonly errno: number;
  /** The system call. */
  readonly operation: string;
  /** What libbpf printed meanwhile. */
  readonly text?: string;
  /** The verifier's log, and the program it is about. */
  readonly log?: string;
  readonly program?: string;
  readonly written?: number;
  /** The handle refused, not the kernel. */
  readonly state?: 'closed' | 'busy';
}

interface Handle {
  close(): void;
}

export interface RawObject extends Handle {
  setRodata(offset: number, bytes: Uint8Array): void;
  setMap(
    name: string,
    valueSize: number | null,
    maxEntries: number | null,
    reuse: RawMap | null,
    create: boolean,
  ): void;
  setPrograms(names: readonly string[]): void;
  load(): Promise<void>;
  map(name: string): RawMap;
  program(name: string): RawProgram;
  /** The verifier's statistics by program name. */
  logs(): Record<string, string>;
}

export interface RawMap extends Handle {
  info(): MapInfo;
  lookup(key: Uint8Array): Uint8Array | null;
  update(key: Uint8Array, value: Uint8Array, flags: number): void;
  updateProgram(key: Uint8Array, program: RawProgram): void;
  delete(key: Uint8Array): boolean;
  entries(): Promise<{ count: number; keys: Uint8Array; values: Uint8Array }>;
  updateBatch(keys: Uint8Array, values: Uint8Array, count: number): Promise<void>;
  mmap(writable: boolean): RawRegion;
  ring(): RawRing;
  freeze(): void;
  pin(path: string): void;
}

export interface RawRing extends Handle {
  next(timeoutMs: number, mostRecords: number): Promise<RingBatch | null>;
  release(end: bigint): void;
  waiting(): number;
}

export interface RawRegion extends Handle {
  size(): number;
  read(offset: number, length: number): Uint8Array;
  write(offset: number, bytes: Uint8Array): void;
  load64(offset: number): bigint;
  store64(offset: number, value: bigint): void;
  compareExchange64(offset: number, expected: bigint, value: bigint): bigint;
  hits(rowBytes: number): BigUint64Array;
}

export interface RawProgram extends Handle {
  info(): ProgramInfo;
  pin(path: string): void;
  testRun(
    frame: Uint8Array,
    repeat: number,
    linear: number | null,
    ingressIfindex: number,
    netns: string,
    withOutput: boolean,
  ): Promise<TestRun>;
  testRunBatch(
    frames: Uint8Array,
    lengths: Uint32Array,
    linear: Int32Array | null,
    results: RawRegion | null,
    record: number,
    ingressIfindex: number,
    netns: string,
  ): Promise<{ returnValues: Uint32Array; records: Uint8Array }>;
  injectLive(frame: Uint8Array, count: number, batch: number, ingressIfindex: number, netns: string): Promise<number>;
}

export interface RawLink extends Handle {
  info(): LinkInfo;
  pin(path: string): void;
  update(program: RawProgram): void;
  detach(): void;
}

export type RawLock = Handle;

export interface Addon {
  openObject(bytes: Uint8Array, name: string): RawObject;
  createMap(type: number, name: string, keySize: number, valueSize: number, maxEntries: number, flags: number): RawMap;
  openPinnedMap(path: string): RawMap;
  openPinnedProgram(path: string): RawProgram;
  openPinnedLink(path: string): RawLink;
  openMapById(id: number): RawMap;
  openProgramById(id: number): RawProgram;
  programInfo(id: number): ProgramInfo | null;
  objectIds(): { maps: number[]; programs: number[]; links: number[] };
  /** Loads an empty program of a type and lets it go: null, or the errno. */
  probeProgram(type: number, attachType: number, flags: number): number | null;
  /** Asks what is attached at a hook of a device: null where the kernel knows the hook, else the errno. */
  probeHook(ifindex: number, attachType: number): number | null;
  attachXdp(program: RawProgram, ifindex: number, flags: number, netns: string): Promise<RawLink>;
  attachEgress(program: RawProgram, ifindex: number, netns: string): Promise<RawLink>;
  /** False where the device has a clsact queueing discipline, or another at its place, already. */
  makeClsact(ifindex: number, netns: string): Promise<boolean>;
  /** With all filters at both of its hooks; false where there is none. */
  removeClsact(ifindex: number, netns: string): Promise<boolean>;
  attachFilter(
    program: RawProgram,
    ifindex: number,
    priority: number,
    handle: number,
    replace: boolean,
    netns: string,
  ): Promise<boolean>;
  /** False where there is no such filter. */
  detachFilter(ifindex: number, priority: number, handle: number, netns: string): Promise<boolean>;
  /** Tries a clsact filter in a namespace of its own: null where it works, else the errno. */
  probeClsact(): Promise<number | null>;
  /** `body`: what follows the netlink header, at most 64 bytes. */
  netlinkDump(protocol: number, type: number, body: Uint8Array, netns: string): Promise<Uint8Array>;
  /** Driver, ETH_FLAG_* of linux/ethtool.h, queues that receive and those that can; null where the driver does not say it. */
  deviceSettings(
    name: string,
    netns: string,
  ): Promise<{ driver: string; flags: number | null; queues: number | null; mostQueues: number | null }>;
  /** A byte a frame: 1 where it arrived before the last one did. */
  exchangeFrames(
    fromIfindex: number,
    fromNetns: string,
    toIfindex: number,
    toNetns: string,
    frames: Uint8Array,
    lengths: Uint32Array,
    timeoutMs: number,
  ): Promise<Uint8Array>;
  netnsCookie(netns: string): Promise<bigint>;
  readFileIn(path: string, netns: string): Promise<Uint8Array>;
  isBpffs(path: string): boolean;
  mountBpffs(path: string, options: string): void;
  membarrier(command: number): Promise<number>;
  tryLock(path: string): RawLock | null;
  possibleCpus(): number;
  bootTimeNs(): bigint;
  peerOf(descriptor: number): PeerCredentials;
  libbpfVersion(): string;
  abiWitness(): Record<string, number>;
}
