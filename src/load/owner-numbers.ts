/**
 * Numbers of servers: what they have of tables that outlive generations is counted by number, so each keeps its own for as
 * long as it is enforced. Which one that is says the image that judges; no file has to.
 */
import { join } from 'node:path';
import { LAYOUT, SLC_ENTRY, SLC_LIMITS } from '../abi/layout.gen';
import type { Image } from '../compile/image';
import type { FlowMaps } from '../kernel/datapath';
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

/**
 * The image with the numbers that its servers have already; those that are new have ones that nobody has, and begin with
 * nothing behind them. `beside`: another image that is about to judge, whose servers have theirs. The caller holds the lock.
 */
export async function numberServers(
  kernel: Kernel,
  pins: PinLayout,
  state: SharedState,
  image: Image,
  flows: FlowMaps,
  beside?: Image,
): Promise<Image> {
  const live = [...liveGenerations(state)].sort((a, b) => a - b);
  if (!image.features.servers || live.length === 0) return image;
  const pinned = live.flatMap((generation) => [...pinnedOwnerNumbers(kernel, pins, generation)]);
  const known = new Map([...(beside ? ownerNumbers(beside.bytes) : []), ...pinned]);
  const bytes = Uint8Array.from(image.bytes);
  const view = new DataView(bytes.buffer);
  const free = new FreeNumbers(new Set(known.values()), [flows.flowShares, state.tables.windowShares]);
  for (let at = SERVERS_AT; at < endOfSections(view); at += SECTION_BYTES) {
    const number = known.get(view.getBigUint64(at + SECTION.id.offset, true)) ?? free.take();
    view.setUint16(at + SECTION.owner.offset, number, true);
  }
  await clearFigures(free.taken, {
    shares: [flows.flowShares, state.tables.windowShares],
    events: state.eventMaps.eventSources,
  });
  return { ...image, bytes };
}

/** Numbers that no server has: first those that nothing is left of in the tables. */
class FreeNumbers {
  readonly taken: number[] = [];
  #left: number[] | null = null;

  constructor(
    private readonly used: ReadonlySet<number>,
    private readonly tables: readonly BpfMap[],
  ) {}

  take(): number {
    this.#left ??= this.#sorted();
    // There are more numbers than servers, but two generations that live may have others each.
    const number = this.#left.shift() ?? 1;
    this.taken.push(number);
    return number;
  }

  #sorted(): number[] {
    const held = this.tables.map((map) => Buffer.from(map.lookup(new Uint8Array(4))!));
    const isHeld = (number: number): boolean =>
      held.some((shares) => shares.readBigUInt64LE(number * SHARE_BYTES + SHARE.held.offset) > 0n);
    const free = Array.from({ length: SLC_LIMITS.OWNERS - 1 }, (_, i) => i + 1).filter((each) => !this.used.has(each));
    return [...free.filter((each) => !isHeld(each)), ...free.filter(isHeld)];
  }
}

/** What was counted of whoever had the number before. What he holds stays counted: it goes as its ways are given away. */
async function clearFigures(
  numbers: readonly number[],
  { shares, events }: { readonly shares: readonly BpfMap[]; readonly events: BpfMap },
): Promise<void> {
  if (numbers.length === 0) return;
  for (const map of shares) {
    const region = map.mmap({ writable: true });
    for (const number of numbers)
      for (const field of [SHARE.evicted, SHARE.refused]) region.store64(number * SHARE_BYTES + field.offset, 0n);
    region.close();
  }
  const region = events.mmap({ writable: true });
  for (let row = 0; row < events.info().maxEntries; row++)
    for (const number of numbers)
      await region.write(row * ROW_BYTES + ROW.owners.offset + number * OWNER_BYTES, Buffer.alloc(OWNER_BYTES));
  region.close();
}
