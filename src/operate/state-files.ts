/**
 * What sluice remembers between two commands, per network namespace. Truth about what enforces is in the kernel;
 * these files remember how we got there. Nothing in them opens the host when lost.
 */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { SluiceError } from '../kernel/errors';
import type { AttachMode } from '../model/ruleset';
import { beginWrite, type BegunWrite, writeAtomically } from './atomic-write';
import { contentDigest } from './digest';
import { bytesOf, isKept } from './long-text';
import { readSealed, sealBody, type StateRead, writeSealed, writeSealedBody } from './sealed-file';
import { errnoOf, fileError } from './system-error';

/** The directory that is used when `SLUICE_STATE_DIR` does not name one. */
export const DEFAULT_STATE_DIRECTORY = '/var/lib/sluice';

/** File in the folder of a namespace that is locked while it is changed. */
export const LOCK_FILE = 'lock';

const SCHEMA_VERSION = 1;

/** What is enforced, and from which text it came. */
export interface EnforcedState {
  /** Absolute path of the ruleset file. */
  readonly file: string;
  /** SHA-256 of the file's bytes when it was applied, hex. */
  readonly textDigest: string;
  /** Digest of the compiled image, hex. */
  readonly rulesetDigest: string;
  readonly generation: number;
  /** ISO 8601 time. */
  readonly appliedAt: string;
  /** Names of the interfaces that are filtered. */
  readonly interfaces: readonly string[];
  readonly mode: AttachMode;
  /** Interfaces given on the command line in place of the file's; verbs keep to them. */
  readonly interfaceOverride?: readonly string[];
}

/** The state folder of one network namespace. */
export interface StateFolder {
  readonly path: string;
}

/** The state directory: `SLUICE_STATE_DIR`, else `/var/lib/sluice`. */
export function stateDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  return path.resolve(environment.SLUICE_STATE_DIR || DEFAULT_STATE_DIRECTORY);
}

/**
 * The folder of a namespace, which need not exist yet.
 * @param key `host`, or what `namespaceKey` made of the namespace's cookie.
 */
export function stateFolder(key: string, directory: string = stateDirectory()): StateFolder {
  if (!/^[a-z0-9-]+$/.test(key)) throw new TypeError(`"${key}" is not a namespace key`);
  return { path: path.join(directory, key) };
}

/** Where the folder keeps its revisions. */
export function historyDirectory(folder: StateFolder): string {
  return path.join(folder.path, 'history');
}

/** Writes a state file into the folder, which is made where missing (mode 0700). */
export function writeStateFile(folder: StateFolder, name: string, schemaVersion: number, body: unknown): void {
  makeFolder(folder);
  writeSealed(path.join(folder.path, name), schemaVersion, body);
}

/** The same of a file that its content names, `nameOf` the body's checksum; answers with that. */
export function writeNamedStateFile(
  folder: StateFolder,
  nameOf: (checksum: string) => string,
  schemaVersion: number,
  body: unknown,
): string {
  const sealed = sealBody(path.join(folder.path, nameOf('')), body);
  makeFolder(folder);
  writeSealedBody(path.join(folder.path, nameOf(sealed.checksum)), schemaVersion, sealed);
  return sealed.checksum;
}

/** Changes whenever a state file does, whoever writes it: that replaces it by another file. Null where it is missing. */
export function fileMark(path: string): string | null {
  const status = fs.statSync(path, { throwIfNoEntry: false, bigint: true });
  return status ? [status.dev, status.ino, status.size, status.mtimeNs].join() : null;
}

/** Reads a state file of the folder; see `readSealed`. */
export function readStateFile<T>(
  folder: StateFolder,
  name: string,
  schemaVersion: number,
  check: (body: unknown) => T,
  oldest?: number,
): StateRead<T> {
  return readSealed(path.join(folder.path, name), schemaVersion, check, oldest);
}

/**
 * Remembers what is enforced now, and its text (null: it is lost, or kept already). The text goes first, under its own
 * digest, so that a crash between the two writes leaves the old pair whole. Of other texts those of `keep` stay.
 */
export function writeEnforced(
  folder: StateFolder,
  state: EnforcedState,
  text: string | null,
  keep: readonly string[] = [],
): void {
  if (text !== null && contentDigest(text) !== state.textDigest)
    throw new TypeError('the text is not the one its digest names');
  if (text !== null) keepText(folder, text);
  writeStateFile(folder, 'enforced.json', SCHEMA_VERSION, state);
  removeOtherTexts(folder, [state.textDigest, ...keep]);
}

/** Keeps a text that may become the enforced one beside the one that is. */
export function keepText(folder: StateFolder, text: string): void {
  makeFolder(folder);
  const file = textFile(folder, contentDigest(text));
  try {
    writeAtomically(file, bytesOf(text), { mode: 0o600, how: 'replace' });
  } catch (error) {
    throw fileError('state/write', 'write', file, error);
  }
}

/** Texts that are on their way to the disk. */
const begun = new Set<BegunText>();

interface BegunText {
  readonly folder: string;
  readonly text: string;
  readonly write: BegunWrite;
}

function findBegun(folder: StateFolder, text: string): BegunText | undefined {
  return [...begun].find((one) => one.folder === folder.path && one.text === text);
}

/**
 * Writes a text that may become the enforced one, while nobody knows yet whether it will: `keepBegunText` has little left
 * to do then. What is returned gives it up, where nobody has kept it. Short texts are not worth it.
 */
