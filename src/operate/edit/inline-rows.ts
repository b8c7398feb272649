/** Rows of a flow list that share lines: `[allow 22/tcp, deny 23/tcp]`. */
import { splice } from './yaml-text';

/** The items, and what is written between them; the first and last stay where they are. */
export interface InlineRows {
  readonly items: readonly string[];
  /** `between[i]` stands after item `i`, one less than there are items. */
  readonly between: readonly string[];
  readonly start: number;
  readonly end: number;
}

/** Takes a list of at least one item apart. */
export function splitItems(
  text: string,
  places: readonly { readonly start: number; readonly end: number }[],
): InlineRows {
  return {
    items: places.map(({ start, end }) => text.slice(start, end)),
    between: places.slice(1).map(({ start }, i) => text.slice(places[i].end, start)),
    start: places[0].start,
    end: places.at(-1)!.end,
  };
}

/** The text with other items. An emptied list keeps its brackets. */
export function joinItems(text: string, rows: InlineRows): string {
  if (rows.items.length === 0) {
    const comma = /^\s*,/.exec(text.slice(rows.end))?.[0].length ?? 0;
    return splice(text, rows.start, rows.end + comma, '');
  }
  return splice(text, rows.start, rows.end, rows.items.map((item, i) => item + (rows.between[i] ?? '')).join(''));
}

/** With an item at this place. */
export function insertItem(rows: InlineRows, index: number, item: string): InlineRows {
  return {
    ...rows,
    items: rows.items.toSpliced(index, 0, item),
    between: rows.between.toSpliced(Math.min(index, rows.between.length), 0, ', '),
  };
}

/** Without the item at this place. */
export function removeItem(rows: InlineRows, index: number): InlineRows {
  return {
    ...rows,
    items: rows.items.toSpliced(index, 1),
    between: rows.between.toSpliced(Math.min(index, rows.between.length - 1), 1),
  };
}

/** With an item at another place; what is written between them stays where it is. */
export function moveItem(rows: InlineRows, from: number, to: number): InlineRows {
  return { ...rows, items: rows.items.toSpliced(from, 1).toSpliced(to, 0, rows.items[from]) };
}
