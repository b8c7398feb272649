import { at, refuse, type Sink, type Term } from './finding';

/** A word of a row. */
export interface Token extends Term {
  /** Stood in quotes; then `text` is without them and is never a keyword. */
  readonly quoted: boolean;
}

/**
 * Splits a row into words. Quotes hold words together, `#` at the beginning of a word ends the row, and
 * `80, 443` is one word, since a comma always joins.
 */
export function tokenize(text: string, sink: Sink): Token[] {
  const tokens: Token[] = [];
  let i = 0;
  while (i < text.length) {
    if (isSpace(text, i)) {
      i++;
      continue;
    }
    if (text[i] === '#') break;
    const start = i;
    if (text[i] === "'" || text[i] === '"') {
      const end = text.indexOf(text[i], i + 1);
      if (end < 0) {
        const hint = `close it with ${text[i]}`;
        sink(
          at({ start, length: text.length - start }, refuse('parse/comment', 'a quote is opened and not closed', hint)),
        );
      }
      i = end < 0 ? text.length : end + 1;
      tokens.push({ text: text.slice(start + 1, end < 0 ? text.length : end), start, length: i - start, quoted: true });
      continue;
    }
    while (i < text.length && !isSpace(text, i)) i++;
    const word = { text: text.slice(start, i), start, length: i - start, quoted: false };
    const last = tokens[tokens.length - 1];
    if (last && !last.quoted && (last.text.endsWith(',') || word.text.startsWith(','))) {
      tokens[tokens.length - 1] = {
        text: text.slice(last.start, i),
        start: last.start,
        length: i - last.start,
        quoted: false,
      };
    } else tokens.push(word);
  }
  return tokens;
}

function isSpace(text: string, i: number): boolean {
  const c = text.charCodeAt(i);
  return c === 0x20 || (c >= 0x09 && c <= 0x0d) || c === 0xa0;
}
