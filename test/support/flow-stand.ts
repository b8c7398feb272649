/**
 * Both programs of a generation over one flow table, run on composed frames: what went out, what then comes in, and
 * which counter went up. The model judges every frame that comes in by the flows the kernel holds, and must agree.
 */
import { REASON_OF_CODE } from '../../src/abi/codec';
import {
  LAYOUT,
  SLC_FLOW_FLAG,
  SLC_FLOW_TIMEOUT,
  SLC_GENERATION_RETURNED,
  SLC_HOOK,
  SLC_LIMITS,
} from '../../src/abi/layout.gen';
import { evaluateOutgoing } from '../../src/model/outbound';
import { compile } from '../../src/compile/compile';
import { ROW_REASONS } from '../../src/compile/interpret';
import { readClock } from '../../src/kernel/clock';
import { readCounters } from '../../src/kernel/counters';
import { createGenerationMaps, type Tables } from '../../src/kernel/datapath-maps';
import { openDatapath } from '../../src/kernel/datapath-object';
import { datapathSwitches } from '../../src/kernel/datapath-switches';
import { loadProgram } from '../../src/kernel/load-program';
import { moveFlows } from '../../src/kernel/move-flows';
import type { BpfMap, BpfProgram } from '../../src/kernel/kernel';
import { kernel } from '../../src/kernel/native';
import { tableSwitches } from '../../src/load/tables';
import { evaluate } from '../../src/model/evaluate';
import { type GivenState, NO_STATE } from '../../src/model/given-state';
import type { Reason } from '../../src/model/reason';
import { tierOfReason } from '../../src/model/reason-tier';
import type { Direction, Ruleset } from '../../src/model/ruleset';
import { rulesetReturned, type Trial } from '../../src/model/trial';
import { readTableFigures, type TableFigures } from '../../src/observe/tables';
import { parseRuleset } from '../../src/parse/parse';

/** include/uapi/linux/bpf.h: enum xdp_action; enum tcx_action_base as an unsigned number. */
const XDP_DROP = 1;
const XDP_PASS = 2;
const TCX_NEXT = 0xffffffff;
const TCX_DROP = 2;

export interface Judged {
  readonly passed: boolean;
  readonly reason: Reason;
}

/** Names of timeouts to seconds, as `FLOW_TIMEOUTS`. */
export type TimeoutSeconds = Partial<Record<keyof typeof SLC_FLOW_TIMEOUT, number>>;

/** A flow as its entry says it; `expires` in jiffies. */
export interface LivingFlow {
  readonly name: string;
  readonly generation: number;
  readonly flags: number;
  readonly expires: bigint;
}

/** How a bucket and one of its ways lie. */
const WAYS = {
  flows: { bucket: LAYOUT.slc_flow_bucket, way: LAYOUT.slc_flow },
  fragments: { bucket: LAYOUT.slc_fragment_bucket, way: LAYOUT.slc_first_fragment },
} as const;

/** Tables of flows and fragments that outlive generations. */
export class FlowTable {
  readonly maps: Pick<
    Tables,
    'flows' | 'flowTags' | 'flowShares' | 'flowStats' | 'fragments' | 'fragmentTags' | 'fragmentStats'
  >;

  private constructor(
    readonly buckets: { flows: number; fragments: number },
    readonly hz: number,
    object: { map: (name: string) => BpfMap },
  ) {
    this.maps = {
      flows: object.map('slc_flows'),
      flowTags: object.map('slc_flow_tags'),
      flowShares: object.map('slc_flow_shares'),
      flowStats: object.map('slc_flow_stats'),
      fragments: object.map('slc_fragments'),
      fragmentTags: object.map('slc_fragment_tags'),
      fragmentStats: object.map('slc_fragment_stats'),
    };
  }

  static async create(buckets: number, hz: number, fragmentBuckets = 64): Promise<FlowTable> {
    const object = openDatapath(kernel(), 'slc_read_clock', {
      create: {
        ...{ slc_clock: 1, slc_flows: buckets, slc_flow_tags: buckets },
        ...{ slc_flow_shares: 1, slc_flow_stats: 1 },
        ...{ slc_fragments: fragmentBuckets, slc_fragment_tags: fragmentBuckets, slc_fragment_stats: 1 },
      },
    });
    await object.load();
    const table = new FlowTable({ flows: buckets, fragments: fragmentBuckets }, hz, object);
    object.close();
    return table;
  }

