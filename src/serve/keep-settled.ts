/** The daemon's watch over changes that wait to be confirmed: after one that was not, the files soon say what judges. */
import type { SecondThread } from '../operate/thread/second-thread';
import { Complaint } from './complaint';
import { pause } from './pause';

const LOOK_MS = 500;

/** Watches until the signal comes. */
export async function keepSettled(
  thread: SecondThread,
  { signal, say }: { signal: AbortSignal; say: (text: string) => void },
): Promise<void> {
  const complaint = new Complaint(say);
  while (!signal.aborted) {
    await pause(LOOK_MS, signal);
    try {
      const news = await thread.ask('settle');
      if (news !== null) say(news);
      complaint.over('what was not confirmed has been tidied up after');
    } catch (error) {
      complaint.tell(error, (message) => `what was not confirmed cannot be tidied up after: ${message}; trying again`);
    }
  }
}
