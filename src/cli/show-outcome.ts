/** What an apply did, in words and as JSON. */
import { diagnosticsToJson } from '../diagnostics/json';
import type { Diagnostic } from '../diagnostics/diagnostic';
import type { ApplyOutcome } from '../operate/apply';
import type { Candidate } from '../operate/enforce';
import type { Output } from './output';

export function showOutcome(
  output: Output,
  candidate: Candidate & { diagnostics: readonly Diagnostic[] },
  outcome: ApplyOutcome,
): void {
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
      `not confirmed yet: sluice confirm within ${pending.secondsLeft} s keeps it, else ${otherwise} by itself`,
    );
  }
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
    ...(outcome.kind === 'applied' && {
      instructions: outcome.instructions,
      detached: outcome.detached,
      overridden: outcome.overridden.map(({ message }) => message),
    }),
  });
}
