/** First match by linear scan over typed arrays: what every answer of the benchmark is held against. */
import { maskWord } from '../../../src/model/prefix';
import { PORT_PROTOCOLS } from '../../../src/model/protocol';
import { isAllPorts, type PlainRule, protocolsOf } from '../../support/generate/plain-rule';
import type { BenchSet } from './bench-set';
import type { PacketColumns } from './packet-columns';

/** No row matches. */
export const NO_ROW = -1;

/** Rows of a set, column by column; row numbers as in `idOfRow`. */
export class Scan {
  private readonly words: number;
  private readonly list: Intervals | null;
  private readonly count: number;
  private readonly from: Uint32Array[];
  private readonly fromMask: Uint32Array[];
  private readonly to: Uint32Array[];
  private readonly toMask: Uint32Array[];
  private readonly ports: Uint16Array[];
  /** Per rule and protocol: bit set where the rule covers it. */
  private readonly protocols: Uint32Array[];

  constructor(set: BenchSet) {
    const { rules, family } = set;
    this.words = family === 4 ? 1 : 4;
    this.count = rules.length;
    this.list = set.list ? new Intervals(set) : null;
    const column = (of: (rule: PlainRule) => number): Uint32Array => Uint32Array.from(rules, of);
    const columns = (of: (word: number) => (rule: PlainRule) => number): Uint32Array[] =>
      Array.from({ length: this.words }, (_, word) => column(of(word)));
    this.from = columns(
      (word) =>
        ({ from }) =>
          from.words[word],
    );
    this.fromMask = columns(
      (word) =>
        ({ from }) =>
          maskWord(from.length, word),
    );
    this.to = columns(
      (word) =>
        ({ to }) =>
          to.words[word],
    );
    this.toMask = columns(
      (word) =>
        ({ to }) =>
          maskWord(to.length, word),
    );
    const port = (of: (rule: PlainRule) => number): Uint16Array => Uint16Array.from(rules, of);
    // a port that is not named also fits packets without ports, whose ports are 0
    const lowest = ([first, last]: PlainRule['toPorts']): number => (isAllPorts([first, last]) ? 0 : first);
    this.ports = [
      port(({ fromPorts }) => lowest(fromPorts)),
      port(({ fromPorts }) => fromPorts[1]),
      port(({ toPorts }) => lowest(toPorts)),
      port(({ toPorts }) => toPorts[1]),
    ];
    this.protocols = Array.from({ length: 8 }, (_, word) =>
      column((rule) => {
        const named = protocolsOf(rule);
        if (!named) return 0xffffffff;
        return (
          named.reduce((bits, protocol) => (protocol >>> 5 === word ? bits | (1 << (protocol & 31)) : bits), 0) >>> 0
        );
      }),
    );
  }

  /** The first row that matches packet `i`, or `NO_ROW`. */
  first(packets: PacketColumns, i: number): number {
    const { words } = this;
    // the word that differs between rules: IPv6 twins share the first
    const hot = words === 1 ? 0 : 1;
    const shift = this.list ? 1 : 0;
    if (this.list?.has(packets.source[i * words + hot])) return 0;
    const toWord = packets.destination[i * words + hot];
    const fromWord = packets.source[i * words + hot];
    const to = this.to[hot];
    const toMask = this.toMask[hot];
    const from = this.from[hot];
    const fromMask = this.fromMask[hot];
    for (let rule = 0; rule < this.count; rule++) {
      if (((toWord ^ to[rule]) & toMask[rule]) !== 0) continue;
      if (((fromWord ^ from[rule]) & fromMask[rule]) !== 0) continue;
      if (this.matches(rule, packets, i)) return rule + shift;
    }
    return NO_ROW;
  }

  private matches(rule: number, packets: PacketColumns, i: number): boolean {
    const protocol = packets.protocol[i];
    if (((this.protocols[protocol >>> 5][rule] >>> (protocol & 31)) & 1) === 0) return false;
    const carries = PORT_PROTOCOLS.has(protocol);
    const sourcePort = carries ? packets.sourcePort[i] : 0;
    const destinationPort = carries ? packets.destinationPort[i] : 0;
    const [fromFirst, fromLast, toFirst, toLast] = this.ports;
    if (sourcePort < fromFirst[rule] || sourcePort > fromLast[rule]) return false;
    if (destinationPort < toFirst[rule] || destinationPort > toLast[rule]) return false;
    for (let word = 0; word < this.words; word++) {
      const at = i * this.words + word;
      if (((packets.destination[at] ^ this.to[word][rule]) & this.toMask[word][rule]) !== 0) return false;
      if (((packets.source[at] ^ this.from[word][rule]) & this.fromMask[word][rule]) !== 0) return false;
    }
    return true;
  }
}

/** A list of prefixes as sorted intervals of the one word in which they differ. */
class Intervals {
  private readonly starts: Uint32Array;
  private readonly ends: Uint32Array;

  constructor({ list, family }: BenchSet) {
    const word = family === 4 ? 0 : 1;
    const sorted = list!
      .map(({ words, length }) => ({
        start: words[word],
        end: (words[word] | ~maskWord(length, word)) >>> 0,
      }))
      .sort((a, b) => a.start - b.start);
    const starts: number[] = [];
    const ends: number[] = [];
    for (const { start, end } of sorted) {
      const last = ends.length - 1;
      if (last >= 0 && start <= ends[last]) ends[last] = Math.max(ends[last], end);
      else {
        starts.push(start);
        ends.push(end);
      }
    }
    this.starts = Uint32Array.from(starts);
    this.ends = Uint32Array.from(ends);
  }

  has(value: number): boolean {
    let low = 0;
    let high = this.starts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.starts[middle] <= value) low = middle + 1;
      else high = middle;
    }
    return low > 0 && value <= this.ends[low - 1];
  }
}
