/** Whether this machine is as sluice needs it: kernel, privileges, network cards, what filters besides, clock and disk. */
import { execFile } from 'node:child_process';
import { accessSync, constants, readFileSync, statfsSync, statSync } from 'node:fs';
import { release } from 'node:os';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { missingCapabilities, readEffective } from '../kernel/capabilities';
import { KernelError, SluiceError } from '../kernel/errors';
import { type Feature, type FeatureName, probeFeatures } from '../kernel/features';
import { type Interface, listInterfaces } from '../kernel/interfaces';
import type { Kernel } from '../kernel/kernel';
import { PinLayout, pinRoot } from '../kernel/pins';
import { pinnedLinks } from '../load/attach';
import { SharedState } from '../load/state';
import { findFolder } from './context';
import { currentEventReader } from './event-source';
import { whyNotNative } from './native-refusals';
import { readEnforced, type StateFolder } from './state-files';
import { readUfwRules } from './ufw-rules';

/** One line. */
export interface MachineCheck {
  readonly about: string;
  readonly state: 'ok' | 'warn';
  readonly text: string;
  /** The command that mends it. */
  readonly remedy?: string;
}

/** Bytes of a frame beyond which it takes more than a page of a driver's: 4,096 less headroom and what the kernel adds. */
const FRAME_OF_PAGE = 3498;
const LEAST_FREE_BYTES = 16 << 20;
const LEAST_FREE_FILES = 100;

const run = promisify(execFile);

interface Place {
  readonly kernel: Kernel;
  readonly netns?: string;
  readonly folder: StateFolder;
  readonly pins: PinLayout;
  readonly isHost: boolean;
}

/** Looks at everything; changes nothing, and needs no privilege but for what says that it does. */
export async function examineMachine(options: { netns?: string }): Promise<MachineCheck[]> {
  const { kernel, cookie, folder, netns } = await findFolder(options);
  const place: Place = {
    ...{ kernel, folder, pins: new PinLayout(cookie), isHost: folder.path.endsWith('/host') },
    ...(netns !== undefined && { netns }),
  };
  return [
    privileges(),
    ...(await kernelChecks()),
    pinChecks(place),
    ...(await interfaceChecks(place)),
    ...(await otherFilters(place)),
    clock(place),
    disk(place),
    daemon(place),
  ];
}

function ok(about: string, text: string): MachineCheck {
  return { about, state: 'ok', text };
}

function warn(about: string, text: string, remedy?: string): MachineCheck {
  return { about, state: 'warn', text, ...(remedy !== undefined && { remedy }) };
}

function missingPrivileges(): ReturnType<typeof missingCapabilities> {
  return missingCapabilities(readEffective(readFileSync('/proc/self/status', 'utf8')));
}

/** What may be root's alone to see: for anybody else `unseen` where that is so. */
function ifSeen<T>(look: () => T, unseen: T): T {
  try {
    return look();
  } catch (error) {
    if (missingPrivileges().length === 0) throw error;
    return unseen;
  }
}

function privileges(): MachineCheck {
  const missing = missingPrivileges();
  return missing.length === 0
    ? ok('privileges', 'CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON are there')
    : warn(
        'privileges',
        `missing ${missing.join(', ')}: sluice can change nothing, and not see all`,
        'sudo sluice doctor',
      );
}

/** What can be done without, and how it goes then. */
const WITHOUT: Partial<Record<FeatureName, string>> = {
  tcx: 'what goes out is met by a clsact filter instead',
  clsact: 'what goes out is met by tcx alone',
};

