/**
 * The gates on interfaces: attached once, pinned, never exchanged by an `apply`. An interface has two, one for packets
 * that come in (XDP) and one for those that go out (tcx, since Linux 6.6; a clsact filter before), or none.
 */
import { KernelError, SluiceError, UnsupportedError } from '../kernel/errors';
import { chooseEgressHook, type EgressHook } from '../kernel/features';
import { type Interface, listInterfaces, listLinks } from '../kernel/interfaces';
import type { BpfLink, BpfProgram, Kernel, ProgramInfo, XdpMode } from '../kernel/kernel';
import type { Hook, LinkPin, PinLayout } from '../kernel/pins';
import type { AttachMode } from '../model/ruleset';
import { attachFilter, currentFilters, detachFilter, type EgressFilter, type Place } from './egress-filter';
import { failpoint } from './failpoint';

/** An interface the gate filters. */
export interface Attachment {
  readonly name: string;
  readonly ifindex: number;
  readonly mode: XdpMode;
  /** How packets that go out meet their gate; null where they do not, or where somebody has removed it. */
  readonly egress: EgressHook | null;
  /** Set where that is a filter of a clsact discipline. */
  readonly filter?: EgressFilter;
  /** Set where `mode: auto` had to take generic: why native was refused. */
  readonly fallback?: string;
  /** Set where this kernel has no hook for packets that go out: there are no flows then. */
  readonly withoutEgress?: string;
}

/** Interfaces of a ruleset, at least one: `auto` are those with a default route. */
export async function resolveInterfaces(
  kernel: Kernel,
  wanted: 'auto' | readonly string[],
  netns?: string,
): Promise<Interface[]> {
  return chooseInterfaces(await listInterfaces(kernel, netns), wanted);
}

/** The same of the interfaces that there are. */
export function chooseInterfaces(all: readonly Interface[], wanted: 'auto' | readonly string[]): Interface[] {
  if (wanted === 'auto') {
    const able = all.filter((candidate) => candidate.ethernet && !candidate.loopback);
    const chosen = able.filter((candidate) => candidate.defaultRoute);
    if (chosen.length > 0) return chosen;
    const tunnel = all.find((candidate) => candidate.defaultRoute && !candidate.ethernet);
    const but = tunnel ? ` but "${tunnel.name}", whose frames have no Ethernet header` : '';
    throw new SluiceError('load/no-interface', `interfaces: auto found no interface with a default route${but}`, {
      hint: `name them: interfaces: [${able.map((candidate) => candidate.name).join(', ')}]`,
    });
  }
  if (wanted.length === 0) {
    throw new SluiceError('load/no-interface', 'no interface is named, so nothing would be filtered', {
      hint: 'name one, or say "auto"; to end enforcement: sluice disable',
    });
  }
  return wanted.map((name) => {
    const found = all.find((candidate) => candidate.name === name);
    if (found) {
      refuseWithoutEthernet(found);
      return found;
    }
    throw new SluiceError('load/no-interface', `interface "${name}" does not exist`, {
      hint: `there are: ${all.map((candidate) => candidate.name).join(', ')}`,
    });
  });
}

/** Without the header the datapath would take a part of the source address for the ethertype. */
function refuseWithoutEthernet({ name, ethernet, kind }: Interface): void {
  if (ethernet) return;
  const what = kind === undefined ? '' : ` (${kind})`;
  throw new UnsupportedError(
    'no Ethernet',
    `frames of "${name}"${what} begin with the IP header, sluice reads Ethernet`,
    {
      hint: 'nothing was changed; leave it out: the Ethernet interface that carries it can be filtered',
    },
  );
}

function withoutEgress(name: string, cause: UnsupportedError): SluiceError {
  return new SluiceError('load/no-egress', `what goes out through ${name} cannot be filtered: ${cause.message}`, {
    cause,
    hint: 'leave out the outgoing rules of outbound and guard, and outbound: { default: deny }',
  });
}

/** What the gate is attached to now, from the kernel. Links whose device is gone are left out. */
export async function currentAttachments(kernel: Kernel, pins: PinLayout, netns?: string): Promise<Attachment[]> {
  const pinned = pins.links();
  if (pinned.length === 0) return [];
  const [interfaces, filters] = await Promise.all([listLinks(kernel, netns), currentFilters({ kernel, pins, netns })]);
  const links = pinnedLinks(kernel, pins);
  const found: Attachment[] = [];
  for (const { ifindex } of links.filter(({ hook }) => hook === 'xdp')) {
    const device = interfaces.find((candidate) => candidate.index === ifindex);
    if (!device?.xdp) continue;
    const linked = links.some((link) => link.hook === 'egress' && link.ifindex === ifindex);
    const filter = filters.get(device.index);
    const egress = linked ? 'tcx' : filter ? 'clsact' : null;
    const mode = device.xdp.mode === 'native' ? 'native' : 'generic';
    found.push({ name: device.name, ifindex: device.index, mode, egress, ...(filter && { filter }) });
  }
  return found;
}

