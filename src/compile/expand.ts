/**
 * Rows → image rules: lists multiplied out, so that an image rule is one prefix, one prefix and one service, with the
 * word of its row. One table a family, in first-match order. Where that would be too many a list of networks stands in
 * front of what is multiplied out, see crossing.ts.
 */
import { ANY, type Match, MATCH_ALL } from '../model/match';
import { laterRows } from '../model/later-fragment';
import { addressBits, type Family, type Prefix } from '../model/prefix';
import { PROTOCOL } from '../model/protocol';
import type { Server } from '../model/ruleset';
import { remainderIn } from '../model/server';
import { CapacityError, MAX_IMAGE_RULES } from './capacity';
import type { RankEntry } from './image';
import { KnownRules, NO_RULE, type RuleColumns } from './known-rules';
import { type FamilyMemory, RowMemory } from './row-memory';
import { mergePrefixes } from './merge';
import { nameOfEntry, type SectionRanks, wordOf } from './ranks';
import { type ImageSection, sharedEntry } from './sections';
import { isEveryService, type Service, ServiceTable } from './services';
import type { TreeMemory } from './tree-memory';

/** The image rules of one family. Rules go by number: an index into the columns. */
export interface RuleTable extends RuleColumns {
  readonly family: Family;
  /** The rules in first-match order. */
  readonly order: Int32Array;
  /** Image words by number; they ascend with the order, equal ones belong to one row. */
  readonly word: Uint32Array;
  /** Service numbers of this image by number of the rule. */
  readonly service: Uint32Array;
  /** Where there is one the numbers of the rules are their places in the order. */
  readonly crossings: readonly Crossing[];
  /** Trees that were grown of rules with these numbers. */
  readonly trees: TreeMemory;
}

/** A row one of whose lists, or both, stand in front of its rules, which hold for any address in their place. */
export interface Crossing {
  /** The row, as `nameOfEntry` writes it. */
  readonly row: string;
  /** Its rules: the first, and the one behind the last; by place, which is their number here. */
  readonly first: number;
  readonly end: number;
  /** Disjoint; null where they are multiplied out. Rows of one list have the same one. */
  readonly destinations: readonly Prefix[] | null;
  readonly sources: readonly Prefix[] | null;
}

/** What rows become in one family before they are multiplied out, row by row. */
interface Products {
  readonly entries: RankEntry[];
  readonly from: (readonly Prefix[])[];
  readonly to: (readonly Prefix[])[];
  /** Numbers of services. */
  readonly services: (readonly number[])[];
  /** Whether the list stands in front, and is not multiplied out. */
  readonly fromInFront: boolean[];
  readonly toInFront: boolean[];
}

/** Rows of more image rules are crossings, if they can be. */
const CROSSED_RULES = 1 << 16;

/** A section and the ranks of its rows. */
export interface RankedSection {
  readonly section: ImageSection;
  readonly ranks: SectionRanks;
}

/** What the rows of a section become. */
export interface ExpandedRows {
  readonly tables: Readonly<Record<Family, RuleTable>>;
  readonly services: readonly Service[];
  /** Image rules and networks of crossings, and the row that has most of them; null where there are none. */
  readonly size: number;
  readonly largest: { readonly name: string; readonly size: number } | null;
}

/**
 * Multiplies rows out, for both families, which may have different ones: in all `room` image rules at most, where
 * crossing rows can help. Throws `CapacityError` where they are more than `MAX_IMAGE_RULES` all the same, before memory
 * is taken.
 */
export function expandRows(
  rows: Readonly<Record<Family, readonly MatchedEntry[]>>,
  memory: RowMemory,
  room: number = MAX_IMAGE_RULES,
): ExpandedRows {
  const table = new ServiceTable(memory.services);
  const products = { 4: productsOf(rows[4], 4, table), 6: productsOf(rows[6], 6, table) };
  const { size, largest } = chooseCrossings([products[4], products[6]], room);
  return {
    tables: { 4: multiply(products[4], 4, table, memory), 6: multiply(products[6], 6, table, memory) },
    services: table.services,
    size,
    largest,
  };
}

