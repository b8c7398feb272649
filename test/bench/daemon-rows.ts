/**
 * A daemon whose owners change their servers, one after the other: how long it takes from the request to the stored gate
 * word (edit, check, compile, apply), and to the answer (write down), and for how long the daemon's event loop did nothing
 * else; without traffic and under live frames, each of which must be counted in its row over all generations.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { kernel } from '../../src/kernel/native';
import { PinLayout } from '../../src/kernel/pins';
import { SharedState } from '../../src/load/state';
import type { Snapshot } from '../../src/observe/snapshot';
import { Background, must, run } from '../support/process';
import { onAllCpus } from './measure/all-cpus';
import { Generator } from './measure/generator';
import type { Lab } from './measure/lab';
import { type Row, rowOf } from './row';
import { textOf } from './sets/bench-set';
import { makeSet } from './sets/catalogue';
import { NO_ROW, Scan } from './sets/scan';
import { SERVER_ROWS } from './sets/servers';
import { hitTrace, type Trace } from './sets/trace';

const BIN = join(__dirname, '../../dist/cli/main.js');
const TELLS = join(__dirname, '../support/loop-delay.js');
const TIMEOUT_MS = 120_000;

/** Rows in all, and changes that are measured, behind some that warm the process up. */
interface Case {
  readonly size: number;
  readonly changes: number;
  /** Each server is a file of its own. */
  readonly isFolder?: boolean;
  /** As many live frames as one CPU sends, meanwhile. */
  readonly isLoaded?: boolean;
}

const CASES: readonly Case[] = [
  { size: 1000, changes: 1000 },
  { size: 10_000, changes: 1000 },
  { size: 100_000, changes: 40 },
  { size: 100_000, changes: 40, isLoaded: true },
  { size: 100_000, changes: 40, isFolder: true },
  { size: 100_000, changes: 40, isFolder: true, isLoaded: true },
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
  readonly answerMs: number;
  readonly turn: Turn;
}

