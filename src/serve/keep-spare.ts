/** The daemon keeps a spare generation ready, so that the next change does not wait for the verifier. */
import { SluiceError } from '../kernel/errors';
import type { Context } from '../operate/context';
import { readinessMark } from '../operate/ready';
import type { SecondThread } from '../operate/thread/second-thread';
import { Complaint } from './complaint';
import { pause } from './pause';

/** Two folders are listed, which costs nothing; who changes something before it is seen waits for the verifier. */
const LOOK_MS = 100;

/** Looks until the signal comes. Who changes something goes first. */
export async function keepSpare(
  context: Context,
  { signal, say, thread }: { signal: AbortSignal; say: (text: string) => void; thread: SecondThread },
): Promise<void> {
  const complaint = new Complaint(say);
  let seen = '';
  while (!signal.aborted) {
    await pause(LOOK_MS, signal);
    if (signal.aborted) continue;
    try {
      if (readinessMark(context) === seen) continue;
      await thread.ask('makeReady', 0);
      seen = readinessMark(context);
      complaint.over('programs for the next change are loaded in advance again');
    } catch (error) {
      if (error instanceof SluiceError && error.code === 'operate/locked') continue;
      complaint.tell(error, (message) => `programs for the next change are not loaded in advance: ${message}`);
      await pause(RETRY_MS, signal);
    }
  }
}

/** After a failure, which the next change does not suffer from: it loads its programs itself. */
const RETRY_MS = 60_000;
