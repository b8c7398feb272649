/** Ruleset → image. Pure: no clock, no kernel, no dependence on the order of keys or sets. */
import { createHash } from 'node:crypto';
import type { Family } from '../model/prefix';
import type { Ruleset } from '../model/ruleset';
import { expandSection, type RuleTable } from './expand';
import type { Image, ImageFeatures, RankEntry } from './image';
import { limitTable } from './limits';
import { pack } from './pack';
import { partition } from './partition';
import { assignRanks, entryOfWord, wordOf } from './ranks';
import { ServiceTable } from './services';
import { imageStats } from './stats';
import { type GrownTree, growTree } from './tree';

/** Counter slots come in whole pages of 4096 bytes, 32 bytes a slot. */
const COUNTER_SLOTS_STEP = 128;

/** Compiles the inbound section. Throws `CapacityError` where the ruleset needs more than a ceiling allows. */
export function compile(ruleset: Ruleset): Image {
  const section = ruleset.inbound;
  const sectionRanks = assignRanks(section);
  const ranks: RankEntry[] = [
    ...sectionRanks.rows,
    ...(sectionRanks.ssh ? [sectionRanks.ssh] : []),
    sectionRanks.default,
  ];
  const services = new ServiceTable();
  const tables = expandSection(section, sectionRanks, services);
  const idOfWord = (word: number): string => entryOfWord(ranks, word)!.id;
  const growFamily = (rules: RuleTable): GrownTree[] =>
    partition(rules).map((group) => growTree(rules, group, idOfWord));
  const grown: Record<Family, GrownTree[]> = { 4: growFamily(tables[4]), 6: growFamily(tables[6]) };
  const families = {
    4: { rules: tables[4], trees: grown[4].map(({ root }) => root) },
    6: { rules: tables[6], trees: grown[6].map(({ root }) => root) },
  };
  const highest = sectionRanks.default.rank;
  const limits = limitTable(ranks);
  const bytes = pack({
    families,
    services: services.services,
    defaultWord: wordOf(sectionRanks.default),
    counterSlots: highest + 1,
    limits,
  });
  const features: ImageFeatures = {
    icmp: ruleset.icmp,
    ethertypes: ruleset.ethertypes,
    ipv4: tables[4].count > 0,
    ipv6: tables[6].count > 0,
    limits: limits.count > 0,
    rejects: ranks.some(({ action, rule }) => action === 'reject' || rule?.limit?.verdict === 'reject'),
  };
  return {
    bytes,
    digest: digestOf(bytes, features, ranks),
    ranks,
    sections: [section.name],
    counterSlots: Math.ceil((highest + 1) / COUNTER_SLOTS_STEP) * COUNTER_SLOTS_STEP,
    features,
    stats: imageStats(section.rules.length, bytes.length, families, grown),
  };
}

function digestOf(bytes: Uint8Array, features: ImageFeatures, ranks: readonly RankEntry[]): string {
  const { icmp, ethertypes, ipv4, ipv6 } = features;
  const hash = createHash('sha256');
  hash.update(bytes);
  hash.update(JSON.stringify([icmp, ethertypes, ipv4, ipv6]));
  hash.update(JSON.stringify(ranks.map(({ rank, section, tier, action, id }) => [rank, section, tier, action, id])));
  return hash.digest('hex');
}
