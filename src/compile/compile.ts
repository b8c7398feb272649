/** Ruleset → image. Pure: no clock, no kernel, no dependence on the order of keys or sets. */
import { createHash } from 'node:crypto';
import { LAYOUT, SLC_ENTRY, SLC_LIMITS } from '../abi/layout.gen';
import { DEFAULT_MAX_FLOWS } from '../model/flow';
import { countRows } from '../model/moved';
import type { PortRange } from '../model/port-range';
import type { Ruleset } from '../model/ruleset';
import { isFixedSection, isServerBefore, rulesetReturned, type Trial } from '../model/trial';
import { CapacityError, MAX_IMAGE_RULES } from './capacity';
import { CompileMemory } from './compile-memory';
import { compileOwners, compileReturning, compileSection, compileServer } from './compile-section';
import type { CompiledSection } from './compiled-section';
import type { RankedSection } from './expand';
import type { Image, ImageFeatures, RankEntry } from './image';
import { limitTable } from './limits';
import { sectionId } from './owners';
import { type PackedSection, pack } from './pack';
import { assignRanks, checkRanks } from './ranks';
import { entriesOf, imageSections, type ImageSection, isUsed, sectionLabel, sharedEntry } from './sections';
import { sharesOf } from './shares';
import { imageStats } from './stats';

/** Counter slots come in whole pages. */
const COUNTER_SLOTS_STEP = 4096 / LAYOUT.slc_hits.size;

/**
 * Compiles every section, each alone. Throws `CapacityError` where the ruleset needs more than a ceiling allows. What
 * `memory` knows of rulesets before makes it faster, and never changes the image; one that passes a ceiling leaves it only
 * the servers that were done, any other failure nothing. Sections that wait to be confirmed (`trials`) are in it twice.
 */
export function compile(
  ruleset: Ruleset,
  memory: CompileMemory = new CompileMemory(),
  trials: readonly Trial[] = [],
): Image {
  memory.tidy();
  try {
    return compileWith(ruleset, memory, trials);
  } catch (error) {
    if (error instanceof CapacityError) memory.forgetRows();
    else memory.forget();
    throw error;
  }
}

/** An entry of the section table on its way into the image. */
interface Placed {
  readonly name: string;
  readonly compiled: CompiledSection;
  /** Added to the ranks of its block. */
  readonly rank: number;
  /** Whether its rows or its default can decide anything. */
  readonly used: boolean;
}

/** What judges again in a section that is not confirmed. */
interface Returning extends Placed {
  /** Its entry of the section table. */
  readonly entry: number;
  readonly word: number;
}

