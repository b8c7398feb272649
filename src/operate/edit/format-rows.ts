/** `fmt`: rows in their canonical form; comments, layout, ids and rule objects stay as they are. */
import { isDeepStrictEqual } from 'node:util';
import { isMap } from 'yaml';
import { SluiceError } from '../../kernel/errors';
import type { Rule, Ruleset } from '../../model/ruleset';
import { parseAddressText } from '../../parse/address';
import { joinBundle, partOf, splitBundle, withPart } from '../../parse/bundle';
import { type EditedSection, nameOf } from './edited-section';
import { byHand, parseText } from './opened';
import type { EditOutcome, RulesetDocument } from './outcome';
import { findList, type RowPlace, withRowsReplaced } from './row-list';
import { joinRow, splitRow, withAction } from './row-text';
import { openSectionFile } from './section-file';
import { isOwnText, openYaml, type YamlText } from './yaml-text';

/** The lists of rows, in the order in which findings name them. */
function listsOf({ guard, inbound, outbound, servers = [] }: Ruleset): readonly {
  section: EditedSection | 'guard';
  key: string;
  rules: readonly Rule[];
}[] {
  return [
    { section: 'guard', key: 'keep-reachable', rules: guard.keepReachable },
    { section: 'guard', key: 'rules', rules: guard.rules },
    { section: 'inbound', key: 'rules', rules: inbound.rules },
    { section: 'outbound', key: 'rules', rules: outbound.rules },
    ...servers.map(({ name, rules }) => ({ section: { server: name }, key: 'rules', rules })),
  ];
}

/** The text with the one-line rows of the guard and all sections in canonical form; unchanged where they are. */
export function formatRuleset(document: RulesetDocument): EditOutcome {
  const { ruleset, diagnostics } = parseText(document, document.text);
  if (!ruleset) return { kind: 'refused', text: document.text, diagnostics };
  let bundle = splitBundle(document.text);
  let count = 0;
  for (const { section, key, rules } of listsOf(ruleset)) {
    const part = typeof section === 'string' ? undefined : partOf(bundle, section.server);
    const yaml = part ? openYaml(part.text, nameOf(section)) : openYaml(bundle.main);
    const list = findList(yaml, section, key);
    if (list.kind === 'refused')
      return byHand(document, openSectionFile(document.text, document.file, section), section, list.why);
    if (list.kind === 'none') continue;
    if (list.rows.length !== rules.length)
      throw notWritten(`found ${list.rows.length} rows in the text, but the ruleset has ${rules.length}`);
    const rows = new Map<number, string>();
    rules.forEach((rule, i) => {
      const row = canonicalRow(yaml, list.rows[i], rule);
      if (row !== null) rows.set(i, row);
    });
    const text = withRowsReplaced(yaml, list, rows);
    if (rows.size > 0) bundle = part ? withPart(bundle, part.path, text) : { ...bundle, main: text };
    count += rows.size;
  }
  const text = joinBundle(bundle);
  if (count === 0) return { kind: 'unchanged', text: document.text, message: 'every row is in its canonical form' };
  const formatted = parseText(document, text).ruleset;
  if (!formatted || !isDeepStrictEqual(meaningOf(formatted), meaningOf(ruleset)))
    throw notWritten('the canonical form would not have meant the same');
  const message = `wrote ${count} row${count === 1 ? '' : 's'} in canonical form`;
  return { kind: 'changed', text, message, removedComments: [], diagnostics: [] };
}

function notWritten(message: string): SluiceError {
  return new SluiceError('operate/edit', message, {
    hint: 'nothing was written; edit the file by hand, and please report this',
  });
}

/** All of a ruleset but where it stands, and how it was written. */
function meaningOf(ruleset: Ruleset): unknown {
  return JSON.parse(
    JSON.stringify(ruleset, (key, value: unknown) => (key === 'source' || key === 'written' ? undefined : value)),
  );
}

/** The row as it is to be written; null where it stands so already, or is not ours to rewrite. */
function canonicalRow(yaml: YamlText, { start, end, node }: RowPlace, rule: Rule): string | null {
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
