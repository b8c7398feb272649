/** Positions of a longest strictly increasing subsequence (patience sorting): what of a list did not move. */
export function longestIncreasing(values: readonly number[]): Set<number> {
  const tails: number[] = [];
  const previous: number[] = [];
  values.forEach((value, i) => {
    let [low, high] = [0, tails.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (values[tails[middle]] < value) low = middle + 1;
      else high = middle;
    }
    previous[i] = low > 0 ? tails[low - 1] : -1;
    tails[low] = i;
  });
  const positions = new Set<number>();
  for (let i = tails.at(-1) ?? -1; i >= 0; i = previous[i]) positions.add(i);
  return positions;
}
