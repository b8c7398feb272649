/**
 * Numbers that look random and can be had again: the same seed gives the same rulesets and frames on every machine.
 * `SLUICE_SEED` (decimal or 0x…) replaces a test's own seed, to repeat a failure or to look elsewhere.
 */

/** The seed of a test: `SLUICE_SEED` where it is set, else the test's own. */
export function testSeed(own: number): number {
  const given = process.env.SLUICE_SEED;
  if (given === undefined || given === '') return own >>> 0;
  const seed = Number(given);
  if (!Number.isInteger(seed)) throw new Error(`SLUICE_SEED "${given}" is not an integer`);
  return seed >>> 0;
}

/** A stream of pseudo-random numbers (xoshiro128**, Blackman and Vigna 2018; state filled by a splitmix). */
export class Random {
  readonly seed: number;
  private a: number;
  private b: number;
  private c: number;
  private d: number;

  constructor(seed: number) {
    this.seed = seed >>> 0;
    let mix = this.seed;
    const next = (): number => {
      mix = (mix + 0x9e3779b9) | 0;
      let z = mix;
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
      return z ^ (z >>> 16);
    };
    this.a = next();
    this.b = next();
    this.c = next();
    this.d = next() | 1; // all zero would stay zero
  }

  /** Unsigned 32 bits. */
  word(): number {
    const product = Math.imul(this.b, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9);
    const shifted = this.b << 9;
    this.c ^= this.a;
    this.d ^= this.b;
    this.b ^= this.c;
    this.a ^= this.d;
    this.c ^= shifted;
    this.d = (this.d << 11) | (this.d >>> 21);
    return result >>> 0;
  }

  /** An integer in 0 … `count` - 1. */
  below(count: number): number {
    return Math.floor((this.word() / 0x1_0000_0000) * count);
  }

  /** An integer in `first` … `last`. */
  between(first: number, last: number): number {
    return first + this.below(last - first + 1);
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return this.word() < probability * 0x1_0000_0000;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }

  /** A copy in another order. */
  shuffle<T>(list: readonly T[]): T[] {
    const copy = [...list];
    for (let i = copy.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [copy[i], copy[j]] = [copy[j], copy[i]];
    }
    return copy;
  }

  /** An independent stream, so that one part of a test can change without moving the others. */
  fork(): Random {
    return new Random(this.word());
  }
}
