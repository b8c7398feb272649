import { createHash } from 'node:crypto';

/** A text from which on its digest is worth keeping. */
const LONG_TEXT = 64 * 1024;

/** The last long texts: a change asks a dozen times for the digests of its ruleset's before and after. */
const known: { readonly text: string; readonly digest: string }[] = [];
const KNOWN_MAX = 3;

/** SHA-256 of a text (as UTF-8) or of bytes, in hex. */
export function contentDigest(content: string | Uint8Array): string {
  if (typeof content !== 'string' || content.length < LONG_TEXT) return digestOf(content);
  const found = known.find(({ text }) => text === content);
  if (found) return found.digest;
  const digest = digestOf(content);
  if (known.unshift({ text: content, digest }) > KNOWN_MAX) known.pop();
  return digest;
}

function digestOf(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}
