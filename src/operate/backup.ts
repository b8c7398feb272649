/** A ruleset file under another name, before something new stands in its place. */
import { constants, copyFileSync, existsSync } from 'node:fs';
import { fileError } from './system-error';

/**
 * Copies the file beside itself, as `rules.yaml.2026-11-22-170301` (UTC; with `-2` behind it where that exists), with its
 * permission bits. Returns where to. Throws `SluiceError` `file/write`; then there is no copy.
 */
export function backUp(file: string, at: Date): string {
  const name = `${file}.${at.toISOString().slice(0, 19).replaceAll(':', '').replace('T', '-')}`;
  let target = name;
  for (let n = 2; existsSync(target); n++) target = `${name}-${n}`;
  try {
    copyFileSync(file, target, constants.COPYFILE_EXCL);
  } catch (error) {
    throw fileError('file/write', 'write', target, error);
  }
  return target;
}
