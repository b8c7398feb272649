import type { Command } from 'commander';
import type { Diagnostic } from '../../diagnostics/diagnostic';
import { diagnosticsToJson } from '../../diagnostics/json';
import { type Checked, hasErrors } from '../../operate/check';
import { daemonRuns } from '../../operate/event-source';
import type { RulesetText } from '../../operate/ruleset-file';
import { checkRulesetBeside } from '../../operate/thread/check-beside';
import { mayEnd, showFindings } from '../candidate';
import { addJunitOption, type JunitOption, writeCheckedReport } from '../junit-option';
import { EXIT, type ExitCode } from '../exit-code';
import { UsageError } from '../output';
import { showStep } from '../progress';
import { onRun } from '../run';
import { addServerOption, type ServerOption } from '../server-option';

export function register(program: Command): void {
  const command = program
    .command('check')
    .description('find mistakes in a ruleset; needs no privilege and touches nothing')
    .argument('[file]', 'ruleset file, - for standard input');
  addServerOption(command, 'show what was found of this server alone; how it ends is about the whole file');
  onRun<JunitOption & ServerOption>(
    addJunitOption(command),
    async (run, file: string | undefined): Promise<ExitCode> => {
      const source = await run.readText(file);
      const checked = await checkRulesetBeside(source.path, source.text, {
        strict: run.options.strict ?? false,
        ...(mayEnd(source.text) && { daemon: await daemonRuns(run.options) }),
        onStep: showStep(run.output),
      });
      const { diagnostics, ruleset, image, expectations } = checked;
      const failed = hasErrors(diagnostics);
      const { server } = run.options;
      const shown = server === undefined ? diagnostics : await findingsOf(checked, server, source);
      showFindings(run, source, shown, failed ? 'nothing was changed.' : undefined);
      if (shown.length < diagnostics.length) run.output.say(elsewhere(diagnostics, shown));
      if (run.options.junit !== undefined) writeCheckedReport(run.options.junit, source, checked);
      const code = failed ? EXIT.RULESET : EXIT.DONE;
      if (ruleset && image) {
        const held = ruleset.expect.length === 0 ? '' : `, ${count(ruleset.expect.length, 'expectation')} hold`;
        run.output.line(`${source.path}: ok, ${count(image.stats.rules, 'rule')}${held}`);
      }
      run.output.document(
        {
          file: source.path,
          rules: image?.stats.rules ?? null,
          expectations: expectations?.map(({ text, source: { line, column }, problem }) => ({
            ...{ text, line, column, holds: problem === null },
            ...(problem && { message: problem.message }),
          })),
          diagnostics: diagnosticsToJson(shown),
          ...(server !== undefined && { elsewhere: diagnostics.length - shown.length }),
        },
        code,
      );
      return code;
    },
  );
}

/** What was found in the section of the server; all of it where the file does not say where that begins. */
async function findingsOf(
  { diagnostics, ruleset }: Checked,
  server: string,
  { text, path }: RulesetText,
): Promise<readonly Diagnostic[]> {
  const own = ruleset?.servers?.find(({ name }) => name === server);
  if (ruleset && !own)
    throw new UsageError(`${path} has no server "${server}"`, 'servers stand under servers: in the ruleset');
  // With all that a change needs, which most checks do without.
  const { placesOf } = await import('../../operate/owner/change');
  const isOwn = placesOf(text, own ?? { name: server }, path);
  return isOwn ? diagnostics.filter(({ source }) => isOwn(source)) : diagnostics;
}

function elsewhere(all: readonly Diagnostic[], shown: readonly Diagnostic[]): string {
  const others = all.filter((finding) => !shown.includes(finding));
  const errors = others.filter(({ severity }) => severity === 'error').length;
  return `note: ${count(all.length - shown.length, 'finding')} elsewhere${errors > 0 ? `, ${errors} of them errors` : ''}: sluice check`;
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}
