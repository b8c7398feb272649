/** Child processes of tests: run to the end, or in the background until told to stop. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Finished {
  /** Exit status; 128 + signal number where a signal ended it, as shells count. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string | Uint8Array;
  /** Milliseconds until the process is killed; `LIMIT_MS` unless told. */
  readonly timeout?: number;
}

/** Three minutes; an emulated processor (`npm run test:vm`) gets that many times as much. */
const LIMIT_MS = 180_000 * Number(process.env.SLUICE_PATIENCE ?? 1);

const SIGNAL_NUMBERS: Record<string, number> = { SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };

/** Runs a program without blocking the event loop; never throws for a status other than 0. */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const child = spawn(argv[0], argv.slice(1), {
    cwd: options.cwd,
    env: options.env ?? process.env,
    timeout: options.timeout ?? LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  // A program that does not read its input closes it early; that is its right.
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  return await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      resolve({ status: code ?? 128 + (SIGNAL_NUMBERS[signal ?? ''] ?? 0), stdout, stderr });
    });
  });
}

/** Runs a program that must succeed, blocking; for set-up and tear-down. Returns its output. */
export function must(argv: readonly string[], options: RunOptions = {}): string {
  const { status, stdout, stderr, error } = spawnSync(argv[0], argv.slice(1), {
    cwd: options.cwd,
    env: options.env ?? process.env,
    input: options.input ?? '',
    encoding: 'utf8',
    timeout: options.timeout ?? LIMIT_MS,
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${argv.join(' ')} ended with ${status}: ${stderr || stdout}`);
  return stdout;
}

/** A process in the background. */
export class Background {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #output = '';

  constructor(argv: readonly string[], options: Omit<RunOptions, 'input' | 'timeout'> = {}) {
    this.#child = spawn(argv[0], argv.slice(1), {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (this.#output += text));
    }
    this.#ended = new Promise((resolve) => {
      this.#child.on('close', () => resolve());
      this.#child.on('error', (error) => {
        this.#output += String(error);
        resolve();
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Standard output and standard error so far, as they came. */
  get output(): string {
    return this.#output;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null && this.#child.pid !== undefined;
  }

  /** Writes to standard input. */
  write(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** Waits until the output matches; fails when the process ends first or after `timeout` milliseconds. */
  async waitFor(pattern: RegExp, timeout = 60_000): Promise<RegExpExecArray> {
    const deadline = Date.now() + timeout;
    for (;;) {
      const found = pattern.exec(this.#output);
      if (found) return found;
      if (!this.running) throw new Error(`the process ended before it said ${String(pattern)}: ${this.#output}`);
      if (Date.now() > deadline) throw new Error(`no ${String(pattern)} within ${timeout} ms: ${this.#output}`);
      await sleep(10);
    }
  }

  /** Holds the process where it is, and returns once it stands still; `process.kill(pid, 'SIGCONT')` lets it go on. */
  async hold(): Promise<void> {
    process.kill(this.pid, 'SIGSTOP');
    while (this.running && !/\) [Tt] /.test(readFileSync(`/proc/${this.pid}/stat`, 'latin1'))) await sleep(1);
  }

  /** Waits for the end and returns the exit status. */
  async end(): Promise<number> {
    await this.#ended;
    return this.#child.exitCode ?? 128 + (SIGNAL_NUMBERS[this.#child.signalCode ?? ''] ?? 0);
  }

  /** Asks the process to end, insists after half a minute, and returns its status. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number> {
    if (this.running) this.#child.kill(signal);
    const insist = setTimeout(() => this.#child.kill('SIGKILL'), 30_000);
    const status = await this.end();
    clearTimeout(insist);
    return status;
  }
}
