/** `--junit FILE`: a case for the ruleset, and one for each of its expectations. */
import { type Command, Option } from 'commander';
import { writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import type { Diagnostic } from '../diagnostics/diagnostic';
import { type JunitCase, renderJunit } from '../diagnostics/junit';
import { renderDiagnostics } from '../diagnostics/render';
import { fileIn } from '../parse/bundle';
import type { Expectation } from '../model/ruleset';
import { type Checked, hasErrors } from '../operate/check';
import { type RulesetText, STANDARD_INPUT } from '../operate/ruleset-file';
import { fileError } from '../operate/system-error';

/** What `--junit` leaves in a command's options. */
export interface JunitOption {
  readonly junit?: string;
}

/** Adds the option. */
export function addJunitOption(command: Command): Command {
  return command.addOption(
    new Option('--junit <report>', 'write a JUnit report there: a test case for each expectation (expect:)'),
  );
}

/** Writes what was found by reading alone. */
export function writeCheckedReport(path: string, source: RulesetText, checked: Checked): void {
  writeReport(path, source, [
    rulesetCase(source, checked.diagnostics),
    ...(checked.expectations ?? []).map(({ text, source: place, problem }) => ({
      ...caseOf({ text, source: place }),
      ...(problem && { failure: { message: problem.message, text: textOf(source, [problem]) } }),
    })),
  ]);
}

/** The case of the ruleset itself: what else is wrong with it than an expectation. */
export function rulesetCase(source: RulesetText, diagnostics: readonly Diagnostic[]): JunitCase {
  const others = diagnostics.filter(({ code, severity }) => severity === 'error' && code !== 'expect/failed');
  const name = 'the ruleset has no errors';
  if (!hasErrors(others)) return { name, file: pathShown(source.path) };
  return { name, file: pathShown(source.path), failure: { message: others[0].message, text: textOf(source, others) } };
}

/** The case of an expectation, without what became of it. */
export function caseOf({ text, source }: Pick<Expectation, 'text' | 'source'>): JunitCase {
  return { name: text, file: pathShown(source.file), line: source.line };
}

/** Readers want paths as their repository has them: from here, where the file is below. */
function pathShown(path: string): string {
  const from = relative(process.cwd(), path);
  return path === STANDARD_INPUT || from.startsWith('..') ? path : from;
}

/** Writes the report. Throws `SluiceError` `cli/junit` where that cannot be done. */
export function writeReport(path: string, source: RulesetText, cases: readonly JunitCase[]): void {
  try {
    writeFileSync(path, renderJunit(pathShown(source.path), cases));
  } catch (error) {
    throw fileError('cli/junit', 'write', path, error);
  }
}

function textOf(source: RulesetText, diagnostics: readonly Diagnostic[]): string {
  const readSource = (file: string): string | undefined => fileIn(source.text, source.path, file);
  return renderDiagnostics(diagnostics, { readSource });
}
