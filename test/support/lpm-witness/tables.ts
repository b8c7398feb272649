/**
 * A ruleset as the literal design has it: for each prefix, port, protocol and ICMP type the rows it fulfils, as a bit
 * vector. Written from the meaning of a match alone; nothing here comes from the compiler.
 */
import { ANY, type AddressMatch, type Match } from '../../../src/model/match';
import { type Family, type Prefix, prefixCovers } from '../../../src/model/prefix';
import { PORT_PROTOCOLS, PROTOCOL } from '../../../src/model/protocol';
import type { PortRange } from '../../../src/model/port-range';
import type { Ruleset } from '../../../src/model/ruleset';

/** Most rows a vector holds, the SSH row included. */
export const WITNESS_ROWS = 512;
/** Bytes of a vector: bit `i` of the little-endian row of 64-bit words stands for row `i`. */
export const VECTOR_BYTES = WITNESS_ROWS / 8;
const VECTOR_WORDS = WITNESS_ROWS / 32;

/** Keys (`struct bpf_lpm_trie_key`: length in host order, address bytes) and vectors of one trie, back to back. */
export interface TrieEntries {
  readonly keyBytes: number;
  readonly count: number;
  readonly keys: Uint8Array;
  readonly vectors: Uint8Array;
}

export interface WitnessTables {
  /** Ids of the rows by bit: rules, then `ssh` where there is an SSH row. */
  readonly rows: readonly string[];
  readonly source: Readonly<Record<Family, TrieEntries>>;
  readonly destination: Readonly<Record<Family, TrieEntries>>;
  /** 65,536 vectors; entry 0 is for protocols without ports. */
  readonly sourcePorts: Uint8Array;
  readonly destinationPorts: Uint8Array;
  /** 256 vectors. */
  readonly protocols: Uint8Array;
  /** 65,537 vectors, by type << 8 | code; the last is for packets that are no ICMP. */
  readonly icmp: Uint8Array;
}

interface Row {
  readonly id: string;
  readonly match: Match;
  readonly enabled: boolean;
}

/** The tables of the inbound section; throws where there are more than 512 rows. */
export function buildTables(ruleset: Ruleset): WitnessTables {
  const rows = rowsOf(ruleset);
  if (rows.length > WITNESS_ROWS) throw new RangeError(`${rows.length} rows, the witness holds ${WITNESS_ROWS}`);
  return {
    rows: rows.map(({ id }) => id),
    source: { 4: trie(rows, 4, ({ from }) => from), 6: trie(rows, 6, ({ from }) => from) },
    destination: { 4: trie(rows, 4, ({ to }) => to), 6: trie(rows, 6, ({ to }) => to) },
    sourcePorts: portTable(rows, ({ fromPorts }) => fromPorts),
    destinationPorts: portTable(rows, ({ toPorts }) => toPorts),
    protocols: protocolTable(rows),
    icmp: icmpTable(rows),
  };
}

function rowsOf({ inbound }: Ruleset): Row[] {
  const { ssh } = inbound;
  // "from: rules" shows only where the default would let in those whom no row names.
  if (!ssh || (ssh.from === 'rules' && inbound.default !== 'allow')) return [...inbound.rules];
  const toPorts = ssh.ports.map((port) => ({ first: port, last: port }));
  const none = { family: ANY, from: ANY, to: ANY, fromPorts: ANY, icmpTypes: ANY } as const;
  return [...inbound.rules, { id: 'ssh', match: { ...none, protocols: [PROTOCOL.TCP], toPorts }, enabled: true }];
}

/** The vector of the enabled rows that fulfil `test`. */
function vector(rows: readonly Row[], test: (match: Match) => boolean): Uint32Array {
  const words = new Uint32Array(VECTOR_WORDS);
  rows.forEach(({ match, enabled }, row) => {
    if (enabled && test(match)) words[row >>> 5] |= 1 << (row & 31);
  });
  return words;
}

/**
 * Every prefix a row names, and /0. A trie returns the longest prefix only, so the vector of each entry holds the rows
 * of all prefixes that cover it.
 */
