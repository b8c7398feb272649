/** What was made of lists of numbers, to be found again by the lists. */

const INITIAL = 1024;

/** Lists with what became of them. A hash only says where to look; real lists are compared. */
export class ListMemory<T extends object> {
  private readonly made: T[] = [];
  /** First entry of a hash, and the next one with the same hash (-1: none). */
  private readonly first = new Map<number, number>();
  private readonly next: number[] = [];
  /** Entry by entry: where its numbers begin in `numbers`; they end where those of the next begin. */
  private readonly starts: number[] = [0];
  private numbers = new Int32Array(INITIAL);

  /** Numbers of all lists. */
  get size(): number {
    return this.starts[this.made.length];
  }

  /**
   * What became of the list `ids[start..start + length)` with these numbers beside it, or null; of several that which
   * `suits`. All numbers are compared as 32 bits.
   */
  find(
    hash: number,
    ids: Int32Array,
    start: number,
    length: number,
    beside: Uint32Array,
    suits?: (made: T) => boolean,
  ): T | null {
    const { numbers, starts, next, made } = this;
    for (let entry = this.first.get(hash) ?? -1; entry >= 0; entry = next[entry]) {
      const at = starts[entry];
      if (starts[entry + 1] - at !== beside.length + length) continue;
      let i = 0;
      while (i < beside.length && numbers[at + i] === (beside[i] | 0)) i++;
      if (i < beside.length) continue;
      let k = 0;
      while (k < length && numbers[at + i + k] === ids[start + k]) k++;
      if (k === length && (!suits || suits(made[entry]))) return made[entry];
    }
    return null;
  }

  add(hash: number, ids: Int32Array, start: number, length: number, beside: Uint32Array, made: T): void {
    const entry = this.made.length;
    const at = this.starts[entry];
    const end = at + beside.length + length;
    if (end > this.numbers.length) {
      const grown = new Int32Array(2 * end);
      grown.set(this.numbers);
      this.numbers = grown;
    }
    this.numbers.set(beside, at);
    this.numbers.set(ids.subarray(start, start + length), at + beside.length);
    this.made.push(made);
    this.next.push(this.first.get(hash) ?? -1);
    this.first.set(hash, entry);
    this.starts.push(end);
  }
}

/** FNV-1a over 32-bit numbers. */
export function hashNumbers(numbers: Int32Array | Uint32Array, start: number, end: number, seed = 0x811c9dc5): number {
  let hash = seed;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ numbers[i], 0x01000193);
  return hash;
}
