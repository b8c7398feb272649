/** Ruleset file → candidate for enforcement, with its findings shown. */
import pc from 'picocolors';
import type { Diagnostic } from '../diagnostics/diagnostic';
import { diagnosticsToJson } from '../diagnostics/json';
import { renderDiagnostics } from '../diagnostics/render';
import type { Candidate } from '../operate/enforce';
import { type CheckOptions, hasErrors, judgeText } from '../operate/check';
import type { Context } from '../operate/context';
import { currentEventReader } from '../operate/event-source';
import type { RulesetText } from '../operate/ruleset-file';
import { checkRulesetBeside } from '../operate/thread/check-beside';
import { fileIn } from '../parse/bundle';
import { EXIT } from './exit-code';
import { writeCheckedReport } from './junit-option';
import { Exit } from './output';
import { showStep } from './progress';
import type { Run } from './run';

/** Whether a rule of the text may have an end, so that it matters who ends it. */
export function mayEnd(text: string): boolean {
  return /\buntil\b/i.test(text);
}

/**
 * Checks the text and shows what was found; ends the command with code 3 where it has errors. With a context it also
 * says where nobody would end rules that have an end. `before`: the text that a verb has changed; what was found there
 * as well is counted only, and of what is new the notes are shown too, since they are about the row that was typed.
 * `junit`: where a report goes, whatever was found.
 */
export async function requireCandidate(
  run: Run<object>,
  source: RulesetText,
  closing: string,
  options: {
    readonly interfaceOverride?: readonly string[];
    readonly context?: Context;
    readonly before?: string;
    readonly junit?: string;
  } = {},
): Promise<Candidate & { diagnostics: readonly Diagnostic[] }> {
  const { context, before, junit, interfaceOverride = run.options.interface } = options;
  const optionsFor = (text: string): CheckOptions => ({
    strict: run.options.strict ?? false,
    ...(context && mayEnd(text) && { daemon: currentEventReader(context)?.role === 'daemon' }),
    onStep: showStep(run.output),
  });
  const checked = await checkRulesetBeside(source.path, source.text, optionsFor(source.text));
  const { diagnostics, ruleset, image } = checked;
  if (junit !== undefined) writeCheckedReport(junit, source, checked);
  if (hasErrors(diagnostics) || before === undefined) {
    // Notes are for `check`: whoever applies wants to know what is wrong, not what could be written otherwise.
    const pressing = diagnostics.filter((finding) => finding.severity !== 'note');
    showFindings(run, source, pressing, hasErrors(diagnostics) ? closing : undefined);
  } else if (diagnostics.length > 0) {
    showNewFindings(run, source, diagnostics, judgeText(source.path, before, optionsFor(before)).diagnostics);
  }
  if (!ruleset || !image) {
    run.output.document({ diagnostics: diagnosticsToJson(diagnostics) }, EXIT.RULESET);
    throw new Exit(EXIT.RULESET);
  }
  return {
    file: source.path,
    text: source.text,
    ruleset: interfaceOverride ? { ...ruleset, interfaces: interfaceOverride } : ruleset,
    image,
    diagnostics,
    ...(interfaceOverride && { interfaceOverride }),
  };
}

/** Prints those findings that the text before did not have, and how many of its warnings are left. */
function showNewFindings(
  run: Run<object>,
  source: RulesetText,
  diagnostics: readonly Diagnostic[],
  before: readonly Diagnostic[],
): void {
  // Numbers of rows change with every row that comes or goes.
  const same = ({ code, message }: Diagnostic): string =>
    `${code} ${message.replace(/\b(row|rule)s? \d+(?:, \d+)*(?: and \d+)?/g, '$1')}`;
  const known = new Map<string, number>();
  for (const finding of before) known.set(same(finding), (known.get(same(finding)) ?? 0) + 1);
  const isNew = (finding: Diagnostic): boolean => {
    const count = known.get(same(finding)) ?? 0;
    known.set(same(finding), count - 1);
    return count <= 0;
  };
  const fresh = new Set(diagnostics.filter(isNew));
  showFindings(run, source, [...fresh]);
  const left = diagnostics.filter((finding) => finding.severity === 'warning' && !fresh.has(finding)).length;
  if (left > 0) run.output.say(`note: ${left} warning${left === 1 ? '' : 's'} as before: sluice check`);
}

/** Prints findings for people, on stderr. */
export function showFindings(
  run: Run<object>,
  source: RulesetText,
  diagnostics: readonly Diagnostic[],
  closing?: string,
): void {
  const text = renderDiagnostics(diagnostics, {
    readSource: (file) => fileIn(source.text, source.path, file),
    color: process.stderr.isTTY && pc.isColorSupported,
    ...(closing !== undefined && { closing }),
  });
  if (text !== '') run.output.sayColoured(text.trimEnd());
}
