/**
 * The YAML that rulesets are mostly written in, read line by line: block maps and lists, values and flow collections
 * that end in their line. Many times faster than a YAML parser, and never of another opinion: whatever is unusual, be
 * it only unusual to this file, is left to `readDocument`'s library. A property test compares the two.
 */
import type { DocumentNode, ListNode, MapEntry, MapNode, TextNode } from './document-node';
import { isQuote, LINE_MAP_MAX, LineMap, Spans, textNode } from './line-map';
import type { SourceFile } from './locate';
import { findTrap } from './yaml-traps';

/** Deeper ones are left to the library, which bounds them. */
const MAX_DEPTH = 8;
/** Keys as sections, sets and fields are named; a key in quotes is unusual. */
const KEY_MAX = 64;
/** Any character that has a meaning to YAML, or another width than it seems to have. */
const UNUSUAL = /[^\n\x20-\x7e\u00a1-\ud7ff]/;
/** Of each character, whether a key or a plain value begins with it, is made of it, or ends before it in a flow collection. */
const [WORD, OF_KEY, PLAIN_START, ENDS_FLOW] = [1, 2, 4, 8];
const CLASSES = Uint8Array.from({ length: 128 }, (_, code) => {
  const character = String.fromCharCode(code);
  const word = /[A-Za-z0-9]/.test(character) ? WORD | OF_KEY | PLAIN_START : 0;
  const ofKey = '_.-'.includes(character) ? OF_KEY : 0;
  // None of YAML's indicators.
  const start = '_./~+'.includes(character) ? PLAIN_START : 0;
  return word | ofKey | start | (',[]{}'.includes(character) ? ENDS_FLOW : 0);
});
const is = (code: number, what: number): boolean => code < 128 && (CLASSES[code] & what) !== 0;

const BLANK = 0x20;
const DOUBLE_QUOTE = 0x22;
const HASH = 0x23;
const COMMA = 0x2c;
const COLON = 0x3a;
const LIST = 0x5b;
const BACKSLASH = 0x5c;
const MAP = 0x7b;
const MAP_END = 0x7d;

/** The tree of the document, or null where the library must look at it. */
export function readPlainDocument(file: SourceFile): MapNode | null {
  if (UNUSUAL.test(file.text)) return null;
  try {
    return new PlainReader(file).read();
  } catch (error) {
    if (error instanceof Unusual) return null;
    throw error;
  }
}

class Unusual extends Error {}

class PlainReader {
  private readonly text: string;
  /** The line the reader is in: blanks before its content, first character of it, its end; indent -1 after the last. */
  private indent = -1;
  private start = 0;
  private end = -1;
  /** Where the value that was read last ends, and behind its line the comment. */
  private at = 0;
  private readonly spans: Spans;

  constructor(private readonly file: SourceFile) {
    this.text = file.text;
    this.spans = new Spans(file.text);
  }

  read(): MapNode {
    this.nextLine();
    if (this.indent !== 0) throw new Unusual();
    const root = this.readMap(0, 0);
    if (this.hasLine()) throw new Unusual();
    return root;
  }

  /** Goes to the next line that holds more than blanks and a comment. */
  private nextLine(): void {
    const { text } = this;
    let deepest = 0; // comments further in than what follows belong to what was before, as the library counts it
    for (let begin = this.end + 1; begin <= text.length; begin = this.end + 1) {
      const newline = text.indexOf('\n', begin);
      this.end = newline < 0 ? text.length : newline;
      let start = begin;
      while (start < this.end && text.charCodeAt(start) === 0x20) start++;
      if (start === this.end) continue;
      if (text[start] === '#') {
        deepest = Math.max(deepest, start - begin);
        continue;
      }
      this.start = start;
      this.indent = start - begin;
      if (deepest > this.indent) throw new Unusual();
      return;
    }
    if (deepest > 0) throw new Unusual();
    this.indent = -1;
  }

  private hasLine(): boolean {
    return this.indent >= 0;
  }

  private isItem(): boolean {
    return this.hasLine() && this.text[this.start] === '-' && this.text[this.start + 1] === ' ';
  }

  /** Length of the key and its colon at `at`, or 0. */
  private keyAt(at: number): number {
    const { text } = this;
    let end = at;
    while (end < this.end && end - at < KEY_MAX && is(text.charCodeAt(end), OF_KEY)) end++;
    if (end === at || !is(text.charCodeAt(at), WORD) || text.charCodeAt(end) !== COLON) return 0;
    return end + 1 >= this.end || text.charCodeAt(end + 1) === BLANK ? end + 1 - at : 0;
  }

