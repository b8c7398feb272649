/** The folder of `servers: { dir }`: which of its files are servers, and their texts. */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { SluiceError } from '../kernel/errors';
import { isPartName, nameOfPart, type Part } from '../parse/bundle';
import { MAX_SERVERS, serverNameProblem } from '../parse/servers';
import { errnoOf, fileError } from './system-error';
import { MAX_RULESET_BYTES, readFileText, refuseFileOfOthers, runsAsRoot, tooLarge } from './text-file';

/** Of each file of the folder that `main`, a ruleset file, names, ascending by path. Throws as `readRulesetText`. */
export function readParts(main: string, dir: string): readonly Part[] {
  const folder = path.join(path.dirname(main), dir);
  if (remembered.folder !== folder) remembered = { folder, files: new Map(), parts: [], mark: null };
  const { files, parts: before } = remembered;
  const status = fs.lstatSync(folder, { throwIfNoEntry: false });
  const mark = status && Date.now() - status.ctimeMs >= TICK_MS ? markOf(status) : null;
  const names = partNames(main, folder, files);
  let bytes = 0;
  if (files.size > names.length) {
    const there = new Set(names);
    for (const name of files.keys()) if (!there.has(name)) files.delete(name);
  }
  let isSame = names.length === before.length;
  const parts = names.map((name, i): Part => {
    const text = readPart(path.join(folder, name), name, files);
    bytes += text.length;
    if (bytes > MAX_RULESET_BYTES) throw tooLarge(folder);
    const known = before.at(i);
    const isKnown = known?.text === text && known.path === `${dir}/${name}`;
    isSame &&= isKnown;
    return isKnown ? known : { path: `${dir}/${name}`, text };
  });
  // The same list, so that whoever made something of it knows it again.
  remembered = { folder, files, parts: isSame ? before : parts, mark };
  return remembered.parts;
}

/**
 * The same, where nothing was put into the folder, nor taken out or exchanged, since they were read last; null where
 * something was. For whoever looks himself at the one file that he is to exchange: who writes into another one comes
 * sooner or later.
 */
export function partsReadLast(main: string, dir: string): readonly Part[] | null {
  const folder = path.join(path.dirname(main), dir);
  const { mark, parts } = remembered;
  if (remembered.folder !== folder || mark === null) return null;
  return markOf(fs.lstatSync(folder, { throwIfNoEntry: false })) === mark ? parts : null;
}

/** A file as this process has read it, and what it was like then. */
interface ReadFile {
  readonly mark: string;
  readonly text: string;
}

/** Of the folder that was read last: a change of one of two thousand files looks several times at all of them. */
interface ReadFolder {
  readonly folder: string;
  readonly files: Map<string, ReadFile>;
  readonly parts: readonly Part[];
  /** Of the folder itself, from before it was read. */
  readonly mark: string | null;
}

let remembered: ReadFolder = { folder: '', files: new Map(), parts: [], mark: null };

/** Whoever writes a file again as soon as this may leave its times as they were. */
const SETTLED_MS = 2000;

/** Its times tell two changes apart that are so far from each other. */
const TICK_MS = 100;

/** What is in a file. It is read again unless nothing about it has changed, nor had just before it was read. */
function readPart(file: string, name: string, files: Map<string, ReadFile>): string {
  const began = Date.now();
  const mark = settledMark(file, began);
  const known = files.get(name);
  if (known && known.mark === mark) return known.text;
  const text = readFileText(file, { isPart: true });
  if (mark !== null && mark === settledMark(file, began)) files.set(name, { mark, text });
  else files.delete(name);
  return text;
}

/** Changes whenever the file does, or who may write it; null where it is none, or has changed too short a time ago. */
function settledMark(file: string, nowMs: number): string | null {
  // Times as numbers of milliseconds, to a fraction of a microsecond: as such they are read in half the time.
  const status = fs.lstatSync(file, { throwIfNoEntry: false });
  if (!status?.isFile() || nowMs - status.ctimeMs < SETTLED_MS) return null;
  return markOf(status);
}

function markOf(status: fs.Stats | undefined): string | null {
  if (!status) return null;
  const { dev, ino, mode, uid, gid, size, mtimeMs, ctimeMs } = status;
  return `${dev} ${ino} ${mode} ${uid} ${gid} ${size} ${mtimeMs} ${ctimeMs}`;
}

/** Names of the files that are servers. The folder and they are no links: what they are is decided where they stand. */
function partNames(main: string, folder: string, known: ReadonlyMap<string, unknown>): string[] {
  let found: fs.Dirent[];
  try {
    const stat = fs.lstatSync(folder);
    if (!stat.isDirectory()) {
      const kind = stat.isSymbolicLink() ? 'a symbolic link' : 'no folder';
      throw servers(`"${folder}" is ${kind}; a folder with a file for each server was expected`);
    }
    if (runsAsRoot()) refuseFileOfOthers(folder, stat);
    found = fs.readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    if (errnoOf(error) === 'ENOENT')
      throw servers(
        `"${main}" names the folder "${folder}" for its servers, and there is none`,
        `mkdir ${folder}`,
        error,
      );
    throw fileError('file/read', 'read', folder, error);
  }
  const parts = found.filter(({ name }) => known.has(name) || isPartName(name));
  // It would be passed over without a word, and its server's addresses fall to inbound.
  const shouted = found.find(({ name }) => !known.has(name) && !isPartName(name) && isPartName(name.toLowerCase()));
  if (shouted)
    throw servers(
      `"${folder}" holds "${shouted.name}", which is no server: their files end with .yaml, .yml or .json`,
      `rename it: ${shouted.name.replace(/[^.]*$/, (ending) => ending.toLowerCase())}`,
    );
  if (parts.length > MAX_SERVERS)
    throw servers(`"${folder}" holds ${parts.length} servers, a ruleset holds at most ${MAX_SERVERS}`);
  for (const part of parts) {
    const problem = known.has(part.name) ? undefined : serverNameProblem(nameOfPart({ path: part.name }));
    if (problem !== undefined)
      throw servers(`"${folder}" holds a file that cannot name a server, "${part.name}": ${problem}`, 'rename it');
    if (part.isSymbolicLink())
      throw servers(
        `"${path.join(folder, part.name)}" is a symbolic link; the file of a server was expected`,
        'put the file itself there, or take the link away',
      );
  }
  return parts.map(({ name }) => name).sort();
}

function servers(message: string, hint?: string, cause?: unknown): SluiceError {
  return new SluiceError('file/servers', message, { ...(hint !== undefined && { hint }), cause });
}
