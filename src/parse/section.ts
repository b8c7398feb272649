/** One section: its default, SSH row and rows. */
import type { Rule, Section, SshRow } from '../model/ruleset';
import { type Context, placeOf, termOf, textsOf } from './context';
import { type DocumentNode, valueOf } from './document-node';
import { at, quote, refuse, remark, type Term } from './finding';
import { deriveId, idProblem, IdRegister } from './ids';
import type { Names } from './names';
import { parsePortRange } from './port';
import { type Row, readRows } from './rows';
import { parseRuleLine, type RuleLine } from './rule-line';
import { readRuleObject } from './rule-object';
import { readUdpOff } from './settings';

/** Most rules in a ruleset. */
export const MAX_RULES = 100_000;

/** Reads a section. `names` is made for the section's SSH ports. */
export function readSection(
  name: string,
  node: DocumentNode | undefined,
  context: Context,
  makeSectionNames: (sshPorts: readonly number[] | undefined) => Names,
): { section: Section; names: Names } {
  const map = node?.kind === 'map' ? node : undefined;
  const fallback = map && valueOf(map, 'default');
  const word = fallback?.kind === 'text' ? fallback.text.toLowerCase() : '';
  const ssh = map && readSsh(valueOf(map, 'ssh'), context);
  const names = makeSectionNames(ssh?.ports);
  const rules = map ? readRules(valueOf(map, 'rules'), names, context) : [];
  const udp = map && readUdpOff(map) ? ({ udp: 'off' } as const) : {};
  const otherwise = word === 'allow' || word === 'reject' ? word : 'deny';
  return { section: { name, default: otherwise, ...udp, ...(ssh && { ssh }), rules }, names };
}

function readSsh(node: DocumentNode | undefined, context: Context): SshRow | undefined {
  if (node?.kind !== 'map') return undefined;
  const port = valueOf(node, 'port');
  const from = valueOf(node, 'from');
  const ports = new Set<number>();
  for (const term of port ? textsOf(port).map(termOf) : []) {
    const range = parsePortRange(term.text);
    if ('code' in range) context.sink(at(term, range));
    else if (range.first !== range.last) {
      context.sink(
        at(
          term,
          refuse('parse/port', `${quote(term.text)} is a range, expected an SSH port`, 'write a list: [22, 2222]'),
        ),
      );
    } else ports.add(range.first);
  }
  if (port?.kind === 'list' && port.items.length === 0) {
    context.sink(
      at(placeOf(context, port), refuse('parse/port', 'the list of SSH ports is empty', 'write the port, or ssh: off')),
    );
  }
  const rules = from?.kind === 'text' && from.text.toLowerCase() === 'rules';
  const source = context.file.range(node.start, node.end);
  return { ports: [...ports].sort((a, b) => a - b), from: rules ? 'rules' : 'anyone', source };
}

/** A row that was read, before it has its id. */
interface Draft {
  readonly row: Omit<RuleLine, 'log' | 'note' | 'id'>;
  readonly id?: Term;
  readonly enabled: boolean;
  readonly details: Pick<Rule, 'log' | 'note' | 'owner' | 'review'>;
  readonly source: Rule['source'];
}

function readRules(node: DocumentNode | undefined, names: Names, context: Context): Rule[] {
  const rows = readRows(node, context);
  if (rows.length > MAX_RULES) {
    const message = `${rows.length} rules, a ruleset holds at most ${MAX_RULES}`;
    const hint = 'rules that differ only in the address are one rule and a set';
    context.sink(at(placeOf(context, node!), refuse('parse/too-many-rules', message, hint)));
    return [];
  }
  const numbers = new NumberCheck(context);
  const ids = new ExplicitIds(context);
  const drafts: Draft[] = [];
  for (const row of rows) {
    const draft =
      row.kind === 'map' ? readMapRow(row, names, context, ids) : readLineRow(row, names, context, numbers, ids);
    if (draft) drafts.push(draft);
  }
  return nameRules(drafts, ids);
}

function readMapRow(
  row: Extract<Row, { kind: 'map' }>,
  names: Names,
  context: Context,
  ids: ExplicitIds,
): Draft | undefined {
  const { row: resolved, id, enabled, ...details } = readRuleObject(row.map, names, context);
  if (id) ids.claim(id);
  return resolved ? { row: resolved, ...(id && { id }), enabled, details, source: row.source } : undefined;
}

function readLineRow(
  row: Extract<Row, { kind: 'line' }>,
  names: Names,
  context: Context,
  numbers: NumberCheck,
  ids: ExplicitIds,
): Draft | undefined {
  const { row: resolved, findings, number, id: word } = parseRuleLine(row.text, names);
  for (const finding of findings) context.sink(row.place(finding));
  if (number) numbers.see(number, row);
  const id = word && { ...word, start: row.place(at(word, remark('parse/id', ''))).start };
  if (id) ids.claim(id);
  if (!resolved) return undefined;
  const { note, log } = resolved;
  return {
    row: resolved,
    ...(id && { id }),
    enabled: true,
    details: { ...(log && { log }), ...(note !== undefined && { note }) },
    source: row.source,
  };
}

function nameRules(drafts: readonly Draft[], ids: ExplicitIds): Rule[] {
  const register = new IdRegister(ids.taken);
  return drafts.map(({ row, id, enabled, details, source }) => {
    const { action, match, limit, text, written } = row;
    const name = id ? id.text : register.assign(deriveId(row));
    return {
      ...{ id: name, idIsExplicit: id !== undefined, action, match, ...(limit && { limit }) },
      ...{ enabled, ...details, text, source, written },
    };
  });
}

/** Explicit ids of a section, each taken once. */
class ExplicitIds {
  readonly #seen = new Map<string, Term>();

  constructor(private readonly context: Context) {}

  claim(id: Term): void {
    if (idProblem(id.text) !== undefined) return;
    const first = this.#seen.get(id.text);
    if (!first) {
      this.#seen.set(id.text, id);
      return;
    }
    const line = this.context.file.range(first.start, first.start + first.length).line;
    const message = `the id ${quote(id.text)} is taken by the rule in line ${line}`;
    this.context.sink(at(id, refuse('parse/id', message, 'ids are unique in their section')));
  }

  get taken(): Iterable<string> {
    return this.#seen.keys();
  }
}

/** Leading numbers mean nothing; when they are not 1, 2, 3 … somebody may think they do (SPEC §2). */
class NumberCheck {
  #expected = 1;
  #noted = false;

  constructor(private readonly context: Context) {}

  see(number: Term, row: Extract<Row, { kind: 'line' }>): void {
    const found = parseInt(number.text, 10);
    if (found !== this.#expected && !this.#noted) {
      this.#noted = true;
      const message = `row number ${quote(number.text)} where ${this.#expected} would be next: the numbers are ignored, rows are read from top to bottom`;
      const note = remark('parse/row-numbers', message, 'order the rows as they are to be tried');
      this.context.sink(row.place(at(number, note)));
    }
    this.#expected = found + 1;
  }
}
