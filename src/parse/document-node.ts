/** The tree that readers walk: lists, maps and texts with their places in the file. */

/** A text: a key, a value, a row. */
export interface TextNode {
  readonly kind: 'text';
  readonly text: string;
  readonly style: 'plain' | 'quoted' | 'literal' | 'folded';
  readonly start: number;
  readonly end: number;
  /** Where the text itself begins in the file when it stands there letter by letter; else undefined. */
  readonly exactStart?: number;
}

export interface ListNode {
  readonly kind: 'list';
  readonly items: readonly DocumentNode[];
  readonly start: number;
  readonly end: number;
}

export interface MapEntry {
  readonly key: TextNode;
  readonly value: DocumentNode;
}

export interface MapNode {
  readonly kind: 'map';
  readonly entries: readonly MapEntry[];
  readonly start: number;
  readonly end: number;
}

/** Something that has been reported already; whoever meets it stays silent. */
export interface BrokenNode {
  readonly kind: 'broken';
  readonly start: number;
  readonly end: number;
}

export type DocumentNode = TextNode | ListNode | MapNode | BrokenNode;

/** The value under a key, or undefined. */
export function valueOf(map: MapNode, key: string): DocumentNode | undefined {
  for (const entry of map.entries) if (entry.key.text === key) return entry.value;
  return undefined;
}

/** A place where nothing was written: an empty value, `~` or `null`. */
export function isNothing(node: DocumentNode): boolean {
  return node.kind === 'text' && node.style === 'plain' && ['', '~', 'null', 'Null', 'NULL'].includes(node.text);
}
