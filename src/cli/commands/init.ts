import type { Command } from 'commander';
import { existsSync } from 'node:fs';
import { SluiceError } from '../../kernel/errors';
import { kernel as openKernel } from '../../kernel/native';
import { netnsPath } from '../../operate/context';
import { initRuleset } from '../../operate/init';
import { gatherFacts } from '../../operate/init-facts';
import { writeRulesetText } from '../../operate/ruleset-file';
import { confirm } from '../ask';
import { EXIT, type ExitCode } from '../exit-code';
import { onRun } from '../run';

export function register(program: Command): void {
  const command = program
    .command('init')
    .description('write a first ruleset for this machine: its interface, the real SSH port, your address, what listens')
    .option('-y, --yes', 'do not ask before writing')
    .option('--print', 'show it instead of writing it');
  onRun<{ yes?: boolean; print?: boolean }>(command, async (run): Promise<ExitCode> => {
    const netns = run.options.netns === undefined ? undefined : netnsPath(run.options.netns);
    const machine = await gatherFacts(openKernel(), netns);
    const chosen = run.options.interface;
    const present = [...machine.defaultRoute, ...machine.otherInterfaces];
    const missing = chosen?.find((name) => !present.includes(name));
    if (missing !== undefined) {
      throw new SluiceError('load/no-interface', `interface "${missing}" does not exist`, {
        hint: `there are: ${present.join(', ') || 'none but loopback'}`,
      });
    }
    const facts = { ...machine, ...(chosen && { chosen }) };
    const text = initRuleset(facts);
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
