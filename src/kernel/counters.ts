/** Counters of one generation, read through mmap without system calls: sums over all CPUs, a slot a rank or reason. */
import { SLC_HITS_TICK_SHIFT, SLC_HITS_TIME_SHIFT } from '../abi/layout.gen';
import type { BpfMap } from './kernel';

/** Sums over all CPUs. */
export interface CounterFigures {
  readonly packets: bigint;
  readonly bytes: bigint;
  /** Jiffies of the newest packet, modulo `HIT_ROUND` and to the 64th before; null where there was none. */
  readonly lastHitJiffies: bigint | null;
}

/** Times of counters come round after so many jiffies. */
export const HIT_ROUND = 1n << BigInt(64 - SLC_HITS_TIME_SHIFT + SLC_HITS_TICK_SHIFT);

/** Words of a slot in what the addon returns. */
const SLOT_WORDS = 3;
const [PACKETS, BYTES, LAST_HIT] = [0, 1, 2];

/** Figures of every slot that was hit, as they were at one moment. */
class CounterTable implements ReadonlyMap<number, CounterFigures> {
  #size: number | undefined;

  /** `sums`: packets, bytes, jiffies of the newest packet of each slot. */
  constructor(private readonly sums: BigUint64Array) {}

  /** Slots that were hit. */
  get size(): number {
    this.#size ??= [...this.keys()].length;
    return this.#size;
  }

  get(slot: number): CounterFigures | undefined {
    const { sums } = this;
    const at = slot * SLOT_WORDS;
    const packets = at >= 0 && at < sums.length ? sums[at + PACKETS] : 0n;
    return packets === 0n ? undefined : { packets, bytes: sums[at + BYTES], lastHitJiffies: sums[at + LAST_HIT] };
  }

  has(slot: number): boolean {
    return this.get(slot) !== undefined;
  }

  *keys(): MapIterator<number> {
    for (let slot = 0; slot * SLOT_WORDS < this.sums.length; slot++) if (this.has(slot)) yield slot;
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
  const region = map.mmap({ writable: false });
  try {
    return new CounterTable(region.hits(map.info().valueSize));
  } finally {
    region.close();
  }
}
