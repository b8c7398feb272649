/**
 * Numbers of servers: what they have of tables that outlive generations is counted by number, so each keeps its own for as
 * long as it is enforced, under a new version of sluice too. Which one that is says the image that judges; no file has to.
 */
import { join } from 'node:path';
import { LAYOUT, SLC_ENTRY, SLC_LIMITS } from '../abi/layout.gen';
import type { Image } from '../compile/image';
import type { FlowMaps } from '../kernel/datapath-maps';
import type { BpfMap, Kernel } from '../kernel/kernel';
import type { PinLayout } from '../kernel/pins';
import { GENERATION_PINS, liveGenerations } from './generations';
import type { SharedState } from './state';

const { fields: SECTION, size: SECTION_BYTES } = LAYOUT.slc_section;
const { fields: HEADER, size: HEADER_BYTES } = LAYOUT.slc_image_header;
const { fields: SHARE, size: SHARE_BYTES } = LAYOUT.slc_share;
const { fields: ROW, size: ROW_BYTES } = LAYOUT.slc_event_sources;
const OWNER_BYTES = LAYOUT.slc_event_owner.size;
/** Where the entry of the first server stands. */
const SERVERS_AT = SLC_LIMITS.SECTIONS_SLOT * 8 + SLC_ENTRY.SERVERS * SECTION_BYTES;

/** Number of each server of an image, by the id of its section. */
export function ownerNumbers(image: Uint8Array): Map<bigint, number> {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const numbers = new Map<bigint, number>();
  for (let at = SERVERS_AT; at < endOfSections(view); at += SECTION_BYTES)
    numbers.set(view.getBigUint64(at + SECTION.id.offset, true), view.getUint16(at + SECTION.owner.offset, true));
  return numbers;
}

/** The same of a pinned generation. */
export function pinnedOwnerNumbers(kernel: Kernel, pins: PinLayout, generation: number): Map<bigint, number> {
  const map = kernel.openPinnedMap(join(pins.generation(generation), GENERATION_PINS.image));
  try {
    const region = map.mmap({ writable: false });
    try {
      const header = Buffer.from(region.read(0, HEADER_BYTES));
      return ownerNumbers(Buffer.from(region.read(0, endOfSections(new DataView(header.buffer, header.byteOffset)))));
    } finally {
      region.close();
    }
  } finally {
    map.close();
  }
}

function endOfSections(view: DataView): number {
  return SLC_LIMITS.SECTIONS_SLOT * 8 + view.getUint32(HEADER.section_count.offset, true) * SECTION_BYTES;
}

/** Flows that each server of the image has room for; null where there are none. */
export function flowShareOf({ bytes, features }: Image): number | null {
  if (!features.servers) return null;
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(HEADER.flow_share.offset, true);
}

/** Numbers of the servers of each generation that may judge, of the one that judges or waits last. */
export type KnownNumbers = readonly ReadonlyMap<bigint, number>[];

/** Where servers are counted by their numbers. */
export interface CountedTables {
  /** `struct slc_shares` each. */
  readonly shares: readonly BpfMap[];
  readonly events: BpfMap;
}

/** Numbers of the generations that live. */
export function liveOwnerNumbers(kernel: Kernel, pins: PinLayout, state: SharedState): KnownNumbers {
  const live = [...liveGenerations(state)].sort((a, b) => a - b);
  return live.map((generation) => pinnedOwnerNumbers(kernel, pins, generation));
}

/** The tables of the state, and those of its flows. */
export function countedTables(state: SharedState, { flowShares }: Pick<FlowMaps, 'flowShares'>): CountedTables {
  return { shares: [flowShares, state.tables.windowShares], events: state.eventMaps.eventSources };
}

/**
 * The image with the numbers that its servers have already; those that are new have ones that nobody has, and begin with
 * nothing behind them. No two of an image have the same. The caller holds the lock.
 */
export async function numberServers(image: Image, known: KnownNumbers, tables: CountedTables): Promise<Image> {
  if (!image.features.servers) return image;
  const bytes = Uint8Array.from(image.bytes);
  const ids = [...ownerNumbers(bytes).keys()];
  const ours = new Map<bigint, number>();
  const taken = new Set<number>();
  // Where two generations gave one number to two servers, who judges keeps his.
  for (const numbers of known.toReversed())
    for (const id of ids) {
      const number = numbers.get(id) ?? 0;
      if (number === 0 || ours.has(id) || taken.has(number)) continue;
      ours.set(id, number);
      taken.add(number);
    }
  const news = ids.filter((id) => !ours.has(id));
  const free =
    news.length === 0 ? [] : freeNumbers(taken, new Set(known.flatMap((each) => [...each.values()])), tables);
  const given = news.map((id, i) => [id, free[i]] as const);
  for (const [id, number] of given) ours.set(id, number);
  const view = new DataView(bytes.buffer);
  ids.forEach((id, i) => {
    view.setUint16(SERVERS_AT + i * SECTION_BYTES + SECTION.owner.offset, ours.get(id)!, true);
  });
  await clearFigures(
    given.map(([, number]) => number),
    tables,
  );
  return { ...image, bytes };
}

/**
 * Numbers that no server of the image has, of which there are always enough: first those that nothing is left of in the
 * tables. Last those of servers of another generation, who then have theirs together with one whom they never judge beside.
 */
function freeNumbers(taken: ReadonlySet<number>, others: ReadonlySet<number>, { shares }: CountedTables): number[] {
  const held = shares.map((map) => Buffer.from(map.lookup(new Uint8Array(4))!));
  const isHeld = (number: number): boolean =>
    held.some((all) => all.readBigUInt64LE(number * SHARE_BYTES + SHARE.held.offset) > 0n);
  const worth = (number: number): number => (others.has(number) ? 2 : Number(isHeld(number)));
  return Array.from({ length: SLC_LIMITS.OWNERS - 1 }, (_, i) => i + 1)
    .filter((number) => !taken.has(number))
    .map((number) => ({ number, worth: worth(number) }))
    .sort((one, other) => one.worth - other.worth || one.number - other.number)
    .map(({ number }) => number);
}

/** What was counted of whoever had the number before. What he holds stays counted: it goes as its ways are given away. */
async function clearFigures(numbers: readonly number[], { shares, events }: CountedTables): Promise<void> {
  if (numbers.length === 0) return;
  for (const map of shares) {
    const region = map.mmap({ writable: true });
    try {
      for (const number of numbers)
        for (const field of [SHARE.evicted, SHARE.refused]) region.store64(number * SHARE_BYTES + field.offset, 0n);
    } finally {
      region.close();
    }
  }
  const runs = runsOf(numbers);
  const region = events.mmap({ writable: true });
  try {
    for (let row = 0; row < events.info().maxEntries; row++)
      for (const { first, count } of runs)
        await region.write(
          row * ROW_BYTES + ROW.owners.offset + first * OWNER_BYTES,
          Buffer.alloc(count * OWNER_BYTES),
        );
  } finally {
    region.close();
  }
}

/** Numbers that follow one another: thousands of new servers of a machine with many CPUs are not cleared one by one. */
function runsOf(numbers: readonly number[]): { readonly first: number; readonly count: number }[] {
  const runs: { first: number; count: number }[] = [];
  for (const number of numbers.toSorted((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last && last.first + last.count === number) last.count++;
    else runs.push({ first: number, count: 1 });
  }
  return runs;
}