  async figures(): Promise<TableFigures> {
    return readTableFigures(this.maps.flows, this.maps.flowStats, (await readClock(kernel())).jiffies);
  }

  async fragmentFigures(): Promise<TableFigures> {
    return readTableFigures(this.maps.fragments, this.maps.fragmentStats, (await readClock(kernel())).jiffies);
  }

  /**
   * What the model is given for a program of the generation: flows that live, those of them in doubt, and packets whose
   * first fragment passed, by their names.
   */
  async state(generation = 1, direction: Direction = 'in'): Promise<GivenState> {
    const living = await this.living();
    const names = (flows: typeof living): Set<string> => new Set(flows.map(({ name }) => name));
    const isRefused = ({ flags }: { flags: number }): boolean => (flags & SLC_FLOW_FLAG.FLOW_REFUSED) !== 0;
    return {
      ...NO_STATE,
      // Nothing comes in by a flow that the rules have refused.
      flows: names(direction === 'in' ? living.filter((flow) => !isRefused(flow)) : living),
      doubted: names(living.filter((flow) => flow.generation !== generation || isRefused(flow))),
      fragments: await this.fragments(),
    };
  }

  /** Packets whose first fragment passed and is remembered, with the bytes that were judged. */
  async fragments(): Promise<Map<string, number>> {
    const { slc_first_fragment: first, slc_fragment_key: key } = LAYOUT;
    return new Map(
      (await this.livingWays('fragments')).map(({ entry }) => {
        const hook = entry[key.fields.hook.offset] === SLC_HOOK.EGRESS ? 'out' : 'in';
        const words = (offset: number): string => addressWords(entry, offset, entry[key.fields.family.offset]);
        const name =
          `${hook} ${words(key.fields.source.offset)} ${words(key.fields.destination.offset)} ` +
          `${entry[key.fields.protocol.offset]} ${entry.readUInt32LE(key.fields.identification.offset)}`;
        return [name, entry.readUInt32LE(first.fields.judged.offset)];
      }),
    );
  }

  /** Time passes for what is in the table: everything in it ends so many seconds sooner. */
  async age(table: 'flows' | 'fragments', seconds: number): Promise<void> {
    const map = this.maps[table];
    const key = new Uint8Array(4);
    const { expires } = WAYS[table].way.fields;
    for (const { index, offset } of await this.livingWays(table)) {
      new DataView(key.buffer).setUint32(0, index, true);
      const bucket = Buffer.from(map.lookup(key)!);
      const end = bucket.readBigUInt64LE(offset + expires.offset);
      bucket.writeBigUInt64LE(end - BigInt(Math.round(seconds * this.hz)), offset + expires.offset);
      map.update(key, bucket);
    }
  }

  /** Ways of the table that have not ended: their bucket, where in it they stand, and what they hold. */
  private async livingWays(table: 'flows' | 'fragments'): Promise<{ index: number; offset: number; entry: Buffer }[]> {
    const { jiffies } = await readClock(kernel());
    const bytes = Buffer.from((await this.maps[table].entries()).values);
    const { bucket, way } = WAYS[table];
    const found = [];
    for (let index = 0; index * bucket.size < bytes.length; index++) {
      for (let i = 0; i < SLC_LIMITS.TABLE_WAYS; i++) {
        const offset = bucket.fields.ways.offset + i * way.size;
        const entry = bytes.subarray(index * bucket.size + offset);
        if (entry.readBigUInt64LE(way.fields.expires.offset) > jiffies) found.push({ index, offset, entry });
      }
    }
    return found;
  }

  /** Names of the flows that live, as the model names them. */
  async names(): Promise<Set<string>> {
    return new Set((await this.living()).map(({ name }) => name));
  }

