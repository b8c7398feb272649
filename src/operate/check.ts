/** Ruleset text → everything that can be said about it without a kernel: findings, ruleset, image. */
import { analyse } from '../analyse/analyse';
import { lintEnded, lintNobodyEnds } from '../analyse/ends';
import { judgeExpectations, type JudgedExpectation } from '../analyse/expect';
import { CapacityError } from '../compile/capacity';
import { compile } from '../compile/compile';
import type { Image } from '../compile/image';
import { nameOfEntry } from '../compile/ranks';
import type { Diagnostic } from '../diagnostics/diagnostic';
import { countRows } from '../model/moved';
import { type Ruleset, writtenSections } from '../model/ruleset';
import { rulesetAt } from '../model/until';
import { parseRuleset } from '../parse/parse';
import type { CheckMemory } from './check-memory';
import { readSetFile } from './ruleset-file';

/** What a ruleset text says, and what is to be said about it. */
export interface Judged {
  readonly diagnostics: readonly Diagnostic[];
  /** Null where an error stands among the findings. */
  readonly ruleset: Ruleset | null;
  /** Those of the ruleset, also where one of them does not hold; null where it could not be read. */
  readonly expectations: readonly JudgedExpectation[] | null;
}

/** What is known of a ruleset text without a kernel. */
export interface Checked extends Judged {
  /** Null where an error stands among the findings. */
  readonly image: Image | null;
}

/** A step of checking that begins, and how many bytes or rules it has to do with. */
export type CheckStep =
  | { readonly step: 'read'; readonly file: string; readonly bytes: number }
  | { readonly step: 'analyse' | 'compile'; readonly rules: number };

/** How a ruleset text is checked. */
export interface CheckOptions {
  /** Warnings count as errors. */
  readonly strict?: boolean;
  /** The moment it is to be right for, milliseconds since 1970: rules that have ended by then are off. Left out: now. */
  readonly nowMs?: number;
  /** Whether a daemon runs that ends rules; left out: nothing is said about that. Null: it could not be seen. */
  readonly daemon?: boolean | null;
  /** What was checked before in this process; the findings and the image are the same without, later. */
  readonly memory?: CheckMemory;
  /** Told of each step as it begins. */
  readonly onStep?: (step: CheckStep) => void;
  /** Reads a file of addresses; left out: `readSetFile`. */
  readonly readFile?: (path: string) => Uint8Array;
}

/** Parses, analyses, checks expectations and compiles. */
export function checkRuleset(file: string, text: string, options: CheckOptions = {}): Checked {
  const judged = judgeText(file, text, options);
  if (!judged.ruleset) return { ...judged, image: null };
  try {
    options.onStep?.({ step: 'compile', rules: countRules(judged.ruleset) });
    return { ...judged, image: compile(judged.ruleset, options.memory?.compiled) };
  } catch (error) {
    if (!(error instanceof CapacityError)) throw error;
    const diagnostics = [...judged.diagnostics, capacityFinding(judged.ruleset, error)];
    return { ...judged, diagnostics, ruleset: null, image: null };
  }
}

/** The same without compiling, for what only wants to know what the text says. */
export function judgeText(file: string, text: string, options: CheckOptions = {}): Judged {
  const nowMs = options.nowMs ?? Date.now();
  options.onStep?.({ step: 'read', file, bytes: text.length });
  const { ruleset, diagnostics: findings } = parseRuleset(text, {
    file,
    strict: options.strict ?? false,
    ...(options.memory && { memory: options.memory.parsed }),
    readFile: (set) => {
      const bytes = (options.readFile ?? readSetFile)(set);
      options.onStep?.({ step: 'read', file: set, bytes: bytes.length });
      return bytes;
    },
  });
  if (ruleset) options.onStep?.({ step: 'analyse', rules: countRules(ruleset) });
  const parsed = { ruleset: ruleset && rulesetAt(ruleset, nowMs) };
  const expectations = parsed.ruleset && judgeExpectations(parsed.ruleset);
  // In one literal: as arguments of a call a few hundred thousand findings are more than the stack holds.
  const found = [
    ...findings,
    ...(parsed.ruleset ? [...analyse(parsed.ruleset), ...lintEnded(parsed.ruleset, nowMs)] : []),
    ...(expectations ?? []).flatMap(({ problem }) => problem ?? []),
    ...(parsed.ruleset && options.daemon !== undefined ? lintNobodyEnds(parsed.ruleset, options.daemon) : []),
  ];
  const diagnostics = options.strict ? found.map(asError) : found;
  return { diagnostics, ruleset: hasErrors(diagnostics) ? null : parsed.ruleset, expectations };
}

/** Whether a ruleset with these findings is refused. */
export function hasErrors(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.some((finding) => finding.severity === 'error');
}

/** Written rows. */
export function countRules(ruleset: Ruleset): number {
  const { guard, inbound, outbound, servers = [] } = ruleset;
  return writtenSections({ guard, inbound, outbound }).reduce(
    (sum, { rules }) => sum + rules.length,
    countRows(servers),
  );
}

function asError(finding: Diagnostic): Diagnostic {
  return finding.severity === 'warning' ? { ...finding, severity: 'error' } : finding;
}

const SHARED_LIST =
  'a list counts for each server whose rows name it; what is for all of them stands in the guard, once: guard: { rules: [deny from LIST] }';

/** What is said of a ruleset that is too large. */
export function capacityFinding(ruleset: Ruleset, error: CapacityError): Diagnostic {
  const rows = writtenSections(ruleset).flatMap(({ name: section, rules }) =>
    rules.map((rule) => ({ rule, section, name: nameOfEntry({ section, id: rule.id }) })),
  );
  const { rule, section } = rows.find(({ name }) => name === error.ruleId) ?? rows[0];
  const isOfServer = ruleset.servers?.some(({ name }) => name === section) ?? false;
  return {
    code: 'compile/capacity',
    severity: 'error',
    message: error.message,
    ...(isOfServer && { hint: SHARED_LIST }),
    source: rule.source,
    notes: [],
  };
}
