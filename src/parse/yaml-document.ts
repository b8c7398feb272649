/**
 * YAML (or JSON) text, whatever is in it → a tree of lists, maps and texts with their places. Nothing is converted on the
 * way: `0x10`, `1e3`, `010` and `no` stay what was written, and readers decide by position what they mean. The one file
 * of this folder that knows `yaml`.
 */
import { Composer, CST, Document, isAlias, isMap, isPair, isScalar, isSeq, Lexer, Parser, type Node } from 'yaml';
import {
  type BrokenNode,
  type DocumentNode,
  isNothing,
  type MapEntry,
  type MapNode,
  type TextNode,
} from './document-node';
import { at, quote, refuse, type Sink } from './finding';
import type { SourceFile } from './locate';
import { explainSyntaxError, findTrap } from './yaml-traps';

const MAX_DEPTH = 16;
const MAX_ALIASES = 64;
const MAX_SYNTAX_ERRORS = 50;

/** Reads the document by the library, whatever it is. */
export function readAnyDocument(file: SourceFile, sink: Sink): DocumentNode | null {
  try {
    const tokens = readTokens(file.text, sink);
    if (!tokens) return null;
    return compose(file, tokens, sink);
  } catch (error) {
    // `yaml` throws plain errors for some broken input; whatever it is, it is about the text.
    const message = String((error as { message?: unknown } | null)?.message ?? error);
    sink(at({ start: 0, length: 1 }, refuse('parse/yaml', `the text is not YAML: ${firstLine(message)}`)));
    return null;
  }
}

/** Lexes and parses with the nesting bounded, before anything recursive sees the text. */
function readTokens(text: string, sink: Sink): CST.Token[] | null {
  const parser = new Parser();
  const tokens: CST.Token[] = [];
  let flowDepth = 0;
  let indicators = 0;
  let offset = 0;
  for (const lexeme of new Lexer().lex(text)) {
    if (lexeme === '[' || lexeme === '{') flowDepth++;
    else if (lexeme === ']' || lexeme === '}') flowDepth = Math.max(0, flowDepth - 1);
    else if (lexeme === '-' || lexeme === '?') indicators++;
    else if (lexeme.includes('\n')) indicators = 0;
    if (flowDepth > MAX_DEPTH || indicators > MAX_DEPTH) return tooDeep(offset, sink);
    for (const token of parser.next(lexeme)) tokens.push(token);
    if (lexeme !== CST.BOM && !LEXER_MARKS.has(lexeme)) offset += lexeme.length;
  }
  for (const token of parser.end()) tokens.push(token);
  const deep = deeperThan(tokens, MAX_DEPTH);
  return deep === undefined ? tokens : tooDeep(deep, sink);
}

/** Lexemes that stand for no text of the file. */
const LEXER_MARKS = new Set([CST.DOCUMENT, CST.FLOW_END, CST.SCALAR]);

function tooDeep(offset: number, sink: Sink): null {
  const message = `lists and maps are nested more than ${MAX_DEPTH} deep`;
  sink(
    at(
      { start: offset, length: 1 },
      refuse('parse/too-deep', message, 'no ruleset needs that; look for an unclosed bracket'),
    ),
  );
  return null;
}

/** Offset of the first token nested deeper than `limit`. Iterative: the input may be nested without end. */
function deeperThan(tokens: readonly CST.Token[], limit: number): number | undefined {
  let level: CST.Token[] = [...tokens];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > limit + 1) return level[0].offset;
    const next: CST.Token[] = [];
    for (const token of level) {
      if (token.type === 'document' && token.value) next.push(token.value);
      if ('items' in token) {
        for (const item of token.items) {
          if (item.key && 'items' in item.key) next.push(item.key);
          if (item.value && 'items' in item.value) next.push(item.value);
        }
      }
    }
    level = next;
  }
  return undefined;
}

function compose(file: SourceFile, tokens: readonly CST.Token[], sink: Sink): DocumentNode | null {
  const composer = new Composer({
    version: '1.2',
    schema: 'failsafe',
    uniqueKeys: false,
    prettyErrors: false,
    merge: false,
  });
  const documents: Document.Parsed[] = [...composer.compose(tokens, true, file.text.length)];
  const first = documents[0] as Document.Parsed | undefined;
  const errors = documents.flatMap((document) => document.errors);
  let failed = false;
  const linesSeen = new Set<number>();
  for (const error of errors.slice(0, MAX_SYNTAX_ERRORS)) {
    failed = true;
    const [start, end] = error.pos;
    const { line } = file.range(start, end);
    // One slip makes several errors in its line; the first tells most.
    if (linesSeen.has(line)) continue;
    linesSeen.add(line);
    const place = { start, length: Math.max(1, Math.min(end, start + 200) - start) };
    sink(at(place, explainSyntaxError(file, start, error.code, firstLine(error.message))));
  }
  if (documents.length > 1 && documents[1].range) {
    failed = true;
    const problem = refuse('parse/yaml', 'a second document begins here, a ruleset is one', 'take out the line ---');
    sink(at({ start: documents[1].range[0], length: 1 }, problem));
  }
  if (failed || !first) return null;
  const nothing: MapNode = { kind: 'map', entries: [], start: 0, end: 0 };
  if (!first.contents) return nothing;
  const node = new Converter(file, sink).convert(first.contents);
  return isNothing(node) ? nothing : node;
}

