/** The state shared by all generations, hooks and interfaces of one namespace: found again, or made. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { KEPT_LAYOUTS, LAYOUT, SLC_ABI_VERSION, SLC_LIMITS, SLC_SLOT_OPEN } from '../abi/layout.gen';
import { type FlowMaps, type GenerationMaps, stateMapEntries, type Tables } from '../kernel/datapath-maps';
import { openDatapath } from '../kernel/datapath-object';
import type { EventSwitches, TableSwitches } from '../kernel/datapath-switches';
import { SluiceError } from '../kernel/errors';
import type { BpfMap, BpfObject, BpfProgram, Kernel, MappedRegion } from '../kernel/kernel';
import { type Hook, type PinLayout, STATE_PINS } from '../kernel/pins';
import { type GateWord, judgingSlot, OPEN_GATE, packGateWord, unpackGateWord } from './gate-word';
import { type BanMaps, BanTable } from './ban-table';
import { ConfirmWords } from './confirm-words';
import { type OpenMaps, OpenTable } from './open-table';
import { measureHz } from '../kernel/clock';
import { PinnedMaps } from './pinned-maps';
import { eventFactor, eventWindow } from './event-caps';
import { flowBuckets } from '../compile/flow-table';
import { MAX_WINDOWS } from '../compile/shares';
import { FRAGMENT_BUCKETS, tableSwitches } from './tables';

const FIELDS = LAYOUT.slc_state.fields;

/** One of the maps that live as long as the state. */
export type StatePin = keyof typeof STATE_PINS;

const TABLES = [
  ...(['flowStats', 'fragments', 'fragmentTags', 'fragmentStats'] as const),
  ...([
    'windows',
    'attempts',
    'windowShares',
    'limitStats',
    'echoBudget',
    'rejectBudget',
    'rejectStats',
    'told',
  ] as const),
] as const satisfies readonly (keyof Tables)[];
const BAN_MAPS = ['state', 'banHosts', 'banNets', 'banFilter'] as const;
const OPEN_MAPS = ['state', 'open', 'openIndex'] as const;
const EVENT_MAPS = ['events', 'eventStats', 'eventSources'] as const satisfies readonly (keyof GenerationMaps)[];

/**
 * The mapped page of `slc_state`, and the maps that live as long, each opened when it is first asked for: the daemon looks
 * many times a second, and mostly at the page. `close()` gives up the descriptors; the pins, and what they enforce, stay.
 */
export class SharedState {
  private readonly maps: PinnedMaps<StatePin>;

  private constructor(
    kernel: Kernel,
    pins: PinLayout,
    private readonly region: MappedRegion,
  ) {
    this.maps = new PinnedMaps(kernel, (name) => pins.state(STATE_PINS[name]));
  }

  /**
   * The state pinned for the namespace, or null where sluice is not active there. Throws `load/damaged` where part of
   * it is missing under interfaces that are filtered, `load/abi` where another version of sluice pinned it.
   */
  static find(kernel: Kernel, pins: PinLayout): SharedState | null {
    if (!pins.exists()) return null;
    pins.assertOurs();
    const region = mapState(kernel, pins);
    // First of all: another version pins other maps.
    const version = region && readNumber(region, 'abi_version');
    if (version !== null && version !== SLC_ABI_VERSION) {
      region?.close();
      throw otherVersion(pins, version);
    }
    if (!region && pins.isHalfReplaced()) throw halfReplaced(pins);
    const missing = missingPins(pins);
    if (!region || missing.length > 0) {
      region?.close();
      // State is pinned before links and removed after them: cut short in between, nothing is attached.
      if (pins.links().length === 0) return null;
      throw new SluiceError(
        'load/damaged',
        `interfaces are filtered by what is pinned in "${pins.directory}", but of it is missing: ${named(missing)}`,
        {
          hint: 'as root sluice apply pins again what still lives in the kernel; where that does not help: sluice disable, sluice enable',
        },
      );
    }
    return new SharedState(kernel, pins, region);
  }

  /** The state of a map that a process holds, whatever became of its pin; null where another version made it. */
  static over(kernel: Kernel, pins: PinLayout, map: BpfMap): SharedState | null {
    if (map.info().valueSize !== LAYOUT.slc_state.size) return null;
    const region = map.mmap({ writable: true });
    if (readNumber(region, 'abi_version') === SLC_ABI_VERSION) return new SharedState(kernel, pins, region);
    region.close();
    return null;
  }

