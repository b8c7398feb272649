/** Trees → the block of a section, as it stands in the flat array of `bpf/sluice_abi.h`. Numbers are little-endian, the host order of all targets. */
import {
  LAYOUT,
  SLC_KEY_WORD,
  SLC_LIMITS,
  SLC_RULE_LAST,
  SLC_SERVICE_GUARDS,
  SLC_SERVICE_PROTOCOL_SHIFT,
  SLC_SERVICE_SOURCE_SHIFT,
  SLC_WORD_NONE,
} from '../abi/layout.gen';
import type { Family } from '../model/prefix';
import { CapacityError, MAX_IMAGE_SLOTS } from './capacity';
import type { ClassTables } from './class-tables';
import type { RuleTable } from './expand';
import { NO_RULE } from './known-rules';
import { leastWord } from './least';
import { type LineSpan, type Near, nearOf, NOTHING_NEAR } from './near';
import { rankOfWord } from './ranks';
import type { Service } from './services';
import { encodeSlot, LEAF_UNCOUNTED, type SlotWords } from './slot';
import { type Tree, wordOfTerminal } from './tree-memory';
import { LINE_BYTES, LINE_SLOTS, PAGE_BYTES, SLOT_BYTES } from './units';

/** The trees of a family, in the order of `slc_roots`, and the table their rules are numbered in. */
export interface FamilyTrees {
  readonly rules: RuleTable;
  readonly trees: readonly Tree[];
}

/** What becomes the block of a section. */
export interface BlockInput {
  readonly families: Readonly<Record<Family, FamilyTrees>>;
  /** `SLC_WORD_NONE` where it has none. */
  readonly defaultWord: number;
  readonly services: readonly Service[];
  /** Whether leaves can have short rules: of servers, and of what finds them. */
  readonly shortRules: boolean;
}

/** The block of a section. */
export interface Block {
  /** Whole cache lines; indices in it count from its first slot. */
  readonly bytes: Uint8Array;
  readonly defaultWord: number;
  /** The slot of a family's only tree, where all its rules are short ones. */
  readonly only: Readonly<Record<Family, SlotWords | null>>;
  /** What is read of these at once, where they are a server's and there are many. */
  readonly near: Readonly<Record<Family, Near>>;
}

/** Lanes of `RuleTable.low` and `high`, see lane.ts: destination words, source words, ports, protocol. */
const PORT_LANES: Readonly<Record<Family, Record<'source' | 'destinationPort' | 'sourcePort' | 'protocol', number>>> = {
  4: { source: 1, destinationPort: 2, sourcePort: 3, protocol: 4 },
  6: { source: 4, destinationPort: 8, sourcePort: 9, protocol: 10 },
};

const ROOTS = LAYOUT.slc_roots.fields;
const SERVICE = LAYOUT.slc_service.fields;
const CLASSES = LAYOUT.slc_classes.fields;
const RULE4 = LAYOUT.slc_rule4.fields;
const RULE6 = LAYOUT.slc_rule6.fields;
const SHORT = { 4: LAYOUT.slc_short4.fields, 6: LAYOUT.slc_short6.fields } as const;

/** Size of a leaf rule in slots. */
export const RULE_SLOTS: Readonly<Record<Family, number>> = {
  4: LAYOUT.slc_rule4.size / SLOT_BYTES,
  6: LAYOUT.slc_rule6.size / SLOT_BYTES,
};
/** The same of a short one. */
export const SHORT_SLOTS: Readonly<Record<Family, number>> = {
  4: LAYOUT.slc_short4.size / SLOT_BYTES,
  6: LAYOUT.slc_short6.size / SLOT_BYTES,
};

