/**
 * A large ruleset is analysed in a second thread while this one compiles it: what `checkRuleset` does, in two thirds of the
 * time, for the memory of a second copy of the rows.
 */
import { availableParallelism } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import { CapacityError } from '../../compile/capacity';
import { compile } from '../../compile/compile';
import type { Image } from '../../compile/image';
import type { Ruleset } from '../../model/ruleset';
import { rulesetAt } from '../../model/until';
import { parseRuleset } from '../../parse/parse';
import { capacityFinding, type Checked, checkRuleset, type CheckOptions, countRules, hasErrors } from '../check';
import { knowDigests } from '../section-digest';
import { readInto } from './judge';
import { SecondThread, ThreadEndedError } from './second-thread';

/**
 * Characters of a text, some thirty thousand rows, from which on another thread is worth what it costs: it reads the text
 * again, and its code is cold. Of smaller ones the compiler's and the collector's threads have more than that.
 */
const LARGE_TEXT = 2 * 1024 * 1024;

/** The same as `checkRuleset`. */
export async function checkRulesetBeside(
  file: string,
  text: string,
  options: CheckOptions = {},
  large = LARGE_TEXT,
): Promise<Checked> {
  if (text.length < large || availableParallelism() < 2) return checkRuleset(file, text, options);
  const { strict = false, nowMs = Date.now(), daemon, onStep } = options;
  const thread = new SecondThread({});
  try {
    onStep?.({ step: 'read', file, bytes: text.length });
    const judging = thread.ask('judge', file, text, { strict, nowMs, ...(daemon !== undefined && { daemon }) });
    const failed = judging.then(
      () => null,
      (error: unknown) => error,
    );
    const sets = new Map<string, string>();
    const compiled = compileText(file, text, sets, { ...options, strict, nowMs });
    const error = await failed;
    // Such as too little memory for two: then one after the other.
    if (error instanceof ThreadEndedError) return checkRuleset(file, text, { ...options, nowMs });
    const { diagnostics, expectations, sets: others, digests } = await judging;
    // A file of addresses was exchanged between the two readings.
    if (!isDeepStrictEqual(sets, others)) return checkRuleset(file, text, { ...options, nowMs });
    const { ruleset } = compiled;
    if (!ruleset || hasErrors(diagnostics)) return { diagnostics, expectations, ruleset: null, image: null };
    knowDigests(ruleset, digests);
    if (!('error' in compiled)) return { diagnostics, expectations, ruleset, image: compiled.image };
    if (!(compiled.error instanceof CapacityError)) throw compiled.error;
    const finding = capacityFinding(ruleset, compiled.error);
    return { diagnostics: [...diagnostics, finding], expectations, ruleset: null, image: null };
  } finally {
    void thread.close();
  }
}

/** Its ruleset and image; `error`: why there is no image, which matters only where the ruleset is not refused. */
function compileText(
  file: string,
  text: string,
  sets: Map<string, string>,
  { strict, nowMs, memory, onStep }: CheckOptions & { readonly strict: boolean; readonly nowMs: number },
): { readonly ruleset: Ruleset | null } & ({ readonly image: Image | null } | { readonly error: unknown }) {
  const { ruleset: parsed } = parseRuleset(text, { file, strict, readFile: readInto(sets) });
  const ruleset = parsed && rulesetAt(parsed, nowMs);
  if (!ruleset) return { ruleset, image: null };
  onStep?.({ step: 'compile', rules: countRules(ruleset) });
  try {
    return { ruleset, image: compile(ruleset, memory?.compiled) };
  } catch (error) {
    return { ruleset, error };
  }
}
