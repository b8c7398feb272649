/**
 * Both programs of a generation over one flow table, run on composed frames: what went out, what then comes in, and
 * which counter went up. The model judges every frame that comes in by the flows the kernel holds, and must agree.
 */
import { REASON_OF_CODE } from '../../src/abi/codec';
import { LAYOUT, SLC_FLOW_TIMEOUT, SLC_LIMITS } from '../../src/abi/layout.gen';
import { compile } from '../../src/compile/compile';
import { readClock } from '../../src/kernel/clock';
import { readCounters } from '../../src/kernel/counters';
import { createGenerationMaps, datapathSwitches, loadProgram, openDatapath } from '../../src/kernel/datapath';
import type { BpfMap, BpfProgram } from '../../src/kernel/kernel';
import { kernel } from '../../src/kernel/native';
import { flowFactors, flowTimeouts } from '../../src/load/flow-table';
import { evaluate } from '../../src/model/evaluate';
import type { Reason } from '../../src/model/reason';
import type { Ruleset } from '../../src/model/ruleset';
import { type FlowFigures, readFlowFigures } from '../../src/observe/flows';
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

/** A flow table that outlives generations. */
export class FlowTable {
  readonly flows: BpfMap;
  readonly stats: BpfMap;

  private constructor(
    readonly buckets: number,
    readonly hz: number,
    object: { map: (name: string) => BpfMap },
  ) {
    this.flows = object.map('slc_flows');
    this.stats = object.map('slc_flow_stats');
  }

  static async create(buckets: number, hz: number): Promise<FlowTable> {
    const object = openDatapath(kernel(), 'slc_read_clock', {
      create: { slc_clock: 1, slc_flows: buckets, slc_flow_stats: 1 },
    });
    await object.load();
    const table = new FlowTable(buckets, hz, object);
    object.close();
    return table;
  }

  async figures(): Promise<FlowFigures> {
    return readFlowFigures(this.flows, this.stats, (await readClock(kernel())).jiffies);
  }

  /** Names of the flows that live, as the model names them. */
  async names(): Promise<Set<string>> {
    const { jiffies } = await readClock(kernel());
    const { values } = await this.flows.entries();
    const bytes = Buffer.from(values);
    const { slc_flow_bucket: bucket, slc_flow: flow, slc_flow_key: key } = LAYOUT;
    const names = new Set<string>();
    for (let at = 0; at < bytes.length; at += bucket.size) {
      for (let way = 0; way < SLC_LIMITS.FLOW_WAYS; way++) {
        if (bytes.readUInt16LE(at + bucket.fields.tags.offset + 2 * way) === 0) continue;
        const entry = bytes.subarray(at + bucket.fields.ways.offset + way * flow.size);
        if (entry.readBigUInt64LE(flow.fields.expires.offset) <= jiffies) continue;
        const words = (offset: number): string =>
          Array.from({ length: entry[key.fields.family.offset] === 4 ? 1 : 4 }, (_, i) =>
            entry.readUInt32LE(offset + 4 * i),
          ).join('.');
        names.add(
          `${entry[key.fields.protocol.offset]} ${words(key.fields.local.offset)} ${words(key.fields.remote.offset)} ` +
            `${entry.readUInt16LE(key.fields.local_port.offset)} ${entry.readUInt16LE(key.fields.remote_port.offset)}`,
        );
      }
    }
    return names;
  }

  close(): void {
    this.flows.close();
    this.stats.close();
  }
}

export class FlowStand {
  private constructor(
    readonly table: FlowTable,
    readonly ruleset: Ruleset,
    readonly ingress: BpfProgram,
    readonly egress: BpfProgram,
    private readonly maps: { image: BpfMap; counters: BpfMap },
    private readonly ranks: ReadonlyMap<number, Reason>,
  ) {}

  static async load(
    text: string,
    table: FlowTable,
    options: { timeouts?: TimeoutSeconds; generation?: number } = {},
  ): Promise<FlowStand> {
    const { ruleset, diagnostics } = parseRuleset(text, { file: 'flows.yaml' });
    if (!ruleset) throw new Error(JSON.stringify(diagnostics));
    const image = compile(ruleset);
    const timeouts = flowTimeouts(table.hz);
    for (const [name, seconds] of Object.entries(options.timeouts ?? {}))
      timeouts[SLC_FLOW_TIMEOUT[name as keyof typeof SLC_FLOW_TIMEOUT]] = BigInt(Math.round(seconds * table.hz));
    const switches = datapathSwitches(image, false, {
      flows: {
        buckets: table.buckets,
        factors: flowFactors(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)),
        timeouts,
        generation: options.generation ?? 1,
      },
    });
    const maps = createGenerationMaps(kernel(), switches);
    const region = maps.image.mmap({ writable: true });
    await region.write(0, image.bytes);
    region.close();
    const used = { ...maps, flows: table.flows, flowStats: table.stats };
    const { program: ingress } = await loadProgram(kernel(), 'slc_ingress', switches, used);
    const { program: egress } = await loadProgram(kernel(), 'slc_egress_main', switches, used);
    const ranks = new Map<number, Reason>(
      image.ranks.map(({ rank, tier }) => [rank, tier === '7' ? 'rule' : tier === '8' ? 'ssh' : 'default']),
    );
    return new FlowStand(table, ruleset, ingress, egress, maps, ranks);
  }

  /** A frame goes out: what became of it, by the one counter that went up. */
  async out(frame: Uint8Array): Promise<Judged> {
    const before = this.counts();
    const { returnValue } = await this.egress.testRun({ frame });
    const reason = REASON_OF_CODE.get(this.counted(before, frame.length) - SLC_LIMITS.REASON_SLOTS_OUT);
    if (!reason || ![TCX_NEXT, TCX_DROP].includes(returnValue)) throw new Error(`egress returned ${returnValue}`);
    return { passed: returnValue === TCX_NEXT, reason };
  }

  /** A frame comes in. Throws where the model, given the flows the kernel holds, says otherwise. */
  async in(frame: Uint8Array): Promise<Judged> {
    const expected = evaluate(this.ruleset, frame, { flows: await this.table.names() });
    const before = this.counts();
    const { returnValue } = await this.ingress.testRun({ frame });
    const slot = this.counted(before, frame.length);
    const reason = slot < SLC_LIMITS.RANK_FIRST ? REASON_OF_CODE.get(slot) : this.ranks.get(slot);
    if (!reason || ![XDP_PASS, XDP_DROP].includes(returnValue)) throw new Error(`ingress returned ${returnValue}`);
    const judged = { passed: returnValue === XDP_PASS, reason };
    expect({ passed: expected.verdict === 'allow', reason: expected.reason }).toEqual(judged);
    return judged;
  }

  /** Runs many frames that come in; how many passed for each counter slot. */
  async inMany(frames: Uint8Array, lengths: Uint32Array): Promise<{ passed: number; dropped: number }> {
    const { returnValues } = await this.ingress.testRunBatch({ frames, lengths });
    const passed = returnValues.filter((value) => value === XDP_PASS).length;
    return { passed, dropped: returnValues.length - passed };
  }

  private counts(): Map<number, { packets: bigint; bytes: bigint }> {
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
