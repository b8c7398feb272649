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
import { DEFAULT_ID, entryOfWord, rankOfWord } from './ranks';
import { printClasses } from './print-classes';
import { ImageFault, ImageReader, isEmptySlot, type Roots } from './reader';
import { ranksByEntry, sectionLabel } from './sections';
import type { Slot } from './slot';

type LeafSlot = Extract<Slot, { kind: 'leaf' }>;
type NodeSlot = Extract<Slot, { kind: 'node' }>;

/** The whole image as lines. Throws `ImageFault` for broken bytes. */
export function printImage(image: Image): string {
  const reader = new ImageReader(image.bytes);
  const lines: string[] = [];
  // One by one: as arguments of a call a few hundred thousand are more than the stack holds.
  const add = (more: readonly string[]): void => {
    for (const line of more) lines.push(line);
  };
  ranksByEntry(image).forEach((rows, index) => {
    const isEmpty = rows.every(({ rule, action }) => !rule && action === 'allow');
    const isOwn = index === SLC_ENTRY.INBOUND || index >= SLC_ENTRY.SERVERS;
    if (index === SLC_ENTRY.OWNERS) {
      if (image.sections.length > SLC_ENTRY.SERVERS) add(['', 'servers', ...printOwners(image, reader)]);
      return;
    }
    if (!isOwn && (isEmpty || reader.sharesRoots(index))) return;
    if (lines.length > 0) lines.push('');
    add([`section ${sectionLabel(image, index)}`, '', 'rows', ...printRows(rows)]);
    const roots = reader.roots(index);
    const printer = new SectionPrinter(reader, roots, rowNames(image, rows));
    for (const family of [4, 6] as const) {
      roots.trees[family].forEach((root, group) => {
        add(['', `ipv${family}, ${GROUP_NAMES[group]}`, ...printer.printTree(family, root)]);
      });
    }
    if (roots.defaultWord !== SLC_WORD_NONE) lines.push('', `default → ${printer.rowOf(roots.defaultWord)}`);
    add(['', ...printer.printLeaves()]);
  });
  return `${lines.join('\n').trimEnd()}\n`;
}

