/**
 * Debian's fail2ban without installing it, since that would start it on the machine: the package's files below
 * `build/test`, unpacked once.
 */
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { must } from './process';

const FOLDER = resolve(__dirname, '../../build/test/fail2ban');

/** The command line of one of its programs, and the environment in which it finds its modules. */
export function fail2ban(program: 'fail2ban-regex' | 'fail2ban-server'): { argv: string[]; env: NodeJS.ProcessEnv } {
  const path = join(FOLDER, 'files/usr/bin', program);
  if (!existsSync(path)) unpack();
  const modules = join(FOLDER, 'files/usr/lib/python3/dist-packages');
  return { argv: ['python3', path], env: { ...process.env, PYTHONPATH: modules } };
}

function unpack(): void {
  mkdirSync(FOLDER, { recursive: true });
  const download = (): string =>
    must(['apt-get', 'download', '-q', '-o', 'Acquire::Retries=3', 'fail2ban'], { cwd: FOLDER });
  try {
    download();
  } catch {
    must(['apt-get', 'update', '-q']); // a fresh machine has no list of packages
    download();
  }
  const archive = readdirSync(FOLDER).find((name) => name.endsWith('.deb'))!;
  must(['dpkg-deb', '-x', join(FOLDER, archive), join(FOLDER, 'files')]);
}
