/**
 * Changes of one server among thousands: how long it takes from the request to the stored gate word (edit, check, compile,
 * apply), and to the answer (write down), and for how long the event loop did nothing else. Through the sockets of owners
 * at the daemon, and by a program that applies the operator's file; one file and a folder of files; without traffic and
 * under live frames, each of which must be counted in its row over all generations.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Snapshot } from '../../src/observe/snapshot';
import type { Background } from '../support/process';
import {
  askLoop,
  askOwner,
  awaitSockets,
  cpuOf,
  EdgeStand,
  memoryOf,
  share,
  TIMEOUT_MS,
  type Turn,
} from './measure/edge-stand';
import { Generator } from './measure/generator';
import type { Lab } from './measure/lab';
import { type Row, rowOf } from './row';
import { textOf } from './sets/bench-set';
import { makeSet } from './sets/catalogue';
import { Scan } from './sets/scan';
import { countFrames, owned, serverNames, writeRuleset, wrongRows } from './sets/server-files';
import { SERVER_ROWS } from './sets/servers';
import { hitTrace } from './sets/trace';

const CHILD = join(__dirname, '../../scripts/bench-library.js');
const TELLS = join(__dirname, '../support/loop-delay.js');

/** Rows in all, and changes that are measured, behind some that warm the process up. */
interface Case {
  readonly size: number;
  readonly changes: number;
  /** Each server is a file of its own. */
  readonly isFolder?: boolean;
  /** As many live frames as one CPU sends, meanwhile. */
  readonly isLoaded?: boolean;
  /** The next request comes with the answer to the last, whether programs for it are loaded or not. */
  readonly isPressed?: boolean;
  /** The operator writes the file, and a program of his applies it. */
  readonly byProgram?: boolean;
}

const CASES: readonly Case[] = [
  { size: 1000, changes: 1000, isPressed: true },
  { size: 10_000, changes: 1000, isPressed: true },
  { size: 100_000, changes: 40, isPressed: true },
  ...[false, true].flatMap((isFolder) =>
    [false, true].flatMap((isLoaded) =>
      [false, true].map((byProgram) => ({ size: 100_000, changes: 100, isFolder, isLoaded, byProgram })),
    ),
  ),
];
const WARM_UP = 5;
/** Frames of a burst: it ends soon after the changes do. */
const BURST = 1 << 19;

/** One row a case: milliseconds from a request to the stored gate word in `load_ms`. */
export async function* daemonRows(lab: Lab, { sizes }: { readonly sizes: readonly number[] }): AsyncGenerator<Row> {
  for (const one of CASES.filter(({ size }) => sizes.includes(size))) yield await daemonRow(lab, one);
}

/** What one change took, in milliseconds: until the gate word was stored, and until it was answered. */
interface Change {
  readonly gateMs: number;
  /** For which the process had a CPU until then. */
  readonly cpuMs: number;
  readonly answerMs: number;
  readonly turn: Turn;
}

/** Who is asked for changes. */
interface Changer {
  readonly process: Background;
  /** Makes ready what is no part of the change, such as writing the file; what is returned asks for it. */
  readonly prepare: (number: number) => () => Promise<unknown>;
  /** Waits until programs for the next one are loaded. */
  readonly settle: () => Promise<void>;
}

async function daemonRow(lab: Lab, one: Case): Promise<Row> {
  const { size, changes, isFolder = false, isLoaded = false, isPressed = false, byProgram = false } = one;
  // Room for the rows that come.
  const set = makeSet('servers', size - SERVER_ROWS, 4);
  const words = [byProgram ? 'l' : 'd', size / 1000, isFolder ? 'd' : '', isLoaded ? 'l' : '', isPressed ? 'p' : ''];
  const stand = new EdgeStand(lab, words.join(''));
  const trace = hitTrace(set, new Scan(set));
  const generator = isLoaded ? await Generator.open(trace.packets, { replay: false }) : null;
  try {
    const text = owned(textOf(set, 'lines', { link: stand.port.link }));
    const file = writeRuleset(stand.directory, text, isFolder);
    await stand.must(['apply', file]);
    await stand.look();
    const names = serverNames(set);
    const changer = byProgram
      ? await programOf(stand, { file, isFolder, names })
      : await ownersOf(stand, names, { isPressed });
    const sent = Array<number>(set.rules.length).fill(0);
    let [frames, lost] = [0, 0];
    let running = generator !== null;
    const loading = (async (): Promise<void> => {
      while (running) {
        const burst = await generator!.send(stand.port, BURST);
        frames += burst.sent;
        lost += burst.lost;
        countFrames(sent, trace, burst.sent);
      }
    })();
    const done: Change[] = [];
    let early = 0;
    try {
      for (let i = -WARM_UP; i < changes; i++) {
        const ask = changer.prepare(i + WARM_UP);
        await changer.settle();
        const took = await measure(stand, changer.process, ask);
        // With what comes after the answer.
        const turn = await askLoop(changer.process);
        if (i >= 0) done.push({ ...took, turn });
        if (i === changes >> 2) early = memoryOf(changer.process, 'VmRSS');
      }
    } finally {
      running = false;
      await loading;
    }
    const memory = `resident ${early} MiB after a quarter of them, ${memoryOf(changer.process, 'VmRSS')} at the end, peak ${memoryOf(changer.process, 'VmHWM')}`;
    const status = await stand.must(['status', '--json']);
    const { snapshot } = JSON.parse(status.stdout) as { snapshot: Snapshot };
    const wrong = wrongRows(set, snapshot, sent);
    const most = (part: number, of: (change: Change) => number): string => ms(share(done.map(of), part));
    const gate = (change: Change): number => change.gateMs;
    const answer = (change: Change): number => change.answerMs;
    return rowOf({
      ...({ subject: byProgram ? 'sluice library' : 'sluice daemon', set: 'servers', family: 4 } as const),
      ...{ rules: set.rules.length, traffic: isLoaded ? 'hit' : '-', mode: isLoaded ? 'native' : '-' },
      ...{ load_ms: share(done.map(gate), 0.5), checked: frames, wrong: wrong.length, lost },
      note:
        `${isFolder ? 'a folder of files' : 'one file'}, ${changes} changes${isPressed ? ', the next with the answer to the last' : ''}, ` +
        `until the gate word p95 ${most(0.95, gate)}, worst ${most(1, gate)} ms (median ${most(0.5, ({ cpuMs }) => cpuMs)} ms on CPUs), ` +
        `until the answer ${most(0.5, answer)}, worst ${most(1, answer)} ms; ` +
        `event loop held ${most(1, ({ turn }) => turn.heldMs)} ms at most (${most(1, ({ turn }) => turn.cpuMs)} ms on the CPU), ${memory}` +
        (wrong.length > 0 ? `; rows counted wrong: ${wrong.slice(0, 3).join(', ')}` : ''),
    });
  } finally {
    generator?.close();
    await stand.close();
  }
}

