/** Words for windows of the key and for leaf rules, for `print.ts`. */
import { SLC_KEY_WORD } from '../abi/layout.gen';
import { type AddressWords, addressBits, type Family, formatAddress, formatPrefix, lastAddress } from '../model/prefix';
import { PORT_PROTOCOLS, PROTOCOL } from '../model/protocol';
import type { LeafRule, ServiceBounds } from './reader';
import { ALL_LANES, ALL_PORTS, protocolLane } from './services';

/** A window of one word of the key: `(words[keyWord] >> shift) & mask`. */
export interface Window {
  readonly keyWord: number;
  readonly shift: number;
  readonly mask: number;
}

/** Bits of the key that the nodes above have fixed, by word. */
export interface KnownBits {
  readonly mask: readonly number[];
  readonly value: readonly number[];
}

const WORDS = SLC_KEY_WORD.PROTOCOL + 1;
export const NOTHING_KNOWN: KnownBits = {
  mask: new Array<number>(WORDS).fill(0),
  value: new Array<number>(WORDS).fill(0),
};

/** A field of the key as rules write it: its name, its words and the bits it has in the last of them. */
interface Field {
  readonly name: string;
  readonly firstWord: number;
  readonly words: number;
  readonly low: number;
  readonly bits: number;
}

function fieldOf(family: Family, { keyWord, shift }: Window): Field {
  const words = addressBits(family) / 32;
  const address = { words, low: 0, bits: 32 * words };
  if (keyWord < SLC_KEY_WORD.SOURCE) return { name: 'dst', firstWord: SLC_KEY_WORD.DESTINATION, ...address };
  if (keyWord < SLC_KEY_WORD.PORTS) return { name: 'src', firstWord: SLC_KEY_WORD.SOURCE, ...address };
  const port = { firstWord: SLC_KEY_WORD.PORTS, words: 1, bits: 16 };
  if (keyWord === SLC_KEY_WORD.PORTS) return { name: shift >= 16 ? 'dst port' : 'src port', ...port, low: shift & 16 };
  return { name: 'protocol lane', firstWord: SLC_KEY_WORD.PROTOCOL, words: 1, low: 0, bits: 8 };
}

/** What is known below children `first` to `last` of a node: their common leading bits. */
export function withChildren(known: KnownBits, node: Window, first: number, last: number): KnownBits {
  const same = (node.mask & ~((1 << (32 - Math.clz32(first ^ last))) - 1)) << node.shift;
  const put = (list: readonly number[], bits: number): number[] =>
    list.map((word, i) => (i === node.keyWord ? (word | bits) >>> 0 : word));
  return { mask: put(known.mask, same), value: put(known.value, (first << node.shift) & same) };
}

/**
 * The keys that children `first` to `last` of a node take: `src 78.168.0.0/16`, `dst port 14336–14591`, or, where
 * bits above the window are skipped, `src bits 17–20 = 3`.
 */
export function describeWindow(family: Family, node: Window, known: KnownBits, first: number, last: number): string {
  const field = fieldOf(family, node);
  const width = 32 - Math.clz32(node.mask);
  // Bits of the field above the window, and where the window begins counted from the field's first bit.
  const wordInField = node.keyWord - field.firstWord;
  const end =
    field.words > 1 || field.bits === 32 ? 32 * wordInField + 32 - node.shift : field.bits + field.low - node.shift;
  const start = end - width;
  if (!leadingBitsKnown(field, known, start)) {
    const bits = width === 1 ? `bit ${end}` : `bits ${start + 1}–${end}`;
    return `${field.name} ${bits} = ${first === last ? first : `${first}–${last}`}`;
  }
  const value = (child: number): number[] =>
    Array.from({ length: field.words }, (_, i) => {
      const word = known.value[field.firstWord + i];
      return (i === wordInField ? word | (child << node.shift) : word) >>> 0;
    });
  if (field.bits < 32) {
    const below = (1 << (field.bits - end)) - 1;
    const bits = ((1 << field.bits) - 1) & ~below;
    const low = (value(first)[0] >>> field.low) & bits;
    const high = ((value(last)[0] >>> field.low) & bits) | below;
    return `${field.name} ${low === high ? low : `${low}–${high}`}`;
  }
  return `${field.name} ${addressRange(family, clearBelow(value(first), end), clearBelow(value(last), end), end)}`;
}

