import type { Command } from 'commander';
import { existsSync, rmSync } from 'node:fs';
import { disable } from '../../operate/apply';
import { isHostContext } from '../../operate/context';
import { removeUnits } from '../../operate/install';
import { removeState } from '../../operate/state-files';
import { fileError } from '../../operate/system-error';
import { confirm } from '../ask';
import { onRun } from '../run';
import { EXIT } from '../exit-code';

export function register(program: Command): void {
  const command = program
    .command('uninstall')
    .description('end enforcement and remove what sluice keeps on this machine; the ruleset stays unless --purge')
    .option('--purge', 'remove the ruleset file too')
    .option('-y, --yes', 'do not ask');
  onRun<{ yes?: boolean; purge?: boolean }>(command, async (run) => {
    const file = run.path();
    const what = run.options.purge ? `its counters and the ruleset ${file}` : 'its counters';
    if (!(await confirm(`end enforcement and remove ${what}?`, run.options.yes ?? false))) {
      run.output.line('nothing was changed');
      run.output.document({ outcome: 'kept' }, EXIT.REFUSED);
      return EXIT.REFUSED;
    }
    const context = await run.context();
    // First, so that no daemon makes anew what is removed.
    const units = isHostContext(context) ? removeUnits() : [];
    const { interfaces } = await disable(context, { keepCounters: false });
    removeState(context.folder);
    const written = existsSync(file);
    const purged = written && run.options.purge === true;
    if (purged) purge(file);
    const rest = purged ? `, ${file}` : written ? `; kept: ${file}` : `; there is no ${file}`;
    run.output.line(`removed: ${units.length > 0 ? 'systemd units, ' : ''}pins, counters and state${rest}`);
    run.output.document({ outcome: 'removed', unfiltered: interfaces, units, purged: purged ? [file] : [] });
    return EXIT.DONE;
  });
}

function purge(file: string): void {
  try {
    rmSync(file, { force: true });
  } catch (error) {
    throw fileError('file/remove', 'remove', file, error);
  }
}
