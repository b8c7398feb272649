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
/** Room grows in so many steps from one power of two to the next: a rule more or less is not to make tables anew. */
const ROOM_STEPS = 8;
/** Numbers in tables. */
const NUMBERS = 1 << 16;
/**
 * Steps of some nanoseconds on the way to tables, in all a tenth of a second: rules may hold for thousands of columns in
 * each of thousands of lines, which come out as one line, or as too many. Where steps run out there are no tables.
 */
const STEPS = 1 << 25;
/** What it costs to look something up, beside its length. */
const LOOK_UP_STEPS = 16;

/** Numbers that the tables of a section of so many rules may have, all in all. */
export function roomFor(rules: number): number {
  const step = Math.max(1, 2 ** Math.floor(Math.log2(Math.max(1, rules))) / ROOM_STEPS);
  return Math.min(ENTRIES_MAX, Math.max(ENTRIES_MIN, ENTRIES_PER_RULE * step * Math.ceil(rules / step)));
}

/** The tables of the rules in `group`, in first-match order; null where they would cost more than is worth it. */
export function classTables(rules: RuleTable, group: Int32Array, room: number): ClassTables | null {
  const { family } = rules;
  const bytes = CLASS_BYTES[family];
  const isLong = (rule: number): boolean =>
    rules.destinationLength[rule] > 8 * bytes || rules.sourceLength[rule] > 8 * bytes;
  if (group.length > GROUP_MAX || group.some(isLong)) return null;
  const destinations = addressClasses(rules, group, 0);
  const sources = addressClasses(rules, group, CLASS_LANES[family].source);
  if (destinations.parents.length * sources.parents.length > room) return null;
  const tries = { destinations: fieldTrie(destinations, bytes, room), sources: fieldTrie(sources, bytes, room) };
  if (!tries.destinations || !tries.sources) return null;
  const budget = new Budget(room);
  const services = serviceClasses(rules, group, budget);
  const crossed = services && crossClasses(group, destinations, sources, services, budget);
  if (!crossed) return null;
  const tables = {
    destinations: tries.destinations,
    sources: tries.sources,
    ...services.tables,
    ...crossed,
    sourceCount: sources.parents.length,
  };
  return entriesOf(tables) <= room ? tables : null;
}

/** What tables may cost. */
class Budget {
  private steps = STEPS;

  /** `room`: numbers of all tables. */
  constructor(readonly room: number) {}

  spend(steps: number): void {
    this.steps -= steps;
  }

  get isSpent(): boolean {
    return this.steps < 0;
  }
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
  /** Their map; null where no rule looks at source ports. */
  readonly sourcePorts: Uint16Array | null;
  readonly sourcePortCount: number;
  /** By rule of the group: the columns, and the source port classes, that it holds for, as bits. */
  readonly columnsOf: readonly Uint32Array[];
  readonly sourcePortsOf: readonly Uint32Array[];
}

/** Null where they are too many. */
function serviceClasses(rules: RuleTable, group: Int32Array, budget: Budget): ServiceClasses | null {
  const { ports, lanes, sourcePorts } = CLASS_LANES[rules.family];
  const heads = distinct(rules, group, [ports, lanes]);
  const byPort = fieldClasses(rules, heads.rules, ports);
  const byLane = fieldClasses(rules, heads.rules, lanes);
  const sources = distinct(rules, group, [sourcePorts]);
  const bySource = fieldClasses(rules, sources.rules, sourcePorts);
  const columns = pairColumns(byPort, byLane, heads.rules.length, budget);
  if (!columns) return null;
  const ofHead = transposed(columns.sets, heads.rules.length, budget);
  const ofSource = transposed(bySource.sets, sources.rules.length, budget);
  const portTrie = fieldTrie(byPort, 2, budget.room);
  const laneTrie = fieldTrie(byLane, 1, budget.room);
  const sourceTrie = fieldTrie(bySource, 2, budget.room);
  if (!ofHead || !ofSource || !portTrie || !laneTrie || !sourceTrie) return null;
  const { sets, numbers } = columns;
  const counts = { laneCount: byLane.sets.length, columnCount: sets.length };
  return {
    tables: { ports: portTrie, lanes: laneTrie, columns: numbers, ...counts },
    sourcePorts: bySource.sets.length === 1 ? null : sourceTrie,
    sourcePortCount: bySource.sets.length,
    columnsOf: heads.ofGroup.map((head) => ofHead[head]),
    sourcePortsOf: sources.ofGroup.map((source) => ofSource[source]),
  };
}