  /**
   * Makes and pins the state: an open gate that is attached to nothing yet. Generations are numbered from
   * `firstGeneration`, so that their numbers never repeat ones whose counters were folded before.
   */
  static async create(kernel: Kernel, pins: PinLayout, firstGeneration: number): Promise<SharedState> {
    pins.claim();
    pins.clear(); // what an interrupted creation left; nothing was attached, see find()
    pins.create();
    return SharedState.make(kernel, pins, { nextGeneration: firstGeneration });
  }

  /**
   * Makes and pins a state into its folder, over the maps that are kept. `nextGeneration` and `seed` are those of the state
   * that it takes over from, where there is one: then it is the same installation.
   */
  static async make(
    kernel: Kernel,
    pins: PinLayout,
    given: { readonly nextGeneration: number; readonly seed?: Uint8Array; readonly hz?: number },
    kept: Partial<Record<StatePin, BpfMap>> = {},
  ): Promise<SharedState> {
    const reuse = Object.entries(kept).map(([name, map]) => [STATE_PINS[name as StatePin], map] as const);
    const object = openDatapath(kernel, 'slc_gate_xdp', {
      reuse: Object.fromEntries(reuse),
      create: newStateEntries(kernel),
    });
    try {
      await object.load();
      pinAndClose(object.program('slc_gate_xdp'), pins.gate('xdp'));
      await pinEgressGate(kernel, pins, object);
      const region = mapAndClose(object.map(STATE_PINS.state));
      try {
        region.store64(FIELDS.gate.offset, packGateWord(OPEN_GATE));
        region.store64(FIELDS.next_generation.offset, BigInt(given.nextGeneration));
        await region.write(FIELDS.seed.offset, given.seed ?? randomBytes(8));
        await writeNumber(region, 'abi_version', SLC_ABI_VERSION);
        await writeNumber(region, 'hz', given.hz ?? (await measureHz(kernel)));
        for (const name of [
          ...(Object.keys(STATE_PINS) as StatePin[]).filter((key) => key !== 'state'),
          'state',
        ] as const)
          pinAndClose(object.map(STATE_PINS[name]), pins.state(STATE_PINS[name]));
        return new SharedState(kernel, pins, region);
      } catch (error) {
        region.close();
        throw error;
      }
    } finally {
      object.close();
    }
  }

  get gate(): GateWord {
    return unpackGateWord(this.region.load64(FIELDS.gate.offset));
  }

  /** Stores the word when it is still `expected`; false when another process was faster. */
  exchangeGate(expected: GateWord, word: GateWord): boolean {
    const old = packGateWord(expected);
    return this.region.compareExchange64(FIELDS.gate.offset, old, packGateWord(word)) === old;
  }

  /** The number that the next generation will have. */
  get nextGeneration(): number {
    return Number(this.region.load64(FIELDS.next_generation.offset));
  }

  /** Takes the next generation number. */
  takeGeneration(): number {
    for (;;) {
      const next = this.region.load64(FIELDS.next_generation.offset);
      if (this.region.compareExchange64(FIELDS.next_generation.offset, next, next + 1n) === next) return Number(next);
    }
  }

  /** Interfaces that nothing filtered before the change that waits to be confirmed: past its deadline all passes there. */
  get fresh(): number[] {
    const { offset, size } = FIELDS.fresh;
    const bytes = Buffer.from(this.region.read(offset, size));
    return Array.from({ length: SLC_LIMITS.FRESH_INTERFACES }, (_, i) => bytes.readUInt32LE(4 * i)).filter(Boolean);
  }

  /** Takes at most `SLC_LIMITS.FRESH_INTERFACES`. */
  async setFresh(ifindexes: readonly number[]): Promise<void> {
    if (ifindexes.length > SLC_LIMITS.FRESH_INTERFACES) throw new RangeError('too many fresh interfaces');
    const bytes = Buffer.alloc(FIELDS.fresh.size);
    ifindexes.forEach((ifindex, i) => bytes.writeUInt32LE(ifindex, 4 * i));
    await this.region.write(FIELDS.fresh.offset, bytes);
  }

