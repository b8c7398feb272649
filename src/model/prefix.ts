/** Addresses and prefixes as plain numbers; text is read in `parse/address.ts` only. */

/** IPv4 or IPv6. */
export type Family = 4 | 6;

/**
 * An address as unsigned 32-bit words, most significant first: one word for IPv4, four for IPv6.
 * The word holds the host-order value of the wire's big-endian bytes (192.0.2.1 is `[0xc0000201]`).
 */
export type AddressWords = readonly number[];

/** A network prefix. Bits of `words` beyond `length` are zero. */
export interface Prefix {
  readonly family: Family;
  readonly words: AddressWords;
  /** Prefix length: 0–32 for IPv4, 0–128 for IPv6. */
  readonly length: number;
}

/** Number of address bits of a family. */
export function addressBits(family: Family): 32 | 128 {
  return family === 4 ? 32 : 128;
}

/** The prefix that holds one address alone. */
export function hostPrefix(family: Family, words: AddressWords): Prefix {
  return { family, words, length: addressBits(family) };
}

/** Mask of the `index`-th word of a prefix of `length` bits, as an unsigned 32-bit number. */
export function maskWord(length: number, index: number): number {
  const bits = Math.min(32, Math.max(0, length - 32 * index));
  return bits === 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0;
}

/** Whether the address (same family as the prefix) lies in the prefix. */
export function prefixContains(prefix: Prefix, address: AddressWords): boolean {
  return prefix.words.every((word, i) => ((word ^ address[i]) & maskWord(prefix.length, i)) === 0);
}

/** Whether every address of `inner` lies in `outer`. Prefixes of different families never cover each other. */
export function prefixCovers(outer: Prefix, inner: Prefix): boolean {
  return outer.family === inner.family && outer.length <= inner.length && prefixContains(outer, inner.words);
}

/** Highest address of a prefix. */
export function lastAddress(prefix: Prefix): AddressWords {
  return prefix.words.map((word, i) => (word | ~maskWord(prefix.length, i)) >>> 0);
}

/** Order of two addresses of one family: negative where the first is lower. */
export function compareAddresses(one: AddressWords, other: AddressWords): number {
  for (const [i, word] of one.entries()) if (word !== other[i]) return word - other[i];
  return 0;
}

/** A copy of the prefix with its host bits cleared. */
export function clearHostBits(prefix: Prefix): Prefix {
  return { ...prefix, words: prefix.words.map((word, i) => (word & maskWord(prefix.length, i)) >>> 0) };
}

/** Canonical text of an address: dotted quad, or RFC 5952 for IPv6. */
export function formatAddress(family: Family, words: AddressWords): string {
  if (family === 4) return [24, 16, 8, 0].map((shift) => (words[0] >>> shift) & 0xff).join('.');
  const groups = words.flatMap((word) => [word >>> 16, word & 0xffff]);
  let best = { start: -1, length: 1 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  const hex = (part: number[]): string => part.map((group) => group.toString(16)).join(':');
  if (best.start < 0) return hex(groups);
  return `${hex(groups.slice(0, best.start))}::${hex(groups.slice(best.start + best.length))}`;
}

/** Canonical text of a prefix; a host prefix is printed as a bare address. */
export function formatPrefix(prefix: Prefix): string {
  const text = formatAddress(prefix.family, prefix.words);
  return prefix.length === addressBits(prefix.family) ? text : `${text}/${prefix.length}`;
}
