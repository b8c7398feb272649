/** Smallest lists that mean the same: what lists of prefixes and ranges become before they are multiplied out. */
import type { PortRange } from '../model/port-range';
import { type Prefix, prefixCovers } from '../model/prefix';

/** Sorted ranges without overlaps or touching neighbours. The result does not depend on the order given. */
export function mergeRanges(ranges: readonly PortRange[]): PortRange[] {
  const merged: { first: number; last: number }[] = [];
  for (const { first, last } of [...ranges].sort((a, b) => a.first - b.first)) {
    const previous = merged.at(-1);
    if (previous && first <= previous.last + 1) previous.last = Math.max(previous.last, last);
    else merged.push({ first, last });
  }
  return merged;
}

/** Sorted, disjoint prefixes of one family: covered ones dropped, halves of one network joined. */
export function mergePrefixes(prefixes: readonly Prefix[]): Prefix[] {
  if (prefixes.every(({ family }) => family === 4)) return mergeIpv4(prefixes);
  const merged: Prefix[] = [];
  for (const prefix of [...prefixes].sort(comparePrefixes)) {
    if (merged.length > 0 && prefixCovers(merged.at(-1)!, prefix)) continue;
    merged.push(prefix);
    while (merged.length > 1) {
      const parent = joinHalves(merged.at(-2)!, merged.at(-1)!);
      if (!parent) break;
      merged.splice(-2, 2, parent);
    }
  }
  return merged;
}

/** The same for IPv4, by numbers alone: a list may have a million. */
function mergeIpv4(prefixes: readonly Prefix[]): Prefix[] {
  // An address and a length in one number: of prefixes that begin together the widest comes first.
  const keys = Float64Array.from(prefixes, ({ words, length }) => words[0] * 64 + length).sort();
  const firsts = new Float64Array(keys.length);
  const lengths = new Uint8Array(keys.length);
  let count = 0;
  for (const key of keys) {
    let first = Math.floor(key / 64);
    let length = key % 64;
    if (count > 0 && first < firsts[count - 1] + 2 ** (32 - lengths[count - 1])) continue;
    // Two halves become their network, which may be half of another.
    for (; count > 0 && lengths[count - 1] === length && length > 0; count--) {
      const size = 2 ** (32 - length);
      if (first !== firsts[count - 1] + size || firsts[count - 1] % (2 * size) !== 0) break;
      first -= size;
      length--;
    }
    firsts[count] = first;
    lengths[count++] = length;
  }
  return Array.from({ length: count }, (_, i) => ({ family: 4, words: [firsts[i]], length: lengths[i] }));
}

function comparePrefixes(a: Prefix, b: Prefix): number {
  const word = a.words.findIndex((value, i) => value !== b.words[i]);
  return word < 0 ? a.length - b.length : a.words[word] - b.words[word];
}

/** The network one bit shorter, where `low` and `high` are its two halves. */
function joinHalves(low: Prefix, high: Prefix): Prefix | null {
  if (low.length !== high.length || low.length === 0) return null;
  const index = (low.length - 1) >> 5;
  const bit = (0x80000000 >>> ((low.length - 1) & 31)) >>> 0;
  const halves = low.words.every((word, i) => (word ^ high.words[i]) >>> 0 === (i === index ? bit : 0));
  return halves ? { ...low, length: low.length - 1 } : null;
}
