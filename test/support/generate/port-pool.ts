import type { PortMatch } from '../../../src/model/match';
import type { PortRange } from '../../../src/model/port-range';
import type { Random } from './random';

/**
 * A few cuts through 1–65535; ranges begin and end at them, so that they touch, share an end, or overlap by one. The
 * ranges of a crowd are long ones.
 */
export class PortPool {
  private readonly cuts: readonly number[];

  constructor(
    random: Random,
    private readonly crowd: boolean,
  ) {
    const count = crowd ? 200 : random.pick([2, 4, 10, 60]);
    const base = random.between(1, 65000);
    const drawn = Array.from({ length: count }, () =>
      random.chance(0.5) ? Math.min(65535, base + random.below(200)) : random.between(1, 65535),
    );
    const known = [22, 80, 255, 256, 257, 1023, 1024, 8000, 14511, 32767, 32768, 65534];
    this.cuts = [...new Set([1, ...drawn, random.pick(known), random.pick(known), 65535])].sort((a, b) => a - b);
  }

  /** A single port at a cut. */
  port(random: Random): number {
    return random.pick(this.cuts);
  }

  /** One range or a list; never `any`. */
  match(random: Random, lists: number): PortMatch {
    const count = random.chance(lists) ? random.between(2, 6) : 1;
    return Array.from({ length: count }, () => this.range(random));
  }

  private range(random: Random): PortRange {
    if (this.crowd) {
      const ends = [random.pick(this.cuts), random.pick(this.cuts)].sort((a, b) => a - b);
      return { first: ends[0], last: ends[1] };
    }
    const first = random.below(this.cuts.length);
    if (random.chance(0.4)) return { first: this.cuts[first], last: this.cuts[first] };
    const last = Math.min(this.cuts.length - 1, first + 1 + random.below(3));
    // Both ends sometimes move by one: [a, b] beside [b + 1, c], or over it by a port.
    const low = this.cuts[first] + (random.chance(0.4) ? 1 : 0);
    const high = this.cuts[last] - (random.chance(0.2) ? 1 : 0);
    if (low > high) return { first: this.cuts[first], last: this.cuts[first] };
    return { first: Math.min(low, 65535), last: high };
  }
}
