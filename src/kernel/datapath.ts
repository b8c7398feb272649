/** The compiled datapath objects, one a hook: opened with the sizes and switches of one use. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LAYOUT, RODATA, SLC_LIMITS } from '../abi/layout.gen';
import type { IcmpMode } from '../model/ruleset';
import { SluiceError } from './errors';
import type { BpfMap, BpfObject, BpfProgram, Kernel } from './kernel';

/** Every map of the object; what a use does not name is left out of the load. */
const MAPS = [
  'slc_image',
  'slc_counters',
  'slc_state',
  'slc_confirm',
  'slc_programs',
  'slc_egress',
  'slc_gate_counters',
  'slc_flows',
  'slc_flow_stats',
  'slc_windows',
  'slc_limit_stats',
  'slc_reject_budget',
  'slc_reject_stats',
  'slc_scratch',
  'slc_clock',
  'slc_result',
] as const;
export type DatapathMap = (typeof MAPS)[number];

/** Object file of each program. */
const OBJECT_OF = {
  slc_ingress: 'sluice',
  slc_gate_xdp: 'sluice',
  slc_read_clock: 'sluice',
  slc_egress_main: 'egress',
  slc_gate_egress: 'egress',
} as const;
export type DatapathProgram = keyof typeof OBJECT_OF;
type DatapathFile = (typeof OBJECT_OF)[DatapathProgram];

/** Switches of the two programs of a generation; the verifier prunes by them. */
export interface DatapathSwitches {
  /** Size of the image map in 8-byte slots. */
  readonly imageSlots: number;
  readonly counterSlots: number;
  readonly icmpEssentials: boolean;
  /** At most 16. */
  readonly ethertypes: readonly number[];
  /** Writes nothing but `slc_result`. */
  readonly dryRun: boolean;
  /** Left out: a table without flows, as for a ruleset that is only looked at. */
  readonly flows?: FlowSwitches;
  readonly rejects: boolean;
  readonly limits: boolean;
  /** The time is what `slc_clock` says. */
  readonly clockGiven?: boolean;
}

/** What the programs know of the tables that outlive a generation. */
export interface FlowSwitches {
  /** A power of two, 8 flows each. */
  readonly buckets: number;
  /** Buckets of the table of windows, a power of two; left out: one. */
  readonly windowBuckets?: number;
  /** `SLC_LIMITS.FLOW_HASH_WORDS` random factors, the same as long as the table lives. */
  readonly factors: readonly bigint[];
  /** Jiffies by `SLC_FLOW_TIMEOUT`. */
  readonly timeouts: readonly bigint[];
  /** Generation whose program this is. */
  readonly generation: number;
}

/** Switches for a compiled image. */
export function datapathSwitches(
  image: {
    readonly bytes: { readonly length: number };
    readonly counterSlots: number;
    readonly features: {
      readonly icmp: IcmpMode;
      readonly ethertypes: readonly number[];
      readonly limits: boolean;
      readonly rejects: boolean;
    };
  },
  dryRun: boolean,
  flows?: FlowSwitches,
): DatapathSwitches {
  return {
    imageSlots: image.bytes.length / 8,
    counterSlots: image.counterSlots,
    icmpEssentials: image.features.icmp === 'essentials',
    ethertypes: image.features.ethertypes,
    dryRun,
    rejects: image.features.rejects,
    limits: image.features.limits,
    ...(flows && { flows }),
  };
}

const cached = new Map<DatapathFile, Uint8Array>();

/** The object file of this package that holds the program. */
export function datapathObject(program: DatapathProgram): Uint8Array {
  const name = OBJECT_OF[program];
  const found = cached.get(name);
  if (found) return found;
  // src/kernel and dist/kernel lie at the same depth, so one path serves both.
  const path = join(__dirname, `../../dist/bpf/${name}.bpf.o`);
  try {
    const bytes = readFileSync(path);
    cached.set(name, bytes);
    return bytes;
  } catch (cause) {
    throw new SluiceError('kernel/object', `the datapath object "${path}" cannot be read`, {
      hint: 'build it: npm run build',
      cause,
    });
  }
}

/** Entries of the maps that live as long as the state, for tables of so many buckets. */
export function stateMapEntries(flowBuckets: number, windowBuckets: number): Partial<Record<DatapathMap, number>> {
  return {
    slc_state: 1,
    slc_confirm: SLC_LIMITS.CONFIRM_WORDS,
    slc_programs: SLC_LIMITS.PROGRAM_SLOTS,
    slc_egress: SLC_LIMITS.PROGRAM_SLOTS,
    slc_gate_counters: GATE_COUNTERS,
    slc_flows: flowBuckets,
    slc_flow_stats: 1,
    slc_windows: windowBuckets,
    ...REJECT_ENTRIES,
    slc_limit_stats: 1,
  };
}

/** Budgets of all and of each source, and what became of rejected packets. */
const REJECT_ENTRIES = { slc_reject_budget: 1 + SLC_LIMITS.REJECT_SOURCES, slc_reject_stats: 1 } as const;

/** `gate-empty` and `gate-open` of each hook. */
const GATE_COUNTERS = 4;

/** Opens the object for one program: `maps` are existing ones to use, `create` those to make with so many entries. */
export function openDatapath(
  kernel: Kernel,
  program: DatapathProgram,
  maps: { reuse?: Partial<Record<DatapathMap, BpfMap>>; create?: Partial<Record<DatapathMap, number>> },
): BpfObject {
  const object = kernel.openObject(datapathObject(program), 'sluice');
  object.setPrograms([program]);
  for (const name of MAPS) {
    const reuse = maps.reuse?.[name];
    const entries = maps.create?.[name];
    if (reuse) object.setMap(name, { reuse });
    else if (entries !== undefined) object.setMap(name, { maxEntries: entries });
    else object.setMap(name, { create: false });
  }
  return object;
}

