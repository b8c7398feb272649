/** The `rules` of a section as text: a block list, a flow list, a block of lines, or nothing yet. */
import { isMap, isScalar, isSeq, type Node, type Pair, Scalar, type YAMLMap, type YAMLSeq } from 'yaml';
import { type EditedSection, isInFlow, nameOf, pairAt } from './edited-section';
import * as inline from './inline-rows';
import { insertRow, joinRows, type LineRows, moveRow, removeRow, splitRows } from './line-rows';
import { rowEnd } from './row-text';
import { areNumbered, renumber, withNumber, withoutNumber } from './row-numbers';
import { lineStart, nextLine } from './section-lines';
import {
  contentEnd,
  insertLine,
  isNothing,
  isOwnText,
  pairOf,
  scalarText,
  setKey,
  setValue,
  splice,
  type YamlText,
} from './yaml-text';

/** Where one row stands; `node` is missing for a line of a block of rows. */
export interface RowPlace {
  readonly start: number;
  readonly end: number;
  readonly node?: Node;
}

/** The list as found, in which section. Rows are counted from 0 here. */
export type RowList = { readonly section: EditedSection } & FoundList;

/** A list of rows anywhere in the text. */
export type FoundList =
  | { readonly kind: 'none' }
  | { readonly kind: 'refused'; readonly why: string; readonly start: number; readonly end: number }
  | {
      readonly kind: 'list' | 'lines' | 'inline';
      readonly pair: Pair<Node, Node | null>;
      readonly rows: readonly RowPlace[];
      readonly lines: LineRows | null;
    };

/** A list with a place in the text; it can be empty. */
export type FoundRows = Extract<RowList, { rows: unknown }>;
/** The same, of any list. */
export type RowsInPlace = Extract<FoundList, { rows: unknown }>;

/** Finds the rows of a section. */
export function findRows(yaml: YamlText, section: EditedSection): RowList {
  return { ...findList(yaml, section, 'rules'), section };
}

/** Finds the list under this key of a section, or of the guard. */
export function findList(yaml: YamlText, section: EditedSection | 'guard', key: string): FoundList {
  const map = pairAt(yaml, section);
  if (!map || isNothing(map.value)) return { kind: 'none' };
  if (!isMap(map.value) || !isOwnText(map.value))
    return refused(map, `${nameOf(section)} is not a map written out here`);
  const pair = pairOf(map.value, key);
  if (!pair || isNothing(pair.value)) return { kind: 'none' };
  const node = pair.value!;
  if (!isOwnText(node)) return refused(pair, 'the rules carry a YAML anchor, alias or tag');
  if (isSeq(node) && node.items.some(holdsLines))
    return refused(pair, 'an item of the rules has several lines of text');
  if (isSeq(node)) return node.flow ? flowList(yaml, pair, node) : blockList(yaml, pair, node);
  if (isScalar(node) && node.type === Scalar.BLOCK_LITERAL) return blockOfLines(yaml, pair, node);
  return refused(pair, 'the rules are neither a list nor a block of lines');
}

/** The text with one more row, which becomes row `index`. */
export function withRowInserted(
  yaml: YamlText,
  list: Exclude<RowList, { kind: 'refused' }>,
  index: number,
  row: string,
): string {
  if (list.kind === 'none') return withFirstRow(yaml, list.section, row);
  if (list.rows.length === 0) return withRowInEmptyList(yaml, list, row);
  const numbered = areNumbered(bodies(yaml, list));
  const neighbour = bodies(yaml, list)[Math.min(index, list.rows.length - 1)];
  const text = encode(yaml, list, numbered ? withNumber(row, neighbour) : withoutNumber(row));
  if (!list.lines) return inlineEdit(yaml, list, numbered, (rows) => inline.insertItem(rows, index, text));
  return lineEdit(yaml, list.lines, numbered, (lines) => insertRow(lines, index, indentOf(lines.rows[0].body) + text));
}

/** The text without row `index`; its comments go with it and are handed back. */
export function withRowRemoved(yaml: YamlText, list: FoundRows, index: number): { text: string; comments: string[] } {
  const numbered = areNumbered(bodies(yaml, list));
  if (!list.lines)
    return { text: inlineEdit(yaml, list, numbered, (rows) => inline.removeItem(rows, index)), comments: [] };
  const { lead, tail } = list.lines.rows[index];
  const comments = `${lead}${tail}`
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const text = lineEdit(yaml, list.lines, numbered, (lines) => removeRow(lines, index));
  if (list.kind !== 'list' || list.rows.length > 1 || yaml.text[list.pair.value!.range![0]] === '[')
    return { text, comments };
  const colon = yaml.text.indexOf(':', list.pair.key.range![1]) + 1;
  return { text: splice(text, colon, colon, ' []'), comments };
}

