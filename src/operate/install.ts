/** The systemd units on the machine: written, enabled, and taken away. */
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { SluiceError, UnsupportedError } from '../kernel/errors';
import { pinRoot } from '../kernel/pins';
import { writeAtomically } from './atomic-write';
import { stateDirectory } from './state-files';
import { fileError, messageOf } from './system-error';
import { BOOT_UNIT, DAEMON_UNIT, UNIT_HEAD, unitFiles } from './units';

const UNITS = [BOOT_UNIT, DAEMON_UNIT];
/** Variables that move what sluice keeps; the units say them again. */
const VARIABLES = ['SLUICE_CONFIG', 'SLUICE_STATE_DIR', 'SLUICE_BPFFS', 'SLUICE_RUN_DIR', 'SLUICE_LOG'];

/** What was done about the units. */
export interface Installed {
  readonly folder: string;
  /** Units that were written, since they were not there or said something else. */
  readonly written: readonly string[];
  /** Whether systemd runs here, and so loads them at boot. */
  readonly systemd: boolean;
  /** Files that the units run as root and others than root may change, with who. */
  readonly unsafe: readonly string[];
}

/** Where units go: `SLUICE_UNIT_DIR`, else /etc/systemd/system. */
export function unitFolder(environment: NodeJS.ProcessEnv = process.env): string {
  return resolve(environment.SLUICE_UNIT_DIR || '/etc/systemd/system');
}

/** Whether systemd is what started this machine (sd_booted(3)). */
export function systemdRuns(): boolean {
  return fs.lstatSync('/run/systemd/system', { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** Whether the unit that loads at boot is there, and ours. */
export function unitsInstalled(): boolean {
  return isOurs(join(unitFolder(), BOOT_UNIT));
}

function isOurs(file: string): boolean {
  const found = fs.lstatSync(file, { throwIfNoEntry: false });
  return found !== undefined && found.isFile() && fs.readFileSync(file, 'utf8').startsWith(UNIT_HEAD);
}

/** Throws where a unit of that name is not ours: another package's, or one that `systemctl mask` keeps from running. */
function refuseForeignUnit(file: string): void {
  const found = fs.lstatSync(file, { throwIfNoEntry: false });
  if (!found || isOurs(file)) return;
  const what = found.isSymbolicLink()
    ? `a symbolic link to "${fs.readlinkSync(file)}"`
    : 'not a unit that sluice wrote';
  throw new SluiceError('install/foreign', `"${file}" is ${what}`, {
    hint: `no unit was written, so nothing is loaded at boot; if it can go: systemctl unmask ${basename(file)}, or move it away; then: sluice install`,
  });
}

/** Whether the daemon's unit, where it is there, was asked to write to the journal. */
export function unitsUseJournal(): boolean {
  const file = join(unitFolder(), DAEMON_UNIT);
  return isOurs(file) && /^ExecStart=.* --journal$/m.test(fs.readFileSync(file, 'utf8'));
}

/** The units as they would be written, by name. */
export function currentUnits(log: string | null, environment: NodeJS.ProcessEnv = process.env): Record<string, string> {
  return {
    ...unitFiles({
      command: [process.execPath, fs.realpathSync(process.argv[1])],
      environment: Object.fromEntries(
        VARIABLES.flatMap((name) => (environment[name] ? [[name, resolve(environment[name])]] : [])),
      ),
      log,
      state: stateDirectory(environment),
      bpffs: dirname(pinRoot()),
      run: resolve(environment.SLUICE_RUN_DIR || '/run/sluice'),
    }),
  };
}

/** Writes the units. Throws `UnsupportedError` where the machine has no place for them, `SluiceError` where it is taken. */
export function installUnits(log: string | null): Installed {
  const folder = unitFolder();
  if (!fs.statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    throw new UnsupportedError('systemd units', `there is no folder "${folder}" for systemd units`, {
      hint: 'let the init system run "sluice boot" before the network is up, and "sluice daemon" after that',
    });
  }
  const units = Object.entries(currentUnits(log));
  for (const [name] of units) refuseForeignUnit(join(folder, name));
  const written: string[] = [];
  for (const [name, text] of units) {
    const file = join(folder, name);
    try {
      if (fs.existsSync(file) && fs.readFileSync(file, 'utf8') === text) continue;
      writeAtomically(file, text, { mode: 0o644, how: 'replace' });
    } catch (error) {
      throw fileError('install/write', 'write', file, error);
    }
    written.push(name);
  }
  const systemd = systemdRuns();
  if (systemd && written.length > 0) systemctl('daemon-reload');
  return { folder, written, systemd, unsafe: unsafePrograms() };
}

/** From now on systemd loads the ruleset at boot, and runs the daemon, now too. */
export function enableUnits({ written }: Installed): void {
  systemctl('enable', '--quiet', ...UNITS);
  systemctl('start', ...UNITS);
  if (written.includes(DAEMON_UNIT)) systemctl('restart', DAEMON_UNIT);
}

/** Systemd neither loads the ruleset at boot nor runs the daemon any more. Does nothing where it knows no units. */
export function disableUnits(): void {
  if (!unitsInstalled() || !systemdRuns()) return;
  systemctl('disable', '--quiet', '--now', ...UNITS);
}

/** Takes our units away; returns the names of those that were there. */
export function removeUnits(): string[] {
  disableUnits();
  const removed = UNITS.filter((name) => {
    const file = join(unitFolder(), name);
    if (!isOurs(file)) return false;
    try {
      fs.rmSync(file);
      return true;
    } catch (error) {
      throw fileError('install/remove', 'remove', file, error);
    }
  });
  if (removed.length > 0 && systemdRuns()) systemctl('daemon-reload');
  return removed;
}

function systemctl(...words: string[]): void {
  try {
    execFileSync('systemctl', words, { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8', timeout: 120_000 });
  } catch (error) {
    const said = (error as { stderr?: string }).stderr?.trim() || messageOf(error);
    throw new SluiceError('install/systemctl', `systemctl ${words.join(' ')} failed: ${said}`, {
      hint: `systemctl status ${words.at(-1)} tells more`,
      cause: error,
    });
  }
}

/** Node and sluice, where somebody else than root may put something else in their place. */
function unsafePrograms(): string[] {
  return [process.execPath, process.argv[1]].flatMap((program) => {
    const file = fs.realpathSync(program);
    for (let path = file; ; path = dirname(path)) {
      const { uid, gid, mode } = fs.statSync(path);
      const sticky = (mode & 0o1000) !== 0 && path !== file;
      if (uid !== 0) return [`${file} (user ${uid} owns ${path})`];
      if ((mode & 0o002 && !sticky) || (mode & 0o020 && gid !== 0 && !sticky))
        return [`${file} (${path} can be written by ${mode & 0o002 ? 'everybody' : `group ${gid}`})`];
      if (path === '/') return [];
    }
  });
}
