/**
 * What is under ALLOW ALL in the kernel: deadlines, which the programs read, and counts, which they write. Whoever changes
 * it holds the lock of the namespace. That a deadline has passed the datapath sees by its clock; here what has ended is
 * only read and cleared away.
 */
import { LAYOUT, SLC_LIMITS } from '../abi/layout.gen';
import { sectionId } from '../compile/owners';
import type { BpfMap, MappedRegion } from '../kernel/kernel';
import type { Family } from '../model/prefix';

const { slc_open: ENTRY, slc_open_row: ROW } = LAYOUT;
/** The last of all deadlines. */
const OPEN_WORD = LAYOUT.slc_state.fields.open.offset;
/** Entry of the whole edge. */
const EDGE = 0;

/** What the datapath asks about ALLOW ALL. */
export interface OpenMaps {
  /** `struct slc_state`: until when it has to look at all. */
  readonly state: BpfMap;
  readonly open: BpfMap;
  /** Entry of each section. */
  readonly index: BpfMap;
}

/** Packets that a row would have refused. */
export interface OpenRow {
  readonly generation: number;
  readonly rank: number;
  readonly packets: bigint;
  readonly bytes: bigint;
  /** CLOCK_BOOTTIME ns of the newest. */
  readonly lastHitNs: bigint;
  /** Where the newest came from. */
  readonly source: { readonly family: Family; readonly words: readonly number[] };
}

/** One entry: a section, or the whole edge. */
export interface OpenEntry {
  readonly entry: number;
  /** Of the section (`sectionId`); 0 of the whole edge. */
  readonly id: bigint;
  /** CLOCK_BOOTTIME ns. */
  readonly deadlineNs: bigint;
  /** All that would have been refused, and how many of them by rows that found no place in `rows`. */
  readonly packets: bigint;
  readonly bytes: bigint;
  readonly unlisted: bigint;
  readonly rows: readonly OpenRow[];
}

/** There is no room for another section. */
export class OpenTableFullError extends RangeError {}

export class OpenTable {
  constructor(private readonly maps: OpenMaps) {}

  /** Until when anything is open, boot-time ns; 0n where nothing was, or all is tidied up. */
  get lastDeadlineNs(): bigint {
    const state = this.maps.state.mmap({ writable: false });
    try {
      return state.load64(OPEN_WORD);
    } finally {
      state.close();
    }
  }

  /** All entries, also those whose deadline has passed. */
  list(): OpenEntry[] {
    const region = this.maps.open.mmap({ writable: false });
    try {
      const bytes = Buffer.from(region.read(0, ENTRY.size * SLC_LIMITS.OPEN_SECTIONS));
      const entries = Array.from({ length: SLC_LIMITS.OPEN_SECTIONS }, (_, entry) =>
        readEntry(entry, bytes.subarray(entry * ENTRY.size, (entry + 1) * ENTRY.size)),
      );
      return entries.filter(({ deadlineNs }) => deadlineNs !== 0n);
    } finally {
      region.close();
    }
  }

  /**
   * Opens a section, or the whole edge (null), until a boot time; one that is open gets the new deadline and keeps its
   * counts. Throws `OpenTableFullError`.
   */
  open(section: string | null, deadlineNs: bigint): void {
    const id = section === null ? 0n : sectionId(section);
    const entries = this.list();
    const entry = section === null ? EDGE : (entries.find((one) => one.id === id)?.entry ?? freeEntry(entries));
    // The word first: a deadline that nobody looks at is none.
    const last = [...entries.filter((one) => one.entry !== entry).map((one) => one.deadlineNs), deadlineNs].reduce(
      later,
    );
    this.write((region, state) => {
      state.store64(OPEN_WORD, last);
      region.store64(entry * ENTRY.size + ENTRY.fields.id.offset, id);
      region.store64(entry * ENTRY.size + ENTRY.fields.deadline.offset, deadlineNs);
    });
    if (section !== null) this.maps.index.update(keyOf(id), valueOf(entry));
  }

  /** Closes an entry at once; its counts stay until it is cleared. */
  close(entry: number, nowNs: bigint): void {
    this.write((region) => {
      region.store64(entry * ENTRY.size + ENTRY.fields.deadline.offset, nowNs);
    });
  }

