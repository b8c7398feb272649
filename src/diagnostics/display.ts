/**
 * User text made fit for a terminal: nothing in it may move the cursor, change colours or reorder what is read, and
 * a caret below it must stand under the right character.
 */

const TAB_STOP = 4;

/**
 * Control characters (C0, DEL, C1), line separators, bidirectional controls, zero-width characters and lone
 * surrogates; Unicode calls them Cc, Cf, Zl, Zp and Cs.
 */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;
const COMBINING = /\p{M}/u;
/** Scripts and symbols that terminals draw two columns wide (UAX #11, wide and fullwidth). */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1b000}-\u{1b2ff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;

/** One character with everything unsafe written as `\x1b`, `\u202e` or `\u{e0001}`. */
function escapeCharacter(character: string): string {
  if (!UNSAFE.test(character)) return character;
  const code = character.codePointAt(0)!;
  if (code < 0x100) return `\\x${code.toString(16).padStart(2, '0')}`;
  return code < 0x10000 ? `\\u${code.toString(16).padStart(4, '0')}` : `\\u{${code.toString(16)}}`;
}

const EVERY_UNSAFE = new RegExp(UNSAFE, 'gu');
const UNSAFE_IN_LINES = new RegExp(`(?![\n\t])${UNSAFE.source}`, 'gu');

/** Text with control characters escaped, for messages and names. */
export function escapeControls(text: string): string {
  return text.replace(EVERY_UNSAFE, escapeCharacter);
}

/** The same for text of several lines: line breaks and tabs stay. */
export function escapeLines(text: string): string {
  return text.replace(UNSAFE_IN_LINES, escapeCharacter);
}

/** JSON text with the same characters as `\u` escapes: in its strings JSON leaves all but C0 as they are. */
export function escapeJson(json: string): string {
  return json.replace(UNSAFE_IN_LINES, (character) =>
    Array.from({ length: character.length }, (_, i) => character.charCodeAt(i))
      .map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`)
      .join(''),
  );
}

/** Columns a text without control characters takes. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) width += COMBINING.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
  return width;
}

/** A piece of one source line, ready to print, with the place of a caret below it. */
export interface DisplayLine {
  readonly text: string;
  /** Columns before the caret. */
  readonly indent: number;
  /** Columns to underline, at least 1. */
  readonly width: number;
}

/** Characters of a long line that are shown on either side of the place. */
const CONTEXT = 50;
/** Longest place that is underlined whole. */
const UNDERLINE_MAX = 60;

/**
 * One source line with tabs expanded and controls escaped; of a very long line only what stands around the place.
 * @param column of the place, from 1, in UTF-16 units.
 * @param length of the place in UTF-16 units; what lies behind the end of the line is cut off.
 */
export function displayLine(line: string, column: number, length: number): DisplayLine {
  const start = Math.min(Math.max(column - 1, 0), line.length);
  const end = Math.min(start + Math.min(length, UNDERLINE_MAX), line.length);
  const from = start > 2 * CONTEXT ? boundary(line, start - CONTEXT) : 0;
  const to = line.length - end > 2 * CONTEXT ? boundary(line, end + CONTEXT) : line.length;
  const lead = from > 0 ? '…' : '';
  const before = lead + expand(line.slice(from, start), lead.length);
  const indent = displayWidth(before);
  const place = expand(line.slice(start, end), indent);
  const width = displayWidth(place);
  const after = expand(line.slice(end, to), indent + width) + (to < line.length ? '…' : '');
  return { text: before + place + after, indent, width: Math.max(1, width) };
}

/** Moves an index out of the middle of a surrogate pair. */
function boundary(line: string, index: number): number {
  const code = line.charCodeAt(index);
  return code >= 0xdc00 && code <= 0xdfff ? index - 1 : index;
}

function expand(text: string, column: number): string {
  let result = '';
  let at = column;
  for (const character of text) {
    const shown = character === '\t' ? ' '.repeat(TAB_STOP - (at % TAB_STOP)) : escapeCharacter(character);
    result += shown;
    at += displayWidth(shown);
  }
  return result;
}