  /** The generation that judges packets at this boot time; null where none does, and everything passes. */
  judging(nowNs: bigint): number | null {
    const slot = judgingSlot(this.gate, nowNs);
    return slot === SLC_SLOT_OPEN ? null : this.slotGeneration(slot);
  }

  /** Generation in a program slot, 0 where it is empty. */
  slotGeneration(slot: number): number {
    if (slot >= SLC_LIMITS.PROGRAM_SLOTS) return 0;
    return uint32(this.region.read(FIELDS.slot_generation.offset + 4 * slot, 4));
  }

  async setSlotGeneration(slot: number, generation: number): Promise<void> {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(generation);
    await this.region.write(FIELDS.slot_generation.offset + 4 * slot, bytes);
  }

  /** Names this installation; files that belong to another one are not believed. */
  get instance(): string {
    return Buffer.from(this.region.read(FIELDS.seed.offset, 8)).toString('hex');
  }

  /** The tables that live as long as the state. */
  get tables(): Omit<Tables, keyof FlowMaps> {
    return this.maps.pick(TABLES);
  }

  /** Who is banned; lives as long as the state. */
  get bans(): BanTable {
    return new BanTable(this.banMaps);
  }

  /** The ring of events, their figures, and the caps of their sources; they live as long as the state. */
  get eventMaps(): Required<Pick<GenerationMaps, (typeof EVENT_MAPS)[number]>> {
    return this.maps.pick(EVENT_MAPS);
  }

  /** What every program of this state knows of events. */
  get eventSwitches(): EventSwitches {
    return { window: eventWindow(this.hz), factor: eventFactor(this.region.read(FIELDS.seed.offset, 8)) };
  }

  /** The maps of the bans, for a program that asks them. */
  get banMaps(): BanMaps {
    const { state, banHosts: hosts, banNets: nets, banFilter: filter } = this.maps.pick(BAN_MAPS);
    return { state, hosts, nets, filter };
  }

  /** What is under ALLOW ALL; lives as long as the state. */
  get open(): OpenTable {
    return new OpenTable(this.openMaps);
  }

  /** The maps of it, for a program that asks them. */
  get openMaps(): OpenMaps {
    const { state, open, openIndex: index } = this.maps.pick(OPEN_MAPS);
    return { state, open, index };
  }

  /** The deadlines of servers that wait to be confirmed; the caller closes them. */
  confirmWords(): ConfirmWords {
    return ConfirmWords.over(this.maps.get('confirm'));
  }

  /** The map of them, for a program that asks it. */
  get confirmMap(): BpfMap {
    return this.maps.get('confirm');
  }

  /** What the programs of a generation know of the tables, over a flow table of so many buckets. */
  tableSwitches(generation: number, buckets: number): TableSwitches {
    return tableSwitches({
      seed: this.region.read(FIELDS.seed.offset, 8),
      hz: this.hz,
      flowBuckets: buckets,
      fragmentBuckets: this.maps.get('fragments').info().maxEntries,
      windowBuckets: this.maps.get('windows').info().maxEntries,
      generation,
    });
  }

  /** Puts the programs of a generation into a slot of both arrays; nothing jumps there yet. */
  fillSlot(slot: number, programs: { ingress: BpfProgram; egress: BpfProgram }): void {
    this.maps.get('programs').updateProgram(slotKey(slot), programs.ingress);
    this.maps.get('egress').updateProgram(slotKey(slot), programs.egress);
  }

  emptySlot(slot: number): void {
    this.maps.get('programs').delete(slotKey(slot));
    this.maps.get('egress').delete(slotKey(slot));
  }

  /** Jiffies a second. */
  get hz(): number {
    return readNumber(this.region, 'hz');
  }

  /** Packets and bytes that the gate of a hook decided itself, summed over CPUs. */
  gateFigures(hook: Hook): { empty: { packets: bigint; bytes: bigint }; open: { packets: bigint; bytes: bigint } } {
    const first = hook === 'xdp' ? 0 : 2;
    const read = (entry: number): { packets: bigint; bytes: bigint } => {
      const key = Buffer.alloc(4);
      key.writeUInt32LE(entry);
      const values = Buffer.from(this.maps.get('gateCounters').lookup(key) ?? []);
      let packets = 0n;
      let bytes = 0n;
      for (let at = 0; at < values.length; at += LAYOUT.slc_counter.size) {
        packets += values.readBigUInt64LE(at + LAYOUT.slc_counter.fields.packets.offset);
        bytes += values.readBigUInt64LE(at + LAYOUT.slc_counter.fields.bytes.offset);
      }
      return { packets, bytes };
    };
    return { empty: read(first), open: read(first + 1) };
  }

