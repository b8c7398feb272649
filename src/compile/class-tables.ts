/** What class tables hold (`struct slc_classes`), and how a packet asks them: the twin of `slc_ask_classes`. */
import { SLC_CLASS_BYTES4, SLC_CLASS_BYTES6 } from '../abi/layout.gen';
import type { Family } from '../model/prefix';

/** The tables of one group. Classes, lines, columns and lists are numbers; a map of a field is a trie, see `fieldTrie`. */
export interface ClassTables {
  readonly destinations: Uint16Array;
  readonly sources: Uint16Array;
  readonly ports: Uint16Array;
  readonly lanes: Uint16Array;
  /** Column of (port class, lane class). */
  readonly columns: Uint16Array;
  /** Line of (destination class, source class). */
  readonly lines: Uint16Array;
  /**
   * By (line, column): the place of the first rule in the group, as many as the group has rules where there is none;
   * where there are source ports a list.
   */
  readonly cells: Uint16Array;
  /** Where rules look at source ports: their classes, and the places by (list, source port class). */
  readonly sourcePorts: { readonly classes: Uint16Array; readonly lists: Uint16Array; readonly count: number } | null;
  readonly sourceCount: number;
  readonly laneCount: number;
  readonly columnCount: number;
}

/** Values of a byte: a node of a trie has so many children. */
export const BYTE = 256;

/** Bytes of an address that tables look at: wide prefixes are no longer. */
export const CLASS_BYTES = { 4: SLC_CLASS_BYTES4, 6: SLC_CLASS_BYTES6 } as const;
/** Lanes of a table of rules, from the source on. */
export const CLASS_LANES = {
  4: { source: 1, ports: 2, sourcePorts: 3, lanes: 4 },
  6: { source: 4, ports: 8, sourcePorts: 9, lanes: 10 },
} as const;

/** Entries of all tables. */
export function entriesOf(tables: ClassTables): number {
  const { destinations, sources, ports, lanes, columns, lines, cells, sourcePorts } = tables;
  const own = [destinations, sources, ports, lanes, columns, lines, cells];
  const all = sourcePorts ? [...own, sourcePorts.classes, sourcePorts.lists] : own;
  return all.reduce((sum, { length }) => sum + length, 0);
}

/** The numbers that a packet takes. */
export function cellsRead(family: Family, { sourcePorts }: ClassTables): number {
  return 2 * CLASS_BYTES[family] + 7 + (sourcePorts ? 3 : 0);
}

/** The place of the first rule in the group that matches a key, lane by lane; as many as it has rules: none. */
export function placeOf(family: Family, tables: ClassTables, key: Uint32Array): number {
  const classOf = (trie: Uint16Array, value: number, bits: number, bytes: number): number => {
    let number = 0;
    for (let i = 1; i <= bytes; i++) number = trie[number * BYTE + ((value >>> (bits - 8 * i)) & 0xff)];
    return number;
  };
  const lanes = CLASS_LANES[family];
  const destination = classOf(tables.destinations, key[0], 32, CLASS_BYTES[family]);
  const source = classOf(tables.sources, key[lanes.source], 32, CLASS_BYTES[family]);
  const port = classOf(tables.ports, key[lanes.ports], 16, 2);
  const column = tables.columns[port * tables.laneCount + classOf(tables.lanes, key[lanes.lanes], 8, 1)];
  const line = tables.lines[destination * tables.sourceCount + source];
  const cell = tables.cells[line * tables.columnCount + column];
  const { sourcePorts } = tables;
  if (!sourcePorts) return cell;
  return sourcePorts.lists[cell * sourcePorts.count + classOf(sourcePorts.classes, key[lanes.sourcePorts], 16, 2)];
}
