/** Work of an owner that meets somebody else's: that is waited for, and other owners have their turn meanwhile. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isPassing } from './refusal';

/** Does work when it is this owner's turn. */
export type InTurn = <T>(work: () => Promise<T>) => Promise<T>;

/** How long somebody else's change is waited for, and how often it is looked whether it is over. */
const PATIENCE_MS = 6000;
const RETRY_MS = 150;

/** Tries it again, each time in turn, while somebody else was faster. Throws what the last try did. */
export async function withPatience<T>(inTurn: InTurn, attempt: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await inTurn(attempt);
    } catch (error) {
      if (!isPassing(error) || performance.now() > deadline) throw error;
      await sleep(RETRY_MS);
    }
  }
}
