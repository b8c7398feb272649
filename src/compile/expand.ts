/**
 * Rows → image rules: lists multiplied out, so that an image rule is one prefix, one prefix and one service, with the
 * word of its row. One table a family, in first-match order. Where a row joins two long lists of networks only the
 * sources are multiplied out, see crossing.ts.
 */
import { ANY, type Match, MATCH_ALL } from '../model/match';
import { laterRows } from '../model/later-fragment';
import { addressBits, type Family, maskWord, type Prefix } from '../model/prefix';
import { PROTOCOL } from '../model/protocol';
import { narrowingTo, territoryOf } from '../model/server';
import { CapacityError, MAX_IMAGE_RULES } from './capacity';
import type { RankEntry } from './image';
import { type Lane, lanesOf } from './lane';
import { mergePrefixes } from './merge';
import { nameOfEntry, type SectionRanks, wordOf } from './ranks';
import { type ImageSection, sharedEntry } from './sections';
import { isEveryService, type ServiceTable } from './services';

/** The image rules of one family, column by column; index 0 is tried first. */
export interface RuleTable {
  readonly family: Family;
  readonly count: number;
  readonly lanes: readonly Lane[];
  /** Inclusive bounds of each rule, by lane. */
  readonly low: readonly Uint32Array[];
  readonly high: readonly Uint32Array[];
  /** Image words; they ascend, equal ones belong to one row. */
  readonly word: Uint32Array;
  readonly service: Uint32Array;
  readonly destinationLength: Uint8Array;
  readonly sourceLength: Uint8Array;
  readonly crossings: readonly Crossing[];
}

/** A row of two long lists: rules for its sources, which hold for any destination, and the destinations beside them. */
export interface Crossing {
  /** The row, as `nameOfEntry` writes it. */
  readonly row: string;
  /** Its rules: the first, and the one behind the last. */
  readonly first: number;
  readonly end: number;
  /** Disjoint. */
  readonly destinations: readonly Prefix[];
}

/** What rows become in one family before they are multiplied out, row by row. */
interface Products {
  readonly entries: RankEntry[];
  readonly from: (readonly Prefix[])[];
  readonly to: (readonly Prefix[])[];
  /** Numbers of services. */
  readonly services: (readonly number[])[];
  /** Whether only the sources are multiplied out. */
  readonly crossed: boolean[];
}

/** Rows of more image rules are crossings, if they can be. */
const CROSSED_RULES = 1 << 16;

/** A section and the ranks of its rows. */
export interface RankedSection {
  readonly section: ImageSection;
  readonly ranks: SectionRanks;
}

/**
 * Multiplies the enabled rows and the SSH row of every section out, for both families.
 * Throws `CapacityError` where all together are more than `MAX_IMAGE_RULES`, before memory is taken.
 */
export function expandSections(sections: readonly RankedSection[], table: ServiceTable): Record<Family, RuleTable>[] {
  const products = sections.map((ranked) => {
    // Only what later fragments are judged by differs from family to family.
    const rows = ranked.section.laterOf === undefined ? rowsOf(ranked, 4) : null;
    const of = (family: Family): Products => productsOf(rows ?? rowsOf(ranked, family), family, table);
    return { 4: of(4), 6: of(6) };
  });
  chooseCrossings(products.flatMap((section) => [section[4], section[6]]));
  return products.map((section) => ({ 4: multiply(section[4], 4, table), 6: multiply(section[6], 6, table) }));
}

interface MatchedEntry {
  readonly entry: RankEntry;
  readonly match: Match;
}

function rowsOf({ section, ranks }: RankedSection, family: Family): MatchedEntry[] {
  if (sharedEntry(section) !== undefined) return [];
  if (section.laterOf !== undefined)
    return laterRows(ranks.rows, ({ rule }) => rule!, family).map(({ row, match }) => ({ entry: row, match }));
  return [...ranks.servers.flatMap(rowsOfServer), ...ownRows({ section, ranks })];
}

