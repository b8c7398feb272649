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
    const free = new Map<string, number[]>();
    after.forEach((row, j) => {
      if (taken.has(j)) return;
      const list = free.get(key(row));
      if (list) list.push(j);
      else free.set(key(row), [j]);
    });
    before.forEach((row, i) => {
      const j = pairs.has(i) ? undefined : free.get(key(row))?.shift();
      if (j === undefined) return;
      pairs.set(i, j);
      taken.add(j);
    });
  }
  return [...pairs].sort(([a], [b]) => a - b);
}
