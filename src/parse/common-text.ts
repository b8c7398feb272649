/** What two long texts have in common. Comparing pieces is many times faster than comparing characters. */

/** A text before and after an edit, and how many characters are surely the same at the front, and at the end. */
interface KnownEdit {
  readonly before: string;
  readonly after: string;
  readonly start: number;
  readonly end: number;
}

/** The last edit of a long text: it is asked for several times, and each comparison reads megabytes. */
let edited: KnownEdit | null = null;
const LONG_TEXT = 64 * 1024;

/** The text with the characters from `start` to `end` replaced. */
export function spliced(before: string, start: number, end: number, by: string): string {
  const after = before.slice(0, start) + by + before.slice(end);
  if (before.length >= LONG_TEXT) edited = { before, after, start, end: before.length - end };
  return after;
}

/** Characters at the front that are the same, of the first `most`. */
export function commonStart(one: string, other: string, most: number): number {
  const isSame = (from: number, to: number): boolean => one.slice(from, to) === other.slice(from, to);
  return longest(Math.min(most, editOf(one, other)?.start ?? 0), most, isSame);
}

/** The same at the end. */
export function commonEnd(one: string, other: string, most: number): number {
  const isSame = (from: number, to: number): boolean =>
    one.slice(one.length - to, one.length - from) === other.slice(other.length - to, other.length - from);
  return longest(Math.min(most, editOf(one, other)?.end ?? 0), most, isSame);
}

/** Texts that are not the same have another length, as a rule, or differ at their beginning. */
function editOf(one: string, other: string): KnownEdit | null {
  if (!edited) return null;
  const { before, after } = edited;
  return (one === before && other === after) || (one === after && other === before) ? edited : null;
}

function longest(surely: number, most: number, isSame: (from: number, to: number) => boolean): number {
  let known = surely;
  let step = 1 << 20;
  while (step >= 1) {
    const next = Math.min(known + step, most);
    if (next > known && isSame(known, next)) known = next;
    else step = step === 1 ? 0 : step >> 1;
  }
  return known;
}
