/**
 * The gate of packets that go out as a filter of a clsact discipline, for kernels without tcx. A filter is no link: no
 * pin holds it, and it stays where the pins go. Truth about it is what the kernel lists; two marks beside the links'
 * pins tell the next process what one that was killed was at, and in the filter's own handle stands who made the
 * discipline, for when there are no marks any more.
 */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { type Filter, listDisciplines, listFilters } from '../kernel/clsact';
import { openDatapath } from '../kernel/datapath-object';
import { KernelError, SluiceError, UnsupportedError } from '../kernel/errors';
import { listInterfaces } from '../kernel/interfaces';
import type { BpfProgram, FilterPlace, Kernel } from '../kernel/kernel';
import { type PinLayout, STATE_PINS } from '../kernel/pins';
import { failpoint } from './failpoint';
import { closeMaps, openPinnedMaps } from './pinned-maps';
import { slotKey } from './state';

/** Early, since a filter before ours may end the matter; 1 is left to those who write their filters by hand. */
const PRIORITY = 2;
/** By who made the discipline that the filter hangs in. */
const HANDLE = { theirs: 0x511ce0, ours: 0x511ce1 } as const;
const GATE = 'slc_gate_clsact';
const XDP_GATE = 'slc_gate_xdp';

/** Where the kernel is asked, and what is pinned there. */
export interface Place {
  readonly kernel: Kernel;
  readonly pins: PinLayout;
  readonly netns?: string;
}

/** How the filter of an interface hangs. */
export interface EgressFilter {
  /** Whether sluice made the clsact discipline; else it stays at the end. */
  readonly ours: boolean;
  /** Filters of others beside ours, in words, in the order in which packets meet them. */
  readonly others: readonly string[];
}

/** The gate's filters now, by interface; those that an earlier sluice left behind are `stale`. */
interface Found {
  readonly ifindex: number;
  readonly handle: number;
  readonly stale: boolean;
  readonly programId: number | undefined;
  readonly others: readonly Filter[];
}

/** Every filter of ours in the namespace. */
async function findFilters({ kernel, pins, netns }: Place): Promise<Found[]> {
  const gate = gateId(kernel, pins);
  const found: Found[] = [];
  for (const [ifindex, kind] of await listDisciplines(kernel, netns)) {
    if (kind !== 'clsact') continue;
    const filters = await listFilters(kernel, ifindex, 'egress', netns);
    for (const filter of filters.filter(isGate)) {
      const others = filters.filter((each) => each !== filter);
      const { handle, programId } = filter;
      found.push({ ifindex, handle, programId, stale: programId !== gate, others });
    }
  }
  return found;
}

/** By the name in the filter: to ask for a program by its id takes more privileges than sluice needs. */
function isGate({ kind, priority, handle, name }: Filter): boolean {
  const place = priority === PRIORITY && (handle === HANDLE.ours || handle === HANDLE.theirs);
  return kind === 'bpf' && place && name !== undefined && programName(name) === GATE;
}

/** libbpf names filters `PROGRAM:[ID]`. */
function programName(name: string): string {
  return name.replace(/:\[\d+\]$/, '');
}

/** Program id of the gate that is pinned; null where no filter was ever needed, or where it lets everything pass. */
function gateId(kernel: Kernel, pins: PinLayout): number | null {
  if (!existsSync(pins.pinned)) return null;
  const gate = openGate(kernel, pins);
  try {
    return gate?.info().id ?? null;
  } finally {
    gate?.close();
  }
}

function openGate(kernel: Kernel, pins: PinLayout): BpfProgram | null {
  try {
    return kernel.openPinnedProgram(pins.gate('clsact'));
  } catch (error) {
    if (error instanceof KernelError && ['ENOENT', 'EMEDIUMTYPE'].includes(error.errno)) return null;
    throw error;
  }
}

/** The filters that enforce, by interface. */
export async function currentFilters(place: Place): Promise<Map<number, EgressFilter>> {
  if (gateId(place.kernel, place.pins) === null) return new Map(); // without asking for filters, where links are used
  const found = await findFilters(place);
  return new Map(
    found
      .filter(({ stale }) => !stale)
      .map(({ ifindex, handle, others }) => [ifindex, { ours: handle === HANDLE.ours, others: others.map(describe) }]),
  );
}

function describe({ kind, priority, name }: Filter): string {
  return `${kind} filter${name === undefined ? '' : ` "${programName(name)}"`} of priority ${priority}`;
}