/** The rows of a server as rows about the packets that it owns; the last one is its default. */
function rowsOfServer({ server, section, ranks }: SectionRanks['servers'][number]): MatchedEntry[] {
  const narrow = narrowingTo(server);
  const rows = ownRows({ section, ranks }).flatMap(({ entry, match }): MatchedEntry[] => {
    const own = narrow(match);
    return own ? [{ entry, match: own }] : [];
  });
  return [...rows, { entry: ranks.default!, match: territoryOf(server) }];
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
  const products: Products = { entries: [], from: [], to: [], services: [], crossed: [] };
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
    products.crossed.push(false);
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

/** What a row adds to the image: rules, and networks of a trie where it is crossed. */
function sizeOf({ from, to, services, crossed }: Products, row: number): number {
  const rules = from[row].length * services[row].length;
  return crossed[row] ? rules + to[row].length : rules * to[row].length;
}

/**
 * Crosses the rows that would be more than `CROSSED_RULES`, and the largest of the others while all together are too
 * many. Throws `CapacityError` where that is not enough.
 */
function chooseCrossings(parts: readonly Products[]): void {
  const rows = parts.flatMap((products) =>
    products.entries.map((entry, row) => ({ products, entry, row, size: sizeOf(products, row) })),
  );
  let total = rows.reduce((sum, { size }) => sum + size, 0);
  rows.sort((a, b) => b.size - a.size);
  for (const each of rows) {
    const { products, row, size } = each;
    if (size <= CROSSED_RULES && total <= MAX_IMAGE_RULES) break;
    if (products.from[row].length === 1 || products.to[row].length === 1) continue;
    products.crossed[row] = true;
    each.size = sizeOf(products, row);
    total += each.size - size;
  }
  if (total <= MAX_IMAGE_RULES) return;
  const most = rows.reduce((largest, each) => (each.size > largest.size ? each : largest));
  throw new CapacityError('image rules', total, MAX_IMAGE_RULES, nameOfEntry(most.entry));
}

function multiply(products: Products, family: Family, table: ServiceTable): RuleTable {
  const { entries, from, to, services, crossed } = products;
  let size = 0;
  for (let row = 0; row < entries.length; row++) size += sizeOf(products, row);
  const rules = new TableWriter(family, size, table);
  entries.forEach((entry, row) => {
    const word = wordOf(entry);
    if (crossed[row]) {
      rules.cross(nameOfEntry(entry), word, to[row], from[row], services[row]);
      return;
    }
    for (const destination of to[row]) {
      for (const source of from[row]) {
        for (const service of services[row]) rules.add(word, destination, source, service);
      }
    }
  });
  return rules.finish();
}

/** Fills a table; a rule whose match an earlier one has can never decide, and is left out. */
class TableWriter {
  private count = 0;
  private readonly words: number;
  private readonly low: Uint32Array[];
  private readonly high: Uint32Array[];
  private readonly word: Uint32Array;
  private readonly service: Uint32Array;
  private readonly destinationLength: Uint8Array;
  private readonly sourceLength: Uint8Array;
  /** Open addressing: number of a rule + 1 at the first free place from its hash on. */
  private readonly seen: Int32Array;
  private readonly crossings: Crossing[] = [];

  constructor(
    private readonly family: Family,
    size: number,
    private readonly table: ServiceTable,
  ) {
    const lanes = lanesOf(family);
    this.words = addressBits(family) / 32;
    this.low = lanes.map(() => new Uint32Array(size));
    this.high = lanes.map(() => new Uint32Array(size));
    this.word = new Uint32Array(size);
    this.service = new Uint32Array(size);
    this.destinationLength = new Uint8Array(size);
    this.sourceLength = new Uint8Array(size);
    this.seen = new Int32Array(2 ** Math.ceil(Math.log2(2 * size + 1)));
  }

  add(word: number, destination: Prefix, source: Prefix, service: number): void {
    this.write(word, destination, source, service);
    if (!this.isRepeated(this.count)) this.count++;
  }

  /** Adds a crossing. Its rules hide nothing: what they match depends on the trie above them. */
  cross(
    row: string,
    word: number,
    destinations: readonly Prefix[],
    sources: readonly Prefix[],
    services: readonly number[],
  ): void {
    const first = this.count;
    const anywhere = { family: this.family, words: new Array<number>(this.words).fill(0), length: 0 };
    for (const source of sources) {
      for (const service of services) {
        this.write(word, anywhere, source, service);
        this.count++;
      }
    }
    this.crossings.push({ row, first, end: this.count, destinations });
  }

  private write(word: number, destination: Prefix, source: Prefix, service: number): void {
    const { count: at, words, low, high } = this;
    this.word[at] = word;
    this.service[at] = service;
    this.destinationLength[at] = destination.length;
    this.sourceLength[at] = source.length;
    for (let w = 0; w < words; w++) {
      low[w][at] = destination.words[w];
      high[w][at] = destination.words[w] | ~maskWord(destination.length, w);
      low[words + w][at] = source.words[w];
      high[words + w][at] = source.words[w] | ~maskWord(source.length, w);
    }
    const { destinationPorts, sourcePorts, lanes } = this.table.services[service];
    low[2 * words][at] = destinationPorts.first;
    high[2 * words][at] = destinationPorts.last;
    low[2 * words + 1][at] = sourcePorts.first;
    high[2 * words + 1][at] = sourcePorts.last;
    low[2 * words + 2][at] = lanes.first;
    high[2 * words + 2][at] = lanes.last;
  }

  finish(): RuleTable {
    const { family, count } = this;
    return {
      family,
      count,
      lanes: lanesOf(family),
      low: this.low.map((column) => column.subarray(0, count)),
      high: this.high.map((column) => column.subarray(0, count)),
      word: this.word.subarray(0, count),
      service: this.service.subarray(0, count),
      destinationLength: this.destinationLength.subarray(0, count),
      sourceLength: this.sourceLength.subarray(0, count),
      crossings: this.crossings,
    };
  }

  /** Whether an earlier rule has the addresses and the service of rule `at`; remembers it where none has. */
  private isRepeated(at: number): boolean {
    const { seen, low } = this;
    let hash = (this.service[at] << 16) ^ (this.destinationLength[at] << 8) ^ this.sourceLength[at];
    for (let lane = 0; lane < 2 * this.words; lane++) {
      hash = Math.imul(hash ^ low[lane][at], 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    for (let place = hash & (seen.length - 1); ; place = (place + 1) & (seen.length - 1)) {
      if (seen[place] === 0) {
        seen[place] = at + 1;
        return false;
      }
      if (this.isEqual(seen[place] - 1, at)) return true;
    }
  }

  private isEqual(a: number, b: number): boolean {
    if (this.service[a] !== this.service[b]) return false;
    if (this.destinationLength[a] !== this.destinationLength[b] || this.sourceLength[a] !== this.sourceLength[b]) {
      return false;
    }
    for (let lane = 0; lane < 2 * this.words; lane++) if (this.low[lane][a] !== this.low[lane][b]) return false;
    return true;
  }
}
