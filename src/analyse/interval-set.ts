/**
 * Sets of integers as sorted intervals: `[lo0, hi0, lo1, hi1, …]`, half-open, ascending, disjoint and never
 * touching, so that equal sets are equal arrays. The empty array is the empty set.
 */
export type IntervalSet = readonly number[];

export const EMPTY: IntervalSet = [];

/** The set of one interval, `hi` exclusive. */
export function interval(lo: number, hi: number): IntervalSet {
  return lo < hi ? [lo, hi] : EMPTY;
}

/** The union of half-open intervals given in any order; empty ones are dropped. */
export function unionOf(intervals: readonly (readonly [number, number])[]): IntervalSet {
  const sorted = intervals.filter(([lo, hi]) => lo < hi).sort((a, b) => a[0] - b[0]);
  const result: number[] = [];
  for (const [lo, hi] of sorted) {
    const last = result.length - 1;
    if (last > 0 && lo <= result[last]) result[last] = Math.max(result[last], hi);
    else result.push(lo, hi);
  }
  return result;
}

/** Index of the first interval that ends behind `x` (an index into the array, so always even). */
function firstEndingAfter(set: IntervalSet, x: number): number {
  let low = 0;
  let high = set.length >> 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (set[2 * middle + 1] > x) high = middle;
    else low = middle + 1;
  }
  return 2 * low;
}

/** Whether `x` lies in the set. */
export function contains(set: IntervalSet, x: number): boolean {
  const at = firstEndingAfter(set, x);
  return at < set.length && set[at] <= x;
}

/** Whether the sets share no element. */
export function areDisjoint(a: IntervalSet, b: IntervalSet): boolean {
  if (a.length === 0 || b.length === 0) return true;
  if (a[a.length - 1] <= b[0] || b[b.length - 1] <= a[0]) return true;
  const [few, many] = a.length <= b.length ? [a, b] : [b, a];
  for (let i = 0; i < few.length; i += 2) {
    const at = firstEndingAfter(many, few[i]);
    if (at < many.length && many[at] < few[i + 1]) return false;
  }
  return true;
}

/** Whether every element of `inner` lies in `outer`. */
export function isSubset(inner: IntervalSet, outer: IntervalSet): boolean {
  if (inner === outer) return true;
  for (let i = 0; i < inner.length; i += 2) {
    const at = firstEndingAfter(outer, inner[i]);
    if (at >= outer.length || outer[at] > inner[i] || outer[at + 1] < inner[i + 1]) return false;
  }
  return true;
}

/** The elements of both sets. */
export function intersectSets(a: IntervalSet, b: IntervalSet): IntervalSet {
  if (a === b) return a;
  const [few, many] = a.length <= b.length ? [a, b] : [b, a];
  const result: number[] = [];
  for (let i = 0; i < few.length; i += 2) {
    for (let at = firstEndingAfter(many, few[i]); at < many.length && many[at] < few[i + 1]; at += 2) {
      result.push(Math.max(few[i], many[at]), Math.min(few[i + 1], many[at + 1]));
    }
  }
  return result;
}

/** The elements of either set. */
export function unionSets(a: IntervalSet, b: IntervalSet): IntervalSet {
  if (a === b || b.length === 0) return a;
  const pairs = (set: IntervalSet): (readonly [number, number])[] =>
    Array.from({ length: set.length / 2 }, (_, i) => [set[2 * i], set[2 * i + 1]] as const);
  return unionOf([...pairs(a), ...pairs(b)]);
}

/** The elements of `a` that are not in `b`. */
export function subtractSets(a: IntervalSet, b: IntervalSet): IntervalSet {
  if (a === b) return EMPTY;
  const result: number[] = [];
  for (let i = 0; i < a.length; i += 2) {
    let lo = a[i];
    const hi = a[i + 1];
    for (let at = firstEndingAfter(b, lo); at < b.length && b[at] < hi; at += 2) {
      if (b[at] > lo) result.push(lo, b[at]);
      lo = b[at + 1];
    }
    if (lo < hi) result.push(lo, hi);
  }
  return result;
}

/** How many elements the set has. */
export function sizeOf(set: IntervalSet): number {
  let size = 0;
  for (let i = 0; i < set.length; i += 2) size += set[i + 1] - set[i];
  return size;
}

/** The `n`-th smallest element, counted from 0; `n` is below the size. */
export function elementAt(set: IntervalSet, n: number): number {
  let left = n;
  for (let i = 0; i < set.length; i += 2) {
    const length = set[i + 1] - set[i];
    if (left < length) return set[i] + left;
    left -= length;
  }
  throw new RangeError(`no element ${n} in a set of ${sizeOf(set)}`);
}
