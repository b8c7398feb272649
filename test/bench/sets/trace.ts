/** Packets for a set: some in each of its rules, each rule as often as every other; and some in none. */
import type { Prefix } from '../../../src/model/prefix';
import { PORT_PROTOCOLS, PROTOCOL } from '../../../src/model/protocol';
import { isAllPorts, type PlainRule, TWIN_STEM } from '../../support/generate/plain-rule';
import { Random } from '../../support/generate/random';
import type { BenchSet } from './bench-set';
import { PacketColumns } from './packet-columns';
import { NO_ROW, Scan } from './scan';

/** Packets of a trace, about: a whole number of rounds over the rules. More would push what is measured out of the caches. */
const PACKETS = 131_072;
/** Packets that match nothing: fewer, since each is checked against every row. */
const MISSES = 8192;
/** A set in which fewer draws than this share match nothing has no such trace. */
const MISS_SHARE = 1 / 32;

/** Protocols that rules name seldom; the frames' bodies are whole in all of them. */
const OTHER_PROTOCOLS = [PROTOCOL.UDP, PROTOCOL.SCTP, PROTOCOL.ESP];

/** Packets in the order in which they are sent. */
export interface Trace {
  readonly packets: PacketColumns;
  /** Row that decides each packet, by the linear scan. */
  readonly rows: Int32Array;
}

/** Packets uniform over the rules (and over the prefixes of a list), in random order, with the scan's answers. */
export function hitTrace(set: BenchSet, scan: Scan, wanted = PACKETS, seed = 7): Trace {
  const random = new Random(seed);
  const targets = set.rules.length + (set.list?.length ?? 0);
  const rounds = Math.floor(wanted / targets);
  const count = rounds > 0 ? rounds * targets : wanted;
  const order = Uint32Array.from({ length: count }, (_, i) => (rounds > 0 ? i % targets : random.below(targets)));
  for (let i = count - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  const packets = new PacketColumns(set.family, count);
  order.forEach((target, i) => drawInside(random, set, target, packets, i));
  return { packets, rows: Int32Array.from({ length: count }, (_, i) => scan.first(packets, i)) };
}

/** Packets that no row matches, near rules and far from them; null where hardly a packet is without a row. */
export function missTrace(set: BenchSet, scan: Scan, wanted = MISSES, seed = 8): Trace | null {
  const random = new Random(seed);
  const packets = new PacketColumns(set.family, wanted);
  const draft = new PacketColumns(set.family, 1);
  const targets = set.rules.length + (set.list?.length ?? 0);
  let found = 0;
  for (let draws = 1; found < wanted; draws++) {
    drawInside(random, set, random.below(targets), draft, 0);
    disturb(random, draft);
    if (scan.first(draft, 0) === NO_ROW) packets.copy(found++, draft, 0);
    if (draws === 256 && found < 256 * MISS_SHARE) return null;
  }
  return { packets, rows: new Int32Array(wanted).fill(NO_ROW) };
}

/** Packet `i` inside a target: a prefix of the list first, then a rule. */
function drawInside(random: Random, set: BenchSet, target: number, packets: PacketColumns, i: number): void {
  const listed = set.list?.length ?? 0;
  if (target < listed) {
    const prefix = set.list![target];
    drawAddress(random, prefix, packets.source, i * packets.words);
    drawAddress(random, { ...prefix, length: 0 }, packets.destination, i * packets.words);
    packets.protocol[i] = PROTOCOL.TCP;
    packets.sourcePort[i] = random.between(1024, 65535);
    packets.destinationPort[i] = random.between(1, 65535);
    return;
  }
  const rule = set.rules[target - listed];
  drawAddress(random, rule.from, packets.source, i * packets.words);
  drawAddress(random, rule.to, packets.destination, i * packets.words);
  packets.protocol[i] = drawProtocol(random, rule);
  if (packets.protocol[i] === PROTOCOL.ICMP || packets.protocol[i] === PROTOCOL.ICMPV6) {
    // an echo reply: no tier of its own looks at it
    packets.sourcePort[i] = packets.protocol[i] === PROTOCOL.ICMP ? 0 : 129 << 8;
    packets.destinationPort[i] = 0;
  } else {
    packets.sourcePort[i] = random.between(...rule.fromPorts);
    packets.destinationPort[i] = random.between(...rule.toPorts);
  }
}

function drawProtocol(random: Random, rule: PlainRule): number {
  if (rule.protocol !== null) return rule.protocol;
  const needsPorts = !isAllPorts(rule.fromPorts) || !isAllPorts(rule.toPorts);
  return needsPorts && random.chance(0.5) ? PROTOCOL.UDP : PROTOCOL.TCP;
}

/** A random address of the prefix; where that says nothing, one in the networks sets are made of. */
function drawAddress(random: Random, prefix: Prefix, words: Uint32Array, at: number): void {
  const { family, length } = prefix;
  if (length === 0 && family === 6) {
    words.set([TWIN_STEM, random.word(), random.word(), random.word()], at);
    return;
  }
  prefix.words.forEach((word, i) => {
    const fixed = Math.min(32, Math.max(0, length - 32 * i));
    const mask = fixed === 0 ? 0 : (0xffffffff << (32 - fixed)) >>> 0;
    words[at + i] = ((word & mask) | (random.word() & ~mask)) >>> 0;
  });
}

/** Changes one or two fields, so that the packet is near a rule that it does not match. */
function disturb(random: Random, packets: PacketColumns): void {
  const hot = packets.family === 4 ? 0 : 1;
  const kind = random.below(4);
  if (random.chance(0.3)) {
    packets.protocol[0] = random.pick(OTHER_PROTOCOLS);
    // what was an ICMP type must not become port 0, which no row ever sees
    packets.sourcePort[0] = random.between(1, 65535);
    packets.destinationPort[0] = random.between(1, 65535);
  }
  if (kind !== 1) packets.source[hot] = random.word();
  if (kind !== 2) packets.destination[hot] = random.word();
  if (kind >= 2 && PORT_PROTOCOLS.has(packets.protocol[0])) packets.destinationPort[0] = random.between(1, 65535);
}