/** The two maps every generation has of its own. */
export function createGenerationMaps(kernel: Kernel, switches: DatapathSwitches): { image: BpfMap; counters: BpfMap } {
  const image = createImageMap(kernel, switches.imageSlots);
  const counters = kernel.createMap({
    type: 'array',
    name: 'slc_counters',
    keySize: 4,
    valueSize: switches.counterSlots * LAYOUT.slc_counter.size,
    maxEntries: switches.dryRun ? 1 : kernel.possibleCpus(),
    flags: ['mmapable'],
  });
  return { image, counters };
}

/** An empty image map of that many 8-byte slots. */
export function createImageMap(kernel: Kernel, slots: number): BpfMap {
  return kernel.createMap({
    type: 'array',
    name: 'slc_image',
    keySize: 4,
    valueSize: slots * 8,
    maxEntries: 1,
    flags: ['mmapable'],
  });
}

/** Maps a program of a generation works on. */
export interface GenerationMaps {
  readonly image: BpfMap;
  readonly counters: BpfMap;
  /** What the dry twin writes; made where it is left out. */
  readonly result?: BpfMap;
  /** The flow table and its figures; empty ones are made where they are left out. */
  readonly flows?: BpfMap;
  readonly flowStats?: BpfMap;
  /** What limit rules and rejects work on, of the ingress program; empty ones are made where they are left out. */
  readonly windows?: BpfMap;
  readonly limitStats?: BpfMap;
  readonly rejectBudget?: BpfMap;
  readonly rejectStats?: BpfMap;
  readonly clock?: BpfMap;
}

/** Maps of the ingress program that are made where they are not given. */
const INGRESS_ENTRIES = { ...REJECT_ENTRIES, slc_limit_stats: 1, slc_scratch: 1, slc_clock: 1 } as const;

/** Loads the program of a hook over its maps. The caller closes what is returned. */
export async function loadProgram(
  kernel: Kernel,
  name: 'slc_ingress' | 'slc_egress_main',
  switches: DatapathSwitches,
  maps: GenerationMaps,
): Promise<{ program: BpfProgram; instructions: number }> {
  const result = maps.result ?? createResultMap(kernel);
  const ingress = name === 'slc_ingress';
  const given: Partial<Record<DatapathMap, BpfMap>> = {
    slc_image: maps.image,
    slc_counters: maps.counters,
    slc_result: result,
    ...(maps.flows && { slc_flows: maps.flows }),
    ...(maps.flowStats && { slc_flow_stats: maps.flowStats }),
    ...(ingress && maps.windows && { slc_windows: maps.windows }),
    ...(ingress && maps.limitStats && { slc_limit_stats: maps.limitStats }),
    ...(ingress && maps.rejectBudget && { slc_reject_budget: maps.rejectBudget }),
    ...(ingress && maps.rejectStats && { slc_reject_stats: maps.rejectStats }),
    ...(ingress && maps.clock && { slc_clock: maps.clock }),
  };
  const wanted: Partial<Record<DatapathMap, number>> = {
    slc_flows: switches.flows?.buckets ?? 1,
    ...(ingress ? INGRESS_ENTRIES : { slc_flow_stats: 1 }),
    ...(ingress && { slc_windows: switches.flows?.windowBuckets ?? 1 }),
  };
  const create = Object.fromEntries(Object.entries(wanted).filter(([map]) => !(map in given)));
  const object = openDatapath(kernel, name, { reuse: given, create });
  try {
    setSwitches(object, switches);
    await object.load();
    return { program: object.program(name), instructions: object.verifierStats()[name].instructions };
  } finally {
    object.close();
    if (!maps.result) result.close();
  }
}

/** A map for what the dry twin decides. */
export function createResultMap(kernel: Kernel): BpfMap {
  return kernel.createMap({
    type: 'array',
    name: 'slc_result',
    keySize: 4,
    valueSize: LAYOUT.slc_result.size,
    maxEntries: 1,
    flags: ['mmapable'],
  });
}

function setSwitches(object: BpfObject, switches: DatapathSwitches): void {
  const set = (name: NumberSwitch, value: number): void => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    object.setRodata(RODATA[name].offset, bytes);
  };
  set('slc_dry_run', Number(switches.dryRun));
  set('slc_image_slots', switches.imageSlots);
  set('slc_counter_slots', switches.counterSlots);
  set('slc_icmp_essentials', Number(switches.icmpEssentials));
  set('slc_rejects', Number(switches.rejects));
  set('slc_limits', Number(switches.limits));
  set('slc_clock_given', Number(switches.clockGiven ?? false));
  if (switches.ethertypes.length > SLC_LIMITS.MAX_ETHERTYPES) throw new RangeError('at most 16 ethertypes');
  set('slc_ethertype_count', switches.ethertypes.length);
  object.setRodata(RODATA.slc_ethertypes.offset, new Uint8Array(Uint16Array.from(switches.ethertypes).buffer));
  if (!switches.flows) return;
  const { buckets, windowBuckets = 1, factors, timeouts, generation } = switches.flows;
  set('slc_flow_mask', buckets - 1);
  set('slc_window_mask', windowBuckets - 1);
  set('slc_generation', generation);
  object.setRodata(RODATA.slc_flow_factors.offset, new Uint8Array(BigUint64Array.from(factors).buffer));
  object.setRodata(RODATA.slc_flow_timeouts.offset, new Uint8Array(BigUint64Array.from(timeouts).buffer));
}

/** Switches of one 32-bit number. */
type NumberSwitch = {
  [Name in keyof typeof RODATA]: (typeof RODATA)[Name]['size'] extends 4 ? Name : never;
}[keyof typeof RODATA];