/** The text with row `from` at position `to`; comments above and beside it travel with it. */
export function withRowMoved(yaml: YamlText, list: FoundRows, from: number, to: number): string {
  const numbered = areNumbered(bodies(yaml, list));
  if (!list.lines) return inlineEdit(yaml, list, numbered, (rows) => inline.moveItem(rows, from, to));
  return lineEdit(yaml, list.lines, numbered, (lines) => moveRow(lines, from, to));
}

/** The text with several rows' own texts exchanged; comments, places and leading numbers stay. */
export function withRowsReplaced(yaml: YamlText, list: RowsInPlace, rows: ReadonlyMap<number, string>): string {
  const numbered = areNumbered(bodies(yaml, list));
  const pieces: string[] = [];
  let at = 0;
  for (const [index, row] of [...rows].sort(([a], [b]) => a - b)) {
    const { start, end } = list.rows[index];
    const own = numbered ? withNumber(row, yaml.text.slice(start, end)) : withoutNumber(row);
    const place = list.kind === 'inline' || isFlow(list) ? 'flow' : 'block';
    pieces.push(yaml.text.slice(at, start), list.kind === 'lines' ? own : scalarText(yaml, own, place));
    at = end;
  }
  return pieces.join('') + yaml.text.slice(at);
}

/** The text with the row's own text exchanged; comments, place and a leading number stay. */
export function withRowReplaced(yaml: YamlText, list: FoundRows, index: number, row: string): string {
  return withRowsReplaced(yaml, list, new Map([[index, row]]));
}

function refused(pair: Pair<Node, Node | null>, why: string): FoundList {
  const [start, end] = [pair.key.range![0], pair.key.range![1]];
  return { kind: 'refused', why, start, end };
}

/** One item can hold several rows, which have no places of their own. */
function holdsLines(item: unknown): boolean {
  if (!isScalar(item)) return false;
  const block = item.type === Scalar.BLOCK_LITERAL || item.type === Scalar.BLOCK_FOLDED;
  return block || (typeof item.value === 'string' && item.value.includes('\n'));
}

function blockList(yaml: YamlText, pair: Pair<Node, Node | null>, node: YAMLSeq): FoundList {
  const { text } = yaml;
  const starts = dashes(node);
  const rows = (node.items as Node[]).map((item) => ({ start: item.range![0], end: contentEnd(item), node: item }));
  const contents = rows.map(({ end }, i) => ({ start: starts[i], end: Math.max(end, starts[i] + 1) }));
  const above = pair.key.range![1];
  const lines = splitRows(text, nextLine(text, above), contents, { lineEnd: yaml.lineEnd, separator: '' });
  return { kind: 'list', pair, rows, lines };
}

/** Offsets of the `-` of each item, which only the source tokens tell. */
function dashes(node: YAMLSeq): number[] {
  const token = node.srcToken as unknown as { items: { start: { type: string; offset: number }[] }[] };
  return token.items
    .map((item) => item.start.find((part) => part.type === 'seq-item-ind')?.offset)
    .filter((offset) => offset !== undefined);
}