/**
 * Interfaces that keep a filter of a sluice whose pins were removed by hand: it lets everything pass. Not those that
 * another sluice filters, one with pins elsewhere.
 */
export async function staleFilters(place: Place): Promise<{ ifindex: number; name: string }[]> {
  const stale = (await findFilters(place)).filter((found) => found.stale);
  if (stale.length === 0) return [];
  const { kernel, netns } = place;
  const interfaces = await listInterfaces(kernel, netns);
  const ours = xdpGateId(place);
  return stale.flatMap(({ ifindex }) => {
    const device = interfaces.find((candidate) => candidate.index === ifindex);
    const xdp = device?.xdp?.programId;
    const another = xdp !== undefined && xdp !== ours && maybeGate(kernel, xdp);
    return device && !another ? [{ ifindex, name: device.name }] : [];
  });
}

/** Whether the program may be another sluice's: it is one by its name, or may not be asked for that. */
function maybeGate(kernel: Kernel, programId: number): boolean {
  try {
    return kernel.programInfo(programId)?.name === XDP_GATE;
  } catch (error) {
    if (error instanceof KernelError && error.errno === 'EPERM') return true;
    throw error;
  }
}

function xdpGateId({ kernel, pins }: Place): number | null {
  try {
    const gate = kernel.openPinnedProgram(pins.gate('xdp'));
    const { id } = gate.info();
    gate.close();
    return id;
  } catch (error) {
    if (error instanceof KernelError) return null;
    throw error;
  }
}

/**
 * Hangs the gate into the interface, whose discipline is made where there is none. Throws `UnsupportedError` where
 * the kernel cannot; what was made is gone then.
 */
export async function attachFilter(place: Place, { ifindex, name }: { ifindex: number; name: string }): Promise<void> {
  const { kernel, pins, netns } = place;
  const gate = await ensureFilterGate(kernel, pins);
  try {
    const kind = (await listDisciplines(kernel, netns)).get(ifindex);
    if (kind !== undefined && kind !== 'clsact') {
      throw new UnsupportedError(
        'clsact',
        `"${name}" has a queueing discipline "${kind}", which leaves no room for clsact`,
        {
          hint: `remove it with the tool that made it, or: tc qdisc del dev ${name} ${kind}`,
        },
      );
    }
    if (kind === undefined) {
      // The mark first: a discipline without it is somebody else's.
      mark(pins, gate, ifindex, 'qdisc');
      if (!(await kernel.makeClsact({ ifindex, netns }))) pins.removeLink(ifindex, 'qdisc');
      failpoint('after-qdisc');
    }
    mark(pins, gate, ifindex, 'clsact');
    const handle = HANDLE[marked(pins, ifindex, 'qdisc') ? 'ours' : 'theirs'];
    await kernel.attachFilter(gate, { ifindex, priority: PRIORITY, handle, netns }).catch((error: unknown) => {
      throw placeTaken(error) ? occupied(name, error) : error;
    });
  } catch (error) {
    await detachFilter(place, ifindex);
    throw error;
  } finally {
    gate.close();
  }
}

/** EEXIST: the handle; EINVAL: the priority, by filters of another kind. */
function placeTaken(error: unknown): boolean {
  return error instanceof KernelError && ['EEXIST', 'EINVAL'].includes(error.errno);
}

function occupied(name: string, cause: unknown): SluiceError {
  return new SluiceError(
    'load/occupied',
    `another filter holds the place of sluice's at "${name}": priority ${PRIORITY} of what goes out`,
    { hint: `nothing was changed; tc filter show dev ${name} egress tells which, remove it with its own tool`, cause },
  );
}

/** Takes the filter off the interface, and the discipline where it is ours and nothing else hangs in it. */
export async function detachFilter(place: Place, ifindex: number): Promise<void> {
  const { kernel, pins, netns } = place;
  for (const found of (await findFilters(place)).filter((each) => each.ifindex === ifindex && !each.stale))
    await ignoreGone(kernel.detachFilter(placeOf(found, netns)));
  pins.removeLink(ifindex, 'clsact');
  if (!marked(pins, ifindex, 'qdisc')) return;
  await removeUnused(place, ifindex);
  pins.removeLink(ifindex, 'qdisc');
}