/** Owners who come through their sockets at a daemon. */
async function ownersOf(
  stand: EdgeStand,
  names: readonly string[],
  { isPressed }: { readonly isPressed: boolean },
): Promise<Changer> {
  const directory = stand.path('owners');
  const daemon = await stand.daemon('--owners', directory);
  await awaitSockets(daemon, directory, names);
  return {
    process: daemon,
    prepare: (number) => () => {
      const path = join(directory, `${serverOf(names, number)}.sock`);
      return askOwner(path, { verb: 'deny', words: ['from', sourceOf(number)] });
    },
    settle: async () => {
      for (const end = Date.now() + TIMEOUT_MS; !isPressed && !stand.isReady;) {
        if (Date.now() > end) throw new Error(`no programs for the next change: ${daemon.output}`);
        await sleep(20);
      }
    },
  };
}

/** A program that applies the operator's file whenever one server in it is another. */
async function programOf(
  stand: EdgeStand,
  { file, isFolder, names }: { readonly file: string; readonly isFolder: boolean; readonly names: readonly string[] },
): Promise<Changer> {
  const program = stand.start([process.execPath, '-r', TELLS, CHILD, stand.namespace.path, file]);
  await program.waitFor(/^ready$/m, TIMEOUT_MS);
  let asked = 0;
  const ask = async (word: string): Promise<void> => {
    program.write(`${word}\n`);
    const [, answer] = await program.waitFor(new RegExp(`^${++asked} (.*)\n`, 'm'), TIMEOUT_MS);
    if (answer !== word) throw new Error(answer);
  };
  return {
    process: program,
    prepare: (number) => {
      addRow(file, isFolder, serverOf(names, number), sourceOf(number));
      return () => ask('applied');
    },
    settle: () => ask('prepared'),
  };
}

/** Far apart, so that no part of the file is changed again and again. */
function serverOf(names: readonly string[], number: number): string {
  return names[(number * 7919) % names.length];
}

/** No source of a frame, and none twice. */
function sourceOf(number: number): string {
  return `10.${(number >>> 8) & 255}.${number & 255}.1`;
}

/** What an operator's editor does. */
function addRow(file: string, isFolder: boolean, server: string, source: string): void {
  const path = isFolder ? join(file, '..', 'servers.d', `${server}.yaml`) : file;
  const text = readFileSync(path, 'utf8');
  const at = isFolder ? 0 : text.indexOf(`\n  ${server}:\n`);
  const rows = text.indexOf('rules:\n', at) + 'rules:\n'.length;
  const row = `${/^ */.exec(text.slice(rows))![0]}- deny from ${source}\n`;
  const next = text.indexOf('\n  s', rows) + 1;
  const end = isFolder || next === 0 ? text.length : next;
  const head = text.slice(0, end);
  writeFileSync(path, `${head}${head.endsWith('\n') ? '' : '\n'}${row}${text.slice(end)}`);
}

function ms(value: number): string {
  return value.toFixed(0);
}

/** A request, and how long it took until the kernel had another gate word, looked at every millisecond. */
async function measure(
  stand: EdgeStand,
  changer: Background,
  ask: () => Promise<unknown>,
): Promise<Omit<Change, 'turn'>> {
  const before = stand.slot;
  const cpuBefore = cpuOf(changer);
  const began = performance.now();
  let answerMs: number | null = null;
  const answered = ask().then(() => (answerMs = performance.now() - began));
  let gateMs: number | null = null;
  let cpuMs = 0;
  while (gateMs === null && answerMs === null) {
    await Promise.race([sleep(1), answered]);
    if (stand.slot === before) continue;
    gateMs = performance.now() - began;
    cpuMs = cpuOf(changer) - cpuBefore;
  }
  await answered;
  if (gateMs === null) throw new Error('a change was answered, and the gate word is as it was');
  return { gateMs, cpuMs, answerMs: answerMs! };
}
