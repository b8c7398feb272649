/** The kernel through the native addon: the only file that loads it. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { types } from 'node:util';
import bindings from 'bindings';
import type { Addon } from './addon';
import { KernelError, SluiceError, UnsupportedError } from './errors';
import { LinkHandle, MapHandle, ObjectHandle, ProgramHandle, rawProgram } from './handles';
import type {
  DeviceSettings,
  BpfLink,
  BpfMap,
  BpfObject,
  BpfProgram,
  FileLock,
  FilterPlace,
  Kernel,
  LinkEnd,
  PeerCredentials,
  ProgramInfo,
  XdpMode,
} from './kernel';
import { attempt, attemptLater } from './translate';

/** Numbers of the kernel (linux/bpf.h, linux/if_link.h, linux/membarrier.h). */
const MAP_TYPES = {
  hash: 1,
  array: 2,
  'prog-array': 3,
  'percpu-hash': 5,
  'percpu-array': 6,
  'lpm-trie': 11,
  ringbuf: 27,
} as const;
const MAP_FLAGS = { 'no-prealloc': 1, mmapable: 1 << 10 } as const;
const XDP_FLAGS: Readonly<Record<XdpMode, number>> = { generic: 2, native: 4 };
/** Flags of linux/ethtool.h. */
const ETH_FLAG = { rxVlan: 1 << 8, lro: 1 << 15 } as const;
const MEMBARRIER_GLOBAL = 1;
/** Sizes of ifinfomsg, the longest header of a request by family, which is all zero but for that; and of tcmsg. */
const IFINFOMSG = 16;
const TCMSG = 20;
/** Protocols of netlink; the dump of connection tracking, and the length of its header (linux/netfilter/nfnetlink.h). */
const NETLINK = { route: 0, netfilter: 12 } as const;
const IPCTNL_MSG_CT_GET = 0x101;
const NFGENMSG = 4;
/** No netfilter sockets; nobody behind them who knows connections; built without. */
const NO_CTNETLINK: readonly string[] = ['EPROTONOSUPPORT', 'EINVAL', 'EOPNOTSUPP'];
/** Where the kernel offers no grace period: longer than any packet stays in a program. */
const GRACE_MS = 50;

/** Debian package of each library the addon or libbpf may miss. */
const PACKAGES: Readonly<Record<string, string>> = {
  'libbpf.so.1': 'libbpf1',
  'libelf.so.1': 'libelf1',
  'libz.so.1': 'zlib1g',
  'libstdc++.so.6': 'libstdc++6',
};

let loaded: Addon | undefined;

/** The addon, loaded on first use. Also for the feature probes, which ask it directly. */
export function addon(): Addon {
  loaded ??= loadAddon();
  return loaded;
}

/** src/kernel and dist/kernel both lie two levels below the package. */
function packageRoot(): string {
  let directory = __dirname;
  while (!existsSync(join(directory, 'package.json')) && dirname(directory) !== directory)
    directory = dirname(directory);
  return directory;
}

function loadAddon(): Addon {
  const platform = `${process.platform}-${process.arch}`;
  try {
    // The root is given, since guessing it from the stack fails under test runners and bundlers; the second place is
    // for prebuilt addons, which the default list of `bindings` does not know.
    return bindings({
      bindings: 'sluice',
      module_root: packageRoot(),
      try: [
        ['module_root', 'build', 'Release', 'bindings'],
        ['module_root', 'prebuilds', platform, 'bindings'],
      ],
    }) as Addon;
  } catch (error) {
    throw explainLoading(error);
  }
}

/** Why the addon could not be loaded, and what to do about it. */
export function explainLoading(error: unknown): SluiceError {
  const cause = types.isNativeError(error) ? error : new Error(String(error));
  const code = 'code' in cause ? cause.code : undefined;
  if (code === 'ERR_DLOPEN_FAILED') {
    const library = /^(\S+): cannot open shared object file/.exec(cause.message)?.[1];
    if (library !== undefined) {
      const name = PACKAGES[library];
      const hint = name === undefined ? undefined : `sudo apt-get install -y ${name}`;
      return new SluiceError('kernel/addon', `the native addon needs the library "${library}", which is missing`, {
        hint,
        cause,
      });
    }
    return new SluiceError('kernel/addon', `the native addon cannot be loaded: ${cause.message}`, {
      hint: 'it may be built for another machine or node version: npm run build',
      cause,
    });
  }
  return new SluiceError('kernel/addon', 'the native addon is not built', { hint: 'run npm run build', cause });
}

class NativeKernel implements Kernel {
  constructor(private readonly addon: Addon) {}

