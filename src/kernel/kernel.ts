/**
 * What sluice needs of the kernel, as an interface. `native.ts` implements it through the addon; nothing outside
 * `kernel/` touches the addon. Handles own descriptors: `close()` is idempotent, every other use of a closed handle
 * throws, and a handle that is collected is closed. Closing or collecting a handle never detaches a pinned link.
 *
 * `netns` arguments name another network namespace by path (`/run/netns/edge`, `/proc/42/ns/net`); the call is made
 * from a helper thread there, the process stays where it is. Left out: the namespace of the process.
 *
 * Every failure is a `KernelError` (errors.ts): operation, errno name, hint.
 */

/** An ELF object opened from memory; sizes and switches are set before `load()`. */
export interface BpfObject {
  /** Overwrites bytes of `.rodata` before loading. */
  setRodata(offset: number, bytes: Uint8Array): void;
  /** Sets sizes of a map, makes it an existing one, or leaves it out (`create: false`). */
  setMap(name: string, options: { valueSize?: number; maxEntries?: number; reuse?: BpfMap; create?: boolean }): void;
  /** Which programs are loaded; the others are left out. */
  setPrograms(names: readonly string[]): void;
  /** Verifies and loads, off the event loop. Throws `VerifierError` with the telling lines. */
  load(): Promise<void>;
  /** A handle of its own on a map of the loaded object. */
  map(name: string): BpfMap;
  program(name: string): BpfProgram;
  /** Verifier figures by program name, after `load()`. */
  verifierStats(): Record<string, { instructions: number; peakStates: number }>;
  close(): void;
}

export interface MapInfo {
  readonly id: number;
  readonly type: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  readonly name: string;
  readonly frozen: boolean;
}

export interface BpfMap {
  info(): MapInfo;
  /** Value bytes, or null where the key is absent. For per-CPU maps all CPUs, each padded to 8 bytes. */
  lookup(key: Uint8Array): Uint8Array | null;
  update(key: Uint8Array, value: Uint8Array, flags?: 'any' | 'noexist' | 'exist'): void;
  /** Puts a program into a program array. */
  updateProgram(key: Uint8Array, program: BpfProgram): void;
  /** Whether the key was there. */
  delete(key: Uint8Array): boolean;
  /** All pairs, off the event loop: keys and values back to back. */
  entries(): Promise<{ count: number; keys: Uint8Array; values: Uint8Array }>;
  /** Writes `count` pairs, off the event loop. Not atomic: on failure `KernelError.written` tells how many. */
  updateBatch(keys: Uint8Array, values: Uint8Array, count: number): Promise<void>;
  /** Maps an mmapable array into memory. */
  mmap(options: { writable: boolean }): MappedRegion;
  /** The reading end of a ring buffer. A ring has one reader at a time; who reads, others must agree on. */
  ring(): EventRing;
  /** No writes from user space from now on; refused (EBUSY) while mapped writable. */
  freeze(): void;
  pin(path: string): void;
  close(): void;
}

/** Records of a ring, oldest first. */
export interface RingBatch {
  /** Back to back. */
  readonly records: Uint8Array;
  readonly lengths: Uint32Array;
  /** Where each record begins, in bytes since the ring was made: its name for ever. */
  readonly positions: BigUint64Array;
  /** To be released. */
  readonly end: bigint;
}

/**
 * The reading end of a ring buffer. What was read comes again until it is released, also to the next reader, so a
 * process that is killed in between loses nothing.
 */
export interface EventRing {
  /** Waits at most `timeoutMs` (60,000) for records; null where none came or the handle was closed. One read at a time. */
  read(options: { timeoutMs: number; most?: number }): Promise<RingBatch | null>;
  /** Makes room: what the last read returned leaves the ring. `end` is that of its batch. */
  release(end: bigint): void;
  /** Bytes that were not released. */
  waiting(): number;
  close(): void;
}

/** Mapped memory of a map. Reads and writes are copies, so that no JavaScript value can outlive the mapping. */
export interface MappedRegion {
  readonly size: number;
  read(offset: number, length: number): Uint8Array;
  /** Copies off the event loop where `bytes` is large. */
  write(offset: number, bytes: Uint8Array): Promise<void>;
  /** Atomic 64-bit load and store; offset must be a multiple of 8. */
  load64(offset: number): bigint;
  store64(offset: number, value: bigint): void;
  /** Returns the value found; it was replaced when that equals `expected`. */
  compareExchange64(offset: number, expected: bigint, value: bigint): bigint;
  /**
   * Counters of a generation (`struct slc_hits`), the rows of all CPUs added up: packets, bytes and the jiffies of the
   * newest packet, slot by slot.
   */
  hits(rowBytes: number): BigUint64Array;
  close(): void;
}

