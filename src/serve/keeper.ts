/** What the daemon keeps for the day the machine goes down: counts, last hits and bans, saved now and then. */
import type { SecondThread } from '../operate/thread/second-thread';
import { Complaint } from './complaint';
import { pause } from './pause';

/** Seconds between two savings: what a machine that loses power can lose of its counts. */
export const DEFAULT_SAVE_SECONDS = 60;

/** Saves every so many milliseconds, and once more when the signal comes. */
export async function keepCounts(
  thread: SecondThread,
  { everyMs, signal, say }: { everyMs: number; signal: AbortSignal; say: (text: string) => void },
): Promise<void> {
  const complaint = new Complaint(say);
  const save = async (): Promise<void> => {
    try {
      await thread.ask('saveCounts');
      complaint.over('counts are saved again');
    } catch (error) {
      complaint.tell(error, (message) => `counts are not saved for the next boot: ${message}; trying again`);
    }
  };
  while (!signal.aborted) {
    await pause(everyMs, signal);
    await save();
  }
}