async function kernelChecks(): Promise<MachineCheck[]> {
  const features = await probeFeatures();
  const has = (name: FeatureName): boolean =>
    features.some((feature) => feature.name === name && feature.answer === 'supported');
  const spared = (name: FeatureName): boolean => (name === 'tcx' && has('clsact')) || (name === 'clsact' && has('tcx'));
  const bad = features.filter(({ name, answer }) => answer !== 'supported' && !spared(name));
  const instead = features.filter(({ name, answer }) => answer !== 'supported' && spared(name));
  const without = instead.map(({ name }) => `; without ${name}: ${WITHOUT[name]}`).join('');
  return [
    ...(bad.length === 0
      ? [ok('kernel', `Linux ${release()} has all that is needed${without}`)]
      : [...bad.filter(({ answer }) => answer !== 'unknown').map(lacking), ...untold(bad)]),
    jit(),
  ];
}

function lacking({ name, since, detail }: Feature): MachineCheck {
  const why = detail === undefined ? '' : `: ${detail}`;
  return warn('kernel', `Linux ${release()} has no ${name}${why}`, `boot Linux ${since} or later, 6.1 at least`);
}

/** Features that cannot be told, a line a reason. */
function untold(features: readonly Feature[]): MachineCheck[] {
  const open = features.filter(({ answer }) => answer === 'unknown');
  return [...new Set(open.map(({ detail }) => detail))].map((reason) => {
    const names = open.filter(({ detail }) => detail === reason).map(({ name }) => name);
    const why = reason === undefined ? '' : `: ${reason}`;
    return warn(
      'kernel',
      `whether Linux ${release()} has ${names.join(', ')} cannot be told${why}`,
      'sudo sluice doctor',
    );
  });
}

function jit(): MachineCheck {
  let enabled: string;
  try {
    enabled = readFileSync('/proc/sys/net/core/bpf_jit_enable', 'utf8').trim();
  } catch {
    return ok('compiler', 'the kernel compiles programs as it was built to');
  }
  return enabled === '0'
    ? warn('compiler', 'programs are interpreted, which is many times slower', 'sysctl -w net.core.bpf_jit_enable=1')
    : ok('compiler', 'programs are compiled to machine code');
}

function pinChecks({ kernel, pins }: Place): MachineCheck {
  const path = dirname(pinRoot());
  if (!kernel.isBpffs(path))
    return warn('bpffs', `no bpffs is mounted at ${path}: the first change mounts one`, `mount -t bpf bpf ${path}`);
  // Who may not look into it is told so by the first line.
  if (missingPrivileges().length > 0) return ok('bpffs', `mounted at ${path}`);
  try {
    pins.assertOurs();
    // Of another version, or damaged.
    SharedState.find(kernel, pins)?.close();
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    if (error instanceof KernelError) return ok('bpffs', `mounted at ${path}`);
    return warn('bpffs', error.message, error.hint);
  }
  return ok('bpffs', `mounted at ${path}`);
}

async function interfaceChecks(place: Place): Promise<MachineCheck[]> {
  const { kernel, netns, folder } = place;
  const all = await listInterfaces(kernel, netns);
  const enforced = ifSeen(() => readEnforced(folder).value?.interfaces ?? [], []);
  const outward = all.filter(({ defaultRoute }) => defaultRoute);
  const able = all.filter(({ loopback, ethernet, up }) => !loopback && ethernet && up);
  const wanted = enforced.length > 0 ? all.filter(({ name }) => enforced.includes(name)) : outward;
  const gone = enforced.filter((name) => !all.some((device) => device.name === name));
  const devices = wanted.length > 0 ? wanted : able;
  if (devices.length === 0 && gone.length === 0)
    return [warn('interfaces', 'none is up that could be filtered', 'ip link set dev INTERFACE up')];
  const ours = linkedIndexes(place);
  const found: MachineCheck[] = [];
  for (const device of devices) found.push(...(await deviceChecks(place, device, ours)));
  return [
    ...found,
    ...gone.map((name) =>
      warn(name, 'is to be filtered and is not there; the daemon filters it when it comes', 'sluice daemon'),
    ),
  ];
}