async function daemonRow(lab: Lab, { size, changes, isFolder = false, isLoaded = false }: Case): Promise<Row> {
  // Room for the rows that come.
  const set = makeSet('servers', size - SERVER_ROWS, 4);
  const servers = set.rules.length / SERVER_ROWS;
  const name = `dm${size / 1000}${isFolder ? 'd' : ''}${isLoaded ? 'l' : ''}`;
  const namespace = lab.namespace(name);
  const port = lab.port(name, namespace);
  const directory = mkdtempSync(join(tmpdir(), `slc-bench-${process.pid}-`));
  const [bpffs, owners] = [join(directory, 'bpf'), join(directory, 'owners')];
  mkdirSync(bpffs);
  mkdirSync(owners);
  must(['mount', '-t', 'bpf', 'bpf', bpffs]);
  const env = {
    ...process.env,
    SLUICE_BPFFS: join(bpffs, 'sluice'),
    SLUICE_STATE_DIR: join(directory, 'state'),
    SLUICE_RUN_DIR: join(directory, 'run'),
    SLUICE_LOG: join(directory, 'sluice.log'),
  };
  const sluice = [process.execPath, BIN, '--netns', namespace.path];
  const file = writeRuleset(directory, denying(textOf(set, 'lines', { link: port.link })), isFolder);
  const trace = hitTrace(set, new Scan(set));
  const generator = isLoaded ? await Generator.open(trace.packets, { replay: false }) : null;
  let daemon: Background | null = null;
  let gate: Gate | null = null;
  try {
    const applied = await run(onAllCpus([...sluice, 'apply', file]), { env });
    if (applied.status !== 0) throw new Error(applied.stderr);
    const command = [process.execPath, '-r', TELLS, BIN, '--netns', namespace.path, 'daemon', '--owners', owners];
    daemon = new Background(onAllCpus(command), { env });
    await daemon.waitFor(/the daemon runs/, TIMEOUT_MS);
    const names = Array.from({ length: servers }, (_, i) => `s${String(i).padStart(4, '0')}`);
    for (const end = Date.now() + TIMEOUT_MS; !names.every((one) => existsSync(join(owners, `${one}.sock`)));) {
      if (Date.now() > end) throw new Error(`not all owners have a socket: ${daemon.output}`);
      await sleep(50);
    }
    gate = await Gate.open(namespace.path, env.SLUICE_BPFFS);
    const sent = Array<number>(set.rules.length).fill(0);
    let [frames, lost] = [0, 0];
    let running = generator !== null;
    const loading = (async (): Promise<void> => {
      while (running) {
        const burst = await generator!.send(port, BURST);
        frames += burst.sent;
        lost += burst.lost;
        countFrames(sent, trace, burst.sent);
      }
    })();
    const done: Change[] = [];
    let early = 0;
    try {
      for (let i = -WARM_UP; i < changes; i++) {
        const one = names[(Math.abs(i) * 7919) % names.length];
        const took = await measure(gate, join(owners, `${one}.sock`), i);
        // With what comes after the answer.
        const turn = await askLoop(daemon);
        if (i >= 0) done.push({ ...took, turn });
        if (i === changes >> 2) early = memoryOf(daemon, 'VmRSS');
      }
    } finally {
      running = false;
      await loading;
    }
    const memory = `resident ${early} MiB after a quarter of them, ${memoryOf(daemon, 'VmRSS')} at the end, peak ${memoryOf(daemon, 'VmHWM')}`;
    const status = await run([...sluice, 'status', '--json'], { env, timeout: TIMEOUT_MS });
    const wrong = wrongRows((JSON.parse(status.stdout) as { snapshot: Status }).snapshot, sent);
    const [gates, answers] = [(change: Change) => change.gateMs, (change: Change) => change.answerMs];
    return rowOf({
      ...({ subject: 'sluice daemon', set: 'servers', family: 4, rules: set.rules.length } as const),
      ...{ traffic: isLoaded ? 'hit' : '-', mode: isLoaded ? 'native' : '-' },
      ...{ load_ms: share(done, gates, 0.5), checked: frames, wrong: wrong.length, lost },
      note:
        `${isFolder ? 'a folder of files' : 'one file'}, ${changes} owners' changes, until the gate word p99 ${ms(share(done, gates, 0.99))}, worst ${ms(share(done, gates, 1))} ms, ` +
        `until the answer ${ms(share(done, answers, 0.5))}, worst ${ms(share(done, answers, 1))} ms; ` +
        `event loop held ${ms(most(done, 'heldMs'))} ms at most (${ms(most(done, 'cpuMs'))} ms on the CPU), ${memory}` +
        (wrong.length > 0 ? `; rows counted wrong: ${wrong.slice(0, 3).join(', ')}` : ''),
    });
  } finally {
    gate?.close();
    generator?.close();
    await daemon?.stop();
    await run([...sluice, 'disable', '--yes'], { env });
    must(['umount', '-l', bpffs]);
    rmSync(directory, { recursive: true, force: true });
  }
}

/** All rows deny: a frame that passes costs what the stack costs. */
function denying(text: string): string {
  return text
    .replaceAll('- allow ', '- deny ')
    .replaceAll('\n    udp: on\n', '\n    udp: on\n    owner: { group: 0, changes: 600 }\n');
}

/** The ruleset file; `isFolder`: with the servers in files of their own. */
function writeRuleset(directory: string, text: string, isFolder: boolean): string {
  const file = join(directory, 'rules.yaml');
  const [head, servers] = text.split('servers:\n');
  if (!isFolder) {
    writeFileSync(file, text);
    return file;
  }
  mkdirSync(join(directory, 'servers.d'));
  writeFileSync(file, `${head}servers: { dir: servers.d }\n`);
  for (const block of servers.split(/^ {2}(?=s\d+:)/m).filter((one) => one !== '')) {
    const [name] = block.split(':', 1);
    const lines = block.slice(name.length + 2).replaceAll(/^ {4}/gm, '');
    writeFileSync(join(directory, 'servers.d', `${name}.yaml`), lines);
  }
  return file;
}

/** The figure that this share of the changes does not exceed. */
function share(done: readonly Change[], figure: (change: Change) => number, part: number): number {
  const sorted = done.map(figure).sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))];
}

function ms(value: number): string {
  return value.toFixed(0);
}

