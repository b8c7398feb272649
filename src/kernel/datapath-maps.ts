/** Maps that the datapath programs work on: what there is, how large it is, and how it is made. */
import { LAYOUT, SLC_HITS_ROWS, SLC_LIMITS } from '../abi/layout.gen';
import { type DatapathMap, openDatapath } from './datapath-object';
import type { DatapathSwitches, TableSwitches } from './datapath-switches';
import type { BpfMap, Kernel } from './kernel';

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

/** Bytes of the ring of events: some 5,000 of them wait when nobody reads. */
export const EVENT_RING_BYTES = 1 << 20;

/** `gate-empty` and `gate-open` of each hook. */
const GATE_COUNTERS = 4;

/** Entries of tables that are not given, where it is not one. */
export function tableEntries(tables: TableSwitches | undefined): Partial<Record<DatapathMap, number>> {
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

/** What each rank has spent of its cap of events: a program's own. */
export function createEventRanks(kernel: Kernel, { counterSlots }: DatapathSwitches): BpfMap {
  return kernel.createMap({
    type: 'array',
    name: 'slc_event_ranks',
    keySize: 4,
    valueSize: counterSlots * 4,
    maxEntries: kernel.possibleCpus(),
  });
}
