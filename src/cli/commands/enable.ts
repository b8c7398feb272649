import type { Command } from 'commander';
import { fileMeant } from '../../operate/enforced-file';
import { readEnforcement } from '../../operate/enforcement';
import { addChangeOptions, type ChangeOptions } from '../change-option';
import { addConfirmOptions, type ConfirmOptions } from '../confirm-option';
import { onRun } from '../run';
import { applyFile } from './apply';
import { installAfterEnable } from './install';

export function register(program: Command): void {
  const command = program
    .command('enable')
    .description(
      'enforce again what enforced last; at first the ruleset file (--file, else $SLUICE_CONFIG, else /etc/sluice/rules.yaml)',
    )
    .option('--force', 'also when it cuts a live SSH session');
  onRun<{ force?: boolean } & ConfirmOptions & ChangeOptions>(
    addChangeOptions(addConfirmOptions(command)),
    async (run) => {
      const named = run.options.file === undefined ? undefined : run.path();
      const { file, interfaceOverride } = await fileMeant(await run.context(), run.path(), named);
      if (file !== run.path())
        run.output.say(`note: ${file} is what enforced last; --file ${run.path()} enforces that one instead`);
      const code = await applyFile(run, file, 'enable', interfaceOverride, { atBoot: true });
      const enforcement = await readEnforcement(await run.context());
      if (enforcement?.pending) run.output.say('note: loaded at boot once it is confirmed');
      else if (enforcement) await installAfterEnable(run);
      return code;
    },
  );
}