/** Columns by port class and lane class, and which of the `count` heads each holds; null where they are too many. */
function pairColumns(
  byPort: FieldClasses,
  byLane: FieldClasses,
  count: number,
  budget: Budget,
): { readonly numbers: Uint16Array; readonly sets: readonly Uint32Array[] } | null {
  const pairs = byPort.sets.length * byLane.sets.length;
  budget.spend(2 * pairs * wordsFor(count));
  if (pairs >= NUMBERS || pairs > budget.room || budget.isSpent) return null;
  const numbers = new Uint16Array(pairs);
  const sets: Uint32Array[] = [];
  const known = numberContents(sets);
  let at = 0;
  for (const port of byPort.sets) {
    for (const lane of byLane.sets) {
      const both = port.slice();
      for (let i = 0; i < both.length; i++) both[i] &= lane[i];
      numbers[at++] = known(both);
    }
  }
  return { numbers, sets };
}

/** For each of `count` members the sets that hold it, as bits; null where that takes too long. */
function transposed(sets: readonly Uint32Array[], count: number, budget: Budget): Uint32Array[] | null {
  const words = wordsFor(sets.length);
  budget.spend(count * words);
  if (budget.isSpent) return null;
  const holding = Array.from({ length: count }, () => new Uint32Array(words));
  for (const [number, set] of sets.entries()) {
    const word = number >>> 5;
    const bit = 1 << (number & 31);
    let members = 0;
    for (let i = 0; i < set.length; i++) {
      for (let left = set[i]; left !== 0; left &= left - 1, members++) holding[32 * i + lowestBit(left)][word] |= bit;
    }
    budget.spend(members);
    if (budget.isSpent) return null;
  }
  return holding;
}

function wordsFor(bits: number): number {
  return Math.ceil(bits / 32);
}

/** Number of the lowest bit that is set. */
function lowestBit(bits: number): number {
  return 31 - Math.clz32(bits & -bits);
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

/** What stands in a line, column by column. */
interface Cells {
  /** Where no rule matches. */
  readonly none: number;
  /** More of them than there can be: what they say means nothing any more. */
  readonly isFull: boolean;
  /** Adds a rule, by its place, to a line, in columns that are `open`; closes those in which no later one can decide. */
  add(line: Uint16Array, place: number, open: Uint32Array): void;
  /** What two lines make together: of what stands in a column of both the earlier rule. */
  join(line: Uint16Array, other: Uint16Array): Uint16Array;
}

/** Where no rule looks at source ports: places. */
class Places implements Cells {
  readonly isFull = false;

  constructor(
    readonly none: number,
    private readonly columnsOf: readonly Uint32Array[],
  ) {}

  add(line: Uint16Array, place: number, open: Uint32Array): void {
    const columns = this.columnsOf[place];
    for (let i = 0; i < open.length; i++) {
      let left = columns[i] & open[i];
      open[i] &= ~left;
      for (; left !== 0; left &= left - 1) {
        const column = 32 * i + lowestBit(left);
        if (place < line[column]) line[column] = place;
      }
    }
  }

  join(line: Uint16Array, other: Uint16Array): Uint16Array {
    const joined = line.slice();
    for (let i = 0; i < joined.length; i++) if (other[i] < joined[i]) joined[i] = other[i];
    return joined;
  }
}

/** Lists of places by source port class, by number, the first that of no place at all; and what two of them make together. */
class PlaceLists implements Cells {
  readonly none = 0;
  readonly lists: Uint16Array[] = [];
  private readonly known = numberContents(this.lists);
  private readonly joined = new Map<number, number>();

  constructor(
    private readonly noPlace: number,
    private readonly services: ServiceClasses,
    private readonly budget: Budget,
  ) {
    this.known(this.listOfNone());
  }

  get isFull(): boolean {
    const { lists, budget, services } = this;
    return lists.length >= NUMBERS || lists.length * services.sourcePortCount > budget.room || budget.isSpent;
  }

  add(line: Uint16Array, place: number, open: Uint32Array): void {
    const { columnsOf, sourcePortsOf, sourcePortCount } = this.services;
    const columns = columnsOf[place];
    const list = this.listOfNone();
    let held = 0;
    sourcePortsOf[place].forEach((word, i) => {
      for (let left = word; left !== 0; left &= left - 1, held++) list[32 * i + lowestBit(left)] = place;
    });
    const own = this.numberOf(list);
    let before = 0;
    let joined = own;
    for (let i = 0; i < open.length; i++) {
      let left = columns[i] & open[i];
      if (held === sourcePortCount) open[i] &= ~left;
      for (; left !== 0; left &= left - 1) {
        const column = 32 * i + lowestBit(left);
        // Neighbours mostly have the same list.
        if (line[column] !== before) {
          before = line[column];
          joined = this.joinTwo(before, own);
        }
        line[column] = joined;
      }
    }
  }

  join(line: Uint16Array, other: Uint16Array): Uint16Array {
    return line.map((list, column) => this.joinTwo(list, other[column]));
  }

  private joinTwo(one: number, other: number): number {
    if (one === 0 || one === other) return other;
    if (other === 0) return one;
    this.budget.spend(LOOK_UP_STEPS);
    if (this.isFull) return 0;
    const key = Math.min(one, other) * NUMBERS + Math.max(one, other);
    let joined = this.joined.get(key);
    if (joined === undefined) {
      const list = this.lists[one].slice();
      const more = this.lists[other];
      for (let i = 0; i < list.length; i++) if (more[i] < list[i]) list[i] = more[i];
      this.joined.set(key, (joined = this.numberOf(list)));
    }
    return joined;
  }

  private numberOf(list: Uint16Array): number {
    this.budget.spend(LOOK_UP_STEPS + 2 * list.length);
    return this.known(list);
  }

  private listOfNone(): Uint16Array {
    return new Uint16Array(this.services.sourcePortCount).fill(this.noPlace);
  }
}

/** Lines, cells and lists; null where they are too many. */
function crossClasses(
  group: Int32Array,
  destinations: AddressClasses,
  sources: AddressClasses,
  services: ServiceClasses,
  budget: Budget,
): Pick<ClassTables, 'lines' | 'cells' | 'sourcePorts'> | null {
  const { sourcePortCount } = services;
  const { columnCount } = services.tables;
  const across = sources.parents.length;
  const lists = services.sourcePorts ? new PlaceLists(group.length, services, budget) : null;
  const cells: Cells = lists ?? new Places(group.length, services.columnsOf);
  const lines = new Uint16Array(destinations.parents.length * across);
  const found: Uint16Array[] = [];
  const known = numberContents(found);
  const empty = new Uint16Array(columnCount).fill(cells.none);
  known(empty);
  const open = new Uint32Array(wordsFor(columnCount));
  const byClass = placesByClass(group, destinations, sources);
  for (const [destination, own] of byClass.entries()) {
    const at = destination * across;
    const around = destinations.parents[destination] * across;
    // What rules of just this destination say, by source class: null where nothing.
    const said: (Uint16Array | null)[] = [];
    const joined = new Map<Uint16Array, Map<number, number>>();
    for (let source = 0; source < across; source++) {
      let inner = source === 0 ? null : said[sources.parents[source]];
      const here = own.get(source);
      if (here) {
        inner = (inner ?? empty).slice();
        open.fill(0xffffffff);
        budget.spend(2 * columnCount + here.length * open.length);
        for (const place of here) cells.add(inner, place, open);
      }
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
        budget.spend(3 * columnCount);
        ofInner.set(outer, (line = known(cells.join(inner, found[outer]))));
        const entries = found.length * columnCount + (lists?.lists.length ?? 0) * sourcePortCount;
        if (found.length >= NUMBERS || cells.isFull || entries > budget.room || budget.isSpent) return null;
      }
      lines[at + source] = line;
    }
  }
  const flat = flatten(found, columnCount);
  if (!lists) return { lines, cells: flat, sourcePorts: null };
  const classes = services.sourcePorts!;
  return {
    ...{ lines, cells: flat },
    sourcePorts: { classes, lists: flatten(lists.lists, sourcePortCount), count: sourcePortCount },
  };
}

