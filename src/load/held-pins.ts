/**
 * Descriptors of what is pinned, so that a pin that somebody removes can be made again: the objects live on under the
 * programs, but without a pin nobody finds them, and an array of programs empties with its last one. Of links none is
 * held, nor the array that clsact filters ask: whoever removes all pins has ended it, whatever else a process keeps open.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { KernelError } from '../kernel/errors';
import type { BpfMap, BpfProgram, Kernel } from '../kernel/kernel';
import { FLOW_PINS, type PinLayout, STATE_PINS } from '../kernel/pins';
import { GENERATION_PINS, liveGenerations } from './generations';
import { findLiving, type Living } from './living';
import { SharedState, slotKey } from './state';
import { SLC_LIMITS } from '../abi/layout.gen';

type Handle =
  { readonly kind: 'map'; readonly map: BpfMap } | { readonly kind: 'program'; readonly program: BpfProgram };

/** What is to be pinned: where, and what it is. */
interface Wanted {
  readonly path: string;
  readonly kind: Handle['kind'];
}

export class HeldPins {
  readonly #held = new Map<string, Handle>();
  /** Id of the map of the state that all the others belong to. */
  #stateId: number | null = null;
  /** What was missing when it was last looked for by ids: that takes a while, and finds the same again. */
  #askedFor = '';
  /** Generation of each slot that is in use, as of the last `follow`. */
  #slots = new Map<number, number>();

  constructor(
    private readonly kernel: Kernel,
    private readonly pins: PinLayout,
  ) {}

