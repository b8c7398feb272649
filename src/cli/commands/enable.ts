import type { Command } from 'commander';
import { addConfirmOptions, type ConfirmOptions } from '../confirm-option';
import { onRun } from '../run';
import { applyFile } from './apply';

export function register(program: Command): void {
  const command = program
    .command('enable')
    .description('enforce the ruleset file (--file, else $SLUICE_CONFIG, else /etc/sluice/rules.yaml)')
    .option('--force', 'also when it cuts a live SSH session');
  onRun<{ force?: boolean } & ConfirmOptions>(addConfirmOptions(command), async (run) => {
    const code = await applyFile(run, undefined);
    run.output.say('note: nothing is loaded at boot yet: after a reboot run sluice enable again');
    return code;
  });
}
