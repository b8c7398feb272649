/**
 * One rule changed in a warm process: from the changed ruleset to the stored gate word, programs loaded in advance (as
 * the daemon does), without traffic and under as many live frames as one CPU sends. Every frame must be counted where
 * the scan says, over all generations that have judged meanwhile.
 */
import { join } from 'node:path';
import { Background } from '../support/process';
import { onAllCpus } from './measure/all-cpus';
import { Generator } from './measure/generator';
import type { Lab } from './measure/lab';
import type { Swap } from './measure/swapper';
import { type Row, rowOf } from './row';
import { type BenchSet, idOfRow } from './sets/bench-set';
import { makeSet } from './sets/catalogue';
import { NO_ROW, Scan } from './sets/scan';
import { hitTrace, type Trace } from './sets/trace';

const CHILD = join(__dirname, '../../scripts/bench-swap.js');
const SETS: readonly (readonly [name: string, sizes: readonly number[]])[] = [
  ['acl1', [1000, 10_000, 100_000]],
  ['fw1', [10_000]],
  ['ipc1', [10_000]],
  ['crossing', [10_000]],
  ['servers', [100_000]],
];
const SWAPS = 20;
/** Frames of a burst: it ends soon after the swaps do. */
const BURST = 1 << 19;
/** A process that says nothing for so long is stuck. */
const TIMEOUT_MS = 120_000;

/** Two rows a set: milliseconds from the changed ruleset to the stored gate word in `load_ms`. */
export async function* swapRows(
  lab: Lab,
  { sets, sizes }: { readonly sets: readonly string[]; readonly sizes: readonly number[] },
): AsyncGenerator<Row> {
  for (const [name, offered] of SETS.filter(([one]) => sets.length === 0 || sets.includes(one))) {
    for (const size of offered.filter((one) => sizes.includes(one))) {
      const set = makeSet(name, size, 4);
      const trace = hitTrace(set, new Scan(set));
      for (const traffic of ['-', 'hit'] as const) yield await swapRow(lab, set, trace, traffic);
    }
  }
}

async function swapRow(lab: Lab, set: BenchSet, trace: Trace, traffic: '-' | 'hit'): Promise<Row> {
  const name = `${set.name.slice(0, 4)}${set.size / 1000}${traffic === '-' ? 'q' : 'l'}`;
  const namespace = lab.namespace(name);
  const port = lab.port(name, namespace);
  const command = [process.execPath, CHILD, namespace.path, port.link, set.name, String(set.size), String(SWAPS)];
  const child = new Background(onAllCpus(command));
  const generator = await Generator.open(trace.packets, { replay: false });
  try {
    await child.waitFor(/^ready$/m, TIMEOUT_MS);
    child.write('begin\n');
    const said = child.waitFor(/^swaps (.*)\n/m, TIMEOUT_MS);
    let swapping = traffic === 'hit';
    const over = said.finally(() => (swapping = false));
    const sent = new Map<string, number>();
    let frames = 0;
    let lost = 0;
    while (swapping) {
      const burst = await generator.send(port, BURST);
      frames += burst.sent;
      lost += burst.lost;
      addTo(sent, set, trace, burst.sent);
    }
    const swaps = JSON.parse((await over)[1]) as Swap[];
    child.write('end\n');
    const hits = new Map(JSON.parse((await child.waitFor(/^hits (.*)\n/m, TIMEOUT_MS))[1]) as [string, number][]);
    await child.end();
    const wrong = [...new Set([...sent.keys(), ...hits.keys()])].filter(
      (id) => (sent.get(id) ?? 0) !== (hits.get(id) ?? 0),
    );
    const known = { subject: 'sluice swap', set: set.name, family: set.family, rules: set.size } as const;
    const middle = (figure: (swap: Swap) => number): number =>
      swaps.map(figure).sort((a, b) => a - b)[swaps.length >> 1];
    const most = (figure: (swap: Swap) => number): string => Math.max(...swaps.map(figure)).toFixed(0);
    return rowOf({
      ...known,
      traffic,
      mode: traffic === 'hit' ? 'native' : '-',
      compile_warm_ms: middle(({ compileMs }) => compileMs),
      load_ms: middle(({ ms }) => ms),
      checked: frames,
      wrong: wrong.length,
      lost,
      note:
        `${swaps.length} swaps, at most ${most(({ ms }) => ms)} ms, event loop held ${most(({ blockedMs }) => blockedMs)} ms at most` +
        `, ${swaps.filter(({ spare }) => spare).length} with programs loaded in advance` +
        (wrong.length > 0 ? `; rows counted wrong: ${wrong.slice(0, 3).join(', ')}` : ''),
    });
  } finally {
    generator.close();
    await child.stop();
  }
}

/** Adds what each row must have counted of a burst. */
function addTo(counts: Map<string, number>, set: BenchSet, { packets, rows }: Trace, sent: number): void {
  const whole = Math.floor(sent / packets.count);
  const rest = sent % packets.count;
  rows.forEach((row, i) => {
    const times = whole + (i < rest ? 1 : 0);
    if (times === 0) return;
    const id = row === NO_ROW ? 'default' : idOfRow(set, row);
    counts.set(id, (counts.get(id) ?? 0) + times);
  });
}
