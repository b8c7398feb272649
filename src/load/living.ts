/**
 * What lives in the kernel under the pinned links, whatever became of the other pins: a link knows its gate, a program its
 * maps, an array of programs its programs. By ids, which only CAP_SYS_ADMIN may ask for.
 */
import { join } from 'node:path';
import { SLC_LIMITS } from '../abi/layout.gen';
import { KernelError } from '../kernel/errors';
import type { BpfMap, Kernel, ProgramInfo } from '../kernel/kernel';
import { FLOW_PINS, type PinLayout, STATE_PINS } from '../kernel/pins';
import { GENERATION_PINS } from './generations';
import { SharedState, slotKey } from './state';

/** An object, by what it is and its id. */
export interface Living {
  readonly kind: 'map' | 'program';
  readonly id: number;
}

/** The kernel keeps so many letters of a name. */
const NAME_LETTERS = 15;
/** Maps of a generation, by the names of their pins. */
const GENERATION_MAPS: Readonly<Record<string, string>> = {
  [GENERATION_PINS.image]: 'slc_image',
  [GENERATION_PINS.counters]: 'slc_counters',
  [FLOW_PINS.flows]: 'slc_flows',
  [FLOW_PINS.flowTags]: 'slc_flow_tags',
  [FLOW_PINS.flowShares]: 'slc_flow_shares',
};
const HOOKS = [
  { array: STATE_PINS.programs, pin: GENERATION_PINS.ingress },
  { array: STATE_PINS.egress, pin: GENERATION_PINS.egress },
] as const;

/**
 * By the path where each is to be pinned. Nothing where no link is pinned, or where this process may not ask. `stateId`: the
 * map of the state that is pinned; links may lead to gates of another one that it takes the place of.
 */
export function findLiving(kernel: Kernel, pins: PinLayout, stateId: number | null): ReadonlyMap<string, Living> {
  try {
    return new Search(kernel, pins, stateId).run();
  } catch (error) {
    if (error instanceof KernelError && ['EPERM', 'ENOENT'].includes(error.errno)) return new Map();
    throw error;
  }
}

class Search {
  readonly #found = new Map<string, Living>();

  constructor(
    private readonly kernel: Kernel,
    private readonly pins: PinLayout,
    private readonly stateId: number | null,
  ) {}

  run(): ReadonlyMap<string, Living> {
    const { kernel, pins } = this;
    const gates = pins.links().flatMap(({ hook, path }) => {
      if (hook !== 'xdp' && hook !== 'egress') return [];
      const programId = infoOf(() => kernel.openPinnedLink(path))?.programId;
      return programId === undefined ? [] : [{ path: pins.gate(hook), info: kernel.programInfo(programId) }];
    });
    for (const { path, info } of gates) {
      if (!info || (this.stateId !== null && !info.mapIds.includes(this.stateId))) continue;
      this.#found.set(path, { kind: 'program', id: info.id });
      this.addStateMaps(info);
    }
    const state = this.#found.get(pins.state(STATE_PINS.state));
    if (!state) return this.#found;
    for (const [generation, programs] of this.programs(state.id)) this.addGeneration(generation, programs);
    return this.#found;
  }

  /** Programs of each generation that has a slot: from the arrays, or, where these are empty, from their own pins. */
  private programs(stateId: number): Map<number, Map<string, ProgramInfo>> {
    const { kernel, pins } = this;
    const generations = new Map<number, Map<string, ProgramInfo>>();
    this.withMap(stateId, (map) => {
      const state = SharedState.over(kernel, pins, map);
      for (let slot = 0; state && slot < SLC_LIMITS.PROGRAM_SLOTS; slot++) {
        const generation = state.slotGeneration(slot);
        if (generation === 0) continue;
        const programs = HOOKS.flatMap(({ array, pin }): [string, ProgramInfo][] => {
          const info = this.inSlot(array, slot) ?? this.pinnedProgram(join(pins.generation(generation), pin));
          return info ? [[pin, info]] : [];
        });
        generations.set(generation, new Map(programs));
      }
      state?.close();
    });
    return generations;
  }

  private inSlot(array: string, slot: number): ProgramInfo | null {
    const found = this.#found.get(this.pins.state(array));
    const value = found && this.withMap(found.id, (map) => map.lookup(slotKey(slot)));
    return value ? this.kernel.programInfo(Buffer.from(value).readUInt32LE()) : null;
  }

  private pinnedProgram(path: string): ProgramInfo | null {
    return infoOf(() => this.kernel.openPinnedProgram(path));
  }

  private addGeneration(generation: number, programs: ReadonlyMap<string, ProgramInfo>): void {
    const directory = this.pins.generation(generation);
    for (const [pin, info] of programs) {
      this.#found.set(join(directory, pin), { kind: 'program', id: info.id });
      const maps = this.addStateMaps(info);
      for (const [name, map] of Object.entries(GENERATION_MAPS)) {
        const id = maps.get(map);
        if (id !== undefined) this.#found.set(join(directory, name), { kind: 'map', id });
      }
    }
  }

  /** Adds those maps of a program that live as long as the state; all of them by name. */
  private addStateMaps({ mapIds }: ProgramInfo): ReadonlyMap<string, number> {
    const ids = new Map(mapIds.map((id) => [this.withMap(id, (map) => map.info().name), id]));
    for (const name of Object.values(STATE_PINS)) {
      const id = ids.get(name.slice(0, NAME_LETTERS));
      if (id !== undefined) this.#found.set(this.pins.state(name), { kind: 'map', id });
    }
    return ids;
  }

  private withMap<Result>(id: number, use: (map: BpfMap) => Result): Result {
    const map = this.kernel.openMapById(id);
    try {
      return use(map);
    } finally {
      map.close();
    }
  }
}

/** What is pinned there; null where nothing is, or something of another kind. */
function infoOf<Info>(open: () => { info(): Info; close(): void }): Info | null {
  try {
    const handle = open();
    const info = handle.info();
    handle.close();
    return info;
  } catch (error) {
    if (error instanceof KernelError && ['ENOENT', 'EMEDIUMTYPE'].includes(error.errno)) return null;
    throw error;
  }
}
