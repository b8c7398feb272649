/** Rows of the product: compile, load, check every answer, then the cost of a packet beside the floors. */
import { compile } from '../../src/compile/compile';
import type { Image } from '../../src/compile/image';
import { checkTrace } from './measure/check';
import { compileTimes } from './measure/compile-times';
import { type Burst, Generator } from './measure/generator';
import type { Floors } from './measure/floors';
import type { Port } from './measure/lab';
import { loadAlone, type Product } from './measure/product';
import { measureRounds, type Rounds, type Subject } from './measure/rounds';
import { type Row, rowOf } from './row';
import { type BenchSet, idOfRow, rulesetOf } from './sets/bench-set';
import { overBudget } from './sets/budgets';
import { NO_ROW } from './sets/scan';
import type { Trace } from './sets/trace';

/** Where packets go: live towards ports, or straight into programs. */
export type Stand =
  | { readonly mode: 'native'; readonly floors: { drop: Port; parse: Port }; readonly product: Product }
  | { readonly mode: 'test-run'; readonly floors: Floors };

/** Frames that get no answer but are sent: more than this share makes a figure worthless. */
const LOST_SHARE = 0.001;

export async function productRows(
  stand: Stand,
  set: BenchSet,
  traces: Readonly<Record<'hit' | 'miss', Trace | null>>,
  rounds: number,
): Promise<Row[]> {
  const common = { subject: 'sluice', set: set.name, family: set.family, rules: set.size };
  const times = await compileTimes(set.name, set.size, set.family);
  if ('failure' in times) return [rowOf({ ...common, note: times.failure })];
  const figures = { compile_ms: times.coldMs, compile_warm_ms: times.warmMs };
  const mixed = compile(rulesetOf(set, 'mixed'));
  const denying = compile(rulesetOf(set, 'deny'));
  const image = { bytes: mixed.stats.bytes, worst: mixed.stats.worstCase };
  const over = overBudget(set, mixed.stats);
  const loaded = await load(stand, denying);
  const rows: Row[] = [];
  try {
    const answered = new Map<string, number>();
    for (const traffic of ['hit', 'miss'] as const) {
      const trace = traces[traffic];
      if (!trace) {
        rows.push(rowOf({ ...common, ...figures, traffic, note: 'hardly a packet matches nothing' }));
        continue;
      }
      const { checked, wrong, steps, example } = await checkTrace(set, mixed, trace);
      const generator = await Generator.open(trace.packets, { replay: stand.mode === 'test-run' });
      try {
        const subjects = subjectsOf(stand, generator, loaded, (burst) => note(answered, set, trace, burst));
        const measured = await measureRounds(subjects, rounds);
        const began = performance.now();
        const hits = stand.mode === 'native' ? stand.product.counted() : null;
        const readMs = performance.now() - began;
        const counted = hits && denying.ranks.map(({ rank }) => Number(hits.get(rank)?.packets ?? 0));
        const lookedUpMs = performance.now() - began - readMs;
        const miscounted = counted ? differences(denying, counted, answered) : 0;
        const row = rowOf({
          ...common,
          ...figures,
          ...image,
          ...packetFigures(measured, 2),
          traffic,
          mode: stand.mode,
          parse_ns: measured.ns[1],
          load_ms: loaded.loadMs,
          checked,
          wrong: wrong + miscounted + over.length,
          nodes: steps.nodes,
          leaves: steps.leaves,
          leaf_rules: steps.rules,
        });
        const notes = [
          ...over,
          example,
          miscounted > 0 ? `${miscounted} rows counted wrong` : undefined,
          lossNote(measured),
        ];
        if (counted && set.servers !== undefined)
          notes.push(`counters read in ${readMs.toFixed(1)} ms, each row looked up in ${lookedUpMs.toFixed(1)} ms`);
        rows.push({ ...row, note: notes.filter(Boolean).join('; ') });
      } finally {
        generator.close();
      }
    }
  } finally {
    loaded.close();
  }
  return rows;
}

/** Figures of one subject of the rounds, whose first is XDP_DROP. */
export function packetFigures(
  measured: Rounds,
  subject: number,
): Pick<Row, 'ratio' | 'ratio_min' | 'ratio_max' | 'ns' | 'floor_ns' | 'lost'> {
  const { median, min, max } = measured.ratio[subject];
  return {
    ratio: median,
    ratio_min: min,
    ratio_max: max,
    ns: measured.ns[subject],
    floor_ns: measured.ns[0],
    lost: measured.lost[subject],
  };
}

/** Words on frames that did not arrive, or were not dropped where all are. */
export function lossNote(measured: Rounds): string | undefined {
  const lost = measured.lost.some((count, i) => count > measured.sent[i] * LOST_SHARE);
  return lost ? `frames lost: ${measured.lost.join('/')} of ${measured.sent.join('/')}` : undefined;
}

interface Loaded {
  readonly loadMs: number;
  readonly run: (generator: Generator, count: number) => Promise<Burst>;
  readonly close: () => void;
}

async function load(stand: Stand, image: Image): Promise<Loaded> {
  if (stand.mode === 'native') {
    const { product } = stand;
    const loadMs = await product.install(image);
    return { loadMs, run: (generator, count) => generator.send(product.port, count), close: () => undefined };
  }
  const began = performance.now();
  const program = await loadAlone(image);
  const loadMs = performance.now() - began;
  return { loadMs, run: (generator, count) => generator.replay(program, count), close: () => program.close() };
}

function subjectsOf(stand: Stand, generator: Generator, loaded: Loaded, seen: (burst: Burst) => void): Subject[] {
  const floor = (name: 'drop' | 'parse'): Subject =>
    stand.mode === 'native'
      ? (count) => generator.send(stand.floors[name], count)
      : (count) => generator.replay(stand.floors[name], count);
  const product: Subject = async (count) => {
    const burst = await loaded.run(generator, count);
    seen(burst);
    return burst;
  };
  return [floor('drop'), floor('parse'), product];
}

/** Adds to each row what a burst must have counted there. */
function note(answered: Map<string, number>, set: BenchSet, { packets, rows }: Trace, { sent }: Burst): void {
  const whole = Math.floor(sent / packets.count);
  const rest = sent % packets.count;
  rows.forEach((row, i) => {
    const times = whole + (i < rest ? 1 : 0);
    if (times === 0) return;
    const id = row === NO_ROW ? 'default' : idOfRow(set, row);
    answered.set(id, (answered.get(id) ?? 0) + times);
  });
}

/** Rows whose counter is not what was sent to them; the defaults of all sections are one row. */
function differences(image: Image, counted: readonly number[], answered: ReadonlyMap<string, number>): number {
  const sums = new Map<string, number>();
  image.ranks.forEach(({ section, id }, i) => {
    if (section !== 'outbound') sums.set(id, (sums.get(id) ?? 0) + counted[i]);
  });
  return [...sums].filter(([id, packets]) => packets !== (answered.get(id) ?? 0)).length;
}