/** The gate word of a namespace, as the kernel sees it. */
class Gate {
  private constructor(private readonly state: SharedState) {}

  static async open(netns: string, root: string): Promise<Gate> {
    const own = kernel();
    const state = SharedState.find(own, new PinLayout(await own.netnsCookie(netns), root));
    if (!state) throw new Error('nothing is enforced');
    return new Gate(state);
  }

  get slot(): number {
    return this.state.gate.slot;
  }

  close(): void {
    this.state.close();
  }
}

/** A request for a row, and how long it took until the kernel had another gate word, looked at every millisecond. */
async function measure(gate: Gate, path: string, number: number): Promise<Omit<Change, 'turn'>> {
  const before = gate.slot;
  const began = performance.now();
  let answerMs: number | null = null;
  const answered = change(path, number).then(() => (answerMs = performance.now() - began));
  let gateMs: number | null = null;
  while (gateMs === null && answerMs === null) {
    await Promise.race([sleep(1), answered]);
    if (gate.slot !== before) gateMs = performance.now() - began;
  }
  await answered;
  if (gateMs === null) throw new Error('a change was answered, and the gate word is as it was');
  return { gateMs, answerMs: answerMs! };
}

/** What of `sluice status --json` is looked at. */
type Status = Pick<Snapshot, 'sections'>;

/** Rows that have not counted what was sent, over all generations; those that owners added stand behind them. */
function wrongRows({ sections }: Status, sent: readonly number[]): string[] {
  const byName = new Map(sections.map((section) => [section.name, section]));
  return sent.flatMap((count, row) => {
    const name = `s${String(Math.floor(row / SERVER_ROWS)).padStart(4, '0')}`;
    const found = byName.get(name)?.rows.find(({ number }) => number === (row % SERVER_ROWS) + 1)?.packets;
    return Number(found) === count ? [] : [`${name} rule ${(row % SERVER_ROWS) + 1}: ${found} for ${count}`];
  });
}

/** Adds what each row must have counted of a burst. */
function countFrames(counts: number[], { packets, rows }: Trace, sent: number): void {
  const whole = Math.floor(sent / packets.count);
  const rest = sent % packets.count;
  rows.forEach((row, i) => {
    if (row !== NO_ROW) counts[row] += whole + (i < rest ? 1 : 0);
  });
}

/** MiB, as the kernel counts them for the process and its threads. */
function memoryOf({ pid }: Background, figure: 'VmRSS' | 'VmHWM'): number {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(new RegExp(`^${figure}:\\s*(\\d+) kB$`, 'm').exec(text)?.[1]) / 1024);
}

/** A row that was not there before. */
async function change(path: string, number: number): Promise<void> {
  const source = `10.${(number >>> 8) & 255}.${number & 255}.1`;
  const request = { version: 1, verb: 'deny', words: ['from', source] };
  const text = await new Promise<string>((resolve, reject) => {
    let answer = '';
    const socket = connect({ path, allowHalfOpen: true });
    socket.on('data', (chunk) => (answer += chunk.toString()));
    socket.on('error', reject);
    socket.on('close', () => resolve(answer));
    socket.on('end', () => socket.end());
    socket.end(`${JSON.stringify(request)}\n`);
  });
  const { ok, error } = JSON.parse(text) as { ok: boolean; error?: { message: string } };
  if (!ok) throw new Error(`the change was refused: ${error?.message}`);
}

/** The longest turn of the daemon's event loop; on a busy machine others have the CPU for most of it. */
interface Turn {
  readonly heldMs: number;
  readonly cpuMs: number;
}

function most(done: readonly Change[], figure: keyof Turn): number {
  return Math.max(...done.map(({ turn }) => turn[figure]));
}

/** The longest turn since it was asked last. */
async function askLoop(daemon: Background): Promise<Turn> {
  const told = (): string[] => daemon.output.match(/^loop held: .*$/gm) ?? [];
  const before = told().length;
  process.kill(daemon.pid, 'SIGUSR2');
  while (told().length === before && daemon.running) await sleep(5);
  const [heldMs, cpuMs] = told()
    .at(-1)!
    .match(/[\d.]+/g)!
    .map(Number);
  return { heldMs, cpuMs };
}
