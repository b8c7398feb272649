/** Ruleset → image. Pure: no clock, no kernel, no dependence on the order of keys or sets. */
import { DEFAULT_MAX_FLOWS } from '../model/flow';
import { createHash } from 'node:crypto';
import { SLC_ENTRY, SLC_LIMITS, SLC_WORD_NONE } from '../abi/layout.gen';
import type { Family } from '../model/prefix';
import type { Ruleset } from '../model/ruleset';
import { CompileMemory } from './compile-memory';
import { expandSections, type RankedSection } from './expand';
import { growForest } from './forest';
import type { Image, ImageFeatures, RankEntry } from './image';
import { limitTable } from './limits';
import { type FamilyTrees, pack } from './pack';
import { ownerTable } from './owners';
import { assignRanks, ranksOf, wordOf } from './ranks';
import { type ImageSection, imageSections, isUsed, sharedEntry } from './sections';
import { ServiceTable } from './services';
import { imageStats, type SectionTrees } from './stats';

/** Counter slots come in whole pages of 4096 bytes, 32 bytes a slot. */
const COUNTER_SLOTS_STEP = 128;

/**
 * Compiles every section. Throws `CapacityError` where the ruleset needs more than a ceiling allows. What `memory` knows
 * of rulesets before makes it faster, and never changes the image; one that fails makes it forget.
 */
export function compile(ruleset: Ruleset, memory: CompileMemory = new CompileMemory()): Image {
  memory.tidy();
  try {
    return compileWith(ruleset, memory);
  } catch (error) {
    memory.forget();
    throw error;
  }
}

function compileWith(ruleset: Ruleset, memory: CompileMemory): Image {
  const sections = rankSections(imageSections(ruleset));
  const ranks = sections.flatMap(({ section, ranks: own }) => (section.laterOf === undefined ? ranksOf(own) : []));
  const services = new ServiceTable();
  const tables = expandSections(sections, services, memory);
  const trees = tables.map((rules): SectionTrees => {
    const grown = { 4: growForest(rules[4]), 6: growForest(rules[6]) };
    const treesOf = (family: Family): FamilyTrees => ({
      rules: rules[family],
      trees: grown[family].map(({ root }) => root),
    });
    return { families: { 4: treesOf(4), 6: treesOf(6) }, grown };
  });
  const slots = ranks[ranks.length - 1].rank + 1;
  const limits = limitTable(ranks);
  const bytes = pack({
    sections: trees.map(({ families }, i) => {
      const sharedWith = sharedEntry(sections[i].section);
      return { families, defaultWord: defaultWordOf(sections[i]), ...(sharedWith !== undefined && { sharedWith }) };
    }),
    services: services.services,
    counterSlots: slots,
    limits,
    owners: ownerTable(sections[SLC_ENTRY.INBOUND].ranks),
  });
  const features: ImageFeatures = {
    icmp: ruleset.icmp,
    echo: ruleset.echo,
    fragments: ruleset.fragments,
    maxFlows: ruleset.maxFlows ?? DEFAULT_MAX_FLOWS,
    logging: ruleset.logging,
    ethertypes: ruleset.ethertypes,
    ipv4: tables.some((rules) => rules[4].order.length > 0),
    ipv6: tables.some((rules) => rules[6].order.length > 0),
    sections: sections.map(({ section }) => isUsed(section)),
    limits: limits.count > 0,
    rejects: ranks.some((rank) => !isOut(rank) && (rank.action === 'reject' || rank.rule?.limit?.verdict === 'reject')),
    rejectsOut: ranks.some((rank) => isOut(rank) && rank.action === 'reject'),
  };
  const rows = ruleCount(sections);
  return {
    bytes,
    digest: digestOf(bytes, features, ranks),
    ranks,
    sections: sections.map(({ section }) => section.name),
    counterSlots: Math.ceil(slots / COUNTER_SLOTS_STEP) * COUNTER_SLOTS_STEP,
    features,
    stats: imageStats(rows, bytes.length, trees),
  };
}

function isOut({ tier }: RankEntry): boolean {
  return tier.startsWith('out');
}

/** Ranks ascend over all sections, in the order of the table. What later fragments are judged by has no own. */
function rankSections(sections: readonly ImageSection[]): RankedSection[] {
  let first: number = SLC_LIMITS.RANK_FIRST;
  const ranked: RankedSection[] = [];
  for (const section of sections) {
    const ranks = section.laterOf === undefined ? assignRanks(section, first) : ranked[section.laterOf].ranks;
    first = Math.max(first, ranks.end);
    ranked.push({ section, ranks });
  }
  return ranked;
}

/** Written rows. */
function ruleCount(sections: readonly RankedSection[]): number {
  const own = sections.flatMap(({ section }) => (section.laterOf === undefined ? [section] : []));
  const all = own.flatMap((section) => [section, ...(section.servers ?? []).map((each) => each.section)]);
  return all.reduce((sum, { rules }) => sum + rules.length, 0);
}

function defaultWordOf({ ranks }: RankedSection): number {
  return ranks.default ? wordOf(ranks.default) : SLC_WORD_NONE;
}

function digestOf(bytes: Uint8Array, features: ImageFeatures, ranks: readonly RankEntry[]): string {
  const { icmp, echo, fragments, maxFlows, logging, ethertypes, ipv4, ipv6, sections } = features;
  const hash = createHash('sha256');
  hash.update(bytes);
  hash.update(
    JSON.stringify([icmp, echo.inAll, echo.perSource, fragments, maxFlows, logging, ethertypes, ipv4, ipv6, sections]),
  );
  hash.update(JSON.stringify(ranks.map(({ rank, section, tier, action, id }) => [rank, section, tier, action, id])));
  return hash.digest('hex');
}