function flowList(yaml: YamlText, pair: Pair<Node, Node | null>, node: YAMLSeq): FoundList {
  const { text, lineEnd } = yaml;
  const rows = (node.items as Node[]).map((item) => ({ start: item.range![0], end: item.range![1], node: item }));
  const alone = rows.every(({ start, end }) => {
    const before = text.slice(lineStart(text, start), start);
    const after = text.slice(end, nextLine(text, end));
    return before.trim() === '' && /^[ \t]*,?[ \t]*(#.*)?\r?\n$/.test(after);
  });
  if (rows.length === 0 || !alone) return { kind: 'inline', pair, rows, lines: null };
  const lines = splitRows(text, nextLine(text, node.range![0]), rows, { lineEnd, separator: ',' });
  return { kind: 'list', pair, rows, lines };
}

function blockOfLines(yaml: YamlText, pair: Pair<Node, Node | null>, node: Node): FoundList {
  const { text } = yaml;
  const start = nextLine(text, node.range![0]);
  const rows: RowPlace[] = [];
  for (let at = start; at < node.range![1]; at = nextLine(text, at)) {
    const line = text.slice(at, Math.min(nextLine(text, at), node.range![1]));
    const end = rowEnd(line);
    if (end > 0) rows.push({ start: at + line.search(/\S/), end: at + end });
  }
  return { kind: 'lines', pair, rows, lines: splitRows(text, start, rows, { lineEnd: yaml.lineEnd, separator: '' }) };
}

function isFlow(list: RowsInPlace): boolean {
  return list.lines?.separator === ',';
}

function bodies(yaml: YamlText, list: RowsInPlace): string[] {
  return list.rows.map(({ start, end }) => yaml.text.slice(start, end));
}

function encode(yaml: YamlText, list: FoundRows, row: string): string {
  if (list.kind === 'lines') return row;
  if (list.kind === 'inline' || isFlow(list)) return scalarText(yaml, row, 'flow');
  return `- ${scalarText(yaml, row, 'block')}`;
}

function indentOf(body: string): string {
  return /^[ \t]*/.exec(body)![0];
}

function lineEdit(yaml: YamlText, lines: LineRows, numbered: boolean, edit: (lines: LineRows) => LineRows): string {
  const edited = edit(lines);
  if (!numbered) return joinRows(yaml.text, edited);
  const texts = renumber(edited.rows.map(({ body }) => body));
  return joinRows(yaml.text, { ...edited, rows: edited.rows.map((row, i) => ({ ...row, body: texts[i] })) });
}

function inlineEdit(
  yaml: YamlText,
  list: FoundRows,
  numbered: boolean,
  edit: (rows: inline.InlineRows) => inline.InlineRows,
): string {
  const edited = edit(inline.splitItems(yaml.text, list.rows));
  return inline.joinItems(yaml.text, numbered ? { ...edited, items: renumber(edited.items) } : edited);
}

/** There is a list, but nothing in it. */
function withRowInEmptyList(yaml: YamlText, list: FoundRows, row: string): string {
  const { text } = yaml;
  const node = list.pair.value!;
  const [start, end] = node.range!;
  if (list.kind === 'lines') return insertLine(yaml, nextLine(text, start), `${childIndent(yaml, list.pair)}${row}`);
  const empty = /^\[\s*\]$/.test(text.slice(start, end));
  const parentIsBlock = !(yaml.root?.flow ?? false) && !isInFlow(yaml, list.section);
  if (!empty) return splice(text, start + 1, start + 1, scalarText(yaml, row, 'flow'));
  if (!parentIsBlock) return splice(text, start, end, `[${scalarText(yaml, row, 'flow')}]`);
  return withFirstItem(
    { ...yaml, text: splice(text, text.indexOf(':', list.pair.key.range![1]) + 1, end, '') },
    list.pair,
    row,
  );
}

/** There is no list yet: makes it, and what it stands in. */
function withFirstRow(yaml: YamlText, section: EditedSection, row: string): string {
  const { root, lineEnd } = yaml;
  if (!root) throw new TypeError('the ruleset is not a map');
  const found = pairAt(yaml, section);
  const flowRow = `[${scalarText(yaml, row, 'flow')}]`;
  const key = (name: string): string => (yaml.json ? JSON.stringify(name) : name);
  if (!found || isNothing(found.value)) {
    // A server has an address at least.
    if (typeof section !== 'string') throw new TypeError('the server is no map');
    if (root.flow) return setKey(yaml, root, section, `{${key('rules')}: ${flowRow}}`);
    const lines = `  rules:${lineEnd}    - ${scalarText(yaml, row, 'block')}`;
    if (!found) return insertLine(yaml, contentEnd(root), `${section}:${lineEnd}${lines}`);
    return insertLine(withoutValue(yaml, found), found.key.range![1], lines);
  }
  const map = found.value as YAMLMap;
  const pair = pairOf(map, 'rules');
  if (map.flow) return pair ? setValue(yaml.text, pair, flowRow) : setKey(yaml, map, 'rules', flowRow);
  if (pair) return withFirstItem(withoutValue(yaml, pair), pair, row);
  const first = (map.items as Pair<Node, Node | null>[])[0].key.range![0];
  const indent = ' '.repeat(first - lineStart(yaml.text, first));
  const item = `${indent}  - ${scalarText(yaml, row, 'block')}`;
  return insertLine(yaml, contentEnd(map), `${indent}rules:${lineEnd}${item}`);
}

function withFirstItem(yaml: YamlText, pair: Pair<Node, Node | null>, row: string): string {
  return insertLine(yaml, pair.key.range![1], `${childIndent(yaml, pair)}- ${scalarText(yaml, row, 'block')}`);
}

/** The text with a written `null` taken out. */
function withoutValue(yaml: YamlText, pair: Pair<Node, Node | null>): YamlText {
  const [start, end] = pair.value?.range ?? [0, 0];
  if (start === end) return yaml;
  return { ...yaml, text: splice(yaml.text, yaml.text.indexOf(':', pair.key.range![1]) + 1, end, '') };
}

function childIndent(yaml: YamlText, pair: Pair<Node, Node | null>): string {
  const start = pair.key.range![0];
  return ' '.repeat(start - lineStart(yaml.text, start) + 2);
}
