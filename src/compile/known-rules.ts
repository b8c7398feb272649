/**
 * Image rules by number: equal ones have one number, over all rulesets of a process. So trees that were grown for one
 * ruleset, which say nothing but numbers, can stand in the next one too.
 */
import { addressBits, type Family, maskWord, type Prefix } from '../model/prefix';
import { type Lane, lanesOf } from './lane';
import type { Service } from './services';

/** Rules until memory grows for the first time. */
const INITIAL = 256;
/** In place of a number: none. */
export const NO_RULE = -1;

/** What a number stands for, column by column; the same for ever. */
export interface RuleColumns {
  readonly lanes: readonly Lane[];
  /** Inclusive bounds of each rule, by lane. */
  readonly low: readonly Uint32Array[];
  readonly high: readonly Uint32Array[];
  readonly destinationLength: Uint8Array;
  readonly sourceLength: Uint8Array;
  /** The first rule of the row; for that one itself. Rules of one row have the same one, of several rows never. */
  readonly head: Int32Array;
  /** Of what the rule matches: the same in every process. */
  readonly hash: Int32Array;
}

/** The numbers of a family. A hash only says where to look: all fields are compared. */
export class KnownRules {
  /** Numbers given so far. */
  count = 0;
  readonly #lanes: readonly Lane[];
  readonly #words: number;
  #low: Uint32Array[];
  #high: Uint32Array[];
  #destinationLength = new Uint8Array(INITIAL);
  #sourceLength = new Uint8Array(INITIAL);
  #head = new Int32Array(INITIAL);
  #hash = new Int32Array(INITIAL);
  /** The first number with the same match; `NO_RULE` where it stands apart. */
  #alike = new Int32Array(INITIAL);
  /** By first number of a match: the last table that has it. */
  #table = new Int32Array(INITIAL);
  #tables = 0;
  /** Number + 1 by hash, and the next one of the same place. */
  #first = new Int32Array(2 * INITIAL);
  #next = new Int32Array(INITIAL);

  constructor(family: Family) {
    this.#lanes = lanesOf(family);
    this.#words = addressBits(family) / 32;
    this.#low = this.#lanes.map(() => new Uint32Array(INITIAL));
    this.#high = this.#lanes.map(() => new Uint32Array(INITIAL));
  }

  /** What the numbers stand for that were given until now. */
  columns(): RuleColumns {
    return {
      lanes: this.#lanes,
      low: this.#low,
      high: this.#high,
      destinationLength: this.#destinationLength,
      sourceLength: this.#sourceLength,
      head: this.#head,
      hash: this.#hash,
    };
  }

  /** From here on `add` tells of repetitions in another table. */
  beginTable(): void {
    this.#tables++;
  }

