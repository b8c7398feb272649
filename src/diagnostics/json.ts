/** Findings as plain data for `--json`; field names are an interface that others rely on. */
import type { SourceRange } from '../model/ruleset';
import type { Diagnostic, Severity } from './diagnostic';

/** A place in a file; lines and columns count from 1, in UTF-16 units, `endColumn` is the first one behind it. */
export interface JsonPlace {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly endColumn: number;
}

/** A finding as `--json` prints it. */
export interface JsonDiagnostic extends JsonPlace {
  readonly code: string;
  readonly severity: Severity;
  readonly message: string;
  /** null where there is nothing to suggest. */
  readonly hint: string | null;
  readonly notes: readonly (Partial<JsonPlace> & { readonly message: string })[];
}

/** The findings in the given order, with their text unchanged: JSON escapes what a terminal must not see. */
export function diagnosticsToJson(diagnostics: readonly Diagnostic[]): JsonDiagnostic[] {
  return diagnostics.map(({ code, severity, message, source, hint, notes }) => ({
    code,
    severity,
    message,
    ...placeOf(source),
    hint: hint ?? null,
    notes: notes.map((note) => ({ message: note.message, ...(note.source && placeOf(note.source)) })),
  }));
}

function placeOf({ file, line, column, length }: SourceRange): JsonPlace {
  return { file, line, column, endColumn: column + length };
}