  private readMap(indent: number, depth: number): MapNode {
    if (depth > MAX_DEPTH) throw new Unusual();
    const entries: MapEntry[] = [];
    const { start } = this;
    while (this.indent === indent && !this.isItem()) {
      const length = this.keyAt(this.start);
      if (length === 0) throw new Unusual();
      const key = textNode(this.text, this.start, this.start + length - 1);
      const valueStart = this.skipBlanks(this.start + length);
      entries.push({ key, value: this.readValue(valueStart, indent, depth) });
    }
    if (this.indent > indent) throw new Unusual();
    return this.mapNode(entries, start, this.at);
  }

  /** What stands behind a key, in its line or below it. */
  private readValue(start: number, indent: number, depth: number): DocumentNode {
    if (start < this.end && this.text[start] === '|') return this.readLiteral(start, indent);
    if (start < this.end && this.text[start] !== '#') return this.readLine(start, indent, depth);
    this.nextLine();
    if (this.isItem() && this.indent >= indent) return this.readList(this.indent, depth + 1);
    if (this.indent <= indent) throw new Unusual(); // an empty value
    return this.readMap(this.indent, depth + 1);
  }

  /** The block of lines behind a `|`, without their common indentation; goes to the next line. */
  private readLiteral(start: number, indent: number): TextNode {
    const { text } = this;
    if (this.skipBlanks(start + 1) < this.end) throw new Unusual();
    const lines: string[] = [];
    let width = 0; // blanks that are taken off every line
    let kept = 0; // lines up to the last one that is not empty
    let last = this.end;
    let begin = this.end + 1;
    for (; begin < text.length; begin = this.end + 1) {
      const newline = text.indexOf('\n', begin);
      const end = newline < 0 ? text.length : newline;
      let first = begin;
      while (first < end && text.charCodeAt(first) === 0x20) first++;
      if (first === end) {
        if (end > begin || kept === 0) throw new Unusual();
        lines.push('');
      } else {
        if (kept === 0) width = first - begin;
        if (first - begin < Math.max(width, indent + 1)) {
          if (kept === 0 || first - begin > indent) throw new Unusual();
          break;
        }
        lines.push(text.slice(begin + width, end));
        kept = lines.length;
        last = end;
      }
      this.end = end;
    }
    if (kept === 0) throw new Unusual();
    this.at = last;
    while (text[this.at - 1] === ' ') this.at--;
    this.end = begin - 1;
    this.nextLine();
    const value = `${lines.slice(0, kept).join('\n')}\n`;
    return { kind: 'text', text: value, style: 'literal', start, end: Math.min(last + 1, text.length) };
  }

  private readList(indent: number, depth: number): ListNode {
    if (depth > MAX_DEPTH) throw new Unusual();
    const items: DocumentNode[] = [];
    const { start } = this;
    while (this.indent === indent && this.isItem()) {
      const itemStart = this.skipBlanks(this.start + 1);
      if (itemStart === this.end || this.text[itemStart] === '#') throw new Unusual();
      if (this.keyAt(itemStart) > 0) {
        this.indent += itemStart - this.start;
        this.start = itemStart;
        items.push(this.readMap(this.indent, depth + 1));
      } else {
        items.push(this.readLine(itemStart, indent, depth));
      }
    }
    if (this.indent > indent) throw new Unusual();
    return { kind: 'list', items, start, end: this.at };
  }

  /** A value that ends in its line; goes to the next one. */
  private readLine(start: number, indent: number, depth: number): DocumentNode {
    const value = this.readInline(start, depth + 1, false);
    const rest = this.skipBlanks(this.at);
    if (rest < this.end) {
      if (rest === this.at || this.text[rest] !== '#') throw new Unusual();
      // The library counts a comment in the last line of a map or list to it.
      this.at = this.end;
      while (this.text[this.at - 1] === ' ') this.at--;
    }
    this.nextLine();
    // Deeper lines would go on with the value.
    if (this.indent > indent) throw new Unusual();
    return value;
  }

  private readInline(start: number, depth: number, inFlow: boolean): DocumentNode {
    if (depth > MAX_DEPTH) throw new Unusual();
    switch (this.text.charCodeAt(start)) {
      case MAP:
        return this.readFlowMap(start, depth);
      case LIST:
        return this.readFlowList(start, depth);
      default:
        return this.readText(start, inFlow);
    }
  }

  private readText(start: number, inFlow: boolean): TextNode {
    const end = this.endOfText(start, inFlow);
    this.at = end;
    return textNode(this.text, start, end);
  }