export interface ProgramInfo {
  readonly id: number;
  readonly type: number;
  readonly name: string;
  readonly tag: string;
  readonly loadedAtNs: bigint;
  readonly mapIds: readonly number[];
}

/** Result of a test run. */
export interface TestRun {
  readonly returnValue: number;
  /** Mean nanoseconds a run, as measured by the kernel. */
  readonly durationNs: number;
  readonly output?: Uint8Array;
}

export interface BpfProgram {
  info(): ProgramInfo;
  pin(path: string): void;
  /**
   * BPF_PROG_TEST_RUN of one frame (at least 14 bytes). `linear` is the number of bytes before the first fragment
   * (frags programs only); `ingressIfindex` must exist in `netns`.
   */
  testRun(options: {
    frame: Uint8Array;
    repeat?: number;
    linear?: number;
    ingressIfindex?: number;
    netns?: string;
    withOutput?: boolean;
  }): Promise<TestRun>;
  /**
   * Runs many frames in one call, off the event loop. `frames` holds them back to back, `lengths` their sizes. After
   * each run `record` bytes at offset 0 of `results` (an mmapable map) are copied out. Returns the return values and
   * the records back to back.
   */
  testRunBatch(options: {
    frames: Uint8Array;
    lengths: Uint32Array;
    results?: MappedRegion;
    record?: number;
    linear?: Int32Array;
    ingressIfindex?: number;
    netns?: string;
  }): Promise<{ returnValues: Uint32Array; records: Uint8Array }>;
  /**
   * Feeds live frames to a device's ingress (BPF_F_TEST_XDP_LIVE_FRAMES): this program decides what becomes of them
   * (usually XDP_TX). Bounded by `count`; the kernel batches `batch` frames. Returns the frames sent.
   */
  injectLive(options: {
    frame: Uint8Array;
    count: number;
    batch?: number;
    ingressIfindex: number;
    netns?: string;
  }): Promise<number>;
  close(): void;
}

export interface LinkInfo {
  readonly id: number;
  readonly programId: number;
  /** 0 when the device is gone. */
  readonly ifindex: number;
}

export interface BpfLink {
  info(): LinkInfo;
  pin(path: string): void;
  /** Exchanges the program behind the link. */
  update(program: BpfProgram): void;
  /** Detaches now, whoever else holds the link. */
  detach(): void;
  close(): void;
}

/** Where a filter hangs: priority 1 to 65535, the lowest first; handle any but 0. */
export interface FilterPlace {
  readonly ifindex: number;
  readonly priority: number;
  readonly handle: number;
  readonly netns?: string;
}

/** The process at the other end of a UNIX socket, when it connected. */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

export type XdpMode = 'native' | 'generic';

/** A lock on a file, held until closed or until the process dies. */
export interface FileLock {
  close(): void;
}

/** Settings of a network device that matter to XDP; null where its driver does not say. */
export interface DeviceSettings {
  /** Empty where it has no name. */
  readonly driver: string;
  /** Whether it merges packets before anybody sees them. */
  readonly lro: boolean | null;
  /** Whether it takes VLAN tags off before XDP sees the frame. */
  readonly rxVlan: boolean | null;
  /** Queues that receive. */
  readonly queues: number | null;
  /** Those that could. */
  readonly mostQueues: number | null;
}

/** A device of a namespace. */
export interface LinkEnd {
  readonly ifindex: number;
  readonly netns?: string;
}

