import { type Move, movedSource } from '../model/moved';
import type { SourceRange } from '../model/ruleset';

/** `error` refuses the ruleset, `warning` and `note` never do (`--strict` turns warnings into errors). */
export type Severity = 'error' | 'warning' | 'note';

/** A second place that explains the finding, such as the earlier rule that covers this one. */
export interface DiagnosticNote {
  readonly message: string;
  readonly source?: SourceRange;
}

/** One finding about the user's input. Data, never thrown; all findings of a run come together. */
export interface Diagnostic {
  /** Stable code, `stage/name`, listed in `codes.ts`. */
  readonly code: string;
  readonly severity: Severity;
  /** Lower case, the user's value in quotes, what was expected, what was found. */
  readonly message: string;
  readonly source: SourceRange;
  readonly notes: readonly DiagnosticNote[];
  /** What to do; where possible a line that can be pasted. */
  readonly hint?: string;
}

/** A finding about what stands at `from` of the file, or behind it, and has moved. */
export function movedFinding(
  finding: Diagnostic,
  { file, from, by }: { readonly file: string; readonly from: number; readonly by: Move },
): Diagnostic {
  const moved = (source: SourceRange): SourceRange =>
    source.file === file && source.offset >= from ? movedSource(source, by) : source;
  return {
    ...finding,
    source: moved(finding.source),
    notes: finding.notes.map((note) => (note.source ? { ...note, source: moved(note.source) } : note)),
  };
}
