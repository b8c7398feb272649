/**
 * Image → running firewall. Everything is made ready beside what judges now; then one store of the gate word changes
 * both hooks of all interfaces at the same packet. Until that store (where nothing was filtered: until the gate is
 * attached) a failure, or a kill, changes nothing.
 */
import { join } from 'node:path';
import { types } from 'node:util';
import { SLC_ENTRY, SLC_GATE_DEADLINE_MASK, SLC_LIMITS, SLC_SLOT_OPEN } from '../abi/layout.gen';
import { flowBuckets } from '../compile/flow-table';
import type { Image } from '../compile/image';
import { createFlowMaps, type FlowMaps } from '../kernel/datapath-maps';
import { datapathSwitches } from '../kernel/datapath-switches';
import { moveFlows } from '../kernel/move-flows';
import { SluiceError } from '../kernel/errors';
import type { Interface } from '../kernel/interfaces';
import type { Kernel } from '../kernel/kernel';
import type { PinLayout } from '../kernel/pins';
import type { AttachMode } from '../model/ruleset';
import { attachAll, type Attachment, currentAttachments, detachOne, removeDeadLinks } from './attach';
import { type Place, removeStaleFilters } from './egress-filter';
import { failpoint } from './failpoint';
import { ReadyFallback } from './fallback';
import { awaitsConfirmation, freeSlot, lastingSlot, lastingWord } from './gate-word';
import {
  closeFlows,
  closePrograms,
  createGeneration,
  emptySlot,
  figuresOf,
  type Fold,
  liveGenerations,
  openFlows,
  retireGenerations,
} from './generations';
import { countedTables, flowShareOf, liveOwnerNumbers, numberServers, ownerNumbers } from './owner-numbers';
import { seedFlows } from './seed-flows';
import { adoptSpare } from './spare';
import { SharedState } from './state';

export interface ApplyRequest {
  readonly image: Image;
  readonly interfaces: readonly Interface[];
  readonly mode: AttachMode;
  readonly netns?: string;
  /**
   * Nanoseconds for which the change waits to be confirmed; then what it replaced judges again, by itself. Over a change
   * that waits already it is what that one replaced. Left out: it holds at once.
   */
  readonly confirmNs?: bigint;
  /** Words of sections that wait by themselves, and how long from then on: they are in the image. */
  readonly begin?: readonly { readonly word: number; readonly ns: bigint }[];
  /** Over a change that waits, which goes on waiting as long: what judges again otherwise, made anew with it. */
  readonly fallback?: Image;
  /** Number of the first generation; asked where sluice was not active before. */
  readonly firstGeneration: () => number;
  /** Called before the gate changes: must keep durably what the ranks of this generation mean. */
  readonly record: (generation: number, instance: string, fallback?: number) => Promise<void>;
  readonly fold: Fold;
  /** Called once the programs are on their way to the verifier, by threads of their own. Must not throw. */
  readonly whileLoading?: () => void;
  /** Called while nothing is filtered, before anything is: puts back into the state what outlives it. */
  readonly fillState: (state: SharedState) => Promise<void>;
}

export interface Applied {
  readonly generation: number;
  readonly instance: string;
  /** What judges again otherwise, where that was made anew. */
  readonly fallback?: number;
  readonly attachments: readonly Attachment[];
  /** Instructions the verifier walked, of both programs. */
  readonly instructions: number;
  /** Boot-time nanoseconds at which the gate word was stored: from then on packets are judged by it. */
  readonly enforcedNs: bigint;
  /** Whether its programs had been loaded in advance. */
  readonly fromSpare: boolean;
  /** Interfaces that were filtered before and are not any more; where the change waits, not before it is confirmed. */
  readonly detached: readonly string[];
  /** Boot-time nanoseconds at which it is over where nobody confirms it; left out where it holds. */
  readonly deadlineNs?: bigint;
}

/** Another process changed the gate between reading and storing. */
export class ConflictError extends SluiceError {
  constructor() {
    super('load/conflict', 'another process applied a ruleset at the same moment', {
      hint: 'look at sluice status, then apply again',
    });
  }
}