function trie(rows: readonly Row[], family: Family, side: (match: Match) => AddressMatch): TrieEntries {
  const words = family === 4 ? 1 : 4;
  const everything: Prefix = { family, words: new Array<number>(words).fill(0), length: 0 };
  const prefixes = new Map([['0/0', everything]]);
  for (const { match } of rows) {
    const list = side(match);
    for (const prefix of list === ANY ? [] : list) {
      if (prefix.family === family && prefix.length > 0) {
        prefixes.set(`${prefix.words.join('.')}/${prefix.length}`, prefix);
      }
    }
  }
  const keyBytes = 4 + words * 4;
  const keys = new Uint8Array(prefixes.size * keyBytes);
  const vectors = new Uint32Array(prefixes.size * VECTOR_WORDS);
  const view = new DataView(keys.buffer);
  [...prefixes.values()].forEach((prefix, entry) => {
    view.setUint32(entry * keyBytes, prefix.length, true);
    prefix.words.forEach((word, i) => view.setUint32(entry * keyBytes + 4 + i * 4, word));
    const covered = vector(rows, (match) => {
      const list = side(match);
      const familyFits = match.family === ANY || match.family === family;
      return familyFits && (list === ANY || list.some((outer) => prefixCovers(outer, prefix)));
    });
    vectors.set(covered, entry * VECTOR_WORDS);
  });
  return { keyBytes, count: prefixes.size, keys, vectors: bytesOf(vectors) };
}

function portTable(rows: readonly Row[], side: (match: Match) => Match['toPorts']): Uint8Array {
  const table = new Uint32Array(65536 * VECTOR_WORDS);
  table.set(vector(rows, (match) => side(match) === ANY));
  const cuts = new Set([1]);
  for (const { match } of rows) {
    const list = side(match);
    for (const { first, last } of list === ANY ? [] : list) cuts.add(first).add(last + 1);
  }
  const starts = [...cuts].filter((port) => port <= 65535).sort((a, b) => a - b);
  const covers = (list: readonly PortRange[], port: number): boolean =>
    list.some(({ first, last }) => first <= port && port <= last);
  starts.forEach((first, i) => {
    const behind = starts.at(i + 1) ?? 65536;
    const covered = vector(rows, (match) => {
      const list = side(match);
      return list === ANY || covers(list, first);
    });
    fill(table, first, behind, covered);
  });
  return bytesOf(table);
}

function protocolTable(rows: readonly Row[]): Uint8Array {
  const table = new Uint32Array(256 * VECTOR_WORDS);
  for (let protocol = 0; protocol < 256; protocol++) {
    const portsFit = PORT_PROTOCOLS.has(protocol);
    const named = vector(rows, ({ protocols, toPorts, fromPorts }) => {
      const needsPorts = toPorts !== ANY || fromPorts !== ANY;
      return (protocols === ANY || protocols.includes(protocol)) && (portsFit || !needsPorts);
    });
    table.set(named, protocol * VECTOR_WORDS);
  }
  return bytesOf(table);
}

function icmpTable(rows: readonly Row[]): Uint8Array {
  const table = new Uint32Array(65537 * VECTOR_WORDS);
  const unnamed = vector(rows, ({ icmpTypes }) => icmpTypes === ANY);
  fill(table, 0, 65537, unnamed);
  const named = new Set<number>();
  for (const { match } of rows) {
    for (const { type } of match.icmpTypes === ANY ? [] : match.icmpTypes) named.add(type);
  }
  for (const type of named) {
    for (let code = 0; code < 256; code++) {
      const fits = vector(
        rows,
        ({ icmpTypes }) =>
          icmpTypes === ANY || icmpTypes.some((one) => one.type === type && (one.code ?? code) === code),
      );
      table.set(fits, ((type << 8) | code) * VECTOR_WORDS);
    }
  }
  return bytesOf(table);
}

/** Writes the vector to the entries `first` … `behind` - 1. */
function fill(table: Uint32Array, first: number, behind: number, words: Uint32Array): void {
  table.set(words, first * VECTOR_WORDS);
  for (let done = 1; done < behind - first;) {
    const more = Math.min(done, behind - first - done);
    table.copyWithin((first + done) * VECTOR_WORDS, first * VECTOR_WORDS, (first + more) * VECTOR_WORDS);
    done += more;
  }
}

function bytesOf(words: Uint32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}
