/**
 * An image for people: rows with ranks, address tries and port maps of each group, leaves with their rules. Everything
 * but the rows' text is read back from the bytes. Stable: same image, same text.
 *
 * Bits are numbered as in prefix lengths: bit 1 is the most significant of its field.
 */
import { SLC_ENTRY, SLC_WORD_NONE } from '../abi/layout.gen';
import type { Family } from '../model/prefix';
import type { Image, RankEntry } from './image';
import { GROUP_NAMES } from './partition';
import { describeWindow, describeLeafRule, type KnownBits, NOTHING_KNOWN, withChildren } from './print-fields';
import { DEFAULT_ID, entryOfWord, nameOfEntry } from './ranks';
import { ImageReader, isEmptySlot } from './reader';
import { entryRanks, sectionLabel } from './sections';
import type { Slot } from './slot';

type LeafSlot = Extract<Slot, { kind: 'leaf' }>;
type NodeSlot = Extract<Slot, { kind: 'node' }>;

/** The whole image as lines. Throws `ImageFault` for broken bytes. */
export function printImage(image: Image): string {
  const reader = new ImageReader(image.bytes);
  const lines: string[] = [];
  image.sections.forEach((_, index) => {
    const rows = entryRanks(image, index);
    const isEmpty = rows.every(({ rule, action }) => !rule && action === 'allow');
    if (index !== SLC_ENTRY.INBOUND && (isEmpty || reader.sharesRoots(index))) return;
    lines.push(...(lines.length > 0 ? [''] : []), `section ${sectionLabel(index)}`, '', 'rows', ...printRows(rows));
    const printer = new SectionPrinter(image, reader, rows);
    const roots = reader.roots(index);
    for (const family of [4, 6] as const) {
      roots.trees[family].forEach((root, group) => {
        lines.push('', `ipv${family}, ${GROUP_NAMES[group]}`, ...printer.printTree(family, root));
      });
    }
    if (roots.defaultWord !== SLC_WORD_NONE) lines.push('', `default → ${printer.rowOf(roots.defaultWord)}`);
    lines.push('', ...printer.printLeaves(roots.services));
  });
  return `${lines.join('\n').trimEnd()}\n`;
}

function printRows(entries: readonly RankEntry[]): string[] {
  const numbers = numberRows(entries);
  const width = Math.max(...entries.map((entry) => nameIn(entry).length));
  return entries.map((entry) => {
    const { rank, tier, action, rule } = entry;
    const number = String(numbers.get(entry) ?? '-');
    const text = rule ? (rule.enabled ? rule.text : `${rule.text} (disabled)`) : '';
    const cells = [
      number.padStart(4),
      `rank ${rank}`,
      `tier ${tier}`,
      action.padEnd(6),
      nameIn(entry).padEnd(width),
      text,
    ];
    return `  ${cells.join('  ')}`.trimEnd();
  });
}

/** Numbers of the written rows, each in its section. */
function numberRows(entries: readonly RankEntry[]): Map<RankEntry, number> {
  const last = new Map<string, number>();
  const numbers = new Map<RankEntry, number>();
  for (const entry of entries) {
    if (!entry.rule) continue;
    const number = (last.get(entry.section) ?? 0) + 1;
    last.set(entry.section, number);
    numbers.set(entry, number);
  }
  return numbers;
}

/** Rows of servers stand among those of inbound, under their whole name. */
function nameIn(entry: Pick<RankEntry, 'section' | 'id'>): string {
  return ['inbound', 'outbound', 'guard'].includes(entry.section) ? entry.id : nameOfEntry(entry);
}

/** Prints trees; numbers shared nodes and leaves as they appear, so that each is shown once. */
class SectionPrinter {
  private readonly image: Image;
  private readonly reader: ImageReader;
  /** Of the written rows. */
  private readonly numbers: ReadonlyMap<RankEntry, number>;
  private readonly nodeNumbers = new Map<string, number>();
  private readonly leaves = new Map<string, { number: number; family: Family; slot: LeafSlot }>();

  constructor(image: Image, reader: ImageReader, rows: readonly RankEntry[]) {
    this.image = image;
    this.reader = reader;
    this.numbers = numberRows(rows);
  }

