/** Where a command works: the kernel, a network namespace, its pins and its state folder. */
import { statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { assertSeesPins } from '../kernel/bpffs';
import { requireCapabilities } from '../kernel/capabilities';
import { KernelError, SluiceError } from '../kernel/errors';
import type { Kernel } from '../kernel/kernel';
import { kernel as openKernel } from '../kernel/native';
import { PinLayout, pinRoot } from '../kernel/pins';
import { namespaceKey } from './namespace-key';
import { assertTrusted, type StateFolder, stateFolder } from './state-files';

export interface Context {
  readonly kernel: Kernel;
  /** Path of another network namespace; left out: the process's own. */
  readonly netns?: string;
  readonly pins: PinLayout;
  readonly folder: StateFolder;
}

/** Name of the state folder of the machine's first namespace. */
const HOST_KEY = 'host';

/**
 * Opens the context of a namespace, given by name (`edge`, as `ip netns` lists it) or path. Checks capabilities
 * first. Changes nothing: bpffs is mounted by the first change (`withLock`).
 */
export async function openContext(options: { netns?: string } = {}): Promise<Context> {
  requireCapabilities();
  const kernel = openKernel();
  assertSeesPins(kernel, dirname(pinRoot()));
  const { netns, cookie, folder } = await findFolder(options);
  assertTrusted(folder);
  return { kernel, pins: new PinLayout(cookie), folder, ...(netns !== undefined && { netns }) };
}

/** The state folder of a namespace, which need not exist; needs no privilege and changes nothing. */
export async function findFolder(options: {
  netns?: string;
}): Promise<Pick<Context, 'kernel' | 'netns' | 'folder'> & { readonly cookie: bigint }> {
  const kernel = openKernel();
  const netns = options.netns === undefined ? undefined : netnsPath(options.netns);
  const cookie = await kernel.netnsCookie(netns);
  const key = (await isHostNamespace(kernel, netns)) ? HOST_KEY : namespaceKey(cookie);
  return { kernel, cookie, folder: stateFolder(key), ...(netns !== undefined && { netns }) };
}

/** Whether it is the machine's first namespace, the only one that is there again after a reboot. */
export function isHostContext({ folder }: Context): boolean {
  return basename(folder.path) === HOST_KEY;
}

/** Path of a namespace given by name or path. */
export function netnsPath(nameOrPath: string): string {
  const path = nameOrPath.includes('/') ? nameOrPath : join('/run/netns', nameOrPath);
  if (statSync(path, { throwIfNoEntry: false }) === undefined) {
    throw new SluiceError('operate/netns', `network namespace "${nameOrPath}" does not exist ("${path}")`, {
      hint: 'ip netns list shows them',
    });
  }
  return path;
}

/**
 * The machine's first namespace keeps its state over reboots under the name `host`; others are known by their cookie and the boot.
 * Only there the kernel shows its global network settings, and unlike /proc/1/ns that needs no privilege to look at.
 */
async function isHostNamespace(kernel: Kernel, netns: string | undefined): Promise<boolean> {
  try {
    await kernel.readFileIn('/proc/sys/net/core/netdev_budget', netns);
    return true;
  } catch (error) {
    if (error instanceof KernelError && error.errno === 'ENOENT') return false;
    throw error;
  }
}
