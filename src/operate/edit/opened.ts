/** A ruleset text that is about to be edited: parsed, and its rows found. */
import type { Range } from 'yaml';
import type { Code } from '../../diagnostics/codes';
import type { Diagnostic } from '../../diagnostics/diagnostic';
import { SluiceError } from '../../kernel/errors';
import type { Rule, Ruleset } from '../../model/ruleset';
import { parseRuleset } from '../../parse/parse';
import { matchText } from '../plan';
import { readSetFile } from '../ruleset-file';
import { type EditedSection, nameOf, pairAt, sectionIn } from './edited-section';
import type { EditRefused, RuleReference, RulesetDocument } from './outcome';
import { findRows, type FoundRows, type RowList, withRowInserted } from './row-list';
import { joinRow, splitRow } from './row-text';
import { openSectionFile, type SectionFile } from './section-file';
import { pairOf, type YamlText } from './yaml-text';

/** Everything an edit needs; the list is missing where no row has been written yet. */
export interface Opened {
  readonly document: RulesetDocument;
  /** The file in which the section stands: edits are made in its text. */
  readonly yaml: YamlText;
  readonly at: SectionFile;
  readonly ruleset: Ruleset;
  /** Section that is edited. */
  readonly section: EditedSection;
  /** Its rows. */
  readonly rules: readonly Rule[];
  /** Rows of the sections before it: numbers go on from one section to the next. */
  readonly offset: number;
  readonly list: Exclude<RowList, { kind: 'refused' }>;
}

/** Parses the text and finds its rows; a text with errors is not edited. */
export function openDocument(document: RulesetDocument, section: EditedSection): Opened | EditRefused {
  const { ruleset, diagnostics } = parseText(document, document.text);
  if (!ruleset) return { kind: 'refused', text: document.text, diagnostics };
  const at = openSectionFile(document.text, document.file, section);
  const { yaml } = at;
  const rules = sectionIn(ruleset, section)?.rules;
  if (!rules) return noSuchServer(document, at, nameOf(section), ruleset);
  const list = findRows(yaml, section);
  if (list.kind === 'refused') return byHand(document, at, section, list.why);
  const found = list.kind === 'none' ? 0 : list.rows.length;
  if (found !== rules.length)
    throw new SluiceError('operate/edit', `found ${found} rows in the text, but the ruleset has ${rules.length}`, {
      hint: 'nothing was written; edit the file by hand, and please report this',
    });
  const offset = section === 'outbound' ? ruleset.inbound.rules.length : 0;
  return { document, yaml, at, ruleset, section, rules, offset, list };
}

/** Parses a text as if it were the document's. */
export function parseText(document: RulesetDocument, text: string): ReturnType<typeof parseRuleset> {
  return parseRuleset(text, { file: document.file, readFile: document.readFile ?? readSetFile });
}

/** The rows as text, where there must be some: a row's number was found before. */
export function rowsOf(opened: Opened): FoundRows {
  if (opened.list.kind === 'none') throw new TypeError('there are no rows');
  return opened.list;
}

/** What a row means in this ruleset, with its sets and services: it is appended for a trial and parsed. */
export function readRow(opened: Opened, row: string): Rule | EditRefused {
  const text = opened.at.whole(withRowInserted(opened.yaml, opened.list, opened.rules.length, row));
  const { ruleset, diagnostics } = parseText(opened.document, text);
  if (!ruleset) return { kind: 'refused', text, diagnostics };
  const rules = sectionIn(ruleset, opened.section)?.rules;
  const added = rules?.at(-1);
  if (!added || rules?.length !== opened.rules.length + 1)
    throw new SluiceError('operate/edit', `the text "${row}" is not one row`);
  return added;
}

/** Index (from 0) of the row that is meant. */
export function indexOf(opened: Opened, reference: RuleReference): number | EditRefused {
  const { rules, section, offset } = opened;
  const text = String(reference).trim();
  if (/^\d+$/.test(text)) {
    const number = Number(text);
    if (number > offset && number <= offset + rules.length) return number - offset - 1;
    return refuse(opened, 'edit/no-such-rule', `there is no rule ${text}`, listing(opened));
  }
  const byId = rules.findIndex(({ id }) => id === text || `${nameOf(section)}/${id}` === text);
  if (byId >= 0) return byId;
  if (!text.includes(' '))
    return refuse(opened, 'edit/no-such-rule', `no rule has the id "${text}"`, statusOf(section));
  const read = readRow(opened, joinRow({ body: splitRow(text).body, comment: '' }));
  if ('kind' in read) return read;
  const byText = rules.findIndex((rule) => rule.action === read.action && matchText(rule) === matchText(read));
  if (byText >= 0) return byText;
  return refuse(opened, 'edit/no-such-rule', `there is no rule "${read.text}"`, statusOf(section));
}

/** A refusal with one finding, placed at the rules. */
export function refuse(
  { document, at, section }: Pick<Opened, 'document' | 'at'> & { readonly section: EditedSection | 'guard' },
  code: Code,
  message: string,
  hint?: string,
): EditRefused {
  const source = placeOf(at, pairAt(at.yaml, section)?.key.range);
  return refusal(document, { code, message, source, ...(hint !== undefined && { hint }) });
}

/** A key's place; without one the beginning of the file. */
function placeOf(at: SectionFile, range: Range | null | undefined): Diagnostic['source'] {
  const offset = range?.[0] ?? 0;
  const before = at.yaml.text.slice(0, offset);
  return {
    file: at.path,
    line: before.split('\n').length,
    column: offset - before.lastIndexOf('\n'),
    offset,
    length: range ? range[1] - offset : 0,
  };
}

function refusal(document: RulesetDocument, finding: Omit<Diagnostic, 'severity' | 'notes'>): EditRefused {
  return { kind: 'refused', text: document.text, diagnostics: [{ ...finding, severity: 'error', notes: [] }] };
}

/** A refusal of a layout that only its author can change without changing more than was asked. */
export function byHand(
  document: RulesetDocument,
  at: SectionFile,
  section: EditedSection | 'guard',
  why: string,
): EditRefused {
  return refuse({ document, at, section }, 'edit/by-hand', `this file must be edited by hand: ${why}`);
}

function listing({ ruleset, section, rules }: Opened): string {
  const count =
    typeof section === 'string' ? ruleset.inbound.rules.length + ruleset.outbound.rules.length : rules.length;
  return count === 0 ? 'no rules are written yet' : `rules go from 1 to ${count}: ${statusOf(section)}`;
}

/** What shows the rows with their numbers. */
function statusOf(section: EditedSection): string {
  return typeof section === 'string' ? 'sluice status numbered' : `sluice status ${section.server}`;
}

/** Servers that are named where another is not found. */
const SERVERS_NAMED = 8;

function noSuchServer(
  document: RulesetDocument,
  at: SectionFile,
  name: string,
  { servers = [] }: Ruleset,
): EditRefused {
  const names = servers.slice(0, SERVERS_NAMED).map((server) => server.name);
  const more = servers.length > SERVERS_NAMED ? ` and ${servers.length - SERVERS_NAMED} more: sluice servers` : '';
  const hint = names.length === 0 ? 'the ruleset has no servers' : `there are: ${names.join(', ')}${more}`;
  const written = at.yaml.root ? pairOf(at.yaml.root, 'servers') : undefined;
  const place = placeOf(at, written?.key.range);
  return refusal(document, {
    ...{ code: 'edit/no-such-server', message: `there is no server "${name}"`, hint },
    // Where none are written no line is to blame.
    source: written ? place : { ...place, file: '' },
  });
}
