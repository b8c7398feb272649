/** Reads of an image that never leave it; what the walk, the printer and the tests see of the bytes. */
import {
  LAYOUT,
  SLC_ABI_VERSION,
  SLC_IMAGE_MAGIC,
  SLC_KEY_WORD,
  SLC_LIMITS,
  SLC_RULE_LAST,
  SLC_RULE_SHIFT_MASK,
  SLC_WORD_FAULT,
  SLC_WORD_RANK_SHIFT,
} from '../abi/layout.gen';
import type { PortRange } from '../model/port-range';
import { addressBits, type Family } from '../model/prefix';
import { PORTS_OF_ENTRY } from './pack';
import { RULE_SLOTS, SHORT_SLOTS } from './pack-block';
import { decodeSlot, EMPTY_SLOT, LEAF_UNCOUNTED, type Slot } from './slot';
import { SLOT_BYTES } from './units';

/** An index that points outside the image, or a number that cannot be: a bug in the compiler or torn bytes. */
export class ImageFault extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ImageFault';
  }
}

/** A leaf rule as it stands in the image. */
export interface LeafRule {
  /** Slot index of the rule. */
  readonly slot: number;
  readonly word: number;
  /** Number of its service; of a short rule the bounds that it says itself. */
  readonly service: number | ServiceBounds;
  /** Address words and prefix lengths. */
  readonly destination: readonly number[];
  readonly destinationLength: number;
  readonly source: readonly number[];
  readonly sourceLength: number;
  readonly last: boolean;
}

/** Where a section's block stands. What the reader hands out is never relative to it, but as in the whole image. */
export interface Place {
  /** Slot index of the block, from which those in it count. */
  readonly base: number;
  /** What is added to the ranks of its words. */
  readonly rank: number;
}

/** The root block of a section. */
export interface Roots extends Place {
  readonly trees: Readonly<Record<Family, readonly Slot[]>>;
  /** The smallest word of each tree but the first, of both families together. */
  readonly least: readonly number[];
  readonly defaultWord: number;
  /** Slot index of the service table. */
  readonly services: number;
}

/** Inclusive bounds of a service's lanes: destination port, source port, protocol lane. */
export interface ServiceBounds {
  readonly low: readonly [number, number, number];
  readonly high: readonly [number, number, number];
}

const HEADER = LAYOUT.slc_image_header.fields;
const SECTION = LAYOUT.slc_section;
const ROOTS = LAYOUT.slc_roots;
const SERVICE = LAYOUT.slc_service;
const CLASSES = LAYOUT.slc_classes;
const RULE4 = LAYOUT.slc_rule4.fields;
const RULE6 = LAYOUT.slc_rule6.fields;
const SHORT = { 4: LAYOUT.slc_short4.fields, 6: LAYOUT.slc_short6.fields } as const;
const ANYWHERE: Readonly<Record<Family, readonly number[]>> = { 4: [0], 6: [0, 0, 0, 0] };

/** Class tables, see `struct slc_classes`: numbers by index. */
export interface ImageClasses extends Readonly<
  Record<
    'destinations' | 'sources' | 'ports' | 'lanes' | 'columns' | 'lines' | 'cells' | 'sourcePorts' | 'lists' | 'word',
    (index: number) => number
  >
> {
  readonly sourceCount: number;
  readonly laneCount: number;
  readonly columnCount: number;
  /** 0: no rule looks at the source port. */
  readonly sourcePortCount: number;
}

/** Every method throws `ImageFault` instead of reading outside the slots in use. */
export class ImageReader {
  /** Slots in use, as the header says. */
  readonly slots: number;
  readonly sectionCount: number;
  private readonly view: DataView;

  constructor(bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.slots = Math.floor(bytes.byteLength / SLOT_BYTES);
    if (bytes.byteLength < LAYOUT.slc_image_header.size) throw new ImageFault('the image ends inside its header');
    const header = (field: { offset: number }): number => this.view.getUint32(field.offset, true);
    if (header(HEADER.magic) !== SLC_IMAGE_MAGIC) throw new ImageFault('the bytes do not begin as an image');
    if (header(HEADER.abi_version) !== SLC_ABI_VERSION) {
      throw new ImageFault(`the image has ABI version ${header(HEADER.abi_version)}, expected ${SLC_ABI_VERSION}`);
    }
    if (header(HEADER.slots) > this.slots) throw new ImageFault('the image is shorter than its header says');
    this.slots = header(HEADER.slots);
    this.sectionCount = header(HEADER.section_count);
  }

  /** The ports that rows of an entry of the guard match, as the header says; null of others: all. */
  portsOf(entry: number): PortRange | null {
    const field = PORTS_OF_ENTRY.get(entry);
    if (!field) return null;
    const ports = this.view.getUint32(field.offset, true);
    return { first: ports >>> 16, last: ports & 0xffff };
  }

