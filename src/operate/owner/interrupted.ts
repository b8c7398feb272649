/**
 * An owner's change is in the file before it is applied. A daemon that is killed in between leaves a note of which text
 * it was about to replace, so that the next one puts that back: the owner was told of no success, and nobody after him
 * is refused because the file is not what was applied.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Context } from '../context';
import { readEnforcement } from '../enforcement';
import { readRulesetText, writeRulesetText } from '../ruleset-file';
import { readEnforcedText, readStateFile, type StateFolder, writeStateFile } from '../state-files';

/** The file, and the digests of its text before and after the change. */
interface Change {
  readonly file: string;
  readonly before: string;
  readonly after: string;
}

const NAME = 'owner-change.json';
const SCHEMA_VERSION = 1;

/** Notes that the text of the file is about to be exchanged. */
export function noteChange(folder: StateFolder, change: Change): void {
  writeStateFile(folder, NAME, SCHEMA_VERSION, change);
}

/** The change has been applied, or its text taken back. */
export function forgetChange(folder: StateFolder): void {
  rmSync(join(folder.path, NAME), { force: true });
}

/**
 * Takes back the text of a change that was cut short; the name of its file, or null where there is nothing to do. What
 * somebody has written or applied since is left as it is.
 */
export async function takeBackInterrupted(context: Context): Promise<string | null> {
  const { folder } = context;
  const change = readStateFile(folder, NAME, SCHEMA_VERSION, check).value;
  if (!change) return null;
  const enforced = (await readEnforcement(context))?.enforced ?? null;
  const isOurs = enforced?.file === change.file && enforced.textDigest === change.before;
  const before = isOurs ? readEnforcedText(folder, enforced) : null;
  const taken = before !== null && readRulesetText(change.file).digest === change.after;
  if (taken) writeRulesetText(change.file, before, change.after);
  forgetChange(folder);
  return taken ? change.file : null;
}

function check(body: unknown): Change {
  const change = body as Partial<Change> | null;
  if (![change?.file, change?.before, change?.after].every((text) => typeof text === 'string'))
    throw new Error('fields are missing');
  return change as Change;
}
