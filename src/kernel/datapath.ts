/** The compiled datapath objects, one a hook: opened with the sizes and switches of one use. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LOG_LEVEL_CODE } from '../abi/codec';
import { LAYOUT, RODATA, SLC_ENTRY, SLC_HITS_ROWS, SLC_LIMITS } from '../abi/layout.gen';
import type { LogLevel } from '../model/logging';
import type { EchoRates } from '../model/echo';
import type { FragmentMode, IcmpMode } from '../model/ruleset';
import { SluiceError } from './errors';
import type { BpfMap, BpfObject, BpfProgram, Kernel } from './kernel';

/** Every map of the object; what a use does not name is left out of the load. */
const MAPS = [
  'slc_image',
  'slc_counters',
  'slc_state',
  'slc_confirm',
  'slc_moment',
  'slc_programs',
  'slc_egress',
  'slc_pinned',
  'slc_gate_counters',
  'slc_flows',
  'slc_flow_tags',
  'slc_flows_before',
  'slc_flow_shares',
  'slc_flow_stats',
  'slc_fragments',
  'slc_fragment_tags',
  'slc_fragment_stats',
  'slc_noted',
  'slc_windows',
  'slc_attempts',
  'slc_window_shares',
  'slc_limit_stats',
  'slc_echo_budget',
  'slc_reject_budget',
  'slc_reject_stats',
  'slc_told',
  'slc_scratch',
  'slc_open',
  'slc_open_index',
  'slc_ban_hosts',
  'slc_ban_nets',
  'slc_ban_filter',
  'slc_events',
  'slc_event_stats',
  'slc_event_ranks',
  'slc_event_sources',
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
  slc_gate_clsact: 'egress',
  slc_move_flows: 'egress',
} as const;
export type DatapathProgram = keyof typeof OBJECT_OF;
type DatapathFile = (typeof OBJECT_OF)[DatapathProgram];

/** Switches of the two programs of a generation; the verifier prunes by them. */
export interface DatapathSwitches {
  /** Size of the image map in 8-byte slots. */
  readonly imageSlots: number;
  readonly counterSlots: number;
  readonly icmpEssentials: boolean;
  /** Echo-requests that tier 5 lets pass in a second. */
  readonly echo: EchoRates;
  /** Off: no fragment comes in. */
  readonly trackFragments: boolean;
  /** At most 16. */
  readonly ethertypes: readonly number[];
  /** Writes nothing but `slc_result`. */
  readonly dryRun: boolean;
  /** By `SLC_ENTRY`: whether the entry of the section table can decide anything. */
  readonly sections: readonly boolean[];
  /** Packets belong to servers. */
  readonly servers: boolean;
  /** Sections wait to be confirmed, each by itself. */
  readonly trials: boolean;
  readonly rejects: boolean;
  /** The same of what goes out. */
  readonly rejectsOut: boolean;
  readonly limits: boolean;
  /** The time is what `slc_clock` says. */
  readonly clockGiven?: boolean;
  /** Left out: empty tables, as for a ruleset that is only looked at. */
  readonly tables?: TableSwitches;
  readonly logging: LogLevel;
  /** Left out: the caps of a kernel of 250 ticks a second, and a hash that is no secret. */
  readonly events?: EventSwitches;
}

/** What the programs know of the tables that live as long as the state. */
export interface TableSwitches {
  /** `SLC_LIMITS.TABLE_KEY_WORDS` random factors, the same as long as the tables live. */
  readonly factors: readonly bigint[];
  /** Generation whose program this is. */
  readonly generation: number;
  readonly flows: {
    /** A power of two, 8 flows each. */
    readonly buckets: number;
    /** Jiffies by `SLC_FLOW_TIMEOUT`. */
    readonly timeouts: readonly bigint[];
  };
  readonly fragments: {
    /** A power of two, 8 packets each. */
    readonly buckets: number;
    /** Jiffies for which later fragments follow their first. */
    readonly timeout: bigint;
  };
  readonly windows: {
    /** A power of two, 8 windows of limit rules each. */
    readonly buckets: number;
  };
}

/** What the programs know of events. */
export interface EventSwitches {
  /** A window of the caps is `1 << window` ticks. */
  readonly window: number;
  /** Random factor of the hash of sources. */
  readonly factor: bigint;
}

