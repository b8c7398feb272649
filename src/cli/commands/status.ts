import { Argument, type Command, Option } from 'commander';
import { takeSnapshot } from '../../operate/enforcement';
import { formatStatus, type StatusForm } from '../format-status';
import { onRun, tidyUp } from '../run';

export function register(program: Command): void {
  const command = program
    .command('status')
    .description('what is filtered, by which rules, how often each was hit')
    .addArgument(new Argument('[form]', 'how much to show').choices(['numbered', 'verbose']))
    .addOption(new Option('--watch', 'show it again every second; with --json a document a line'));
  onRun<{ watch?: boolean }>(command, async (run, form: StatusForm | undefined) => {
    const context = await run.context({ tidyUp: false });
    if (run.options.watch) run.output.documentsAsLines();
    for (;;) {
      await tidyUp(context, run.output);
      const snapshot = await takeSnapshot(context);
      const text = formatStatus(snapshot, form ?? 'plain');
      if (run.options.watch) run.output.clear();
      run.output.line(text);
      run.output.document({ snapshot });
      if (!run.options.watch || run.output.unread) return undefined;
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  });
}
