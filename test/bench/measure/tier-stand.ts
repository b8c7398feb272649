/** Both programs of a ruleset over tables, bans and counters of their own, for plain test runs. */
import { compile } from '../../../src/compile/compile';
import { measureHz, readClock } from '../../../src/kernel/clock';
import { readCounters } from '../../../src/kernel/counters';
import { createGenerationMaps, stateMapEntries } from '../../../src/kernel/datapath-maps';
import { type DatapathMap, openDatapath } from '../../../src/kernel/datapath-object';
import { datapathSwitches } from '../../../src/kernel/datapath-switches';
import { loadProgram } from '../../../src/kernel/load-program';
import type { BpfMap, BpfProgram, Kernel } from '../../../src/kernel/kernel';
import { kernel } from '../../../src/kernel/native';
import { type BanMaps, BanTable } from '../../../src/load/ban-table';
import { flowBuckets } from '../../../src/compile/flow-table';
import { MAX_WINDOWS } from '../../../src/compile/shares';
import { FRAGMENT_BUCKETS, tableSwitches } from '../../../src/load/tables';
import type { Prefix } from '../../../src/model/prefix';
import { readTableFigures } from '../../../src/observe/tables';
import { parseRuleset } from '../../../src/parse/parse';
import { PatternGenerator, type Pattern } from './pattern';

const MAPS = {
  ...{ flows: 'slc_flows', flowTags: 'slc_flow_tags', flowShares: 'slc_flow_shares', flowStats: 'slc_flow_stats' },
  ...{ fragments: 'slc_fragments', fragmentTags: 'slc_fragment_tags', fragmentStats: 'slc_fragment_stats' },
  ...{ windows: 'slc_windows', attempts: 'slc_attempts' },
  ...{ windowShares: 'slc_window_shares', limitStats: 'slc_limit_stats' },
  ...{ rejectBudget: 'slc_reject_budget', rejectStats: 'slc_reject_stats' },
  ...{ state: 'slc_state', banHosts: 'slc_ban_hosts', banNets: 'slc_ban_nets', banFilter: 'slc_ban_filter' },
  ...{ events: 'slc_events', eventStats: 'slc_event_stats', eventSources: 'slc_event_sources' },
} as const satisfies Readonly<Record<string, DatapathMap>>;

export class TierStand {
  private constructor(
    readonly ingress: BpfProgram,
    readonly egress: BpfProgram,
    private readonly counters: BpfMap,
    private readonly maps: Readonly<Record<keyof typeof MAPS, BpfMap>>,
    private readonly ranks: ReadonlyMap<string, number>,
  ) {}

  /** `flows`: how many the table is made for; `ingress`: an object file in place of the product's. */
  static async load(
    text: string,
    { flows, ingress: other }: { flows: number; ingress?: Uint8Array },
  ): Promise<TierStand> {
    const { ruleset, diagnostics } = parseRuleset(text, { file: 'bench.yaml' });
    if (!ruleset) throw new Error(JSON.stringify(diagnostics));
    const image = compile(ruleset);
    const buckets = { flows: flowBuckets(flows), fragments: FRAGMENT_BUCKETS, windows: flowBuckets(MAX_WINDOWS) };
    const { kernel: system, object } = await stateObject(buckets);
    const named = Object.entries(MAPS).map(([name, map]) => [name, object.map(map)] as const);
    object.close();
    const maps = Object.fromEntries(named) as Record<keyof typeof MAPS, BpfMap>;
    const tables = tableSwitches({
      ...{ seed: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), hz: await measureHz(system), generation: 1 },
      ...{ flowBuckets: buckets.flows, fragmentBuckets: buckets.fragments, windowBuckets: buckets.windows },
    });
    const switches = datapathSwitches(image, false, tables, { window: 8, factor: 0x9e3779b97f4a7c15n });
    const generation = createGenerationMaps(system, switches);
    const region = generation.image.mmap({ writable: true });
    await region.write(0, image.bytes);
    region.close();
    const used = { ...maps, ...generation, bans: banMapsOf(maps) };
    const { program: ingress } = await loadProgram(opening(system, other), 'slc_ingress', switches, used);
    const { program: egress } = await loadProgram(system, 'slc_egress_main', switches, used);
    generation.image.close();
    const ranks = new Map(image.ranks.map(({ rank, section, id }) => [`${section}/${id}`, rank]));
    return new TierStand(ingress, egress, generation.counters, maps, ranks);
  }

  /** Opens the flows of a pattern's remote ends; throws where one in fifty has no room. */
  async openFlows(frame: Uint8Array, count: number): Promise<void> {
    const pattern: Pattern = { count, inOrder: true, direction: 'out', mode: 'test-run' };
    const generator = await PatternGenerator.open(frame, pattern);
    await generator.replay(this.egress, count);
    generator.close();
    const live = await this.liveFlows();
    if (live < count * 0.98) throw new Error(`${live} flows live, ${count} were opened`);
  }

  async liveFlows(): Promise<number> {
    const { jiffies } = await readClock(kernel());
    return (await readTableFigures(this.maps.flows, this.maps.flowStats, jiffies)).live;
  }

  /** Bans them without end, and nobody else. */
  async ban(prefixes: readonly Prefix[]): Promise<void> {
    const table = new BanTable(banMapsOf(this.maps));
    const present = await table.list();
    await table.change(
      present,
      [],
      present.map(({ prefix }) => prefix),
    );
    await table.change(
      [],
      prefixes.map((prefix) => ({ prefix, expiresNs: null, packets: 0n, lastHitNs: null })),
      [],
    );
  }

  /** Counter slot of a row, such as `inbound/default`. */
  rank(row: string): number {
    const rank = this.ranks.get(row);
    if (rank === undefined) throw new Error(`no row "${row}" among ${[...this.ranks.keys()].join(' ')}`);
    return rank;
  }

  /** Counter slots of the section's own rows, in their order. */
  get ruleRanks(): number[] {
    return [...this.ranks]
      .filter(([name]) => name.startsWith('inbound/') && name !== 'inbound/default')
      .map(([, rank]) => rank);
  }

  /** Packets by counter slot. */
  counted(): Map<number, number> {
    return new Map([...readCounters(this.counters)].map(([slot, { packets }]) => [slot, Number(packets)]));
  }

  close(): void {
    for (const handle of [this.ingress, this.egress, this.counters, ...Object.values(this.maps)]) handle.close();
  }
}

/** The kernel, but that every object is opened from these bytes. */
function opening(system: Kernel, bytes: Uint8Array | undefined): Kernel {
  if (!bytes) return system;
  return Object.assign(Object.create(system) as Kernel, {
    openObject: (_: Uint8Array, name: string) => system.openObject(bytes, name),
  });
}

function banMapsOf({ state, banHosts, banNets, banFilter }: Readonly<Record<keyof typeof MAPS, BpfMap>>): BanMaps {
  return { state, hosts: banHosts, nets: banNets, filter: banFilter };
}

async function stateObject(buckets: Parameters<typeof stateMapEntries>[0] & { flows: number }) {
  const system = kernel();
  const flows = { slc_flows: buckets.flows, slc_flow_tags: buckets.flows, slc_flow_shares: 1 };
  const create = { ...stateMapEntries(buckets, system.possibleCpus()), ...flows, slc_clock: 1 };
  const object = openDatapath(system, 'slc_read_clock', { create });
  await object.load();
  return { kernel: system, object };
}