  close(): void {
    this.region.close();
    this.maps.close();
  }
}

/** Entries of the maps of a state that is made. */
export function newStateEntries(kernel: Kernel): ReturnType<typeof stateMapEntries> {
  const buckets = { fragments: FRAGMENT_BUCKETS, windows: flowBuckets(MAX_WINDOWS) };
  return stateMapEntries(buckets, kernel.possibleCpus());
}

function otherVersion(pins: PinLayout, version: number): SluiceError {
  const older = version < SLC_ABI_VERSION;
  const known = Object.hasOwn(KEPT_LAYOUTS, version);
  const end = 'use the version of sluice that pinned it, or end it first: sluice disable';
  return new SluiceError(
    'load/abi',
    `what is pinned in "${pins.directory}" is of ${older ? 'an older' : 'a newer'} sluice: it has layout ${version}, this sluice knows ${SLC_ABI_VERSION}`,
    { hint: older && known ? TAKE_OVER : `it goes on judging; ${end}` },
  );
}

function halfReplaced(pins: PinLayout): SluiceError {
  return new SluiceError(
    'load/abi',
    `what an older sluice pinned in "${pins.directory}" was being replaced when that was cut short`,
    { hint: TAKE_OVER },
  );
}

const TAKE_OVER = 'it goes on judging; sluice apply (as enable, boot and daemon) takes over from it without a gap';

/** The gate of the egress hook is of another object, over the same maps. */
async function pinEgressGate(kernel: Kernel, pins: PinLayout, state: BpfObject): Promise<void> {
  const names = ['slc_state', 'slc_egress', 'slc_gate_counters'] as const;
  const maps = names.map((name) => [name, state.map(name)] as const);
  const object = openDatapath(kernel, 'slc_gate_egress', { reuse: Object.fromEntries(maps) });
  try {
    await object.load();
    pinAndClose(object.program('slc_gate_egress'), pins.gate('egress'));
  } finally {
    object.close();
    for (const [, map] of maps) map.close();
  }
}

/** Key of a slot in the program arrays. */
export function slotKey(slot: number): Uint8Array {
  const key = Buffer.alloc(4);
  key.writeUInt32LE(slot);
  return key;
}

/** The page of `slc_state`; null where it is not pinned. */
function mapState(kernel: Kernel, pins: PinLayout): MappedRegion | null {
  const path = pins.state(STATE_PINS.state);
  if (!existsSync(path)) return null;
  return mapAndClose(kernel.openPinnedMap(path));
}

/** The page of a map, which outlives the descriptor. */
function mapAndClose(map: BpfMap): MappedRegion {
  try {
    return map.mmap({ writable: true });
  } finally {
    map.close();
  }
}

function pinAndClose(handle: BpfMap | BpfProgram, path: string): void {
  try {
    handle.pin(path);
  } finally {
    handle.close();
  }
}

/** How many missing pins an error names. */
const NAMED_PINS = 3;

function named(missing: readonly string[]): string {
  const more = missing.length - NAMED_PINS;
  return missing.slice(0, NAMED_PINS).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

/** Names of the state pins that should be there and are not. */
function missingPins(pins: PinLayout): string[] {
  const gates = [pins.gate('xdp'), pins.gate('egress')];
  if (pins.links().some(({ hook }) => hook === 'clsact')) gates.push(pins.gate('clsact'));
  const wanted = [...Object.values(STATE_PINS).map((name) => pins.state(name)), ...gates];
  return wanted.filter((path) => !existsSync(path)).map((path) => basename(path));
}

function uint32(bytes: Uint8Array): number {
  return Buffer.from(bytes).readUInt32LE(0);
}

function readNumber(region: MappedRegion, field: 'abi_version' | 'hz'): number {
  return uint32(region.read(FIELDS[field].offset, 4));
}

async function writeNumber(region: MappedRegion, field: 'abi_version' | 'hz', value: number): Promise<void> {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  await region.write(FIELDS[field].offset, bytes);
}
