/** Durations (`90s`, `1h30m`, `7d`), moments (`2027-01-01T18:00`), and how long back (`10m`, `14:05`), as people type them. */
import { type Problem, quote, refuse } from './finding';

/** A length of time or a moment, in milliseconds; or why the text is none. */
export type TimeReading =
  { readonly kind: 'time'; readonly ms: number } | { readonly kind: 'refused'; readonly problem: Problem };

const UNITS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};
/** A century: whoever means longer means without end. */
const LONGEST = 36_525 * UNITS.d;
const DURATION_HINT = 'write a number and s, m, h, d or w: 90s, 30m, 1h30m, 7d';
const MOMENT_HINT = 'write 2027-01-31, 2027-01-31T18:00 (time of this machine) or 2027-01-31T18:00Z';

const refused = (problem: Problem): TimeReading => ({ kind: 'refused', problem });

/** Reads a duration; at least a second, at most a century. */
export function parseDuration(text: string): TimeReading {
  if (!/^(?:\d+[a-z])+$/i.test(text)) {
    return refused(refuse('parse/time', `${quote(text)} is not a length of time`, DURATION_HINT));
  }
  let ms = 0;
  for (const [, number, letter] of text.toLowerCase().matchAll(/(\d+)([a-z])/g)) {
    if (!Object.hasOwn(UNITS, letter))
      return refused(refuse('parse/time', `${quote(text)}: there is no unit ${quote(letter)}`, DURATION_HINT));
    ms += Number(number) * UNITS[letter];
  }
  if (ms < 1000) return refused(refuse('parse/time', `${quote(text)} is no time at all`, DURATION_HINT));
  if (ms > LONGEST) return refused(refuse('parse/time', `${quote(text)} is longer than a century`, DURATION_HINT));
  return { kind: 'time', ms };
}

const MOMENT = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2}))?(Z|[+-]\d{2}:?\d{2})?)?$/i;

/** Reads a moment, as milliseconds since 1970. A day is its first moment; without a zone it is the machine's time. */
export function parseMoment(text: string): TimeReading {
  const match = MOMENT.exec(text);
  if (!match) return refused(refuse('parse/time', `${quote(text)} is not a date or a time of one`, MOMENT_HINT));
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map((part) => Number(part ?? 0));
  const zone = match[7]?.toUpperCase();
  const utc = Date.UTC(year, month - 1, day, hour, minute, second);
  const back = new Date(utc);
  const exists =
    back.getUTCMonth() === month - 1 && back.getUTCDate() === day && hour < 24 && minute < 60 && second < 60;
  if (!exists || year < 1971) return refused(refuse('parse/time', `there is no ${quote(text)}`, MOMENT_HINT));
  if (zone === undefined) {
    return { kind: 'time', ms: new Date(year, month - 1, day, hour, minute, second).getTime() };
  }
  const [, sign, hours, minutes] = /^([+-])(\d{2}):?(\d{2})$/.exec(zone) ?? ['', '+', '0', '0'];
  const offset = (Number(hours) * 60 + Number(minutes)) * (sign === '-' ? -1 : 1);
  return { kind: 'time', ms: utc - offset * 60_000 };
}

const SINCE_HINT = 'write 10m or 2h (that long ago), 14:05 (today), or a moment such as 2027-01-31T14:05';

/**
 * Reads since when, as a moment: a length of time ago; a time of the day, the last one there was by the clock of this
 * machine; or a moment, also with fractions of its second, as the log writes it: these are cut.
 */
export function parseSince(text: string, nowMs: number): TimeReading {
  const ago = parseDuration(text);
  if (ago.kind === 'time') return { kind: 'time', ms: nowMs - ago.ms };
  const clock = /^([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?$/.exec(text);
  if (clock) {
    const [hour, minute, second] = clock.slice(1).map((part) => Number(part || 0));
    const today = new Date(nowMs);
    today.setHours(hour, minute, second, 0);
    if (today.getTime() > nowMs) today.setDate(today.getDate() - 1);
    return { kind: 'time', ms: today.getTime() };
  }
  const moment = parseMoment(text.replace(/(:\d\d)\.\d{1,9}(?=Z|[+-]|$)/i, '$1'));
  if (moment.kind === 'time') return moment;
  return refused(refuse('parse/time', `${quote(text)} is no time to begin at`, SINCE_HINT));
}

/** A moment as `parseMoment` reads it back: by the clock of this machine, with its distance from UTC, to the second. */
export function formatMoment(ms: number): string {
  const seconds = Math.ceil(ms / 1000) * 1000;
  const offset = -new Date(seconds).getTimezoneOffset();
  const two = (number: number): string => String(number).padStart(2, '0');
  const size = Math.abs(offset);
  const zone = offset === 0 ? 'Z' : `${offset < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`;
  const local = new Date(seconds + offset * 60_000).toISOString();
  return `${local.slice(0, local.slice(17, 19) === '00' ? 16 : 19)}${zone}`;
}