/** The block of a section: the same bytes wherever it stands in an image. */
export function packBlock({ families, defaultWord, services, shortRules }: BlockInput): Block {
  const writer = new ImageWriter();
  const root = writer.take(LAYOUT.slc_roots.size / SLOT_BYTES);
  const isShort = (family: Family): boolean =>
    shortRules && families[family].trees.every((tree) => isShortTree(families[family].rules, tree));
  const table = writeServices(writer, isShort(4) && isShort(6) ? [] : services);
  const only = { 4: null, 6: null } as Record<Family, SlotWords | null>;
  const near: Record<Family, Near> = { 4: NOTHING_NEAR, 6: NOTHING_NEAR };
  for (const family of [4, 6] as const) {
    const { rules, trees } = families[family];
    const placer = new Placer(writer, rules, shortRules);
    const slots = trees.map((tree) => placer.place(tree));
    slots.forEach((slot, i) =>
      writer.slotAt(root * SLOT_BYTES + ROOTS[`trees${family}`].offset + i * SLOT_BYTES, slot),
    );
    const [tree, ...others] = trees.flatMap((each, i) => (isEmptyTree(each) ? [] : [i]));
    if (!isShort(family) || others.length > 0) continue;
    only[family] = slots[tree ?? 0];
    near[family] = nearOf(family, placer.linesBelow(trees[tree ?? 0]));
  }
  writer.u32(root, ROOTS.default_word.offset, defaultWord);
  writer.u32(root, ROOTS.services.offset, table);
  for (let tree = 1; tree < SLC_LIMITS.TREES; tree++) {
    const least = ([4, 6] as const).map((family) => leastWord(families[family].rules, families[family].trees[tree]));
    writer.u32(root, ROOTS.least.offset + 4 * (tree - 1), Math.min(...least));
  }
  return { bytes: writer.finish(LINE_BYTES), defaultWord, only, near };
}

function isEmptyTree(tree: Tree): boolean {
  return tree.kind === 'terminal' && tree.head === NO_RULE;
}

/** Writes the service table; answers with its slot. */
function writeServices(writer: ImageWriter, services: readonly Service[]): number {
  const slots = LAYOUT.slc_service.size / SLOT_BYTES;
  const table = writer.take(slots * services.length);
  services.forEach((service, i) => {
    writeService(writer, table + i * slots, service);
  });
  return table;
}

/** Writes the trees of a family, shared parts once. */
class Placer {
  private readonly placed = new Map<Tree, SlotWords>();
  /** Slots that a part and what is below it take, the first and the last; none of a terminal. */
  private readonly taken = new Map<Tree, { readonly first: number; readonly last: number }>();

  constructor(
    private readonly writer: ImageWriter,
    private readonly rules: RuleTable,
    private readonly shortRules: boolean,
  ) {}

  /** Writes what the tree's slot points to, and returns the slot. */
  place(tree: Tree): SlotWords {
    const known = this.placed.get(tree);
    if (known) return known;
    const slot = this.placeNew(tree);
    this.placed.set(tree, slot);
    return slot;
  }

  /** Cache lines of what is below each child of a root node, or of a root that is a leaf. */
  linesBelow(root: Tree): (LineSpan | null)[] {
    return (root.kind === 'node' ? root.children : [root]).map((tree) => {
      const taken = this.taken.get(tree);
      return taken ? { first: lineOf(taken.first), last: lineOf(taken.last) } : null;
    });
  }

  /** Takes down what stands below a part, from what is known of its children. */
  private take(tree: Tree, first: number, last: number, children: readonly Tree[] = []): void {
    for (const child of children) {
      const taken = this.taken.get(child);
      if (taken) [first, last] = [Math.min(first, taken.first), Math.max(last, taken.last)];
    }
    this.taken.set(tree, { first, last });
  }

