/**
 * Index of the first item that the predicate holds for, found by halving; the length where it holds for none. It must
 * hold for every item behind one that it holds for.
 */
export function firstWhere<T>(items: ArrayLike<T>, holds: (item: T) => boolean): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(items[middle])) high = middle;
    else low = middle + 1;
  }
  return low;
}
