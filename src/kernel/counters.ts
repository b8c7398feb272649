/** Counters of one generation: a row a CPU, a slot a rank or reason, read through mmap without system calls. */
import { LAYOUT } from '../abi/layout.gen';
import type { BpfMap } from './kernel';

/** Sums over all CPUs. */
export interface CounterFigures {
  readonly packets: bigint;
  readonly bytes: bigint;
  /** Jiffies of the newest packet, 0n where there was none. */
  readonly lastHitJiffies: bigint;
}

const { size: SLOT_BYTES, fields: FIELD } = LAYOUT.slc_counter;
/** 64-bit words of a slot, and where its figures are among them. */
const SLOT_WORDS = SLOT_BYTES / 8;
const WORD = { packets: FIELD.packets.offset / 8, bytes: FIELD.bytes.offset / 8, lastHit: FIELD.last_hit.offset / 8 };

/**
 * Figures of every slot that was hit, as they were at one moment: the rows of all CPUs are copied, and a slot is added up
 * when somebody asks for it, since of a hundred thousand most readers want few.
 */
class CounterTable implements ReadonlyMap<number, CounterFigures> {
  readonly #rows: readonly BigUint64Array[];
  #size: number | undefined;

  constructor(rows: readonly BigUint64Array[]) {
    this.#rows = rows;
  }

  /** Slots that were hit. */
  get size(): number {
    this.#size ??= [...this.keys()].length;
    return this.#size;
  }

  get(slot: number): CounterFigures | undefined {
    const at = slot * SLOT_WORDS;
    let packets = 0n;
    let bytes = 0n;
    let lastHitJiffies = 0n;
    for (const row of this.#rows) {
      if (!(at >= 0 && at < row.length) || row[at + WORD.packets] === 0n) continue;
      packets += row[at + WORD.packets];
      bytes += row[at + WORD.bytes];
      if (row[at + WORD.lastHit] > lastHitJiffies) lastHitJiffies = row[at + WORD.lastHit];
    }
    return packets === 0n ? undefined : { packets, bytes, lastHitJiffies };
  }

  has(slot: number): boolean {
    return this.get(slot) !== undefined;
  }

  *keys(): MapIterator<number> {
    for (let slot = 0; slot * SLOT_WORDS < (this.#rows.at(0)?.length ?? 0); slot++) {
      const at = slot * SLOT_WORDS + WORD.packets;
      if (this.#rows.some((row) => row[at] !== 0n)) yield slot;
    }
  }

  *entries(): MapIterator<[number, CounterFigures]> {
    for (const slot of this.keys()) yield [slot, this.get(slot)!];
  }

  *values(): MapIterator<CounterFigures> {
    for (const slot of this.keys()) yield this.get(slot)!;
  }

  [Symbol.iterator](): MapIterator<[number, CounterFigures]> {
    return this.entries();
  }

  forEach(visit: (figures: CounterFigures, slot: number, table: ReadonlyMap<number, CounterFigures>) => void): void {
    for (const [slot, figures] of this) visit(figures, slot, this);
  }
}

/** The figures of this moment. */
export function readCounters(map: BpfMap): ReadonlyMap<number, CounterFigures> {
  const { valueSize, maxEntries } = map.info();
  const region = map.mmap({ writable: false });
  try {
    const rows = Array.from({ length: maxEntries }, (_, cpu) => {
      const words = new BigUint64Array(valueSize / 8);
      new Uint8Array(words.buffer).set(region.read(cpu * valueSize, valueSize));
      return words;
    });
    return new CounterTable(rows);
  } finally {
    region.close();
  }
}
