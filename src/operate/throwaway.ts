/** Namespaces and folders that a command makes for itself alone: named with its process, so that the next one removes what a killed one left. */
import { execFileSync } from 'node:child_process';
import { lstatSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const NAMESPACES = '/run/netns';

/** Runs iproute2's `ip`; throws with what it printed. */
export function ip(...args: readonly string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** Path of a namespace that `ip netns` made. */
export function namespacePath(name: string): string {
  return join(NAMESPACES, name);
}

/** Removes a namespace with its links, where there is one. */
export function removeNamespace(name: string): void {
  try {
    ip('netns', 'delete', name);
  } catch {
    // it was never made
  }
}

/** Removes namespaces called `<prefix><pid>-…` whose process has ended. */
export function removeNamespacesOfTheDead(prefix: string): void {
  for (const name of namesOfTheDead(NAMESPACES, prefix)) removeNamespace(name);
}

/** Removes folders of the system's folder for temporary files called `<prefix><pid>-…` whose process has ended. */
export function removeFoldersOfTheDead(prefix: string): void {
  for (const name of namesOfTheDead(tmpdir(), prefix)) {
    const path = join(tmpdir(), name);
    // Anybody may make a folder of that name; only root one of root's.
    if (lstatSync(path).uid === process.geteuid?.()) rmSync(path, { recursive: true, force: true });
  }
}

function namesOfTheDead(folder: string, prefix: string): string[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return [];
  }
  return names.filter((name) => {
    const pid = name.startsWith(prefix) ? /^(\d+)-/.exec(name.slice(prefix.length))?.[1] : undefined;
    return pid !== undefined && !isAlive(Number(pid));
  });
}

/** Whether the process has not ended. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Whether a program is found where programs are looked for. */
export function isInstalled(tool: string): boolean {
  try {
    execFileSync('sh', ['-c', 'command -v "$0"', tool], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
