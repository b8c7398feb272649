/** Back to the text of an earlier revision: a change like any other, whose file is written as verbs write it. */
import { existsSync, rmSync } from 'node:fs';
import { SluiceError } from '../kernel/errors';
import { BUILT_IN } from './built-in';
import type { Context } from './context';
import { EditedError } from './enforced-file';
import { catchUp, findRevision, type History, holds, readHistory, readRevisionText, type Revision } from './history';
import { readEnforcement } from './enforcement';
import { withLock } from './lock';
import { renderTextDiff } from './ruleset-diff';
import { readRulesetText, type RulesetText, STANDARD_INPUT, writeRulesetText } from './ruleset-file';
import { readEnforced } from './state-files';

/** The history, with what a process that was killed did not write down; as it stands while another changes it. */
export async function settledHistory(context: Context): Promise<History> {
  const found = readHistory(context.folder);
  // Where nothing enforces and nothing waits there is nothing to write down, and reading changes nothing.
  if (!context.pins.exists() && !found.revisions.some(({ outcome }) => outcome === 'pending')) return found;
  try {
    return await withLock(context, async () => catchUp(context.folder, await readEnforcement(context)), 0);
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    return readHistory(context.folder);
  }
}

/** The text that a rollback is to enforce, and where it stands. */
export interface RollbackTarget {
  readonly revision: Revision & { readonly source: NonNullable<Revision['source']> };
  readonly text: string;
  /** What stands in its file now; null where that is gone, or it never had one. */
  readonly now: RulesetText | null;
}

/**
 * Finds the text of a revision. Throws `SluiceError` where it has none, and `EditedError` where its file holds a text that was
 * never enforced: it would be lost.
 */
export function openRollback({ folder }: Context, history: History, reference: string): RollbackTarget {
  const revision = findRevision(history, reference);
  const { number, source, what } = revision;
  const text = readRevisionText(folder, revision);
  if (!source || source.file === BUILT_IN)
    throw new SluiceError('operate/no-revision', `revision ${number} (${what}) has no file to go back to`, {
      hint: 'sluice history lists those that have; sluice disable ends enforcement',
    });
  if (text === null)
    throw new SluiceError('operate/no-revision', `the text of revision ${number} is lost`, {
      hint: 'sluice history lists others',
    });
  const { file } = source;
  const now = file === STANDARD_INPUT || !existsSync(file) ? null : readRulesetText(file);
  const enforced = readEnforced(folder).value;
  // What enforces may be no revision's: there a server that was not confirmed went back beside changes of others.
  const isKnown =
    history.revisions.some((one) => one.source?.textDigest === now?.digest) ||
    (enforced?.file === file && enforced.textDigest === now?.digest);
  if (now && !isKnown) {
    // What was edited is what stood there last, not what is to stand there.
    const last = history.revisions.findLast((one) => holds(one) && one.source?.file === file) ?? revision;
    throw new EditedError(file, renderTextDiff(readRevisionText(folder, last) ?? text, now.text));
  }
  return { revision: { ...revision, source }, text, now };
}

/** Puts the text into its file; what takes that back. Throws as `writeRulesetText`. */
export function writeRollback({ revision, text, now }: RollbackTarget): () => void {
  const { file } = revision.source;
  if (file === STANDARD_INPUT) return () => undefined;
  const { digest } = writeRulesetText(file, text, now?.digest ?? null);
  return () => {
    if (now) writeRulesetText(file, now.text, digest);
    else if (readRulesetText(file).digest === digest) rmSync(file);
  };
}
