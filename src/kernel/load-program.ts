/** Programs that judge: loaded with the maps and switches of one use. */
import { SLC_LIMITS } from '../abi/layout.gen';
import { createEventRanks, createResultMap, type GenerationMaps, tableEntries, type Tables } from './datapath-maps';
import { type DatapathMap, type DatapathProgram, openDatapath } from './datapath-object';
import { type DatapathSwitches, setSwitches } from './datapath-switches';
import type { BpfMap, BpfProgram, Kernel } from './kernel';

/** One a hook. */
const NOTED_FRAGMENTS = 2;
/** Of a ring of events that nobody reads: the smallest there is. */
const LEAST_RING_BYTES = 4096;

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
    slc_copied: 1,
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