  /** Forgets entries that nobody passes by any more: the caller has waited until no packet is inside a program. */
  async clear(entries: readonly OpenEntry[]): Promise<void> {
    for (const { entry, id } of entries) {
      if (entry !== EDGE) this.maps.index.delete(keyOf(id));
      const region = this.maps.open.mmap({ writable: true });
      try {
        await region.write(entry * ENTRY.size, Buffer.alloc(ENTRY.size));
      } finally {
        region.close();
      }
    }
    this.adopt();
  }

  /** Says in the state which deadline is the last: also of entries that another state's map held already. */
  adopt(): void {
    const last = this.list()
      .map(({ deadlineNs }) => deadlineNs)
      .reduce(later, 0n);
    this.write((_, state) => {
      state.store64(OPEN_WORD, last);
    });
  }

  /** Frees the rows of a generation that judges no more. */
  freeRows(generation: number): void {
    const found = this.list().flatMap(({ entry, rows }) => rows.map((row, i) => ({ entry, row, at: i })));
    if (!found.some(({ row }) => row.generation === generation)) return;
    this.write((region) => {
      for (const { entry } of new Map(found.map((one) => [one.entry, one])).values())
        for (let i = 0; i < SLC_LIMITS.OPEN_ROWS; i++) {
          const at = entry * ENTRY.size + ENTRY.fields.rows.offset + i * ROW.size;
          if (region.load64(at + ROW.fields.judged.offset) >> 32n !== BigInt(generation)) continue;
          // The counts first: whoever takes the place begins with none.
          region.store64(at + ROW.fields.packets.offset, 0n);
          region.store64(at + ROW.fields.bytes.offset, 0n);
          region.store64(at + ROW.fields.judged.offset, 0n);
        }
    });
  }

  private write(change: (open: MappedRegion, state: MappedRegion) => void): void {
    const open = this.maps.open.mmap({ writable: true });
    const state = this.maps.state.mmap({ writable: true });
    try {
      change(open, state);
    } finally {
      open.close();
      state.close();
    }
  }
}

function freeEntry(entries: readonly OpenEntry[]): number {
  const taken = new Set(entries.map(({ entry }) => entry));
  for (let entry = EDGE + 1; entry < SLC_LIMITS.OPEN_SECTIONS; entry++) if (!taken.has(entry)) return entry;
  throw new OpenTableFullError(`${SLC_LIMITS.OPEN_SECTIONS - 1} sections are under ALLOW ALL`);
}

function readEntry(entry: number, bytes: Buffer): OpenEntry {
  const { fields } = ENTRY;
  const rows = Array.from({ length: SLC_LIMITS.OPEN_ROWS }, (_, i) =>
    readRow(bytes.subarray(fields.rows.offset + i * ROW.size, fields.rows.offset + (i + 1) * ROW.size)),
  );
  return {
    entry,
    id: bytes.readBigUInt64LE(fields.id.offset),
    deadlineNs: bytes.readBigUInt64LE(fields.deadline.offset),
    packets: bytes.readBigUInt64LE(fields.packets.offset),
    bytes: bytes.readBigUInt64LE(fields.bytes.offset),
    unlisted: bytes.readBigUInt64LE(fields.unlisted.offset),
    rows: rows.filter(({ generation, rank }) => generation !== 0 || rank !== 0),
  };
}

function readRow(bytes: Buffer): OpenRow {
  const { fields } = ROW;
  const judged = bytes.readBigUInt64LE(fields.judged.offset);
  const family = bytes.readUInt32LE(fields.family.offset) === 6 ? 6 : 4;
  const words = Array.from({ length: family === 6 ? 4 : 1 }, (_, i) =>
    bytes.readUInt32LE(fields.source.offset + 4 * i),
  );
  return {
    generation: Number(judged >> 32n),
    rank: Number(judged & 0xffffffffn),
    packets: bytes.readBigUInt64LE(fields.packets.offset),
    bytes: bytes.readBigUInt64LE(fields.bytes.offset),
    lastHitNs: bytes.readBigUInt64LE(fields.last_hit.offset),
    source: { family, words },
  };
}

function later(one: bigint, other: bigint): bigint {
  return one > other ? one : other;
}

function keyOf(id: bigint): Uint8Array {
  const key = Buffer.alloc(8);
  key.writeBigUInt64LE(id);
  return key;
}

function valueOf(entry: number): Uint8Array {
  const value = Buffer.alloc(4);
  value.writeUInt32LE(entry);
  return value;
}
