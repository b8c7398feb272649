/** Trees → the block of a section, blocks → the image: the flat array of `bpf/sluice_abi.h`. Numbers are little-endian, the host order of all targets. */
import {
  LAYOUT,
  SLC_ABI_VERSION,
  SLC_ENTRY,
  SLC_IMAGE_MAGIC,
  SLC_LIMITS,
  SLC_RULE_LAST,
  SLC_SERVICE_GUARDS,
  SLC_SERVICE_PROTOCOL_SHIFT,
  SLC_SERVICE_SOURCE_SHIFT,
} from '../abi/layout.gen';
import type { PortRange } from '../model/port-range';
import type { Family } from '../model/prefix';
import { CapacityError, MAX_IMAGE_SLOTS } from './capacity';
import type { RuleTable } from './expand';
import { leastWord } from './least';
import { rankOfWord } from './ranks';
import type { Service } from './services';
import type { Shares } from './shares';
import { encodeSlot, LEAF_UNCOUNTED, type SlotWords } from './slot';
import { type Tree, wordOfTerminal } from './tree-memory';

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
}

/** An entry of the section table. */
export interface PackedSection {
  /** Whole cache lines; indices in it count from its first slot. Sections that have the same one share it. */
  readonly block: Uint8Array;
  /** What is added to the ranks in it. */
  readonly rank: number;
  /** Ranks it takes. */
  readonly span: number;
  /** A server's: few of its packets follow one another, so what they need is in no cache. */
  readonly isServer: boolean;
  /** Ports that a row of it can match. */
  readonly ports: PortRange;
  /** What ALLOW ALL knows it by; 0n where it opens nothing. */
  readonly id: bigint;
  /** Whether its rows or its default can decide anything. */
  readonly isUsed: boolean;
  /** Where it waits to be confirmed: what judges again otherwise, and its word in `slc_confirm`. */
  readonly trial?: Pick<PackedSection, 'block' | 'rank' | 'isUsed'> & { readonly word: number };
}

/** What becomes an image. */
export interface PackInput {
  /** In the order of the section table. */
  readonly sections: readonly PackedSection[];
  /** Entries of `struct slc_limit_rule` back to back. */
  readonly limits: { readonly count: number; readonly bytes: Uint8Array };
  /** Highest rank + 1. */
  readonly counterSlots: number;
  /** What each server has room for. */
  readonly shares: Shares;
}

/** Bytes of the image map are a multiple of this. */
const PAGE_BYTES = 4096;
/** A slot in bytes, and slots of a cache line. */
const SLOT_BYTES = 8;
const LINE_SLOTS = 8;
const LINE_BYTES = LINE_SLOTS * SLOT_BYTES;
/** Of a block of more lines nothing is read in advance. */
const NEAR_BLOCK_LINES = 2 * SLC_LIMITS.NEAR_MAX;
/** Slots behind the used ones: the datapath checks once that the first eight rules of a leaf are in the image. */
const SLACK_SLOTS = 8 * (LAYOUT.slc_rule6.size / SLOT_BYTES);

/** An entry of the section table, in slots. */
const SECTION_SLOTS = LAYOUT.slc_section.size / SLOT_BYTES;

const HEADER = LAYOUT.slc_image_header.fields;
const SECTION = LAYOUT.slc_section.fields;
const ROOTS = LAYOUT.slc_roots.fields;
const SERVICE = LAYOUT.slc_service.fields;
const RULE4 = LAYOUT.slc_rule4.fields;
const RULE6 = LAYOUT.slc_rule6.fields;

/** Where the header says which ports an entry's rows match. */
export const PORTS_OF_ENTRY: ReadonlyMap<number, { readonly offset: number }> = new Map<
  number,
  { readonly offset: number }
>([
  [SLC_ENTRY.KEEP_REACHABLE, HEADER.kept_ports],
  [SLC_ENTRY.GUARD_IN, HEADER.guard_in_ports],
  [SLC_ENTRY.GUARD_OUT, HEADER.guard_out_ports],
]);

/** Size of a leaf rule in slots. */
export const RULE_SLOTS: Readonly<Record<Family, number>> = {
  4: LAYOUT.slc_rule4.size / SLOT_BYTES,
  6: LAYOUT.slc_rule6.size / SLOT_BYTES,
};