/** yaml's nodes → ours. Depth is bounded by `readTokens`. */
class Converter {
  readonly #anchors = new Map<string, { node: DocumentNode; hasAlias: boolean }>();
  #aliases = 0;
  #aliasSeen = false;

  constructor(
    private readonly file: SourceFile,
    private readonly sink: Sink,
  ) {}

  convert(node: Node): DocumentNode {
    const [start, valueEnd] = node.range ?? [0, 0];
    if (isAlias(node)) return this.#resolveAlias(node.source, start, valueEnd);
    const { anchor } = node as { anchor?: string };
    const outer = this.#aliasSeen;
    this.#aliasSeen = false;
    const converted = this.#convertValue(node, start, valueEnd);
    if (anchor !== undefined) this.#anchors.set(anchor, { node: converted, hasAlias: this.#aliasSeen });
    this.#aliasSeen ||= outer;
    return converted;
  }

  #convertValue(node: Node, start: number, valueEnd: number): DocumentNode {
    if (node.tag !== undefined) {
      const written = this.file.text.slice(Math.max(0, start - node.tag.length - 4), start);
      const tag = /!\S*\s*$/.exec(written)?.[0] ?? '';
      if (tag !== '') {
        const message = `${quote(tag.trim())} is a YAML tag, a ruleset has none`;
        const place = { start: start - tag.length, length: Math.max(1, tag.trim().length) };
        this.sink(at(place, refuse('parse/yaml-tag', message, 'write the value alone')));
        return { kind: 'broken', start, end: valueEnd };
      }
    }
    if (isScalar(node)) return this.#convertScalar(node.value, node.type, start, valueEnd);
    if (isSeq(node)) {
      const items = node.items.map((item) => this.convert(item as Node));
      return { kind: 'list', items, start, end: trimEnd(this.file.text, start, valueEnd) };
    }
    if (isMap(node)) return this.#convertMap(node.items, start, valueEnd);
    return { kind: 'broken', start, end: valueEnd };
  }

  #convertScalar(value: unknown, type: string | undefined, start: number, valueEnd: number): TextNode {
    const text = typeof value === 'string' ? value : '';
    const style =
      type === 'BLOCK_LITERAL' ? 'literal' : type === 'BLOCK_FOLDED' ? 'folded' : type === 'PLAIN' ? 'plain' : 'quoted';
    const textStart = style === 'quoted' ? start + 1 : start;
    const exact = style !== 'literal' && style !== 'folded' && this.file.text.startsWith(text, textStart);
    const closed = exact && (style === 'plain' || textStart + text.length === valueEnd - 1);
    return { kind: 'text', text, style, start, end: valueEnd, ...(closed && { exactStart: textStart }) };
  }

  #convertMap(pairs: readonly unknown[], start: number, valueEnd: number): DocumentNode {
    const end = trimEnd(this.file.text, start, valueEnd);
    const entries: MapEntry[] = [];
    const seen = new Map<string, TextNode>();
    for (const pair of pairs) {
      if (!isPair(pair)) continue;
      const key = pair.key ? this.convert(pair.key as Node) : ({ kind: 'broken', start, end } as const);
      const value: DocumentNode = pair.value
        ? this.convert(pair.value as Node)
        : { kind: 'text', text: '', style: 'plain', start: key.end, end: key.end };
      if (key.kind !== 'text') {
        if (key.kind !== 'broken') {
          const problem = refuse('parse/yaml', 'a list or map stands as a key', 'write key: value');
          this.sink(at({ start: key.start, length: 1 }, problem));
        }
        continue;
      }
      if (seen.has(key.text)) {
        const message = `${quote(key.text)} is there twice in one map`;
        const place = { start: key.start, length: key.end - key.start };
        this.sink(at(place, refuse('parse/duplicate-key', message, 'take one of them out')));
        continue;
      }
      seen.set(key.text, key);
      entries.push({ key, value });
    }
    const node: MapNode = { kind: 'map', entries, start, end };
    const trap = findTrap(this.file, node);
    if (!trap) return node;
    this.sink(trap);
    return { kind: 'broken', start, end };
  }

  #resolveAlias(name: string, start: number, end: number): DocumentNode {
    const place = { start, length: Math.max(1, end - start) };
    const broken: BrokenNode = { kind: 'broken', start, end };
    const target = this.#anchors.get(name);
    this.#aliases++;
    this.#aliasSeen = true;
    if (!target) {
      const message = `${quote(`*${name}`)} names no anchor before it`;
      this.sink(at(place, refuse('parse/yaml-alias', message, 'write the value; lists of addresses go under sets:')));
      return broken;
    }
    if (target.hasAlias || this.#aliases > MAX_ALIASES) {
      const message = target.hasAlias
        ? 'an alias of something that holds an alias'
        : `more than ${MAX_ALIASES} aliases`;
      this.sink(at(place, refuse('parse/yaml-alias', message, 'write the value; lists of addresses go under sets:')));
      return broken;
    }
    return target.node;
  }
}

/** `end` without the blanks, line ends and comments that yaml counts to a block. */
function trimEnd(text: string, start: number, end: number): number {
  return start + text.slice(start, end).trimEnd().length;
}

function firstLine(message: string): string {
  return message.split('\n')[0].replace(/;.*$/, '');
}
