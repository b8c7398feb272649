/** The kernel's clocks as the datapath reads them: jiffies for last hits, boot time for deadlines, ticks for limits. */
import { LAYOUT } from '../abi/layout.gen';
import { openDatapath } from './datapath-object';
import type { Kernel } from './kernel';

export interface ClockReading {
  readonly jiffies: bigint;
  readonly bootNs: bigint;
  /** `CLOCK_MONOTONIC_COARSE`. */
  readonly tickNs: bigint;
}

const COMMON_HZ = [100, 250, 300, 1000];
const ATTEMPTS = 5;

/** Reads both clocks once, by a test run that filters nothing. */
export async function readClock(kernel: Kernel): Promise<ClockReading> {
  const [reading] = await readClocks(kernel, 1, 0);
  return reading;
}

/** What the wall clock, in milliseconds, said at a reading: what has held the process up since then does not count. */
export function wallTimeAt(kernel: Kernel, { bootNs }: ClockReading): number {
  return Date.now() - Number(kernel.bootTimeNs() - bootNs) / 1e6;
}

/**
 * Jiffies a second: two readings 50 ms apart, by the clock that the same ticks move, so that one that comes late on a busy
 * machine is late in both; rounded to a value kernels are built with where one is near, else measured again, a few times.
 */
export async function measureHz(kernel: Kernel): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    const { near, measured } = await measureOnce(kernel);
    if (near !== undefined) return near;
    if (attempt === ATTEMPTS) return Math.round(measured);
  }
}

async function measureOnce(kernel: Kernel): Promise<{ near: number | undefined; measured: number }> {
  const [first, second] = await readClocks(kernel, 2, 50);
  const seconds = Number(second.tickNs - first.tickNs) / 1e9;
  const measured = Number(second.jiffies - first.jiffies) / seconds;
  const near = COMMON_HZ.find((hz) => Math.abs(measured - hz) <= Math.max(1 / seconds, hz / 50));
  return { near, measured };
}

async function readClocks(kernel: Kernel, count: number, pauseMs: number): Promise<ClockReading[]> {
  const object = openDatapath(kernel, 'slc_read_clock', { create: { slc_clock: 1 } });
  try {
    await object.load();
    const program = object.program('slc_read_clock');
    const map = object.map('slc_clock');
    const readings: ClockReading[] = [];
    for (let i = 0; i < count; i++) {
      if (i > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
      await program.testRun({ frame: new Uint8Array(64) });
      const value = Buffer.from(map.lookup(new Uint8Array(4))!);
      readings.push({
        jiffies: value.readBigUInt64LE(LAYOUT.slc_clock.fields.jiffies.offset),
        bootNs: value.readBigUInt64LE(LAYOUT.slc_clock.fields.boot_ns.offset),
        tickNs: value.readBigUInt64LE(LAYOUT.slc_clock.fields.tick_ns.offset),
      });
    }
    program.close();
    map.close();
    return readings;
  } finally {
    object.close();
  }
}
