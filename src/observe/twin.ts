/**
 * The dry twin: the datapath program over an image, run on frames that were never sent. It reads what the enforcing
 * program reads and writes nothing but its answer.
 */
import { LOG_WORD_OF_CODE, OUT_OF_CODE, REASON_OF_CODE, TIER_OF_CODE } from '../abi/codec';
import { LAYOUT, SLC_WORD_ACTION_MASK, SLC_WORD_NONE, SLC_WORD_RANK_SHIFT } from '../abi/layout.gen';
import type { Image } from '../compile/image';
import { rankEntry } from '../compile/ranks';
import { createGenerationMaps, createResultMap, type GenerationMaps } from '../kernel/datapath-maps';
import { datapathSwitches } from '../kernel/datapath-switches';
import { loadProgram } from '../kernel/load-program';
import type { BpfMap, BpfProgram, Kernel, MappedRegion } from '../kernel/kernel';
import type { Decision } from '../model/evaluate';
import type { LogWord } from '../model/logging';
import type { Direction } from '../model/ruleset';
import type { Verdict } from '../model/verdict';

/** What the program said about one frame. */
export interface TwinAnswer {
  readonly decision: Decision;
  /** What an event of the packet would be about; null where none is told. */
  readonly log: LogWord | null;
  /** Steps of the image walk. */
  readonly steps: { readonly nodes: number; readonly leaves: number; readonly rules: number };
}

/** What the twin needs of an image: the compiled one, or the pinned map of an enforcing generation. */
export type TwinImage = Pick<Image, 'counterSlots' | 'features' | 'ranks' | 'sections'> & {
  readonly bytes: { readonly length: number };
};

const RESULT = LAYOUT.slc_result;
/** Shortest frame a test run takes: an Ethernet header. */
const MIN_FRAME = 14;
/** Longest frame every kernel takes in a test run; no IP packet that fits its length field is longer by much. */
const MAX_FRAME = 65_536;

/** Whether a frame can be given to the twin; the others are the scan's alone. */
export function twinTakes(frame: Uint8Array): boolean {
  return frame.length >= MIN_FRAME && frame.length <= MAX_FRAME;
}
const VERDICTS: readonly Verdict[] = ['allow', 'deny', 'reject', 'allow'];

const PROGRAMS = { in: 'slc_ingress', out: 'slc_egress_main' } as const;

export class Twin {
  private constructor(
    private readonly program: BpfProgram,
    private readonly results: MappedRegion,
    private readonly image: TwinImage,
    private readonly direction: Direction,
  ) {}

  /**
   * Loads the twin of the program that judges what comes in, or goes out, over a copy of the image, or over the map that
   * enforces it, the bans that hold, and what is under ALLOW ALL.
   */
  static async load(
    kernel: Kernel,
    image: TwinImage,
    source: { bytes: Uint8Array } | ({ map: BpfMap } & Pick<GenerationMaps, 'bans' | 'open' | 'confirm'>),
    direction: Direction = 'in',
  ): Promise<Twin> {
    const switches = datapathSwitches(image, true);
    const maps = createGenerationMaps(kernel, switches);
    const result = createResultMap(kernel);
    try {
      if ('bytes' in source) {
        const region = maps.image.mmap({ writable: true });
        await region.write(0, source.bytes);
        region.close();
      }
      const { program } = await loadProgram(kernel, PROGRAMS[direction], switches, {
        image: 'map' in source ? source.map : maps.image,
        ...('map' in source && { bans: source.bans, open: source.open, confirm: source.confirm }),
        counters: maps.counters,
        result,
      });
      return new Twin(program, result.mmap({ writable: false }), image, direction);
    } finally {
      maps.image.close();
      maps.counters.close();
      result.close();
    }
  }

  /** Judges frames that `twinTakes`, in order. */
  async judge(frames: readonly Uint8Array[]): Promise<TwinAnswer[]> {
    const { records } = await this.program.testRunBatch({
      frames: Buffer.concat(frames),
      lengths: Uint32Array.from(frames, (frame) => frame.length),
      results: this.results,
      record: RESULT.size,
    });
    const view = Buffer.from(records.buffer, records.byteOffset, records.byteLength);
    return frames.map((_, i) =>
      readAnswer(view.subarray(i * RESULT.size, (i + 1) * RESULT.size), this.image, this.direction),
    );
  }

  close(): void {
    this.program.close();
    this.results.close();
  }
}

/** Reads one `struct slc_result`. */
function readAnswer(record: Buffer, image: TwinImage, direction: Direction): TwinAnswer {
  const { fields } = RESULT;
  const word = record.readUInt32LE(fields.word.offset);
  const tier = (direction === 'in' ? TIER_OF_CODE : OUT_OF_CODE).get(record.readUInt8(fields.tier.offset));
  const reason = REASON_OF_CODE.get(record.readUInt8(fields.reason.offset));
  const section = image.sections[record.readUInt16LE(fields.section.offset)];
  if (!tier || !reason || section === undefined)
    throw new RangeError('the program answered with a number this sluice does not know');
  const passed = record.readUInt32LE(fields.action.offset) === PASS[direction];
  const row = word === SLC_WORD_NONE ? undefined : rankEntry(image.ranks, word >>> SLC_WORD_RANK_SHIFT);
  const decided = reason === 'limit' ? row?.rule?.limit?.verdict : VERDICTS[word & SLC_WORD_ACTION_MASK];
  // The word of what ALLOW ALL lets in is the one that would have refused it.
  const isByWord = word !== SLC_WORD_NONE && reason !== 'allow-all' && decided;
  const verdict = isByWord ? decided : passed ? 'allow' : 'deny';
  return {
    decision: { section: row?.section ?? section, tier, verdict, reason, rule: row?.rule?.id ?? null },
    log: LOG_WORD_OF_CODE.get(record.readUInt8(fields.log.offset)) ?? null,
    steps: {
      nodes: record.readUInt16LE(fields.nodes.offset),
      leaves: record.readUInt16LE(fields.leaves.offset),
      rules: record.readUInt16LE(fields.rules.offset),
    },
  };
}

/** include/uapi/linux/bpf.h: XDP_PASS, and TCX_NEXT as an unsigned number. */
const PASS: Readonly<Record<Direction, number>> = { in: 2, out: 0xffffffff };
