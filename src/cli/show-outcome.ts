/** What an apply did, in words and as JSON. */
import { diagnosticsToJson } from '../diagnostics/json';
import type { Diagnostic } from '../diagnostics/diagnostic';
import type { ApplyOutcome, DryRun } from '../operate/apply';
import type { Candidate } from '../operate/enforce';
import type { ChangePlan } from '../operate/change-plan';
import { isEmptyPlan } from '../operate/plan';
import { differenceToJson, renderChange, renderDifference } from '../operate/render-difference';
import { renderPlan } from '../operate/render-plan';
import { optionFor } from '../operate/trials';
import { EXIT, type ExitCode } from './exit-code';
import type { Output } from './output';

/** What changes in rows and packets; of a first ruleset its rows are no news. */
export function showChange(output: Output, change: ChangePlan): void {
  if (change.difference === 'unfiltered' || isEmptyPlan(change.plan)) return;
  output.say(renderPlan(change.plan, PLAN_LINES_MAX).trimEnd());
  output.say(renderDifference(change).trimEnd());
}

/** Rows of a plan that an apply shows; `plan` shows all. */
const PLAN_LINES_MAX = 20;

/** What an apply did, or with `--dry-run` would do: lines, and the document of `--json`, which tells the exit code too. */
export function showOutcome(
  output: Output,
  candidate: Candidate & { diagnostics: readonly Diagnostic[] },
  outcome: ApplyOutcome | DryRun,
  code: ExitCode = EXIT.DONE,
): void {
  if (outcome.kind === 'would-apply') {
    showDryRun(output, candidate, outcome, code);
    return;
  }
  const names = outcome.attachments.map(({ name, mode }) => `${name} (${mode})`).join(', ');
  if (outcome.kind === 'unchanged') {
    output.line(`no changes: generation ${outcome.generation} enforces this ruleset on ${names}`);
  } else {
    for (const { fallback } of outcome.attachments)
      if (fallback !== undefined) output.say(`note: ${fallback}: generic XDP is used, slower but the same`);
    for (const { name, withoutEgress } of outcome.attachments)
      if (withoutEgress !== undefined)
        output.say(`note: ${withoutEgress}: what ${name} sends opens no flows, answers to it are judged by the rules`);
    for (const { message } of outcome.overridden) output.say(`warning: ${message}`);
    const gone = outcome.pending ? 'will not be filtered any more once this is confirmed' : 'is not filtered any more';
    for (const name of outcome.detached) output.say(`note: ${name} ${gone}`);
    const rules = candidate.image.stats.rules;
    output.line(`applied: generation ${outcome.generation}, ${rules} rule${rules === 1 ? '' : 's'}, on ${names}`);
  }
  const { pending } = outcome;
  if (pending) {
    const otherwise =
      pending.previous === null ? 'everything passes again' : `generation ${pending.previous} judges again`;
    output.say(
      outcome.beside
        ? `note: an earlier change is not confirmed yet: sluice confirm within ${pending.secondsLeft} s keeps that, else ${otherwise} by itself, with this one in it`
        : `not confirmed yet: sluice confirm within ${pending.secondsLeft} s keeps it, else ${otherwise} by itself`,
    );
  }
  for (const { section, secondsLeft } of outcome.waiting ?? [])
    output.say(
      `${section} is not confirmed yet: sluice confirm ${optionFor(section)} within ${secondsLeft} s keeps its rows, else those before judge it again by themselves`,
    );
  if (outcome.historyTrouble !== undefined)
    output.say(`warning: the history does not tell of all this: ${outcome.historyTrouble}`);
  if (outcome.previousFile !== undefined)
    output.say(`note: the enforced file is now ${candidate.file} (was ${outcome.previousFile})`);
  output.document({
    outcome: outcome.kind,
    file: candidate.file,
    generation: outcome.generation,
    digest: candidate.image.digest,
    interfaces: outcome.attachments,
    diagnostics: diagnosticsToJson(candidate.diagnostics),
    ...(pending && { pending }),
    ...(outcome.waiting && { waiting: outcome.waiting }),
    ...(outcome.historyTrouble !== undefined && { historyTrouble: outcome.historyTrouble }),
    ...(outcome.kind === 'applied' && {
      instructions: outcome.instructions,
      detached: outcome.detached,
      overridden: outcome.overridden.map(({ message }) => message),
      plan: outcome.change.plan,
      packets: differenceToJson(outcome.change),
    }),
  });
}

function showDryRun(
  output: Output,
  candidate: Candidate & { diagnostics: readonly Diagnostic[] },
  { change, overridden }: DryRun,
  code: ExitCode,
): void {
  for (const { message } of overridden) output.say(`warning: ${message}`);
  output.say(renderChange(change, candidate.ruleset, PLAN_LINES_MAX).trimEnd());
  output.line('dry run: nothing was changed; the verifier takes this ruleset');
  output.document(
    {
      outcome: 'would-apply',
      file: candidate.file,
      digest: candidate.image.digest,
      diagnostics: diagnosticsToJson(candidate.diagnostics),
      overridden: overridden.map(({ message }) => message),
      plan: change.plan,
      packets: differenceToJson(change),
    },
    code,
  );
}
