/** `--confirm TIME` and `--no-confirm` of everything that applies. */
import { type Command, Option } from 'commander';
import type { Ruleset } from '../model/ruleset';
import { comesThroughFilter, DEFAULT_CONFIRM_SECONDS, readConfirmTime } from '../operate/confirm-time';
import type { Context } from '../operate/context';

/** As commander gives them: the text of `--confirm`, false where `--no-confirm` was written. */
export interface ConfirmOptions {
  readonly confirm?: string | false;
}

/** Both. */
export function addConfirmOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--confirm <time>',
        'it holds only when sluice confirm comes within this time (60s, 5m), else what it replaced returns by itself, ' +
          'even if every process is dead; unasked at a terminal whose SSH session comes through a filtered interface',
      ),
    )
    .option('--no-confirm', 'it holds at once');
}

/** Seconds for which the change waits; left out where it holds at once. */
export async function confirmSeconds(
  { confirm }: ConfirmOptions,
  context: Context,
  { interfaces }: Pick<Ruleset, 'interfaces'>,
): Promise<{ confirmSeconds?: number }> {
  if (confirm === false) return {};
  if (typeof confirm === 'string') return { confirmSeconds: readConfirmTime(confirm) };
  const atRisk = process.stdin.isTTY && (await comesThroughFilter(context, interfaces));
  return atRisk ? { confirmSeconds: DEFAULT_CONFIRM_SECONDS } : {};
}

/** Also looked at before anything is written: a verb changes its file first. */
export function checkConfirmTime({ confirm }: ConfirmOptions): void {
  if (typeof confirm === 'string') readConfirmTime(confirm);
}
