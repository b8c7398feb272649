import type { Code } from '../diagnostics/codes';
import type { Severity } from '../diagnostics/diagnostic';

/**
 * A finding before it has a file: `start` and `length` count UTF-16 units in whatever text the reader was
 * given. The caller that knows where the text stands turns it into a diagnostic.
 */
export interface Finding {
  readonly code: Code;
  readonly severity: Severity;
  readonly message: string;
  readonly start: number;
  readonly length: number;
  readonly hint?: string;
}

/** Takes findings as they come; readers go on after each. */
export type Sink = (finding: Finding) => void;

/** A piece of the user's text and where it stands in the text the reader was given. */
export interface Term {
  readonly text: string;
  readonly start: number;
  readonly length: number;
}

/** What a small reader says when it refuses; the caller adds the place. */
export interface Problem {
  readonly code: Code;
  readonly severity: Severity;
  readonly message: string;
  readonly hint?: string;
}

/** An error without a place. */
export function refuse(code: Code, message: string, hint?: string): Problem {
  return { code, severity: 'error', message, ...(hint !== undefined && { hint }) };
}

/** A warning without a place. */
export function warn(code: Code, message: string, hint?: string): Problem {
  return { code, severity: 'warning', message, ...(hint !== undefined && { hint }) };
}

/** A note without a place. */
export function remark(code: Code, message: string, hint?: string): Problem {
  return { code, severity: 'note', message, ...(hint !== undefined && { hint }) };
}

/** Puts a problem at a term. Whatever of the user's text it holds is made printable. */
export function at(term: Pick<Term, 'start' | 'length'>, problem: Problem): Finding {
  const { message, hint } = problem;
  const printed = { message: printable(message), ...(hint !== undefined && { hint: printable(hint) }) };
  return { ...problem, ...printed, start: term.start, length: term.length };
}

/** Control and invisible characters escaped, except line ends: no text of a user reaches a terminal raw. */
function printable(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u0009\u000b-\u001f]/g, escapeCharacter).replace(UNPRINTABLE, escapeCharacter);
}

function escapeCharacter(c: string): string {
  return `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

const UNPRINTABLE = /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
const QUOTE_MAX = 80;

/** The user's text in double quotes: control and invisible characters escaped, long text cut. */
export function quote(text: string): string {
  const cut = text.length > QUOTE_MAX ? `${text.slice(0, QUOTE_MAX)}…` : text;
  return JSON.stringify(cut).replace(UNPRINTABLE, escapeCharacter);
}

/** Whether text holds a character that would forge or break a line of output. */
export function hasControlCharacter(text: string): boolean {
  // eslint-disable-next-line no-control-regex
  return /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/.test(text);
}

/** The only part of a term: it has one character at least where its place is exact. */
function wholeTerm({ text, start, length }: Term): Term {
  return { text, start, length: length === text.length ? Math.max(1, length) : length };
}

/** Splits a term at its commas; the parts keep their places. */
export function splitTerm(term: Term): Term[] {
  if (!term.text.includes(',') && term.text === term.text.trim()) return [wholeTerm(term)];
  const parts: Term[] = [];
  let start = 0;
  for (const piece of term.text.split(',')) {
    const lead = piece.length - piece.trimStart().length;
    const text = piece.trim();
    // A text that was unescaped is not as long as its place; then every part has the place of the whole.
    const exact = term.length === term.text.length;
    parts.push(
      exact
        ? { text, start: term.start + start + lead, length: Math.max(1, text.length) }
        : { text, start: term.start, length: term.length },
    );
    start += piece.length + 1;
  }
  return parts;
}

/** Text has no NUL: the finding at the first one. */
export function nulIn(text: string): Finding | undefined {
  const start = text.indexOf('\0');
  if (start < 0) return undefined;
  return at({ start, length: 1 }, refuse('parse/encoding', 'the file has a NUL byte: it is not text'));
}
