import type { Command } from 'commander';
import { existsSync, rmSync } from 'node:fs';
import { uninstall } from '../../operate/disable';
import { type Context, isHostContext } from '../../operate/context';
import { currentEventReader, type EventReader } from '../../operate/event-source';
import { removeUnits } from '../../operate/install';
import { lastEnforced } from '../../operate/enforced-file';
import { filesIn } from '../../parse/bundle';
import { readRulesetText, STANDARD_INPUT } from '../../operate/ruleset-file';
import { readEnforced } from '../../operate/state-files';
import { fileError } from '../../operate/system-error';
import { logPath } from '../../serve/log-file';
import { confirm } from '../ask';
import { EXIT } from '../exit-code';
import { UsageError } from '../output';
import { onRun, type Run } from '../run';

interface Options {
  readonly yes?: boolean;
  readonly purge?: boolean;
}

export function register(program: Command): void {
  const command = program
    .command('uninstall')
    .description('end enforcement and remove what sluice keeps on this machine; the ruleset stays unless --purge')
    .option('--purge', 'remove the ruleset file too: the enforced one, unless --file names another')
    .option('-y, --yes', 'do not ask');
  onRun<Options>(command, async (run) => {
    const context = await run.context();
    const file = await rulesetFile(run, context);
    const what = run.options.purge ? `its counters and the ruleset ${file}` : 'its counters';
    if (!(await confirm(`end enforcement and remove ${what}?`, run.options.yes ?? false))) {
      run.output.line('nothing was changed');
      run.output.document({ outcome: 'kept' }, EXIT.REFUSED);
      return EXIT.REFUSED;
    }
    // First, so that no daemon makes anew what is removed.
    const units = isHostContext(context) ? removeUnits() : [];
    const reader = currentEventReader(context);
    const { interfaces, putBack } = await uninstall(context);
    const written = existsSync(file);
    const purged = written && run.options.purge === true;
    if (purged) purge(file);
    const rest = purged ? `, ${file}` : written ? `; kept: ${file}` : `; there is no ${file}`;
    run.output.line(`removed: ${units.length > 0 ? 'systemd units, ' : ''}pins, counters and state${rest}`);
    for (const changed of putBack.filter((path) => existsSync(path)))
      run.output.say(`${changed} is again as it was: what verbs wrote was not confirmed`);
    const log = logPath();
    if (existsSync(log)) run.output.say(`note: the log stays: ${log}`);
    if (reader)
      run.output.say(`note: ${describeReader(reader)} still runs, and has nothing to do: kill ${reader.pid} ends it`);
    run.output.document({ outcome: 'removed', unfiltered: interfaces, units, purged: purged ? [file] : [] });
    return EXIT.DONE;
  });
}

function describeReader({ role, pid }: EventReader): string {
  return role === 'daemon' ? `a daemon (pid ${pid})` : `sluice events (pid ${pid})`;
}

/** The ruleset that goes with --purge: the one the user named, else the one that enforces or did last. */
async function rulesetFile(run: Run<Options>, context: Context): Promise<string> {
  const file = run.options.file === undefined ? ((await lastFile(context)) ?? run.path()) : run.path();
  if (file !== STANDARD_INPUT) return file;
  if (run.options.purge)
    throw new UsageError('the ruleset was read from standard input: there is no file to remove', 'leave --purge out');
  return run.path();
}

/** Also where what is pinned is damaged: uninstalling is a way out of that. */
async function lastFile(context: Context): Promise<string | undefined> {
  const last = await lastEnforced(context).catch(() => readEnforced(context.folder).value);
  return last?.file;
}

function purge(file: string): void {
  try {
    for (const path of serverFiles(file)) rmSync(path, { force: true });
    rmSync(file, { force: true });
  } catch (error) {
    throw fileError('file/remove', 'remove', file, error);
  }
}

/** Those of the folder that it names; where they cannot be told they stay. */
function serverFiles(file: string): readonly string[] {
  try {
    return filesIn(readRulesetText(file)).slice(1);
  } catch {
    return [];
  }
}
