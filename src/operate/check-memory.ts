/** What a process that lives long remembers of rulesets it has checked: whatever of it is the same is not done again. */
import { CompileMemory } from '../compile/compile-memory';
import { ParseMemory } from '../parse/parse-memory';

/** Findings and images are the same with it as without, the sooner the more of a ruleset it knows. */
export class CheckMemory {
  readonly compiled = new CompileMemory();
  readonly parsed = new ParseMemory();
}