  private placeNew(tree: Tree): SlotWords {
    const { writer, rules } = this;
    switch (tree.kind) {
      case 'terminal':
        return encodeSlot({ kind: 'terminal', word: wordOfTerminal(rules, tree) });
      case 'leaf':
        return this.placeLeaf(tree);
      case 'classes':
        return this.placeClasses(tree.rules, tree.tables);
      case 'node': {
        const { lane, shift, width } = tree.cut;
        const { keyWord, offset } = rules.lanes[lane];
        const child = writer.take(tree.children.length, Math.min(tree.children.length, LINE_SLOTS));
        tree.children.forEach((part, value) => {
          writer.slotAt((child + value) * SLOT_BYTES, this.place(part));
        });
        this.take(tree, child, child + tree.children.length - 1, tree.children);
        return encodeSlot({ kind: 'node', child, keyWord, shift: shift + offset, mask: (1 << width) - 1 });
      }
    }
  }

  private placeClasses(group: readonly number[], tables: ClassTables): SlotWords {
    const { writer, rules } = this;
    const at = writer.take(LAYOUT.slc_classes.size / SLOT_BYTES, LINE_SLOTS);
    const { sourcePorts } = tables;
    const numbers = (field: { offset: number }, table: Uint16Array): void => {
      const first = writer.take(Math.ceil((table.length * 2) / SLOT_BYTES), LINE_SLOTS);
      writer.numbers(first, table);
      writer.u32(at, field.offset, (first * SLOT_BYTES) / 2);
    };
    numbers(CLASSES.destinations, tables.destinations);
    numbers(CLASSES.sources, tables.sources);
    numbers(CLASSES.ports, tables.ports);
    numbers(CLASSES.lanes, tables.lanes);
    numbers(CLASSES.columns, tables.columns);
    numbers(CLASSES.lines, tables.lines);
    numbers(CLASSES.cells, tables.cells);
    if (sourcePorts) {
      numbers(CLASSES.source_ports, sourcePorts.classes);
      numbers(CLASSES.lists, sourcePorts.lists);
      writer.u32(at, CLASSES.source_port_count.offset, sourcePorts.count);
    }
    const words = writer.take(Math.ceil(((group.length + 1) * 4) / SLOT_BYTES), LINE_SLOTS);
    [...group.map((rule) => rules.word[rule]), SLC_WORD_NONE].forEach((word, place) => {
      writer.u32(words, 4 * place, word);
    });
    writer.u32(at, CLASSES.words.offset, (words * SLOT_BYTES) / 4);
    writer.u32(at, CLASSES.source_count.offset, tables.sourceCount);
    writer.u32(at, CLASSES.lane_count.offset, tables.laneCount);
    writer.u32(at, CLASSES.column_count.offset, tables.columnCount);
    return encodeSlot({ kind: 'classes', tables: at, rank: rankOfWord(rules.word[group[0]]) });
  }

  private placeLeaf(tree: Tree & { kind: 'leaf' }): SlotWords {
    const { writer, rules } = this;
    const leaf = tree.rules;
    const { family } = rules;
    const { length } = leaf;
    const short = this.shortRules && isShortLeaf(rules, leaf);
    const slots = (short ? SHORT_SLOTS : RULE_SLOTS)[family];
    const first = writer.takeTogether(length * slots);
    this.take(tree, first, first + length * slots - 1);
    const writeRule = short ? writeShortRule : family === 4 ? writeRule4 : writeRule6;
    leaf.forEach((rule, k) => writeRule(writer, first + k * slots, rules, rule, k === length - 1));
    const rank = rankOfWord(rules.word[leaf[0]]);
    return encodeSlot({ kind: 'leaf', first, rank, count: Math.min(length, LEAF_UNCOUNTED), short });
  }
}

function lineOf(slot: number): number {
  return Math.floor(slot / LINE_SLOTS);
}

/** Whether all leaves of a tree have short rules; `seen`: parts that have, which may be shared. */
function isShortTree(rules: RuleTable, tree: Tree, seen = new Set<Tree>()): boolean {
  if (tree.kind === 'terminal' || seen.has(tree)) return true;
  seen.add(tree);
  if (tree.kind === 'classes') return false;
  if (tree.kind === 'leaf') return isShortLeaf(rules, tree.rules);
  return tree.children.every((child) => isShortTree(rules, child, seen));
}

