import { type Command, Option } from 'commander';
import { resolve } from 'node:path';
import { readBootPlan } from '../../operate/boot-files';
import { isHostContext } from '../../operate/context';
import {
  currentUnits,
  enableUnits,
  type Installed,
  installUnits,
  removeUnits,
  systemdRuns,
  unitFolder,
  unitsInstalled,
  unitsUseJournal,
} from '../../operate/install';
import { DEFAULT_LOG_FILE } from '../../serve/log-file';
import { UsageError } from '../output';
import { onRun, type Run } from '../run';

interface Options {
  readonly remove?: boolean;
  readonly print?: boolean;
  readonly journal?: boolean;
}

export function register(program: Command): void {
  const command = program
    .command('install')
    .description(
      'write systemd units: what is enforced is loaded at boot, before the network is up, and the daemon runs',
    )
    .addOption(new Option('--journal', 'the daemon writes events to the journal, not to a file of its own'))
    .addOption(new Option('--print', 'print the units; nothing is written'))
    .addOption(new Option('--remove', 'take them away; what enforces goes on until the next boot').conflicts('print'));
  onRun<Options>(command, async (run) => {
    const { remove, print, journal } = run.options;
    if (print) {
      const units = currentUnits(logPath(journal));
      run.output.line(
        Object.entries(units)
          .map(([name, text]) => `# ${name}\n${text}`)
          .join('\n')
          .trimEnd(),
      );
      run.output.document({ folder: unitFolder(), units });
      return undefined;
    }
    if (remove) {
      const removed = removeUnits();
      run.output.line(
        removed.length > 0
          ? `removed: ${removed.join(', ')}; nothing is loaded at boot any more`
          : `there are no units of sluice in ${unitFolder()}`,
      );
      run.output.document({ outcome: 'removed', folder: unitFolder(), removed });
      return undefined;
    }
    const context = await run.context();
    if (!isHostContext(context))
      throw new UsageError(
        'units are for the machine, and a network namespace does not outlive it',
        'leave out --netns, or let whatever makes the namespace run: sluice --netns NAME boot',
      );
    const installed = installUnits(logPath(journal));
    const enforced = readBootPlan(context.folder).value?.load === 'ruleset';
    if (installed.systemd && enforced) enableUnits(installed);
    const { written, folder, systemd } = installed;
    run.output.line(
      written.length > 0 ? `written: ${written.join(', ')} in ${folder}` : `the units in ${folder} are up to date`,
    );
    warnUnsafe(run, installed);
    if (!systemd) run.output.say('note: systemd does not run here: nothing loads them until it does');
    else if (!enforced) run.output.say('note: sluice enable starts them');
    run.output.document({ outcome: 'installed', folder, written, systemd, started: systemd && enforced });
    return undefined;
  });
}

/** After `enable`: units where systemd runs, else what to do in their place. */
export async function installAfterEnable(run: Run<object>): Promise<void> {
  const context = await run.context();
  if (!isHostContext(context)) {
    run.output.say('note: this network namespace does not outlive a reboot: nothing is loaded at boot');
    return;
  }
  if (!systemdRuns()) {
    run.output.say('note: systemd does not run here: nothing is loaded at boot, unless something runs sluice boot');
    return;
  }
  const before = unitsInstalled();
  const installed = installUnits(logPath(unitsUseJournal()));
  enableUnits(installed);
  warnUnsafe(run, installed);
  if (!before) run.output.line(`loaded at boot from now on: ${installed.written.join(', ')} in ${installed.folder}`);
}

function warnUnsafe(run: Run<object>, { unsafe }: Installed): void {
  for (const program of unsafe) run.output.say(`warning: the units run as root what others may change: ${program}`);
}

function logPath(journal: boolean | undefined): string | null {
  return journal ? null : resolve(process.env.SLUICE_LOG || DEFAULT_LOG_FILE);
}