/** Makes the image judge. The caller holds the lock. */
export async function applyImage(kernel: Kernel, pins: PinLayout, request: ApplyRequest): Promise<Applied> {
  failpoint('before-state');
  const found = SharedState.find(kernel, pins);
  const state = found ?? (await SharedState.create(kernel, pins, request.firstGeneration()));
  try {
    if (pins.links().length === 0) await request.fillState(state);
    failpoint('after-state');
    await retireGenerations(kernel, pins, state, request.fold);
    return await applyOver(kernel, pins, state, request);
  } catch (error) {
    if (!found && pins.links().length === 0) pins.removeAll();
    throw error;
  } finally {
    state.close();
  }
}

/** Clears away what an interrupted apply or detach left behind what judges. The caller holds the lock. */
export async function clearInterrupted({ kernel, pins, netns }: Place, fold: Fold): Promise<void> {
  const state = SharedState.find(kernel, pins);
  if (!state) return;
  try {
    await retireGenerations(kernel, pins, state, fold);
    removeDeadLinks(kernel, pins);
    await removeStaleFilters({ kernel, pins, netns });
  } finally {
    state.close();
  }
}

/** The flow table of what judges now, and the one that the image asks for: the same, where it is of that size. */
interface FlowTables {
  readonly after: FlowMaps;
  /** Only where the size changes. */
  readonly before?: FlowMaps;
}

async function flowTables(kernel: Kernel, pins: PinLayout, state: SharedState, image: Image): Promise<FlowTables> {
  const buckets = flowBuckets(image.features.maxFlows);
  const judging = Math.max(...liveGenerations(state));
  if (judging <= 0) return { after: await createFlowMaps(kernel, buckets) };
  const before = openFlows(kernel, pins, judging);
  if (before.flows.info().maxEntries === buckets) return { after: before };
  try {
    return { before, after: await createFlowMaps(kernel, buckets) };
  } catch (error) {
    closeFlows(before);
    throw error;
  }
}

async function applyOver(kernel: Kernel, pins: PinLayout, state: SharedState, request: ApplyRequest): Promise<Applied> {
  const flows = await flowTables(kernel, pins, state, request.image);
  try {
    if (!request.fallback) return await applyWith(kernel, pins, state, request, { flows, fallback: null });
    // Before what waits: that is the newer one of both.
    const fallback = await ReadyFallback.make(kernel, pins, state, { gate: state.gate, image: request.fallback });
    if (!fallback) throw new ConflictError();
    try {
      return await applyWith(kernel, pins, state, request, { flows, fallback });
    } catch (error) {
      await fallback.undo();
      throw error;
    } finally {
      fallback.close();
    }
  } finally {
    closeFlows(flows.after);
    if (flows.before) closeFlows(flows.before);
  }
}