export function beginKeepText(folder: StateFolder, text: string): () => Promise<void> {
  const nothing = (): Promise<void> => Promise.resolve();
  if (!isKept(text) || !fs.existsSync(folder.path) || findBegun(folder, text)) return nothing;
  let one: BegunText;
  try {
    assertTrusted(folder);
    // Its own name has its digest in it, which takes as long as all of this.
    const unnamed = path.join(folder.path, 'enforced.text');
    one = { folder: folder.path, text, write: beginWrite(unnamed, bytesOf(text), { mode: 0o600 }) };
  } catch {
    return nothing; // whoever keeps it says why it cannot be
  }
  begun.add(one);
  return async () => {
    begun.delete(one);
    await one.write.abandon();
  };
}

/** The same as `keepText`, of a text that may have been begun. */
export async function keepBegunText(folder: StateFolder, text: string): Promise<void> {
  const one = findBegun(folder, text);
  if (!one) {
    keepText(folder, text);
    return;
  }
  begun.delete(one);
  makeFolder(folder);
  const file = textFile(folder, contentDigest(text));
  try {
    await one.write.synced;
    one.write.finish({ target: file });
  } catch (error) {
    throw fileError('state/write', 'write', file, error);
  }
}

/** What enforces, or did until `disable`; null where nothing ever was. */
export function readEnforced(folder: StateFolder): StateRead<EnforcedState> {
  return readStateFile(folder, 'enforced.json', SCHEMA_VERSION, checkEnforced);
}

/** The text that is enforced; null where it is missing or no longer the one the digest names. */
export function readEnforcedText(folder: StateFolder, state: Pick<EnforcedState, 'textDigest'>): string | null {
  try {
    const text = fs.readFileSync(textFile(folder, state.textDigest), 'utf8');
    return contentDigest(text) === state.textDigest ? text : null;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw fileError('state/read', 'read', textFile(folder, state.textDigest), error);
  }
}

/**
 * Removes the namespace's state altogether (`uninstall`), and the state directory when no other namespace is in it. The
 * caller holds the lock, whose file goes last: whoever waits for it makes the folder anew.
 */
export function removeState(folder: StateFolder): void {
  const names = fs.existsSync(folder.path) ? fs.readdirSync(folder.path) : [];
  for (const name of [...names.filter((other) => other !== LOCK_FILE), LOCK_FILE])
    fs.rmSync(path.join(folder.path, name), { recursive: true, force: true });
  for (const directory of [folder.path, path.dirname(folder.path)]) {
    try {
      fs.rmdirSync(directory);
    } catch (error) {
      if (!['ENOENT', 'ENOTEMPTY', 'EBUSY'].includes(errnoOf(error) ?? '')) throw error;
    }
  }
}

/** Makes the folder (mode 0700) where it is missing. Throws as `assertTrusted`. */
export function makeFolder(folder: StateFolder): void {
  assertTrusted(folder);
  try {
    fs.mkdirSync(folder.path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw fileError('state/write', 'make the folder', folder.path, error);
  }
  assertTrusted(folder); // somebody may have been faster
}

/**
 * Throws `SluiceError` `state/unsafe` where others could change what is kept: bans come back from it, and verbs take from
 * it which file they change. Checksums do not help, whoever can write can compute them. The state directory may be a
 * symbolic link, and open to all where only owners can take things out of it (as /tmp).
 */
export function assertTrusted(folder: StateFolder): void {
  const own = process.geteuid?.();
  const check = (path: string, status: fs.Stats | undefined, open: number): void => {
    if (!status) return;
    const trusted = status.isDirectory() && (status.uid === own || status.uid === 0) && (status.mode & open) === 0;
    if (trusted) return;
    const kind = status.isSymbolicLink() ? 'a symbolic link' : `mode ${(status.mode & 0o7777).toString(8)}`;
    const message = `others could change what sluice keeps in "${path}": owner ${status.uid}, ${kind}`;
    throw new SluiceError('state/unsafe', message, {
      hint: `nothing was changed; look at who made it, and at what is in it, then: chown root: ${path}; chmod go-w ${path}`,
    });
  };
  const directory = path.dirname(folder.path);
  const outer = fs.statSync(directory, { throwIfNoEntry: false });
  check(directory, outer, outer && outer.mode & 0o1000 ? 0 : 0o022);
  check(folder.path, fs.lstatSync(folder.path, { throwIfNoEntry: false }), 0o022);
}

/** The file in which the text of this digest is kept while it is enforced. */
export function textFile(folder: StateFolder, digest: string): string {
  return path.join(folder.path, `enforced-${digest.slice(0, 32)}.text`);
}

/** Removes the texts whose digests are not among these. */
export function removeOtherTexts(folder: StateFolder, keep: readonly string[]): void {
  const kept = keep.map((digest) => path.basename(textFile(folder, digest)));
  for (const name of fs.readdirSync(folder.path))
    if (/^enforced-[0-9a-f]{32}\.text$/.test(name) && !kept.includes(name))
      fs.rmSync(path.join(folder.path, name), { force: true });
}

const HEX_DIGEST = /^[0-9a-f]{64}$/;

function checkEnforced(body: unknown): EnforcedState {
  const state = body as Partial<Record<keyof EnforcedState, unknown>> | null;
  const sound =
    typeof state === 'object' &&
    state !== null &&
    typeof state.file === 'string' &&
    typeof state.textDigest === 'string' &&
    HEX_DIGEST.test(state.textDigest) &&
    typeof state.rulesetDigest === 'string' &&
    Number.isSafeInteger(state.generation) &&
    typeof state.appliedAt === 'string' &&
    Array.isArray(state.interfaces) &&
    state.interfaces.every((name) => typeof name === 'string') &&
    (state.mode === 'auto' || state.mode === 'native' || state.mode === 'generic');
  if (!sound) throw new Error('fields are missing');
  return state as EnforcedState;
}
