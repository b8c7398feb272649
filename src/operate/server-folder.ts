/** The folder of `servers: { dir }`: which of its files are servers, and their texts. */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { SluiceError } from '../kernel/errors';
import { isPartName, nameOfPart, type Part } from '../parse/bundle';
import { MAX_SERVERS, serverNameProblem } from '../parse/servers';
import { errnoOf, fileError } from './system-error';
import { MAX_RULESET_BYTES, readFileText, refuseFileOfOthers, runsAsRoot, tooLarge } from './text-file';

/** Of each file of the folder that `main`, a ruleset file, names, ascending by path. Throws as `readRulesetText`. */
export function readParts(main: string, dir: string): Part[] {
  const folder = path.join(path.dirname(main), dir);
  const names = partNames(main, folder);
  let bytes = 0;
  if (remembered.folder !== folder) remembered = { folder, files: new Map() };
  const { files } = remembered;
  if (files.size > names.length) {
    const there = new Set(names);
    for (const name of files.keys()) if (!there.has(name)) files.delete(name);
  }
  return names.map((name) => {
    const text = readPart(path.join(folder, name), name, files);
    bytes += text.length;
    if (bytes > MAX_RULESET_BYTES) throw tooLarge(folder);
    return { path: `${dir}/${name}`, text };
  });
}

/** A file as this process has read it, and what it was like then. */
interface ReadFile {
  readonly mark: string;
  readonly text: string;
}

/** Of the folder that was read last: a change of one of two thousand files looks several times at all of them. */
let remembered: { folder: string; files: Map<string, ReadFile> } = { folder: '', files: new Map() };

/** Whoever writes a file again as soon as this may leave its times as they were. */
const SETTLED_MS = 2000;

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
  const { dev, ino, mode, uid, gid, size, mtimeMs, ctimeMs } = status;
  return `${dev} ${ino} ${mode} ${uid} ${gid} ${size} ${mtimeMs} ${ctimeMs}`;
}

/** Names of the files that are servers. The folder and they are no links: what they are is decided where they stand. */
function partNames(main: string, folder: string): string[] {
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
  const parts = found.filter(({ name }) => isPartName(name));
  // It would be passed over without a word, and its server's addresses fall to inbound.
  const shouted = found.find(({ name }) => !isPartName(name) && isPartName(name.toLowerCase()));
  if (shouted)
    throw servers(
      `"${folder}" holds "${shouted.name}", which is no server: their files end with .yaml, .yml or .json`,
      `rename it: ${shouted.name.replace(/[^.]*$/, (ending) => ending.toLowerCase())}`,
    );
  if (parts.length > MAX_SERVERS)
    throw servers(`"${folder}" holds ${parts.length} servers, a ruleset holds at most ${MAX_SERVERS}`);
  for (const part of parts) {
    const problem = serverNameProblem(nameOfPart({ path: part.name }));
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
