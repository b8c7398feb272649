/** Ruleset file → candidate for enforcement, with its findings shown. */
import pc from 'picocolors';
import type { Diagnostic } from '../diagnostics/diagnostic';
import { diagnosticsToJson } from '../diagnostics/json';
import { renderDiagnostics } from '../diagnostics/render';
import type { Candidate } from '../operate/enforce';
import { checkRuleset, hasErrors } from '../operate/check';
import type { Context } from '../operate/context';
import { currentEventReader } from '../operate/event-source';
import type { RulesetText } from '../operate/ruleset-file';
import { EXIT } from './exit-code';
import { writeCheckedReport } from './junit-option';
import { Exit } from './output';
import type { Run } from './run';

/** Whether a rule of the text may have an end, so that it matters who ends it. */
export function mayEnd(text: string): boolean {
  return /\buntil\b/i.test(text);
}

/**
 * Checks the text and shows what was found; ends the command with code 3 where it has errors. With a context it also
 * says where nobody would end rules that have an end. `junit`: where a report goes, whatever was found.
 */
export function requireCandidate(
  run: Run<object>,
  source: RulesetText,
  closing: string,
  options: { readonly interfaceOverride?: readonly string[]; readonly context?: Context; readonly junit?: string } = {},
): Candidate & { diagnostics: readonly Diagnostic[] } {
  const { context, interfaceOverride = run.options.interface, junit } = options;
  const checked = checkRuleset(source.path, source.text, {
    strict: run.options.strict ?? false,
    ...(context && mayEnd(source.text) && { daemon: currentEventReader(context)?.role === 'daemon' }),
  });
  const { diagnostics, ruleset, image } = checked;
  if (junit !== undefined) writeCheckedReport(junit, source, checked);
  // Notes are for `check`: whoever applies wants to know what is wrong, not what could be written otherwise.
  const pressing = diagnostics.filter((finding) => finding.severity !== 'note');
  showFindings(run, source, pressing, hasErrors(diagnostics) ? closing : undefined);
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

/** Prints findings for people, on stderr. */
export function showFindings(
  run: Run<object>,
  source: RulesetText,
  diagnostics: readonly Diagnostic[],
  closing?: string,
): void {
  const text = renderDiagnostics(diagnostics, {
    readSource: (file) => (file === source.path ? source.text : undefined),
    color: process.stderr.isTTY && pc.isColorSupported,
    ...(closing !== undefined && { closing }),
  });
  if (text !== '') run.output.sayColoured(text.trimEnd());
}