  /** Where the quoted or plain text ends. */
  private endOfText(start: number, inFlow: boolean): number {
    const { text } = this;
    const first = text.charCodeAt(start);
    if (isQuote(first)) {
      let at = start + 1;
      for (; at < this.end; at++) {
        const code = text.charCodeAt(at);
        if (code === first) break;
        if (code === BACKSLASH && first === DOUBLE_QUOTE) throw new Unusual();
      }
      if (at >= this.end || text.charCodeAt(at + 1) === first) throw new Unusual();
      return at + 1;
    }
    if (!is(first, PLAIN_START)) throw new Unusual();
    let end = start; // behind the last character that is no blank
    for (let at = start; at < this.end; at++) {
      const code = text.charCodeAt(at);
      if (code === BLANK) continue;
      if (code === COLON) {
        const next = text.charCodeAt(at + 1);
        if (at + 1 === this.end || next === BLANK || (inFlow && is(next, ENDS_FLOW))) throw new Unusual();
      } else if (code === HASH) {
        if (end < at) break;
      } else if (inFlow && is(code, ENDS_FLOW)) {
        break;
      }
      end = at + 1;
    }
    return end;
  }

  private readFlowMap(start: number, depth: number): MapNode {
    return this.readLineMap(start) ?? this.readDeepMap(start, depth);
  }

  /**
   * A map of few texts; null where it is more, or holds lists or maps. No key of it can be a row that was cut: they have no
   * blanks.
   */
  private readLineMap(start: number): MapNode | null {
    const { text, spans } = this;
    const first = spans.count;
    let at = this.skipBlanks(start + 1);
    for (;;) {
      const length = this.keyAt(at);
      if (length === 0) throw new Unusual();
      const value = this.skipBlanks(at + length);
      const code = text.charCodeAt(value);
      if (code === MAP || code === LIST || spans.count - first === LINE_MAP_MAX) {
        spans.count = first;
        return null;
      }
      const end = this.endOfText(value, true);
      spans.add(at, at + length - 1, value, end);
      at = this.skipBlanks(end);
      const next = text.charCodeAt(at);
      if (next === MAP_END) break;
      if (next !== COMMA) throw new Unusual();
      at = this.skipBlanks(at + 1);
    }
    if (spans.hasDuplicateKey(first)) throw new Unusual();
    this.at = at + 1;
    return new LineMap(spans, first, spans.count, start, at + 1);
  }

  private readDeepMap(start: number, depth: number): MapNode {
    const entries: MapEntry[] = [];
    let at = this.skipBlanks(start + 1);
    for (;;) {
      const length = this.keyAt(at);
      if (length === 0) throw new Unusual();
      const key = textNode(this.text, at, at + length - 1);
      entries.push({ key, value: this.readInline(this.skipBlanks(at + length), depth + 1, true) });
      at = this.skipBlanks(this.at);
      if (this.text[at] === '}') break;
      if (this.text[at] !== ',') throw new Unusual();
      at = this.skipBlanks(at + 1);
    }
    this.at = at + 1;
    return this.mapNode(entries, start, at + 1);
  }

  private readFlowList(start: number, depth: number): ListNode {
    const items: DocumentNode[] = [];
    let at = this.skipBlanks(start + 1);
    while (this.text[at] !== ']') {
      items.push(this.readInline(at, depth + 1, true));
      at = this.skipBlanks(this.at);
      if (this.text[at] === ']') break;
      if (this.text[at] !== ',') throw new Unusual();
      at = this.skipBlanks(at + 1);
    }
    this.at = at + 1;
    return { kind: 'list', items, start, end: at + 1 };
  }

  private skipBlanks(at: number): number {
    while (at < this.end && this.text.charCodeAt(at) === 0x20) at++;
    return at;
  }

  /** A key that is there twice, and a row that became a map, have their findings. */
  private mapNode(entries: readonly MapEntry[], start: number, end: number): MapNode {
    const node: MapNode = { kind: 'map', entries, start, end };
    if (hasDuplicate(entries) || findTrap(this.file, node)) throw new Unusual();
    return node;
  }
}

function hasDuplicate(entries: readonly MapEntry[]): boolean {
  if (entries.length > 16) return new Set(entries.map(({ key }) => key.text)).size < entries.length;
  for (let i = 1; i < entries.length; i++) {
    for (let k = 0; k < i; k++) if (entries[k].key.text === entries[i].key.text) return true;
  }
  return false;
}
