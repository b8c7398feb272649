/**
 * Servers of a ruleset file by their lines: which of them an edit of the text is about, and the text without all others,
 * that says of what is left the same as the whole does.
 */
import { firstWhere } from '../model/first-where';
import { type Move, movedSource } from '../model/moved';
import type { SourceRange } from '../model/ruleset';
import { commonEnd, commonStart } from './common-text';
import { type DocumentNode, type MapNode, valueOf } from './document-node';
import { SourceFile } from './locate';

/** Where the servers of a text begin, each with lines of its own; they end where the next begins. */
export interface ServerLines {
  readonly names: readonly string[];
  /** Start of the first line of each, and of what stands behind the last. */
  readonly starts: readonly number[];
  /** Number of the first line of each. */
  readonly lines: readonly number[];
}

/** The lines of the servers of a text that was read line by line; null where they share lines with something else. */
export function linesOfServers(file: SourceFile, root: MapNode): ServerLines | null {
  const { text } = file;
  const servers = valueOf(root, 'servers');
  if (servers?.kind !== 'map' || servers.entries.length < 2) return null;
  const keys = servers.entries.map(({ key }) => key);
  const starts = keys.map(({ start }) => text.lastIndexOf('\n', start - 1) + 1);
  const depth = keys[0].start - starts[0];
  for (const [i, { start }] of keys.entries()) {
    const isAlone = starts[i] > 0 && start - starts[i] === depth && /^ +$/.test(text.slice(starts[i], start));
    if (!isAlone) return null;
  }
  return {
    names: keys.map(({ text: name }) => name),
    starts: [...starts, endOfServers(text, root, servers)],
    lines: keys.map(({ start }) => file.range(start, start).line),
  };
}

/** Start of the line of what follows the servers. */
function endOfServers(text: string, { entries }: MapNode, servers: DocumentNode): number {
  const next = entries.find(({ key }) => key.start > servers.start)?.key.start;
  return next === undefined ? text.length : text.lastIndexOf('\n', next - 1) + 1;
}

/** One server's lines before and after an edit of the text. */
export interface ServerEdit {
  readonly index: number;
  /** Start of its lines. */
  readonly start: number;
  /** Their ends, before the edit and after it. */
  readonly end: number;
  readonly newEnd: number;
  /** How far the edit moves what follows. */
  readonly by: Move;
}

/** The one server whose lines differ, the last where none does; null where something else differs. */
export function findServerEdit(before: string, after: string, { starts }: ServerLines): ServerEdit | null {
  const most = Math.min(before.length, after.length);
  const same = commonStart(before, after, most);
  if (same === before.length && same === after.length) {
    const [start, end] = starts.slice(-2);
    return { index: starts.length - 2, start, end, newEnd: end, by: { offset: 0, lines: 0 } };
  }
  const first = before.lastIndexOf('\n', same - 1) + 1;
  const tail = commonEnd(before, after, most - first);
  const last = before.length - tail;
  // What is put in where a server begins belongs to the one before it.
  const index = firstWhere(starts, (start) => start >= first) - 1;
  if (index < 0 || index > starts.length - 2 || last > starts[index + 1]) return null;
  const end = starts[index + 1];
  const start = starts[index];
  const offset = after.length - before.length;
  const lines = countLines(after, start, end + offset) - countLines(before, start, end);
  return { index, start, end, newEnd: end + offset, by: { offset, lines } };
}

/** The lines of the servers after an edit of one that leaves its name. */
export function linesAfter({ names, starts, lines }: ServerLines, { index, by }: ServerEdit): ServerLines {
  return {
    names,
    starts: starts.map((start, i) => (i > index ? start + by.offset : start)),
    lines: lines.map((line, i) => (i > index ? line + by.lines : line)),
  };
}

/**
 * The text after an edit with no other servers than the edited one and the last: behind that one stands something else
 * than a server, which the reader minds.
 */
export class ServerExcerpt extends SourceFile {
  /** Names of the servers that are left. */
  readonly names: readonly string[];
  readonly #gaps: readonly Gap[];

  /** `name`: of the file, `text` after the edit; `known`: where its servers were before. */
  constructor(name: string, text: string, known: ServerLines, { index, start, newEnd, by }: ServerEdit) {
    const { names, starts, lines } = known;
    const last = names.length - 1;
    const isLast = index === last;
    const pieces = [text.slice(0, starts[0]), text.slice(start, newEnd)];
    const gaps: Gap[] = [{ at: starts[0], offset: start - starts[0], lines: lines[index] - lines[0] }];
    if (!isLast) {
      pieces.push(text.slice(starts[last] + by.offset, starts[last + 1] + by.offset));
      const between = { offset: starts[last] - starts[index + 1], lines: lines[last] - lines[index + 1] };
      gaps.push({
        at: starts[0] + newEnd - start,
        offset: gaps[0].offset + between.offset,
        lines: gaps[0].lines + between.lines,
      });
    }
    pieces.push(text.slice(starts[last + 1] + by.offset));
    super(name, pieces.join(''));
    this.names = isLast ? [names[index]] : [names[index], names[last]];
    this.#gaps = gaps;
  }

  /** The place in the whole text. */
  override range(start: number, end: number): SourceRange {
    const place = super.range(start, end);
    const gap = this.#gaps.findLast(({ at }) => at <= place.offset);
    return gap ? movedSource(place, gap) : place;
  }
}

/** What was left out above a place of an excerpt. */
interface Gap extends Move {
  readonly at: number;
}

/** Line ends from one offset to another. */
function countLines(text: string, from: number, to: number): number {
  let lines = 0;
  for (let at = text.indexOf('\n', from); at >= 0 && at < to; at = text.indexOf('\n', at + 1)) lines++;
  return lines;
}
