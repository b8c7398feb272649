/** The built sluice in a namespace of the lab, with pins, state and daemon of its own, all of which go with it. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { kernel } from '../../../src/kernel/native';
import { PinLayout } from '../../../src/kernel/pins';
import { currentSpare } from '../../../src/load/spare';
import { SharedState } from '../../../src/load/state';
import { Background, type Finished, must, run } from '../../support/process';
import type { Namespace } from '../../support/netns';
import { onAllCpus } from './all-cpus';
import type { Lab, Port } from './lab';

const BIN = join(__dirname, '../../../dist/cli/main.js');
const TELLS = join(__dirname, '../../support/loop-delay.js');
export const TIMEOUT_MS = 120_000;

/** The longest turn of a process's event loop; on a busy machine others have the CPU for most of it. */
export interface Turn {
  readonly heldMs: number;
  readonly cpuMs: number;
}

export class EdgeStand {
  readonly env: NodeJS.ProcessEnv;
  readonly namespace: Namespace;
  readonly port: Port;
  readonly directory = mkdtempSync(join(tmpdir(), `slc-bench-${process.pid}-`));
  private readonly bpffs = join(this.directory, 'bpf');
  private readonly processes: Background[] = [];
  private pins: PinLayout | null = null;
  private state: SharedState | null = null;

  constructor(lab: Lab, name: string) {
    this.namespace = lab.namespace(name);
    this.port = lab.port(name, this.namespace);
    mkdirSync(this.bpffs);
    must(['mount', '-t', 'bpf', 'bpf', this.bpffs]);
    this.env = {
      ...process.env,
      SLUICE_BPFFS: join(this.bpffs, 'sluice'),
      SLUICE_STATE_DIR: join(this.directory, 'state'),
      SLUICE_RUN_DIR: join(this.directory, 'run'),
      SLUICE_LOG: join(this.directory, 'sluice.log'),
    };
  }

  path(...names: readonly string[]): string {
    return join(this.directory, ...names);
  }

  /** Runs a command that must succeed, with `words` before it, such as those of a tool that measures it. */
  async must(command: readonly string[], words: readonly string[] = []): Promise<Finished> {
    const sluice = [process.execPath, BIN, '--netns', this.namespace.path];
    const done = await run(onAllCpus([...words, ...sluice, ...command]), { env: this.env, timeout: TIMEOUT_MS });
    if (done.status !== 0) throw new Error(`sluice ${command.join(' ')}: ${done.stderr}`);
    return done;
  }

  /** Starts the daemon, and waits until it runs. */
  async daemon(...words: readonly string[]): Promise<Background> {
    const command = [process.execPath, '-r', TELLS, BIN, '--netns', this.namespace.path, 'daemon', ...words];
    const daemon = this.start(command);
    await daemon.waitFor(/the daemon runs/, TIMEOUT_MS);
    return daemon;
  }

  /** Starts a process that ends with the stand. */
  start(command: readonly string[]): Background {
    const started = new Background(onAllCpus(command), { env: this.env });
    this.processes.push(started);
    return started;
  }

  /** Number of the slot that judges, as the kernel has it. */
  get slot(): number {
    return this.open().state.gate.slot;
  }

  /** Whether programs for the next change are loaded. */
  get isReady(): boolean {
    const { pins, state } = this.open();
    return currentSpare(kernel(), pins)?.generation === state.nextGeneration;
  }

  /** Pins of what judges. */
  get generation(): string {
    const { pins, state } = this.open();
    return pins.generation(state.slotGeneration(state.gate.slot));
  }

  /** Once something is enforced. */
  async look(): Promise<void> {
    this.pins = new PinLayout(await kernel().netnsCookie(this.namespace.path), this.env.SLUICE_BPFFS);
    this.state = SharedState.find(kernel(), this.pins);
  }

  private open(): { readonly pins: PinLayout; readonly state: SharedState } {
    if (!this.pins || !this.state) throw new Error('nothing is enforced');
    return { pins: this.pins, state: this.state };
  }

  async close(): Promise<void> {
    this.state?.close();
    for (const one of this.processes) await one.stop();
    await this.must(['disable', '--yes']).catch(() => undefined); // where nothing came to be enforced
    must(['umount', '-l', this.bpffs]);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** The longest turn of a daemon since it was asked last. */
export async function askLoop(daemon: Background): Promise<Turn> {
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

/** MiB, as the kernel counts them for the process and its threads. */
export function memoryOf({ pid }: Background, figure: 'VmRSS' | 'VmHWM'): number {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(new RegExp(`^${figure}:\\s*(\\d+) kB$`, 'm').exec(text)?.[1]) / 1024);
}

/** Milliseconds for which the threads of a process have had a CPU. */
export function cpuOf({ pid }: Background): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  const times = threads.map((thread) => {
    try {
      return Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0]);
    } catch {
      return 0; // it has just ended
    }
  });
  return times.reduce((sum, time) => sum + time, 0) / 1e6;
}

/** Waits until each of the servers has a socket. */
export async function awaitSockets(daemon: Background, directory: string, names: readonly string[]): Promise<void> {
  for (const end = Date.now() + TIMEOUT_MS; !names.every((one) => existsSync(join(directory, `${one}.sock`)));) {
    if (Date.now() > end) throw new Error(`not all owners have a socket: ${daemon.output}`);
    await sleep(50);
  }
}

/** What an owner is answered. Throws where he is refused. */
export async function askOwner(path: string, request: Readonly<Record<string, unknown>>): Promise<unknown> {
  const text = await new Promise<string>((resolve, reject) => {
    let answer = '';
    const socket = connect({ path, allowHalfOpen: true });
    socket.on('data', (chunk) => (answer += chunk.toString()));
    socket.on('error', reject);
    socket.on('close', () => resolve(answer));
    socket.on('end', () => socket.end());
    socket.end(`${JSON.stringify({ version: 1, ...request })}\n`);
  });
  const answer = JSON.parse(text) as { readonly ok: boolean; readonly error?: { readonly message: string } };
  if (!answer.ok) throw new Error(`the owner was refused: ${answer.error?.message}`);
  return answer;
}

/** The figure that this share of all does not exceed. */
export function share(figures: readonly number[], part: number): number {
  const sorted = [...figures].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))];
}