/** Where pinned links are attached: an ifindex, 0 where the device is gone, null where something else is pinned. */
export function pinnedLinks(kernel: Kernel, pins: PinLayout): { hook: Hook; ifindex: number | null }[] {
  return pins.links().flatMap((pin) => (isLink(pin) ? [{ hook: pin.hook, ifindex: deviceOf(kernel, pin.path) }] : []));
}

/** The others are marks of what hangs there without a link. */
function isLink(pin: { hook: LinkPin; path: string }): pin is { hook: Hook; path: string } {
  return pin.hook === 'xdp' || pin.hook === 'egress';
}

/** Ifindex of the device a pinned link is attached to, 0 where that is gone; null where no link is pinned there. */
function deviceOf(kernel: Kernel, path: string): number | null {
  const link = openLink(kernel, path);
  try {
    return link?.info().ifindex ?? null;
  } finally {
    link?.close();
  }
}

/** Whether anything is filtered through these pins, in whichever namespace. */
export function holdsLiveLink(kernel: Kernel, pins: PinLayout): boolean {
  return pins.links().some(({ path }) => (deviceOf(kernel, path) ?? 0) !== 0);
}

/** Removes pins of links whose device is gone: they filter nothing, but would stay for ever. */
export function removeDeadLinks(kernel: Kernel, pins: PinLayout): void {
  for (const { ifindex, hook, path } of pins.links()) {
    if ((hook === 'xdp' || hook === 'egress') && deviceOf(kernel, path) === 0) pins.removeLink(ifindex, hook);
  }
}

/**
 * Attaches the gates to every interface that does not hold them yet: all of them or none. Packets that go out come
 * first, so that no answer meets a filter that has not seen its question; `beforeIngress` runs in between, for what
 * was asked before. Another program that is already there is
 * named and left alone.
 */
export async function attachAll(
  kernel: Kernel,
  pins: PinLayout,
  interfaces: readonly Interface[],
  options: {
    mode: AttachMode;
    netns?: string;
    /** Whether the ruleset refuses anything that goes out: without the egress hook it cannot. */
    needsEgress: boolean;
    beforeIngress: (device: Interface) => Promise<unknown>;
  },
): Promise<Attachment[]> {
  const place = { kernel, pins, netns: options.netns };
  const hook = chooseEgressHook();
  const [present, filters] = await Promise.all([
    currentAttachments(kernel, pins, options.netns),
    currentFilters(place),
  ]);
  const done: Attachment[] = [];
  const made: { ifindex: number; hook: Hook }[] = [];
  const pin = (link: BpfLink, ifindex: number, hook: Hook): void => {
    try {
      removeStaleLink(pins, ifindex, hook);
      link.pin(pins.link(ifindex, hook));
    } finally {
      link.close();
    }
    made.push({ ifindex, hook });
  };
  const gates = {
    xdp: kernel.openPinnedProgram(pins.gate('xdp')),
    egress: kernel.openPinnedProgram(pins.gate('egress')),
  };
  try {
    for (const device of interfaces) {
      const existing = present.find((attachment) => attachment.ifindex === device.index);
      if (!existing) {
        refuseWithoutEthernet(device);
        refuseForeignProgram(kernel, device);
      }
      const { index: ifindex, name } = device;
      let egress: Pick<Attachment, 'egress' | 'withoutEgress'> = {
        egress: isAttached(kernel, pins, ifindex, 'egress') ? 'tcx' : filters.has(ifindex) ? 'clsact' : null,
      };
      if (egress.egress === null) {
        try {
          if (hook === null) throw new UnsupportedError('egress', 'SLUICE_EGRESS_HOOK asks for none');
          else if (hook === 'tcx')
            pin(await kernel.attachEgress(gates.egress, { ifindex, netns: options.netns }), ifindex, 'egress');
          else {
            await attachFilter(place, { ifindex, name });
            made.push({ ifindex, hook: 'egress' });
          }
          egress = { egress: hook };
        } catch (error) {
          // Filtering what comes in does not depend on it, flows do.
          if (!(error instanceof UnsupportedError)) throw error;
          if (options.needsEgress) throw withoutEgress(name, error);
          egress = { egress: null, withoutEgress: error.message };
        }
        failpoint('after-egress');
      }
      if (existing) {
        done.push({ ...existing, ...egress });
        continue;
      }
      if (egress.egress !== null) await options.beforeIngress(device);
      const { link, mode, fallback } = await attachOne(kernel, gates.xdp, device, options);
      pin(link, device.index, 'xdp');
      done.push({ name: device.name, ifindex: device.index, mode, ...egress, ...(fallback && { fallback }) });
    }
    return done;
  } catch (error) {
    for (const each of made.reverse()) await detachHook(place, each.ifindex, each.hook);
    throw error;
  } finally {
    gates.xdp.close();
    gates.egress.close();
  }
}

