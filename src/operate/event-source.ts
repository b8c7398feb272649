/**
 * The reading end of the events of a namespace. A ring has one reader: who reads holds a lock on the state folder. The
 * source outlives what it reads: rulesets come and go, and with `disable` and `enable` the ring itself.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { KernelError, SluiceError } from '../kernel/errors';
import { listLinks } from '../kernel/interfaces';
import type { EventRing, FileLock, Kernel } from '../kernel/kernel';
import { STATE_PINS } from '../kernel/pins';
import { SharedState } from '../load/state';
import { type EventNames, type PacketEvent, readEvents } from '../observe/events';
import { type Context, findFolder } from './context';
import { type GenerationNames, nameOfRank, packNames } from './generation-names';
import { readGenerationRecord } from './generation-record';
import { fileError } from './system-error';

/** Who reads events, as the lock's file says it. */
export interface EventReader {
  readonly pid: number;
  readonly role: 'daemon' | 'events';
}

/** Another process reads the events. */
export class EventsTakenError extends SluiceError {
  constructor(readonly reader: EventReader | null) {
    const who = reader
      ? `${reader.role === 'daemon' ? 'a daemon' : 'sluice events'} (pid ${reader.pid})`
      : 'another process';
    super('operate/events-taken', `${who} reads the events of this firewall already`, {
      hint: 'sluice events shows what a daemon reads; only one process can read the ring',
    });
  }
}

/** Events that came, oldest first; to be released when they are written, so that nothing is lost before. */
export interface EventBatch {
  readonly events: readonly PacketEvent[];
  release: () => void;
}

/** Reads what a generation's record calls its rows; null where it is lost. */
export type ReadNames = (generation: number, instance: string) => Promise<GenerationNames | null>;

/** Milliseconds a reader waits for another to end: a restarted daemon meets the one before it. */
const PATIENCE_MS = 2000;

export class EventSource {
  #ring: { readonly events: EventRing; readonly id: number; readonly instance: string } | null = null;
  readonly #records = new Map<string, GenerationNames>();
  readonly #interfaces = new Map<number, string>();
  #listed = 0;

  private constructor(
    private readonly context: Context,
    private readonly lock: FileLock,
    private readonly readNames: ReadNames,
  ) {}

  /**
   * Takes the lock; throws `EventsTakenError` where another process has it. Nothing need be enforced yet. `readNames`:
   * where a record of many rows is not to be read here.
   */
  static async open(
    context: Context,
    role: EventReader['role'],
    readNames: ReadNames = readNamesOf(context),
  ): Promise<EventSource> {
    const path = lockFile(context);
    try {
      mkdirSync(context.folder.path, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw fileError('state/write', 'make the folder', context.folder.path, error);
    }
    for (const deadline = Date.now() + PATIENCE_MS; ;) {
      const lock = context.kernel.tryLock(path);
      if (lock) {
        writeFileSync(path, `${process.pid} ${role}\n`);
        return new EventSource(context, lock, readNames);
      }
      if (Date.now() > deadline) throw new EventsTakenError(readHolder(path));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Waits at most `timeoutMs` for events; null where none came. */
  async next(timeoutMs: number): Promise<EventBatch | null> {
    await this.follow();
    const ring = this.#ring;
    if (!ring) {
      await new Promise((resolve) => setTimeout(resolve, timeoutMs));
      return null;
    }
    const batch = await ring.events.read({ timeoutMs });
    if (!batch) return null;
    // What began to judge meanwhile.
    await this.learn(ring.instance);
    const names = await this.names(ring.instance);
    const { kernel } = this.context;
    const events = readEvents(batch, names, { ns: kernel.bootTimeNs(), wallMs: Date.now() });
    return { events, release: () => ring.events.release(batch.end) };
  }

  close(): void {
    this.#ring?.events.close();
    this.lock.close();
  }

  /** Opens the ring that is pinned now, once the one before is read to its end; learns new generations. */
  private async follow(): Promise<void> {
    const { kernel, pins } = this.context;
    const pinned = openPinnedRing(kernel, pins.state(STATE_PINS.events));
    try {
      const now = pinned?.info().id ?? null;
      if (this.#ring && this.#ring.id !== now && this.#ring.events.waiting() === 0) {
        this.#ring.events.close();
        this.#ring = null;
      }
      if (!this.#ring && pinned && now !== null) {
        const state = SharedState.find(kernel, pins);
        if (!state) return;
        this.#ring = { events: pinned.ring(), id: now, instance: state.instance };
        state.close();
      }
    } finally {
      pinned?.close();
    }
    if (this.#ring) await this.learn(this.#ring.instance);
  }

  private async names(instance: string): Promise<EventNames> {
    if (Date.now() - this.#listed > LIST_MS) {
      const { kernel, netns } = this.context;
      for (const { index, name } of await listLinks(kernel, netns)) this.#interfaces.set(index, name);
      this.#listed = Date.now();
    }
    return {
      interface: (ifindex) => this.#interfaces.get(ifindex) ?? String(ifindex),
      rank: (generation, rank) => {
        const names = this.#records.get(`${instance}/${generation}`);
        return names ? nameOfRank(names, rank) : null;
      },
      section: (generation, index) => this.#records.get(`${instance}/${generation}`)?.sections[index] ?? null,
      ring: instance.slice(0, 8),
    };
  }

  /** Names of the generations there are, kept when their records are gone. */
  private async learn(instance: string): Promise<void> {
    for (const generation of this.context.pins.generations()) {
      const key = `${instance}/${generation}`;
      if (this.#records.has(key)) continue;
      const names = await this.readNames(generation, instance);
      if (!names) continue;
      this.#records.set(key, names);
      // The ring holds events of a few generations at most.
      const [oldest] = this.#records.keys();
      if (this.#records.size > MOST_RECORDS) this.#records.delete(oldest);
    }
  }
}

const MOST_RECORDS = 64;
/** How often interfaces are listed again, at most. */
const LIST_MS = 1000;

function readNamesOf({ folder }: Context): ReadNames {
  return async (generation, instance) => {
    const record = readGenerationRecord(folder, generation, instance);
    return Promise.resolve(record && packNames(record));
  };
}

function openPinnedRing(kernel: Kernel, path: string): ReturnType<Kernel['openPinnedMap']> | null {
  try {
    return kernel.openPinnedMap(path);
  } catch (error) {
    if (error instanceof KernelError && error.errno === 'ENOENT') return null;
    throw error;
  }
}

/** Who reads the events now; null where nobody does. */
export function currentEventReader(context: Pick<Context, 'kernel' | 'folder'>): EventReader | null {
  const path = lockFile(context);
  try {
    const lock = context.kernel.tryLock(path);
    if (!lock) return readHolder(path);
    lock.close();
    return null;
  } catch (error) {
    // There is no state folder yet.
    if (error instanceof KernelError && error.errno === 'ENOENT') return null;
    throw error;
  }
}

/** Whether a daemon runs for the namespace; null where that cannot be seen, as without privilege. */
export async function daemonRuns(options: { netns?: string } = {}): Promise<boolean | null> {
  try {
    return currentEventReader(await findFolder(options))?.role === 'daemon';
  } catch (error) {
    if (error instanceof SluiceError) return null;
    throw error;
  }
}

function readHolder(path: string): EventReader | null {
  try {
    const [pid, role] = readFileSync(path, 'utf8').trim().split(' ');
    return { pid: Number(pid), role: role === 'daemon' ? 'daemon' : 'events' };
  } catch {
    return null;
  }
}

function lockFile({ folder }: Pick<Context, 'folder'>): string {
  return join(folder.path, 'events.lock');
}
