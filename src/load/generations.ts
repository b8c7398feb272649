/** Generations: what a ruleset is in the kernel (image, counters, a program a hook), from birth to retirement. */
import { readCounters, type CounterFigures } from '../kernel/counters';
import { createGenerationMaps, type FlowMaps, type GenerationMaps } from '../kernel/datapath-maps';
import { datapathSwitches, type DatapathSwitches } from '../kernel/datapath-switches';
import { loadProgram } from '../kernel/load-program';
import type { BpfMap, BpfProgram, Kernel } from '../kernel/kernel';
import { FLOW_PINS, type PinLayout } from '../kernel/pins';
import type { Image } from '../compile/image';
import { SLC_LIMITS } from '../abi/layout.gen';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { failpoint } from './failpoint';
import { openPinnedMaps } from './pinned-maps';
import { awaitsConfirmation } from './gate-word';
import type { SharedState } from './state';

/** Adds a retired generation's figures to the totals; must do nothing when that generation was added before. */
export type Fold = (generation: number, figures: ReadonlyMap<number, CounterFigures>) => Promise<void>;

/** Handles of a generation's programs. */
export interface GenerationPrograms {
  ingress: BpfProgram;
  egress: BpfProgram;
}

/** Lets go of both; what is pinned or in a slot goes on. */
export function closePrograms({ ingress, egress }: GenerationPrograms): void {
  ingress.close();
  egress.close();
}

/**
 * Makes a generation: takes its number, fills and freezes its image, loads its programs, pins all of it. Nothing judges
 * by it yet. The caller closes the programs. On failure nothing of it is left.
 */
export async function createGeneration(
  kernel: Kernel,
  pins: PinLayout,
  state: SharedState,
  image: Image,
  flows: FlowMaps,
  /** Called once the programs are on their way to the verifier; must not throw. */
  whileLoading: () => void = () => undefined,
): Promise<{ generation: number; programs: GenerationPrograms; instructions: number }> {
  const number = state.takeGeneration();
  const switches = datapathSwitches(
    image,
    false,
    state.tableSwitches(number, flows.flows.info().maxEntries),
    state.eventSwitches,
  );
  const maps = createGenerationMaps(kernel, switches);
  try {
    await fillImage(maps.image, image.bytes);
    failpoint('after-image');
    const loading = loadPrograms(kernel, switches, {
      ...{ ...maps, ...state.tables, ...flows },
      ...{ bans: state.banMaps, open: state.openMaps, confirm: state.confirmMap, ...state.eventMaps },
    });
    whileLoading();
    const { programs, instructions } = await loading;
    try {
      failpoint('after-load');
      pinGeneration(pins.generation(number), { maps, programs, flows });
      failpoint('after-pin');
      return { generation: number, programs, instructions };
    } catch (error) {
      closePrograms(programs);
      pins.removeGeneration(number);
      throw error;
    }
  } finally {
    maps.image.close();
    maps.counters.close();
  }
}

/** Puts the bytes into the image map; from then on nobody can change it. */
export async function fillImage(map: BpfMap, bytes: Uint8Array): Promise<void> {
  const region = map.mmap({ writable: true });
  try {
    await region.write(0, bytes);
  } finally {
    region.close();
  }
  map.freeze();
}

/** Names of a generation's own pins in its directory. */
export const GENERATION_PINS = { image: 'image', counters: 'counters', ingress: 'program', egress: 'egress' } as const;

/** Makes the directory and pins in it all that a generation holds. */
export function pinGeneration(
  directory: string,
  {
    maps,
    programs,
    flows,
  }: { maps: Pick<GenerationMaps, 'image' | 'counters'>; programs: GenerationPrograms; flows: FlowMaps },
): void {
  mkdirSync(directory, { mode: 0o700 });
  maps.image.pin(join(directory, GENERATION_PINS.image));
  maps.counters.pin(join(directory, GENERATION_PINS.counters));
  programs.ingress.pin(join(directory, GENERATION_PINS.ingress));
  programs.egress.pin(join(directory, GENERATION_PINS.egress));
  flows.flows.pin(join(directory, FLOW_PINS.flows));
  flows.flowTags.pin(join(directory, FLOW_PINS.flowTags));
  flows.flowShares.pin(join(directory, FLOW_PINS.flowShares));
}

