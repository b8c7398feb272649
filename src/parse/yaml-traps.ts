/** Lines that look right and that YAML reads as something else: recognised, and answered with the line to write. */
import type { MapNode, TextNode } from './document-node';
import { at, type Finding, type Problem, quote, refuse } from './finding';
import type { SourceFile } from './locate';
import { looksLikeRow } from './action-word';

/** A row or an address that became a map because of a colon: `deny from 2001:db8::`, `comment 'a: b'`. */
export function findTrap(file: SourceFile, map: MapNode): Finding | undefined {
  const entry = map.entries.find(({ key }) => key.style === 'plain' && (isCutRow(key.text) || isCutAddress(key.text)));
  if (!entry) return undefined;
  const { key } = entry;
  const isRow = isCutRow(key.text);
  const line = sourceLine(file, key.start, isRow);
  const place = { start: key.start, length: Math.max(1, line.length) };
  if (isRow) {
    const message = `YAML reads the colon in this row as a key: ${quote(line)}`;
    return at(place, refuse('parse/yaml-colon', message, `put the row in quotes: - ${inQuotes(line)}`));
  }
  const message = `YAML reads the colon at the end of this address as a key: ${quote(line)}`;
  return at(place, refuse('parse/yaml-colon', message, `put it in quotes: ${inQuotes(line)}`));
}

/** Rows that YAML folded into one plain text, and a `>` block of rows; undefined where the text is one row. */
export function findFoldedRows(file: SourceFile, node: TextNode, inList: boolean): Finding | undefined {
  if (node.style === 'folded') {
    const problem = refuse(
      'parse/folded-rows',
      'a > block joins its rows into one line',
      'write rules: | instead of rules: >',
    );
    return at({ start: node.start, length: 1 }, problem);
  }
  if (node.style !== 'plain') return undefined;
  const source = file.text.slice(node.start, node.end);
  if (!source.includes('\n')) return undefined;
  const lines = source.split('\n').map((line) => line.trim());
  const rows = lines.filter((line) => line !== '');
  if (!rows.slice(1).some(looksLikeRow)) return undefined;
  const message = `YAML joins these ${rows.length} rows into one line`;
  const hint = inList ? `begin each row with a dash:\n${rows.map((row) => `  - ${row}`).join('\n')}` : blockHint(rows);
  return at({ start: node.start, length: node.end - node.start }, refuse('parse/folded-rows', message, hint));
}

const ROWS_IN_HINT = 6;

function blockHint(rows: readonly string[]): string {
  const shown = rows.slice(0, ROWS_IN_HINT).map((row) => `  ${row}`);
  if (rows.length > ROWS_IN_HINT) shown.push('  …');
  return `write a | behind the key:\nrules: |\n${shown.join('\n')}`;
}

/** What a syntax error of YAML means for the person who wrote the line. */
export function explainSyntaxError(file: SourceFile, offset: number, code: string, message: string): Problem {
  const { text } = file.lineText(offset);
  const address = /(?:^|[\s[,])((?:[0-9a-f]{1,4}:)+:)(?=\s|,|\]|$)/i.exec(text);
  if (address && !code.startsWith('TAB')) {
    const problem = `YAML reads the colon at the end of ${quote(address[1])} as a key`;
    return refuse('parse/yaml-colon', problem, `put it in quotes: "${address[1]}"`);
  }
  const row = text.trim().replace(/^-\s+/, '');
  if (looksLikeRow(row) && /:\s|:$/.test(row)) {
    return refuse(
      'parse/yaml-colon',
      'YAML reads the colon in this row as a key',
      `put the row in quotes: - ${inQuotes(row)}`,
    );
  }
  if (code === 'TAB_AS_INDENT')
    return refuse('parse/yaml', 'a tab indents this line, YAML allows blanks only', 'use blanks');
  if (code === 'MULTIPLE_DOCS') {
    return refuse('parse/yaml', 'a second document begins here, a ruleset is one', 'take out the line ---');
  }
  if (text.includes('\u2018') || text.includes('\u2019') || text.includes('\u201c')) {
    return refuse('parse/yaml', `not valid YAML: ${lowerFirst(message)}`, 'use straight quotes');
  }
  return refuse('parse/yaml', `not valid YAML: ${lowerFirst(message)}`);
}

/** The front of a row: an action and something behind it. A bare `limit` is a key. */
function isCutRow(key: string): boolean {
  return looksLikeRow(key) && /\S\s/.test(key);
}

/** An address that ended in `::` and lost its last colon to a key. */
function isCutAddress(key: string): boolean {
  return /^(?:[0-9a-f]{0,4}:)+$/i.test(key);
}

/** The rest of the line from `start`, without a comment; inside brackets up to the next comma or bracket. */
function sourceLine(file: SourceFile, start: number, isRow: boolean): string {
  const { text, start: lineStart } = file.lineText(start);
  const rest = withoutComment(text.slice(start - lineStart)).trimEnd();
  if (isRow && !/^\s*\S+:\s*\[/.test(text.slice(0, start - lineStart))) return rest;
  const end = rest.search(/[,\]}]/);
  return end < 0 ? rest : rest.slice(0, end).trimEnd();
}

/** A line up to a `#` that begins a word. Searched, not replaced: the pattern must not run over blanks twice. */
export function withoutComment(line: string): string {
  const comment = line.search(/\s#/);
  return comment < 0 ? line : line.slice(0, comment);
}

function inQuotes(text: string): string {
  return text.includes('"') || text.includes('\\') ? `'${text.replaceAll("'", "''")}'` : `"${text}"`;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
