/**
 * A ruleset of several files as one text: the main file, then the folder that `servers: { dir }` names, then each file in
 * it under a line with its path. So a ruleset is one text wherever it is compared, kept, sealed or put back, and the lines
 * in between begin with a character that no file may hold.
 */
import { dirname, join } from 'node:path';
import { spliced } from './common-text';

/** U+001C, "file separator". */
export const SEPARATOR = '\u001c';

/** One file of the folder. */
export interface Part {
  /** From the folder of the main file: `servers.d/gpu-17.yaml`. */
  readonly path: string;
  readonly text: string;
}

/** The files of a ruleset. */
export interface Bundle {
  readonly main: string;
  /** As the main file names it; null where the ruleset is one file. */
  readonly dir: string | null;
  /** Ascending by path. */
  readonly parts: readonly Part[];
}

const HEADER = new RegExp(`${SEPARATOR}# ==== ([^\\n${SEPARATOR}]*) ====\\n`, 'g');
const LONE_HEADER = new RegExp(`^${SEPARATOR}# ==== ([^\\n${SEPARATOR}]*[^\\n${SEPARATOR}/]) ====\\n`);
/** Endings of the files that are servers; all others in the folder are ignored. */
const PART = /^[^.].*\.(?:ya?ml|json)$/s;
const DIR = /^[A-Za-z0-9_][A-Za-z0-9._-]*(?:\/[A-Za-z0-9_][A-Za-z0-9._-]*)*$/;

/** Whether a file of this name in the folder is a server: `*.yaml`, `*.yml` and `*.json`, but for hidden ones. */
export function isPartName(name: string): boolean {
  return PART.test(name);
}

/** Whether a folder may be named so: below the main file's own. */
export function isPartFolder(dir: string): boolean {
  return dir.length <= 200 && DIR.test(dir);
}

/** The server's name: that of its file, without the ending. */
export function nameOfPart({ path }: Pick<Part, 'path'>): string {
  return path.slice(path.lastIndexOf('/') + 1).replace(/\.(?:ya?ml|json)$/, '');
}

/** All files as one text; of a ruleset in one file that file's text. */
export function joinBundle(bundle: Bundle): string {
  if (bundle.dir === null) return bundle.main;
  const changes = joined.map((known) => ({ known, change: changeFrom(known.bundle, bundle) }));
  const same = changes.find(({ change }) => change?.index === -1);
  if (same) return same.known.text;
  const near = changes.find(({ change }) => change !== null);
  if (near) return joinEdited(near.known, bundle, near.change!);
  const { main, dir, parts } = bundle;
  const text = [main, headerOf(`${dir}/`), ...parts.flatMap((part) => [headerOf(part.path), part.text])].join('');
  keepJoined({ text, bundle, isPlain: isPlain(main) && isPlain(dir) && parts.every(isPlainPart) });
  return text;
}

/** The one file that is another, from where on its text stands in the old one; `index` -1: none is. */
interface PartChange {
  readonly index: number;
  readonly at: number;
}

/** Null where more than one file differs, or one is there no longer. */
function changeFrom(before: Bundle, after: Bundle): PartChange | null {
  if (before.dir !== after.dir || before.parts.length !== after.parts.length || before.main !== after.main) return null;
  const change = { index: -1, at: 0 };
  if (before.parts === after.parts) return change;
  let at = before.main.length + headerOf(`${before.dir}/`).length;
  for (const [i, { path, text }] of before.parts.entries()) {
    const other = after.parts[i];
    if (path !== other.path) return null;
    at += headerLength(path);
    if (text !== other.text) {
      if (change.index >= 0) return null;
      Object.assign(change, { index: i, at });
    }
    at += text.length;
  }
  return change;
}

function joinEdited(before: Joined, bundle: Bundle, { index, at }: PartChange): string {
  const part = bundle.parts[index];
  const text = spliced(before.text, at, at + before.bundle.parts[index].text.length, part.text);
  keepJoined({ text, bundle, isPlain: before.isPlain && isPlainPart(part) });
  return text;
}

/** What is joined of pieces that hold nothing which sets files apart is split into the same pieces again. */
function keepJoined(known: Joined): void {
  remember(joined, known);
  if (known.isPlain) remember(split, known);
}

function isPlain(text: string): boolean {
  return !text.includes(SEPARATOR);
}

