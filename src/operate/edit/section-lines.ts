/**
 * The text of a section by its lines alone: of a long text no more is read than that, and nobody who only looks for one
 * loads the YAML library.
 */
import { splitBundle } from '../../parse/bundle';

/** Keys from the outermost map to the one that is meant. */
export type TextPath = readonly string[];

/** Keys of the outermost map that are sections; all others are settings. */
export const SECTION_KEYS = ['guard', 'inbound', 'outbound', 'servers'] as const;

/** Where a section stands. */
export function pathOf(section: string): TextPath {
  return section === 'inbound' || section === 'outbound' || section === 'guard' ? [section] : ['servers', section];
}

/** The key at `offset` with its value as it is written, from the left margin; null where it is not in lines of its own. */
export function takeLines(whole: string, offset: number): string | null {
  const text = splitBundle(whole).main;
  const start = lineStart(text, offset);
  const indent = /^ */.exec(text.slice(start, start + 64))![0];
  const line = text.slice(start, nextLine(text, offset));
  // What stands in braces may end anywhere; what begins with something else is no plain key.
  if (!/^ *(?:[\w.-]+|"[\w.-]+"|'[\w.-]+'):\s*(?:#.*)?$/.test(line.trimEnd())) return null;
  if (OPENS_BRACES.test(text.slice(start))) return null;
  return dedented(text.slice(start, blockEnd(text, start, indent.length)), indent);
}

/** A key whose value is in braces below it: their end may stand no deeper than the key. */
const OPENS_BRACES = /^[^\n]*\n(?:[ \t]*(?:#[^\n]*|\r)?\n)*[ \t]*[{[]/;

/** Where the lines of a key end that begins at `start`: with the last that is deeper, comments too. */
export function blockEnd(text: string, start: number, depth: number): number {
  let at = nextLine(text, start);
  let end = at;
  while (at < text.length) {
    const next = nextLine(text, at);
    const line = text.slice(at, next).trimEnd();
    const content = line.trimStart();
    const deeper = line.length - content.length > depth;
    if (content !== '' && !content.startsWith('#') && !deeper) break;
    if (content !== '' && deeper) end = next;
    at = next;
  }
  return end;
}

/** The lines without the indent they have in common. */
export function dedented(lines: string, indent: string): string {
  const begins = new RegExp(`^ {0,${indent.length}}`, 'gm');
  return indent === '' ? lines : lines.replace(begins, '');
}

/** Start of the line that holds the offset. */
export function lineStart(text: string, offset: number): number {
  return text.lastIndexOf('\n', offset - 1) + 1;
}

/** Start of the line after the one that holds the offset, or the end of the text. */
export function nextLine(text: string, offset: number): number {
  const end = text.indexOf('\n', offset);
  return end < 0 ? text.length : end + 1;
}
