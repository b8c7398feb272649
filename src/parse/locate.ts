import type { Diagnostic, DiagnosticNote } from '../diagnostics/diagnostic';
import { firstWhere } from '../model/first-where';
import type { SourceRange } from '../model/ruleset';
import type { Finding } from './finding';

/** A text file and its lines: turns offsets into places. A byte order mark at the front has no column. */
export class SourceFile {
  readonly #bom: number;
  #starts: number[] | undefined;

  constructor(
    readonly name: string,
    readonly text: string,
  ) {
    this.#bom = text.startsWith('\ufeff') ? 1 : 0;
  }

  /** The place from `start` to `end` (UTF-16 offsets into the text). */
  range(start: number, end: number): SourceRange {
    const from = Math.max(0, Math.min(start, this.text.length));
    const line = this.#lineOf(from);
    const column = from - this.#lineStarts()[line] + 1 - (line === 0 ? this.#bom : 0);
    const length = Math.max(0, Math.min(end, this.text.length) - from);
    return { file: this.name, line: line + 1, column: Math.max(1, column), offset: from, length };
  }

  /** Offset of the first character of a line, counted from 1. */
  lineStart(line: number): number {
    return this.#lineStarts()[line - 1] ?? this.text.length;
  }

  /** The line (counted from 0) that holds the offset, without its line end. */
  lineText(offset: number): { text: string; start: number } {
    const line = this.#lineOf(offset);
    const start = this.#lineStarts()[line];
    const next = this.#lineStarts()[line + 1] ?? this.text.length + 1;
    return { text: this.text.slice(start, next - 1).replace(/\r$/, ''), start };
  }

  /** A finding whose offsets count from the front of this file. */
  diagnose(finding: Finding, notes: readonly DiagnosticNote[] = []): Diagnostic {
    const { start, length, ...rest } = finding;
    return { ...rest, source: this.range(start, start + length), notes };
  }

  #lineStarts(): number[] {
    if (!this.#starts) {
      this.#starts = [0];
      for (let i = this.text.indexOf('\n'); i >= 0; i = this.text.indexOf('\n', i + 1)) this.#starts.push(i + 1);
    }
    return this.#starts;
  }

  #lineOf(offset: number): number {
    return firstWhere(this.#lineStarts(), (start) => start > offset) - 1;
  }
}