  printTree(family: Family, root: Slot): string[] {
    if (isEmptySlot(root)) return ['  empty'];
    if (root.kind !== 'node') return [`  everything → ${this.target(family, root)}`];
    return this.printNode(family, root, NOTHING_KNOWN, '  ');
  }

  /** Each leaf that was named, with its rules. `services` is the slot index of the service table. */
  printLeaves(services: number): string[] {
    return [...this.leaves.values()].flatMap(({ number, family, slot }) => [
      `leaf ${number}, ipv${family}`,
      ...[...this.reader.leafRules(family, slot.first, slot.count)].map((rule) => {
        const bounds = this.reader.service(services, rule.service);
        return `  ${this.rowOf(rule.word)}: ${describeLeafRule(family, rule, bounds)}`;
      }),
    ]);
  }

  /** `rule 3 (web-office)`, `ssh row`, `default deny`. */
  rowOf(word: number): string {
    const entry = entryOfWord(this.image.ranks, word);
    if (!entry) return `word ${word}`;
    const name = nameIn(entry);
    if (entry.rule) return `rule ${this.numbers.get(entry)} (${name})`;
    return entry.id === DEFAULT_ID ? `${name} ${entry.action}` : `${name} row`;
  }

  private printNode(family: Family, node: NodeSlot, known: KnownBits, indent: string): string[] {
    this.nodeNumbers.set(slotKey(family, node), this.nodeNumbers.size + 1);
    const lines: string[] = [];
    for (const { first, last, slot } of this.childRuns(family, node)) {
      if (isEmptySlot(slot)) continue;
      const label = describeWindow(family, node, known, first, last);
      const shown = slot.kind === 'node' && this.nodeNumbers.has(slotKey(family, slot));
      lines.push(`${indent}${label} → ${this.target(family, slot)}${shown ? ', see above' : ''}`);
      if (slot.kind !== 'node' || shown) continue;
      lines.push(...this.printNode(family, slot, withChildren(known, node, first, last), `${indent}  `));
    }
    return lines;
  }

  /** Neighbouring children with the same target, as one. */
  private childRuns(family: Family, node: NodeSlot): { first: number; last: number; slot: Slot }[] {
    const runs: { first: number; last: number; slot: Slot }[] = [];
    for (let value = 0; value <= node.mask; value++) {
      const slot = this.reader.slot(node.child + value);
      const run = runs.at(-1);
      if (run && slotKey(family, run.slot) === slotKey(family, slot)) run.last = value;
      else runs.push({ first: value, last: value, slot });
    }
    return runs;
  }

  private target(family: Family, slot: Slot): string {
    switch (slot.kind) {
      case 'terminal':
        return slot.word === SLC_WORD_NONE ? 'nothing' : this.rowOf(slot.word);
      case 'leaf':
        return this.leafTarget(family, slot);
      case 'node':
        return `node ${this.nodeNumbers.get(slotKey(family, slot)) ?? this.nodeNumbers.size + 1}`;
    }
  }

  private leafTarget(family: Family, slot: LeafSlot): string {
    const key = slotKey(family, slot);
    let leaf = this.leaves.get(key);
    if (!leaf) this.leaves.set(key, (leaf = { number: this.leaves.size + 1, family, slot }));
    const words = [...this.reader.leafRules(family, slot.first, slot.count)].map(({ word }) => word);
    const numbers = [...new Set(words)].map((word) => this.numberOf(word));
    return `leaf ${leaf.number}: ${numbers.length === 1 ? 'rule' : 'rules'} ${numbers.join(' ')}`;
  }

  /** Number of a written row in its section; the id of an implicit one. */
  private numberOf(word: number): string {
    const entry = entryOfWord(this.image.ranks, word);
    if (!entry) return `?${word}`;
    const number = this.numbers.get(entry);
    if (number === undefined) return nameIn(entry);
    return nameIn(entry) === entry.id ? String(number) : `${number} (${nameIn(entry)})`;
  }
}

function slotKey(family: Family, slot: Slot): string {
  return `${family} ${JSON.stringify(slot)}`;
}
