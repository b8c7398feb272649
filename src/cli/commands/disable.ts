import type { Command } from 'commander';
import { isHostContext } from '../../operate/context';
import { disableUnits } from '../../operate/install';
import { disable, filteredInterfaces } from '../../operate/disable';
import { confirm } from '../ask';
import { addMessageOption, changeOf } from '../change-option';
import { onRun } from '../run';
import { EXIT } from '../exit-code';

export function register(program: Command): void {
  const command = program
    .command('disable')
    .description('end enforcement: off every interface, nothing left in the kernel; file and counters are kept')
    .option('-y, --yes', 'do not ask');
  onRun<{ yes?: boolean; message?: string }>(addMessageOption(command), async (run) => {
    const context = await run.context();
    const names = (await filteredInterfaces(context)).join(', ');
    if (
      names !== '' &&
      !(await confirm(`everything will reach ${names} unfiltered. end enforcement?`, run.options.yes ?? false))
    ) {
      run.output.line('nothing was changed');
      run.output.document({ outcome: 'kept' }, EXIT.REFUSED);
      return EXIT.REFUSED;
    }
    const { wasActive, interfaces, putBack } = await disable(context, changeOf(run.options, 'disable').intent);
    if (isHostContext(context)) disableUnits();
    run.output.line(
      interfaces.length > 0
        ? `disabled: ${interfaces.join(', ')} unfiltered now`
        : wasActive
          ? 'disabled: nothing was filtered any more; what was left in the kernel is gone'
          : 'not active: nothing to disable',
    );
    for (const file of putBack) run.output.say(`${file} is again as it was: what verbs wrote was not confirmed`);
    run.output.document({ outcome: wasActive ? 'disabled' : 'not-active', unfiltered: interfaces });
    return EXIT.DONE;
  });
}