  /**
   * The number of a rule of the row that begins with rule `head` (`NO_RULE`: with this one); `NO_RULE` where an earlier
   * rule of the table has the same match, so that it can never decide.
   */
  add(destination: Prefix, source: Prefix, service: Service, head: number): number {
    const hash = hashOf(destination, source, service);
    let alike = NO_RULE;
    for (let at = this.#first[hash & (this.#first.length - 1)] - 1; at >= 0; at = this.#next[at] - 1) {
      if (this.#hash[at] !== hash) continue;
      if (alike < 0) {
        if (!this.#matches(at, destination, source, service)) continue;
        alike = this.#alike[at];
        if (this.#table[alike] === this.#tables) return NO_RULE;
        this.#table[alike] = this.#tables;
      }
      if (this.#alike[at] === alike && this.#head[at] === (head < 0 ? at : head)) return at;
    }
    const number = this.#write(destination, source, service, head, hash);
    this.#alike[number] = alike < 0 ? number : alike;
    this.#table[this.#alike[number]] = this.#tables;
    const place = hash & (this.#first.length - 1);
    this.#next[number] = this.#first[place];
    this.#first[place] = number + 1;
    return number;
  }

  /** A number of its own for a rule that hides nothing, and that nothing hides. */
  addApart(destination: Prefix, source: Prefix, service: Service, head: number): number {
    const number = this.#write(destination, source, service, head, hashOf(destination, source, service));
    this.#alike[number] = NO_RULE;
    return number;
  }

  #write(destination: Prefix, source: Prefix, service: Service, head: number, hash: number): number {
    const at = this.count++;
    if (at === this.#head.length) this.#grow();
    const words = this.#words;
    const low = this.#low;
    const high = this.#high;
    for (let w = 0; w < words; w++) {
      low[w][at] = destination.words[w];
      high[w][at] = destination.words[w] | ~maskWord(destination.length, w);
      low[words + w][at] = source.words[w];
      high[words + w][at] = source.words[w] | ~maskWord(source.length, w);
    }
    low[2 * words][at] = service.destinationPorts.first;
    high[2 * words][at] = service.destinationPorts.last;
    low[2 * words + 1][at] = service.sourcePorts.first;
    high[2 * words + 1][at] = service.sourcePorts.last;
    low[2 * words + 2][at] = service.lanes.first;
    high[2 * words + 2][at] = service.lanes.last;
    this.#destinationLength[at] = destination.length;
    this.#sourceLength[at] = source.length;
    this.#head[at] = head < 0 ? at : head;
    this.#hash[at] = hash;
    return at;
  }

  #matches(at: number, destination: Prefix, source: Prefix, service: Service): boolean {
    const words = this.#words;
    const low = this.#low;
    const high = this.#high;
    if (this.#destinationLength[at] !== destination.length || this.#sourceLength[at] !== source.length) return false;
    for (let w = 0; w < words; w++) {
      if (low[w][at] !== destination.words[w] || low[words + w][at] !== source.words[w]) return false;
    }
    const { destinationPorts, sourcePorts, lanes } = service;
    return (
      low[2 * words][at] === destinationPorts.first &&
      high[2 * words][at] === destinationPorts.last &&
      low[2 * words + 1][at] === sourcePorts.first &&
      high[2 * words + 1][at] === sourcePorts.last &&
      low[2 * words + 2][at] === lanes.first &&
      high[2 * words + 2][at] === lanes.last
    );
  }

  #grow(): void {
    const size = 2 * this.#head.length;
    this.#low = this.#low.map((column) => grown(column, new Uint32Array(size)));
    this.#high = this.#high.map((column) => grown(column, new Uint32Array(size)));
    this.#destinationLength = grown(this.#destinationLength, new Uint8Array(size));
    this.#sourceLength = grown(this.#sourceLength, new Uint8Array(size));
    this.#head = grown(this.#head, new Int32Array(size));
    this.#hash = grown(this.#hash, new Int32Array(size));
    this.#alike = grown(this.#alike, new Int32Array(size));
    this.#table = grown(this.#table, new Int32Array(size));
    this.#next = new Int32Array(size);
    this.#first = new Int32Array(2 * size);
    for (let at = 0; at < size / 2; at++) {
      if (this.#alike[at] < 0) continue;
      const place = this.#hash[at] & (this.#first.length - 1);
      this.#next[at] = this.#first[place];
      this.#first[place] = at + 1;
    }
  }
}

function grown<Column extends Uint8Array | Int32Array | Uint32Array>(column: Column, into: Column): Column {
  into.set(column);
  return into;
}

function hashOf(destination: Prefix, source: Prefix, { destinationPorts, sourcePorts, lanes }: Service): number {
  let hash = (destination.length << 8) ^ source.length;
  for (let w = 0; w < destination.words.length; w++) {
    hash = mix(mix(hash, destination.words[w]), source.words[w]);
  }
  hash = mix(hash, (destinationPorts.first << 16) | destinationPorts.last);
  hash = mix(hash, (sourcePorts.first << 16) | sourcePorts.last);
  return mix(hash, (lanes.first << 8) | lanes.last);
}

function mix(hash: number, value: number): number {
  const mixed = Math.imul(hash ^ value, 0x9e3779b1);
  return mixed ^ (mixed >>> 15);
}
