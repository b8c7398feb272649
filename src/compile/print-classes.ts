/** Class tables for people, read back from the bytes: what is in each class of each field, and the rules by classes. */
import { SLC_WORD_NONE } from '../abi/layout.gen';
import { addressBits, type Family } from '../model/prefix';
import { CLASS_BYTES } from './class-tables';
import { addressRange, describeLanes, range } from './print-fields';
import type { ImageClasses } from './reader';

/** Inclusive values of a field that lie in one class. */
interface Run {
  readonly first: number;
  readonly last: number;
  readonly class: number;
}

type Numbers = (index: number) => number;

/** The tables as lines; `rowOf` writes a word. */
export function printClasses(family: Family, tables: ImageClasses, rowOf: (word: number) => string): string[] {
  const bytes = CLASS_BYTES[family];
  const addresses = (first: number, last: number): string => addressesOf(family, first, last);
  const { sourcePortCount, laneCount, columnCount } = tables;
  const destinations = fieldRuns(tables.destinations, bytes);
  const sources = fieldRuns(tables.sources, bytes);
  const ports = fieldRuns(tables.ports, 2);
  const lanes = fieldRuns(tables.lanes, 1);
  const sourcePorts = sourcePortCount > 0 ? fieldRuns(tables.sourcePorts, 2) : [];
  const lines = grouped(classesOf(destinations), (one) =>
    grouped(classesOf(sources), (other) => tables.lines(one * tables.sourceCount + other)),
  );
  const columns = grouped(classesOf(ports), (port) =>
    grouped(classesOf(lanes), (lane) => tables.columns(port * laneCount + lane)),
  );
  const word = (place: number): string | null =>
    tables.word(place) === SLC_WORD_NONE ? null : rowOf(tables.word(place));
  const lists = new Set<number>();
  const target = (cell: number): string | null => {
    if (sourcePortCount === 0) return word(cell);
    const own = classesOf(sourcePorts).map((port) => word(tables.lists(cell * sourcePortCount + port)));
    if (own.every((each) => each === own[0])) return own[0];
    lists.add(cell);
    return `list ${cell}`;
  };
  const cells = [...lines].flatMap(([line]) => {
    const byTarget = new Map<string, number[]>();
    for (const [column] of columns) {
      const to = target(tables.cells(line * columnCount + column));
      if (to !== null) byTarget.set(to, [...(byTarget.get(to) ?? []), column]);
    }
    return [...byTarget].map(([to, list]) => `  line ${line}, column ${list.join(' ')} → ${to}`);
  });
  return [
    ...fieldLines('dst', destinations, addresses),
    ...fieldLines('src', sources, addresses),
    ...fieldLines('dst port', ports, range),
    ...fieldLines('protocol lane', lanes, (first, last) =>
      first === last ? describeLanes(first, last) : range(first, last),
    ),
    ...fieldLines('src port', sourcePorts, range),
    ...crossLines('line', lines, ['dst', 'src']),
    ...crossLines('column', columns, ['dst port', 'protocol lane']),
    ...cells,
    ...[...lists].flatMap((list) =>
      [...grouped(classesOf(sourcePorts), (port) => word(tables.lists(list * sourcePortCount + port)) ?? '')].flatMap(
        ([to, classes]) => (to === '' ? [] : [`  list ${list}, src port class ${classes.join(' ')} → ${to}`]),
      ),
    ),
  ];
}

/** The values of a field by class, ascending. */
function fieldRuns(table: Numbers, bytes: number): Run[] {
  const known = new Map<string, readonly Run[]>();
  const runs = (node: number, level: number): readonly Run[] => {
    const key = `${level} ${node}`;
    const before = known.get(key);
    if (before) return before;
    const size = 256 ** (bytes - 1 - level);
    const list: { -readonly [Key in keyof Run]: Run[Key] }[] = [];
    for (let byte = 0; byte < 256; byte++) {
      const number = table(node * 256 + byte);
      const below = level === bytes - 1 ? [{ first: 0, last: 0, class: number }] : runs(number, level + 1);
      for (const { first, last, class: own } of below) {
        const end = list.at(-1);
        if (end?.class === own) end.last = byte * size + last;
        else list.push({ first: byte * size + first, last: byte * size + last, class: own });
      }
    }
    known.set(key, list);
    return list;
  };
  return [...runs(0, 0)];
}

function classesOf(runs: readonly Run[]): number[] {
  return [...new Set(runs.map(({ class: number }) => number))].sort((a, b) => a - b);
}

function fieldLines(name: string, runs: readonly Run[], write: (first: number, last: number) => string): string[] {
  const classes = classesOf(runs);
  return classes.map((number) => {
    const own = runs.filter((run) => run.class === number);
    return `  ${name} class ${number}: ${own.map(({ first, last }) => write(first, last)).join(', ')}`;
  });
}

/** What leads to each number: for lines and columns. */
function crossLines(
  name: string,
  cross: ReadonlyMap<number, ReadonlyMap<number, readonly number[]>>,
  [one, other]: readonly [string, string],
): string[] {
  return [...cross].flatMap(([number, pairs]) => {
    const alike = new Map<string, number[]>();
    for (const [first, seconds] of pairs) {
      const key = seconds.join(' ');
      alike.set(key, [...(alike.get(key) ?? []), first]);
    }
    return [...alike].map(
      ([seconds, firsts]) => `  ${one} class ${firsts.join(' ')} with ${other} class ${seconds} → ${name} ${number}`,
    );
  });
}

/** Keys by what they lead to; with maps in between each key is in the map of everything that it leads to. */
function grouped<To extends number | string>(keys: readonly number[], to: (key: number) => To): Map<To, number[]>;
function grouped(
  keys: readonly number[],
  to: (key: number) => Map<number, number[]>,
): Map<number, Map<number, number[]>>;
function grouped(
  keys: readonly number[],
  to: (key: number) => number | string | Map<number, number[]>,
): Map<number | string, unknown> {
  const groups = new Map<number | string, unknown>();
  for (const key of keys) {
    const target = to(key);
    if (target instanceof Map) {
      for (const [number, list] of target) {
        const pairs = (groups.get(number) as Map<number, number[]> | undefined) ?? new Map<number, number[]>();
        groups.set(number, pairs.set(key, list));
      }
    } else {
      groups.set(target, [...((groups.get(target) as number[] | undefined) ?? []), key]);
    }
  }
  return groups;
}

/** Networks of `CLASS_BYTES` bytes, from one to another. */
function addressesOf(family: Family, first: number, last: number): string {
  const bits = 8 * CLASS_BYTES[family];
  const words = (value: number): number[] => {
    const list = new Array<number>(addressBits(family) / 32).fill(0);
    list[0] = value * 2 ** (32 - bits);
    return list;
  };
  return addressRange(family, words(first), words(last), bits);
}
