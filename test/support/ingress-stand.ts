/**
 * The ingress program and its dry twin over one image, with tables that outlive them and a clock that the test sets:
 * what became of each composed frame, which counter went up, and that the twin had said so.
 */
import { OUT_OF_CODE, REASON_CODE, REASON_OF_CODE, TIER_OF_CODE } from '../../src/abi/codec';
import {
  LAYOUT,
  SLC_HITS_PACKETS_SHIFT,
  SLC_HITS_ROWS,
  SLC_LIMIT_REFUSED_RANK,
  SLC_LIMITS,
} from '../../src/abi/layout.gen';
import { compile } from '../../src/compile/compile';
import type { Image, RankEntry } from '../../src/compile/image';
import { type CounterFigures, readCounters } from '../../src/kernel/counters';
import {
  BUDGET_ENTRIES,
  createGenerationMaps,
  createResultMap,
  type GenerationMaps,
} from '../../src/kernel/datapath-maps';
import { openDatapath } from '../../src/kernel/datapath-object';
import { type DatapathSwitches, datapathSwitches } from '../../src/kernel/datapath-switches';
import { loadProgram } from '../../src/kernel/load-program';
import type { BpfMap, BpfProgram, MappedRegion } from '../../src/kernel/kernel';
import { kernel } from '../../src/kernel/native';
import { tableSwitches } from '../../src/load/tables';
import type { Reason } from '../../src/model/reason';
import { tierOfReason } from '../../src/model/reason-tier';
import type { Direction, Ruleset } from '../../src/model/ruleset';
import { readLimitFigures, readRejectFigures, type RejectFigures } from '../../src/observe/limits';
import type { TableFigures } from '../../src/observe/tables';
import { parseRuleset } from '../../src/parse/parse';

/** include/uapi/linux/bpf.h: enum xdp_action; of what goes out enum tcx_action_base, as an unsigned number. */
const ACTIONS = {
  in: { 0: 'aborted', 1: 'drop', 2: 'pass', 3: 'tx', 4: 'redirect' },
  out: { 0xffffffff: 'pass', 2: 'drop', 7: 'redirect' },
} as const satisfies Record<Direction, Record<number, string>>;
const PROGRAMS = { in: 'slc_ingress', out: 'slc_egress_main' } as const;
export type Action = 'aborted' | 'drop' | 'pass' | 'tx' | 'redirect';

function actionOf(direction: Direction, returned: number): Action {
  const action = (ACTIONS[direction] as Record<number, Action>)[returned];
  if (!action) throw new Error(`the program returned ${returned}`);
  return action;
}

/** What became of a frame. */
export interface Judged {
  readonly action: Action;
  /** The one counter that went up: a rule's id (of a server `server/id`), `id/refused`, `ssh`, `default`, or a reason in brackets. */
  readonly at: string;
}

const TABLES = {
  windows: 'slc_windows',
  attempts: 'slc_attempts',
  windowShares: 'slc_window_shares',
  limitStats: 'slc_limit_stats',
  echoBudget: 'slc_echo_budget',
  rejectBudget: 'slc_reject_budget',
  rejectStats: 'slc_reject_stats',
  told: 'slc_told',
  clock: 'slc_clock',
  flows: 'slc_flows',
  flowTags: 'slc_flow_tags',
  flowShares: 'slc_flow_shares',
  flowStats: 'slc_flow_stats',
  fragments: 'slc_fragments',
  fragmentTags: 'slc_fragment_tags',
  fragmentStats: 'slc_fragment_stats',
} as const;
type Table = keyof typeof TABLES;

/** Windows, budgets, flows and the clock: what outlives a generation. */
export class IngressTables {
  #now = 0;

  private constructor(
    readonly buckets: number,
    readonly maps: Readonly<Record<Table, BpfMap>>,
  ) {}

  static async create(buckets = 64): Promise<IngressTables> {
    const ones = { slc_window_shares: 1, slc_limit_stats: 1, slc_clock: 1 };
    const flows = { slc_flows: 1, slc_flow_tags: 1, slc_flow_shares: 1, slc_flow_stats: 1 };
    const fragments = { slc_fragments: 1, slc_fragment_tags: 1, slc_fragment_stats: 1 };
    const object = openDatapath(kernel(), 'slc_read_clock', {
      create: { ...ones, ...flows, ...fragments, ...BUDGET_ENTRIES, slc_windows: buckets, slc_attempts: buckets },
    });
    await object.load();
    const maps = Object.fromEntries(Object.entries(TABLES).map(([name, map]) => [name, object.map(map)]));
    object.close();
    return new IngressTables(buckets, maps as Record<Table, BpfMap>);
  }

  /** Sets the clock of the programs, in milliseconds. */
  set now(ms: number) {
    this.#now = ms;
    const value = Buffer.alloc(LAYOUT.slc_clock.size);
    for (const { offset } of [LAYOUT.slc_clock.fields.boot_ns, LAYOUT.slc_clock.fields.tick_ns])
      value.writeBigUInt64LE(BigInt(ms) * 1_000_000n, offset);
    this.maps.clock.update(new Uint8Array(4), value);
  }

