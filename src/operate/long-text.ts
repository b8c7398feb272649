/**
 * Long texts and their bytes. A change of one server reads, compares, hashes and writes the same few texts of megabytes a
 * dozen times: each is decoded and encoded once, and is one object, so that comparing it with itself costs nothing.
 */

import { commonEnd, commonStart } from '../parse/common-text';

/** Shorter ones are decoded in less time than they are looked for. */
const LONG_BYTES = 64 * 1024;
/** Longer ones are not kept: two of them would be more memory than all else. */
const MOST_BYTES = 16 << 20;
/** The text before a change, the one after it, and the one of a section or a fallback. */
const KEPT = 3;

interface LongText {
  readonly text: string;
  readonly bytes: Buffer;
}

/** Newest first. */
const kept: LongText[] = [];

/** The text that these bytes were, where it is known. */
export function knownText(bytes: Buffer): string | undefined {
  return bytes.length < LONG_BYTES ? undefined : kept.find((one) => one.bytes.equals(bytes))?.text;
}

/** Remembers what the bytes were decoded to. */
export function keepDecoded(text: string, bytes: Buffer): void {
  // They may be read into again.
  if (mayKeep(bytes)) keep(text, Buffer.from(bytes));
}

function mayKeep({ length }: Buffer): boolean {
  return length >= LONG_BYTES && length <= MOST_BYTES;
}

function keep(text: string, bytes: Buffer): void {
  kept.unshift({ text, bytes });
  if (kept.length > KEPT) kept.pop();
}

/** The text as UTF-8; not to be changed. */
export function bytesOf(text: string): Buffer {
  if (text.length < LONG_BYTES) return Buffer.from(text);
  const known = kept.find((one) => one.text === text);
  if (known) return known.bytes;
  const isWhole = isWellFormed(text);
  const bytes = (isWhole ? bytesAfterEdit(text) : undefined) ?? Buffer.from(text);
  // Half a character becomes another one: what is read back is another text.
  if (isWhole && mayKeep(bytes)) keep(text, bytes);
  return bytes;
}

/** The bytes of a text that is a known one but for a few lines: only these are encoded. Of a well-formed text. */
function bytesAfterEdit(text: string): Buffer | undefined {
  for (const before of kept) {
    const most = Math.min(text.length, before.text.length);
    let start = commonStart(text, before.text, most);
    let end = commonEnd(text, before.text, most - start);
    if (text.length - start - end > LONG_BYTES) continue;
    // Nothing begins or ends within a character.
    if (start > 0 && isHighSurrogate(text.charCodeAt(start - 1))) start--;
    if (end > 0 && isLowSurrogate(text.charCodeAt(text.length - end))) end--;
    const isAscii = before.bytes.length === before.text.length;
    const lengthOf = (part: string): number => (isAscii ? part.length : Buffer.byteLength(part));
    return Buffer.concat([
      before.bytes.subarray(0, lengthOf(text.slice(0, start))),
      Buffer.from(text.slice(start, text.length - end)),
      before.bytes.subarray(before.bytes.length - lengthOf(text.slice(text.length - end))),
    ]);
  }
  return undefined;
}

function isHighSurrogate(code: number): boolean {
  return code >= 0xd800 && code < 0xdc00;
}

function isLowSurrogate(code: number): boolean {
  return code >= 0xdc00 && code < 0xe000;
}

/** Whether its bytes are one object, however often they are asked for. */
export function isKept(text: string): boolean {
  return text.length >= LONG_BYTES && bytesOf(text) === bytesOf(text);
}

function isWellFormed(text: string): boolean {
  return (text as string & { isWellFormed: () => boolean }).isWellFormed();
}