/** Devices at which a link of ours is attached; null where that cannot be seen. */
function linkedIndexes({ kernel, pins }: Place): ReadonlySet<number> | null {
  try {
    const links = pins.exists() ? pinnedLinks(kernel, pins) : [];
    return new Set(links.flatMap(({ hook, ifindex }) => (hook === 'xdp' && ifindex !== null ? [ifindex] : [])));
  } catch (error) {
    if (error instanceof KernelError || (error as NodeJS.ErrnoException).code === 'EACCES') return null;
    throw error;
  }
}

async function deviceChecks(
  place: Place,
  device: Interface,
  ours: ReadonlySet<number> | null,
): Promise<MachineCheck[]> {
  const { kernel, netns, folder } = place;
  const { name, mtu, xdp } = device;
  if (!device.ethernet)
    return [warn(name, `its frames have no Ethernet header: it cannot be filtered`, 'name another: interfaces: [...]')];
  const settings = await kernel.deviceSettings(name, netns);
  const driver = settings.driver || 'unknown';
  const why = ifSeen(() => whyNotNative(folder, device), null);
  const checks: MachineCheck[] = [];
  const filtered = ours?.has(device.index) ?? false;
  if (xdp && !filtered && ours)
    checks.push(
      warn(
        name,
        `another XDP program is attached: id ${xdp.programId}${nameOf(kernel, xdp.programId)} (${xdp.mode}); sluice does not replace it`,
        `ip link set dev ${name} xdp off`,
      ),
    );
  else if (!xdp) checks.push(ok(name, `no XDP program is attached: sluice can be (driver ${driver})`));
  else if (xdp.mode === 'native') checks.push(ok(name, `filtered in native mode by its driver, ${driver}`));
  else {
    const remedy = nativeRemedy(device, settings, why);
    const text = `filtered in generic mode, which judges the same and is slower: ${why ?? `the ruleset asks for it, or ${driver} has no native XDP`}`;
    checks.push(warn(name, text, remedy));
  }
  if (settings.lro === true)
    checks.push(
      warn(name, 'merges packets (LRO) before they are judged; native XDP is refused so', `ethtool -K ${name} lro off`),
    );
  if (mtu > FRAME_OF_PAGE && xdp?.mode !== 'native')
    checks.push(
      warn(
        name,
        `MTU ${mtu}: frames longer than ${FRAME_OF_PAGE} bytes take more than a page, for which many drivers refuse native XDP`,
        `ip link set dev ${name} mtu 1500`,
      ),
    );
  else checks.push(ok(name, `MTU ${mtu}`));
  if (settings.rxVlan === true)
    checks.push(ok(name, 'takes VLAN tags off before they are seen (rxvlan): packets are judged the same'));
  if (settings.queues !== null && settings.queues > 0)
    checks.push(ok(name, `${settings.queues} ${settings.queues === 1 ? 'queue receives' : 'queues receive'}`));
  return checks;
}

function nativeRemedy(
  { name, mtu }: Interface,
  { driver, lro, queues, mostQueues }: Awaited<ReturnType<Kernel['deviceSettings']>>,
  why: string | null,
): string | undefined {
  const again = '; sluice disable; sluice enable';
  if (why === null) return undefined;
  if (lro === true) return `ethtool -K ${name} lro off${again}`;
  if (why.includes('ENOSPC')) {
    // veth wants a queue that receives for each by which its peer sends; cards want queues to spare.
    const change = driver === 'veth' ? `rx ${mostQueues ?? 1}` : `combined ${Math.max(1, (queues ?? 1) >> 1)}`;
    return `ethtool -L ${name} ${change}${again}`;
  }
  return why.includes('ERANGE') || mtu > FRAME_OF_PAGE ? `ip link set dev ${name} mtu 1500${again}` : undefined;
}

/** The name of a program, where it may be asked for. */
function nameOf(kernel: Kernel, id: number): string {
  try {
    const info = kernel.programInfo(id);
    return info ? ` "${info.name}"` : '';
  } catch (error) {
    if (error instanceof KernelError) return '';
    throw error;
  }
}

