/** Who came through a server's socket. */
import { readFileSync } from 'node:fs';
import type { PeerCredentials } from '../../kernel/kernel';
import type { Author } from '../change-note';

/** Where names of groups stand. */
export const GROUPS = '/etc/group';

/** The author of what came through the socket of a server; `peer` null: the platform did not say who connected. */
export function authorOfPeer(server: string, peer: Pick<PeerCredentials, 'uid'> | null): Author {
  if (!peer) return { user: `${server}.sock`, uid: NOBODY, ownerOf: server };
  return { user: userName(peer.uid), uid: peer.uid, ownerOf: server };
}

/** The number of nobody, for whom it is not known. */
const NOBODY = 65_534;

/** Name of a user as /etc/passwd has it; users of directory services have their number. */
function userName(uid: number): string {
  return nameIn('/etc/passwd', uid) ?? `uid ${uid}`;
}

/** Number of a group, given by name or number; null where /etc/group has none of the name. */
export function groupNumber(group: string): number | null {
  if (/^\d+$/.test(group)) return Number(group);
  for (const line of linesOf(GROUPS)) {
    const [name, , number] = line.split(':');
    if (name === group && /^\d+$/.test(number ?? '')) return Number(number);
  }
  return null;
}

function nameIn(file: string, id: number): string | null {
  const found = linesOf(file).find((line) => line.split(':')[2] === String(id));
  return found?.split(':')[0] ?? null;
}

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n');
  } catch {
    return [];
  }
}
