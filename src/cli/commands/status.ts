import { Argument, type Command, Option } from 'commander';
import type { Snapshot } from '../../observe/snapshot';
import type { Context } from '../../operate/context';
import { readEnforcement, takeSnapshot } from '../../operate/enforcement';
import { formatStatus, type StatusForm } from '../format-status';
import { formatUfwStatus } from '../format-ufw';
import type { Output } from '../output';
import { onRun, tidyUp } from '../run';

export function register(program: Command): void {
  const command = program
    .command('status')
    .description('what is filtered, by which rules, how often each was hit')
    .addArgument(new Argument('[form]', 'how much to show').choices(['numbered', 'verbose']))
    .addOption(
      new Option('--format <whose>', 'the table of sluice, or byte for byte that of ufw').choices(['sluice', 'ufw']),
    )
    .addOption(new Option('--watch', 'show it again every second; with --json a document a line'));
  onRun<{ watch?: boolean; format?: 'sluice' | 'ufw' }>(command, async (run, form: StatusForm | undefined) => {
    const context = await run.context({ tidyUp: false });
    if (run.options.watch) run.output.documentsAsLines();
    for (;;) {
      await tidyUp(context, run.output);
      const snapshot = await takeSnapshot(context);
      const asUfw = run.options.format === 'ufw';
      const text = asUfw ? await ufwTable(context, form ?? 'plain') : formatStatus(snapshot, form ?? 'plain');
      if (run.options.watch) run.output.clear();
      run.output.line(text);
      if (asUfw) sayBesideUfw(snapshot, form, run.output);
      run.output.document({ snapshot });
      if (!run.options.watch || run.output.unread) return undefined;
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  });
}

async function ufwTable(context: Context, form: StatusForm): Promise<string> {
  const enforcement = await readEnforcement(context);
  const active = enforcement !== null && enforcement.attachments.length > 0;
  return formatUfwStatus(active, enforcement?.record?.ruleset ?? null, form);
}

/** What must not be overlooked has no place in ufw's table: it goes to stderr. */
function sayBesideUfw({ notFiltered, warnings }: Snapshot, form: StatusForm | undefined, output: Output): void {
  if (notFiltered.length > 0) output.say(`not filtered: ${notFiltered.map(({ name }) => name).join(', ')}`);
  if (form === 'numbered') output.say('note: these are the numbers of ufw; verbs take those of sluice status numbered');
  for (const warning of warnings) output.say(`warning: ${warning}`);
}