async function otherFilters({ netns, isHost }: Place): Promise<MachineCheck[]> {
  const checks: MachineCheck[] = [];
  if (isHost && readUfwRules() !== null)
    checks.push(warn('filters', 'a local ufw filters behind sluice, by rules of its own', 'sudo ufw disable'));
  const found = await nftChains(netns);
  for (const { family, table, chain } of found ?? [])
    checks.push(
      warn(
        'filters',
        `nftables drops behind sluice what its own rules do not accept: table ${family} ${table}, chain ${chain}`,
        `nft list table ${family} ${table}`,
      ),
    );
  if (checks.length === 0)
    checks.push(
      found === null
        ? ok('filters', 'no ufw; whether nftables filters cannot be seen (nft is not there, or not allowed)')
        : ok('filters', 'no ufw, and no nftables chain that drops what comes in'),
    );
  return checks;
}

interface DroppingChain {
  readonly family: string;
  readonly table: string;
  readonly chain: string;
}

/** Chains of the input hook whose policy is to drop; null where nft cannot say. */
async function nftChains(netns?: string): Promise<DroppingChain[] | null> {
  const [command, ...words] = [...(netns === undefined ? [] : ['nsenter', `--net=${netns}`]), 'nft', '-j'];
  try {
    const { stdout } = await run(command, [...words, 'list', 'chains'], { timeout: 20_000, maxBuffer: 64 << 20 });
    const { nftables } = JSON.parse(stdout) as { nftables?: { chain?: Record<string, unknown> }[] };
    return (nftables ?? []).flatMap(({ chain }) =>
      chain?.hook === 'input' && chain.policy === 'drop'
        ? [{ family: String(chain.family), table: String(chain.table), chain: String(chain.name) }]
        : [],
    );
  } catch {
    return null;
  }
}

/** A clock that stands before the last change, or before sluice was made: ends of rules, logs and history are wrong by it. */
function clock({ folder }: Place): MachineCheck {
  const applied = Date.parse(ifSeen(() => readEnforced(folder).value?.appliedAt ?? '', ''));
  const made = statSync(__filename).mtimeMs;
  const now = new Date();
  const before = [
    ...(now.getTime() < applied ? [`the last change (${new Date(applied).toISOString()})`] : []),
    ...(now.getTime() < made ? [`the files of sluice (${new Date(made).toISOString()})`] : []),
  ];
  return before.length === 0
    ? ok('clock', now.toISOString())
    : warn(
        'clock',
        `it is ${now.toISOString()} here, before ${before[0]}: until, logs and history go by it`,
        'timedatectl set-ntp true',
      );
}

function disk({ folder }: Place): MachineCheck {
  let path = folder.path;
  const isThere = (): boolean => statSync(path, { throwIfNoEntry: false }) !== undefined;
  while (!ifSeen(isThere, false)) path = dirname(path);
  const { bavail, bsize, ffree, files } = statfsSync(path);
  const free = bavail * bsize;
  try {
    if (missingPrivileges().length === 0) accessSync(path, constants.W_OK);
  } catch {
    return warn('disk', `${path} cannot be written to: changes are refused`, `mount -o remount,rw ${path}`);
  }
  const mib = Math.floor(free / (1 << 20));
  if (free < LEAST_FREE_BYTES) return warn('disk', `${path} has ${mib} MiB left: changes may be refused`, `df ${path}`);
  if (files > 0 && ffree < LEAST_FREE_FILES)
    return warn('disk', `${path} has room for ${ffree} files: changes may be refused`, `df -i ${path}`);
  return ok('disk', `${path} has ${mib} MiB left`);
}

function daemon({ kernel, folder }: Place): MachineCheck {
  const reader = ifSeen(() => currentEventReader({ kernel, folder }), undefined);
  if (reader === undefined) return ok('daemon', 'whether one runs shows only to root');
  return reader?.role === 'daemon'
    ? ok('daemon', `runs (pid ${reader.pid})`)
    : warn('daemon', 'none runs: nothing is logged, and what is removed is not mended', 'sluice install');
}