async function applyWith(
  kernel: Kernel,
  pins: PinLayout,
  state: SharedState,
  request: ApplyRequest,
  { flows, fallback }: { readonly flows: FlowTables; readonly fallback: ReadyFallback | null },
): Promise<Applied> {
  const before = state.gate;
  const attachedBefore = await currentAttachments(kernel, pins, request.netns);
  const slot = freeSlot(before);
  // What waits goes on waiting as long beside what judges again otherwise.
  let after = fallback ? { ...before, slot, previous: fallback.slot } : lastingWord(slot);
  // Of a table of another size nothing is counted yet: what it holds by then has the numbers from before.
  const live = liveOwnerNumbers(kernel, pins, state);
  // A server that is new in both has one number.
  const known = fallback ? [ownerNumbers(fallback.image.bytes), ...live] : live;
  const image =
    known.length === 0
      ? request.image
      : await numberServers(request.image, known, countedTables(state, flows.before ?? flows.after));
  const spare = await adoptSpare(kernel, pins, state, image, flows.after);
  const { generation, programs, instructions } =
    spare ?? (await createGeneration(kernel, pins, state, image, flows.after, request.whileLoading));
  const moveToNewTable = async (): Promise<void> => {
    if (!flows.before) return;
    const switches = state.tableSwitches(generation, flows.after.flows.info().maxEntries);
    const after = { ...flows.after, flowStats: state.tables.flowStats };
    await moveFlows(kernel, flows.before, after, switches, flowShareOf(image));
  };
  let gateChanged = false;
  let enforcedNs = 0n;
  const changeGate = async (): Promise<void> => {
    // A table of another size: all flows before, and what the old programs have made of them meanwhile after. In between
    // those that are opened in these moments are unknown.
    await moveToNewTable();
    if (request.confirmNs !== undefined) {
      const deadlineNs = (kernel.bootTimeNs() + request.confirmNs) & SLC_GATE_DEADLINE_MASK;
      after = { slot, previous: lastingSlot(before), deadlineNs };
    }
    beginWords(state, request.begin ?? [], kernel.bootTimeNs());
    failpoint('after-words');
    if (!state.exchangeGate(before, after)) throw new ConflictError();
    enforcedNs = kernel.bootTimeNs();
    gateChanged = true;
    failpoint('after-exchange');
    if (!flows.before) return;
    await kernel.grace();
    await moveToNewTable();
  };
  let attachments: Attachment[];
  try {
    await request.record(generation, state.instance, fallback?.generation);
    failpoint('after-record');
    // The number first: a slot that names no generation would never be emptied.
    await state.setSlotGeneration(slot, generation);
    state.fillSlot(slot, programs);
    await fallback?.fillSlot();
    failpoint('after-slot');
    if (request.confirmNs !== undefined && lastingSlot(before) !== SLC_SLOT_OPEN)
      await markFresh(state, request.interfaces, attachedBefore);
    // Where nothing is filtered the gate changes first, so that no packet meets it open. Else new interfaces are
    // judged as the others are until the gate changes for all of them at once.
    if (attachedBefore.length === 0) await changeGate();
    removeDeadLinks(kernel, pins);
    await removeStaleFilters({ kernel, pins, netns: request.netns });
    const options = attachOptions(kernel, pins, state, { ...request, generation, flows: flows.after });
    attachments = await attachAll(kernel, pins, request.interfaces, options);
    failpoint('after-attach');
    if (attachedBefore.length > 0) await changeGate();
  } catch (error) {
    const made = { generation, slot, attachedBefore, netns: request.netns };
    const failures = await undo(kernel, pins, state, made, async () => {
      if (!gateChanged) return;
      state.exchangeGate(after, before);
      // It may have judged for a moment. What it was to replace goes on counting: that is folded when it retires.
      await kernel.grace();
      await request.fold(generation, figuresOf(kernel, pins, generation));
    });
    throw failures.length === 0 ? error : new HalfUndoneError(error, failures);
  } finally {
    closePrograms(programs);
  }
  const detached = attachedBefore.filter((old) => !attachments.some((kept) => kept.ifindex === old.ifindex));
  failpoint('after-gate');
  if (request.confirmNs === undefined && !fallback)
    for (const old of detached) await detachOne({ kernel, pins, netns: request.netns }, old.ifindex);
  await retireGenerations(kernel, pins, state, request.fold);
  failpoint('after-retire');
  return {
    generation,
    ...(fallback && { fallback: fallback.generation }),
    instance: state.instance,
    attachments,
    instructions,
    enforcedNs,
    fromSpare: spare !== null,
    detached: detached.map((old) => old.name),
    ...(awaitsConfirmation(after) && { deadlineNs: after.deadlineNs }),
  };
}

/** The time of sections that wait by themselves begins; nothing that judges looks at these words yet. */
function beginWords(state: SharedState, begin: NonNullable<ApplyRequest['begin']>, nowNs: bigint): void {
  if (begin.length === 0) return;
  const words = state.confirmWords();
  try {
    for (const { word, ns } of begin) words.set(word, nowNs + ns);
  } finally {
    words.close();
  }
}

/**
 * Says in the state which interfaces a change that waits to be confirmed is the first to filter: where it is not, all
 * passes there again.
 */
async function markFresh(
  state: SharedState,
  interfaces: readonly Interface[],
  attachedBefore: readonly Attachment[],
): Promise<void> {
  const added = interfaces.filter(({ index }) => !attachedBefore.some(({ ifindex }) => ifindex === index));
  // What an earlier change that still waits was the first to filter stays so.
  const before = awaitsConfirmation(state.gate) ? state.fresh : [];
  const fresh = [...new Set([...before, ...added.map(({ index }) => index)])];
  if (fresh.length > SLC_LIMITS.FRESH_INTERFACES) {
    throw new SluiceError(
      'load/fresh',
      `a change that waits to be confirmed can be the first to filter ${SLC_LIMITS.FRESH_INTERFACES} interfaces, not ${fresh.length}`,
      { hint: `add them a few at a time, or: --no-confirm` },
    );
  }
  await state.setFresh(fresh);
}

