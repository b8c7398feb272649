/**
 * What an older version pinned makes room for this one's, and no packet passes unjudged or is judged by anything else in
 * between: a whole state is made beside, takes the other's place among the pins, and then each link,
 * or clsact filter, is given the new gate, which the kernel does between two packets. Maps whose layout is the same are gone on with, so that
 * both judge by the same flows, bans and limits while links are moved one by one.
 *
 * Cut short before the states change places, the older one is as it was; after that, whoever takes the lock next moves the
 * links that are left.
 */
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { flowBuckets } from '../compile/flow-table';
import { SLC_SLOT_OPEN } from '../abi/layout.gen';
import type { Image } from '../compile/image';
import { createFlowMaps, type FlowMaps } from '../kernel/datapath-maps';
import { KernelError } from '../kernel/errors';
import type { BpfMap, Kernel } from '../kernel/kernel';
import { FLOW_PINS, type PinLayout, STATE_PINS } from '../kernel/pins';
import { ensureFilterGate, moveFilters, type Place } from './egress-filter';
import { failpoint } from './failpoint';
import { lastingWord, OPEN_GATE } from './gate-word';
import {
  closeFlows,
  closePrograms,
  createGeneration,
  type Fold,
  GENERATION_PINS,
  liveGenerations,
  openFlows,
  retireGenerations,
} from './generations';
import { changedParts, type OlderState, openKept, pinnedVersion, type StatePart } from './older';
import { countedTables, type KnownNumbers, numberServers, ownerNumbers, pinnedOwnerNumbers } from './owner-numbers';
import { closeMaps } from './pinned-maps';
import { removeSpares } from './spare';
import { SharedState } from './state';

export interface ReplaceRequest {
  /**
   * Rulesets of the older generations, compiled by this version: of the one that judges, or waits to be confirmed, behind
   * the one that judges otherwise.
   */
  readonly rulesets: readonly { readonly older: number; readonly image: Image }[];
  /** Called before anything changes: must keep durably what the ranks of this generation, of the older one, mean. */
  readonly record: (generation: number, older: number) => void;
  /** Puts back into the state what outlives it, of the parts that could not be taken over. */
  readonly fillState: (state: SharedState, changed: ReadonlySet<StatePart>) => Promise<void>;
  /** Opens the flows of connections that were open before, where the flows could not be taken over. */
  readonly seed: (state: SharedState, made: Made, flows: FlowMaps) => Promise<void>;
  readonly fold: Fold;
}

/** A generation and its ruleset. */
interface Made {
  readonly generation: number;
  readonly image: Image;
}

/** What became of it. */
export interface Replaced {
  /** New numbers of the generations, by the older ones. */
  readonly generations: ReadonlyMap<number, number>;
  /** Parts of the state that could not be taken over. */
  readonly lost: ReadonlySet<StatePart>;
}

/** Replaces what the older version pinned. The caller holds the lock. */
export async function replaceState(place: Place, older: OlderState, request: ReplaceRequest): Promise<Replaced> {
  const { kernel, pins } = place;
  const beside = pins.beside();
  const lost = new Set(changedParts(older.version));
  const clear = (): void => {
    rmSync(beside.stateDirectory, { recursive: true, force: true });
    request.rulesets.forEach((_, i) => {
      pins.removeGeneration(older.nextGeneration + i);
    });
  };
  clear(); // of one that was cut short
  mkdirSync(beside.stateDirectory, { mode: 0o700 });
  const kept = openKept(kernel, pins, lost);
  let generations: ReadonlyMap<number, number>;
  try {
    generations = await makeBeside(place, older, request, { beside, kept, lost });
  } catch (error) {
    clear();
    throw error;
  } finally {
    closeMaps(kept);
  }
  // From here on it is this version's, and an older one refuses it.
  renameSync(pins.stateDirectory, pins.replaced);
  failpoint('replaced-aside');
  renameSync(beside.stateDirectory, pins.stateDirectory);
  failpoint('replaced-by');
  await finishReplacing(place);
  const state = SharedState.find(kernel, pins)!;
  try {
    await retireGenerations(kernel, pins, state, request.fold);
  } finally {
    state.close();
  }
  return { generations, lost };
}