/** A row, and what it matches among the packets that are judged by it. */
export interface MatchedEntry {
  readonly entry: RankEntry;
  readonly match: Match;
}

/** The enabled rows of a section and its implicit ones, but for the default. */
export function rowsOf({ section, ranks }: RankedSection): Record<Family, readonly MatchedEntry[]> {
  if (sharedEntry(section) !== undefined) return { 4: [], 6: [] };
  if (section.laterOf !== undefined) {
    // Only what later fragments are judged by differs from family to family.
    const of = (family: Family): MatchedEntry[] =>
      laterRows(ranks.rows, ({ rule }) => rule!, family).map(({ row, match }) => ({ entry: row, match }));
    return { 4: of(4), 6: of(6) };
  }
  const rows = section.server ? rowsWithin(section.server, ownRows({ section, ranks })) : ownRows({ section, ranks });
  return { 4: rows, 6: rows };
}

/** Without those that match no packet of the server, and without looking at what all of its packets have. */
function rowsWithin(server: Server, rows: readonly MatchedEntry[]): MatchedEntry[] {
  const remain = remainderIn(server);
  return rows.flatMap(({ entry, match }) => {
    const own = remain(match);
    return own ? [{ entry, match: own }] : [];
  });
}

function ownRows({ section, ranks }: RankedSection): MatchedEntry[] {
  const rows: MatchedEntry[] = [];
  if (ranks.udpOff) rows.push({ entry: ranks.udpOff, match: { ...MATCH_ALL, protocols: [PROTOCOL.UDP] } });
  for (const entry of ranks.rows) if (entry.rule!.enabled) rows.push({ entry, match: entry.rule!.match });
  if (ranks.ssh) rows.push({ entry: ranks.ssh, match: sshMatch(section.ssh!.ports) });
  return rows;
}

function sshMatch(ports: readonly number[]): Match {
  return { ...MATCH_ALL, protocols: [PROTOCOL.TCP], toPorts: ports.map((port) => ({ first: port, last: port })) };
}

function productsOf(rows: readonly MatchedEntry[], family: Family, table: ServiceTable): Products {
  const products: Products = { entries: [], from: [], to: [], services: [], fromInFront: [], toInFront: [] };
  const every = [{ family, words: new Array<number>(addressBits(family) / 32).fill(0), length: 0 }];
  const merged = new Map<readonly Prefix[], readonly Prefix[]>();
  for (const { entry, match } of rows) {
    if (match.family !== ANY && match.family !== family) continue;
    const from = match.from === ANY ? every : prefixesOf(match.from, family, merged);
    const to = match.to === ANY ? every : prefixesOf(match.to, family, merged);
    if (from.length === 0 || to.length === 0) continue;
    const services = table.numbersOf(match, family, nameOfEntry(entry));
    if (services.length === 0) continue;
    products.entries.push(entry);
    products.from.push(from);
    products.to.push(to);
    products.services.push(services);
    products.fromInFront.push(false);
    products.toInFront.push(false);
    // Nothing behind a row that takes every packet can be reached.
    if (from[0].length > 0 || to[0].length > 0) continue;
    if (services.some((number) => isEveryService(table.services[number]))) break;
  }
  return products;
}

/** `merged` remembers lists: rows that name the same set share one, which may be long. */
function prefixesOf(
  list: readonly Prefix[],
  family: Family,
  merged: Map<readonly Prefix[], readonly Prefix[]>,
): readonly Prefix[] {
  if (list.length === 1) return list[0].family === family ? list : [];
  let prefixes = merged.get(list);
  if (!prefixes) {
    prefixes = mergePrefixes(list.filter((prefix) => prefix.family === family));
    merged.set(list, prefixes);
  }
  return prefixes;
}