  /** The flows that live. */
  async living(): Promise<LivingFlow[]> {
    const { slc_flow: flow, slc_flow_key: key } = LAYOUT;
    return (await this.livingWays('flows')).map(({ entry }) => {
      const words = (offset: number): string => addressWords(entry, offset, entry[key.fields.family.offset]);
      return {
        expires: entry.readBigUInt64LE(flow.fields.expires.offset),
        name:
          `${entry[key.fields.protocol.offset]} ${words(key.fields.local.offset)} ${words(key.fields.remote.offset)} ` +
          `${entry.readUInt16LE(key.fields.local_port.offset)} ${entry.readUInt16LE(key.fields.remote_port.offset)}`,
        generation: entry.readUInt32LE(flow.fields.generation.offset),
        flags: entry[flow.fields.flags.offset],
      };
    });
  }

  /**
   * Brings the flows of another table in, as an apply does that changes the size; `share`: of each server, where there are
   * some. Returns how many lost their place.
   */
  moveFrom(other: FlowTable, generation: number, share: number | null = null): Promise<number> {
    const switches = tableSwitches({
      ...{ seed: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), hz: this.hz, generation },
      ...{ flowBuckets: this.buckets.flows, fragmentBuckets: this.buckets.fragments },
    });
    return moveFlows(kernel(), other.maps, this.maps, switches, share);
  }

  close(): void {
    for (const map of Object.values(this.maps)) map.close();
  }
}

function addressWords(entry: Buffer, offset: number, family: number): string {
  return Array.from({ length: family === 4 ? 1 : 4 }, (_, i) => entry.readUInt32LE(offset + 4 * i)).join('.');
}

export class FlowStand {
  private constructor(
    readonly table: FlowTable,
    readonly ruleset: Ruleset,
    readonly ingress: BpfProgram,
    readonly egress: BpfProgram,
    private readonly maps: { image: BpfMap; counters: BpfMap },
    private readonly ranks: ReadonlyMap<number, Reason>,
    private readonly generation: number,
    private readonly trials: readonly Trial[],
  ) {}

  /** Sections that waited and were not confirmed: the model is asked of what was before. */
  returned: ReadonlySet<string> = new Set();

  private get judging(): { readonly ruleset: Ruleset; readonly generation: number } {
    return {
      ruleset: rulesetReturned(this.ruleset, this.trials, (name) => this.returned.has(name)),
      generation: this.returned.has('outbound') ? this.generation + SLC_GENERATION_RETURNED : this.generation,
    };
  }

