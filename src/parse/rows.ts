/** `rules:` and `expect:` → rows with their places: a list, a block behind `|`, texts and maps. */
import type { SourceRange } from '../model/ruleset';
import type { Context } from './context';
import { type DocumentNode, isNothing, type MapNode, type TextNode } from './document-node';
import type { Finding } from './finding';
import { findFoldedRows, withoutComment } from './yaml-traps';

/** One row: a line of text, or a map. */
export type Row =
  | { readonly kind: 'map'; readonly map: MapNode; readonly source: SourceRange }
  | {
      readonly kind: 'line';
      readonly text: string;
      readonly source: SourceRange;
      /** Puts a finding, counted from the front of the line, at its place in the file. */
      readonly place: (finding: Finding) => Finding;
    };

/** All rows under the key, in order. */
export function readRows(node: DocumentNode | undefined, context: Context): Row[] {
  if (!node || isNothing(node)) return [];
  if (node.kind === 'text') return readBlock(node, context, false);
  if (node.kind !== 'list') return [];
  return node.items.flatMap((item): Row[] => {
    if (item.kind === 'text') return readBlock(item, context, true);
    return item.kind === 'map' ? [{ kind: 'map', map: item, source: context.file.range(item.start, item.end) }] : [];
  });
}

function readBlock(node: TextNode, context: Context, inList: boolean): Row[] {
  const folded = findFoldedRows(context.file, node, inList);
  if (folded) {
    context.sink(folded);
    return [];
  }
  if (node.style === 'literal') return readLiteral(node, context);
  const source = context.file.range(node.start, node.end);
  const { exactStart } = node;
  if (exactStart !== undefined) {
    return lineRow(node.text, source, (finding) => ({ ...finding, start: finding.start + exactStart }));
  }
  // The text was unescaped or folded: its letters are not where they seem, so findings mark all of it.
  const whole = (finding: Finding): Finding => ({
    ...finding,
    start: node.start,
    length: Math.max(1, node.end - node.start),
  });
  return node.text.split('\n').flatMap((text) => lineRow(text, source, whole));
}

/** Rows of a block are read from the file itself, so that every column is the real one. */
function readLiteral(node: TextNode, context: Context): Row[] {
  const { text } = context.file;
  const rows: Row[] = [];
  let start = text.indexOf('\n', node.start) + 1;
  while (start > 0 && start < node.end) {
    const newline = text.indexOf('\n', start);
    const end = newline < 0 || newline > node.end ? node.end : newline;
    const line = text.slice(start, end);
    const first = start + line.length - line.trimStart().length;
    const row = (hasQuote(line) ? line : withoutComment(line)).trim();
    const source = context.file.range(first, first + row.length);
    rows.push(...lineRow(row, source, (finding) => ({ ...finding, start: finding.start + first })));
    start = end + 1;
  }
  return rows;
}

/** A `#` may stand inside quotes; then the tokenizer decides where the row ends. */
function hasQuote(line: string): boolean {
  return line.includes("'") || line.includes('"');
}

function lineRow(text: string, source: SourceRange, place: (finding: Finding) => Finding): Row[] {
  const trimmed = text.trim();
  return trimmed === '' || trimmed.startsWith('#') ? [] : [{ kind: 'line', text, source, place }];
}
