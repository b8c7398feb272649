/**
 * What images of named sets cost, in figures that no machine changes: a regression shows without a stopwatch.
 * `SLUICE_UPDATE_GOLDEN=1` writes the file anew.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compile } from '../../src/compile/compile';
import { CompileMemory } from '../../src/compile/compile-memory';
import type { Image } from '../../src/compile/image';
import { interpret } from '../../src/compile/interpret';
import type { FlowKey } from '../../src/model/packet';
import { PORT_PROTOCOLS, PROTOCOL } from '../../src/model/protocol';
import { type BenchSet, rulesetOf } from '../bench/sets/bench-set';
import { makeSet } from '../bench/sets/catalogue';
import type { PacketColumns } from '../bench/sets/packet-columns';
import { Scan } from '../bench/sets/scan';
import { hitTrace } from '../bench/sets/trace';

const FILE = join(__dirname, 'image-cost.txt');
const SETS = ['acl1', 'fw1', 'ipc1', 'wildcard', 'mixed', 'ranges', 'crossing', 'nested', 'blocklist'];
const SIZE = 1000;
const PACKETS = 500;
/**
 * Budgets that no set may exceed, whatever the file says: bytes a rule; rules compared on the worst path; and, for the time
 * that building takes, numbers in all lists of rules that it looked at, a rule.
 */
const BYTES_MAX = 1024;
const WORST_RULES_MAX = 192;
const BUILT_MAX = 512;

function keyOf(packets: PacketColumns, i: number): FlowKey {
  const { family, words } = packets;
  const at = i * words;
  const protocol = packets.protocol[i];
  const key = {
    family,
    source: [...packets.source.subarray(at, at + words)],
    destination: [...packets.destination.subarray(at, at + words)],
    protocol,
    sourcePort: 0,
    destinationPort: 0,
  };
  if (protocol === PROTOCOL.ICMP || protocol === PROTOCOL.ICMPV6) {
    return { ...key, icmp: { type: packets.sourcePort[i] >> 8, code: packets.sourcePort[i] & 0xff } };
  }
  if (!PORT_PROTOCOLS.has(protocol)) return key;
  return { ...key, sourcePort: packets.sourcePort[i], destinationPort: packets.destinationPort[i] };
}

const LINE_BYTES = 64;
const READS = ['getUint8', 'getUint16', 'getUint32'] as const;
type Read = (this: DataView, at: number, littleEndian?: boolean) => number;

/** Cache lines of an image that a walk over its bytes reads. */
function linesRead(walk: () => void): number {
  const lines = new Set<number>();
  const methods = DataView.prototype as unknown as Record<(typeof READS)[number], Read>;
  const real = { ...Object.fromEntries(READS.map((name) => [name, methods[name]])) } as typeof methods;
  for (const name of READS) {
    methods[name] = function (at, littleEndian) {
      lines.add(Math.floor(at / LINE_BYTES));
      return real[name].call(this, at, littleEndian);
    };
  }
  try {
    walk();
  } finally {
    Object.assign(methods, real);
  }
  return lines.size;
}

function meanSteps(set: BenchSet, image: Image): string {
  const { packets } = hitTrace(set, new Scan(set), PACKETS);
  const sum = { nodes: 0, leaves: 0, rules: 0, lines: 0 };
  interpret(image, keyOf(packets, 0)); // reads the header, once for all
  for (let i = 0; i < packets.count; i++) {
    const key = keyOf(packets, i);
    sum.lines += linesRead(() => {
      const { nodes, leaves, rules } = interpret(image, key);
      sum.nodes += nodes;
      sum.leaves += leaves;
      sum.rules += rules;
    });
  }
  return Object.values(sum)
    .map((total) => (total / packets.count).toFixed(2).padStart(7))
    .join('');
}

test('cost of named sets', () => {
  const lines = [
    `${SIZE} rules a set; numbers in lists that building looked at; means of packets spread over the rules (lines: cache lines of the image), then the worst path of any packet`,
    'set        family   bytes  leaves  stored longest   built  nodes leaves  rules  lines   worst: nodes leaves rules',
  ];
  for (const family of [4, 6] as const) {
    for (const name of SETS) {
      const set = makeSet(name, SIZE, family);
      const memory = new CompileMemory();
      const image = compile(rulesetOf(set, 'mixed'), memory);
      const built = Math.ceil(memory[family].trees.size);
      const { bytes, leaves, leafRules, longestLeaf, worstCase } = image.stats;
      expect(bytes / SIZE).toBeLessThan(BYTES_MAX);
      expect(worstCase.rules).toBeLessThan(WORST_RULES_MAX);
      expect(built / SIZE).toBeLessThan(BUILT_MAX);
      const stored = [bytes, leaves, leafRules, longestLeaf, built].map((value) => String(value).padStart(8)).join('');
      const worst = [worstCase.nodes, worstCase.leaves, worstCase.rules].map((value) => String(value).padStart(7));
      lines.push(`${name.padEnd(10)} ipv${family} ${stored}${meanSteps(set, image)}  ${worst.join('')}`);
    }
  }
  const text = `${lines.join('\n')}\n`;
  if (process.env.SLUICE_UPDATE_GOLDEN === '1') writeFileSync(FILE, text);
  expect(text).toBe(existsSync(FILE) ? readFileSync(FILE, 'utf8') : '');
});
