/** Holds an image against the scan at the corners of a ruleset's rows. */
import type { Image } from '../../src/compile/image';
import { interpret } from '../../src/compile/interpret';
import { entryOfWord } from '../../src/compile/ranks';
import { evaluateSection } from '../../src/model/evaluate';
import type { FlowKey } from '../../src/model/packet';
import { PORT_PROTOCOLS } from '../../src/model/protocol';
import type { Ruleset } from '../../src/model/ruleset';
import { lastAddress, type AddressWords, type Family } from '../../src/model/prefix';
import { ownerOf } from '../../src/model/server';
import type { Random } from './generate/random';

/** Draws a key that lies in, or one beside, the corner of some row. */
export function drawKey(random: Random, { inbound, servers = [] }: Ruleset): FlowKey {
  const { rules } = random.pick([inbound, ...servers].filter(({ rules: rows }) => rows.length > 0));
  const { match } = random.pick(rules);
  const other = random.chance(0.3) ? random.pick(rules).match : match;
  const prefixes = [match.from, match.to].flatMap((list) => (list === 'any' ? [] : list));
  const family: Family =
    match.family === 'any' ? (prefixes.at(0)?.family ?? random.pick([4, 6] as const)) : match.family;
  const address = (list: typeof match.from): AddressWords => {
    const own = list === 'any' ? [] : list.filter((prefix) => prefix.family === family);
    if (own.length === 0) return Array.from({ length: family === 4 ? 1 : 4 }, () => random.word());
    const prefix = random.pick(own);
    const words = [...(random.chance(0.5) ? prefix.words : lastAddress(prefix))];
    if (random.chance(0.3)) words[words.length - 1] = (words.at(-1)! + random.pick([1, -1])) >>> 0;
    return words;
  };
  const port = (list: typeof match.toPorts): number => {
    if (list === 'any' || list.length === 0) return 1 + (random.word() % 65535);
    const range = random.pick(list);
    const value = random.pick([range.first, range.last]) + random.pick([0, 0, 1, -1]);
    return Math.min(65535, Math.max(1, value));
  };
  const protocol = match.protocols === 'any' || match.protocols.length === 0 ? 6 : random.pick(match.protocols);
  const key = { family, source: address(match.from), destination: address(other.to), protocol };
  if (PORT_PROTOCOLS.has(protocol))
    return { ...key, sourcePort: port(match.fromPorts), destinationPort: port(other.toPorts) };
  const plain = { ...key, sourcePort: 0, destinationPort: 0 };
  if (protocol !== (family === 4 ? 1 : 58)) return plain;
  const type = match.icmpTypes === 'any' || match.icmpTypes.length === 0 ? 8 : random.pick(match.icmpTypes).type;
  return { ...plain, icmp: { type: (type + random.pick([0, 1, 255])) & 255, code: random.pick([0, 1, 255]) } };
}

/** The first key of `keys` drawn for which image and scan disagree, or that costs more than the image says; or null. */
export function findDifference(random: Random, ruleset: Ruleset, image: Image, keys: number): object | null {
  for (let i = 0; i < keys; i++) {
    const key = drawKey(random, ruleset);
    const expected = evaluateSection(ownerOf(ruleset, key), key);
    const walk = interpret(image, key);
    const entry = entryOfWord(image.ranks, walk.word);
    const same = entry?.tier === expected.tier && (entry.rule?.id ?? null) === expected.rule;
    const { nodes, leaves, rules } = image.stats.worstCase;
    const isWithin = walk.nodes <= nodes && walk.leaves <= leaves && walk.rules <= rules;
    if (!same || !isWithin || walk.fault !== undefined)
      return { key, expected, walk, entry, worst: image.stats.worstCase };
  }
  return null;
}
