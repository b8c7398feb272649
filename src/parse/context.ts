import type { Diagnostic } from '../diagnostics/diagnostic';
import type { Part } from './bundle';
import type { DocumentNode, TextNode } from './document-node';
import type { Sink, Term } from './finding';
import type { SourceFile } from './locate';

/** What the readers of one ruleset share. */
export interface Context {
  readonly file: SourceFile;
  /** Findings in the ruleset file. */
  readonly sink: Sink;
  /** Findings in other files. */
  readonly report: (diagnostic: Diagnostic) => void;
  /** Reads a file named in the ruleset; throws when it cannot. */
  readonly readFile: (path: string) => Uint8Array;
  /** The folder of `servers: { dir }` as it was read with the ruleset file; null where none was. */
  readonly folder: { readonly dir: string; readonly parts: readonly Part[] } | null;
}

/** The place of a node, for findings. Long nodes are marked in their first line only. */
export function placeOf(context: Context, node: DocumentNode): { start: number; length: number } {
  const length = Math.max(1, node.end - node.start);
  const newline = context.file.text.indexOf('\n', node.start);
  const inLine = newline < 0 ? length : Math.max(1, newline - node.start);
  return { start: node.start, length: Math.min(length, inLine) };
}

/** A text with its place; letter by letter where the text stands in the file as it is. */
export function termOf(node: TextNode): Term {
  if (node.exactStart === undefined)
    return { text: node.text, start: node.start, length: Math.max(1, node.end - node.start) };
  return { text: node.text, start: node.exactStart, length: node.text.length };
}

/** The texts under a key that takes one or several. Lists and maps inside are reported by the shape. */
export function textsOf(node: DocumentNode): TextNode[] {
  if (node.kind === 'text') return [node];
  return node.kind === 'list' ? node.items.filter((item): item is TextNode => item.kind === 'text') : [];
}
