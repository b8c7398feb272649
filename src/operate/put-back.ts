/**
 * Files that verbs changed for what was not confirmed: they are again as they were before it, unless somebody has changed
 * them since. What a process may not write to, as the boot's unit, is noted, and put back by the next one that may.
 */
import { accessSync, constants, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { SluiceError } from '../kernel/errors';
import type { Context } from './context';
import type { FileEdit, GenerationRecord, PendingSection } from './generation-record';
import { tolerate } from './history';
import { type FileFate, keepReturned, readReturned, type Returned } from './returned';
import { readRulesetText, writeRulesetText } from './ruleset-file';
import { readEnforcedText, readStateFile, type StateFolder, writeStateFile } from './state-files';
import { sectionsReturned } from './trial-text';

/** What became of the file of a change, and which others are as they were. */
export interface FilesBack {
  readonly file: string;
  readonly fate: FileFate;
  readonly others: readonly string[];
}

/** A file that is to be put back: while its text is the one of this digest, it gets this text. */
interface Noted {
  readonly file: string;
  readonly digest: string;
  readonly text: string;
}

const NAME = 'put-back.json';
const SCHEMA_VERSION = 1;

/** What becomes of the file of what was not confirmed, and of others that verbs changed. */
export function putFilesBack({ folder }: Context, record: GenerationRecord | null): FilesBack {
  return filesBack(folder, record, () => false);
}

/** The same where this process may not be allowed to write them. */
export function putFilesBackOrNote({ folder }: Context, record: GenerationRecord): FilesBack {
  return filesBack(folder, record, (noted) => {
    const trouble = tolerate(() => {
      note(folder, noted);
    });
    return trouble === null;
  });
}

function filesBack(
  folder: StateFolder,
  record: GenerationRecord | null,
  unwritable: (noted: Noted) => boolean,
): FilesBack {
  const file = record?.source.file ?? 'the file';
  const edits = record?.confirm?.edits ?? [];
  const fates = edits.map((edit) => ({ file: edit.file, fate: putFileBack(folder, edit, unwritable) }));
  return {
    file,
    fate: fates.find((one) => one.file === file)?.fate ?? 'kept',
    others: fates.flatMap((one) => (one.file !== file && one.fate === 'put-back' ? [one.file] : [])),
  };
}

/**
 * Where a verb changed the file, and nobody did since, the text before it stands there again. A file that was changed
 * by hand is its owner's: it is never touched.
 */
function putFileBack(
  folder: StateFolder,
  { file, before, after }: FileEdit,
  unwritable: (noted: Noted) => boolean,
): FileFate {
  const text = readEnforcedText(folder, { textDigest: before });
  try {
    const now = readRulesetText(file).digest;
    if (now === before) return 'put-back'; // an interrupted process was here
    if (text === null || now !== after) return 'kept';
  } catch (error) {
    if (error instanceof SluiceError) return 'kept';
    throw error;
  }
  const noted = { file, digest: after, text };
  if (write(noted)) return 'put-back';
  return unwritable(noted) ? 'later' : 'kept';
}

/**
 * What verbs wrote for sections that waited by themselves, in a file that this process may not be allowed to write; `applied`:
 * the text with all that waits. What becomes of the file, and for which of them.
 */
export function putSectionsBackOrNote(
  { folder }: Context,
  file: string,
  applied: string,
  trials: readonly PendingSection[],
): { readonly fate: FileFate; readonly names: readonly string[] } {
  const kept = { fate: 'kept', names: [] } as const;
  if (!trials.some(({ edited }) => edited)) return kept;
  try {
    const found = readRulesetText(file);
    const known = readNotes(folder).find((noted) => noted.file === file && noted.digest === found.digest);
    const back = sectionsReturned(known?.text ?? found.text, applied, trials);
    if (!back || back.names.length === 0) return kept;
    const { text, names } = back;
    if (text === found.text) return { fate: 'put-back', names };
    const noted = { file, digest: found.digest, text };
    if (write(noted)) return { fate: 'put-back', names };
    note(folder, noted);
    return { fate: 'later', names };
  } catch (error) {
    if (error instanceof SluiceError) return kept;
    throw error;
  }
}

/** False where the text is another one by now, or may not be written. */
function write({ file, digest, text }: Noted): boolean {
  try {
    writeRulesetText(file, text, digest);
    return true;
  } catch (error) {
    if (error instanceof SluiceError) return false;
    throw error;
  }
}

function note(folder: StateFolder, noted: Noted): void {
  keepNotes(folder, [...readNotes(folder).filter(({ file }) => file !== noted.file), noted]);
}

function keepNotes(folder: StateFolder, edits: readonly Noted[]): void {
  if (edits.length > 0) writeStateFile(folder, NAME, SCHEMA_VERSION, { edits });
  else rmSync(join(folder.path, NAME), { force: true });
}

function readNotes(folder: StateFolder): readonly Noted[] {
  const read = readStateFile(folder, NAME, SCHEMA_VERSION, (body) => {
    const { edits } = (body ?? {}) as { edits?: readonly Partial<Noted>[] };
    const sound = edits?.every(({ file, digest, text }) =>
      [file, digest, text].every((one) => typeof one === 'string'),
    );
    if (!sound) throw new Error('fields are missing');
    return edits as readonly Noted[];
  });
  return read.value ?? [];
}

/** Whether a file is to be put back by a process that may write it, such as this one. */
export function canPutNotedBack({ folder }: Context): boolean {
  return readNotes(folder).some(isWritable);
}

function isWritable({ file }: Noted): boolean {
  try {
    accessSync(dirname(file), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Puts back what was noted; which files. What somebody has changed since is left as it is. The caller holds the lock. */
export function putNotedBack({ folder }: Context): readonly string[] {
  const noted = readNotes(folder);
  if (noted.length === 0) return [];
  const done = noted.filter(write);
  keepNotes(
    folder,
    noted.filter((one) => !done.includes(one) && stands(one)),
  );
  const files = done.map(({ file }) => file);
  const returned = readReturned(folder);
  const isDone = ({ fate, file }: Returned): boolean => fate === 'later' && files.includes(file);
  if (returned.some(isDone))
    keepReturned(
      folder,
      returned.map((one) => (isDone(one) ? { ...one, fate: 'put-back' } : one)),
    );
  return files;
}

/** Whether it is still to be put back. */
function stands({ file, digest }: Noted): boolean {
  try {
    return readRulesetText(file).digest === digest;
  } catch (error) {
    if (error instanceof SluiceError) return false;
    throw error;
  }
}
