/** What everything that changes what is enforced, or looks at revisions, takes. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type Intent, REASON_MAX } from '../operate/change-note';
import { isDigestText } from '../operate/digest';
import type { Seen } from '../operate/seen';
import { UsageError } from './output';

export interface ChangeOptions {
  readonly message?: string;
  readonly expectRevision?: number;
}

/** `--message` and `--expect-revision`. */
export function addChangeOptions(command: Command): Command {
  return addMessageOption(command).addOption(
    new Option(
      '--expect-revision <n>',
      'only where revision n of sluice history (0: none) is enforced; refused where somebody else was faster',
    ).argParser(readRevisionNumber),
  );
}

export interface SectionOptions {
  readonly section?: string;
  readonly server?: string;
}

/** `--section` and `--server` of what is about one section of a revision. */
export function addSectionOptions(command: Command, what: string): Command {
  return command
    .option('--server <name>', `${what} of this server alone`)
    .option('--section <name>', `the same of inbound, outbound, guard, or settings: what lies outside sections`);
}

/** The one that is meant, in one of three ways; undefined where it is the whole. */
export function sectionMeant({ section, server }: SectionOptions, word?: string): string | undefined {
  const meant = new Set([section, server, word].filter((name) => name !== undefined));
  if (meant.size > 1)
    throw new UsageError(`"${[...meant].join('" and "')}": one section is meant, not two`, 'sluice history gpu-17');
  return meant.values().next().value;
}

export interface DigestOption {
  readonly ifDigest?: string;
}

/** `--if-digest`; `what`: whose digest it is. */
export function addDigestOption(command: Command, what = 'the section'): Command {
  return command.addOption(
    new Option(
      '--if-digest <digest>',
      `only where ${what} has this digest (sluice history SECTION, status --json); refused where somebody changed it since`,
    ).argParser(readDigest),
  );
}

/** `--if-digest` of what is about the whole ruleset, or about one section of it. */
export function addWholeDigestOption(command: Command): Command {
  return addDigestOption(command, 'what is enforced, or with --section that,').option(
    '--section <name>',
    'what --if-digest is about: inbound, outbound, guard, the name of a server, or settings, what lies outside sections',
  );
}

/** What a writer saw of what is enforced; undefined where he says nothing of it. */
export function seenOf({ section, ifDigest: digest }: DigestOption & Pick<SectionOptions, 'section'>): { seen?: Seen } {
  if (digest === undefined && section !== undefined)
    throw new UsageError(
      `--section ${section} is what --if-digest is about`,
      'sluice apply --section gpu-17 --if-digest 1a2b3c4',
    );
  return digest === undefined ? {} : { seen: { digest, ...(section !== undefined && { section }) } };
}

function readDigest(text: string): string {
  if (isDigestText(text)) return text;
  throw new InvalidArgumentError('expected the first 7 digits or more of a digest.');
}

/** `--message`. */
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
