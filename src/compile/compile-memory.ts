/** What compiling remembers from one ruleset to the next, so that only what a change touches is grown anew. */
import type { Family } from '../model/prefix';
import { KnownRules } from './known-rules';
import { TreeMemory } from './tree-memory';

/** Of one family. */
export interface FamilyMemory {
  readonly rules: KnownRules;
  readonly trees: TreeMemory;
}

/** Rules, and numbers of lists, from which on all is forgotten before the next ruleset: about 250 MB in all. */
const RULES_MAX = 1 << 20;
const NUMBERS_MAX = 1 << 24;

/**
 * Gives the same image with any memory as with none, the sooner the more it knows. Bounded: a change adds the lists it
 * touches, and all is forgotten once they are too many.
 */
export class CompileMemory {
  private families: Record<Family, FamilyMemory> = { 4: newMemory(4), 6: newMemory(6) };

  get 4(): FamilyMemory {
    return this.families[4];
  }

  get 6(): FamilyMemory {
    return this.families[6];
  }

  /** Forgets a family that holds too much; called between two rulesets. */
  tidy(): void {
    for (const family of [4, 6] as const) {
      const { rules, trees } = this.families[family];
      if (rules.count > RULES_MAX || trees.size > NUMBERS_MAX) this.families[family] = newMemory(family);
    }
  }
}

function newMemory(family: Family): FamilyMemory {
  return { rules: new KnownRules(family), trees: new TreeMemory() };
}