  /**
   * Takes up what is pinned since, and lets go of what does not judge any more; of everything where all pins are gone, or
   * another state is pinned. Reads little, and takes no lock.
   */
  follow(): void {
    const { pins } = this;
    const ended = !existsSync(dirname(this.statePath)) && pins.links().length === 0;
    if (ended || !pins.exists()) {
      this.close();
      return;
    }
    const pinned = this.open({ path: this.statePath, kind: 'map' }) ?? this.findState();
    if (pinned?.kind === 'map') {
      const { id } = pinned.map.info();
      if (id === this.#stateId) pinned.map.close();
      else {
        this.close();
        this.#held.set(this.statePath, pinned);
        this.#stateId = id;
      }
    }
    const held = this.#held.get(this.statePath);
    if (held?.kind !== 'map') return;
    const state = SharedState.over(this.kernel, pins, held.map);
    if (!state) {
      this.close();
      return;
    }
    try {
      this.followState(state);
    } finally {
      state.close();
    }
  }

  private followState(state: SharedState): void {
    const live = liveGenerations(state);
    this.#slots = new Map(
      Array.from({ length: SLC_LIMITS.PROGRAM_SLOTS }, (_, slot): [number, number] => [
        slot,
        state.slotGeneration(slot),
      ]).filter(([, generation]) => live.has(generation)),
    );
    const wanted = this.wanted([...live]);
    // It may have been made anew, with the array that it asks.
    if (existsSync(this.pins.gate('clsact'))) this.letGoOf(this.pins.gate('clsact'));
    for (const each of wanted) {
      const handle = this.#held.has(each.path) ? null : this.open(each);
      if (handle) this.#held.set(each.path, handle);
    }
    this.findRest(wanted.filter(({ path }) => !this.#held.has(path) && path !== this.pins.gate('clsact')));
    for (const path of this.#held.keys()) if (!wanted.some((each) => each.path === path)) this.letGoOf(path);
  }

  private letGoOf(path: string): void {
    const handle = this.#held.get(path);
    if (handle) closeHandle(handle);
    this.#held.delete(path);
  }

  /** The state whose pin is gone, where links still lead to it; null where one is held. */
  private findState(): Handle | null {
    if (this.#held.has(this.statePath)) return null;
    return this.openLiving(new Map(this.living([this.statePath])), this.statePath);
  }

  /** Pins that were gone before anybody held them: what they were lives on under the links. */
  private findRest(wanted: readonly Wanted[]): void {
    const living = new Map(this.living(wanted.map(({ path }) => path)));
    for (const { path } of wanted) {
      const handle = this.openLiving(living, path);
      if (handle) this.#held.set(path, handle);
    }
  }

  /** What lives by the paths of its pins; nothing where the same was missing when it was asked last, in vain. */
  private living(missing: readonly string[]): readonly (readonly [string, Living])[] {
    const question = missing.join();
    if (missing.length === 0 || question === this.#askedFor) return [];
    this.#askedFor = question;
    return [...findLiving(this.kernel, this.pins, this.#stateId)];
  }

  private openLiving(living: ReadonlyMap<string, Living>, path: string): Handle | null {
    const found = living.get(path);
    if (!found) return null;
    const { kind, id } = found;
    return kind === 'map'
      ? { kind, map: this.kernel.openMapById(id) }
      : { kind, program: this.kernel.openProgramById(id) };
  }

  /** Of what is held: the pins, relative to their directory, that are there no more, and program slots that are empty. */
  missing(): string[] {
    const pins = [...this.#held.keys()].filter((path) => !existsSync(path));
    return [...pins.map((path) => relative(this.pins.directory, path)), ...this.emptied().map(({ name }) => name)];
  }

  /** Makes them again, and answers with their names. The caller holds the lock, and has called `follow` under it. */
  restore(): string[] {
    const missing = this.missing();
    for (const [path, handle] of this.#held) {
      if (existsSync(path)) continue;
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      if (handle.kind === 'map') handle.map.pin(path);
      else handle.program.pin(path);
    }
    for (const { slots, slot, program } of this.emptied()) slots.updateProgram(slotKey(slot), program);
    return missing;
  }

  close(): void {
    for (const handle of this.#held.values()) closeHandle(handle);
    this.#held.clear();
    this.#slots.clear();
    this.#stateId = null;
  }

  private get statePath(): string {
    return this.pins.state(STATE_PINS.state);
  }

  /** Slots of what judges that somebody has emptied: there every packet is dropped. */
  private emptied(): { name: string; slots: BpfMap; slot: number; program: BpfProgram }[] {
    const hooks = [
      { array: STATE_PINS.programs, pin: GENERATION_PINS.ingress },
      { array: STATE_PINS.egress, pin: GENERATION_PINS.egress },
    ];
    return hooks.flatMap(({ array, pin }) =>
      [...this.#slots].flatMap(([slot, generation]) => {
        const slots = this.#held.get(this.pins.state(array));
        const held = this.#held.get(join(this.pins.generation(generation), pin));
        if (slots?.kind !== 'map' || held?.kind !== 'program' || slots.map.lookup(slotKey(slot))) return [];
        return [{ name: `state/${array}[${slot}]`, slots: slots.map, slot, program: held.program }];
      }),
    );
  }

  private wanted(live: readonly number[]): Wanted[] {
    const { pins } = this;
    const of = (kind: Wanted['kind'], paths: readonly string[]): Wanted[] => paths.map((path) => ({ path, kind }));
    return [
      ...of(
        'map',
        Object.values(STATE_PINS).map((name) => pins.state(name)),
      ),
      // That of filters is there only where a kernel without tcx needed one.
      ...of(
        'program',
        (['xdp', 'egress', 'clsact'] as const).map((hook) => pins.gate(hook)),
      ),
      ...live.flatMap((generation) => {
        const inside = (name: string): string => join(pins.generation(generation), name);
        const { image, counters, ingress, egress } = GENERATION_PINS;
        return [
          ...of('map', [image, counters, ...Object.values(FLOW_PINS)].map(inside)),
          ...of('program', [ingress, egress].map(inside)),
        ];
      }),
    ];
  }

  /** Null where nothing is pinned there, or something of another kind. */
  private open({ path, kind }: Wanted): Handle | null {
    if (!existsSync(path)) return null;
    try {
      return kind === 'map'
        ? { kind, map: this.kernel.openPinnedMap(path) }
        : { kind, program: this.kernel.openPinnedProgram(path) };
    } catch (error) {
      if (error instanceof KernelError && ['ENOENT', 'EMEDIUMTYPE'].includes(error.errno)) return null;
      throw error;
    }
  }
}

function closeHandle(handle: Handle): void {
  if (handle.kind === 'map') handle.map.close();
  else handle.program.close();
}
