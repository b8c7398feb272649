/**
 * A spare generation: programs that are loaded, and wait for their ruleset. Nearly all that an apply waits for is the
 * verifier, which asks for the switches of a ruleset and not for its rules; so programs with the switches of what judges
 * are loaded over an empty image while nobody waits, and the next apply fills that and turns the gate.
 *
 * Pinned in a directory that is named last, `spare/<generation>-<instructions>-<key>`, and becomes `gen/<generation>` by
 * one rename: whoever is killed leaves a whole one, one without a key (thrown away), or a generation that does not judge.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { LAYOUT, RODATA, SLC_ABI_VERSION } from '../abi/layout.gen';
import type { Image } from '../compile/image';
import { counterRows, createGenerationMaps, type FlowMaps } from '../kernel/datapath-maps';
import { datapathDigest } from '../kernel/datapath-object';
import { datapathSwitches, type DatapathSwitches } from '../kernel/datapath-switches';
import { KernelError } from '../kernel/errors';
import type { BpfMap, BpfProgram, Kernel } from '../kernel/kernel';
import { type PinLayout, STATE_PINS } from '../kernel/pins';
import { failpoint } from './failpoint';
import {
  closePrograms,
  fillImage,
  GENERATION_PINS,
  type GenerationPrograms,
  loadPrograms,
  pinGeneration,
} from './generations';
import type { SharedState } from './state';

/** A spare that is pinned. */
export interface Spare {
  /** The number it will have: the next one, which another takes where the spare is not adopted. */
  readonly generation: number;
  /** Kernel memory of its image and of its counters. */
  readonly bytes: number;
}

/** What decides which programs an image needs. */
type Wanted = Pick<Image, 'counterSlots' | 'features'> & { readonly bytes: { readonly length: number } };

/** Of image and counters together: with more no spare is kept. */
export const SPARE_BYTES_MAX = 64 << 20;
/** What an image may grow by until its spare is too small: a quarter, and a few hundred rules. */
const GROWTH_SHARE = 4;
const GROWTH_IMAGE_BYTES = 32 << 10;
const GROWTH_COUNTERS = 256;
/** A spare of more than so many times what an image needs, and this besides, is too large for it. */
const WASTE_FACTOR = 4;
const WASTE_BYTES = 1 << 20;

const PAGE_BYTES = 4096;
const COUNTERS_OF_PAGE = PAGE_BYTES / LAYOUT.slc_hits.size;

/** A directory in `spare/` whose programs and maps are all there. */
interface Found {
  readonly name: string;
  readonly generation: number;
  readonly instructions: number;
  readonly key: string;
}

function findSpares(pins: PinLayout): Found[] {
  let names: string[];
  try {
    names = readdirSync(pins.spares);
  } catch {
    return [];
  }
  return names.flatMap((name) => {
    const match = /^(\d+)-(\d+)-([0-9a-f]{64})$/.exec(name);
    return match ? [{ name, generation: Number(match[1]), instructions: Number(match[2]), key: match[3] }] : [];
  });
}

/** Removes every spare, whole or not. */
export function removeSpares(pins: PinLayout): void {
  rmSync(pins.spares, { recursive: true, force: true });
}

/** Equal where programs with these switches, over these maps, are the same but for sizes and number. */
function keyOf(state: SharedState, switches: DatapathSwitches, flows: FlowMaps): string {
  const programs = { ...switches, imageSlots: 0, counterSlots: 0, tables: { ...switches.tables, generation: 0 } };
  const maps = [state.banMaps.state, flows.flows, flows.flowTags, flows.flowShares].map((map) => map.info().id);
  // The offsets too: a process that outlives an upgrade writes constants where the old objects had them.
  const text = JSON.stringify([SLC_ABI_VERSION, datapathDigest(), RODATA, maps, programs], (_, value: unknown) =>
    typeof value === 'bigint' ? value.toString() : value,
  );
  return createHash('sha256').update(text).digest('hex');
}

function switchesFor(state: SharedState, image: Wanted, generation: number, flows: FlowMaps): DatapathSwitches {
  const tables = state.tableSwitches(generation, flows.flows.info().maxEntries);
  return datapathSwitches(image, false, tables, state.eventSwitches);
}

/** What an image needs, with room to grow. */
function withRoom({ bytes, counterSlots, features }: Wanted): Wanted {
  const pages = (size: number, page: number): number => Math.ceil(size / page) * page;
  const length = bytes.length + Math.ceil(bytes.length / GROWTH_SHARE) + GROWTH_IMAGE_BYTES;
  const slots = counterSlots + Math.ceil(counterSlots / GROWTH_SHARE) + GROWTH_COUNTERS;
  return {
    features,
    bytes: { length: pages(length, PAGE_BYTES) },
    counterSlots: pages(slots, COUNTERS_OF_PAGE),
  };
}

function bytesOf(kernel: Kernel, { bytes, counterSlots }: Wanted): number {
  return bytes.length + counterSlots * LAYOUT.slc_hits.size * counterRows(kernel);
}

/**
 * Keeps one spare for what an image like this one asks for, over the flow table of what judges: leaves the one that is
 * there where it is right, or makes one. Null where it would take more than `SPARE_BYTES_MAX`. The caller holds the lock.
 */