/** Image rules of a row. */
function rulesOf({ from, to, services, fromInFront, toInFront }: Products, row: number): number {
  const sources = fromInFront[row] ? 1 : from[row].length;
  return sources * (toInFront[row] ? 1 : to[row].length) * services[row].length;
}

/** A row that is to be multiplied out, or crossed. */
interface SizedRow {
  readonly products: Products;
  readonly row: number;
  /** Its rules, and the networks of the lists that stand in front for it alone. */
  size: number;
}

/**
 * Crosses the rows that would be more than `CROSSED_RULES` and name two lists, and the largest of the others while all
 * together are more than `room`; where that is not enough, rows of one list of networks: those that share one, or join it
 * to many services. Throws `CapacityError` where that leaves more than `MAX_IMAGE_RULES`.
 */
function chooseCrossings(parts: readonly Products[], room: number): Pick<ExpandedRows, 'size' | 'largest'> {
  const rows = parts.flatMap((products) =>
    products.entries.map((_, row): SizedRow => ({ products, row, size: rulesOf(products, row) })),
  );
  let total = rows.reduce((sum, { size }) => sum + size, 0);
  if (total > room || rows.some(({ size }) => size > CROSSED_RULES)) {
    rows.sort((a, b) => b.size - a.size);
    const inFront: Fronts = { from: new Set(), to: new Set() };
    for (const each of rows) {
      const { products, row, size } = each;
      const list = products.to[row];
      if (size <= CROSSED_RULES && total <= room) break;
      if (products.from[row].length === 1 || list.length === 1) continue;
      products.toInFront[row] = true;
      const rules = rulesOf(products, row);
      each.size = rules + list.length;
      total += rules - size + (inFront.to.has(list) ? 0 : list.length);
      inFront.to.add(list);
    }
    if (total > room) total = shareLists(rows, inFront, total, room);
  }
  if (rows.length === 0) return { size: 0, largest: null };
  const most = rows.reduce((largest, each) => (each.size > largest.size ? each : largest));
  const largest = { name: nameOfEntry(most.products.entries[most.row]), size: most.size };
  if (total > MAX_IMAGE_RULES) throw new CapacityError('image rules', total, MAX_IMAGE_RULES, largest.name);
  return { size: total, largest };
}

/** Lists that stand in front, for whichever rows. */
type Fronts = Readonly<Record<'from' | 'to', Set<readonly Prefix[]>>>;

const SIDES = [
  { list: 'from', inFront: 'fromInFront' },
  { list: 'to', inFront: 'toInFront' },
] as const;

/** What is left where lists are put in front, of what there is room for: two million rules would fit, and take many seconds. */
const LEFT_OF_ROOM = 1 / 4;

/** Puts lists in front of all rows that name them, first those that save most, until enough is saved. */
function shareLists(rows: readonly SizedRow[], inFront: Fronts, total: number, room: number): number {
  const groups = SIDES.flatMap((side) => {
    const named = new Map<readonly Prefix[], SizedRow[]>();
    for (const each of rows) {
      const list = each.products[side.list][each.row];
      if (list.length === 1 || each.products[side.inFront][each.row]) continue;
      const known = named.get(list);
      if (known) known.push(each);
      else named.set(list, [each]);
    }
    return [...named].map(([list, naming]) => ({ side, list, naming }));
  });
  const saved = ({ side, list, naming }: (typeof groups)[number]): number => {
    const own = inFront[side.list].has(list) ? 0 : list.length;
    return naming.reduce(
      (sum, { products, row }) => sum + (rulesOf(products, row) / list.length) * (list.length - 1),
      -own,
    );
  };
  for (const group of groups.map((one) => ({ ...one, saves: saved(one) })).sort((a, b) => b.saves - a.saves)) {
    if (total <= LEFT_OF_ROOM * room) break;
    // What another list has saved meanwhile this one cannot.
    const saves = saved(group);
    if (saves <= 0) continue;
    for (const each of group.naming) {
      const before = rulesOf(each.products, each.row);
      each.products[group.side.inFront][each.row] = true;
      each.size += rulesOf(each.products, each.row) - before;
    }
    inFront[group.side.list].add(group.list);
    total -= saves;
  }
  return total;
}