  openObject(bytes: Uint8Array, name: string): BpfObject {
    return new ObjectHandle(
      attempt(`open object "${name}"`, () => this.addon.openObject(bytes, name)),
      name,
    );
  }

  createMap(options: Parameters<Kernel['createMap']>[0]): BpfMap {
    const { type, name, keySize, valueSize, maxEntries, flags = [] } = options;
    const number = flags.reduce((sum, flag) => sum | MAP_FLAGS[flag], 0);
    return new MapHandle(
      attempt(`create map "${name}"`, () =>
        this.addon.createMap(MAP_TYPES[type], name, keySize, valueSize, maxEntries, number),
      ),
      name,
    );
  }

  openPinnedMap(path: string): BpfMap {
    return new MapHandle(
      attempt(`open pinned map "${path}"`, () => this.addon.openPinnedMap(path)),
      path,
    );
  }

  openPinnedProgram(path: string): BpfProgram {
    return new ProgramHandle(
      attempt(`open pinned program "${path}"`, () => this.addon.openPinnedProgram(path)),
      path,
    );
  }

  openPinnedLink(path: string): BpfLink {
    return new LinkHandle(attempt(`open pinned link "${path}"`, () => this.addon.openPinnedLink(path)));
  }

  openMapById(id: number): BpfMap {
    const name = `map ${id}`;
    return new MapHandle(
      attempt(`open ${name}`, () => this.addon.openMapById(id)),
      name,
    );
  }

  openProgramById(id: number): BpfProgram {
    const name = `program ${id}`;
    return new ProgramHandle(
      attempt(`open ${name}`, () => this.addon.openProgramById(id)),
      name,
    );
  }

  programInfo(id: number): ProgramInfo | null {
    return attempt(`describe program ${id}`, () => this.addon.programInfo(id));
  }

  objectIds(): { maps: number[]; programs: number[]; links: number[] } {
    return attempt('list BPF objects', () => this.addon.objectIds());
  }

  async attachXdp(program: BpfProgram, options: { ifindex: number; mode: XdpMode; netns?: string }): Promise<BpfLink> {
    const { ifindex, mode, netns = '' } = options;
    const link = await attemptLater(`attach to interface ${ifindex} in ${mode} mode`, () =>
      this.addon.attachXdp(rawProgram(program), ifindex, XDP_FLAGS[mode], netns),
    );
    return new LinkHandle(link);
  }

  async attachEgress(program: BpfProgram, options: { ifindex: number; netns?: string }): Promise<BpfLink> {
    const { ifindex, netns = '' } = options;
    try {
      const link = await attemptLater(`attach to packets that leave through interface ${ifindex}`, () =>
        this.addon.attachEgress(rawProgram(program), ifindex, netns),
      );
      return new LinkHandle(link);
    } catch (error) {
      if (!(error instanceof KernelError && error.errno === 'EINVAL')) throw error;
      throw new UnsupportedError('tcx', 'this kernel has no tcx, the hook for packets that go out', {
        hint: 'answers to connections of this machine could not be told from others; Linux 6.6 or newer is needed',
        cause: error,
      });
    }
  }

  makeClsact({ ifindex, netns = '' }: { ifindex: number; netns?: string }): Promise<boolean> {
    return withoutClsact(
      attemptLater(`make a clsact discipline on interface ${ifindex}`, () => this.addon.makeClsact(ifindex, netns)),
    );
  }

  removeClsact({ ifindex, netns = '' }: { ifindex: number; netns?: string }): Promise<boolean> {
    return attemptLater(`remove the clsact discipline of interface ${ifindex}`, () =>
      this.addon.removeClsact(ifindex, netns),
    );
  }

  async attachFilter(program: BpfProgram, options: Parameters<Kernel['attachFilter']>[1]): Promise<void> {
    const { ifindex, priority, handle, replace = false, netns = '' } = options;
    await withoutClsact(
      attemptLater(`attach a filter to packets that leave through interface ${ifindex}`, () =>
        this.addon.attachFilter(rawProgram(program), ifindex, priority, handle, replace, netns),
      ),
    );
  }

  detachFilter({ ifindex, priority, handle, netns = '' }: FilterPlace): Promise<boolean> {
    return attemptLater(`detach a filter from interface ${ifindex}`, () =>
      this.addon.detachFilter(ifindex, priority, handle, netns),
    );
  }

  netlinkDump(options: Parameters<Kernel['netlinkDump']>[0]): Promise<Uint8Array> {
    const { type, family, tc, netns = '' } = options;
    const body = Buffer.alloc(tc ? TCMSG : IFINFOMSG);
    body.writeUInt8(family);
    if (tc) {
      body.writeInt32LE(tc.ifindex, 4);
      body.writeUInt32LE(tc.parent, 12);
    }
    return attemptLater('ask the kernel about interfaces', () =>
      this.addon.netlinkDump(NETLINK.route, type, body, netns),
    );
  }

