/** A section as a part of any image: its block, and the rows that lead out of it. */
import { createHash } from 'node:crypto';
import type { PortRange } from '../model/port-range';
import type { Family } from '../model/prefix';
import type { ExpandedRows } from './expand';
import type { RankEntry } from './image';
import type { Block } from './pack-block';
import type { SectionFigures } from './stats';

/** What a section becomes, wherever it stands. */
export class CompiledSection {
  /** SHA-256 over the block and the rows it leads to, hex. */
  readonly digest: string;
  /** Of all its ranks: whether it rejects anything that comes in. */
  readonly rejects: boolean;
  /** The same of what goes out. */
  readonly rejectsOut: boolean;
  private readonly limits: readonly RankEntry[];
  private placed: { readonly first: number; readonly ranks: readonly RankEntry[] } | null = null;

  constructor(
    /** Layout: `bpf/sluice_abi.h`. */
    readonly block: Block,
    /** Its rows, ranks as in the block. */
    private readonly ranks: readonly RankEntry[],
    /** Ranks it takes. */
    readonly span: number,
    readonly figures: SectionFigures,
    /** Whether any tree of the family holds a rule. */
    readonly families: Readonly<Record<Family, boolean>>,
    /** Image rules, and the row that has most of them. */
    readonly size: number,
    readonly largest: ExpandedRows['largest'],
    /** The first and the last destination port, or ICMP type and code, that any of its rows matches. */
    readonly ports: PortRange,
  ) {
    this.limits = ranks.filter(({ rule }) => rule?.limit && rule.enabled);
    const rejecting = ranks.filter(({ action, rule }) => action === 'reject' || rule?.limit?.verdict === 'reject');
    this.rejects = rejecting.some(({ tier }) => !tier.startsWith('out'));
    this.rejectsOut = rejecting.some(({ tier }) => tier.startsWith('out'));
    const hash = createHash('sha256').update(block.bytes);
    const named = JSON.stringify(ranks.map(({ rank, section, tier, action, id }) => [rank, section, tier, action, id]));
    // As bytes: of a text the hash makes them piece by piece, in three times the time.
    hash.update(Buffer.from(named));
    this.digest = hash.digest('hex');
  }

  /** As the entry by which its later fragments are judged: the same block, whose ranks and cost are told of once. */
  asLater(): CompiledSection {
    return new CompiledSection(this.block, [], 0, NO_FIGURES, { 4: false, 6: false }, 0, null, this.ports);
  }

  /** Its rows where `first` is added to their ranks. */
  ranksFrom(first: number): readonly RankEntry[] {
    if (this.placed?.first !== first) this.placed = { first, ranks: moved(this.ranks, first) };
    return this.placed.ranks;
  }

  /** Those of them that are limit rules and on. */
  limitsFrom(first: number): readonly RankEntry[] {
    return moved(this.limits, first);
  }
}

function moved(ranks: readonly RankEntry[], first: number): readonly RankEntry[] {
  return first === 0 ? ranks : ranks.map((entry) => ({ ...entry, rank: entry.rank + first }));
}

const NO_FIGURES: SectionFigures = {
  ...{ expandedRules: 0, lpmEntries: 0, portEntries: 0, leaves: 0, leafRules: 0, longestLeaf: 0 },
  worst: { nodes: 0, leaves: 0, rules: 0 },
  fallbacks: [],
};