export interface Kernel {
  /** Opens an ELF object. The bytes must be trusted: libbpf does not defend itself against a forged file. */
  openObject(bytes: Uint8Array, name: string): BpfObject;
  createMap(options: {
    type: 'array' | 'hash' | 'lpm-trie' | 'percpu-array' | 'prog-array' | 'percpu-hash' | 'ringbuf';
    name: string;
    keySize: number;
    valueSize: number;
    maxEntries: number;
    flags?: readonly ('mmapable' | 'no-prealloc')[];
  }): BpfMap;
  openPinnedMap(path: string): BpfMap;
  openPinnedProgram(path: string): BpfProgram;
  openPinnedLink(path: string): BpfLink;
  /** What lives in the kernel under an id, pinned or not. Takes CAP_SYS_ADMIN: `KernelError` EPERM; ENOENT where it is gone. */
  openMapById(id: number): BpfMap;
  openProgramById(id: number): BpfProgram;
  /** Information about a loaded program by id (also other people's), null where it is gone. */
  programInfo(id: number): ProgramInfo | null;
  /** Ids of all maps and programs loaded on the machine: for leak tests. */
  objectIds(): { maps: number[]; programs: number[]; links: number[] };
  attachXdp(program: BpfProgram, options: { ifindex: number; mode: XdpMode; netns?: string }): Promise<BpfLink>;
  /** Attaches to packets that go out by a link (tcx). Throws `UnsupportedError` before Linux 6.6. */
  attachEgress(program: BpfProgram, options: { ifindex: number; netns?: string }): Promise<BpfLink>;
  /**
   * Makes a clsact queueing discipline, where filters for packets that go out can hang. False where the device has one
   * already, or another one at its place. Throws `UnsupportedError` where the kernel has none.
   */
  makeClsact(options: { ifindex: number; netns?: string }): Promise<boolean>;
  /** Removes it with all filters at both of its hooks, whosever they are. False where there is none. */
  removeClsact(options: { ifindex: number; netns?: string }): Promise<boolean>;
  /**
   * Hangs the program into the device's clsact discipline as a filter for packets that go out, direct action. A filter
   * is no link: it stays until it is detached. EEXIST where the place is taken; with `replace` the filter there gets the
   * program between two packets. Throws `UnsupportedError` where the kernel has no such filters.
   */
  attachFilter(program: BpfProgram, options: FilterPlace & { readonly replace?: boolean }): Promise<void>;
  /** False where there is no such filter. */
  detachFilter(options: FilterPlace): Promise<boolean>;
  /**
   * Sends one rtnetlink dump request and returns the raw messages. Requests of traffic control have a header of their
   * own, with `tc`: the device (0: all) and what hangs there.
   */
  netlinkDump(options: {
    type: number;
    family: number;
    tc?: { ifindex: number; parent: number };
    netns?: string;
  }): Promise<Uint8Array>;
  /**
   * The raw messages of ctnetlink about every connection that the namespace tracks. Asking makes the kernel load
   * nf_conntrack_netlink where that is a module. Throws `UnsupportedError` where the kernel cannot be asked.
   */
  conntrackDump(netns?: string): Promise<Uint8Array>;
  /** What the driver of a device says of itself, by its name. Throws `KernelError` ENODEV where it is gone. */
  deviceSettings(name: string, netns?: string): Promise<DeviceSettings>;
  /**
   * Puts Ethernet frames on one end of a link, in order, by a packet socket, and looks at the other end with another one
   * until the last of them has arrived: of each whether it came before. Throws `KernelError` ETIMEDOUT where the last one
   * does not arrive in time.
   */
  exchangeFrames(
    from: LinkEnd,
    to: LinkEnd,
    frames: readonly Uint8Array[],
    timeoutMs: number,
  ): Promise<readonly boolean[]>;
  /** Cookie of a network namespace (SO_NETNS_COOKIE). */
  netnsCookie(netns?: string): Promise<bigint>;
  /** Reads a /proc file as a thread of the namespace sees it. */
  readFileIn(path: string, netns?: string): Promise<Uint8Array>;
  /** Whether the path lies on a bpffs. */
  isBpffs(path: string): boolean;
  mountBpffs(path: string): void;
  /** Waits until every packet in flight at the call has left its program (an RCU grace period). */
  grace(): Promise<void>;
  /**
   * Takes an exclusive lock on a file, which is made where it is missing, or on a directory. Returns null when another
   * process holds it, or took the path away at this moment.
   */
  tryLock(path: string): FileLock | null;
  possibleCpus(): number;
  /** CLOCK_BOOTTIME in nanoseconds. */
  bootTimeNs(): bigint;
  /** Who connected the UNIX socket behind a descriptor, as the kernel noted it then (SO_PEERCRED). */
  peerOf(descriptor: number): PeerCredentials;
  libbpfVersion(): string;
  /** sizeof and offsetof of the shared header as the host compiler sees them: `slc_rule4.service` → offset. */
  abiWitness(): Record<string, number>;
}
