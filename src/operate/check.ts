/** Ruleset text → everything that can be said about it without a kernel: findings, ruleset, image. */
import { analyse } from '../analyse/analyse';
import { checkExpectations } from '../analyse/expect';
import { CapacityError } from '../compile/capacity';
import { compile } from '../compile/compile';
import type { Image } from '../compile/image';
import { nameOfEntry } from '../compile/ranks';
import type { Diagnostic } from '../diagnostics/diagnostic';
import { type Ruleset, writtenSections } from '../model/ruleset';
import { parseRuleset } from '../parse/parse';
import { readSetFile } from './ruleset-file';

/** What is known of a ruleset text without a kernel. */
export interface Checked {
  readonly diagnostics: readonly Diagnostic[];
  /** Null where an error stands among the findings. */
  readonly ruleset: Ruleset | null;
  readonly image: Image | null;
}

/** Parses, analyses, checks expectations and compiles; with `strict` warnings count as errors. */
export function checkRuleset(file: string, text: string, options: { strict?: boolean } = {}): Checked {
  const parsed = parseRuleset(text, { file, strict: options.strict ?? false, readFile: readSetFile });
  const found = [...parsed.diagnostics];
  if (parsed.ruleset) found.push(...analyse(parsed.ruleset), ...checkExpectations(parsed.ruleset));
  const diagnostics = options.strict ? found.map(asError) : found;
  if (!parsed.ruleset || hasErrors(diagnostics)) return { diagnostics, ruleset: null, image: null };
  try {
    return { diagnostics, ruleset: parsed.ruleset, image: compile(parsed.ruleset) };
  } catch (error) {
    if (!(error instanceof CapacityError)) throw error;
    return { diagnostics: [...diagnostics, capacityFinding(parsed.ruleset, error)], ruleset: null, image: null };
  }
}

/** Whether a ruleset with these findings is refused. */
export function hasErrors(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.some((finding) => finding.severity === 'error');
}

function asError(finding: Diagnostic): Diagnostic {
  return finding.severity === 'warning' ? { ...finding, severity: 'error' } : finding;
}

function capacityFinding(ruleset: Ruleset, error: CapacityError): Diagnostic {
  const rows = writtenSections(ruleset).flatMap(({ name, rules }) =>
    rules.map((rule) => ({ rule, name: nameOfEntry({ section: name, id: rule.id }) })),
  );
  const { rule } = rows.find(({ name }) => name === error.ruleId) ?? rows[0];
  return { code: 'compile/capacity', severity: 'error', message: error.message, source: rule.source, notes: [] };
}
