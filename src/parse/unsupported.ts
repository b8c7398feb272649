/**
 * What the ruleset format knows and this version does not enforce. Such words and keys are refused with
 * what works today; nothing of them is ever taken in silence.
 */
import { type Problem, quote, refuse } from './finding';

/** The finding for a key or word of a later version. */
export function notSupportedYet(what: string, today: string): Problem {
  return refuse('parse/not-supported-yet', `${quote(what)} is not supported yet`, today);
}

/** Words of one-line rows, with what works today. */
export const UNSUPPORTED_WORDS: Readonly<Record<string, string>> = {
  on: 'leave it out: every interface under interfaces: has the same rules',
  route: 'leave it out: every packet that comes in is judged, forwarded or not',
  app: 'write the port, or name it under services:',
};

/** Keys of an object rule, with what works today. */
export const UNSUPPORTED_RULE_KEYS: Readonly<Record<string, string>> = {
  server: 'write to: and the address',
  in: 'leave it out: every interface under interfaces: has the same rules',
};

/** Ways to say "off" and "on" (SPEC §2); anything else is undefined. */
export function parseSwitch(text: string): boolean | undefined {
  const word = text.toLowerCase();
  if (word === 'on' || word === 'true' || word === 'yes') return true;
  if (word === 'off' || word === 'false' || word === 'no') return false;
  return undefined;
}
