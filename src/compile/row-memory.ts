/** What is remembered of the rows of a section: the numbers of its rules, and the trees that were grown of them. */
import type { Family } from '../model/prefix';
import { KnownRules } from './known-rules';
import { ServiceMemory } from './services';
import { TreeMemory } from './tree-memory';

/** How much is remembered of a family: rules of some 60 bytes (IPv6: 140), numbers of lists of some 8. */
export interface Remembered {
  readonly rules: number;
  readonly numbers: number;
}

/** Of one family. */
export interface FamilyMemory {
  readonly rules: KnownRules;
  readonly trees: TreeMemory;
}

const DEFAULT_MOST: Remembered = { rules: 1 << 20, numbers: 1 << 24 };
/** So many times what the first ruleset took, and never less than so much: a small one's changes stay small for ever. */
const TIMES_FIRST = 4;
const LEAST: Remembered = { rules: 1 << 13, numbers: 1 << 18 };

/** Rules up to which a list becomes a leaf at once. */
export type LeafBudgets = Readonly<Record<Family, number>>;
const LEAF_BUDGETS: LeafBudgets = { 4: 6, 6: 4 };

/** A change adds the lists that it touches; where they have become too many all is forgotten before the next ruleset. */
export class RowMemory {
  /** @internal */
  readonly services = new ServiceMemory();
  private families: Record<Family, FamilyMemory>;
  /** What there was of each family after the first ruleset. */
  private readonly first: Record<Family, Remembered | null> = { 4: null, 6: null };

  /** `most`: what is kept of a family for the next ruleset. */
  constructor(
    protected readonly most: Remembered = DEFAULT_MOST,
    private readonly leaves: LeafBudgets = LEAF_BUDGETS,
  ) {
    this.families = { 4: this.newFamily(4), 6: this.newFamily(6) };
  }

  /** @internal */
  get 4(): FamilyMemory {
    return this.families[4];
  }

  /** @internal */
  get 6(): FamilyMemory {
    return this.families[6];
  }

  /** Forgets everything: what a ruleset has left half written is known to nobody. */
  forget(): void {
    for (const family of [4, 6] as const) this.forgetFamily(family);
  }

  /** Forgets a family that holds too much; called between two rulesets. */
  tidy(): void {
    for (const family of [4, 6] as const) {
      const { rules, trees } = this.families[family];
      if (rules.count === 0) continue;
      this.first[family] ??= { rules: rules.count, numbers: trees.size };
      const most = (of: keyof Remembered): number =>
        Math.min(this.most[of], Math.max(LEAST[of], TIMES_FIRST * this.first[family]![of]));
      if (rules.count > most('rules') || trees.size > most('numbers')) this.forgetFamily(family);
    }
  }

  private forgetFamily(family: Family): void {
    this.families[family] = this.newFamily(family);
    this.first[family] = null;
  }

  private newFamily(family: Family): FamilyMemory {
    return { rules: new KnownRules(family), trees: new TreeMemory(this.leaves[family]) };
  }
}