export async function prepareSpare(
  kernel: Kernel,
  pins: PinLayout,
  state: SharedState,
  image: Wanted,
  flows: FlowMaps,
): Promise<Spare | null> {
  const wanted = withRoom(image);
  const bytes = bytesOf(kernel, wanted);
  const key = keyOf(state, switchesFor(state, wanted, 0, flows), flows);
  const generation = state.nextGeneration;
  const kept = findSpares(pins).find((spare) => spare.key === key && spare.generation === generation);
  const held = kept && sizesOf(kernel, join(pins.spares, kept.name));
  if (kept && held && fits(kernel, held, image)) return { generation: kept.generation, bytes: held.bytes };
  removeSpares(pins);
  if (bytes > SPARE_BYTES_MAX) return null;

  const switches = switchesFor(state, wanted, generation, flows);
  const maps = createGenerationMaps(kernel, switches);
  try {
    const { programs, instructions } = await loadPrograms(kernel, switches, {
      ...{ ...maps, ...state.tables, ...flows },
      ...{ bans: state.banMaps, open: state.openMaps, confirm: state.confirmMap, ...state.eventMaps },
    });
    try {
      failpoint('spare-loaded');
      // Not made again where somebody has removed all pins meanwhile: that ends enforcement.
      mkdirSync(pins.spares, { mode: 0o700 });
      const directory = join(pins.spares, String(generation));
      pinGeneration(directory, { maps, programs, flows });
      failpoint('spare-pinned');
      renameSync(directory, join(pins.spares, `${generation}-${instructions}-${key}`));
      failpoint('spare-named');
      // Somebody removed all pins while these were made: it ends with them.
      if (!existsSync(pins.state(STATE_PINS.state))) {
        removeSpares(pins);
        return null;
      }
    } catch (error) {
      removeSpares(pins);
      throw error;
    } finally {
      closePrograms(programs);
    }
  } finally {
    maps.image.close();
    maps.counters.close();
  }
  return { generation, bytes };
}

/** The spare that is pinned and whole; null where there is none. */
export function currentSpare(kernel: Kernel, pins: PinLayout): Spare | null {
  for (const { name, generation } of findSpares(pins)) {
    const held = sizesOf(kernel, join(pins.spares, name));
    if (held) return { generation, bytes: held.bytes };
  }
  return null;
}

interface Sizes {
  readonly imageBytes: number;
  readonly counterSlots: number;
  readonly bytes: number;
}

/** Null where a part is missing. */
function sizesOf(kernel: Kernel, directory: string): Sizes | null {
  const read = (name: string): { valueSize: number; maxEntries: number } => {
    const map = kernel.openPinnedMap(join(directory, name));
    try {
      return map.info();
    } finally {
      map.close();
    }
  };
  try {
    const { valueSize: imageBytes } = read(GENERATION_PINS.image);
    const { valueSize, maxEntries } = read(GENERATION_PINS.counters);
    const counterSlots = valueSize / LAYOUT.slc_hits.size;
    return { imageBytes, counterSlots, bytes: imageBytes + valueSize * maxEntries };
  } catch (error) {
    if (error instanceof KernelError) return null;
    throw error;
  }
}

function fits(kernel: Kernel, held: Sizes, image: Wanted): boolean {
  if (held.imageBytes < image.bytes.length || held.counterSlots < image.counterSlots) return false;
  return held.bytes <= WASTE_FACTOR * bytesOf(kernel, image) + WASTE_BYTES;
}

/** A generation that an apply has made ready. */
export interface ReadyGeneration {
  readonly generation: number;
  readonly programs: GenerationPrograms;
  /** Instructions the verifier walked, of both programs. */
  readonly instructions: number;
}

/**
 * Makes the spare the generation of this image: moves it to the generations and fills it. Null where there is none that
 * is right for it; any other is removed. Nothing judges by it yet; the caller closes the programs.
 */
export async function adoptSpare(
  kernel: Kernel,
  pins: PinLayout,
  state: SharedState,
  image: Image,
  flows: FlowMaps,
): Promise<ReadyGeneration | null> {
  const key = keyOf(state, switchesFor(state, image, 0, flows), flows);
  const generation = state.nextGeneration;
  const spare = findSpares(pins).find((found) => {
    if (found.key !== key || found.generation !== generation) return false;
    const held = sizesOf(kernel, join(pins.spares, found.name));
    return held !== null && fits(kernel, held, image);
  });
  if (spare) renameSync(join(pins.spares, spare.name), pins.generation(generation));
  removeSpares(pins);
  if (!spare) return null;
  try {
    failpoint('spare-adopted');
    const programs = await fillSpare(kernel, pins.generation(generation), image, flows);
    if (programs) return { generation: state.takeGeneration(), instructions: spare.instructions, programs };
  } catch (error) {
    pins.removeGeneration(generation);
    if (!(error instanceof KernelError)) throw error;
  }
  pins.removeGeneration(generation);
  return null;
}

/** Null where the programs are not over the maps beside them. */
async function fillSpare(
  kernel: Kernel,
  directory: string,
  image: Image,
  flows: FlowMaps,
): Promise<GenerationPrograms | null> {
  const open: { close(): void }[] = [];
  const opened = <Handle extends BpfMap | BpfProgram>(handle: Handle): Handle => {
    open.push(handle);
    return handle;
  };
  const path = (name: keyof typeof GENERATION_PINS): string => join(directory, GENERATION_PINS[name]);
  try {
    const imageMap = opened(kernel.openPinnedMap(path('image')));
    const counters = opened(kernel.openPinnedMap(path('counters')));
    const ids = [imageMap, counters, flows.flows].map((map) => map.info().id);
    const programs = {
      ingress: opened(kernel.openPinnedProgram(path('ingress'))),
      egress: opened(kernel.openPinnedProgram(path('egress'))),
    };
    const over = Object.values(programs).map((program) => program.info().mapIds);
    if (!over.every((used) => ids.every((id) => used.includes(id)))) return null;
    await fillImage(imageMap, image.bytes);
    failpoint('after-image');
    open.splice(0, open.length, imageMap, counters);
    return programs;
  } finally {
    for (const handle of open) handle.close();
  }
}
