/** Blocks of sections → the image: the flat array of `bpf/sluice_abi.h`. Numbers are little-endian, the host order of all targets. */
import { LAYOUT, SLC_ABI_VERSION, SLC_ENTRY, SLC_IMAGE_MAGIC, SLC_LIMITS } from '../abi/layout.gen';
import type { PortRange } from '../model/port-range';
import { CapacityError, MAX_IMAGE_SLOTS } from './capacity';
import type { Near } from './near';
import { type Block, RULE_SLOTS } from './pack-block';
import type { Shares } from './shares';
import { LINE_BYTES, LINE_SLOTS, PAGE_BYTES, SLOT_BYTES } from './units';

/** An entry of the section table. */
export interface PackedSection {
  /** Sections that have the same one share it. */
  readonly block: Block;
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

/** Of a block of more lines not all are read in advance. */
const NEAR_BLOCK_LINES = 2 * SLC_LIMITS.NEAR_MAX;
/** Slots behind the used ones: the datapath checks once that the first eight rules of a leaf are in the image. */
const SLACK_SLOTS = 8 * RULE_SLOTS[6];

/** An entry of the section table, in slots. */
const SECTION_SLOTS = LAYOUT.slc_section.size / SLOT_BYTES;

const HEADER = LAYOUT.slc_image_header.fields;
const SECTION = LAYOUT.slc_section.fields;
const NEAR = LAYOUT.slc_near.fields;

/** Where the header says which ports an entry's rows match. */
export const PORTS_OF_ENTRY: ReadonlyMap<number, { readonly offset: number }> = new Map<
  number,
  { readonly offset: number }
>([
  [SLC_ENTRY.KEEP_REACHABLE, HEADER.kept_ports],
  [SLC_ENTRY.GUARD_IN, HEADER.guard_in_ports],
  [SLC_ENTRY.GUARD_OUT, HEADER.guard_out_ports],
]);

/** An image that was put together before, whose pieces are found again in the next. */
interface PackedImage {
  readonly sections: readonly PackedSection[];
  readonly limitsAt: number;
  /** Slot of each block. */
  readonly roots: ReadonlyMap<Block, number>;
  readonly isReadAhead: boolean;
  readonly bytes: Uint8Array;
}

/** The last image, for whoever makes one after the other of thousands of sections: of the next only what differs is written. */
export class PackMemory {
  /** @internal */
  last: PackedImage | null = null;

