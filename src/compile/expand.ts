/**
 * Rows → image rules: lists multiplied out, so that an image rule is one prefix, one prefix and one service, with the
 * word of its row. One table a family, in first-match order.
 */
import { ANY, type AddressMatch, type Match, MATCH_ALL } from '../model/match';
import { addressBits, type Family, lastAddress, type Prefix } from '../model/prefix';
import { PROTOCOL } from '../model/protocol';
import { CapacityError, MAX_IMAGE_RULES } from './capacity';
import type { RankEntry } from './image';
import { type Lane, lanesOf } from './lane';
import { mergePrefixes } from './merge';
import { nameOfEntry, type SectionRanks, wordOf } from './ranks';
import type { ImageSection } from './sections';
import { isEveryService, type Service, servicesOf, type ServiceTable } from './services';

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
  readonly service: Uint16Array;
  readonly destinationLength: Uint8Array;
  readonly sourceLength: Uint8Array;
}

/** What one row becomes in one family, before it is multiplied out. */
interface Product {
  readonly entry: RankEntry;
  readonly from: readonly Prefix[];
  readonly to: readonly Prefix[];
  readonly services: readonly Service[];
}

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
    const rows = rowsOf(ranked);
    return { 4: productsOf(rows, 4), 6: productsOf(rows, 6) };
  });
  checkSize(products.flatMap((section) => [...section[4], ...section[6]]));
  return products.map((section) => ({ 4: multiply(section[4], 4, table), 6: multiply(section[6], 6, table) }));
}

function rowsOf({ section, ranks }: RankedSection): { entry: RankEntry; match: Match }[] {
  const rows: { entry: RankEntry; match: Match }[] = [];
  for (const entry of ranks.rows) if (entry.rule!.enabled) rows.push({ entry, match: entry.rule!.match });
  if (ranks.ssh) rows.push({ entry: ranks.ssh, match: sshMatch(section.ssh!.ports) });
  return rows;
}

function sshMatch(ports: readonly number[]): Match {
  return { ...MATCH_ALL, protocols: [PROTOCOL.TCP], toPorts: ports.map((port) => ({ first: port, last: port })) };
}

function productsOf(rows: readonly { entry: RankEntry; match: Match }[], family: Family): Product[] {
  const products: Product[] = [];
  const merged = new Map<readonly Prefix[], Prefix[]>();
  for (const { entry, match } of rows) {
    if (match.family !== ANY && match.family !== family) continue;
    const services = servicesOf(match, family, nameOfEntry(entry));
    const [from, to] = [prefixesOf(match.from, family, merged), prefixesOf(match.to, family, merged)];
    const product = { entry, from, to, services };
    if (sizeOf(product) === 0) continue;
    products.push(product);
    // Nothing behind a row that takes every packet can be reached.
    if (isEveryAddress(product.from) && isEveryAddress(product.to) && services.some(isEveryService)) break;
  }
  return products;
}

/** `merged` remembers lists: rows that name the same set share one, which may be long. */
function prefixesOf(match: AddressMatch, family: Family, merged: Map<readonly Prefix[], Prefix[]>): Prefix[] {
  if (match === ANY) return [{ family, words: new Array<number>(addressBits(family) / 32).fill(0), length: 0 }];
  let prefixes = merged.get(match);
  if (!prefixes) {
    prefixes = mergePrefixes(match.filter((prefix) => prefix.family === family));
    merged.set(match, prefixes);
  }
  return prefixes;
}

function isEveryAddress(prefixes: readonly Prefix[]): boolean {
  return prefixes[0].length === 0;
}

function sizeOf({ from, to, services }: Product): number {
  return from.length * to.length * services.length;
}

function checkSize(products: readonly Product[]): void {
  const total = products.reduce((sum, product) => sum + sizeOf(product), 0);
  if (total <= MAX_IMAGE_RULES) return;
  const largest = products.reduce((most, product) => (sizeOf(product) > sizeOf(most) ? product : most));
  throw new CapacityError('image rules', total, MAX_IMAGE_RULES, nameOfEntry(largest.entry));
}

function multiply(products: readonly Product[], family: Family, table: ServiceTable): RuleTable {
  const count = products.reduce((sum, product) => sum + sizeOf(product), 0);
  const lanes = lanesOf(family);
  const words = addressBits(family) / 32;
  const rules: RuleTable = {
    family,
    count,
    lanes,
    low: lanes.map(() => new Uint32Array(count)),
    high: lanes.map(() => new Uint32Array(count)),
    word: new Uint32Array(count),
    service: new Uint16Array(count),
    destinationLength: new Uint8Array(count),
    sourceLength: new Uint8Array(count),
  };
  let at = 0;
  for (const { entry, from, to, services } of products) {
    const word = wordOf(entry);
    const numbers = services.map((service) => table.number(service, nameOfEntry(entry)));
    for (const destination of to) {
      const destinationEnd = lastAddress(destination);
      for (const source of from) {
        const sourceEnd = lastAddress(source);
        services.forEach(({ destinationPorts, sourcePorts, lanes: protocols }, i) => {
          for (let w = 0; w < words; w++) {
            rules.low[w][at] = destination.words[w];
            rules.high[w][at] = destinationEnd[w];
            rules.low[words + w][at] = source.words[w];
            rules.high[words + w][at] = sourceEnd[w];
          }
          [destinationPorts, sourcePorts, protocols].forEach((range, lane) => {
            rules.low[2 * words + lane][at] = range.first;
            rules.high[2 * words + lane][at] = range.last;
          });
          rules.word[at] = word;
          rules.service[at] = numbers[i];
          rules.destinationLength[at] = destination.length;
          rules.sourceLength[at] = source.length;
          at++;
        });
      }
    }
  }
  return rules;
}