  /** The root block of a section (an index into the section table), or of what judges again where that is not confirmed. */
  roots(section: number, isReturned = false): Roots {
    const place = this.placeOf(section, isReturned);
    const { base, rank } = place;
    const at = this.byteOf(base, ROOTS.size);
    const trees = (offset: number): Slot[] =>
      Array.from({ length: SLC_LIMITS.TREES }, (_, tree) => this.slotAtByte(at + offset + tree * SLOT_BYTES, place));
    return {
      ...place,
      trees: { 4: trees(ROOTS.fields.trees4.offset), 6: trees(ROOTS.fields.trees6.offset) },
      least: Array.from({ length: SLC_LIMITS.TREES - 1 }, (_, i) =>
        wordFrom(this.view.getUint32(at + ROOTS.fields.least.offset + 4 * i, true), rank),
      ),
      defaultWord: wordFrom(this.view.getUint32(at + ROOTS.fields.default_word.offset, true), rank),
      services: base + this.view.getUint32(at + ROOTS.fields.services.offset, true),
    };
  }

  /** The class tables at a slot of a block. */
  classes(tables: number, { base, rank }: Place): ImageClasses {
    const at = this.byteOf(tables, CLASSES.size);
    const field = ({ offset }: { offset: number }): number => this.view.getUint32(at + offset, true);
    const { fields } = CLASSES;
    const numbers = ({ offset }: { offset: number }, width: 2 | 4): ((index: number) => number) => {
      const first = base * SLOT_BYTES + field({ offset }) * width;
      return (index) => {
        const byte = first + index * width;
        if (byte + width > this.slots * SLOT_BYTES) throw new ImageFault('a class table ends outside the image');
        return width === 2 ? this.view.getUint16(byte, true) : this.view.getUint32(byte, true);
      };
    };
    const words = numbers(fields.words, 4);
    return {
      destinations: numbers(fields.destinations, 2),
      sources: numbers(fields.sources, 2),
      ports: numbers(fields.ports, 2),
      lanes: numbers(fields.lanes, 2),
      columns: numbers(fields.columns, 2),
      lines: numbers(fields.lines, 2),
      cells: numbers(fields.cells, 2),
      sourcePorts: numbers(fields.source_ports, 2),
      lists: numbers(fields.lists, 2),
      word: (place) => wordFrom(words(place), rank),
      sourceCount: field(fields.source_count),
      laneCount: field(fields.lane_count),
      columnCount: field(fields.column_count),
      sourcePortCount: field(fields.source_port_count),
    };
  }

  /** Whether the rows of a section, or its default, can decide anything. */
  isUsed(section: number, isReturned = false): boolean {
    const at = this.byteOf(SLC_LIMITS.SECTIONS_SLOT + section * (SECTION.size / SLOT_BYTES), SECTION.size);
    return this.view.getUint8(at + SECTION.fields[isReturned ? 'previous_used' : 'used'].offset) !== 0;
  }

  /** Whether a section before it has the same root block. */
  sharesRoots(section: number): boolean {
    return Array.from({ length: section }, (_, before) => this.placeOf(before).base).includes(
      this.placeOf(section).base,
    );
  }

  private placeOf(section: number, isReturned = false): Place {
    if (section >= this.sectionCount) throw new ImageFault(`the image has no section ${section}`);
    const at = this.byteOf(SLC_LIMITS.SECTIONS_SLOT + section * (SECTION.size / SLOT_BYTES), SECTION.size);
    return {
      base: this.view.getUint32(at + SECTION.fields[isReturned ? 'previous_root' : 'root'].offset, true),
      rank: this.view.getUint32(at + SECTION.fields[isReturned ? 'previous_rank' : 'rank'].offset, true),
    };
  }

  /** A slot of the block at a place. */
  slot(index: number, place: Place): Slot {
    return this.slotAtByte(this.byteOf(index, SLOT_BYTES), place);
  }

  /** The bounds of a rule's service. */
  service(services: number, number: LeafRule['service']): ServiceBounds {
    if (typeof number !== 'number') return number;
    const at = this.byteOf(services + number * (SERVICE.size / SLOT_BYTES), SERVICE.size);
    return {
      low: this.serviceLanes(at + SERVICE.fields.lo.offset),
      high: this.serviceLanes(at + SERVICE.fields.hi.offset),
    };
  }

  /** The rules of a leaf in order, as many as its slot or its last rule says; at most `SLC_MAX_LEAF_RULES`. */
  *leafRules(
    family: Family,
    { first, count, short }: Pick<Slot & { kind: 'leaf' }, 'first' | 'count' | 'short'>,
    { rank }: Pick<Place, 'rank'>,
  ): Generator<LeafRule> {
    const slots = (short ? SHORT_SLOTS : RULE_SLOTS)[family];
    const readRule = short
      ? (slot: number, at: number) => this.shortRule(family, slot, at)
      : family === 4
        ? (slot: number, at: number) => this.rule4(slot, at)
        : (slot: number, at: number) => this.rule6(slot, at);
    for (let k = 0; k < SLC_LIMITS.MAX_LEAF_RULES; k++) {
      if ((count !== LEAF_UNCOUNTED && k === count) || (short && k === SLC_LIMITS.SHORT_LEAF)) return;
      const slot = first + k * slots;
      const rule = readRule(slot, this.byteOf(slot, slots * SLOT_BYTES));
      yield { ...rule, word: wordFrom(rule.word, rank) };
      if (rule.last) return;
    }
    throw new ImageFault('a leaf has no last rule');
  }