/** Detaches both gates from one interface. */
export async function detachOne(place: Place, ifindex: number): Promise<void> {
  await detachHook(place, ifindex, 'xdp');
  await detachHook(place, ifindex, 'egress');
}

async function detachHook(place: Place, ifindex: number, hook: Hook): Promise<void> {
  const { kernel, pins } = place;
  if (hook === 'egress') await detachFilter(place, ifindex);
  const pinned = pins.links().find((link) => link.ifindex === ifindex && link.hook === hook);
  if (!pinned) return;
  const link = openLink(kernel, pinned.path);
  try {
    link?.detach();
  } catch (error) {
    // The device is gone, and the attachment with it.
    if (!(error instanceof KernelError && ['ENOLINK', 'EINVAL', 'ENODEV'].includes(error.errno))) throw error;
  } finally {
    link?.close();
  }
  pins.removeLink(ifindex, hook);
}

function isAttached(kernel: Kernel, pins: PinLayout, ifindex: number, hook: Hook): boolean {
  const pinned = pins.links().find((link) => link.ifindex === ifindex && link.hook === hook);
  return pinned !== undefined && deviceOf(kernel, pinned.path) === ifindex;
}

/** The pinned link; null where something else is pinned in its place, or nothing any more. Neither filters anything. */
function openLink(kernel: Kernel, path: string): BpfLink | null {
  try {
    return kernel.openPinnedLink(path);
  } catch (error) {
    if (error instanceof KernelError && ['EMEDIUMTYPE', 'ENOENT'].includes(error.errno)) return null;
    throw error;
  }
}

/** A pin under a number whose device is gone; the kernel may give the number to another device. */
function removeStaleLink(pins: PinLayout, ifindex: number, hook: Hook): void {
  if (pins.links().some((link) => link.ifindex === ifindex && link.hook === hook)) pins.removeLink(ifindex, hook);
}

async function attachOne(
  kernel: Kernel,
  gate: BpfProgram,
  device: Interface,
  { mode, netns }: { mode: AttachMode; netns?: string },
): Promise<{ link: BpfLink; mode: XdpMode; fallback?: string }> {
  const attach = (wanted: XdpMode): Promise<BpfLink> =>
    kernel.attachXdp(gate, { ifindex: device.index, mode: wanted, netns });
  if (mode === 'generic') return { link: await attach('generic'), mode: 'generic' };
  try {
    return { link: await attach('native'), mode: 'native' };
  } catch (error) {
    if (!(error instanceof KernelError) || !Object.hasOwn(REFUSAL_WORDS, error.errno)) throw error;
    if (mode === 'native') {
      throw new UnsupportedError('native XDP', `"${device.name}" has no native XDP here (${error.errno})`, {
        hint: 'mode: auto falls back to generic, which is slower but judges the same; a smaller MTU or fewer queues may help the driver',
        cause: error,
      });
    }
    return {
      link: await attach('generic'),
      mode: 'generic',
      fallback: `the driver of "${device.name}" refused native XDP (${error.errno}): ${REFUSAL_WORDS[error.errno]}`,
    };
  }
}

/** Answers of drivers that lack native XDP, or cannot offer it with their present MTU, queues or offloads. */
const REFUSAL_WORDS: Readonly<Record<string, string>> = {
  EOPNOTSUPP: 'it has none, or not with its present settings',
  ENOTSUPP: 'it has none, or not with its present settings',
  EINVAL: 'not with its present MTU, queues or offloads (LRO)',
  ERANGE: 'the MTU is too large for it',
  ENOSPC: 'it has not the queues for it',
};

function refuseForeignProgram(kernel: Kernel, device: Interface): void {
  if (!device.xdp) return;
  const program = describeProgram(kernel, device.xdp.programId);
  throw new SluiceError(
    'load/occupied',
    `another XDP program is attached to "${device.name}": id ${device.xdp.programId}${program ? ` "${program.name}"` : ''} (${device.xdp.mode})`,
    { hint: `nothing was changed; remove it with its own tool, or: ip link set dev ${device.name} xdp off` },
  );
}

/** The program; null where it is gone, or where CAP_SYS_ADMIN is missing, which programs of others take and nothing else. */
function describeProgram(kernel: Kernel, id: number): ProgramInfo | null {
  try {
    return kernel.programInfo(id);
  } catch (error) {
    if (error instanceof KernelError && error.errno === 'EPERM') return null;
    throw error;
  }
}
