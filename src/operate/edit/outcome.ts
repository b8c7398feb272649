import type { Diagnostic } from '../../diagnostics/diagnostic';

/** A ruleset's text and how the files it names are read. */
export interface RulesetDocument {
  readonly text: string;
  /** Name of the file, for findings. */
  readonly file: string;
  /** Left out: as a ruleset's set files are read wherever it is checked. */
  readonly readFile?: (path: string) => Uint8Array;
}

/** What an edit comes to. */
export type EditOutcome = EditChanged | EditUnchanged | EditRefused;

export interface EditChanged {
  readonly kind: 'changed';
  readonly text: string;
  /** What was done: `added rule 3: allow 8000/tcp`. */
  readonly message: string;
  /** Comment lines that went with a deleted row. */
  readonly removedComments: readonly string[];
  /** Warnings and notes about the new text. */
  readonly diagnostics: readonly Diagnostic[];
}

export interface EditUnchanged {
  readonly kind: 'unchanged';
  readonly text: string;
  readonly message: string;
  readonly hint?: string;
}

export interface EditRefused {
  readonly kind: 'refused';
  /** What the findings' places refer to: the given text, or the one the edit would have made. */
  readonly text: string;
  readonly diagnostics: readonly Diagnostic[];
}

/** A row by its number (from 1, also as text), its id, or its text. */
export type RuleReference = number | string;

/** Where a row is moved to; numbers are those before the move, `to` is its number afterwards. */
export type MoveTarget =
  { readonly before: RuleReference } | { readonly after: RuleReference } | { readonly to: number };