function isShortLeaf(rules: RuleTable, leaf: readonly number[]): boolean {
  return leaf.length <= SLC_LIMITS.SHORT_LEAF && leaf.every((rule) => isShort(rules, rule));
}

/** Whether a rule looks at one address, the destination port and the protocol alone. */
function isShort({ family, low, high, destinationLength, sourceLength }: RuleTable, rule: number): boolean {
  const { sourcePort } = PORT_LANES[family];
  if (destinationLength[rule] > 0 && sourceLength[rule] > 0) return false;
  return low[sourcePort][rule] === 0 && high[sourcePort][rule] === 0xffff;
}

function writeService(writer: ImageWriter, slot: number, service: Service): void {
  const { destinationPorts, sourcePorts, lanes } = service;
  writeLanes(writer, slot, SERVICE.lo.offset, destinationPorts.first, sourcePorts.first, lanes.first, 0n);
  writeLanes(writer, slot, SERVICE.hi.offset, destinationPorts.last, sourcePorts.last, lanes.last, SLC_SERVICE_GUARDS);
}

/** Two halves of `struct slc_service`'s lanes, without going through big integers for each. */
function writeLanes(
  writer: ImageWriter,
  slot: number,
  offset: number,
  destination: number,
  source: number,
  protocol: number,
  guards: bigint,
): void {
  const above = 32 - SLC_SERVICE_SOURCE_SHIFT;
  const low = destination | (source << SLC_SERVICE_SOURCE_SHIFT) | Number(guards & 0xffffffffn);
  const high = (source >>> above) | (protocol << (SLC_SERVICE_PROTOCOL_SHIFT - 32)) | Number(guards >> 32n);
  writer.u32(slot, offset, low >>> 0);
  writer.u32(slot, offset + 4, high >>> 0);
}

function writeRule4(writer: ImageWriter, slot: number, rules: RuleTable, rule: number, last: boolean): void {
  writer.u32(slot, RULE4.destination.offset, rules.low[0][rule]);
  writer.u32(slot, RULE4.source.offset, rules.low[1][rule]);
  const service = rules.service[rule];
  writer.u16(slot, RULE4.service.offset, service);
  writer.u8(slot, RULE4.destination_shift.offset, (32 - rules.destinationLength[rule]) | ((service >>> 10) & 0xc0));
  writer.u8(
    slot,
    RULE4.source_shift.offset,
    (32 - rules.sourceLength[rule]) | ((service >>> 12) & 0x40) | (last ? SLC_RULE_LAST : 0),
  );
  writer.u32(slot, RULE4.word.offset, rules.word[rule]);
}

function writeRule6(writer: ImageWriter, slot: number, rules: RuleTable, rule: number, last: boolean): void {
  // Lanes 0-3 are words of the destination, 4-7 of the source; of the two words of a half the less significant one is
  // stored first.
  for (let lane = 0; lane < 8; lane++) {
    const address = lane < 4 ? RULE6.destination.offset : RULE6.source.offset;
    writer.u32(slot, address + 8 * ((lane & 3) >> 1) + 4 * (1 - (lane & 1)), rules.low[lane][rule]);
  }
  shiftsOf(rules.destinationLength[rule]).forEach((shift, half) => {
    writer.u8(slot, RULE6.destination_shift.offset + half, shift);
  });
  shiftsOf(rules.sourceLength[rule]).forEach((shift, half) => {
    writer.u8(slot, RULE6.source_shift.offset + half, shift);
  });
  writer.u16(slot, RULE6.service.offset, rules.service[rule]);
  writer.u8(slot, RULE6.service_above.offset, rules.service[rule] >>> 16);
  writer.u8(slot, RULE6.last.offset, last ? SLC_RULE_LAST : 0);
  writer.u32(slot, RULE6.word.offset, rules.word[rule]);
}

