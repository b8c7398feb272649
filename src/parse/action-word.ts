/** The word a row begins with. */
import type { Action } from '../model/verdict';
import { type Problem, quote, refuse } from './finding';
import { nearest } from './nearest';
import { notSupportedYet, UNSUPPORTED_WORDS } from './unsupported';

/** What a row can begin with. */
export const ACTIONS: readonly Action[] = ['allow', 'deny', 'reject', 'limit'];
/** What others call them. */
export const SYNONYMS: Readonly<Partial<Record<string, Action>>> = {
  accept: 'allow',
  permit: 'allow',
  pass: 'allow',
  open: 'allow',
  drop: 'deny',
  block: 'deny',
  discard: 'deny',
  forbid: 'deny',
  ban: 'deny',
};
const VERBS = new Set([
  'insert',
  'delete',
  'prepend',
  'move',
  'default',
  'enable',
  'disable',
  'logging',
  'status',
  'reset',
]);
/** Whether the text begins as a row does: an optional number, then an action. */
export function looksLikeRow(text: string): boolean {
  return /^\s*(?:(?:sudo\s+)?(?:ufw|sluice)\s+)?(?:\d+[.)]?\s+)?(?:allow|deny|reject|limit)\b/i.test(text);
}

/** Why the word is no action, with the one it likely means. */
export function refuseAction(text: string): Problem {
  const word = text.toLowerCase();
  const message = `${quote(text)} is not an action`;
  if (Object.hasOwn(SYNONYMS, word)) return refuse('parse/action', message, `write ${SYNONYMS[word]!}`);
  if (word === 'route') return notSupportedYet(word, UNSUPPORTED_WORDS.route);
  if (VERBS.has(word)) {
    return refuse('parse/action', `${quote(text)} is a command, expected a row`, 'a row begins with allow or deny');
  }
  const guess = nearest(word, ACTIONS);
  return refuse(
    'parse/action',
    message,
    guess === undefined ? 'a row begins with allow or deny' : `did you mean ${guess}?`,
  );
}