  forget(): void {
    this.last = null;
  }
}

/** A larger image is not kept. */
const KEPT_BYTES = 32 << 20;

/**
 * Puts the image together. Throws `CapacityError` when it would have more than `MAX_IMAGE_SLOTS`. A section that is the same
 * object as in the image before is as it was there, but for where its blocks stand.
 */
export function pack(
  { sections, limits, counterSlots, shares }: PackInput,
  memory: PackMemory = new PackMemory(),
): Uint8Array {
  const tableAt = SLC_LIMITS.SECTIONS_SLOT;
  const limitsAt = tableAt + SECTION_SLOTS * sections.length;
  const roots = new Map<Block, number>();
  let slots = limitsAt + limits.bytes.length / SLOT_BYTES;
  const place = (block: Block): void => {
    if (roots.has(block)) return;
    slots = Math.ceil(slots / LINE_SLOTS) * LINE_SLOTS;
    roots.set(block, slots);
    slots += block.bytes.length / SLOT_BYTES;
  };
  for (const { block, trial } of sections) {
    place(block);
    if (trial) place(trial.block);
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
  const isReadAhead = hasFarServers(sections);
  const { last } = memory;
  const before = last && last.isReadAhead === isReadAhead && last.limitsAt === limitsAt ? last : null;
  if (before) bytes.set(before.bytes.subarray(tableAt * SLOT_BYTES, limitsAt * SLOT_BYTES), tableAt * SLOT_BYTES);
  sections.forEach((section, i) => {
    const { block, rank, span, id, isServer, isUsed, trial } = section;
    const at = (tableAt + i * SECTION_SLOTS) * SLOT_BYTES;
    const root = roots.get(block)!;
    const isKnown = before?.sections[i] === section;
    if (before && !isKnown) bytes.fill(0, at, at + SECTION_SLOTS * SLOT_BYTES);
    view.setUint32(at + SECTION.root.offset, root, true);
    view.setUint32(at + SECTION.previous_root.offset, trial ? roots.get(trial.block)! : root, true);
    if (isKnown) return;
    if (isReadAhead && isServer) {
      writeNear(view, at + SECTION.near4.offset, block.near[4]);
      writeNear(view, at + SECTION.near6.offset, block.near[6]);
      const lines = block.bytes.length / LINE_BYTES - 1;
      const counters = counterLines(span);
      // Of a large server nothing: most of it would be read in vain.
      if (lines <= NEAR_BLOCK_LINES && counters <= SLC_LIMITS.NEAR_MAX) {
        view.setUint8(at + SECTION.near_lines.offset, Math.min(lines, SLC_LIMITS.NEAR_MAX));
        view.setUint8(at + SECTION.near_counters.offset, counters);
      }
    }
    // Those of an edge that begins: who loads it over another one gives each server the number that it had there.
    view.setUint16(at + SECTION.owner.offset, i < SLC_ENTRY.SERVERS ? 0 : i - SLC_ENTRY.SERVERS + 1, true);
    view.setUint32(at + SECTION.rank.offset, rank, true);
    view.setUint32(at + SECTION.previous_rank.offset, trial?.rank ?? rank, true);
    view.setUint16(at + SECTION.confirm.offset, trial?.word ?? 0, true);
    view.setUint8(at + SECTION.used.offset, Number(isUsed));
    view.setUint8(at + SECTION.previous_used.offset, Number(trial?.isUsed ?? isUsed));
    view.setBigUint64(at + SECTION.id.offset, id, true);
    view.setUint32(at + SECTION.default_word.offset, block.defaultWord, true);
    for (const family of [4, 6] as const) {
      const only = block.only[family];
      if (!only) continue;
      view.setUint32(at + SECTION[`tree${family}`].offset, only.low, true);
      view.setUint32(at + SECTION[`tree${family}`].offset + 4, only.high, true);
    }
  });
  bytes.set(limits.bytes, limitsAt * SLOT_BYTES);
  placeBlocks(bytes, roots, last);
  memory.last = bytes.length <= KEPT_BYTES ? { sections, limitsAt, roots, isReadAhead, bytes } : null;
  return bytes;
}

/** Copies the blocks; those that follow one another as they did before at once. */
function placeBlocks(bytes: Uint8Array, roots: ReadonlyMap<Block, number>, before: PackedImage | null): void {
  // A run of blocks: first slot before and now, and the slot behind it now.
  let run: { readonly old: number; readonly first: number; end: number } | null = null;
  const finish = (): void => {
    if (!run) return;
    const { old, first, end } = run;
    bytes.set(before!.bytes.subarray(old * SLOT_BYTES, (old + end - first) * SLOT_BYTES), first * SLOT_BYTES);
    run = null;
  };
  for (const [block, root] of roots) {
    const old = before?.roots.get(block);
    const end = root + block.bytes.length / SLOT_BYTES;
    if (old === undefined) {
      finish();
      bytes.set(block.bytes, root * SLOT_BYTES);
    } else if (run && root === run.end && old - run.old === root - run.first) {
      run.end = end;
    } else {
      finish();
      run = { old, first: root, end };
    }
  }
  finish();
}

/** Fewer servers stay in the cache of a core, and then each read ahead is one in vain: 15 to 23 ns a packet. */
const NEAR_FROM_BYTES = 1 << 20;

/** Whether what packets need of servers is in no near cache. */
function hasFarServers(sections: PackInput['sections']): boolean {
  let bytes = 0;
  for (const { isServer, block, span } of sections)
    if (isServer) bytes += block.bytes.length + counterLines(span) * LINE_BYTES;
  return bytes >= NEAR_FROM_BYTES;
}

function counterLines(span: number): number {
  return Math.ceil((span * LAYOUT.slc_hits.size) / LINE_BYTES);
}

function writeNear(view: DataView, at: number, { first, step }: Near): void {
  view.setUint16(at + NEAR.first.offset, first, true);
  view.setUint16(at + NEAR.step.offset, step, true);
}
