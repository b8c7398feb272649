/** `--message` and `--expect-revision` of everything that changes what is enforced. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type Intent, REASON_MAX } from '../operate/change-note';

export interface ChangeOptions {
  readonly message?: string;
  readonly expectRevision?: number;
}

export function addChangeOptions(command: Command): Command {
  return addMessageOption(command).addOption(
    new Option(
      '--expect-revision <n>',
      'only where revision n of sluice history (0: none) is enforced; refused where somebody else was faster',
    ).argParser(readRevisionNumber),
  );
}

export function addMessageOption(command: Command): Command {
  return command.addOption(new Option('-m, --message <text>', 'why, for sluice history').argParser(readReason));
}

/** What an apply is told of the change. */
export function changeOf(
  { message, expectRevision }: ChangeOptions,
  what: string,
): { intent: Intent; expectRevision?: number } {
  return {
    intent: { what, ...(message !== undefined && { reason: message }) },
    ...(expectRevision !== undefined && { expectRevision }),
  };
}

function readReason(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('expected some words.');
  if (text.length > REASON_MAX) throw new InvalidArgumentError(`expected at most ${REASON_MAX} characters.`);
  return text;
}

function readRevisionNumber(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('expected the number of a revision, or 0.');
  return Number(text);
}
