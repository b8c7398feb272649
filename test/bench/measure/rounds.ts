/** Interleaved rounds: each measures every subject once, so that what the machine does meanwhile meets all of them. */
import type { Burst } from './generator';

/** Something that can be given a number of packets. */
export type Subject = (count: number) => Promise<Burst>;

/** Nanoseconds a burst is meant to take. */
const BURST_NS = 100e6;
const PROBE = 2048;
const MIN_PACKETS = 256;

export interface Rounds {
  /** Medians, by subject. */
  readonly ns: readonly number[];
  /** By subject, by round. */
  readonly samples: readonly (readonly number[])[];
  /** By subject: median, smallest and largest ratio to the first subject of the same round. */
  readonly ratio: readonly { readonly median: number; readonly min: number; readonly max: number }[];
  readonly sent: readonly number[];
  readonly lost: readonly number[];
  readonly passed: readonly number[];
}

/** Runs the subjects in turn; the first is the floor that ratios refer to. */
export async function measureRounds(subjects: readonly Subject[], rounds: number): Promise<Rounds> {
  const counts: number[] = [];
  const sums = subjects.map(() => ({ sent: 0, lost: 0, passed: 0 }));
  const add = (subject: number, { sent, lost, passed }: Burst): void => {
    sums[subject].sent += sent;
    sums[subject].lost += lost;
    sums[subject].passed += passed;
  };
  for (const [index, subject] of subjects.entries()) {
    // slow ones are probed with few packets: a hundred thousand rules in a row take milliseconds each
    let probe = await subject(MIN_PACKETS);
    add(index, probe);
    if (probe.ns * PROBE < BURST_NS) add(index, (probe = await subject(PROBE)));
    counts.push(Math.max(MIN_PACKETS, Math.round(BURST_NS / probe.ns)));
  }
  const ns: number[][] = subjects.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, subject] of subjects.entries()) {
      const burst = await subject(counts[index]);
      add(index, burst);
      ns[index].push(burst.ns);
    }
  }
  return {
    ns: ns.map(median),
    samples: ns,
    ratio: ns.map((values) => {
      const ratios = values.map((value, round) => value / ns[0][round]);
      return { median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios) };
    }),
    sent: sums.map(({ sent }) => sent),
    lost: sums.map(({ lost }) => lost),
    passed: sums.map(({ passed }) => passed),
  };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