  get now(): number {
    return this.#now;
  }

  limits(): Promise<TableFigures> {
    return readLimitFigures(this.maps.windows, this.maps.limitStats, BigInt(this.#now) * 1_000_000n);
  }

  rejects(direction: Direction = 'in'): RejectFigures {
    return readRejectFigures(this.maps.rejectStats, direction);
  }

  close(): void {
    for (const map of Object.values(this.maps)) map.close();
  }
}

/** Maps of others that the programs may share. */
export type SharedMaps = Pick<GenerationMaps, 'open' | 'bans' | 'events' | 'eventStats' | 'eventSources'>;

/** Frames as the addon takes many. */
function batchOf(frames: readonly Uint8Array[]): { frames: Uint8Array; lengths: Uint32Array } {
  return { frames: Buffer.concat(frames), lengths: Uint32Array.from(frames, ({ length }) => length) };
}

export class IngressStand {
  private constructor(
    readonly tables: IngressTables,
    readonly ruleset: Ruleset,
    readonly image: Image,
    readonly program: BpfProgram,
    private readonly twin: BpfProgram,
    private readonly result: MappedRegion,
    private readonly maps: { image: BpfMap; counters: BpfMap; result: BpfMap; twinCounters: BpfMap },
    private readonly direction: Direction,
  ) {}

  /** `more`: maps of others that the programs are to share; `direction`: of the packets that the program judges. */
  static async load(
    text: string,
    tables: IngressTables,
    more: SharedMaps = {},
    direction: Direction = 'in',
  ): Promise<IngressStand> {
    const { ruleset, diagnostics } = parseRuleset(text, { file: 'stand.yaml' });
    if (!ruleset) throw new Error(JSON.stringify(diagnostics));
    const image = compile(ruleset);
    const switches = (dry: boolean): DatapathSwitches => ({
      ...datapathSwitches(
        image,
        dry,
        tableSwitches({
          ...{ seed: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), hz: 250, generation: 1 },
          ...{ flowBuckets: 1, fragmentBuckets: 1, windowBuckets: tables.buckets },
        }),
      ),
      clockGiven: true,
    });
    const maps = createGenerationMaps(kernel(), switches(false));
    const twinMaps = createGenerationMaps(kernel(), switches(true));
    twinMaps.image.close();
    const region = maps.image.mmap({ writable: true });
    await region.write(0, image.bytes);
    region.close();
    const result = createResultMap(kernel());
    const { program } = await loadProgram(kernel(), PROGRAMS[direction], switches(false), {
      ...tables.maps,
      ...more,
      ...maps,
    });
    const dry = { ...tables.maps, ...more, image: maps.image, counters: twinMaps.counters, result };
    const { program: twin } = await loadProgram(kernel(), PROGRAMS[direction], switches(true), dry);
    const all = { ...maps, result, twinCounters: twinMaps.counters };
    return new IngressStand(tables, ruleset, image, program, twin, result.mmap({ writable: false }), all, direction);
  }

  /** Changes what the image says that each server has room for. */
  async setShares({ windows }: { readonly windows: number }): Promise<void> {
    const region = this.maps.image.mmap({ writable: true });
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(windows);
    await region.write(LAYOUT.slc_image_header.fields.window_share.offset, bytes);
    region.close();
  }

  /** A frame comes in. Throws where the twin had said otherwise, or more than one counter went up. */
  async in(frame: Uint8Array, linear?: number): Promise<Judged & { output: Uint8Array }> {
    const announced = await this.ask(frame, linear);
    const before = this.counts();
    const { returnValue, output } = await this.program.testRun({ frame, linear, withOutput: true });
    const changed = [...this.counts()].filter(([slot, { packets }]) => packets !== (before.get(slot)?.packets ?? 0n));
    expect(changed).toHaveLength(1);
    const [[slot, after]] = changed;
    expect(after.packets - (before.get(slot)?.packets ?? 0n)).toBe(1n);
    expect(after.bytes - (before.get(slot)?.bytes ?? 0n)).toBe(BigInt(frame.length));
    const judged = { action: actionOf(this.direction, returnValue), at: this.nameOf(slot) };
    expect(announced).toEqual(judged);
    return { ...judged, output: output! };
  }

  /** What the twin says; it changes nothing. */
  async ask(frame: Uint8Array, linear?: number): Promise<Judged> {
    const { returnValue } = await this.twin.testRun({ frame, linear });
    const { slc_result } = LAYOUT;
    const record = Buffer.from(this.result.read(0, slc_result.size));
    expect(record.readUInt32LE(slc_result.fields.action.offset)).toBe(returnValue);
    const word = record.readUInt32LE(slc_result.fields.word.offset);
    const reason = REASON_OF_CODE.get(record.readUInt8(slc_result.fields.reason.offset))!;
    const rank = (word >>> 8) + (reason === 'limit' ? SLC_LIMIT_REFUSED_RANK : 0);
    const isOfReason = word === 0xffffffff || reason === 'allow-all';
    // Counters of status bear the tier that the program says, wherever one stands for it alone.
    const tier = tierOfReason(reason, this.direction);
    const code = record.readUInt8(slc_result.fields.tier.offset);
    if (isOfReason && tier !== null)
      expect([reason, (this.direction === 'in' ? TIER_OF_CODE : OUT_OF_CODE).get(code)]).toEqual([reason, tier]);
    return { action: actionOf(this.direction, returnValue), at: isOfReason ? `(${reason})` : this.nameOf(rank) };
  }

  /** Runs many frames in one call: how often each action was taken, and each counter went up. */
  async inMany(
    frames: readonly Uint8Array[],
  ): Promise<{ actions: Record<string, number>; at: Record<string, number> }> {
    const before = this.counts();
    const { returnValues } = await this.program.testRunBatch(batchOf(frames));
    const actions: Record<string, number> = {};
    for (const value of returnValues) {
      const action = actionOf(this.direction, value);
      actions[action] = (actions[action] ?? 0) + 1;
    }
    return { actions, at: this.countedSince(before) };
  }

  /** Runs the frames on several threads at once, and does `meanwhile`: how often each counter went up. */
  async inAtOnce(
    threads: number,
    frames: readonly Uint8Array[],
    meanwhile: (isRunning: () => boolean) => Promise<void>,
  ): Promise<Record<string, number>> {
    const before = this.counts();
    let running = true;
    const runs = Promise.all(Array.from({ length: threads }, () => this.program.testRunBatch(batchOf(frames))));
    const ended = runs.finally(() => (running = false));
    await Promise.all([ended, meanwhile(() => running)]);
    return this.countedSince(before);
  }

  /** Changes the image under both programs. */
  async damage(change: (image: DataView) => void): Promise<void> {
    const region = this.maps.image.mmap({ writable: true });
    const bytes = Uint8Array.from(this.image.bytes);
    change(new DataView(bytes.buffer));
    await region.write(0, bytes);
    region.close();
  }

  /** How many CPUs have counted a packet at the reason. */
  cpusAt(reason: Reason): number {
    const { counters } = this.maps;
    const { valueSize, maxEntries } = counters.info();
    const slot = REASON_CODE[reason] * LAYOUT.slc_hits.size;
    const region = counters.mmap({ writable: false });
    const rows = Array.from({ length: maxEntries - SLC_HITS_ROWS }, (_, cpu) =>
      region.load64((SLC_HITS_ROWS + cpu) * valueSize + slot),
    );
    region.close();
    return rows.filter((recent) => recent > 0n).length;
  }

  /** Makes it that every CPU has counted this at a row before. */
  setHits(row: string, packets: bigint, bytes: bigint): void {
    const { counters } = this.maps;
    const { valueSize, maxEntries } = counters.info();
    const { rank } = this.image.ranks.find(({ section, id }) => `${section}/${id}` === row)!;
    const region = counters.mmap({ writable: true });
    for (let key = SLC_HITS_ROWS; key < maxEntries; key++)
      region.store64(
        key * valueSize + rank * LAYOUT.slc_hits.size,
        (packets << BigInt(SLC_HITS_PACKETS_SHIFT)) | bytes,
      );
    region.close();
  }

  /** Of a row, over all CPUs; of these `kept` is what they have handed over. */
  hitsOf(row: string): CounterFigures & { readonly kept: bigint } {
    const { counters } = this.maps;
    const { rank } = this.image.ranks.find(({ section, id }) => `${section}/${id}` === row)!;
    const region = counters.mmap({ writable: false });
    const kept = region.load64(rank * LAYOUT.slc_hits.size);
    region.close();
    return { ...this.counts().get(rank)!, kept };
  }

  private countedSince(before: ReadonlyMap<number, CounterFigures>): Record<string, number> {
    const at: Record<string, number> = {};
    for (const [slot, { packets }] of this.counts()) {
      const count = Number(packets - (before.get(slot)?.packets ?? 0n));
      if (count > 0) at[this.nameOf(slot)] = count;
    }
    return at;
  }

  private counts(): ReadonlyMap<number, CounterFigures> {
    return readCounters(this.maps.counters);
  }

  private nameOf(slot: number): string {
    const first = this.direction === 'in' ? 0 : SLC_LIMITS.REASON_SLOTS_OUT;
    if (slot < SLC_LIMITS.RANK_FIRST) return `(${REASON_OF_CODE.get(slot - first)!})`;
    const entry = this.image.ranks.find(({ rank }) => rank === slot);
    if (entry) return nameOfRow(entry);
    return `${nameOfRow(this.image.ranks.find(({ rank }) => rank === slot - SLC_LIMIT_REFUSED_RANK)!)}/refused`;
  }

  close(): void {
    this.program.close();
    this.twin.close();
    this.result.close();
    for (const map of Object.values(this.maps)) map.close();
  }
}

function nameOfRow({ section, id }: RankEntry): string {
  return ['inbound', 'outbound', 'guard'].includes(section) ? id : `${section}/${id}`;
}
