import type { Expectation } from '../model/ruleset';
import type { Context } from './context';
import { type DocumentNode, valueOf } from './document-node';
import { at, type Finding, refuse } from './finding';
import { directed, formatRule } from './format-rule';
import type { Names } from './names';
import { resolveClauses } from './resolve';
import { type Row, readRows } from './rows';
import { directionOf, parseRuleLine } from './rule-line';
import { readClauses, readVerdict } from './rule-object';

/** Reads `expect:`; `allow tcp from A [port P] to B [port P]`, or a map with `verdict`. */
export function readExpectations(node: DocumentNode | undefined, names: Names, context: Context): Expectation[] {
  return readRows(node, context).flatMap((row) => {
    const expectation =
      row.kind === 'map' ? readMapExpectation(row, names, context) : readLineExpectation(row, names, context);
    return expectation ? [expectation] : [];
  });
}

function readMapExpectation(
  { map, source }: Extract<Row, { kind: 'map' }>,
  names: Names,
  context: Context,
): Expectation | undefined {
  const verdict = readVerdict(map);
  const resolved = resolveClauses(readClauses(map, context, context.sink), names, context.sink);
  if (!verdict || !resolved) return undefined;
  const node = valueOf(map, 'direction');
  const direction = node?.kind === 'text' && directionOf(node.text) === 'out' ? 'out' : 'in';
  const text = formatRule(verdict, resolved.match, resolved.wording);
  return { direction, verdict, match: resolved.match, text: directed(text, direction), source };
}

function readLineExpectation(
  row: Extract<Row, { kind: 'line' }>,
  names: Names,
  context: Context,
): Expectation | undefined {
  const { row: line, findings, number } = parseRuleLine(row.text, names);
  for (const finding of findings) if (matters(finding)) context.sink(row.place(finding));
  if (!line) return undefined;
  if (number || line.id || line.note !== undefined) {
    const problem = refuse('parse/row', 'an expectation has no number, id or comment', `write ${line.text}`);
    context.sink(row.place(at({ start: 0, length: row.text.length }, problem)));
    return undefined;
  }
  if (line.action === 'limit') {
    const problem = refuse(
      'parse/action',
      'an expectation says allow, deny or reject',
      'what is below its limit is let in: write allow',
    );
    context.sink(row.place(at({ start: 0, length: row.text.length }, problem)));
    return undefined;
  }
  const direction = line.direction?.direction ?? 'in';
  return {
    direction,
    verdict: line.action,
    match: line.match,
    text: directed(line.text, direction),
    source: row.source,
  };
}

/** An expectation names source ports on purpose. */
function matters(finding: Finding): boolean {
  return finding.code !== 'parse/source-port';
}