function writeShortRule(writer: ImageWriter, slot: number, rules: RuleTable, rule: number): void {
  const { family, low, high } = rules;
  const fields = SHORT[family];
  const { destinationPort, protocol, source } = PORT_LANES[family];
  const ofDestination = rules.destinationLength[rule] > 0;
  const address = ofDestination ? 0 : source;
  const length = (ofDestination ? rules.destinationLength : rules.sourceLength)[rule];
  writer.u8(slot, fields.key_word.offset, ofDestination ? SLC_KEY_WORD.DESTINATION : SLC_KEY_WORD.SOURCE);
  if (family === 4) {
    writer.u32(slot, fields.address.offset, low[address][rule]);
    writer.u8(slot, fields.shift.offset, 32 - length);
  } else {
    for (let word = 0; word < 4; word++)
      writer.u32(slot, fields.address.offset + 8 * (word >> 1) + 4 * (1 - (word & 1)), low[address + word][rule]);
    shiftsOf(length).forEach((shift, half) => {
      writer.u8(slot, fields.shift.offset + half, shift);
    });
  }
  writer.u16(slot, fields.port_first.offset, low[destinationPort][rule]);
  writer.u16(slot, fields.port_last.offset, high[destinationPort][rule]);
  writer.u8(slot, fields.lane_first.offset, low[protocol][rule]);
  writer.u8(slot, fields.lane_last.offset, high[protocol][rule]);
  writer.u32(slot, fields.word.offset, rules.word[rule]);
}

/** Of an IPv6 prefix: how far each half of an address is shifted for the comparison. */
function shiftsOf(length: number): readonly [number, number] {
  return [64 - Math.min(64, length), 64 - Math.max(0, length - 64)];
}

/** A growing block. Positions are slots, plus bytes within a record. */
class ImageWriter {
  /** Slots in use. */
  slots = 0;
  private view = new DataView(new ArrayBuffer(PAGE_BYTES));

  /** Takes `count` slots, zero-filled, from the next multiple of `alignment`; returns the first. */
  take(count: number, alignment = 1): number {
    const first = Math.ceil(this.slots / alignment) * alignment;
    this.slots = first + count;
    if (this.slots > MAX_IMAGE_SLOTS) throw new CapacityError('image slots', this.slots, MAX_IMAGE_SLOTS);
    if (this.slots * SLOT_BYTES > this.view.byteLength) this.resize(2 * this.slots * SLOT_BYTES);
    return first;
  }

  /** Takes `count` slots so that they touch as few cache lines as they can. */
  takeTogether(count: number): number {
    const at = this.slots % LINE_SLOTS;
    const lines = Math.ceil((at + count) / LINE_SLOTS);
    return this.take(count, lines > Math.ceil(count / LINE_SLOTS) ? LINE_SLOTS : 1);
  }

  /** Writes 16-bit numbers from a slot on. */
  numbers(slot: number, numbers: Uint16Array): void {
    numbers.forEach((number, i) => this.view.setUint16(slot * SLOT_BYTES + 2 * i, number, true));
  }

  u8(slot: number, offset: number, value: number): void {
    this.view.setUint8(slot * SLOT_BYTES + offset, value);
  }

  u16(slot: number, offset: number, value: number): void {
    this.view.setUint16(slot * SLOT_BYTES + offset, value & 0xffff, true);
  }

  u32(slot: number, offset: number, value: number): void {
    this.view.setUint32(slot * SLOT_BYTES + offset, value, true);
  }

  /** Writes a slot at a byte position. */
  slotAt(byte: number, { low, high }: SlotWords): void {
    this.view.setUint32(byte, low, true);
    this.view.setUint32(byte + 4, high, true);
  }

  /** The bytes, padded to a multiple of `unit`. */
  finish(unit: number): Uint8Array {
    this.resize(Math.ceil((this.slots * SLOT_BYTES) / unit) * unit);
    return new Uint8Array(this.view.buffer);
  }

  private resize(bytes: number): void {
    const grown = new Uint8Array(bytes);
    grown.set(new Uint8Array(this.view.buffer).subarray(0, bytes));
    this.view = new DataView(grown.buffer);
  }
}
