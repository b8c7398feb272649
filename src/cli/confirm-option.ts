/** `--confirm TIME` and `--no-confirm` of everything that applies. */
import { type Command, Option } from 'commander';
import type { Ruleset } from '../model/ruleset';
import {
  comesThroughFilter,
  DEFAULT_CONFIRM_SECONDS,
  isConfirmTime,
  MAX_CONFIRM_SECONDS,
} from '../operate/confirm-time';
import type { Context } from '../operate/context';
import { parseDuration } from '../parse/time';
import { UsageError } from './output';

/** As commander gives them: the text of `--confirm`, false where `--no-confirm` was written. */
export interface ConfirmOptions {
  readonly confirm?: string | false;
}

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
  if (typeof confirm === 'string') return { confirmSeconds: readSeconds(confirm) };
  const atRisk = process.stdin.isTTY && (await comesThroughFilter(context, interfaces));
  return atRisk ? { confirmSeconds: DEFAULT_CONFIRM_SECONDS } : {};
}

/** Also looked at before anything is written: a verb changes its file first. */
export function checkConfirmTime({ confirm }: ConfirmOptions): void {
  if (typeof confirm === 'string') readSeconds(confirm);
}

function readSeconds(text: string): number {
  const reading = parseDuration(text);
  if (reading.kind === 'refused') throw new UsageError(reading.problem.message, reading.problem.hint);
  const seconds = reading.ms / 1000;
  if (!isConfirmTime(seconds))
    throw new UsageError(
      `--confirm "${text}" is more than ${MAX_CONFIRM_SECONDS / 3600} h`,
      'sluice apply --confirm 60s',
    );
  return seconds;
}
