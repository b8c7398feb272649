import type { Command } from 'commander';
import { onRun } from '../run';
import { applyFile } from './apply';
import { installAfterEnable } from './install';

export function register(program: Command): void {
  const command = program
    .command('enable')
    .description(
      'enforce the ruleset file (--file, else $SLUICE_CONFIG, else /etc/sluice/rules.yaml), after a reboot too',
    )
    .option('--force', 'also when it cuts a live SSH session');
  onRun<{ force?: boolean }>(command, async (run) => {
    const code = await applyFile(run, undefined);
    await installAfterEnable(run);
    return code;
  });
}