async function makeBeside(
  place: Place,
  older: OlderState,
  request: ReplaceRequest,
  {
    beside,
    kept,
    lost,
  }: { beside: PinLayout; kept: Partial<Record<keyof typeof STATE_PINS, BpfMap>>; lost: Set<StatePart> },
): Promise<ReadonlyMap<number, number>> {
  const { kernel, pins } = place;
  const state = await SharedState.make(kernel, beside, older, kept);
  try {
    if (existsSync(pins.gate('clsact'))) (await ensureFilterGate(kernel, beside)).close();
    failpoint('beside-made');
    if (!lost.has('bans')) await state.bans.adopt();
    if (!lost.has('open')) state.open.adopt();
    await request.fillState(state, lost);
    const generations = await makeGenerations(place, state, request, lost);
    await takeDeadlines(state, older, request.rulesets.length - 1);
    failpoint('beside-ready');
    return generations;
  } finally {
    state.close();
  }
}

/** A generation for each of the older ones, in slots from 0; its new number by theirs. */
async function makeGenerations(
  place: Place,
  state: SharedState,
  request: ReplaceRequest,
  lost: Set<StatePart>,
): Promise<ReadonlyMap<number, number>> {
  const { kernel, pins } = place;
  const numbers = [...knownNumbers(place, request.rulesets, lost)];
  const tables = new FlowTables(place, request.rulesets, lost);
  const generations = new Map<number, number>();
  try {
    for (const [slot, { older, image: compiled }] of request.rulesets.entries()) {
      const { flows, isNew } = await tables.take(older, flowBuckets(compiled.features.maxFlows));
      const image = await numberServers(compiled, numbers, countedTables(state, flows));
      // The next one has the same, also where those of the older ones cannot be told.
      numbers.push(ownerNumbers(image.bytes));
      const { generation, programs } = await createGeneration(kernel, pins, state, image, flows);
      try {
        request.record(generation, older);
        failpoint('beside-recorded');
        if (isNew) await request.seed(state, { generation, image }, flows);
        await state.setSlotGeneration(slot, generation);
        state.fillSlot(slot, programs);
        generations.set(older, generation);
      } finally {
        closePrograms(programs);
      }
    }
  } finally {
    tables.close();
  }
  forgetOwners(request.rulesets, lost);
  return generations;
}

/** Who waits to be confirmed goes on waiting, until the same moment; the last of the slots judges meanwhile. */
async function takeDeadlines(state: SharedState, { pending, words, version }: OlderState, slot: number): Promise<void> {
  const confirm = state.confirmWords();
  confirm.adopt(words, version);
  confirm.close();
  if (!pending) {
    state.exchangeGate(OPEN_GATE, lastingWord(slot));
    return;
  }
  await state.setFresh(pending.fresh ?? []);
  const previous = pending.previous === null ? SLC_SLOT_OPEN : slot - 1;
  state.exchangeGate(OPEN_GATE, { slot, previous, deadlineNs: pending.deadlineNs });
}

type Rulesets = ReplaceRequest['rulesets'];

/**
 * Flow tables of the new generations: the older ones', where they can be gone on with; else empty ones, one for all
 * generations that want its size, as the older ones had, so that what one of them opens lives when the other judges.
 */
class FlowTables {
  readonly #older = new Map<number, FlowMaps>();
  readonly #made = new Map<number, FlowMaps>();
  readonly #kernel: Kernel;

  constructor(
    { kernel, pins }: Place,
    rulesets: Rulesets,
    private readonly lost: Set<StatePart>,
  ) {
    this.#kernel = kernel;
    if (lost.has('flows')) return;
    for (const { older } of rulesets)
      if (Object.values(FLOW_PINS).every((name) => existsSync(join(pins.generation(older), name))))
        this.#older.set(older, openFlows(kernel, pins, older));
  }

