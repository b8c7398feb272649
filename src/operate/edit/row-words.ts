/** Words of a shell command line → the row that a verb writes. */
import { formatMoment, parseDuration, parseMoment } from '../../parse/time';
import { UsageError } from '../usage-error';

/** Options that say when something ends. */
export interface EndOptions {
  readonly for?: string;
  readonly until?: string;
}

/** When it ends, milliseconds since 1970; null: never. `over`: what ends it at once. */
export function readEnd(options: EndOptions, nowMs: number, over: string): number | null {
  if (options.for !== undefined && options.until !== undefined)
    throw new UsageError('--for and --until both say when it ends', 'give one of them');
  if (options.for !== undefined) return nowMs + timeOf(parseDuration(options.for));
  if (options.until === undefined) return null;
  const until = timeOf(parseMoment(options.until));
  if (until <= nowMs) throw new UsageError(`"${options.until}" has passed`, over);
  return until;
}

function timeOf(reading: ReturnType<typeof parseDuration>): number {
  if (reading.kind === 'time') return reading.ms;
  throw new UsageError(reading.problem.message, reading.problem.hint);
}

/** The row of the words; a comment that the shell unquoted is quoted again. */
export function joinRow(words: readonly string[]): string {
  const at = commentAt(words);
  if (at < 0 || at === words.length - 1) return words.join(' ');
  const comment = words.slice(at + 1).join(' ');
  return [...words.slice(0, at + 1), inQuotes(comment)].join(' ');
}

/** The words with the end they get from options, before a comment. */
export function withEnd(words: readonly string[], untilMs: number | null): readonly string[] {
  if (untilMs === null) return words;
  const at = commentAt(words);
  const clauses = at < 0 ? words : words.slice(0, at);
  if (clauses.some((word) => word.toLowerCase() === 'until'))
    throw new UsageError('the row says until itself', 'leave --for and --until out, or the word');
  return [...clauses, 'until', formatMoment(untilMs), ...(at < 0 ? [] : words.slice(at))];
}

/** Where the comment of a row begins; -1 where it has none. */
export function commentAt(words: readonly string[]): number {
  return words.findIndex((word) => word.toLowerCase() === 'comment');
}

/** A comment in the quotes it does not hold; quotes around all of it stay. */
function inQuotes(comment: string): string {
  if (/^'[^']*'$|^"[^"]*"$/.test(comment)) return comment;
  const mark = ["'", '"'].find((candidate) => !comment.includes(candidate));
  if (mark === undefined)
    throw new UsageError(
      `the comment ${comment} has both kinds of quotes, and there is no third to put around it`,
      'leave one kind out',
    );
  return `${mark}${comment}${mark}`;
}