  static async load(
    text: string,
    table: FlowTable,
    options: {
      timeouts?: TimeoutSeconds;
      generation?: number;
      fragmentSeconds?: number;
      seed?: number;
      /** Sections that wait to be confirmed, and their words. */
      trials?: readonly Trial[];
      confirm?: BpfMap;
    } = {},
  ): Promise<FlowStand> {
    const { trials = [], confirm } = options;
    const { ruleset, diagnostics } = parseRuleset(text, { file: 'flows.yaml' });
    if (!ruleset) throw new Error(JSON.stringify(diagnostics));
    const image = compile(ruleset, undefined, trials);
    const tables = tableSwitches({
      ...{ seed: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, options.seed ?? 8), hz: table.hz },
      ...{ flowBuckets: table.buckets.flows, fragmentBuckets: table.buckets.fragments, windowBuckets: 1 },
      generation: options.generation ?? 1,
    });
    const timeouts = [...tables.flows.timeouts];
    for (const [name, seconds] of Object.entries(options.timeouts ?? {}))
      timeouts[SLC_FLOW_TIMEOUT[name as keyof typeof SLC_FLOW_TIMEOUT]] = BigInt(Math.round(seconds * table.hz));
    const timeout =
      options.fragmentSeconds === undefined
        ? tables.fragments.timeout
        : BigInt(Math.round(options.fragmentSeconds * table.hz));
    const switches = datapathSwitches(image, false, {
      ...tables,
      flows: { ...tables.flows, timeouts },
      fragments: { ...tables.fragments, timeout },
    });
    const maps = createGenerationMaps(kernel(), switches);
    const region = maps.image.mmap({ writable: true });
    await region.write(0, image.bytes);
    region.close();
    const used = { ...maps, ...table.maps, ...(confirm && { confirm }) };
    const { program: ingress } = await loadProgram(kernel(), 'slc_ingress', switches, used);
    const { program: egress } = await loadProgram(kernel(), 'slc_egress_main', switches, used);
    const ranks = new Map<number, Reason>(image.ranks.map(({ rank, tier }) => [rank, ROW_REASONS[tier]]));
    return new FlowStand(table, ruleset, ingress, egress, maps, ranks, options.generation ?? 1, trials);
  }

  /**
   * A frame goes out: what became of it, by the one counter that went up. Throws where the model, given the flows the
   * kernel holds, says otherwise.
   */
  async out(frame: Uint8Array): Promise<Judged> {
    const { ruleset, generation } = this.judging;
    const expected = evaluateOutgoing(ruleset, frame, await this.table.state(generation, 'out'));
    const before = this.counts();
    const { returnValue } = await this.egress.testRun({ frame });
    const slot = this.counted(before, frame.length);
    const reason =
      slot < SLC_LIMITS.RANK_FIRST ? REASON_OF_CODE.get(slot - SLC_LIMITS.REASON_SLOTS_OUT) : this.ranks.get(slot);
    if (!reason || ![TCX_NEXT, TCX_DROP].includes(returnValue)) throw new Error(`egress returned ${returnValue}`);
    if (slot < SLC_LIMITS.RANK_FIRST) expect([reason, tierOfReason(reason, 'out')]).toEqual([reason, expected.tier]);
    const judged = { passed: returnValue === TCX_NEXT, reason };
    expect({ passed: expected.verdict === 'allow', reason: expected.reason }).toEqual(judged);
    return judged;
  }

  /** A frame comes in. Throws where the model, given the flows the kernel holds, says otherwise. */
  async in(frame: Uint8Array): Promise<Judged> {
    const { ruleset, generation } = this.judging;
    const expected = evaluate(ruleset, frame, await this.table.state(generation, 'in'));
    const before = this.counts();
    const { returnValue } = await this.ingress.testRun({ frame });
    const slot = this.counted(before, frame.length);
    const reason = slot < SLC_LIMITS.RANK_FIRST ? REASON_OF_CODE.get(slot) : this.ranks.get(slot);
    if (!reason || ![XDP_PASS, XDP_DROP].includes(returnValue)) throw new Error(`ingress returned ${returnValue}`);
    if (slot < SLC_LIMITS.RANK_FIRST) expect([reason, tierOfReason(reason, 'in')]).toEqual([reason, expected.tier]);
    const judged = { passed: returnValue === XDP_PASS, reason };
    expect({ passed: expected.verdict === 'allow', reason: expected.reason }).toEqual(judged);
    return judged;
  }

  /** Runs many frames that go out, off the event loop. */
  async outMany(frames: Uint8Array, lengths: Uint32Array): Promise<void> {
    await this.egress.testRunBatch({ frames, lengths });
  }

  /** Runs many frames that come in; how many passed. */
  async inMany(frames: Uint8Array, lengths: Uint32Array): Promise<{ passed: number; dropped: number }> {
    const { returnValues } = await this.ingress.testRunBatch({ frames, lengths });
    const passed = returnValues.filter((value) => value === XDP_PASS).length;
    return { passed, dropped: returnValues.length - passed };
  }

  private counts(): ReadonlyMap<number, { packets: bigint; bytes: bigint }> {
    return readCounters(this.maps.counters);
  }

  /** The only slot that went up, by one packet of so many bytes. */
  private counted(before: ReturnType<FlowStand['counts']>, bytes: number): number {
    const changed = [...this.counts()].filter(([slot, { packets }]) => packets !== (before.get(slot)?.packets ?? 0n));
    expect(changed).toHaveLength(1);
    const [[slot, after]] = changed;
    expect({
      packets: after.packets - (before.get(slot)?.packets ?? 0n),
      bytes: after.bytes - (before.get(slot)?.bytes ?? 0n),
    }).toEqual({ packets: 1n, bytes: BigInt(bytes) });
    return slot;
  }

  close(): void {
    this.ingress.close();
    this.egress.close();
    for (const map of Object.values(this.maps)) map.close();
  }
}