/** Interfaces that what judges already is to filter too. */
export interface AttachRequest {
  readonly interfaces: readonly Interface[];
  readonly mode: AttachMode;
  readonly netns?: string;
  /** What judges, and its image. */
  readonly generation: number;
  readonly image: Image;
}

/**
 * Attaches the gates to interfaces that lack one of them: what appeared after the apply, or lost its link. The caller
 * holds the lock.
 */
export async function attachMore(kernel: Kernel, pins: PinLayout, request: AttachRequest): Promise<Attachment[]> {
  const state = SharedState.find(kernel, pins);
  if (!state) return [];
  try {
    pins.create(); // also where the folder of the links was removed
    removeDeadLinks(kernel, pins);
    await removeStaleFilters({ kernel, pins, netns: request.netns });
    const flows = openFlows(kernel, pins, request.generation);
    try {
      return await attachAll(
        kernel,
        pins,
        request.interfaces,
        attachOptions(kernel, pins, state, { ...request, flows }),
      );
    } finally {
      closeFlows(flows);
    }
  } finally {
    state.close();
  }
}

function attachOptions(
  kernel: Kernel,
  pins: PinLayout,
  state: SharedState,
  { image, generation, mode, netns, flows }: Omit<AttachRequest, 'interfaces'> & { flows: FlowMaps },
): Parameters<typeof attachAll>[3] {
  return {
    mode,
    needsEgress: [SLC_ENTRY.OUTBOUND, SLC_ENTRY.GUARD_OUT].some((entry) => image.features.sections[entry]),
    beforeIngress: (device) => seedDevice(kernel, pins, state, { image, generation, netns }, device, flows),
    ...(netns !== undefined && { netns }),
  };
}

/** Opens the flows of connections through a device that is not filtered yet. */
export async function seedDevice(
  kernel: Kernel,
  pins: PinLayout,
  state: SharedState,
  { image, generation, netns }: { image: Image; generation: number; netns?: string },
  device: Interface,
  flows: FlowMaps,
): Promise<void> {
  const imageMap = kernel.openPinnedMap(join(pins.generation(generation), 'image'));
  try {
    // What seeds flows is no packet of anybody's: nothing is told of it.
    const switches = {
      ...datapathSwitches(image, false, state.tableSwitches(generation, flows.flows.info().maxEntries)),
      logging: 'off' as const,
    };
    await seedFlows(kernel, device, image, { switches, imageMap, tables: { ...state.tables, ...flows } }, netns);
  } finally {
    imageMap.close();
  }
}

/** Something failed, and so did a part of taking back what had been made until then. */
export class HalfUndoneError extends SluiceError {
  constructor(cause: unknown, failures: readonly unknown[]) {
    const told = failures.map((failure) => messageOf(failure)).join('; ');
    super('load/half-undone', `${messageOf(cause)}; and what was made until then could not all be undone: ${told}`, {
      hint: 'sluice status tells what enforces; sluice apply or sluice disable clears the rest away',
      cause,
    });
  }
}

function messageOf(cause: unknown): string {
  return types.isNativeError(cause) ? cause.message : String(cause);
}

/**
 * Takes back what was made ready; what judged before goes on. Each step is tried, whatever became of the others; answers
 * with what failed.
 */
async function undo(
  kernel: Kernel,
  pins: PinLayout,
  state: SharedState,
  made: { generation: number; slot: number; attachedBefore: readonly Attachment[]; netns?: string },
  restoreGate: () => Promise<void>,
): Promise<unknown[]> {
  const fresh = pins.links().filter(({ ifindex }) => !made.attachedBefore.some((old) => old.ifindex === ifindex));
  const steps: (() => void | Promise<void>)[] = [
    ...[...new Set(fresh.map(({ ifindex }) => ifindex))].map(
      (ifindex) => () => detachOne({ kernel, pins, netns: made.netns }, ifindex),
    ),
    restoreGate,
    () => emptySlot(state, made.slot),
    () => {
      pins.removeGeneration(made.generation);
    },
  ];
  const failures: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (failure) {
      failures.push(failure);
    }
  }
  return failures;
}
