/** What was made of lists of rules, to be found again by the lists. */

const INITIAL = 1024;

/** Lists of rules with what became of them. A hash only says where to look; real lists are compared. */
export class ListMemory<T> {
  private readonly made: T[] = [];
  private readonly heights: number[] = [];
  /** First entry of a hash, and the next one with the same hash (-1: none). */
  private readonly first = new Map<number, number>();
  private readonly next: number[] = [];
  /** Entry by entry: where its numbers begin in `numbers`; they end where those of the next begin. */
  private readonly starts: number[] = [0];
  private numbers = new Int32Array(INITIAL);

  /**
   * The entry for the list `ids[start..start + length)` and the numbers that stand for its region, or -1. All numbers
   * are compared as 32 bits.
   */
  find(hash: number, ids: Int32Array, start: number, length: number, region: Uint32Array): number {
    const { numbers, starts, next } = this;
    for (let entry = this.first.get(hash) ?? -1; entry >= 0; entry = next[entry]) {
      const at = starts[entry];
      if (starts[entry + 1] - at !== region.length + length) continue;
      let i = 0;
      while (i < region.length && numbers[at + i] === (region[i] | 0)) i++;
      if (i < region.length) continue;
      let k = 0;
      while (k < length && numbers[at + i + k] === ids[start + k]) k++;
      if (k === length) return entry;
    }
    return -1;
  }

  add(
    hash: number,
    ids: Int32Array,
    start: number,
    length: number,
    region: Uint32Array,
    made: T,
    height: number,
  ): void {
    const entry = this.made.length;
    const at = this.starts[entry];
    const end = at + region.length + length;
    if (end > this.numbers.length) {
      const grown = new Int32Array(2 * end);
      grown.set(this.numbers);
      this.numbers = grown;
    }
    this.numbers.set(region, at);
    for (let k = 0; k < length; k++) this.numbers[at + region.length + k] = ids[start + k];
    this.made.push(made);
    this.heights.push(height);
    this.next.push(this.first.get(hash) ?? -1);
    this.first.set(hash, entry);
    this.starts.push(end);
  }

  get(entry: number): T {
    return this.made[entry];
  }

  /** The height it was remembered with. */
  height(entry: number): number {
    return this.heights[entry];
  }
}

/** FNV-1a over 32-bit numbers. */
export function hashNumbers(numbers: Int32Array | Uint32Array, start: number, end: number, seed = 0x811c9dc5): number {
  let hash = seed;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ numbers[i], 0x01000193);
  return hash;
}
