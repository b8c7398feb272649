/**
 * A daemon whose owners change their servers, one after the other: how long each waits for the answer of a whole change
 * (edit, check, compile, apply, write down), and for how long the daemon's event loop did nothing else.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Background, must, run } from '../support/process';
import { onAllCpus } from './measure/all-cpus';
import type { Lab } from './measure/lab';
import { type Row, rowOf } from './row';
import { textOf } from './sets/bench-set';
import { makeSet } from './sets/catalogue';
import { SERVER_ROWS } from './sets/servers';

const BIN = join(__dirname, '../../dist/cli/main.js');
const TELLS = join(__dirname, '../support/loop-delay.js');
const TIMEOUT_MS = 120_000;

/** Rows in all, and changes that are measured, behind some that warm the process up. */
const CASES: readonly { readonly size: number; readonly changes: number }[] = [
  { size: 1000, changes: 1000 },
  { size: 10_000, changes: 1000 },
  { size: 100_000, changes: 20 },
];
const WARM_UP = 3;

/** One row a case: milliseconds a change in `load_ms`. */
export async function* daemonRows(lab: Lab, { sizes }: { readonly sizes: readonly number[] }): AsyncGenerator<Row> {
  for (const one of CASES.filter(({ size }) => sizes.includes(size))) yield await daemonRow(lab, one);
}

async function daemonRow(lab: Lab, { size, changes }: (typeof CASES)[number]): Promise<Row> {
  // Room for the rows that come.
  const rows = size - SERVER_ROWS;
  const namespace = lab.namespace(`dm${size / 1000}`);
  const { link } = lab.port(`dm${size / 1000}`, namespace);
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
  const file = join(directory, 'rules.yaml');
  const text = textOf(makeSet('servers', rows, 4), 'lines', { link });
  writeFileSync(file, text.replaceAll('\n    udp: on\n', '\n    udp: on\n    owner: { group: 0, changes: 600 }\n'));
  let daemon: Background | null = null;
  try {
    const applied = await run(onAllCpus([process.execPath, BIN, '--netns', namespace.path, 'apply', file]), { env });
    if (applied.status !== 0) throw new Error(applied.stderr);
    const command = [process.execPath, '-r', TELLS, BIN, '--netns', namespace.path, 'daemon', '--owners', owners];
    daemon = new Background(onAllCpus(command), { env });
    await daemon.waitFor(/the daemon runs/, TIMEOUT_MS);
    const names = Array.from({ length: rows / SERVER_ROWS }, (_, i) => `s${String(i).padStart(4, '0')}`);
    for (const end = Date.now() + TIMEOUT_MS; !names.every((name) => existsSync(join(owners, `${name}.sock`)));) {
      if (Date.now() > end) throw new Error(`not all owners have a socket: ${daemon.output}`);
      await sleep(50);
    }
    const times: number[] = [];
    const turns: Turn[] = [];
    let early = 0;
    for (let i = -WARM_UP; i < changes; i++) {
      const name = names[(Math.abs(i) * 7919) % names.length];
      const began = performance.now();
      await change(join(owners, `${name}.sock`), i);
      const took = performance.now() - began;
      // With what comes after the answer.
      const turn = await askLoop(daemon);
      if (i < 0) continue;
      if (i === changes >> 2) early = memoryOf(daemon, 'VmRSS');
      times.push(took);
      turns.push(turn);
    }
    times.sort((a, b) => a - b);
    return rowOf({
      ...({ subject: 'sluice daemon', set: 'servers', family: 4, rules: rows } as const),
      load_ms: times[times.length >> 1],
      note:
        `${changes} owners' changes, at most ${times.at(-1)!.toFixed(0)} ms, event loop held ${most(turns, 'heldMs')} ms ` +
        `at most (${most(turns, 'cpuMs')} ms on the CPU), resident ${early} MiB after a quarter of them, ` +
        `${memoryOf(daemon, 'VmRSS')} at the end, peak ${memoryOf(daemon, 'VmHWM')}`,
    });
  } finally {
    await daemon?.stop();
    await run([process.execPath, BIN, '--netns', namespace.path, 'disable', '--yes'], { env });
    must(['umount', '-l', bpffs]);
    rmSync(directory, { recursive: true, force: true });
  }
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

function most(turns: readonly Turn[], figure: keyof Turn): string {
  return Math.max(...turns.map((turn) => turn[figure])).toFixed(0);
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