  async conntrackDump(netns = ''): Promise<Uint8Array> {
    try {
      return await attemptLater('ask the kernel about tracked connections', () =>
        // Of both families: a header of zeros (nfgenmsg).
        this.addon.netlinkDump(NETLINK.netfilter, IPCTNL_MSG_CT_GET, Buffer.alloc(NFGENMSG), netns),
      );
    } catch (error) {
      if (!(error instanceof KernelError) || !NO_CTNETLINK.includes(error.errno)) throw error;
      throw new UnsupportedError('ctnetlink', 'the kernel cannot be asked about tracked connections', { cause: error });
    }
  }

  async exchangeFrames(
    from: LinkEnd,
    to: LinkEnd,
    frames: readonly Uint8Array[],
    timeoutMs: number,
  ): Promise<readonly boolean[]> {
    const lengths = Uint32Array.from(frames, ({ length }) => length);
    const arrived = await attemptLater(`send frames from interface ${from.ifindex} to interface ${to.ifindex}`, () =>
      this.addon.exchangeFrames(
        ...([from.ifindex, from.netns ?? '', to.ifindex, to.netns ?? ''] as const),
        Buffer.concat(frames),
        lengths,
        timeoutMs,
      ),
    );
    return Array.from(arrived, (byte) => byte === 1);
  }

  async deviceSettings(name: string, netns = ''): Promise<DeviceSettings> {
    const { driver, flags, queues, mostQueues } = await attemptLater(
      inNetns(`ask the driver of "${name}"`, netns),
      () => this.addon.deviceSettings(name, netns),
    );
    const has = (flag: number): boolean | null => (flags === null ? null : (flags & flag) !== 0);
    return { driver, lro: has(ETH_FLAG.lro), rxVlan: has(ETH_FLAG.rxVlan), queues, mostQueues };
  }

  netnsCookie(netns = ''): Promise<bigint> {
    return attemptLater(inNetns('read the cookie of the network namespace', netns), () =>
      this.addon.netnsCookie(netns),
    );
  }

  readFileIn(path: string, netns = ''): Promise<Uint8Array> {
    return attemptLater(inNetns(`read "${path}"`, netns), () =>
      // /proc/net is that of the process; a thread in another namespace has its own beside it.
      this.addon.readFileIn(path.replace(/^\/proc\/(self\/)?net\//, '/proc/thread-self/net/'), netns),
    );
  }

  isBpffs(path: string): boolean {
    return attempt(`look at "${path}"`, () => this.addon.isBpffs(path));
  }

  mountBpffs(path: string): void {
    attempt(`mount a bpffs at "${path}"`, () => this.addon.mountBpffs(path, 'mode=0700'));
  }

  async grace(): Promise<void> {
    try {
      await this.addon.membarrier(MEMBARRIER_GLOBAL);
    } catch {
      // Kernels with nohz_full, or without the call.
      await new Promise((resolve) => setTimeout(resolve, GRACE_MS));
    }
  }

  tryLock(path: string): FileLock | null {
    return attempt(`lock "${path}"`, () => this.addon.tryLock(path));
  }

  possibleCpus(): number {
    return attempt('count processors', () => this.addon.possibleCpus());
  }

  bootTimeNs(): bigint {
    return attempt('read the clock', () => this.addon.bootTimeNs());
  }

  peerOf(descriptor: number): PeerCredentials {
    return attempt('ask who connected', () => this.addon.peerOf(descriptor));
  }

  libbpfVersion(): string {
    return this.addon.libbpfVersion().replace(/^v/, '');
  }

  abiWitness(): Record<string, number> {
    return this.addon.abiWitness();
  }
}

/** ENOENT: the kernel knows no such discipline or filter, as a module or at all; EOPNOTSUPP: it was built without. */
async function withoutClsact<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof KernelError && ['ENOENT', 'EOPNOTSUPP'].includes(error.errno))) throw error;
    throw new UnsupportedError('clsact', 'this kernel has neither tcx nor clsact, the hooks for packets that go out', {
      hint: 'its modules sch_ingress and cls_bpf are missing',
      cause: error,
    });
  }
}

function inNetns(operation: string, netns: string): string {
  return netns === '' ? operation : `${operation} in "${netns}"`;
}

let cached: Kernel | undefined;

/** The kernel of this machine. Loads the addon on first use; a `SluiceError` tells what is missing. */
export function kernel(): Kernel {
  cached ??= new NativeKernel(addon());
  return cached;
}