function compileWith(ruleset: Ruleset, memory: CompileMemory, trials: readonly Trial[]): Image {
  const servers = ruleset.servers ?? [];
  const fixed = rankSections(imageSections(ruleset), SLC_LIMITS.RANK_FIRST);
  let rank = fixed.end;
  const placed: Placed[] = compileFixed(fixed.sections, memory);
  placed.push({ name: 'inbound', compiled: compileOwners(servers, memory), rank: 0, used: true });
  const size = new ImageSize(placed);
  for (const server of servers) {
    const compiled = compileServer(server, memory);
    placed.push({ name: server.name, compiled, rank, used: true });
    rank += compiled.span;
    size.add(compiled);
  }
  const returningFrom = rank;
  const returning: Returning[] = [];
  for (const trial of trials) {
    const back = compileTrial(ruleset, trial, rank, memory);
    returning.push(...back.entries);
    rank = back.end;
    for (const { compiled } of back.entries) size.add(compiled);
  }
  const all: readonly Placed[] = [...placed, ...returning];
  checkRanks(rank);
  const ranks = ([] as RankEntry[]).concat(...all.map(({ compiled, rank: first }) => compiled.ranksFrom(first)));
  const limits = limitTable(all.flatMap(({ compiled, rank: first }) => compiled.limitsFrom(first)));
  const byEntry = new Map(returning.map((one) => [one.entry, one]));
  const bytes = pack(
    {
      sections: placed.map((section, index) => packed(section, index, byEntry)),
      ...{ limits, counterSlots: rank },
      shares: sharesOf(servers.length, ruleset.maxFlows ?? DEFAULT_MAX_FLOWS),
    },
    memory.packed,
  );
  const figures = placed.map(({ compiled }) => compiled.figures);
  const features: ImageFeatures = {
    icmp: ruleset.icmp,
    echo: ruleset.echo,
    fragments: ruleset.fragments,
    maxFlows: ruleset.maxFlows ?? DEFAULT_MAX_FLOWS,
    logging: ruleset.logging,
    ethertypes: ruleset.ethertypes,
    ipv4: all.some(({ compiled }) => compiled.families[4]),
    ipv6: all.some(({ compiled }) => compiled.families[6]),
    sections: fixed.sections.map(
      (_, entry) => placed[entry].used || returning.some((one) => one.entry === entry && one.used),
    ),
    servers: servers.length > 0,
    trials: trials.length > 0,
    limits: limits.count > 0,
    rejects: all.some(({ compiled }) => compiled.rejects),
    rejectsOut: all.some(({ compiled }) => compiled.rejectsOut),
  };
  const sections = placed.map(({ name }) => name);
  return {
    bytes,
    digest: digestOf({ placed, returning }, features, limits.bytes),
    ranks,
    ...(returning.length > 0 && { returningFrom }),
    sections,
    counterSlots: Math.ceil(rank / COUNTER_SLOTS_STEP) * COUNTER_SLOTS_STEP,
    features,
    stats: imageStats(ruleCount(fixed.sections, ruleset), bytes.length, figures, (index) =>
      sectionLabel({ sections }, index),
    ),
  };
}

/**
 * Ranks ascend over entries before servers, in the order of the table; of those that are not `asked` there are none. What
 * later fragments are judged by has no own.
 */
function rankSections(
  all: readonly ImageSection[],
  first: number,
  asked: (entry: number) => boolean = () => true,
): { readonly sections: readonly RankedSection[]; readonly end: number } {
  let end = first;
  const sections: RankedSection[] = [];
  for (const [entry, section] of all.entries()) {
    if (!asked(entry)) continue;
    const ranks = section.laterOf === undefined ? assignRanks(section, end) : sections[section.laterOf].ranks;
    end = Math.max(end, ranks.end);
    sections[entry] = { section, ranks };
  }
  return { sections, end };
}

/** The entries before servers; rows that can be crossed are, where all of them together would be too many. */
function compileFixed(sections: readonly RankedSection[], memory: CompileMemory): Placed[] {
  const placed: Placed[] = [];
  let room = MAX_IMAGE_RULES;
  sections.forEach((ranked, entry) => {
    const shared = sharedEntry(ranked.section);
    const compiled = shared === undefined ? compileSection(ranked, memory, room) : placed[shared].compiled.asLater();
    room = Math.max(0, room - compiled.size);
    placed[entry] = { name: ranked.section.name, compiled, rank: 0, used: isUsed(ranked.section) };
  });
  return placed;
}

/** What judges again in a section: its entries, with ranks from `rank` on, and the first rank behind them. */
function compileTrial(
  ruleset: Ruleset,
  trial: Trial,
  rank: number,
  memory: CompileMemory,
): { readonly entries: readonly Returning[]; readonly end: number } {
  const { previous, word } = trial;
  const { name } = previous;
  if (isServerBefore(previous)) {
    const compiled = compileReturning(previous, memory);
    const entry = SLC_ENTRY.SERVERS + (ruleset.servers ?? []).findIndex((server) => server.name === name);
    return { entries: [{ entry, name, compiled, rank, used: true, word }], end: rank + compiled.span };
  }
  const entries = isFixedSection(name) ? entriesOf(name) : [];
  const before = imageSections(rulesetReturned(ruleset, [trial], () => true));
  const { sections, end } = rankSections(before, rank, (entry) => entries.includes(entry));
  const placed = compileFixed(sections, memory);
  return { entries: entries.map((entry) => ({ ...placed[entry], entry, word })), end };
}

