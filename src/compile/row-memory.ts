/** What is remembered of the rows of a section: the numbers of its rules, and the trees that were grown of them. */
import type { Family } from '../model/prefix';
import { KnownRules } from './known-rules';
import { ServiceMemory } from './services';
import { TreeMemory } from './tree-memory';

/** Of one family. */
export interface FamilyMemory {
  readonly rules: KnownRules;
  readonly trees: TreeMemory;
}

/** How much is remembered of a family: rules of some 60 bytes (IPv6: 140), numbers of lists of some 8. */
const RULES_MAX = 1 << 20;
const NUMBERS_MAX = 1 << 24;
const DEFAULT_MOST = { rules: RULES_MAX, numbers: NUMBERS_MAX };

/** Rules up to which a list becomes a leaf at once. */
export type LeafBudgets = Readonly<Record<Family, number>>;
const LEAF_BUDGETS: LeafBudgets = { 4: 6, 6: 4 };

/** A change adds the lists that it touches; where they have become too many all is forgotten before the next ruleset. */
export class RowMemory {
  /** @internal */
  readonly services = new ServiceMemory();
  private families: Record<Family, FamilyMemory>;

  /** `most`: rules of a family, and numbers of lists, that are kept for the next ruleset. */
  constructor(
    protected readonly most: { readonly rules: number; readonly numbers: number } = DEFAULT_MOST,
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
    this.families = { 4: this.newFamily(4), 6: this.newFamily(6) };
  }

  /** Forgets a family that holds too much; called between two rulesets. */
  tidy(): void {
    for (const family of [4, 6] as const) {
      const { rules, trees } = this.families[family];
      if (rules.count > this.most.rules || trees.size > this.most.numbers)
        this.families[family] = this.newFamily(family);
    }
  }

  private newFamily(family: Family): FamilyMemory {
    return { rules: new KnownRules(family), trees: new TreeMemory(this.leaves[family]) };
  }
}
