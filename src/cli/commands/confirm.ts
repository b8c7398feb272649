import type { Command } from 'commander';
import { confirmPending, rollbackPending } from '../../operate/pending';
import { onRun } from '../run';
import { EXIT } from '../exit-code';
import { installAfterEnable } from './install';

export function register(program: Command): void {
  const confirm = program.command('confirm').description('keep the change that waits: it holds from now on');
  onRun(confirm, async (run) => {
    const { generation, atBoot } = await confirmPending(await run.context({ tidyUp: false }));
    run.output.line(`confirmed: generation ${generation} holds`);
    if (atBoot) await installAfterEnable(run);
    run.output.document({ outcome: 'confirmed', generation });
    return EXIT.DONE;
  });
  const rollback = program
    .command('rollback')
    .description('take back the change that waits to be confirmed, before its time is over');
  onRun(rollback, async (run) => {
    const { generation, previous, file, fate } = await rollbackPending(await run.context({ tidyUp: false }));
    const now = previous === null ? 'nothing is filtered, as before' : `generation ${previous} judges again`;
    run.output.line(`taken back: generation ${generation}; ${now}`);
    run.output.say(fate === 'put-back' ? `${file} is again as it was` : `note: ${file} was left as it is`);
    run.output.document({ outcome: 'rolled-back', generation, previous, file: { path: file, outcome: fate } });
    return EXIT.DONE;
  });
}