/** Arrays of so many numbers, one behind the other. */
function flatten(arrays: readonly Uint16Array[], length: number): Uint16Array {
  const flat = new Uint16Array(arrays.length * length);
  arrays.forEach((array, number) => flat.set(array, number * length));
  return flat;
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

/**
 * The map of a field: a trie of nodes of 256 numbers, one a byte of the field, node 0 first. A number of the last byte
 * is a class, any other one the next node, so that each value costs as many loads. Null where it has more than `room`.
 */
function fieldTrie({ starts, classes, bits }: Parts, bytes: number, room: number): Uint16Array | null {
  const nodes: Uint16Array[] = [new Uint16Array(BYTE)];
  const levels = Array.from({ length: bytes }, () => numberContents(nodes));
  const most = Math.min(NUMBERS, room / BYTE);
  /** Fills the node of values from `from` on, which begin in a part. */
  const fill = (node: Uint16Array, from: number, first: number, level: number): Uint16Array => {
    const step = 2 ** (bits - 8 * (level + 1));
    let part = first;
    for (let byte = 0; byte < BYTE; byte++) {
      const value = from + byte * step;
      while (part + 1 < starts.length && starts[part + 1] <= value) part++;
      node[byte] = level === bytes - 1 ? classes[part] : below(value, step, part, level + 1);
    }
    return node;
  };
  const uniform = new Map<number, number>();
  const below = (from: number, size: number, part: number, level: number): number => {
    if (nodes.length > most) return 0;
    const isUniform = part === starts.length - 1 || starts[part + 1] >= from + size;
    if (!isUniform) return levels[level](fill(new Uint16Array(BYTE), from, part, level));
    const key = classes[part] * bytes + level;
    let node = uniform.get(key);
    if (node === undefined) uniform.set(key, (node = levels[level](fill(new Uint16Array(BYTE), from, part, level))));
    return node;
  };
  fill(nodes[0], 0, 0, 0);
  return nodes.length > most ? null : flatten(nodes, BYTE);
}