  private rule4(slot: number, at: number): LeafRule {
    const { view } = this;
    const destination = view.getUint8(at + RULE4.destination_shift.offset);
    const source = view.getUint8(at + RULE4.source_shift.offset);
    return {
      slot,
      word: view.getUint32(at + RULE4.word.offset, true),
      service:
        view.getUint16(at + RULE4.service.offset, true) |
        ((destination & ~SLC_RULE_SHIFT_MASK) << 10) |
        ((source & ~SLC_RULE_SHIFT_MASK & ~SLC_RULE_LAST) << 12),
      destination: [view.getUint32(at + RULE4.destination.offset, true)],
      destinationLength: 32 - (destination & SLC_RULE_SHIFT_MASK),
      source: [view.getUint32(at + RULE4.source.offset, true)],
      sourceLength: 32 - (source & SLC_RULE_SHIFT_MASK),
      last: (source & SLC_RULE_LAST) !== 0,
    };
  }

  private rule6(slot: number, at: number): LeafRule {
    const { view } = this;
    // Halves are stored most significant first, the words within a half least significant first.
    const words = (offset: number): number[] => [4, 0, 12, 8].map((word) => view.getUint32(at + offset + word, true));
    const length = (offset: number): number => 128 - view.getUint8(at + offset) - view.getUint8(at + offset + 1);
    return {
      slot,
      word: view.getUint32(at + RULE6.word.offset, true),
      service: view.getUint16(at + RULE6.service.offset, true) | (view.getUint8(at + RULE6.service_above.offset) << 16),
      destination: words(RULE6.destination.offset),
      destinationLength: length(RULE6.destination_shift.offset),
      source: words(RULE6.source.offset),
      sourceLength: length(RULE6.source_shift.offset),
      last: (view.getUint8(at + RULE6.last.offset) & SLC_RULE_LAST) !== 0,
    };
  }

  private shortRule(family: Family, slot: number, at: number): LeafRule {
    const { view } = this;
    const fields = SHORT[family];
    const service: ServiceBounds = {
      low: [view.getUint16(at + fields.port_first.offset, true), 0, view.getUint8(at + fields.lane_first.offset)],
      high: [view.getUint16(at + fields.port_last.offset, true), 0xffff, view.getUint8(at + fields.lane_last.offset)],
    };
    // Halves are stored most significant first, the words within a half least significant first.
    const words = family === 4 ? [0] : [4, 0, 12, 8];
    const shifts = at + fields.shift.offset;
    const unused = view.getUint8(shifts) + (family === 4 ? 0 : view.getUint8(shifts + 1));
    const length = addressBits(family) - unused;
    const address = words.map((word) => view.getUint32(at + fields.address.offset + word, true));
    return {
      slot,
      word: view.getUint32(at + fields.word.offset, true),
      service,
      ...(view.getUint8(at + fields.key_word.offset) === SLC_KEY_WORD.SOURCE
        ? { destination: ANYWHERE[family], destinationLength: 0, source: address, sourceLength: length }
        : { destination: address, destinationLength: length, source: ANYWHERE[family], sourceLength: 0 }),
      last: false,
    };
  }

  /** Destination port, source port and protocol lane of one half of a service (SLC_SERVICE_*), guards left out. */
  private serviceLanes(at: number): [number, number, number] {
    const low = this.view.getUint32(at, true);
    const high = this.view.getUint32(at + 4, true);
    return [low & 0xffff, ((low >>> 17) | (high << 15)) & 0xffff, (high >>> 2) & 0xff];
  }

  private slotAtByte(at: number, { base, rank }: Place): Slot {
    const slot = decodeSlot(this.view.getUint32(at, true), this.view.getUint32(at + 4, true));
    switch (slot.kind) {
      case 'node':
        return { ...slot, child: base + slot.child };
      case 'leaf':
        return { ...slot, first: base + slot.first, rank: rank + slot.rank };
      case 'classes':
        return { ...slot, tables: base + slot.tables, rank: rank + slot.rank };
      case 'terminal':
        return { ...slot, word: wordFrom(slot.word, rank) };
    }
  }

  private byteOf(slot: number, bytes: number): number {
    if (slot < 0 || slot * SLOT_BYTES + bytes > this.slots * SLOT_BYTES) {
      throw new ImageFault(`slot ${slot} lies outside the ${this.slots} slots of the image`);
    }
    return slot * SLOT_BYTES;
  }
}

/** A word of a block as one of the image. */
function wordFrom(word: number, rank: number): number {
  return word >= SLC_WORD_FAULT ? word : word + rank * 2 ** SLC_WORD_RANK_SHIFT;
}

/** Whether the slot says that nothing of its tree matches. */
export function isEmptySlot(slot: Slot): boolean {
  return slot.kind === 'terminal' && slot.word === EMPTY_SLOT.low;
}