/** Loads both programs at once: an apply waits for little else but the verifier, and machines have several processors. */
export async function loadPrograms(
  kernel: Kernel,
  switches: DatapathSwitches,
  maps: GenerationMaps,
): Promise<{ programs: GenerationPrograms; instructions: number }> {
  const [ingress, egress] = await Promise.allSettled([
    loadProgram(kernel, 'slc_ingress', switches, maps),
    loadProgram(kernel, 'slc_egress_main', switches, maps),
  ]);
  if (ingress.status === 'fulfilled' && egress.status === 'fulfilled') {
    return {
      programs: { ingress: ingress.value.program, egress: egress.value.program },
      instructions: ingress.value.instructions + egress.value.instructions,
    };
  }
  if (ingress.status === 'fulfilled') ingress.value.program.close();
  if (egress.status === 'fulfilled') egress.value.program.close();
  throw (ingress.status === 'rejected' ? ingress : (egress as PromiseRejectedResult)).reason;
}

/** The flow table of a pinned generation; the caller closes it. */
export function openFlows(kernel: Kernel, pins: PinLayout, number: number): FlowMaps {
  const path = (name: keyof typeof FLOW_PINS): string => join(pins.generation(number), FLOW_PINS[name]);
  return openPinnedMaps(kernel, {
    ...{ flows: path('flows'), flowTags: path('flowTags') },
    flowShares: path('flowShares'),
  });
}

/** Lets go of the table; what is pinned goes on. */
export function closeFlows({ flows, flowTags, flowShares }: FlowMaps): void {
  flows.close();
  flowTags.close();
  flowShares.close();
}

/** Figures of a pinned generation by counter slot. */
export function generationCounters(
  kernel: Kernel,
  pins: PinLayout,
  number: number,
): ReadonlyMap<number, CounterFigures> {
  const map = kernel.openPinnedMap(join(pins.generation(number), GENERATION_PINS.counters));
  try {
    return readCounters(map);
  } finally {
    map.close();
  }
}

/** Generations that judge, or may judge again when a pending confirmation runs out. */
export function liveGenerations(state: SharedState): Set<number> {
  const { slot, previous } = state.gate;
  const slots = awaitsConfirmation(state.gate) ? [slot, previous] : [slot];
  return new Set(slots.map((index) => state.slotGeneration(index)).filter((generation) => generation !== 0));
}

/**
 * Retires every generation that does not judge: folds its counters, empties its slot, removes its pins. This is the
 * end of an apply and also what the next process does after one that was killed. Waits first until no packet can be
 * inside a retired program, so that no count comes after the fold.
 */
export async function retireGenerations(
  kernel: Kernel,
  pins: PinLayout,
  state: SharedState,
  fold: Fold,
): Promise<number[]> {
  const live = liveGenerations(state);
  const retired = pins.generations().filter((generation) => !live.has(generation));
  const slots = Array.from({ length: SLC_LIMITS.PROGRAM_SLOTS }, (_, slot) => slot).filter((slot) => {
    const generation = state.slotGeneration(slot);
    return generation !== 0 && !live.has(generation);
  });
  if (retired.length === 0 && slots.length === 0) return [];
  await kernel.grace();
  // One newer than what judges was not confirmed, or was cut short: that one never judged, and is not to be counted.
  const newest = Math.max(0, ...live);
  for (const generation of retired) {
    const figures = figuresOf(kernel, pins, generation);
    if (generation < newest || figures.size > 0) await fold(generation, figures);
  }
  failpoint('after-fold');
  for (const slot of slots) await emptySlot(state, slot);
  for (const generation of retired) pins.removeGeneration(generation);
  return retired;
}

/** The program first: a slot whose generation has no number would never be emptied. */
export async function emptySlot(state: SharedState, slot: number): Promise<void> {
  state.emptySlot(slot);
  await state.setSlotGeneration(slot, 0);
}

/** A generation that was cut short before its counters were pinned has counted nothing. */
export function figuresOf(kernel: Kernel, pins: PinLayout, generation: number): ReadonlyMap<number, CounterFigures> {
  try {
    return generationCounters(kernel, pins, generation);
  } catch (error) {
    if ((error as { errno?: string }).errno === 'ENOENT') return new Map();
    throw error;
  }
}