/** Switches for a compiled image; `shared`: what the programs of a state know. */
export function datapathSwitches(
  image: {
    readonly bytes: { readonly length: number };
    readonly counterSlots: number;
    readonly features: {
      readonly icmp: IcmpMode;
      readonly echo: EchoRates;
      readonly fragments: FragmentMode;
      readonly logging: LogLevel;
      readonly ethertypes: readonly number[];
      readonly sections: readonly boolean[];
      readonly servers: boolean;
      readonly trials: boolean;
      readonly limits: boolean;
      readonly rejects: boolean;
      readonly rejectsOut: boolean;
    };
  },
  dryRun: boolean,
  tables?: TableSwitches,
  events?: EventSwitches,
): DatapathSwitches {
  return {
    imageSlots: image.bytes.length / 8,
    counterSlots: image.counterSlots,
    icmpEssentials: image.features.icmp === 'essentials',
    echo: image.features.echo,
    trackFragments: image.features.fragments === 'track',
    ethertypes: image.features.ethertypes,
    sections: image.features.sections,
    servers: image.features.servers,
    trials: image.features.trials,
    logging: image.features.logging,
    dryRun,
    rejects: image.features.rejects,
    rejectsOut: image.features.rejectsOut,
    limits: image.features.limits,
    ...(tables && { tables }),
    ...(events && { events }),
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

/** Which datapath this is: changes with every byte of its objects. */
export function datapathDigest(): string {
  const hash = createHash('sha256');
  for (const program of ['slc_ingress', 'slc_egress_main'] as const) hash.update(datapathObject(program));
  return hash.digest('hex');
}

/** Entries of the maps that live as long as the state, for tables of so many buckets. */
export function stateMapEntries(
  buckets: { fragments: number; windows: number },
  cpus: number,
): Partial<Record<DatapathMap, number>> {
  return {
    slc_state: 1,
    slc_confirm: SLC_LIMITS.CONFIRM_WORDS,
    ...OPEN_ENTRIES,
    slc_programs: SLC_LIMITS.PROGRAM_SLOTS,
    slc_egress: SLC_LIMITS.PROGRAM_SLOTS,
    slc_gate_counters: GATE_COUNTERS,
    slc_flow_stats: 1,
    slc_fragments: buckets.fragments,
    slc_fragment_tags: buckets.fragments,
    slc_fragment_stats: 1,
    slc_windows: buckets.windows,
    slc_attempts: buckets.windows,
    slc_window_shares: 1,
    slc_limit_stats: 1,
    ...BUDGET_ENTRIES,
    // One more than there may be: an entry that is written again needs a place of its own for a moment.
    slc_ban_hosts: MAX_BANS + 1,
    slc_ban_nets: MAX_BANS + 1,
    slc_ban_filter: 1,
    slc_events: EVENT_RING_BYTES,
    slc_event_stats: 1,
    slc_event_sources: cpus,
  };
}

/** What is under ALLOW ALL. */
const OPEN_ENTRIES = { slc_open: SLC_LIMITS.OPEN_SECTIONS, slc_open_index: SLC_LIMITS.OPEN_SECTIONS } as const;

/** Budgets of all and of each source; of answers, and figures of these, once a hook. */
const BUDGETS = 1 + SLC_LIMITS.BUDGET_SOURCES;
export const BUDGET_ENTRIES = {
  slc_echo_budget: BUDGETS,
  slc_reject_budget: 2 * BUDGETS,
  slc_reject_stats: 2,
  slc_told: SLC_LIMITS.TOLD,
} as const;

/** Most bans, hosts and prefixes together. */
export const MAX_BANS = 100_000;

/** One a hook. */
const NOTED_FRAGMENTS = 2;

/** Bytes of the ring of events: some 5,000 of them wait when nobody reads. */
export const EVENT_RING_BYTES = 1 << 20;
/** Of one that nobody reads: the smallest there is. */
const LEAST_RING_BYTES = 4096;

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

/** The flow table: its buckets, their tags, and what each server has of it. */
export type FlowMaps = Pick<Tables, 'flows' | 'flowTags' | 'flowShares'>;

/** An empty flow table. */
export function createFlowMaps(kernel: Kernel, buckets: number): Promise<FlowMaps> {
  return createMaps(kernel, { slc_flows: buckets, slc_flow_tags: buckets, slc_flow_shares: 1 }, (map) => ({
    flows: map('slc_flows'),
    flowTags: map('slc_flow_tags'),
    flowShares: map('slc_flow_shares'),
  }));
}

/** Maps whose layout only the object knows. */
async function createMaps<Made>(
  kernel: Kernel,
  create: Partial<Record<DatapathMap, number>>,
  take: (map: (name: DatapathMap) => BpfMap) => Made,
): Promise<Made> {
  const object = openDatapath(kernel, 'slc_read_clock', { create: { ...create, slc_clock: 1 } });
  try {
    await object.load();
    return take((name) => object.map(name));
  } finally {
    object.close();
  }
}

/** Buckets that one run of `slc_move_flows` takes. */
const MOVED_AT_ONCE = 4096;
/** `struct slc_move`, then what is left of the shortest frame. */
const MOVE_FRAME = 64;

/**
 * Brings the flows that live from one table into another. One that the other knows already stays there as it is where a
 * packet of it has gone out under the programs of `generation`, and becomes as the first has it where none has. `share`:
 * flows that each server has room for there, null where there are none. Returns how many live flows had no room.
 */
export async function moveFlows(
  kernel: Kernel,
  from: FlowMaps,
  to: FlowMaps & Pick<Tables, 'flowStats'>,
  tables: TableSwitches,
  share: number | null,
): Promise<number> {
  const object = openDatapath(kernel, 'slc_move_flows', {
    reuse: {
      ...{ slc_flows_before: from.flows, slc_flows: to.flows, slc_flow_tags: to.flowTags },
      ...{ slc_flow_shares: to.flowShares, slc_flow_stats: to.flowStats },
    },
  });
  try {
    setTables(object, tables);
    setNumber(object, 'slc_servers', Number(share !== null));
    await object.load();
    const program = object.program('slc_move_flows');
    try {
      let lost = 0;
      const buckets = from.flows.info().maxEntries;
      for (let first = 0; first < buckets; first += MOVED_AT_ONCE) {
        const frame = Buffer.alloc(MOVE_FRAME);
        frame.writeUInt32LE(first, 0);
        frame.writeUInt32LE(Math.min(MOVED_AT_ONCE, buckets - first), 4);
        frame.writeUInt32LE(share ?? 0, 12);
        lost += (await program.testRun({ frame })).returnValue;
      }
      return lost;
    } finally {
      program.close();
    }
  } finally {
    object.close();
  }
}

/** The two maps every generation has of its own. */
export function createGenerationMaps(kernel: Kernel, switches: DatapathSwitches): { image: BpfMap; counters: BpfMap } {
  const image = createImageMap(kernel, switches.imageSlots);
  const counters = kernel.createMap({
    type: 'array',
    name: 'slc_counters',
    keySize: 4,
    valueSize: switches.counterSlots * LAYOUT.slc_hits.size,
    maxEntries: switches.dryRun ? SLC_HITS_ROWS : counterRows(kernel),
    flags: ['mmapable'],
  });
  return { image, counters };
}

/** Rows of the counters of a generation. */
export function counterRows(kernel: Kernel): number {
  return SLC_HITS_ROWS + kernel.possibleCpus();
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
export interface GenerationMaps extends Partial<Tables> {
  readonly image: BpfMap;
  readonly counters: BpfMap;
  /** What the dry twin writes; made where it is left out. */
  readonly result?: BpfMap;
  /** The time, where the switches say that it is given. */
  readonly clock?: BpfMap;
  /** Shared state and the bans it counts; where they are left out nobody is banned. */
  readonly bans?: {
    readonly state: BpfMap;
    readonly hosts: BpfMap;
    readonly nets: BpfMap;
    readonly filter: BpfMap;
  };
  /** Deadlines of sections that wait to be confirmed; where they are left out all were in time. */
  readonly confirm?: BpfMap;
  /** Shared state and what is under ALLOW ALL; where they are left out nothing is. */
  readonly open?: { readonly state: BpfMap; readonly open: BpfMap; readonly index: BpfMap };
  /** The ring of events, their figures and their caps; made where they are left out. */
  readonly events?: BpfMap;
  readonly eventStats?: BpfMap;
  readonly eventSources?: BpfMap;
}

/** Tables that outlive generations, each with its figures; empty ones are made where they are left out. */
export interface Tables {
  readonly flows: BpfMap;
  /** As many values as buckets: which of their ways are in use. */
  readonly flowTags: BpfMap;
  /** `struct slc_shares`. */
  readonly flowShares: BpfMap;
  readonly flowStats: BpfMap;
  readonly fragments: BpfMap;
  readonly fragmentTags: BpfMap;
  readonly fragmentStats: BpfMap;
  /** What limit rules have counted. */
  readonly windows: BpfMap;
  /** As many values as `windows`: the attempts before the newest. */
  readonly attempts: BpfMap;
  /** `struct slc_shares`. */
  readonly windowShares: BpfMap;
  readonly limitStats: BpfMap;
  /** Echo-requests that tier 5 lets pass. */
  readonly echoBudget: BpfMap;
  /** Answers to what is rejected. */
  readonly rejectBudget: BpfMap;
  readonly rejectStats: BpfMap;
  /** Answers that went to the own stack. */
  readonly told: BpfMap;
}

/** Maps of each table, and the hook whose program alone has it. */
const TABLE_MAPS: Readonly<Record<keyof Tables, readonly [DatapathMap, DatapathProgram?]>> = {
  flows: ['slc_flows'],
  flowTags: ['slc_flow_tags'],
  flowShares: ['slc_flow_shares', 'slc_egress_main'],
  flowStats: ['slc_flow_stats', 'slc_egress_main'],
  fragments: ['slc_fragments'],
  fragmentTags: ['slc_fragment_tags'],
  fragmentStats: ['slc_fragment_stats'],
  windows: ['slc_windows', 'slc_ingress'],
  attempts: ['slc_attempts', 'slc_ingress'],
  windowShares: ['slc_window_shares', 'slc_ingress'],
  limitStats: ['slc_limit_stats', 'slc_ingress'],
  echoBudget: ['slc_echo_budget', 'slc_ingress'],
  rejectBudget: ['slc_reject_budget'],
  rejectStats: ['slc_reject_stats'],
  told: ['slc_told'],
};

/** Loads the program of a hook over its maps. The caller closes what is returned. */
export async function loadProgram(
  kernel: Kernel,
  name: 'slc_ingress' | 'slc_egress_main',
  switches: DatapathSwitches,
  maps: GenerationMaps,
): Promise<{ program: BpfProgram; instructions: number }> {
  const result = maps.result ?? createResultMap(kernel);
  const { bans, open, events, eventStats, eventSources } = maps;
  const tells = !switches.dryRun && switches.logging !== 'off';
  const eventRanks = tells ? createEventRanks(kernel, switches) : null;
  const ingress = name === 'slc_ingress';
  const reuse: Partial<Record<DatapathMap, BpfMap>> = {
    slc_image: maps.image,
    slc_counters: maps.counters,
    slc_result: result,
    ...(maps.clock && { slc_clock: maps.clock }),
    ...(maps.confirm && { slc_confirm: maps.confirm }),
    ...(open && { slc_state: open.state, slc_open: open.open, slc_open_index: open.index }),
    ...(bans && {
      ...{ slc_state: bans.state, slc_ban_hosts: bans.hosts, slc_ban_nets: bans.nets },
      slc_ban_filter: bans.filter,
    }),
    ...(eventRanks && { slc_event_ranks: eventRanks }),
    ...(tells && events && { slc_events: events }),
    ...(tells && eventStats && { slc_event_stats: eventStats }),
    ...(tells && eventSources && { slc_event_sources: eventSources }),
  };
  const create: Partial<Record<DatapathMap, number>> = {
    slc_noted: NOTED_FRAGMENTS,
    ...(tells && !events && { slc_events: LEAST_RING_BYTES }),
    ...(tells && !eventStats && { slc_event_stats: 1 }),
    ...(tells && !eventSources && { slc_event_sources: kernel.possibleCpus() }),
    ...(!bans && !open && { slc_state: 1 }),
    ...(!bans && ingress && { slc_ban_hosts: 1, slc_ban_nets: 1, slc_ban_filter: 1 }),
    ...(!open && { slc_open: 1, slc_open_index: 1 }),
    ...(!maps.clock && { slc_clock: 1 }),
    ...(switches.trials && !maps.confirm && { slc_confirm: SLC_LIMITS.CONFIRM_WORDS }),
    ...(switches.trials && { slc_moment: 1 }),
    slc_scratch: 1,
  };
  const entries = tableEntries(switches.tables);
  for (const table of Object.keys(TABLE_MAPS) as (keyof Tables)[]) {
    const [map, only] = TABLE_MAPS[table];
    if (only !== undefined && only !== name) continue;
    const given = maps[table];
    if (given) reuse[map] = given;
    else create[map] = entries[map] ?? 1;
  }
  const object = openDatapath(kernel, name, { reuse, create });
  try {
    setSwitches(object, switches);
    await object.load();
    return { program: object.program(name), instructions: object.verifierStats()[name].instructions };
  } finally {
    object.close();
    if (!maps.result) result.close();
    eventRanks?.close();
  }
}

/** What each rank has spent of its cap of events: the program's own. */
function createEventRanks(kernel: Kernel, { counterSlots }: DatapathSwitches): BpfMap {
  return kernel.createMap({
    type: 'array',
    name: 'slc_event_ranks',
    keySize: 4,
    valueSize: counterSlots * 4,
    maxEntries: kernel.possibleCpus(),
  });
}

/** Entries of tables that are not given, where it is not one. */
function tableEntries(tables: TableSwitches | undefined): Partial<Record<DatapathMap, number>> {
  return {
    slc_flows: tables?.flows.buckets ?? 1,
    slc_flow_tags: tables?.flows.buckets ?? 1,
    slc_fragments: tables?.fragments.buckets ?? 1,
    slc_fragment_tags: tables?.fragments.buckets ?? 1,
    slc_windows: tables?.windows.buckets ?? 1,
    slc_attempts: tables?.windows.buckets ?? 1,
    ...BUDGET_ENTRIES,
  };
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
    setNumber(object, name, value);
  };
  set('slc_dry_run', Number(switches.dryRun));
  set('slc_image_slots', switches.imageSlots);
  set('slc_counter_slots', switches.counterSlots);
  set('slc_icmp_essentials', Number(switches.icmpEssentials));
  set('slc_echo_rate', switches.echo.inAll);
  set('slc_echo_rate_source', switches.echo.perSource);
  set('slc_servers', Number(switches.servers));
  set('slc_trials', Number(switches.trials));
  set('slc_keep_reachable', Number(switches.sections[SLC_ENTRY.KEEP_REACHABLE]));
  set('slc_guard_in', Number(switches.sections[SLC_ENTRY.GUARD_IN]));
  set('slc_guard_out', Number(switches.sections[SLC_ENTRY.GUARD_OUT]));
  set('slc_outbound_refuses', Number(switches.sections[SLC_ENTRY.OUTBOUND]));
  set('slc_track_fragments', Number(switches.trackFragments));
  set('slc_rejects', Number(switches.rejects));
  set('slc_rejects_out', Number(switches.rejectsOut));
  set('slc_limits', Number(switches.limits));
  set('slc_clock_given', Number(switches.clockGiven ?? false));
  if (switches.ethertypes.length > SLC_LIMITS.MAX_ETHERTYPES) throw new RangeError('at most 16 ethertypes');
  set('slc_ethertype_count', switches.ethertypes.length);
  object.setRodata(RODATA.slc_ethertypes.offset, new Uint8Array(Uint16Array.from(switches.ethertypes).buffer));
  set('slc_log_level', LOG_LEVEL_CODE[switches.logging]);
  if (switches.events) {
    set('slc_event_window', switches.events.window);
    object.setRodata(RODATA.slc_event_factor.offset, new Uint8Array(BigUint64Array.of(switches.events.factor).buffer));
  }
  if (switches.tables) setTables(object, switches.tables);
}

function setTables(object: BpfObject, { factors, generation, flows, fragments, windows }: TableSwitches): void {
  const set = (name: NumberSwitch, value: number): void => {
    setNumber(object, name, value);
  };
  const setWords = (name: keyof typeof RODATA, words: readonly bigint[]): void => {
    object.setRodata(RODATA[name].offset, new Uint8Array(BigUint64Array.from(words).buffer));
  };
  set('slc_generation', generation);
  setWords('slc_table_factors', factors);
  set('slc_flow_mask', flows.buckets - 1);
  setWords('slc_flow_timeouts', flows.timeouts);
  set('slc_fragment_mask', fragments.buckets - 1);
  setWords('slc_fragment_timeout', [fragments.timeout]);
  set('slc_window_mask', windows.buckets - 1);
}

function setNumber(object: BpfObject, name: NumberSwitch, value: number): void {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  object.setRodata(RODATA[name].offset, bytes);
}

/** Switches of one 32-bit number. */
type NumberSwitch = {
  [Name in keyof typeof RODATA]: (typeof RODATA)[Name]['size'] extends 4 ? Name : never;
}[keyof typeof RODATA];