/** Removes what an earlier sluice left behind, which enforces nothing: filters without pins, marks without filters. */
export async function removeStaleFilters(place: Place): Promise<string[]> {
  const { kernel, pins, netns } = place;
  const stale = await staleFilters(place);
  for (const found of await findFilters(place)) {
    if (!found.stale || !stale.some(({ ifindex }) => ifindex === found.ifindex)) continue;
    await ignoreGone(kernel.detachFilter(placeOf(found, netns)));
    if (found.handle === HANDLE.ours) await removeUnused(place, found.ifindex);
  }
  const marks = pins.links().filter(({ hook }) => hook === 'clsact' || hook === 'qdisc');
  if (marks.length > 0) {
    const filtered = await currentFilters(place);
    for (const ifindex of new Set(marks.map((each) => each.ifindex)))
      if (!filtered.has(ifindex)) await detachFilter(place, ifindex);
  }
  return stale.map(({ name }) => name);
}

function placeOf({ ifindex, handle }: Found, netns?: string): FilterPlace {
  return { ifindex, priority: PRIORITY, handle, netns };
}

/** Removes the clsact discipline of an interface in which nothing hangs any more, at either hook. */
async function removeUnused({ kernel, netns }: Place, ifindex: number): Promise<void> {
  if ((await listDisciplines(kernel, netns)).get(ifindex) !== 'clsact') return;
  for (const hook of ['ingress', 'egress'] as const)
    if ((await listFilters(kernel, ifindex, hook, netns)).length > 0) return;
  await ignoreGone(kernel.removeClsact({ ifindex, netns }));
}

/** The device went away meanwhile, and what hung there with it. */
async function ignoreGone(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof KernelError && error.errno === 'ENODEV')) throw error;
  }
}

function marked(pins: PinLayout, ifindex: number, hook: 'clsact' | 'qdisc'): boolean {
  return pins.links().some((link) => link.ifindex === ifindex && link.hook === hook);
}

/** A mark is a second pin of the gate: a pin is all that can stand on a bpffs. It takes the place of one before. */
function mark(pins: PinLayout, gate: BpfProgram, ifindex: number, hook: 'clsact' | 'qdisc'): void {
  const path = pins.link(ifindex, hook);
  const unfinished = `${path}-new`;
  rmSync(unfinished, { force: true });
  gate.pin(unfinished);
  renameSync(unfinished, path);
}

/**
 * Filters of a state that another one takes the place of get the gate of that, which the kernel does between two packets;
 * marks too, since each is a pin of the gate.
 */
export async function moveFilters(place: Place): Promise<void> {
  const { kernel, pins, netns } = place;
  const links = pins.links();
  const filters = (await findFilters(place)).filter(({ ifindex }) => links.some((link) => link.ifindex === ifindex));
  const marks = links.filter(({ hook }) => hook === 'clsact' || hook === 'qdisc');
  if (filters.length === 0 && marks.length === 0) return;
  const gate = await ensureFilterGate(kernel, pins);
  try {
    const { id } = gate.info();
    for (const found of filters) {
      if (found.programId !== id)
        await ignoreGone(kernel.attachFilter(gate, { ...placeOf(found, netns), replace: true }));
      failpoint('one-link-moved');
    }
    for (const { ifindex, hook } of marks) mark(pins, gate, ifindex, hook as 'clsact' | 'qdisc');
  } finally {
    gate.close();
  }
}

/**
 * The gate of filters, loaded and pinned by the first of them, and the array by whose pin it knows that it filters: made
 * together, since one without the other is of no use.
 */
export async function ensureFilterGate(kernel: Kernel, pins: PinLayout): Promise<BpfProgram> {
  const pinned = existsSync(pins.pinned) ? openGate(kernel, pins) : null;
  if (pinned) return pinned;
  for (const path of [pins.gate('clsact'), pins.pinned]) rmSync(path, { force: true });
  const { gateCounters } = STATE_PINS;
  const maps = openPinnedMaps(kernel, { [gateCounters]: pins.state(gateCounters) });
  const object = openDatapath(kernel, GATE, { reuse: maps, create: { slc_pinned: 1 } });
  try {
    await object.load();
    const behind = kernel.openPinnedProgram(pins.gate('egress'));
    const array = object.map('slc_pinned');
    try {
      array.updateProgram(slotKey(0), behind);
      array.pin(pins.pinned);
    } finally {
      array.close();
      behind.close();
    }
    const gate = object.program(GATE);
    gate.pin(pins.gate('clsact'));
    return gate;
  } finally {
    object.close();
    closeMaps(maps);
  }
}