function multiply(products: Products, family: Family, table: ServiceTable, memory: RowMemory): RuleTable {
  const { entries, from, to, services, fromInFront, toInFront } = products;
  let size = 0;
  for (let row = 0; row < entries.length; row++) size += rulesOf(products, row);
  // What is not multiplied out in full has numbers of its own: others tell equal matches apart by nothing.
  const own = fromInFront.includes(true) || toInFront.includes(true) ? new RowMemory() : memory;
  const rules = new TableWriter(family, size, table, own[family]);
  entries.forEach((entry, row) => {
    rules.beginRow(wordOf(entry));
    if (fromInFront[row] || toInFront[row]) {
      const parts = { destinations: to[row], sources: from[row], services: services[row] };
      rules.cross(nameOfEntry(entry), parts, { destinations: toInFront[row], sources: fromInFront[row] });
      return;
    }
    for (const destination of to[row]) {
      for (const source of from[row]) {
        for (const service of services[row]) rules.add(destination, source, service);
      }
    }
  });
  return rules.finish();
}

/** What a row joins. */
interface Parts {
  readonly destinations: readonly Prefix[];
  readonly sources: readonly Prefix[];
  readonly services: readonly number[];
}

/** Fills a table; a rule whose match an earlier one has can never decide, and is left out. */
class TableWriter {
  private count = 0;
  private rowWord = 0;
  /** The row's first rule. */
  private head = NO_RULE;
  private readonly order: Int32Array;
  private readonly words: Uint32Array;
  private readonly services: Uint32Array;
  private readonly crossings: Crossing[] = [];
  private readonly known: KnownRules;

  constructor(
    private readonly family: Family,
    size: number,
    private readonly table: ServiceTable,
    private readonly memory: FamilyMemory,
  ) {
    this.known = memory.rules;
    this.known.beginTable();
    this.order = new Int32Array(size);
    this.words = new Uint32Array(size);
    this.services = new Uint32Array(size);
  }

  beginRow(word: number): void {
    this.rowWord = word;
    this.head = NO_RULE;
  }

  add(destination: Prefix, source: Prefix, service: number): void {
    this.keep(this.known.add(destination, source, this.serviceOf(service), this.head), service);
  }

  /** Adds a crossing. Its rules hide nothing: what they match depends on the tries above them. */
  cross(
    row: string,
    { destinations, sources, services }: Parts,
    inFront: { readonly destinations: boolean; readonly sources: boolean },
  ): void {
    const first = this.count;
    const words = new Array<number>(addressBits(this.family) / 32).fill(0);
    const anywhere = [{ family: this.family, words, length: 0 }];
    for (const destination of inFront.destinations ? anywhere : destinations) {
      for (const source of inFront.sources ? anywhere : sources) {
        for (const service of services)
          this.keep(this.known.addApart(destination, source, this.serviceOf(service), this.head), service);
      }
    }
    this.crossings.push({
      ...{ row, first, end: this.count },
      destinations: inFront.destinations ? destinations : null,
      sources: inFront.sources ? sources : null,
    });
  }

  private serviceOf(number: number): Service {
    return this.table.services[number];
  }

  private keep(rule: number, service: number): void {
    if (rule === NO_RULE) return;
    if (this.head === NO_RULE) this.head = rule;
    this.words[this.count] = this.rowWord;
    this.services[this.count] = service;
    this.order[this.count++] = rule;
  }

  finish(): RuleTable {
    const { family, count, known, memory } = this;
    const order = this.order.subarray(0, count);
    const word = new Uint32Array(count === 0 ? 0 : known.count);
    const service = new Uint32Array(word.length);
    for (let place = 0; place < count; place++) {
      word[order[place]] = this.words[place];
      service[order[place]] = this.services[place];
    }
    return { ...known.columns(), family, order, word, service, crossings: this.crossings, trees: memory.trees };
  }
}
