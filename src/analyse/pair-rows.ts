/**
 * Index pairs of rows of two lists that are the same row, each row in one pair at most; ascending by the old index. Rows are
 * the same by the first key that they have in common; of several with the same key in their order.
 */
export function pairRows<T>(
  before: readonly T[],
  after: readonly T[],
  keys: readonly ((row: T) => string)[],
): (readonly [number, number])[] {
  const pairs = new Map<number, number>();
  const taken = new Set<number>();
  for (const key of keys) {
    if (pairs.size === Math.min(before.length, after.length)) break;
    // The first row of each key, and of each row the next one of its key: + 1, 0 for none.
    const free = new Map<string, number>();
    const next = new Uint32Array(after.length);
    for (let j = after.length - 1; j >= 0; j--) {
      if (taken.has(j)) continue;
      const name = key(after[j]);
      next[j] = free.get(name) ?? 0;
      free.set(name, j + 1);
    }
    before.forEach((row, i) => {
      if (pairs.has(i)) return;
      const name = key(row);
      const found = free.get(name) ?? 0;
      if (found === 0) return;
      free.set(name, next[found - 1]);
      pairs.set(i, found - 1);
      taken.add(found - 1);
    });
  }
  return [...pairs].sort(([a], [b]) => a - b);
}
