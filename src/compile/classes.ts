/**
 * Wide rules as class tables: whatever a packet says in one field is one of a few classes, by which rules can tell it
 * apart; for each combination of classes the tables name the rule that decides. So a packet costs the same few loads,
 * however many wide rules overlap, where a tree would copy them or leave them in long leaves.
 *
 * Two addresses lead to a line, the destination port and the protocol to a column, both to a cell: the first rule, by
 * its place in the group; or, where rules look at source ports, to a list of such rules, one for each class of these.
 */
import { BYTE, CLASS_BYTES, CLASS_LANES, type ClassTables, entriesOf } from './class-tables';
import type { RuleTable } from './expand';
import { numberContents } from './contents';

/** Most wide rules: with more of them tables are too large, which takes long to find out. */
const GROUP_MAX = 1 << 12;
const ENTRIES_MIN = 1 << 16;
const ENTRIES_PER_RULE = 32;
const ENTRIES_MAX = 1 << 20;
/** Numbers in tables. */
const NUMBERS = 1 << 16;
/** Numbers that the tables of a section of so many rules may have, all in all. */
export function roomFor(rules: number): number {
  return Math.min(ENTRIES_MAX, Math.max(ENTRIES_MIN, ENTRIES_PER_RULE * rules));
}

/** The tables of the rules in `group`, in first-match order; null where they would have more than `room` numbers. */
export function classTables(rules: RuleTable, group: Int32Array, room: number): ClassTables | null {
  const { family } = rules;
  const bits = 8 * CLASS_BYTES[family];
  const isLong = (rule: number): boolean => rules.destinationLength[rule] > bits || rules.sourceLength[rule] > bits;
  if (group.length > GROUP_MAX || group.some(isLong)) return null;
  const destinations = addressClasses(rules, group, 0);
  const sources = addressClasses(rules, group, CLASS_LANES[family].source);
  if (destinations.parents.length * sources.parents.length > room) return null;
  const services = serviceClasses(rules, group);
  if (!services) return null;
  const crossed = crossClasses(group, destinations, sources, services, room);
  if (!crossed) return null;
  const tables = {
    destinations: fieldTrie(destinations, CLASS_BYTES[family]),
    sources: fieldTrie(sources, CLASS_BYTES[family]),
    ...services.tables,
    ...crossed,
    sourceCount: sources.parents.length,
  };
  return entriesOf(tables) <= room ? tables : null;
}

/** A field in parts, ascending: where each begins, and its class. Values are bytes, most significant first. */
interface Parts {
  readonly starts: readonly number[];
  readonly classes: readonly number[];
  /** Width of the field in bits. */
  readonly bits: number;
}

/** Classes of an address: 0 is everything, each other a prefix without those in it. */
interface AddressClasses extends Parts {
  /** The class of the longest prefix around each; of 0 itself. A prefix comes after what is around it. */
  readonly parents: readonly number[];
  /** Of each rule of the group. */
  readonly ofRule: Uint16Array;
}

function addressClasses(rules: RuleTable, group: Int32Array, lane: number): AddressClasses {
  const low = rules.low[lane];
  const high = rules.high[lane];
  const keyOf = (rule: number): number => low[rule] * 2 ** 20 + Math.round(Math.log2(high[rule] - low[rule] + 1));
  const prefixes = new Map<number, { low: number; high: number; number: number }>();
  for (const rule of group)
    if (high[rule] - low[rule] < 0xffffffff) prefixes.set(keyOf(rule), { low: low[rule], high: high[rule], number: 0 });
  const sorted = [...prefixes.values()].sort((a, b) => a.low - b.low || b.high - a.high);
  const parents = [0];
  const starts = [0];
  const classes = [0];
  const around = [{ high: 0xffffffff, number: 0 }];
  const begin = (start: number, number: number): void => {
    if (start > 0xffffffff) return;
    if (starts.at(-1) === start) classes[classes.length - 1] = number;
    else {
      starts.push(start);
      classes.push(number);
    }
  };
  const endBefore = (start: number): void => {
    while (around.length > 1 && around[around.length - 1].high < start) {
      const { high: end } = around.pop()!;
      begin(end + 1, around[around.length - 1].number);
    }
  };
  for (const prefix of sorted) {
    endBefore(prefix.low);
    prefix.number = parents.length;
    parents.push(around[around.length - 1].number);
    around.push(prefix);
    begin(prefix.low, prefix.number);
  }
  endBefore(Infinity);
  const ofRule = Uint16Array.from(group, (rule) => prefixes.get(keyOf(rule))?.number ?? 0);
  return { starts, classes, bits: 32, parents, ofRule };
}

/** What rules say of ports and protocols. */
interface ServiceClasses {
  readonly tables: Pick<ClassTables, 'ports' | 'lanes' | 'columns' | 'laneCount' | 'columnCount'>;
  readonly sourcePorts: Parts;
  readonly sourcePortCount: number;
  /** By rule of the group: the columns, and the source port classes, that it holds for. */
  readonly columnsOf: readonly (readonly number[])[];
  readonly sourcePortsOf: readonly (readonly number[])[];
}

