/** Programs that `scripts/test-tools.sh` unpacked, and a copy of /etc in which they find themselves set up. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { must } from './process';

export const TOOLS = resolve(__dirname, '../../build/test-tools');

/** Path of an unpacked file, such as `usr/sbin/sshd`. */
export function toolPath(file: string): string {
  const path = join(TOOLS, file);
  if (!existsSync(path)) throw new Error(`there is no "${path}": run scripts/test-tools.sh`);
  return path;
}

/** Environment in which unpacked programs find their libraries and modules. */
export function toolEnvironment(environment: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  const libraries = join(TOOLS, 'usr/lib', `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`);
  return {
    ...environment,
    LD_LIBRARY_PATH: libraries,
    // without its modules iptables knows no `recent`, and ufw then takes no limit
    XTABLES_LIBDIR: join(libraries, 'xtables'),
    PYTHONPATH: join(TOOLS, 'usr/lib/python3/dist-packages'),
  };
}

/** Copies /etc into the directory, to be changed there and shown to one command by `withEtc`. */
export function copyEtc(directory: string): string {
  const copy = join(directory, 'etc');
  must(['cp', '-a', '/etc', copy]);
  return copy;
}

/** How a command runs with another /etc, in mounts of its own; `lines` of a shell are run before it. */
export function withEtc(etc: string, command: readonly string[], lines = ''): string[] {
  const script = `mount --bind '${etc}' /etc\n${lines}\nexec "$@"`;
  return ['unshare', '--mount', '--', 'sh', '-ec', script, 'sh', ...command];
}
