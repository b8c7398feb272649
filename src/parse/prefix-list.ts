/** Plain-text lists: a prefix a line, `#` and `;` begin a comment. Lists have a million lines, so the usual line is read from bytes. */
import type { Diagnostic } from '../diagnostics/diagnostic';
import { maskWord, type Prefix } from '../model/prefix';
import { parseAddressText } from './address';
import { at, quote, refuse, warn } from './finding';
import { SourceFile } from './locate';

export interface PrefixList {
  readonly prefixes: readonly Prefix[];
  readonly diagnostics: readonly Diagnostic[];
  /** More lines than `limit`; reading stopped there. */
  readonly overflow: boolean;
}

const MAX_FINDINGS = 20;
const LF = 0x0a;

/** Reads the bytes of a list file named `name`; at most `limit` prefixes. */
export function parsePrefixList(bytes: Uint8Array, name: string, limit: number): PrefixList {
  const reader = new ListReader(bytes, name);
  const prefixes: Prefix[] = [];
  let position = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  for (let line = 1; position < bytes.length; line++) {
    let end = bytes.indexOf(LF, position);
    if (end < 0) end = bytes.length;
    const prefix = readUsualLine(bytes, position, end) ?? reader.readLine(line, position, end);
    if (prefix) {
      if (prefixes.length === limit) return { prefixes, diagnostics: reader.finish(), overflow: true };
      prefixes.push(prefix);
    }
    position = end + 1;
  }
  return { prefixes, diagnostics: reader.finish(), overflow: false };
}

/**
 * `a.b.c.d` or `a.b.c.d/n` in canonical form with nothing behind it but blanks; undefined for any other
 * line, which the careful reader takes.
 */
function readUsualLine(bytes: Uint8Array, start: number, end: number): Prefix | undefined {
  let i = start;
  let word = 0;
  for (let octet = 0; octet < 4; octet++) {
    const first = i;
    let value = 0;
    while (i < end && bytes[i] >= 0x30 && bytes[i] <= 0x39) value = value * 10 + bytes[i++] - 0x30;
    const digits = i - first;
    if (digits === 0 || digits > 3 || value > 255 || (digits > 1 && bytes[first] === 0x30)) return undefined;
    word = word * 256 + value;
    if (octet < 3 && bytes[i++] !== 0x2e) return undefined;
  }
  let length = 32;
  if (i < end && bytes[i] === 0x2f) {
    const first = ++i;
    length = 0;
    while (i < end && bytes[i] >= 0x30 && bytes[i] <= 0x39) length = length * 10 + bytes[i++] - 0x30;
    const digits = i - first;
    if (digits === 0 || digits > 2 || length > 32 || (digits > 1 && bytes[first] === 0x30)) return undefined;
  }
  while (i < end && (bytes[i] === 0x20 || bytes[i] === 0x0d || bytes[i] === 0x09)) i++;
  if (i < end || (word & ~maskWord(length, 0)) !== 0) return undefined;
  return { family: 4, words: [word], length };
}

class ListReader {
  readonly #diagnostics: Diagnostic[] = [];
  #unreported = { errors: 0, warnings: 0 };
  #file: SourceFile | undefined;
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });

  constructor(
    private readonly bytes: Uint8Array,
    private readonly name: string,
  ) {}

  /** Reads one line of any shape; reports what is wrong with it. */
  readLine(line: number, start: number, end: number): Prefix | undefined {
    const raw = this.#decoder.decode(this.bytes.subarray(start, end)).replace(/^\ufeff/, '');
    const text = raw.replace(/[#;].*$/, '').trim();
    if (text === '') return undefined;
    const column = raw.length - raw.trimStart().length;
    if (text.includes('\0')) {
      this.#report(line, column, text, refuse('parse/encoding', 'the file is not text: it has NUL bytes'));
      return undefined;
    }
    const reading = parseAddressText(text);
    if (reading.kind === 'refused') {
      const words = text.split(/\s+/);
      const extra = words.length > 1 && parseAddressText(words[0]).kind === 'prefix' && words[1] !== '-';
      const problem = extra
        ? refuse(
            'parse/address',
            `${quote(words[1])} stands behind the prefix`,
            `write ${words[0]} # ${words.slice(1).join(' ')}`,
          )
        : reading.problem;
      this.#report(line, column, text, problem);
      return undefined;
    }
    if (reading.warning) this.#report(line, column, text, reading.warning);
    return reading.prefix;
  }

  #report(line: number, column: number, text: string, problem: ReturnType<typeof refuse>): void {
    if (this.#diagnostics.length >= MAX_FINDINGS) {
      if (problem.severity === 'error') this.#unreported.errors++;
      else this.#unreported.warnings++;
      return;
    }
    const start = this.#source().lineStart(line) + column;
    this.#diagnostics.push(this.#source().diagnose(at({ start, length: Math.min(text.length, 200) }, problem)));
  }

  #source(): SourceFile {
    return (this.#file ??= new SourceFile(this.name, this.#decoder.decode(this.bytes)));
  }

  finish(): readonly Diagnostic[] {
    const { errors, warnings } = this.#unreported;
    if (errors + warnings > 0) {
      const message = `${errors} errors and ${warnings} warnings more in this file`;
      const problem =
        errors > 0 ? refuse('parse/too-many-findings', message) : warn('parse/too-many-findings', message);
      this.#diagnostics.push(this.#source().diagnose(at({ start: this.bytes.length, length: 0 }, problem)));
    }
    return this.#diagnostics;
  }
}
