/** Which network namespaces live: those of processes, those mounted somewhere, and those a process holds open. */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { KernelError } from './errors';
import type { Kernel } from './kernel';

/** Inode of the first PID namespace, PROC_PID_INIT_INO of the kernel: in another one not all processes can be seen. */
const FIRST_PID_NAMESPACE = 'pid:[4026531836]';

/** How often what could not be opened is looked for again: on a busy machine namespaces end while /proc is read. */
const LOOKS = 8;

/** Cookies of all living namespaces; null where that cannot be told for sure. */
export async function livingNamespaces(kernel: Kernel): Promise<ReadonlySet<bigint> | null> {
  if (linkOf('/proc/self/ns/pid') !== FIRST_PID_NAMESPACE) return null;
  const cookies = new Set<bigint>();
  let open = namespacePaths();
  for (let look = 0; look < LOOKS; look++) {
    const lost = new Set<string>();
    for (const [name, paths] of open) {
      const cookie = await firstCookie(kernel, paths);
      if (cookie === null) lost.add(name);
      else if (cookie !== undefined) cookies.add(cookie);
    }
    if (lost.size === 0) return cookies;
    // What has ended is not found again; what another process holds by now is found there.
    open = new Map([...namespacePaths()].filter(([name]) => lost.has(name)));
  }
  return null;
}

/** Paths at which each namespace can be opened, by the name the kernel gives it (`net:[4026531840]`). */
function namespacePaths(): Map<string, string[]> {
  const found = new Map<string, string[]>();
  const add = (name: string | undefined, path: string): void => {
    if (name?.startsWith('net:[')) found.set(name, [...(found.get(name) ?? []), path]);
  };
  const mountsSeen = new Set<string | undefined>();
  for (const pid of list('/proc').filter((name) => /^\d+$/.test(name))) {
    const process = join('/proc', pid);
    add(linkOf(join(process, 'ns/net')), join(process, 'ns/net'));
    for (const thread of list(join(process, 'task'))) {
      const path = join(process, 'task', thread, 'ns/net');
      if (thread !== pid) add(linkOf(path), path);
    }
    for (const number of list(join(process, 'fd'))) {
      const path = join(process, 'fd', number);
      add(openNamespace(process, number) ?? linkOf(path), path);
    }
    const mounts = linkOf(join(process, 'ns/mnt'));
    if (mountsSeen.has(mounts)) continue;
    mountsSeen.add(mounts);
    for (const [name, path] of mountedNamespaces(process)) add(name, join(process, 'root', path));
  }
  return found;
}

/** Inodes of namespaces and of /proc are numbered from here, PROC_DYNAMIC_FIRST of the kernel. */
const FIRST_INODE = 0xf0000000;

/** What was opened at a mount point is linked to by that, not by its name. Other files are not touched: one may hang. */
function openNamespace(process: string, number: string): string | undefined {
  try {
    const inode = Number(/^ino:\s*(\d+)$/m.exec(readFileSync(join(process, 'fdinfo', number), 'latin1'))?.[1]);
    if (!(inode >= FIRST_INODE)) return undefined;
    const { dev } = statSync(join(process, 'fd', number));
    return dev === statSync('/proc/self/ns/net').dev ? `net:[${inode}]` : undefined;
  } catch {
    return undefined; // it was closed
  }
}

/** Name and mount point of each; a line of mountinfo, proc_pid_mountinfo(5), has them in its fourth and fifth field. */
function mountedNamespaces(process: string): [string, string][] {
  let text: string;
  try {
    text = readFileSync(join(process, 'mountinfo'), 'latin1');
  } catch {
    return []; // it has ended
  }
  return text.split('\n').flatMap((line): [string, string][] => {
    const [, , , root, point] = line.split(' ');
    if (!root?.startsWith('net:[')) return [];
    const path = point.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
    return [[root, path]];
  });
}

/** Null where nobody holds the namespace at any of the paths any more; undefined where it is one of another kind. */
async function firstCookie(kernel: Kernel, paths: readonly string[]): Promise<bigint | null | undefined> {
  for (const path of paths) {
    try {
      return await kernel.netnsCookie(path);
    } catch (error) {
      if (error instanceof KernelError && error.errno === 'EINVAL') return undefined;
    }
  }
  return null;
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // the process has ended
  }
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
