/**
 * What an older version pinned makes room for this one's, and no packet passes unjudged or is judged by anything else in
 * between: a whole state with one generation is made beside, takes the other's place among the pins, and then each link is
 * given the new gate, which the kernel does between two packets. Maps whose layout is the same are gone on with, so that
 * both judge by the same flows, bans and limits while links are moved one by one.
 *
 * Cut short before the states change places, the older one is as it was; after that, whoever takes the lock next moves the
 * links that are left.
 */
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { flowBuckets } from '../compile/flow-table';
import type { Image } from '../compile/image';
import { createFlowMaps, type FlowMaps } from '../kernel/datapath';
import { KernelError, SluiceError } from '../kernel/errors';
import type { BpfMap, Kernel } from '../kernel/kernel';
import { FLOW_PINS, type PinLayout, STATE_PINS } from '../kernel/pins';
import type { Place } from './egress-filter';
import { failpoint } from './failpoint';
import { lastingWord, OPEN_GATE } from './gate-word';
import {
  closeFlows,
  closePrograms,
  createGeneration,
  type Fold,
  GENERATION_PINS,
  openFlows,
  retireGenerations,
} from './generations';
import { changedParts, type OlderState, openKept, type StatePart } from './older';
import { closeMaps } from './pinned-maps';
import { removeSpares } from './spare';
import { SharedState } from './state';

export interface ReplaceRequest {
  /** The ruleset that judges, compiled by this version. */
  readonly image: Image;
  /** Called before anything changes: must keep durably what the ranks of this generation mean. */
  readonly record: (generation: number, instance: string) => void;
  /** Puts back into the state what outlives it, of the parts that could not be taken over. */
  readonly fillState: (state: SharedState, changed: ReadonlySet<StatePart>) => Promise<void>;
  /** Opens the flows of connections that were open before, where the flows could not be taken over. */
  readonly seed: (state: SharedState, generation: number, flows: FlowMaps) => Promise<void>;
  readonly fold: Fold;
}

/** What became of it. */
export interface Replaced {
  readonly generation: number;
  readonly instance: string;
  /** Parts of the state that could not be taken over. */
  readonly lost: ReadonlySet<StatePart>;
}

const SLOT = 0;

/** Replaces what the older version pinned. The caller holds the lock. */
export async function replaceState(place: Place, older: OlderState, request: ReplaceRequest): Promise<Replaced> {
  const { kernel, pins } = place;
  refuseFilters(pins);
  const beside = pins.beside();
  const lost = new Set(changedParts(older.version));
  rmSync(beside.stateDirectory, { recursive: true, force: true }); // of one that was cut short
  pins.removeGeneration(older.nextGeneration);
  mkdirSync(beside.stateDirectory, { mode: 0o700 });
  const kept = openKept(kernel, pins, lost);
  let made: Awaited<ReturnType<typeof makeBeside>>;
  try {
    made = await makeBeside(place, older, request, { beside, kept, lost });
  } catch (error) {
    rmSync(beside.stateDirectory, { recursive: true, force: true });
    pins.removeGeneration(older.nextGeneration);
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
  return { ...made, lost };
}

async function makeBeside(
  { kernel, pins }: Place,
  older: OlderState,
  { image, record, fillState, seed }: ReplaceRequest,
  {
    beside,
    kept,
    lost,
  }: { beside: PinLayout; kept: Partial<Record<keyof typeof STATE_PINS, BpfMap>>; lost: Set<StatePart> },
): Promise<Pick<Replaced, 'generation' | 'instance'>> {
  const state = await SharedState.make(kernel, beside, older, kept);
  try {
    failpoint('beside-made');
    if (!lost.has('bans')) await state.bans.adopt();
    if (!lost.has('open')) state.open.adopt();
    await fillState(state, lost);
    const flows = await takeFlows(kernel, pins, older, image, lost);
    try {
      const { generation, programs } = await createGeneration(kernel, pins, state, image, flows);
      try {
        record(generation, state.instance);
        failpoint('beside-recorded');
        if (lost.has('flows')) await seed(state, generation, flows);
        await state.setSlotGeneration(SLOT, generation);
        state.fillSlot(SLOT, programs);
        state.exchangeGate(OPEN_GATE, lastingWord(SLOT));
      } finally {
        closePrograms(programs);
      }
      // What cannot be read is not to be counted.
      if (lost.has('counters') && older.judging !== null)
        rmSync(join(pins.generation(older.judging), GENERATION_PINS.counters), { force: true });
      failpoint('beside-ready');
      return { generation, instance: state.instance };
    } finally {
      closeFlows(flows);
    }
  } finally {
    state.close();
  }
}

/** The flow table of what judges, where it can be gone on with; else an empty one. */
async function takeFlows(
  kernel: Kernel,
  pins: PinLayout,
  { judging }: OlderState,
  image: Image,
  lost: Set<StatePart>,
): Promise<FlowMaps> {
  const buckets = flowBuckets(image.features.maxFlows);
  const isPinned = Object.values(FLOW_PINS).every((name) => existsSync(join(pins.generation(judging ?? 0), name)));
  if (!lost.has('flows') && judging !== null && isPinned) {
    const flows = openFlows(kernel, pins, judging);
    if (flows.flows.info().maxEntries === buckets) return flows;
    closeFlows(flows);
  }
  lost.add('flows');
  return createFlowMaps(kernel, buckets);
}

/** A filter of a clsact discipline is no link: it cannot be given another program between two packets. */
function refuseFilters(pins: PinLayout): void {
  if (!pins.links().some(({ hook }) => hook === 'clsact')) return;
  throw new SluiceError(
    'load/replace-filter',
    'what an older sluice pinned hangs in a clsact filter on this kernel, whose program cannot be exchanged without a gap',
    { hint: 'it goes on judging; at a moment when nothing need be filtered: sluice disable, sluice enable' },
  );
}

/**
 * Finishes what was cut short after the states began to change places. False where there was nothing, or where pins that it
 * needs are gone too: what can be done then, the next reading of the state says.
 */
export async function finishReplacing({ kernel, pins }: Place): Promise<boolean> {
  if (!pins.isHalfReplaced()) return false;
  if (!existsSync(pins.stateDirectory)) {
    const beside = pins.beside().stateDirectory;
    // Without the new one the older one, to whose gates the links lead still, is what there is.
    renameSync(existsSync(beside) ? beside : pins.replaced, pins.stateDirectory);
    if (!pins.isHalfReplaced()) return false;
  }
  if (!existsSync(pins.gate('egress')) || !existsSync(pins.gate('xdp'))) return false;
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
  rmSync(pins.replaced, { recursive: true, force: true });
  removeSpares(pins);
  failpoint('replaced-gone');
  return true;
}
