/** Two namespaces of our own with a link between them: nothing else is there, so that every frame on it is one of ours. */
import { execFileSync } from 'node:child_process';
import { SluiceError } from '../kernel/errors';
import { listInterfaces } from '../kernel/interfaces';
import type { Kernel, LinkEnd } from '../kernel/kernel';
import { ip, isInstalled, namespacePath, removeNamespace, removeNamespacesOfTheDead } from './throwaway';

const PREFIX = 'sluice-ci-';
const TOOLS = ['ip', 'nsenter'];
/** Neither end speaks by itself: no address of either family, no router solicitation, no listener report. */
const SILENCE = 'for f in all default; do echo 1 > /proc/sys/net/ipv6/conf/$f/disable_ipv6; done';

/** Hardware addresses of the two ends, locally administered. */
export const LINK_ADDRESSES = { filtered: '02:00:00:00:00:01', outside: '02:00:00:00:00:02' } as const;

/** The filtered end's device: what it is called in a ruleset does not matter. */
export const FILTERED_DEVICE = 'eth0';

export class PrivateLink {
  private constructor(
    /** What is to be filtered, and its namespace. */
    readonly filtered: Required<LinkEnd>,
    readonly outside: Required<LinkEnd>,
    private readonly names: readonly string[],
  ) {}

  /** Makes the link; what a process that was killed left of its own is removed first. */
  static async make(kernel: Kernel): Promise<PrivateLink> {
    const missing = TOOLS.filter((tool) => !isInstalled(tool));
    if (missing.length > 0) {
      throw new SluiceError('ci/tools', `a namespace of its own needs ${missing.join(' and ')}`, {
        hint: 'apt-get install iproute2 util-linux',
      });
    }
    removeNamespacesOfTheDead(PREFIX);
    const names = ['filtered', 'outside'].map((end) => `${PREFIX}${process.pid}-${end}`);
    const [filtered, outside] = names;
    try {
      for (const name of names) {
        ip('netns', 'add', name);
        execFileSync('nsenter', [`--net=${namespacePath(name)}`, 'sh', '-c', SILENCE]);
      }
      const ends = [
        ['name', FILTERED_DEVICE, 'address', LINK_ADDRESSES.filtered],
        ['name', 'wire0', 'address', LINK_ADDRESSES.outside, 'netns', outside],
      ];
      ip('-n', filtered, 'link', 'add', ...ends[0], 'type', 'veth', 'peer', ...ends[1]);
      ip('-n', filtered, 'link', 'set', FILTERED_DEVICE, 'up');
      ip('-n', outside, 'link', 'set', 'wire0', 'up');
      return new PrivateLink(await endOf(kernel, filtered), await endOf(kernel, outside), names);
    } catch (error) {
      names.forEach(removeNamespace);
      throw failure(error);
    }
  }

  /** Removes the namespaces and with them the link. */
  remove(): void {
    this.names.forEach(removeNamespace);
  }
}

async function endOf(kernel: Kernel, name: string): Promise<Required<LinkEnd>> {
  const netns = namespacePath(name);
  const device = (await listInterfaces(kernel, netns)).find(({ kind }) => kind === 'veth');
  if (!device) throw new SluiceError('ci/namespace', `the link in "${netns}" is gone`);
  return { ifindex: device.index, netns };
}

function failure(error: unknown): SluiceError {
  if (error instanceof SluiceError) return error;
  const printed = (error as { stderr?: Uint8Array }).stderr;
  const why = printed ? Buffer.from(printed).toString().trim() : String(error);
  return new SluiceError('ci/namespace', `a namespace of its own cannot be made: ${why}`, {
    hint: 'it needs CAP_SYS_ADMIN, the veth driver and a /run/netns that can be written: in a container, --privileged',
    cause: error,
  });
}
