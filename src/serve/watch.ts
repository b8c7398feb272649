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
/** How long it waits where mending changed nothing. */
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
  /** When all was there last, by the clock that nobody sets; unknown before the first look. */
  let whole: number | null = null;
  const tell = (what: Mended['what'], names: readonly string[]): void => {
    if (names.length > 0) told({ what, names, afterMs: whole === null ? null : Math.ceil(performance.now() - whole) });
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
      if (!look || (look.lacking.length === 0 && look.unpinned.length === 0 && !look.damaged)) {
        whole = looked;
        complaint.over('everything that is to be filtered is again');
        continue;
      }
      if (same < SAME_LOOKS) continue;
      const { pinned, attached, refused } = await withLock(context, async () => {
        // Under the lock nobody is in the middle of it: what is missing now was removed by a hand.
        held.follow();
        const pinned = held.restore();
        tell('pin', pinned);
        return { pinned, ...(await thread.ask('keepUpWithInterfaces')) };
      });
      tell('interface', attached);
      const mended = pinned.length + attached.length > 0;
      if (mended && refused.length === 0) whole = performance.now();
      same = 0;
      if (refused.length > 0) throw new Error(refused.map(({ name, error }) => `${name}: ${error.message}`).join('; '));
      if (!mended) await pause(RETRY_MS, signal);
    } catch (error) {
      const { netns } = context;
      const gone = netns !== undefined && !existsSync(netns);
      complaint.tell(error, (message) =>
        gone
          ? `the network namespace ${netns} is gone, and what was filtered in it; waiting`
          : `something is not filtered, and cannot be: ${message}; trying again`,
      );
      await pause(RETRY_MS, signal);
    }
  }
}

/** What was mended, in words. */
export function mendedText({ what, names, afterMs }: Mended): string {
  const done = what === 'interface' ? 'was not filtered, and is again' : 'was removed, and is pinned again';
  return `${names.join(', ')}: ${done}${afterMs === null ? '' : ` (after ${afterMs} ms at most)`}`;
}