  /** The table that takes the place of an older generation's, in this size. */
  async take(older: number, buckets: number): Promise<{ readonly flows: FlowMaps; readonly isNew: boolean }> {
    const own = this.#older.get(older);
    const kept = [...(own ? [own] : []), ...this.#older.values()].find(
      ({ flows }) => flows.info().maxEntries === buckets,
    );
    if (kept) return { flows: kept, isNew: false };
    this.lost.add('flows');
    const flows = this.#made.get(buckets) ?? (await createFlowMaps(this.#kernel, buckets));
    this.#made.set(buckets, flows);
    return { flows, isNew: true };
  }

  close(): void {
    for (const flows of [...this.#older.values(), ...this.#made.values()]) closeFlows(flows);
  }
}

/** Which numbers servers had, as far as the images of the older generations can be read. */
function knownNumbers({ kernel, pins }: Place, rulesets: Rulesets, lost: Set<StatePart>): KnownNumbers {
  const isPinned = ({ older }: Rulesets[number]): boolean =>
    existsSync(join(pins.generation(older), GENERATION_PINS.image));
  if (!rulesets.every(isPinned)) lost.add('owners');
  return lost.has('owners') ? [] : rulesets.map(({ older }) => pinnedOwnerNumbers(kernel, pins, older));
}

/** Whose entries of tables were is lost with these, and nobody's where there are no servers. */
function forgetOwners(rulesets: Rulesets, lost: Set<StatePart>): void {
  const isCounted = rulesets.some(({ image }) => image.features.servers);
  if (!isCounted || (['flows', 'windows'] as const).every((part) => lost.has(part))) lost.delete('owners');
}

/**
 * Finishes what was cut short after the states began to change places. False where there was nothing, or where pins that it
 * needs are gone too: what can be done then, the next reading of the state says.
 */
export async function finishReplacing(place: Place): Promise<boolean> {
  const { kernel, pins } = place;
  if (!pins.isHalfReplaced()) return false;
  if (!existsSync(pins.stateDirectory)) {
    const beside = pins.beside().stateDirectory;
    // Without the new one the older one, to whose gates the links lead still, is what there is.
    renameSync(existsSync(beside) ? beside : pins.replaced, pins.stateDirectory);
    if (!pins.isHalfReplaced()) return false;
  }
  if (!existsSync(pins.gate('egress')) || !existsSync(pins.gate('xdp'))) return false;
  await moveFilters(place);
  for (const hook of ['egress', 'xdp'] as const) {
    const gate = kernel.openPinnedProgram(pins.gate(hook));
    try {
      const { id } = gate.info();
      for (const { path } of pins.links().filter((link) => link.hook === hook)) {
        const link = kernel.openPinnedLink(path);
        try {
          const { programId, ifindex } = link.info();
          if (ifindex !== 0 && programId !== id) link.update(gate);
        } catch (error) {
          // Its device went away at this moment.
          if (!(error instanceof KernelError && ['ENOLINK', 'EINVAL', 'ENODEV'].includes(error.errno))) throw error;
        } finally {
          link.close();
        }
        failpoint('one-link-moved');
      }
    } finally {
      gate.close();
    }
  }
  failpoint('links-moved');
  await kernel.grace();
  forgetCounters(place);
  rmSync(pins.replaced, { recursive: true, force: true });
  removeSpares(pins);
  failpoint('replaced-gone');
  return true;
}

/**
 * What this version cannot read is not to be counted: counters of every older generation, those of one that was cut short
 * among them. Only now, so that the older version still has them where it goes on.
 */
function forgetCounters({ kernel, pins }: Place): void {
  // Where that is gone this was cut short behind it.
  const version = pinnedVersion(kernel, pins.replaced);
  if (version === null || !changedParts(version).has('counters')) return;
  const path = pins.state(STATE_PINS.state);
  if (!existsSync(path)) return;
  const map = kernel.openPinnedMap(path);
  const state = SharedState.over(kernel, pins, map);
  map.close();
  if (!state) return;
  const live = liveGenerations(state);
  state.close();
  for (const generation of pins.generations())
    if (!live.has(generation)) rmSync(join(pins.generation(generation), GENERATION_PINS.counters), { force: true });
}