function serviceClasses(rules: RuleTable, group: Int32Array): ServiceClasses | null {
  const { ports, lanes, sourcePorts } = CLASS_LANES[rules.family];
  const heads = distinct(rules, group, [ports, lanes]);
  const byPort = fieldClasses(rules, heads.rules, ports);
  const byLane = fieldClasses(rules, heads.rules, lanes);
  if (byPort.sets.length * byLane.sets.length >= NUMBERS) return null;
  const columns = new Uint16Array(byPort.sets.length * byLane.sets.length);
  const sets: Uint32Array[] = [];
  const known = numberContents(sets);
  let at = 0;
  for (const port of byPort.sets)
    for (const lane of byLane.sets) columns[at++] = known(port.map((word, i) => word & lane[i]));
  const sources = distinct(rules, group, [sourcePorts]);
  const bySource = fieldClasses(rules, sources.rules, sourcePorts);
  const columnsOf = membersOf(sets, heads.rules.length);
  const sourcePortsOf = membersOf(bySource.sets, sources.rules.length);
  return {
    tables: {
      ports: fieldTrie(byPort, 2),
      lanes: fieldTrie(byLane, 1),
      columns,
      ...{ laneCount: byLane.sets.length, columnCount: sets.length },
    },
    sourcePorts: bySource,
    sourcePortCount: bySource.sets.length,
    columnsOf: heads.ofGroup.map((number) => columnsOf[number]),
    sourcePortsOf: sources.ofGroup.map((number) => sourcePortsOf[number]),
  };
}

/** What the rules of the group say in some lanes, numbered: a rule that says each, and the number of each rule. */
function distinct(
  rules: RuleTable,
  group: Int32Array,
  lanes: readonly number[],
): { readonly rules: readonly number[]; readonly ofGroup: readonly number[] } {
  const numbers = new Map<string, number>();
  const sayers: number[] = [];
  const ofGroup = Array.from(group, (rule) => {
    const key = lanes.map((lane) => `${rules.low[lane][rule]}-${rules.high[lane][rule]}`).join();
    const known = numbers.get(key);
    if (known !== undefined) return known;
    numbers.set(key, sayers.length);
    return sayers.push(rule) - 1;
  });
  return { rules: sayers, ofGroup };
}

/** By member: the sets that hold it. */
function membersOf(sets: readonly Uint32Array[], count: number): number[][] {
  return Array.from({ length: count }, (_, member) =>
    sets.flatMap((set, number) => ((set[member >>> 5] >>> (member & 31)) & 1 ? [number] : [])),
  );
}

/** The classes of a field: its parts, and which of the given rules each class lies in. */
interface FieldClasses extends Parts {
  readonly sets: readonly Uint32Array[];
}

function fieldClasses(rules: RuleTable, sayers: readonly number[], lane: number): FieldClasses {
  const { bits } = rules.lanes[lane];
  const size = 2 ** bits;
  const changes = new Map<number, number[]>([[0, []]]);
  const change = (at: number, member: number): void => {
    if (at === size) return;
    const list = changes.get(at);
    if (list) list.push(member);
    else changes.set(at, [member]);
  };
  sayers.forEach((rule, member) => {
    change(rules.low[lane][rule], member);
    change(rules.high[lane][rule] + 1, member);
  });
  const sets: Uint32Array[] = [];
  const known = numberContents(sets);
  const within = new Uint32Array(Math.ceil(sayers.length / 32));
  const starts = [...changes.keys()].sort((a, b) => a - b);
  const classes = starts.map((start) => {
    for (const member of changes.get(start)!) within[member >>> 5] ^= 1 << (member & 31);
    return known(within.slice());
  });
  return { starts, classes, bits, sets };
}

/** Lists of places by source port class, the first number that of no place at all; and what two of them make together. */
class PlaceLists {
  readonly lists: Uint16Array[] = [];
  private readonly known = numberContents(this.lists);
  private readonly joined = new Map<number, number>();

  constructor(
    private readonly count: number,
    private readonly none: number,
  ) {
    this.known(new Uint16Array(count).fill(none));
  }

  /** One rule's. */
  of(place: number, sourcePorts: readonly number[]): number {
    const list = new Uint16Array(this.count).fill(this.none);
    for (const port of sourcePorts) list[port] = place;
    return this.known(list);
  }

  /** The smaller place of either, class by class. */
  join(one: number, other: number): number {
    if (one === 0 || one === other) return other;
    if (other === 0) return one;
    const key = Math.min(one, other) * NUMBERS + Math.max(one, other);
    let joined = this.joined.get(key);
    if (joined === undefined) {
      const list = this.lists[other];
      this.joined.set(key, (joined = this.known(this.lists[one].map((place, i) => Math.min(place, list[i])))));
    }
    return joined;
  }
}