/** Whether the first `count` bits of a field are all known. */
function leadingBitsKnown({ firstWord, low, bits }: Field, { mask }: KnownBits, count: number): boolean {
  for (let bit = 0; bit < count; bit++) {
    const word = firstWord + (bits >= 32 ? bit >> 5 : 0);
    const position = bits >= 32 ? 31 - (bit & 31) : low + bits - 1 - bit;
    if (((mask[word] >>> position) & 1) === 0) return false;
  }
  return true;
}

function clearBelow(words: AddressWords, end: number): number[] {
  return words.map((word, i) => {
    const bits = Math.min(32, Math.max(0, end - 32 * i));
    return bits === 0 ? 0 : (word & (0xffffffff << (32 - bits))) >>> 0;
  });
}

/** `first` and `last` are networks of `length` bits; one prefix where they are its ends, else a range. */
export function addressRange(family: Family, first: number[], last: number[], length: number): string {
  const end = lastAddress({ family, words: last, length });
  for (let shorter = length; shorter >= 0; shorter--) {
    const words = clearBelow(first, shorter);
    if (words.some((word, i) => word !== first[i])) break;
    const prefix = { family, words, length: shorter };
    if (lastAddress(prefix).every((word, i) => word === end[i])) return formatPrefix(prefix);
  }
  return `${formatAddress(family, first)}–${formatAddress(family, end)}`;
}

/** `from 78.168.0.0/16 to any, tcp udp, dst port 14141`. */
export function describeLeafRule(family: Family, rule: LeafRule, { low, high }: ServiceBounds): string {
  const address = (words: readonly number[], length: number): string =>
    length === 0 ? 'any' : formatPrefix({ family, words, length });
  const parts = [
    `from ${address(rule.source, rule.sourceLength)} to ${address(rule.destination, rule.destinationLength)}`,
    describeLanes(low[2], high[2]),
  ];
  const icmp = protocolLane(family === 4 ? PROTOCOL.ICMP : PROTOCOL.ICMPV6);
  const isIcmp = low[2] === icmp && high[2] === icmp;
  const any = (i: number): boolean => low[i] === ALL_PORTS.first && high[i] === ALL_PORTS.last;
  if (!any(0)) parts.push(isIcmp ? describeTypes(low[0], high[0]) : `dst port ${range(low[0], high[0])}`);
  if (!any(1)) parts.push(`src port ${range(low[1], high[1])}`);
  return parts.join(', ');
}

/** `tcp udp`: protocols of a range of lanes. */
export function describeLanes(low: number, high: number): string {
  if (low === ALL_LANES.first && high === ALL_LANES.last) return 'any protocol';
  const name = (lane: number): string => {
    const protocol = protocolLane(lane);
    if (protocol === PROTOCOL.ICMP) return 'icmp';
    if (protocol === PROTOCOL.ICMPV6) return 'icmpv6';
    return PORT_PROTOCOLS.get(protocol)?.name ?? `protocol ${protocol}`;
  };
  return Array.from({ length: high - low + 1 }, (_, i) => name(low + i)).join(' ');
}

/** Destination-port lane of ICMP: type << 8 | code. */
function describeTypes(low: number, high: number): string {
  if ((low & 0xff) === 0 && (high & 0xff) === 0xff) return `type ${range(low >> 8, high >> 8)}`;
  const typeAndCode = (lane: number): string => `${lane >> 8}/${lane & 0xff}`;
  return `type ${low === high ? typeAndCode(low) : `${typeAndCode(low)}–${typeAndCode(high)}`}`;
}

/** `80`, `80–90`. */
export function range(low: number, high: number): string {
  return low === high ? String(low) : `${low}–${high}`;
}
