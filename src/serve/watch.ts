/** The daemon's watch over what is filtered: what lost its link, or was not there before, is filtered again. */
import { keepUpWithInterfaces } from '../operate/attachments';
import type { Context } from '../operate/context';
import { withLock } from '../operate/lock';
import { lookForMissing } from '../operate/missing';
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

/** Watches until the signal comes. */
export async function keepFiltering(
  context: Context,
  { signal, say }: { signal: AbortSignal; say: (text: string) => void },
): Promise<void> {
  const complaint = new Complaint(say);
  let before = '';
  let same = 0;
  /** When all was filtered last, by the clock that nobody sets; unknown before the first look. */
  let whole: number | null = null;
  while (!signal.aborted) {
    await pause(LOOK_MS, signal);
    try {
      const looked = performance.now();
      const look = await lookForMissing(context);
      same = look?.seen === before ? same + 1 : 1;
      before = look?.seen ?? '';
      if (!look || look.lacking.length === 0) {
        whole = looked;
        complaint.over('everything that is to be filtered is again');
      }
      if (!look || look.lacking.length === 0 || same < SAME_LOOKS) continue;
      const { attached, refused } = await withLock(context, () => keepUpWithInterfaces(context));
      if (attached.length > 0)
        say(`${attached.join(', ')}: was not filtered, and is again${whole === null ? '' : sinceThen(whole)}`);
      if (attached.length > 0 && refused.length === 0) whole = performance.now();
      same = 0;
      if (refused.length > 0) throw new Error(refused.map(({ name, error }) => `${name}: ${error.message}`).join('; '));
      if (attached.length === 0) await pause(RETRY_MS, signal);
    } catch (error) {
      complaint.tell(error, (message) => `something is not filtered, and cannot be: ${message}; trying again`);
      await pause(RETRY_MS, signal);
    }
  }
}

function sinceThen(whole: number): string {
  return ` (after ${Math.ceil(performance.now() - whole)} ms at most)`;
}