/** Lines, cells and lists; null where they would be too many. */
function crossClasses(
  group: Int32Array,
  destinations: AddressClasses,
  sources: AddressClasses,
  services: ServiceClasses,
  room: number,
): Pick<ClassTables, 'lines' | 'cells' | 'sourcePorts'> | null {
  const none = group.length;
  const { sourcePortCount } = services;
  const { columnCount } = services.tables;
  const across = sources.parents.length;
  const places = new PlaceLists(sourcePortCount, none);
  const lines = new Uint16Array(destinations.parents.length * across);
  const found: Uint16Array[] = [];
  const known = numberContents(found);
  known(new Uint16Array(columnCount));
  const byClass = placesByClass(group, destinations, sources);
  for (const [destination, own] of byClass.entries()) {
    const at = destination * across;
    const around = destinations.parents[destination] * across;
    // What rules of just this destination say, by source class: null where nothing.
    const said: (Uint16Array | null)[] = [];
    const joined = new Map<Uint16Array, Map<number, number>>();
    for (let source = 0; source < across; source++) {
      const before = source === 0 ? null : said[sources.parents[source]];
      const here = own.get(source);
      const inner = here ? withRules(before, here, services, places) : before;
      said.push(inner);
      const outer = destination === 0 ? 0 : lines[around + source];
      if (!inner) {
        lines[at + source] = outer;
        continue;
      }
      let ofInner = joined.get(inner);
      if (!ofInner) joined.set(inner, (ofInner = new Map<number, number>()));
      let line = ofInner.get(outer);
      if (line === undefined) {
        const cells = found[outer];
        ofInner.set(outer, (line = known(inner.map((list, column) => places.join(list, cells[column])))));
        const entries = found.length * columnCount + places.lists.length * sourcePortCount;
        if (found.length >= NUMBERS || places.lists.length >= NUMBERS || entries > room) return null;
      }
      lines[at + source] = line;
    }
  }
  const cells = new Uint16Array(found.length * columnCount);
  found.forEach((line, number) => cells.set(line, number * columnCount));
  if (sourcePortCount === 1) return { lines, cells: cells.map((list) => places.lists[list][0]), sourcePorts: null };
  const lists = new Uint16Array(places.lists.length * sourcePortCount);
  places.lists.forEach((list, number) => lists.set(list, number * sourcePortCount));
  const classes = fieldTrie(services.sourcePorts, 2);
  return { lines, cells, sourcePorts: { classes, lists, count: sourcePortCount } };
}

/** By destination class, then by source class: places of rules. */
function placesByClass(
  group: Int32Array,
  destinations: AddressClasses,
  sources: AddressClasses,
): Map<number, number[]>[] {
  const byClass: Map<number, number[]>[] = destinations.parents.map(() => new Map<number, number[]>());
  for (let place = 0; place < group.length; place++) {
    const own = byClass[destinations.ofRule[place]];
    const list = own.get(sources.ofRule[place]);
    if (list) list.push(place);
    else own.set(sources.ofRule[place], [place]);
  }
  return byClass;
}

/** A line, and what some rules add to it. */
function withRules(
  before: Uint16Array | null,
  here: readonly number[],
  { columnsOf, sourcePortsOf, tables }: ServiceClasses,
  places: PlaceLists,
): Uint16Array {
  const line = before?.slice() ?? new Uint16Array(tables.columnCount);
  for (const place of here) {
    const own = places.of(place, sourcePortsOf[place]);
    for (const column of columnsOf[place]) line[column] = places.join(line[column], own);
  }
  return line;
}

/**
 * The map of a field: a trie of nodes of 256 numbers, one a byte of the field, node 0 first. A number of the last byte
 * is a class, any other one the next node, so that each value costs as many loads.
 */
function fieldTrie(parts: Parts, bytes: number): Uint16Array {
  const nodes: Uint16Array[] = [new Uint16Array(BYTE)];
  const levels = Array.from({ length: bytes }, () => numberContents(nodes));
  const { starts, classes, bits } = parts;
  /** The part that a value is in: the last that begins at it or before. */
  const partOf = (value: number): number => {
    let first = 0;
    let last = starts.length - 1;
    while (first < last) {
      const middle = (first + last + 1) >>> 1;
      if (starts[middle] <= value) first = middle;
      else last = middle - 1;
    }
    return first;
  };
  const fill = (node: Uint16Array, from: number, level: number): Uint16Array => {
    const step = 2 ** (bits - 8 * (level + 1));
    for (let byte = 0; byte < BYTE; byte++) {
      const value = from + byte * step;
      const part = partOf(value);
      node[byte] = level === bytes - 1 ? classes[part] : below(value, step, part, level + 1);
    }
    return node;
  };
  const uniform = new Map<number, number>();
  const below = (from: number, size: number, part: number, level: number): number => {
    const isUniform = part === starts.length - 1 || starts[part + 1] >= from + size;
    if (!isUniform) return levels[level](fill(new Uint16Array(BYTE), from, level));
    const key = classes[part] * bytes + level;
    let node = uniform.get(key);
    if (node === undefined) uniform.set(key, (node = levels[level](fill(new Uint16Array(BYTE), from, level))));
    return node;
  };
  fill(nodes[0], 0, 0);
  const trie = new Uint16Array(BYTE * nodes.length);
  nodes.forEach((node, number) => trie.set(node, BYTE * number));
  return trie;
}
