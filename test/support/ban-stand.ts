/** The programs of a generation, the one that enforces and its dry twin, over a table of bans. */
import { REASON_OF_CODE, TIER_OF_CODE } from '../../src/abi/codec';
import { LAYOUT, SLC_LIMITS } from '../../src/abi/layout.gen';
import { compile } from '../../src/compile/compile';
import { readCounters } from '../../src/kernel/counters';
import { createGenerationMaps, createResultMap } from '../../src/kernel/datapath-maps';
import { openDatapath } from '../../src/kernel/datapath-object';
import { datapathSwitches } from '../../src/kernel/datapath-switches';
import { loadProgram } from '../../src/kernel/load-program';
import type { BpfMap, BpfProgram, MappedRegion } from '../../src/kernel/kernel';
import { kernel } from '../../src/kernel/native';
import { BanTable, type KernelBan } from '../../src/load/ban-table';
import { clearHostBits, type Prefix } from '../../src/model/prefix';
import type { Reason } from '../../src/model/reason';
import type { Ruleset } from '../../src/model/ruleset';
import type { Tier } from '../../src/model/verdict';
import { parseAddressText } from '../../src/parse/address';
import { parseRuleset } from '../../src/parse/parse';

/** include/uapi/linux/bpf.h, enum xdp_action. */
const XDP_PASS = 2;
const { slc_state: STATE, slc_result: RESULT } = LAYOUT;

export function prefixOf(text: string): Prefix {
  const reading = parseAddressText(text);
  if (reading.kind === 'refused') throw new Error(reading.problem.message);
  return clearHostBits(reading.prefix);
}

/** A ban that ends so many seconds from now, by the kernel's clock; null: it has no end. */
export function banOf(text: string, seconds: number | null = null): KernelBan {
  const expiresNs = seconds === null ? null : kernel().bootTimeNs() + BigInt(Math.round(seconds * 1e9));
  return { prefix: prefixOf(text), expiresNs, packets: 0n, lastHitNs: null };
}

export interface Said {
  readonly passed: boolean;
  readonly tier: Tier;
  readonly reason: Reason;
}

export class BanStand {
  readonly table: BanTable;
  private readonly state: MappedRegion;

  private constructor(
    readonly ruleset: Ruleset,
    private readonly maps: Record<'state' | 'hosts' | 'nets' | 'filter' | 'image' | 'counters' | 'result', BpfMap>,
    private readonly programs: { enforcing: BpfProgram; twin: BpfProgram },
  ) {
    this.state = maps.state.mmap({ writable: true });
    this.table = new BanTable(maps);
  }

  static async load(text: string, entries = 1000): Promise<BanStand> {
    const { ruleset, diagnostics } = parseRuleset(text, { file: 'bans.yaml' });
    if (!ruleset) throw new Error(JSON.stringify(diagnostics));
    const image = compile(ruleset);
    const object = openDatapath(kernel(), 'slc_read_clock', {
      create: { slc_clock: 1, slc_state: 1, slc_ban_hosts: entries, slc_ban_nets: entries, slc_ban_filter: 1 },
    });
    await object.load();
    const bans = {
      state: object.map('slc_state'),
      hosts: object.map('slc_ban_hosts'),
      nets: object.map('slc_ban_nets'),
      filter: object.map('slc_ban_filter'),
    };
    object.close();
    const generation = createGenerationMaps(kernel(), datapathSwitches(image, false));
    const region = generation.image.mmap({ writable: true });
    await region.write(0, image.bytes);
    region.close();
    const maps = { ...generation, result: createResultMap(kernel()) };
    const load = async (dryRun: boolean): Promise<BpfProgram> =>
      (await loadProgram(kernel(), 'slc_ingress', datapathSwitches(image, dryRun), { ...maps, bans })).program;
    return new BanStand(ruleset, { ...maps, ...bans }, { enforcing: await load(false), twin: await load(true) });
  }

  /** What the datapath believes the maps to hold. */
  publish(hosts: number, nets: number): void {
    this.state.store64(STATE.fields.ban_hosts.offset, BigInt(hosts) | (BigInt(nets) << 32n));
  }

  /** Makes exactly these bans be there. */
  async set(...bans: KernelBan[]): Promise<void> {
    const present = await this.table.list();
    const remove = present.map(({ prefix }) => prefix);
    await this.table.change(present, [], remove);
    await this.table.change([], bans, []);
  }

  /** The enforcing program's verdict and the reason it counted, which the twin must confirm. */
  async judge(frame: Uint8Array): Promise<Said> {
    const before = this.reasons();
    const { returnValue } = await this.programs.enforcing.testRun({ frame });
    const counted = [...this.reasons()].filter(([slot, packets]) => packets !== (before.get(slot) ?? 0n));
    expect(counted.map(([, packets]) => packets)).toHaveLength(1);
    const [said] = await this.askTwin([frame]);
    expect(said.passed).toBe(returnValue === XDP_PASS);
    const [[slot]] = counted;
    if (slot < SLC_LIMITS.RANK_FIRST) expect(REASON_OF_CODE.get(slot)).toBe(said.reason);
    return said;
  }

  /** What the twin says about each frame. */
  async askTwin(frames: readonly Uint8Array[]): Promise<Said[]> {
    const results = this.maps.result.mmap({ writable: false });
    try {
      const { records } = await this.programs.twin.testRunBatch({
        frames: Buffer.concat(frames),
        lengths: Uint32Array.from(frames, (frame) => frame.length),
        results,
        record: RESULT.size,
      });
      const view = Buffer.from(records);
      return frames.map((_, i) => ({
        passed: view.readUInt32LE(i * RESULT.size + RESULT.fields.action.offset) === XDP_PASS,
        tier: TIER_OF_CODE.get(view.readUInt8(i * RESULT.size + RESULT.fields.tier.offset))!,
        reason: REASON_OF_CODE.get(view.readUInt8(i * RESULT.size + RESULT.fields.reason.offset))!,
      }));
    } finally {
      results.close();
    }
  }

  /** Runs the enforcing program on a frame `count` times, off the event loop; which runs passed. */
  async run(frame: Uint8Array, count: number): Promise<boolean[]> {
    const frames = Buffer.concat(Array.from({ length: count }, () => frame));
    const lengths = new Uint32Array(count).fill(frame.length);
    const { returnValues } = await this.programs.enforcing.testRunBatch({ frames, lengths });
    return Array.from(returnValues, (value) => value === XDP_PASS);
  }

  /** Packets counted by counter slot. */
  private reasons(): Map<number, bigint> {
    return new Map([...readCounters(this.maps.counters)].map(([slot, { packets }]) => [slot, packets]));
  }

  close(): void {
    this.state.close();
    for (const program of Object.values(this.programs)) program.close();
    for (const map of Object.values(this.maps)) map.close();
  }
}
