import type { Command } from 'commander';
import { diagnosticsToJson } from '../../diagnostics/json';
import { hasCapabilities } from '../../kernel/capabilities';
import { applyRuleset } from '../../operate/apply';
import type { Context } from '../../operate/context';
import { contentDigest } from '../../operate/digest';
import { formatRuleset } from '../../operate/edit-ruleset';
import { readEnforcement } from '../../operate/enforcement';
import { withNote } from '../../operate/interrupted';
import { withWriterLock } from '../../operate/lock';
import { type RulesetText, writeRulesetText } from '../../operate/ruleset-file';
import { readableBundle } from '../../parse/bundle';
import { requireCandidate, showFindings } from '../candidate';
import { EXIT, type ExitCode } from '../exit-code';
import { onRun, type Run } from '../run';

export function register(program: Command): void {
  const command = program
    .command('fmt')
    .description(
      'print the ruleset with its rows in canonical form, comments kept; a dashboard’s 0.0.0.0/0 becomes any',
    )
    .argument('[file]', 'ruleset file, - for standard input')
    .option('-w, --write', 'write it back instead of printing it');
  onRun<{ write?: boolean }>(command, async (run, file: string | undefined): Promise<ExitCode> => {
    // What is written back is what was read: whoever writes at the same time comes before or after.
    const context = run.options.write && hasCapabilities() ? await run.context() : null;
    const work = (): Promise<ExitCode> => format(run, file, context);
    return context ? withWriterLock(context, work) : work();
  });
}

async function format(
  run: Run<{ write?: boolean }>,
  file: string | undefined,
  context: Context | null,
): Promise<ExitCode> {
  const source = await run.readText(file);
  const outcome = formatRuleset({ text: source.text, file: source.path });
  if (outcome.kind === 'refused') {
    showFindings(run, { ...source, text: outcome.text }, outcome.diagnostics, 'nothing was changed.');
    run.output.document({ diagnostics: diagnosticsToJson(outcome.diagnostics) }, EXIT.RULESET);
    return EXIT.RULESET;
  }
  const { kind, message, text } = outcome;
  if (!run.options.write) run.output.line(readableBundle(text).trimEnd());
  else {
    if (kind === 'changed') await write(run, context, source, text);
    run.output.line(message);
  }
  run.output.document({
    outcome: kind,
    message,
    file: source.path,
    ...(!run.options.write && { text: readableBundle(text) }),
  });
  return EXIT.DONE;
}

/** Writes the text; where the old one is what enforces, the new one is from now on: it means the same. */
async function write(run: Run<object>, context: Context | null, source: RulesetText, text: string): Promise<void> {
  const enforcement = context && (await readEnforcement(context));
  const enforced = enforcement?.enforced;
  if (!context || enforced?.file !== source.path || enforced.textDigest !== contentDigest(source.text)) {
    writeRulesetText(source.path, text, source.digest);
    return;
  }
  const interfaceOverride = run.options.interface ?? enforced.interfaceOverride;
  await withNote(context.folder, { file: source.path, before: source.text, after: text }, async () => {
    writeRulesetText(source.path, text, source.digest);
    const candidate = await requireCandidate(run, { ...source, text }, 'nothing was applied.', {
      ...(interfaceOverride && { interfaceOverride }),
    });
    await applyRuleset(context, candidate, enforcement?.record ? { inPlaceOf: enforcement.record } : {});
  });
}
