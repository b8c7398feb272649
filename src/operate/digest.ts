import { createHash } from 'node:crypto';

/** A text from which on its digest is worth keeping. */
const LONG_TEXT = 64 * 1024;

/** The last long text: a change asks for the digest of its ruleset's a dozen times. */
let last: { readonly text: string; readonly digest: string } | null = null;

/** SHA-256 of a text (as UTF-8) or of bytes, in hex. */
export function contentDigest(content: string | Uint8Array): string {
  if (typeof content !== 'string' || content.length < LONG_TEXT) return digestOf(content);
  if (last?.text !== content) last = { text: content, digest: digestOf(content) };
  return last.digest;
}

function digestOf(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}