/**
 * Image rules of all sections that were compiled so far. A long list that each of thousands of servers names is refused
 * with the first of them that is too many: the others would take minutes, and all memory.
 */
class ImageSize {
  private total = 0;
  private largest: CompiledSection['largest'] = null;

  constructor(placed: readonly Placed[]) {
    for (const { compiled } of placed) this.add(compiled);
  }

  /** Throws `CapacityError` where these are too many; names the row that has most. */
  add({ size, largest }: CompiledSection): void {
    this.total += size;
    if (largest && largest.size > (this.largest?.size ?? 0)) this.largest = largest;
    if (this.total > MAX_IMAGE_RULES)
      throw new CapacityError('image rules', this.total, MAX_IMAGE_RULES, this.largest?.name);
  }
}

/** Entries as they were last, by what became of them: one that is the same as before is the same object (`pack`). */
const ENTRIES = new WeakMap<CompiledSection, { readonly placed: Placed; readonly packed: PackedSection }>();

function packed(placed: Placed, index: number, returning: ReadonlyMap<number, Returning>): PackedSection {
  const { name, compiled, rank, used } = placed;
  const isServer = index >= SLC_ENTRY.SERVERS;
  const trial = returning.get(index);
  const known = trial ? undefined : ENTRIES.get(compiled);
  if (
    known?.packed.isServer === isServer &&
    known.placed.name === name &&
    known.placed.rank === rank &&
    known.placed.used === used
  )
    return known.packed;
  const opens = index === SLC_ENTRY.INBOUND || isServer;
  const section: PackedSection = {
    ...{ block: compiled.block, rank, span: compiled.span, isServer },
    ...{ id: opens ? sectionId(name) : 0n, isUsed: used },
    ports: trial ? reachOf(compiled.ports, trial.compiled.ports) : compiled.ports,
    ...(trial && {
      trial: { block: trial.compiled.block, rank: trial.rank, isUsed: trial.used, word: trial.word },
    }),
  };
  if (!trial) ENTRIES.set(compiled, { placed, packed: section });
  return section;
}

/** From the first port of either to the last. */
function reachOf(one: PortRange, other: PortRange): PortRange {
  return { first: Math.min(one.first, other.first), last: Math.max(one.last, other.last) };
}

/** Written rows. */
function ruleCount(sections: readonly RankedSection[], { servers = [] }: Ruleset): number {
  const own = sections.reduce(
    (sum, { section: { laterOf, rules } }) => sum + (laterOf === undefined ? rules.length : 0),
    0,
  );
  return own + countRows(servers);
}

/** Limits stand beside the blocks, which only say that a row has one. */
function digestOf(
  { placed, returning }: { readonly placed: readonly Placed[]; readonly returning: readonly Returning[] },
  features: ImageFeatures,
  limits: Uint8Array,
): string {
  const { icmp, echo, fragments, maxFlows, logging, ethertypes, ipv4, ipv6, sections } = features;
  const hash = createHash('sha256');
  hash.update(
    JSON.stringify([icmp, echo.inAll, echo.perSource, fragments, maxFlows, logging, ethertypes, ipv4, ipv6, sections]),
  );
  // At once, and as bytes: thousands of small pieces take many times as long.
  hash.update(Buffer.from(placed.map(({ name, compiled }) => `${JSON.stringify(name)}${compiled.digest}`).join('')));
  for (const { entry, name, compiled, word } of returning)
    hash.update(
      `${JSON.stringify(['returning', name, ...(isFixedSection(name) ? [entry] : []), word])}${compiled.digest}`,
    );
  hash.update(limits);
  return hash.digest('hex');
}
