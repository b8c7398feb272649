/**
 * The datapath program as a judge of many rulesets: dry twins loaded once, one for each set of switches, over one
 * image map whose bytes are exchanged for every ruleset.
 */
import {
  LOG_WORD_OF_CODE,
  OUT_CODE,
  OUT_OF_CODE,
  REASON_CODE,
  REASON_OF_CODE,
  TIER_CODE,
  TIER_OF_CODE,
} from '../../src/abi/codec';
import { LAYOUT, SLC_WORD_NONE, SLC_WORD_RANK_SHIFT } from '../../src/abi/layout.gen';
import type { Image } from '../../src/compile/image';
import {
  createGenerationMaps,
  createResultMap,
  type GenerationMaps,
  type Tables,
} from '../../src/kernel/datapath-maps';
import { datapathSwitches, type TableSwitches } from '../../src/kernel/datapath-switches';
import { loadProgram } from '../../src/kernel/load-program';
import type { BpfMap, BpfProgram, Kernel, MappedRegion } from '../../src/kernel/kernel';
import { DEFAULT_ECHO_RATES } from '../../src/model/echo';
import type { LogWord } from '../../src/model/logging';
import type { Decision } from '../../src/model/evaluate';
import type { Direction } from '../../src/model/ruleset';

const { size: RECORD, fields: FIELDS } = LAYOUT.slc_result;
/** include/uapi/linux/bpf.h, enum xdp_action. */
const XDP_DROP = 1;
const XDP_PASS = 2;
/** TCX_DROP and TCX_NEXT; as a return value 32 bits, as the twin writes it too. */
const TCX_DROP = 2;
const TCX_NEXT = 0xffffffff;
const CODES = { ...TIER_CODE, ...OUT_CODE };

/** What the program said about a batch of frames. */
export class KernelAnswers {
  private readonly view: DataView;

  constructor(
    private readonly records: Uint8Array,
    private readonly returnValues: Uint32Array,
    private readonly rows: ReadonlyMap<number, { readonly section: string; readonly rule: string | null }>,
    private readonly sections: readonly string[],
    private readonly direction: Direction,
  ) {
    this.view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  }

  /** What an event of frame `i` would be about, null where none is told. */
  log(i: number): LogWord | null {
    return LOG_WORD_OF_CODE.get(this.view.getUint8(i * RECORD + FIELDS.log.offset)) ?? null;
  }

  /** Whether the program decided frame `i` as `decision` says: action, tier, reason and rule. */
  agrees(i: number, { section, tier, verdict, reason, rule }: Decision): boolean {
    const { view } = this;
    const at = i * RECORD;
    const [pass, drop] = this.direction === 'in' ? [XDP_PASS, XDP_DROP] : [TCX_NEXT, TCX_DROP];
    const action = verdict === 'allow' ? pass : drop;
    const word = view.getUint32(at + FIELDS.word.offset, true);
    const row = this.rows.get(word >>> SLC_WORD_RANK_SHIFT);
    const entry = this.sections[view.getUint16(at + FIELDS.section.offset, true)];
    return (
      this.returnValues[i] === action &&
      view.getUint32(at + FIELDS.action.offset, true) === action &&
      view.getUint8(at + FIELDS.tier.offset) === CODES[tier] &&
      view.getUint8(at + FIELDS.reason.offset) === REASON_CODE[reason] &&
      (row?.section ?? entry) === section &&
      (word === SLC_WORD_NONE ? rule === null && !ROW_TIERS.has(tier) : (row?.rule ?? null) === rule)
    );
  }

  /** Whether frames `i` and `j` got the same answer in every field but the count of runs. */
  same(i: number, j: number): boolean {
    if (this.returnValues[i] !== this.returnValues[j]) return false;
    for (let byte = 0; byte < FIELDS.runs.offset; byte++) {
      if (this.records[i * RECORD + byte] !== this.records[j * RECORD + byte]) return false;
    }
    return true;
  }

  /** Frame `i`'s answer for people. */
  describe(i: number): string {
    const { view } = this;
    const at = i * RECORD;
    const word = view.getUint32(at + FIELDS.word.offset, true);
    return JSON.stringify({
      returned: this.returnValues[i],
      action: view.getUint32(at + FIELDS.action.offset, true),
      section: this.sections[view.getUint16(at + FIELDS.section.offset, true)],
      tier:
        (this.direction === 'in' ? TIER_OF_CODE : OUT_OF_CODE).get(view.getUint8(at + FIELDS.tier.offset)) ?? 'unknown',
      reason: REASON_OF_CODE.get(view.getUint8(at + FIELDS.reason.offset)) ?? 'unknown',
      word: word.toString(16),
      row: this.rows.get(word >>> SLC_WORD_RANK_SHIFT) ?? null,
      log: this.log(i),
    });
  }
}