function printRows(entries: readonly RankEntry[]): string[] {
  const numbers = numberRows(entries);
  const width = entries.reduce((most, { id }) => Math.max(most, id.length), 0);
  return entries.map((entry) => {
    const { rank, tier, action, rule } = entry;
    const number = String(numbers.get(entry) ?? '-');
    const text = rule ? (rule.enabled ? rule.text : `${rule.text} (disabled)`) : '';
    const cells = [number.padStart(4), `rank ${rank}`, `tier ${tier}`, action.padEnd(6), entry.id.padEnd(width), text];
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

/** How the words of a section are written. */
interface WordNames {
  /** `rule 3 (web-office)`, `ssh row`, `default deny`. */
  readonly rowOf: (word: number) => string;
  /** Number of a written row in its section; the id of an implicit one. */
  readonly numberOf: (word: number) => string;
}

function rowNames(image: Image, rows: readonly RankEntry[]): WordNames {
  const numbers = numberRows(rows);
  return {
    rowOf: (word) => {
      const entry = entryOfWord(image.ranks, word);
      if (!entry) return `word ${word}`;
      if (entry.rule) return `rule ${numbers.get(entry)} (${entry.id})`;
      return entry.id === DEFAULT_ID ? `${entry.id} ${entry.action}` : `${entry.id} row`;
    },
    numberOf: (word) => {
      const entry = entryOfWord(image.ranks, word);
      if (!entry) return `?${word}`;
      const number = numbers.get(entry);
      return number === undefined ? entry.id : String(number);
    },
  };
}

/** The tries by which a packet's server is found. */
function printOwners(image: Image, reader: ImageReader): string[] {
  const nameOf = (word: number): string => image.sections[rankOfWord(word)];
  const roots = reader.roots(SLC_ENTRY.OWNERS);
  const printer = new SectionPrinter(reader, roots, { rowOf: nameOf, numberOf: nameOf });
  const trees = ([4, 6] as const).flatMap((family) =>
    roots.trees[family].flatMap((root, group) =>
      isEmptySlot(root) ? [] : ['', `ipv${family}, ${GROUP_NAMES[group]}`, ...printer.printTree(family, root)],
    ),
  );
  return [...trees, '', `default → ${nameOf(roots.defaultWord)}`, '', ...printer.printLeaves()];
}

/** Prints trees; numbers shared nodes and leaves as they appear, so that each is shown once. */
class SectionPrinter {
  private readonly nodeNumbers = new Map<string, number>();
  private readonly leaves = new Map<string, { number: number; family: Family; slot: LeafSlot }>();

  constructor(
    private readonly reader: ImageReader,
    private readonly roots: Roots,
    private readonly names: WordNames,
  ) {}

  printTree(family: Family, root: Slot): string[] {
    if (isEmptySlot(root)) return ['  empty'];
    if (root.kind === 'classes')
      return printClasses(family, this.reader.classes(root.tables, this.roots), this.names.rowOf);
    if (root.kind !== 'node') return [`  everything → ${this.target(family, root)}`];
    const lines: string[] = [];
    this.printNode(family, root, NOTHING_KNOWN, '  ', lines);
    return lines;
  }

  /** Each leaf that was named, with its rules. */
  printLeaves(): string[] {
    return [...this.leaves.values()].flatMap(({ number, family, slot }) => [
      `leaf ${number}, ipv${family}`,
      ...[...this.reader.leafRules(family, slot, this.roots)].map((rule) => {
        const bounds = this.reader.service(this.roots.services, rule.service);
        return `  ${this.names.rowOf(rule.word)}: ${describeLeafRule(family, rule, bounds)}`;
      }),
    ]);
  }

  rowOf(word: number): string {
    return this.names.rowOf(word);
  }

  /** Adds to `lines`, of which a large image has hundreds of thousands. */
  private printNode(family: Family, node: NodeSlot, known: KnownBits, indent: string, lines: string[]): void {
    this.nodeNumbers.set(slotKey(family, node), this.nodeNumbers.size + 1);
    for (const { first, last, slot } of this.childRuns(family, node)) {
      if (isEmptySlot(slot)) continue;
      const label = describeWindow(family, node, known, first, last);
      const shown = slot.kind === 'node' && this.nodeNumbers.has(slotKey(family, slot));
      lines.push(`${indent}${label} → ${this.target(family, slot)}${shown ? ', see above' : ''}`);
      if (slot.kind !== 'node' || shown) continue;
      this.printNode(family, slot, withChildren(known, node, first, last), `${indent}  `, lines);
    }
  }

  /** Neighbouring children with the same target, as one. */
  private childRuns(family: Family, node: NodeSlot): { first: number; last: number; slot: Slot }[] {
    const runs: { first: number; last: number; slot: Slot }[] = [];
    for (let value = 0; value <= node.mask; value++) {
      const slot = this.reader.slot(node.child + value, this.roots);
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
      case 'classes':
        throw new ImageFault('class tables stand below a node');
      case 'node':
        return `node ${this.nodeNumbers.get(slotKey(family, slot)) ?? this.nodeNumbers.size + 1}`;
    }
  }

  private leafTarget(family: Family, slot: LeafSlot): string {
    const key = slotKey(family, slot);
    let leaf = this.leaves.get(key);
    if (!leaf) this.leaves.set(key, (leaf = { number: this.leaves.size + 1, family, slot }));
    const words = [...this.reader.leafRules(family, slot, this.roots)].map(({ word }) => word);
    const numbers = [...new Set(words)].map(this.names.numberOf);
    return `leaf ${leaf.number}: ${numbers.length === 1 ? 'rule' : 'rules'} ${numbers.join(' ')}`;
  }
}

function slotKey(family: Family, slot: Slot): string {
  return `${family} ${JSON.stringify(slot)}`;
}
