/**
 * The daemon's watch over what enforces: what lost its link, or was not there before, is filtered again, and pins that
 * somebody removed are there again. The removal of all of them ends enforcement, and is never mended.
 */
import { existsSync } from 'node:fs';
import type { Context } from '../operate/context';
import { withLock } from '../operate/lock';
import { HeldPins } from '../load/held-pins';
import { InterfacesMeant } from '../operate/interfaces-meant';
import { lookForMissing } from '../operate/missing';
import type { Mended } from '../observe/events';
import type { SecondThread } from '../operate/thread/second-thread';
import { Complaint } from './complaint';
import { pause } from './pause';

const LOOK_MS = 150;
/**
 * Looks that must agree before anything is mended. Who removes the whole directory, to end it all, must come to the end
 * of that first; together with mending it is still well within a second.
 */
const SAME_LOOKS = 3;
/** How long it waits where mending changed nothing; unless something else comes to be missing. */
const RETRY_MS = 5000;

interface WatchOptions {
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
  /** Hears of everything that was mended. */
  readonly told: (mended: Mended) => void;
  /** Reads records, and compiles. */
  readonly thread: SecondThread;
}

/** Watches until the signal comes. */
export async function keepFiltering(context: Context, options: WatchOptions): Promise<void> {
  const held = new HeldPins(context.kernel, context.pins);
  try {
    await watch(context, held, options);
  } finally {
    held.close();
  }
}

async function watch(context: Context, held: HeldPins, { signal, say, told, thread }: WatchOptions): Promise<void> {
  const complaint = new Complaint(say);
  const meant = new InterfacesMeant(context.folder, (generation, instance) =>
    thread.ask('interfacesOf', generation, instance),
  );
  let before = '';
  let same = 0;
  /** What could not be mended, and when that was tried. */
  const tried = { seen: '', atMs: -Infinity };
  const whole = new LastWhole();
  const tell = (what: Mended['what'], names: readonly string[]): void => {
    if (names.length > 0) told({ what, names, afterMs: whole.sinceMs(names) });
  };
  const complain = (error: unknown): void => {
    const { netns } = context;
    const gone = netns !== undefined && !existsSync(netns);
    complaint.tell(error, (message) =>
      gone
        ? `the network namespace ${netns} is gone, and what was filtered in it; waiting`
        : `something is not filtered, and cannot be: ${message}; trying again`,
    );
  };
  try {
    held.follow(); // before anybody knows that a daemon runs
  } catch (error) {
    complaint.tell(error, (message) => `what is pinned cannot be watched: ${message}; trying again`);
  }
  while (!signal.aborted) {
    await pause(LOOK_MS, signal);
    try {
      const looked = performance.now();
      const look = await lookForMissing(context, meant, held);
      same = look?.seen === before ? same + 1 : 1;
      before = look?.seen ?? '';
      whole.look(looked, look ? [...look.lacking, ...look.unpinned] : []);
      if (!look || (look.lacking.length === 0 && look.unpinned.length === 0 && !look.damaged)) {
        tried.seen = '';
        complaint.over('everything that is to be filtered is again');
        continue;
      }
      if (same < SAME_LOOKS || (look.seen === tried.seen && looked - tried.atMs < RETRY_MS)) continue;
      const { pinned, attached, refused } = await withLock(context, async () => {
        // Under the lock nobody is in the middle of it: what is missing now was removed by a hand.
        held.follow();
        const pinned = held.restore();
        tell('pin', pinned);
        return { pinned, ...(await thread.ask('keepUpWithInterfaces')) };
      });
      tell('interface', attached);
      same = 0;
      if (pinned.length + attached.length === 0) Object.assign(tried, { seen: look.seen, atMs: performance.now() });
      if (refused.length > 0)
        complain(new Error(refused.map(({ name, error }) => `${name}: ${error.message}`).join('; ')));
    } catch (error) {
      complain(error);
      await pause(RETRY_MS, signal);
    }
  }
}

/** When each of the things that are missing was there last, by the clock that nobody sets. */
class LastWhole {
  #lookedMs: number | null = null;
  /** Null: it was missing at the first look. */
  readonly #missing = new Map<string, number | null>();

  look(nowMs: number, missing: readonly string[]): void {
    for (const name of this.#missing.keys()) if (!missing.includes(name)) this.#missing.delete(name);
    for (const name of missing) if (!this.#missing.has(name)) this.#missing.set(name, this.#lookedMs);
    this.#lookedMs = nowMs;
  }

  /** How long they have been missing at most; null where nobody knows. What no look has missed was there at the last one. */
  sinceMs(names: readonly string[]): number | null {
    const times = names.map((name) => (this.#missing.has(name) ? this.#missing.get(name)! : this.#lookedMs));
    return times.every((time) => time !== null) ? Math.ceil(performance.now() - Math.min(...times)) : null;
  }
}

/** What was mended, in words. */
export function mendedText({ what, names, afterMs }: Mended): string {
  const done = what === 'interface' ? 'was not filtered, and is again' : 'was removed, and is pinned again';
  return `${names.join(', ')}: ${done}${afterMs === null ? '' : ` (after ${afterMs} ms at most)`}`;
}
