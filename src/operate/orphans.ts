/** What namespaces that are gone left behind: pins by which nothing is filtered any more, and state folders. */
import { readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { livingNamespaces } from '../kernel/namespaces';
import { PinLayout } from '../kernel/pins';
import { holdsLiveLink } from '../load/attach';
import type { Context } from './context';
import { cookieOfKey } from './namespace-key';
import { assertTrusted, LOCK_FILE, removeState, stateFolder } from './state-files';

/**
 * Removes what no namespace can use any more. Anything that is not certain is left alone: namespaces that live or may
 * live, interfaces that are still filtered, what another process is changing, what is not ours. Never throws: whatever
 * called it has done its work.
 */
export async function clearOrphans(context: Context): Promise<void> {
  try {
    await removeOrphans(context);
  } catch {
    // the next command tries again
  }
}

async function removeOrphans({ kernel, pins, folder }: Context): Promise<void> {
  const root = dirname(pins.directory);
  const states = dirname(folder.path);
  // Listed before it is asked who lives: what is made from now on is not looked at.
  const pinned = list(root).filter((name) => /^\d+$/.test(name) && name !== basename(pins.directory));
  const keys = list(states).filter((name) => cookieOfKey(name) !== undefined && name !== basename(folder.path));
  if (pinned.length + keys.length === 0) return;
  const living = await livingNamespaces(kernel);
  if (!living) return;
  const alone = (path: string, remove: () => void): void => {
    const lock = kernel.tryLock(path);
    if (!lock) return;
    try {
      remove();
    } finally {
      lock.close();
    }
  };
  for (const name of pinned) {
    const left = new PinLayout(BigInt(name), root);
    if (living.has(BigInt(name))) continue;
    left.assertOurs();
    alone(left.directory, () => {
      if (!holdsLiveLink(kernel, left)) left.removeAll();
    });
  }
  for (const key of keys) {
    const cookie = cookieOfKey(key);
    if (cookie !== undefined && cookie !== null && living.has(cookie)) continue;
    const left = stateFolder(key, states);
    assertTrusted(left);
    alone(join(left.path, LOCK_FILE), () => removeState(left));
  }
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // there is nothing
  }
}
