import type { Command } from 'commander';
import { diagnosticsToJson } from '../../diagnostics/json';
import { hasErrors } from '../../operate/check';
import { daemonRuns } from '../../operate/event-source';
import { checkRulesetBeside } from '../../operate/thread/check-beside';
import { mayEnd, showFindings } from '../candidate';
import { addJunitOption, type JunitOption, writeCheckedReport } from '../junit-option';
import { EXIT, type ExitCode } from '../exit-code';
import { showStep } from '../progress';
import { onRun } from '../run';

export function register(program: Command): void {
  const command = program
    .command('check')
    .description('find mistakes in a ruleset; needs no privilege and touches nothing')
    .argument('[file]', 'ruleset file, - for standard input');
  onRun<JunitOption>(addJunitOption(command), async (run, file: string | undefined): Promise<ExitCode> => {
    const source = await run.readText(file);
    const checked = await checkRulesetBeside(source.path, source.text, {
      strict: run.options.strict ?? false,
      ...(mayEnd(source.text) && { daemon: await daemonRuns(run.options) }),
      onStep: showStep(run.output),
    });
    const { diagnostics, ruleset, image, expectations } = checked;
    const failed = hasErrors(diagnostics);
    showFindings(run, source, diagnostics, failed ? 'nothing was changed.' : undefined);
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
        diagnostics: diagnosticsToJson(diagnostics),
      },
      code,
    );
    return code;
  });
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}