function isPlainPart({ path, text }: Part): boolean {
  return isPlain(text) && isPlain(path) && !path.includes('\n');
}

/** The files of a text that `joinBundle` made; any other text is a main file. */
export function splitBundle(text: string): Bundle {
  const known = split.find((one) => one.text === text);
  if (known) return known.bundle;
  const bundle = splitAnew(text);
  remember(split, { text, bundle });
  return bundle;
}

/** A text and its files. */
interface Known {
  readonly text: string;
  readonly bundle: Bundle;
}

interface Joined extends Known {
  /** Whether it is split into what it was joined of. */
  readonly isPlain: boolean;
}

function remember<One extends Known>(known: One[], one: One): void {
  if (one.text.length >= LONG_TEXT && known.unshift(one) > LAST_MAX) known.pop();
}

/**
 * Long texts that were split, and joined, last: a change asks a dozen times for the files of its ruleset before and after.
 */
const split: Known[] = [];
const joined: Joined[] = [];
const LAST_MAX = 3;
const LONG_TEXT = 64 * 1024;

function splitAnew(text: string): Bundle {
  if (!text.includes(SEPARATOR)) return { main: text, dir: null, parts: [] };
  const headers = [...text.matchAll(HEADER)];
  const folder = headers.at(0);
  if (!folder?.[1].endsWith('/')) return { main: text, dir: null, parts: [] };
  const parts = headers.slice(1).map((header, i) => ({
    path: header[1],
    text: text.slice(header.index + header[0].length, headers.at(i + 2)?.index),
  }));
  return { main: text.slice(0, folder.index), dir: folder[1].slice(0, -1), parts };
}

/** The file of one server; undefined where the ruleset is one file, or the folder has no such server. */
export function partOf({ parts }: Bundle, server: string): Part | undefined {
  const start = `${server}.`;
  return parts.find(
    (part) => part.path.startsWith(start, part.path.lastIndexOf('/') + 1) && nameOfPart(part) === server,
  );
}

/** The text with one file exchanged, added where there is none of its path, or taken out (null). */
export function withPart(bundle: Bundle, path: string, text: string | null): Bundle {
  if (text !== null && bundle.parts.some((part) => part.path === path))
    return { ...bundle, parts: bundle.parts.map((part) => (part.path === path ? { path, text } : part)) };
  const others = bundle.parts.filter((part) => part.path !== path);
  const parts = text === null ? others : [...others, { path, text }].sort(byPath);
  return { ...bundle, parts };
}

/** One file alone, under the line with its path: what the history keeps of a server. */
export function joinPart({ path, text }: Part): string {
  return headerOf(path) + text;
}

/** The file of a text that `joinPart` made; undefined for any other. */
export function splitPart(text: string): Part | undefined {
  if (!text.startsWith(SEPARATOR)) return undefined;
  const [header, path] = LONE_HEADER.exec(text) ?? [];
  return header === undefined ? undefined : { path, text: text.slice(header.length) };
}

/** Order of the files. */
export function byPath(a: Pick<Part, 'path'>, b: Pick<Part, 'path'>): number {
  return a.path < b.path ? -1 : a.path > b.path ? 1 : 0;
}

/** The text of a file of the ruleset whose main file is `main`, by its path in findings; undefined for any other. */
export function fileIn(text: string, main: string, file: string): string | undefined {
  const bundle = splitBundle(text);
  if (file === main) return bundle.main;
  return bundle.parts.find(({ path }) => join(dirname(main), path) === file)?.text;
}

/** Paths of the ruleset's files, the main one first. */
export function filesIn({ path: main, text }: { readonly path: string; readonly text: string }): readonly string[] {
  return [main, ...splitBundle(text).parts.map(({ path }) => join(dirname(main), path))];
}

/** For people: the lines in between without the character that sets them apart. */
export function readableBundle(text: string): string {
  return text
    .split(SEPARATOR)
    .map((piece, i, pieces) => (i + 1 < pieces.length && piece !== '' && !piece.endsWith('\n') ? `${piece}\n` : piece))
    .join('');
}

function headerOf(path: string): string {
  return `${SEPARATOR}# ==== ${path} ====\n`;
}

function headerLength(path: string): number {
  return EMPTY_HEADER_LENGTH + path.length;
}

const EMPTY_HEADER_LENGTH = headerOf('').length;
