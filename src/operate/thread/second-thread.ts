/**
 * A second thread for what takes longer than a moment: reading, checking, comparing and compiling a ruleset of a hundred
 * thousand rows takes seconds, in which whoever asked for it goes on reading sockets and events. It keeps what the next
 * change can use, and ends nothing when it ends: what enforces is in the kernel.
 */
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { SluiceError } from '../../kernel/errors';
import type { judge } from './judge';
import { unpackThrown } from './rethrown';
import type { Thrown } from './thrown';
import type { Work } from './work';

/** What the thread can be asked; `judge` needs neither kernel nor privilege. */
type Tasks = Pick<Work, keyof Work> & { readonly judge: typeof judge };
export type Task = keyof Tasks;
type Arguments<Name extends Task> = Tasks[Name] extends (...args: infer Args) => unknown ? Args : never;
type Result<Name extends Task> = Tasks[Name] extends (...args: never[]) => infer Value ? Awaited<Value> : never;

/** The one kind of message that goes to it. */
export interface Asked {
  readonly number: number;
  readonly task: Task;
  readonly args: readonly unknown[];
}

/** The one kind of message that comes back: the result, or what was thrown. */
export interface Answered {
  readonly number: number;
  readonly result?: unknown;
  readonly thrown?: Thrown;
}

/** What it is started with. */
export interface ThreadPlace {
  /** Path of another network namespace; left out: the process's own. */
  readonly netns?: string;
}

/** Built code also where the rest comes from sources: a thread is a file that node itself loads. */
const FILE = join(__dirname, '../../../dist/operate/thread/worker.js');

/** The thread has ended before it answered. */
export class ThreadEndedError extends SluiceError {
  constructor(failure: Error | null, code: number) {
    const why = failure ? failure.message : `exit ${code}`;
    super('operate/thread', `the thread that was to do it has ended before its time: ${why}`, {
      hint: 'what enforces is whole, the old ruleset or the new one: sluice status; the next change clears the rest away',
      ...(failure && { cause: failure }),
    });
  }
}

interface Waiting {
  readonly resolve: (result: never) => void;
  readonly reject: (error: Error) => void;
}

/** Starts with the first question, and again with the next one where it has ended. Keeps no process alive that waits for nothing. */
export class SecondThread {
  #worker: Worker | null = null;
  #asked = 0;
  readonly #waiting = new Map<number, Waiting>();

  readonly #place: ThreadPlace;

  constructor({ netns }: ThreadPlace) {
    this.#place = { ...(netns !== undefined && { netns }) };
  }

  /**
   * Asks; the answer is what the task makes, as if it had been done here. Throws what it throws, and `SluiceError`
   * `operate/thread` where the thread ends before it has answered.
   */
  async ask<Name extends Task>(task: Name, ...args: Arguments<Name>): Promise<Result<Name>> {
    const worker = (this.#worker ??= this.#start());
    const number = ++this.#asked;
    return new Promise<Result<Name>>((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject });
      worker.ref();
      try {
        worker.postMessage({ number, task, args } satisfies Asked);
      } catch (error) {
        this.#settle(worker, number);
        throw error;
      }
    });
  }

  /** Ends it, with what it is at; whoever waits for that is told. */
  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(FILE, { workerData: this.#place, env: { ...process.env } });
    let failure: Error | null = null;
    worker.on('message', ({ number, result, thrown }: Answered) => {
      const waiting = this.#settle(worker, number);
      if (thrown) waiting?.reject(unpackThrown(thrown));
      else waiting?.resolve(result as never);
    });
    worker.on('error', (error) => (failure = error));
    worker.on('exit', (code) => {
      if (this.#worker !== worker) return;
      this.#worker = null;
      const lost = [...this.#waiting.values()];
      this.#waiting.clear();
      for (const { reject } of lost) reject(new ThreadEndedError(failure, code));
    });
    return worker;
  }

  #settle(worker: Worker, number: number): Waiting | undefined {
    const waiting = this.#waiting.get(number);
    this.#waiting.delete(number);
    if (this.#waiting.size === 0) worker.unref();
    return waiting;
  }
}
