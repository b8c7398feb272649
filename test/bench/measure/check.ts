/** Answers before figures: every packet of a trace through the dry twin, held against the linear scan. */
import { LAYOUT, SLC_WORD_NONE, SLC_WORD_RANK_SHIFT } from '../../../src/abi/layout.gen';
import type { Image } from '../../../src/compile/image';
import { createGenerationMaps, createResultMap } from '../../../src/kernel/datapath-maps';
import { datapathSwitches } from '../../../src/kernel/datapath-switches';
import { loadProgram } from '../../../src/kernel/load-program';
import { kernel } from '../../../src/kernel/native';
import { type BenchSet, idOfRow } from '../sets/bench-set';
import { NO_ROW } from '../sets/scan';
import type { Trace } from '../sets/trace';

const { size: RECORD, fields: FIELD } = LAYOUT.slc_result;
/** Frames of one call; a call copies them twice. */
const CHUNK = 16_384;
const MACS = { from: '02:00:00:00:00:01', to: '02:00:00:00:00:02' };

const STEPS = ['nodes', 'leaves', 'rules'] as const;

export interface Checked {
  readonly checked: number;
  readonly wrong: number;
  /** The first wrong answer, in words. */
  readonly example?: string;
  /** Means a packet. */
  readonly steps: { readonly nodes: number; readonly leaves: number; readonly rules: number };
}

/** Judges the trace by the image, in the kernel; no packet may take more than what compiling said is the most. */
export async function checkTrace(set: BenchSet, image: Image, { packets, rows }: Trace): Promise<Checked> {
  const switches = datapathSwitches(image, true);
  const maps = { ...createGenerationMaps(kernel(), switches), result: createResultMap(kernel()) };
  const region = maps.image.mmap({ writable: true });
  await region.write(0, image.bytes);
  region.close();
  const { program } = await loadProgram(kernel(), 'slc_ingress', switches, maps);
  const results = maps.result.mmap({ writable: false });
  const idOfRank = new Map(image.ranks.map(({ rank, rule }) => [rank, rule?.id ?? null]));
  const sum = { nodes: 0, leaves: 0, rules: 0 };
  let wrong = 0;
  let example: string | undefined;
  try {
    for (let first = 0; first < packets.count; first += CHUNK) {
      const count = Math.min(CHUNK, packets.count - first);
      const frames = new Uint8Array(count * packets.frameBytes);
      for (let i = 0; i < count; i++) packets.writeFrame(frames, i * packets.frameBytes, first + i, MACS);
      const lengths = new Uint32Array(count).fill(packets.frameBytes);
      const { records } = await program.testRunBatch({ frames, lengths, results, record: RECORD });
      const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
      for (let i = 0; i < count; i++) {
        const at = i * RECORD;
        const word = view.getUint32(at + FIELD.word.offset, true);
        const id = word === SLC_WORD_NONE ? 'none' : idOfRank.get(word >>> SLC_WORD_RANK_SHIFT);
        const expected = rows[first + i] === NO_ROW ? null : idOfRow(set, rows[first + i]);
        if (id !== expected) {
          wrong++;
          example ??= `packet ${first + i}: expected ${expected ?? 'the default'}, got ${id ?? 'the default'}`;
        }
        const isWithin = STEPS.map((step) => {
          const taken = view.getUint16(at + FIELD[step].offset, true);
          sum[step] += taken;
          return taken <= image.stats.worstCase[step];
        });
        if (!isWithin.every(Boolean)) {
          wrong++;
          example ??= `packet ${first + i}: takes more than the worst path of the image`;
        }
      }
    }
  } finally {
    results.close();
    program.close();
    for (const map of Object.values(maps)) map.close();
  }
  const mean = (value: number): number => value / packets.count;
  const steps = { nodes: mean(sum.nodes), leaves: mean(sum.leaves), rules: mean(sum.rules) };
  return { checked: packets.count, wrong, steps, ...(example !== undefined && { example }) };
}