/** The block of a section: the same bytes wherever it stands in an image. */
export function packBlock({ families, defaultWord, services }: BlockInput): Uint8Array {
  const writer = new ImageWriter();
  const root = writer.take(LAYOUT.slc_roots.size / SLOT_BYTES);
  const table = writer.take((LAYOUT.slc_service.size / SLOT_BYTES) * services.length);
  services.forEach((service, i) => {
    writeService(writer, table + i * (LAYOUT.slc_service.size / SLOT_BYTES), service);
  });
  writeTrees(writer, families[4], root * SLOT_BYTES + ROOTS.trees4.offset);
  writeTrees(writer, families[6], root * SLOT_BYTES + ROOTS.trees6.offset);
  writer.u32(root, ROOTS.default_word.offset, defaultWord);
  writer.u32(root, ROOTS.services.offset, table);
  for (let tree = 1; tree < SLC_LIMITS.TREES; tree++) {
    const least = ([4, 6] as const).map((family) => leastWord(families[family].rules, families[family].trees[tree]));
    writer.u32(root, ROOTS.least.offset + 4 * (tree - 1), Math.min(...least));
  }
  return writer.finish(LINE_BYTES);
}

/** Puts the image together. Throws `CapacityError` when it would have more than `MAX_IMAGE_SLOTS`. */
export function pack({ sections, limits, counterSlots, shares }: PackInput): Uint8Array {
  const tableAt = SLC_LIMITS.SECTIONS_SLOT;
  const limitsAt = tableAt + SECTION_SLOTS * sections.length;
  const roots = new Map<Uint8Array, number>();
  let slots = limitsAt + limits.bytes.length / SLOT_BYTES;
  for (const block of sections.flatMap(({ block: own, trial }) => (trial ? [own, trial.block] : [own]))) {
    if (roots.has(block)) continue;
    slots = Math.ceil(slots / LINE_SLOTS) * LINE_SLOTS;
    roots.set(block, slots);
    slots += block.length / SLOT_BYTES;
  }
  if (slots > MAX_IMAGE_SLOTS) throw new CapacityError('image slots', slots, MAX_IMAGE_SLOTS);
  const bytes = new Uint8Array(Math.ceil(((slots + SLACK_SLOTS) * SLOT_BYTES) / PAGE_BYTES) * PAGE_BYTES);
  const view = new DataView(bytes.buffer);
  const header = (field: { offset: number }, value: number): void => {
    view.setUint32(field.offset, value, true);
  };
  header(HEADER.magic, SLC_IMAGE_MAGIC);
  header(HEADER.abi_version, SLC_ABI_VERSION);
  header(HEADER.slots, slots);
  header(HEADER.sections, tableAt);
  header(HEADER.section_count, sections.length);
  header(HEADER.counter_slots, counterSlots);
  header(HEADER.limits, limitsAt);
  header(HEADER.limit_count, limits.count);
  header(HEADER.flow_share, shares.flows);
  header(HEADER.window_share, shares.windows);
  header(HEADER.event_share, shares.events);
  for (const [entry, field] of PORTS_OF_ENTRY) {
    const { first, last } = sections[entry].ports;
    header(field, first * 0x10000 + last);
  }
  const near = nearOfAll(sections);
  sections.forEach(({ block, rank, id, isUsed, trial }, i) => {
    const at = (tableAt + i * SECTION_SLOTS) * SLOT_BYTES;
    const root = roots.get(block)!;
    view.setUint8(at + SECTION.near_lines.offset, near[i].lines);
    view.setUint8(at + SECTION.near_counters.offset, near[i].counters);
    // Those of an edge that begins: who loads it over another one gives each server the number that it had there.
    view.setUint16(at + SECTION.owner.offset, i < SLC_ENTRY.SERVERS ? 0 : i - SLC_ENTRY.SERVERS + 1, true);
    view.setUint32(at + SECTION.root.offset, root, true);
    view.setUint32(at + SECTION.rank.offset, rank, true);
    view.setUint32(at + SECTION.previous_root.offset, trial ? roots.get(trial.block)! : root, true);
    view.setUint32(at + SECTION.previous_rank.offset, trial?.rank ?? rank, true);
    view.setUint16(at + SECTION.confirm.offset, trial?.word ?? 0, true);
    view.setUint8(at + SECTION.used.offset, Number(isUsed));
    view.setUint8(at + SECTION.previous_used.offset, Number(trial?.isUsed ?? isUsed));
    view.setBigUint64(at + SECTION.id.offset, id, true);
  });
  bytes.set(limits.bytes, limitsAt * SLOT_BYTES);
  for (const [block, root] of roots) bytes.set(block, root * SLOT_BYTES);
  return bytes;
}

