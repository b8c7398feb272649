/**
 * Findings as text for a terminal, each with the line it is about:
 *
 *   error parse/bad-prefix: "203.0.113.0/33" is not an address or prefix
 *     rules.yaml:4:11
 *       3 |   - id: ssh
 *     > 4 |     from: 203.0.113.0/33
 *         |           ^^^^^^^^^^^^^^
 *       5 |     action: allow
 *     hint: IPv4 prefix lengths go from 0 to 32
 */
import pc from 'picocolors';
import type { SourceRange } from '../model/ruleset';
import type { Diagnostic, DiagnosticNote, Severity } from './diagnostic';
import { displayLine, escapeControls, escapeLines } from './display';

/** Text of a file that findings point into; undefined where it cannot be had, then no lines are shown. */
export type ReadSource = (file: string) => string | undefined;

/** How findings are shown. */
export interface RenderOptions {
  readonly readSource: ReadSource;
  /** Colour comes on top of the words, never instead of them. Default: no colour. */
  readonly color?: boolean;
  /** Said behind the count, such as `nothing was changed.` */
  readonly closing?: string;
  /** Findings that are shown in full; the rest is counted. Default 20. */
  readonly limit?: number;
}

const SEVERITIES: readonly Severity[] = ['error', 'warning', 'note'];
const DEFAULT_LIMIT = 20;

/** All findings, errors first, then by file order; ends with the count. Empty text for no findings. */
export function renderDiagnostics(diagnostics: readonly Diagnostic[], options: RenderOptions): string {
  if (diagnostics.length === 0) return '';
  const { limit = DEFAULT_LIMIT, closing } = options;
  const paint = painter(options.color ?? false);
  const lines = cachedLines(options.readSource);
  const sorted = sortDiagnostics(diagnostics);
  const frames = sorted.slice(0, limit).map((diagnostic) => renderOne(diagnostic, lines, paint));
  const hidden = sorted.length - frames.length;
  if (hidden > 0)
    frames.push(
      `and ${hidden} more ${hidden === 1 ? 'finding' : 'findings'} that ${hidden === 1 ? 'is' : 'are'} not shown\n`,
    );
  return `${frames.join('\n')}\n${summarise(diagnostics)}${closing ? ` ${closing}` : ''}\n`;
}

/** Errors first, then by file, line and column; equal places keep their order. */
export function sortDiagnostics(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  return [...diagnostics].sort(
    (a, b) =>
      SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) ||
      (a.source.file === b.source.file ? 0 : a.source.file < b.source.file ? -1 : 1) ||
      a.source.line - b.source.line ||
      a.source.column - b.source.column,
  );
}

/** `2 errors, 1 warning.` */
export function summarise(diagnostics: readonly Diagnostic[]): string {
  const counts = SEVERITIES.map((severity) => {
    const count = diagnostics.filter((diagnostic) => diagnostic.severity === severity).length;
    return { count, words: `${count} ${severity}${count === 1 ? '' : 's'}` };
  });
  return `${
    counts
      .filter(({ count }) => count > 0)
      .map(({ words }) => words)
      .join(', ') || 'no findings'
  }.`;
}

type Paint = Record<Severity | 'dim' | 'bold', (text: string) => string>;
type Lines = (file: string) => readonly string[] | undefined;

function painter(color: boolean): Paint {
  const colors = pc.createColors(color);
  const { bold, dim, red, yellow, cyan } = colors;
  return { error: (t) => bold(red(t)), warning: (t) => bold(yellow(t)), note: (t) => bold(cyan(t)), dim, bold };
}

function cachedLines(readSource: ReadSource): Lines {
  const cache = new Map<string, readonly string[] | undefined>();
  return (file) => {
    if (!cache.has(file)) cache.set(file, file === '' ? undefined : splitLines(readSource(file)));
    return cache.get(file);
  };
}

function splitLines(text: string | undefined): readonly string[] | undefined {
  return text?.split(/\r\n|\n|\r/);
}

function renderOne(diagnostic: Diagnostic, lines: Lines, paint: Paint): string {
  const { code, severity, message, source, notes, hint } = diagnostic;
  const out = [`${paint[severity](severity)} ${code}: ${paint.bold(escapeControls(message))}`];
  out.push(...renderPlace(source, lines, paint, severity, true));
  // A hint may be several lines to paste; the indent keeps them inside their finding.
  if (hint !== undefined) out.push(`  ${paint.bold('hint:')} ${escapeLines(hint).replaceAll('\n', '\n    ')}`);
  for (const note of notes) out.push(...renderNote(note, lines, paint));
  return `${out.join('\n')}\n`;
}

function renderNote({ message, source }: DiagnosticNote, lines: Lines, paint: Paint): string[] {
  const head = `  ${paint.note('note')}: ${escapeControls(message)}`;
  return source ? [head, ...renderPlace(source, lines, paint, 'note', false)] : [head];
}

/** The place, its line and, where asked for, the lines around it. */
function renderPlace(source: SourceRange, lines: Lines, paint: Paint, severity: Severity, around: boolean): string[] {
  if (source.file === '') return [];
  const { file, line, column, length } = source;
  const out = [`  ${paint.dim(`${escapeControls(file)}:${line}:${column}`)}`];
  const all = lines(file);
  if (!all || line < 1 || line > all.length) return out;
  const reach = around ? 1 : 0;
  // The empty text behind the last line break is no line.
  const end = all[all.length - 1] === '' ? all.length - 1 : all.length;
  const last = Math.max(line, Math.min(line + reach, end));
  const gutter = String(last).length;
  for (let number = Math.max(1, line - reach); number <= last; number++) {
    const isPlace = number === line;
    const shown = displayLine(all[number - 1], isPlace ? column : 1, isPlace ? length : 0);
    const text = `  ${isPlace ? '>' : ' '} ${String(number).padStart(gutter)} | ${shown.text}`.trimEnd();
    out.push(isPlace ? text : paint.dim(text));
    if (isPlace && length > 0) {
      const carets = paint[severity]('^'.repeat(shown.width));
      out.push(`    ${' '.repeat(gutter)} | ${' '.repeat(shown.indent)}${carets}`);
    }
  }
  return out;
}
