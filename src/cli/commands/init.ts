import type { Command } from 'commander';
import { existsSync } from 'node:fs';
import { SluiceError } from '../../kernel/errors';
import { writeRulesetText } from '../../operate/ruleset-file';
import { confirm } from '../ask';
import { EXIT, type ExitCode } from '../exit-code';
import { firstRuleset } from '../first-ruleset';
import { onRun } from '../run';

export function register(program: Command): void {
  const command = program
    .command('init')
    .description('write a first ruleset for this machine: its interface, the real SSH port, your address, what listens')
    .option('-y, --yes', 'do not ask before writing')
    .option('--print', 'show it instead of writing it');
  onRun<{ yes?: boolean; print?: boolean }>(command, async (run): Promise<ExitCode> => {
    const { text, facts } = await firstRuleset(run);
    const file = run.path();
    if (run.options.print) {
      run.output.line(text.trimEnd());
      run.output.document({ text, facts });
      return EXIT.DONE;
    }
    if (existsSync(file)) {
      throw new SluiceError('file/exists', `there is a ruleset already: "${file}"`, {
        hint: 'sluice check reads it, sluice enable enforces it; sluice init --print shows what a new one would be',
      });
    }
    run.output.say(text);
    if (!(await confirm(`write this to ${file}?`, run.options.yes ?? false))) {
      run.output.line('nothing was written');
      run.output.document({ outcome: 'kept' }, EXIT.REFUSED);
      return EXIT.REFUSED;
    }
    writeRulesetText(file, text, null);
    run.output.line(`wrote ${file}; next: sluice check, then sluice enable`);
    run.output.document({ outcome: 'written', file, text, facts });
    return EXIT.DONE;
  });
}
