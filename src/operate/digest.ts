import { createHash, webcrypto } from 'node:crypto';
import { bytesOf } from './long-text';

/** A text from which on its digest is worth keeping. */
const LONG_TEXT = 64 * 1024;

/** The last long texts: a change asks for the digest of its ruleset's a dozen times, and of that of its section. */
const known: { readonly text: string; readonly digest: string }[] = [];
const KNOWN_MAX = 3;

/** Digits of a digest that people give at least. */
export const DIGEST_LEAST = 7;

/** Whether a text can be the beginning of a digest, of enough digits. */
export function isDigestText(text: string): boolean {
  return text.length >= DIGEST_LEAST && /^[0-9a-f]{1,64}$/i.test(text);
}

/** SHA-256 of a text (as UTF-8) or of bytes, in hex. */
export function contentDigest(content: string | Uint8Array): string {
  if (typeof content !== 'string' || content.length < LONG_TEXT) return digestOf(content);
  const found = known.find(({ text }) => text === content);
  if (found) return found.digest;
  return keep(content, digestOf(content));
}

/** The same, of a long text by another thread; who asks for its digest afterwards has it at once. */
export async function beginDigest(text: string): Promise<string> {
  if (text.length < LONG_TEXT || known.some((one) => one.text === text)) return contentDigest(text);
  const digest = Buffer.from(await webcrypto.subtle.digest('SHA-256', bytesOf(text)));
  return keep(text, digest.toString('hex'));
}

/** A long text whose digest was asked for lately; undefined: none of those has this one. */
export function textOfDigest(digest: string): string | undefined {
  return known.find((one) => one.digest === digest)?.text;
}

function keep(text: string, digest: string): string {
  if (known.push({ text, digest }) > KNOWN_MAX) known.shift();
  return digest;
}

function digestOf(content: string | Uint8Array): string {
  // Of a text the hash makes UTF-8 piece by piece, in three times the time.
  return createHash('sha256')
    .update(typeof content === 'string' ? bytesOf(content) : content)
    .digest('hex');
}
