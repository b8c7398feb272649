/** `fmt`: rows in their canonical form; comments, layout, ids and rule objects stay as they are. */
import { isMap } from 'yaml';
import { parseAddressText } from '../../parse/address';
import type { Rule } from '../../model/ruleset';
import { type Opened, openDocument } from './opened';
import type { EditOutcome, RulesetDocument } from './outcome';
import { type EditedSection, withRowsReplaced } from './row-list';
import { joinRow, splitRow, withAction } from './row-text';
import { accept, shapeOf } from './verify';
import { isOwnText } from './yaml-text';

/** The text with the one-line rows of both sections in canonical form; unchanged where they are. */
export function formatRuleset(document: RulesetDocument): EditOutcome {
  let { text } = document;
  let count = 0;
  for (const section of ['inbound', 'outbound'] as const) {
    const outcome = formatSection({ ...document, text }, section);
    if (outcome.kind === 'refused') return outcome;
    ({ text } = outcome);
    count += outcome.count;
  }
  if (count === 0) return { kind: 'unchanged', text, message: 'every row is in its canonical form' };
  const message = `wrote ${count} row${count === 1 ? '' : 's'} in canonical form`;
  return { kind: 'changed', text, message, removedComments: [], diagnostics: [] };
}

function formatSection(
  document: RulesetDocument,
  section: EditedSection,
): { kind: 'done'; text: string; count: number } | Extract<EditOutcome, { kind: 'refused' }> {
  const opened = openDocument(document, section);
  if ('kind' in opened) return opened;
  const { list, yaml } = opened;
  if (list.kind === 'none') return { kind: 'done', text: document.text, count: 0 };
  const rows = new Map<number, string>();
  opened.rules.forEach((rule, i) => {
    const row = canonicalRow(opened, list.rows[i], rule);
    if (row !== null) rows.set(i, row);
  });
  if (rows.size === 0) return { kind: 'done', text: document.text, count: 0 };
  const outcome = accept(opened, withRowsReplaced(yaml, list, rows), {
    rules: opened.rules.map(shapeOf),
    message: `canonical form of ${rows.size} rows`,
  });
  return outcome.kind === 'refused' ? outcome : { kind: 'done', text: outcome.text, count: rows.size };
}

/** The row as it is to be written; null where it stands so already, or is not ours to rewrite. */
function canonicalRow(
  { yaml }: Opened,
  place: Exclude<Opened['list'], { kind: 'none' }>['rows'][number],
  rule: Rule,
): string | null {
  const { start, end, node } = place;
  if (node && (isMap(node) || !isOwnText(node))) return null;
  const written = node ? String((node as { value?: unknown }).value) : yaml.text.slice(start, end);
  const parts = splitRow(written);
  if (namesService(parts.body, rule.text)) return null;
  const body = withAction(rule.text, rule);
  return body === parts.body ? null : joinRow({ ...parts, body });
}

/** Words of rows that are no names. */
const GRAMMAR = new Set(
  (
    'allow deny reject limit in incoming inbound out outgoing outbound log log-all from to any anywhere all none ' +
    'port proto protocol family icmp-type per verdict tcp udp'
  ).split(' '),
);

/** Whether the row says something by a name that its canonical text has as a number: a service, which may change. */
function namesService(body: string, canonical: string): boolean {
  const wordsOf = (text: string): string[] => text.toLowerCase().split(/[\s,]+/);
  const known = new Set(wordsOf(canonical));
  return wordsOf(body).some((word) => {
    if (known.has(word) || GRAMMAR.has(word) || parseAddressText(word).kind === 'prefix') return false;
    return word.split(/[:/]/).some((part) => /^[a-z]/.test(part) && !GRAMMAR.has(part));
  });
}