const ROW_TIERS: ReadonlySet<string> = new Set(['3.1', '3.3', '6', '7', '8', '9', 'out 3', 'out 6', 'out 7']);

const PROGRAMS = { in: 'slc_ingress', out: 'slc_egress_main' } as const;
/** Twins count nothing; what the others count is not read. */
const COUNTER_SLOTS = 512;

/** What earlier packets left; with a clock the programs take the time from it. */
type StateMaps = Partial<Tables> & Pick<GenerationMaps, 'clock' | 'open' | 'confirm'>;

export class KernelJudge {
  private readonly programs = new Map<string, BpfProgram>();
  private image: Image | undefined;
  private rows: ReadonlyMap<number, { readonly section: string; readonly rule: string | null }> = new Map();

  private constructor(
    private readonly kernel: Kernel,
    private readonly slots: number,
    private readonly maps: { image: BpfMap; counters: BpfMap; result: BpfMap },
    private readonly bytes: MappedRegion,
    private readonly results: MappedRegion,
    private readonly tables?: { maps: StateMaps; switches?: TableSwitches },
  ) {}

  /** `bytes`: the largest image it can take, a multiple of 4096; `tables`: what earlier packets left, none if left out. */
  static create(kernel: Kernel, bytes: number, tables?: { maps: StateMaps; switches?: TableSwitches }): KernelJudge {
    const slots = bytes / 8;
    const switches = {
      imageSlots: slots,
      counterSlots: COUNTER_SLOTS,
      icmpEssentials: true,
      echo: DEFAULT_ECHO_RATES,
      trackFragments: true,
      ethertypes: [],
      logging: 'off',
      dryRun: true,
      sections: [],
      servers: false,
      trials: false,
      rejects: false,
      rejectsOut: false,
      limits: false,
    } as const;
    const maps = { ...createGenerationMaps(kernel, switches), result: createResultMap(kernel) };
    const image = maps.image.mmap({ writable: true });
    return new KernelJudge(kernel, slots, maps, image, maps.result.mmap({ writable: false }), tables);
  }

  /** Makes it judge by this image. */
  async install(image: Image): Promise<void> {
    if (image.bytes.length > this.slots * 8)
      throw new RangeError(`an image of ${image.bytes.length} bytes is too large`);
    await this.bytes.write(0, image.bytes);
    this.image = image;
    this.rows = new Map(image.ranks.map(({ rank, section, rule }) => [rank, { section, rule: rule?.id ?? null }]));
  }

  /** Judges frames that lie back to back; `linear`: bytes of each before its first fragment, all where left out. */
  async judge(
    frames: Uint8Array,
    lengths: Uint32Array,
    linear?: Int32Array,
    direction: Direction = 'in',
  ): Promise<KernelAnswers> {
    const rows = this.rows;
    const sections = this.image?.sections ?? [];
    const twin = await this.program(PROGRAMS[direction], true);
    const { records, returnValues } = await twin.testRunBatch({
      frames,
      lengths,
      linear,
      results: this.results,
      record: RECORD,
    });
    return new KernelAnswers(records, returnValues, rows, sections, direction);
  }

  /** Runs the enforcing program of a hook on frames, for what it leaves in the tables. */
  async enforce(name: 'slc_ingress' | 'slc_egress_main', frames: Uint8Array, lengths: Uint32Array): Promise<void> {
    const program = await this.program(name, false);
    await program.testRunBatch({ frames, lengths });
  }

  /** The program of the installed image's switches. */
  private async program(name: 'slc_ingress' | 'slc_egress_main', dryRun: boolean): Promise<BpfProgram> {
    if (!this.image) throw new Error('no image is installed');
    const { icmp, echo, fragments, logging, ethertypes, limits, sections, servers, trials } = this.image.features;
    const rejects = [this.image.features.rejects, this.image.features.rejectsOut];
    const switched = [icmp, echo, fragments, logging, ethertypes, limits, rejects, sections.slice(1), servers, trials];
    const key = JSON.stringify([name, dryRun, ...switched]);
    let program = this.programs.get(key);
    if (!program) {
      const clockGiven = this.tables?.maps.clock !== undefined;
      const sizes = { imageSlots: this.slots, counterSlots: COUNTER_SLOTS, clockGiven };
      const switches = { ...datapathSwitches(this.image, dryRun, this.tables?.switches), ...sizes };
      ({ program } = await loadProgram(this.kernel, name, switches, { ...this.maps, ...this.tables?.maps }));
      this.programs.set(key, program);
    }
    return program;
  }

  close(): void {
    this.bytes.close();
    this.results.close();
    for (const program of this.programs.values()) program.close();
    for (const map of Object.values(this.maps)) map.close();
  }
}
