/**
 * Network namespaces of tests. A name is `slc-<pid>-<name>`, so that whoever comes next can tell which of them belong
 * to processes that are gone (`reapStale`). Links are quiet: no router solicitations, no duplicate address detection,
 * no link-local addresses, fixed neighbours, no offloads that would merge or cut packets. Then one packet sent is one
 * frame on the wire, and counts can be exact.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { Background, type Finished, must, run, type RunOptions } from './process';

const DIRECTORY = '/run/netns';
const NAME = /^slc-(\d+)-/;

/** Set in every namespace before its links exist; `default` is what new links inherit. */
const QUIET_SYSCTLS = {
  'net/ipv6/conf/default/accept_ra': '0',
  'net/ipv6/conf/default/accept_dad': '0',
  'net/ipv6/conf/default/dad_transmits': '0',
  'net/ipv6/conf/default/router_solicitations': '0',
  'net/ipv6/conf/default/addr_gen_mode': '1',
  'net/ipv4/conf/all/rp_filter': '0',
  'net/ipv4/conf/default/rp_filter': '0',
  'net/ipv4/ping_group_range': '0 2147483647',
};

/** No sysctl stops multicast listener reports, which come up to a second after a link is up. */
const QUIET_RULES = `table ip6 quiet {
  chain output {
    type filter hook output priority filter
    icmpv6 type { mld-listener-report, mld-listener-done, mld2-listener-report } drop
  }
}`;

/** One end of a veth pair. */
export interface LinkEnd {
  readonly namespace: Namespace;
  readonly name: string;
  readonly mac: string;
  /** With prefix length: `192.0.2.10/24`, `2001:db8:1::10/64`. */
  readonly addresses: readonly string[];
}

export class Namespace {
  readonly name: string;
  /** What `--netns` and the addon take. */
  readonly path: string;

  private constructor(name: string) {
    this.name = name;
    this.path = `${DIRECTORY}/${name}`;
  }

  /** Makes a quiet namespace with `lo` up. */
  static create(name: string): Namespace {
    const full = `slc-${process.pid}-${name}`;
    must(['ip', 'netns', 'add', full]);
    const namespace = new Namespace(full);
    namespace.setSysctls(QUIET_SYSCTLS);
    must(namespace.argv(['nft', '-f', '-']), { input: QUIET_RULES });
    namespace.ip('link set lo up');
    return namespace;
  }

  /** Writes sysctls by their path under /proc/sys. */
  setSysctls(values: Record<string, string>): void {
    const lines = Object.entries(values).map(([path, value]) => `echo '${value}' > /proc/sys/${path}`);
    must(this.argv(['sh', '-ec', lines.join('\n')]));
  }

  /** Runs lines of `ip -batch` in the namespace. */
  ip(...lines: readonly string[]): void {
    must(['ip', '-n', this.name, '-batch', '-'], { input: `${lines.join('\n')}\n` });
  }

  /** How a command is run here: `nsenter`, since `ip netns exec` would hide /sys/fs/bpf. */
  argv(command: readonly string[]): string[] {
    return ['nsenter', `--net=${this.path}`, '--', ...command];
  }

  run(command: readonly string[], options?: RunOptions): Promise<Finished> {
    return run(this.argv(command), options);
  }

  start(command: readonly string[], options?: Omit<RunOptions, 'input' | 'timeout'>): Background {
    return new Background(this.argv(command), options);
  }

  /** Ifindex of a link here. */
  ifindex(link: string): number {
    const found = JSON.parse(must(['ip', '-n', this.name, '-json', 'link', 'show', link])) as [{ ifindex: number }];
    return found[0].ifindex;
  }

  /** Frames and bytes a link has received and sent, as the kernel counts them. */
  linkCounters(link: string): { received: number; sent: number } {
    const text = must(['ip', '-n', this.name, '-json', '-stats', 'link', 'show', link]);
    const [{ stats64 }] = JSON.parse(text) as [{ stats64: { rx: { packets: number }; tx: { packets: number } } }];
    return { received: stats64.rx.packets, sent: stats64.tx.packets };
  }

  /** Ends what still runs here and removes the namespace with its links. */
  destroy(): void {
    remove(this.name);
  }
}

/** Joins two namespaces by a veth pair with fixed MAC addresses, each end knowing the other as its neighbour. */
export function joinByVeth(a: LinkEnd, b: LinkEnd): void {
  a.namespace.ip(
    `link add ${a.name} address ${a.mac} type veth peer name ${b.name} address ${b.mac} netns ${b.namespace.name}`,
  );
  for (const [end, other] of [
    [a, b],
    [b, a],
  ]) {
    must(end.namespace.argv(['ethtool', '-K', end.name, 'tso', 'off', 'gso', 'off', 'gro', 'off', 'tx', 'off']));
    end.namespace.ip(
      ...end.addresses.map((address) => `addr add ${address} dev ${end.name}${address.includes(':') ? ' nodad' : ''}`),
      `link set ${end.name} up`,
      ...other.addresses.map((address) => `neigh replace ${bare(address)} lladdr ${other.mac} dev ${end.name}`),
    );
  }
}

/** An address without its prefix length. */
export function bare(address: string): string {
  return address.split('/')[0];
}

/** Removes namespaces of processes that are gone. Returns their names. */
export function reapStale(): string[] {
  const stale = namespaceNames().filter((name) => !existsSync(`/proc/${NAME.exec(name)?.[1]}`));
  stale.forEach(remove);
  return stale;
}

/** Namespaces of this process that still exist: none after a test. */
export function leftovers(): string[] {
  return namespaceNames().filter((name) => name.startsWith(`slc-${process.pid}-`));
}

/** Runs `cleanUp` when this process ends, also by a signal or an exception. Returns the way to take it back. */
export function atEnd(cleanUp: () => void): () => void {
  const bySignal = (signal: NodeJS.Signals): void => {
    cleanUp();
    process.kill(process.pid, signal);
  };
  // SIGHUP: the terminal was closed.
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  process.once('exit', cleanUp);
  for (const signal of signals) process.once(signal, bySignal);
  return () => {
    process.removeListener('exit', cleanUp);
    for (const signal of signals) process.removeListener(signal, bySignal);
  };
}

function namespaceNames(): string[] {
  return existsSync(DIRECTORY) ? readdirSync(DIRECTORY).filter((name) => NAME.test(name)) : [];
}

function remove(name: string): void {
  if (!existsSync(`${DIRECTORY}/${name}`)) return;
  try {
    for (const pid of must(['ip', 'netns', 'pids', name]).split('\n').filter(Boolean).map(Number)) {
      if (pid !== process.pid) endProcess(pid);
    }
    must(['ip', 'netns', 'del', name]);
  } catch (error) {
    // Test files run side by side, and each removes what it finds stale: another may have been faster.
    if (existsSync(`${DIRECTORY}/${name}`)) throw error;
  }
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Mount points under a directory prefix, as this process sees them. */
export function mountsUnder(prefix: string): string[] {
  return readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((path) => path.startsWith(prefix));
}