/** What the datapath reads at once of a section, in cache lines. */
interface Near {
  readonly lines: number;
  readonly counters: number;
}

const NOTHING_NEAR: Near = { lines: 0, counters: 0 };

/** Fewer servers stay in the cache of a core, and then each read ahead is one in vain: 15 to 23 ns a packet. */
const NEAR_FROM_BYTES = 1 << 20;

function nearOfAll(sections: PackInput['sections']): Near[] {
  const near = sections.map(({ block, span, isServer }) => (isServer ? nearLines(block, span) : NOTHING_NEAR));
  const lines = near.reduce((sum, each) => sum + each.lines + each.counters, 0);
  return lines * LINE_BYTES < NEAR_FROM_BYTES ? sections.map(() => NOTHING_NEAR) : near;
}

/** Of a large one nothing: most of it would be read in vain. */
function nearLines(block: Uint8Array, span: number): Near {
  const lines = block.length / LINE_BYTES;
  const counters = Math.ceil((span * LAYOUT.slc_counter.size) / LINE_BYTES);
  const max: number = SLC_LIMITS.NEAR_MAX;
  return lines <= NEAR_BLOCK_LINES && counters <= max ? { lines: Math.min(lines, max), counters } : NOTHING_NEAR;
}

function writeTrees(writer: ImageWriter, { rules, trees }: FamilyTrees, rootsAt: number): void {
  const placed = new Map<Tree, SlotWords>();
  trees.forEach((tree, i) => writer.slotAt(rootsAt + i * SLOT_BYTES, place(writer, rules, tree, placed)));
}

/** Writes what the tree's slot points to, and returns the slot. Shared parts are written once. */
function place(writer: ImageWriter, rules: RuleTable, tree: Tree, placed: Map<Tree, SlotWords>): SlotWords {
  const known = placed.get(tree);
  if (known) return known;
  const slot = placeNew(writer, rules, tree, placed);
  placed.set(tree, slot);
  return slot;
}

function placeNew(writer: ImageWriter, rules: RuleTable, tree: Tree, placed: Map<Tree, SlotWords>): SlotWords {
  switch (tree.kind) {
    case 'terminal':
      return encodeSlot({ kind: 'terminal', word: wordOfTerminal(rules, tree) });
    case 'leaf': {
      const { length } = tree.rules;
      const ruleSlots = RULE_SLOTS[rules.family];
      const first = writer.takeTogether(length * ruleSlots);
      const writeRule = rules.family === 4 ? writeRule4 : writeRule6;
      tree.rules.forEach((rule, k) => writeRule(writer, first + k * ruleSlots, rules, rule, k === length - 1));
      const rank = rankOfWord(rules.word[tree.rules[0]]);
      return encodeSlot({ kind: 'leaf', first, rank, count: Math.min(length, LEAF_UNCOUNTED) });
    }
    case 'node': {
      const { lane, shift, width } = tree.cut;
      const { keyWord, offset } = rules.lanes[lane];
      const child = writer.take(tree.children.length, Math.min(tree.children.length, LINE_SLOTS));
      tree.children.forEach((part, value) => {
        writer.slotAt((child + value) * SLOT_BYTES, place(writer, rules, part, placed));
      });
      return encodeSlot({ kind: 'node', child, keyWord, shift: shift + offset, mask: (1 << width) - 1 });
    }
  }
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
  const shifts = (length: number): [number, number] => [64 - Math.min(64, length), 64 - Math.max(0, length - 64)];
  shifts(rules.destinationLength[rule]).forEach((shift, half) => {
    writer.u8(slot, RULE6.destination_shift.offset + half, shift);
  });
  shifts(rules.sourceLength[rule]).forEach((shift, half) => {
    writer.u8(slot, RULE6.source_shift.offset + half, shift);
  });
  writer.u16(slot, RULE6.service.offset, rules.service[rule]);
  writer.u8(slot, RULE6.service_above.offset, rules.service[rule] >>> 16);
  writer.u8(slot, RULE6.last.offset, last ? SLC_RULE_LAST : 0);
  writer.u32(slot, RULE6.word.offset, rules.word[rule]);
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
