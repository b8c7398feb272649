/** What was removed of the pins while nobody watched, and still lives under the links, is pinned again. */
import { SluiceError } from '../kernel/errors';
import { HeldPins } from '../load/held-pins';
import { SharedState } from '../load/state';
import type { Context } from './context';
import { withLock } from './lock';

/** Names of what was pinned again; none where nothing is missing, or this process may not look for it. */
export async function mendDamaged(context: Context): Promise<readonly string[]> {
  if (!isDamaged(context)) return [];
  return withLock(context, () => {
    const held = new HeldPins(context.kernel, context.pins);
    try {
      held.follow();
      return Promise.resolve(held.restore());
    } finally {
      held.close();
    }
  });
}

function isDamaged({ kernel, pins }: Context): boolean {
  try {
    SharedState.find(kernel, pins)?.close();
    return false;
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'load/damaged') return true;
    throw error;
  }
}
