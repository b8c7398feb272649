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

/** Figures of every slot that was hit. */
export function readCounters(map: BpfMap): Map<number, CounterFigures> {
  const { valueSize, maxEntries } = map.info();
  const region = map.mmap({ writable: false });
  const figures = new Map<number, CounterFigures>();
  try {
    for (let cpu = 0; cpu < maxEntries; cpu++) {
      const row = Buffer.from(region.read(cpu * valueSize, valueSize));
      for (let slot = 0, at = 0; at < row.length; slot++, at += SLOT_BYTES) {
        if (row.readUInt32LE(at) === 0 && row.readUInt32LE(at + 4) === 0) continue;
        const before = figures.get(slot);
        const lastHit = row.readBigUInt64LE(at + FIELD.last_hit.offset);
        figures.set(slot, {
          packets: (before?.packets ?? 0n) + row.readBigUInt64LE(at + FIELD.packets.offset),
          bytes: (before?.bytes ?? 0n) + row.readBigUInt64LE(at + FIELD.bytes.offset),
          lastHitJiffies: before && before.lastHitJiffies > lastHit ? before.lastHitJiffies : lastHit,
        });
      }
    }
  } finally {
    region.close();
  }
  return figures;
}
