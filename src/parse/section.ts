/** Sections and the guard: defaults, SSH row and rows. */
import {
  type Direction,
  type Guard,
  NO_GUARD,
  OPEN_OUTBOUND,
  type Rule,
  type Section,
  type SshRow,
} from '../model/ruleset';
import type { Action } from '../model/verdict';
import { type Context, placeOf, termOf, textsOf } from './context';
import { type DocumentNode, type MapNode, valueOf } from './document-node';
import { at, type Problem, quote, refuse, remark, type Term } from './finding';
import { directed } from './format-rule';
import { deriveId, idProblem, IdRegister } from './ids';
import type { Names } from './names';
import { parsePortRange } from './port';
import { ownText } from './own-text';
import { type Row, readRows } from './rows';
import { type DirectionTerm, parseRuleLine, type RuleLine } from './rule-line';
import { NO_DETAILS, readRuleObject, type RuleDetails } from './rule-object';
import { readUdp } from './settings';

/** Most rules in a ruleset. */
export const MAX_RULES = 100_000;

/** Reads `inbound`. `names` is made for its SSH ports. */
export function readInbound(
  node: DocumentNode | undefined,
  context: Context,
  makeSectionNames: (sshPorts: readonly number[] | undefined) => Names,
): { section: Section; names: Names } {
  if (node?.kind !== 'map') {
    return { section: { name: 'inbound', default: 'deny', rules: [] }, names: makeSectionNames(undefined) };
  }
  return readIncoming(node, IN_INBOUND, context, makeSectionNames);
}

/** Reads what a server has of a section: its default, UDP switch (off where it is left out), SSH row and rows. */
export function readServerSection(
  name: string,
  node: MapNode,
  context: Context,
  makeSectionNames: (sshPorts: readonly number[] | undefined) => Names,
): Section {
  return readIncoming(node, { name, direction: 'in', limits: true, udp: 'off' }, context, makeSectionNames).section;
}

function readIncoming(
  node: MapNode,
  list: List,
  context: Context,
  makeSectionNames: (sshPorts: readonly number[] | undefined) => Names,
): { section: Section; names: Names } {
  const word = defaultWord(node);
  const ssh = readSsh(valueOf(node, 'ssh'), context);
  const names = makeSectionNames(ssh?.ports);
  const rules = readRules(valueOf(node, 'rules'), list, names, context);
  const udp = (readUdp(node) ?? list.udp !== 'off') ? {} : ({ udp: 'off' } as const);
  const otherwise = word === 'allow' || word === 'reject' ? word : 'deny';
  return { section: { name: list.name, default: otherwise, ...udp, ...(ssh && { ssh }), rules }, names };
}

/** Reads `outbound`: what is left out lets everything out. */
export function readOutbound(node: DocumentNode | undefined, names: Names, context: Context): Section {
  if (node?.kind !== 'map') return OPEN_OUTBOUND;
  const word = defaultWord(node);
  const rules = readRules(valueOf(node, 'rules'), IN_OUTBOUND, names, context);
  return { name: OPEN_OUTBOUND.name, default: word === 'deny' || word === 'reject' ? word : 'allow', rules };
}

/** What `default` says, in small letters; empty where it is left out. */
function defaultWord(node: MapNode): string {
  const fallback = valueOf(node, 'default');
  return fallback?.kind === 'text' ? fallback.text.toLowerCase() : '';
}

/** Reads `guard`. Its two lists share their ids. */
export function readGuard(node: DocumentNode | undefined, names: Names, context: Context): Guard {
  if (node?.kind !== 'map') return NO_GUARD;
  const ids = new ExplicitIds(context);
  const kept = readDrafts(valueOf(node, 'keep-reachable'), IN_KEEP_REACHABLE, names, context, ids);
  const rows = readDrafts(valueOf(node, 'rules'), IN_GUARD, names, context, ids);
  const rules = nameRules([...kept, ...rows], ids);
  return {
    keepReachable: rules.slice(0, kept.length),
    rules: rules.slice(kept.length).map((rule, i) => ({ ...rule, direction: rows[i].direction })),
  };
}

/** What the rows of one list have in common. */
interface List {
  /** How a person names it. */
  readonly name: string;
  /** The direction of a row that says none. */
  readonly direction: Direction;
  /** Whether a row may say the other direction. */
  readonly bothDirections?: boolean;
  /** The only action, which maps leave out. */
  readonly onlyAction?: Action;
  /** Whether rows may be limits. */
  readonly limits?: true;
  /** The UDP switch where nobody wrote it; left out: on. */
  readonly udp?: 'off';
}

const IN_INBOUND: List = { name: 'inbound', direction: 'in', limits: true };
const IN_OUTBOUND: List = { name: 'outbound', direction: 'out' };
const IN_GUARD: List = { name: 'guard', direction: 'in', bothDirections: true };
const IN_KEEP_REACHABLE: List = { name: 'keep-reachable', direction: 'in', onlyAction: 'allow' };

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
  readonly row: Omit<RuleLine, 'log' | 'untilMs' | 'note' | 'id' | 'direction'>;
  readonly direction: Direction;
  readonly id?: Term;
  readonly enabled: boolean;
  readonly details: RuleDetails;
  readonly source: Rule['source'];
}

function readRules(node: DocumentNode | undefined, list: List, names: Names, context: Context): Rule[] {
  const ids = new ExplicitIds(context);
  return nameRules(readDrafts(node, list, names, context, ids), ids);
}

function readDrafts(
  node: DocumentNode | undefined,
  list: List,
  names: Names,
  context: Context,
  ids: ExplicitIds,
): Draft[] {
  const rows = readRows(node, context);
  if (rows.length > MAX_RULES) {
    const message = `${rows.length} rules, a ruleset holds at most ${MAX_RULES}`;
    const hint = 'rules that differ only in the address are one rule and a set';
    context.sink(at(placeOf(context, node!), refuse('parse/too-many-rules', message, hint)));
    return [];
  }
  const numbers = new NumberCheck(context);
  return rows.flatMap((row) => {
    const draft =
      row.kind === 'map'
        ? readMapRow(row, list, names, context, ids)
        : readLineRow(row, list, names, context, numbers, ids);
    return draft ? [draft] : [];
  });
}

function readMapRow(
  row: Extract<Row, { kind: 'map' }>,
  list: List,
  names: Names,
  context: Context,
  ids: ExplicitIds,
): Draft | undefined {
  const { row: resolved, id, direction, enabled, details } = readRuleObject(row.map, names, context, list.onlyAction);
  if (id) ids.claim(id);
  const problem = direction && directionProblem(list, direction);
  if (problem) context.sink(at(direction, problem));
  if (!resolved) return undefined;
  const wrong = actionProblem(list, resolved.action);
  if (wrong) context.sink(at(placeOf(context, row.map), wrong));
  return draftOf(list, resolved, direction?.direction, { ...(id && { id }), enabled, details, source: row.source });
}

function readLineRow(
  row: Extract<Row, { kind: 'line' }>,
  list: List,
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
  const { note, log, untilMs, direction } = resolved;
  const problem = direction && directionProblem(list, direction);
  if (problem) context.sink(row.place(at(direction, problem)));
  const wrong = actionProblem(list, resolved.action) ?? endProblem(list, untilMs);
  if (wrong) context.sink(row.place(at({ start: 0, length: row.text.length }, wrong)));
  return draftOf(list, resolved, direction?.direction, {
    ...(id && { id }),
    enabled: true,
    details: {
      ...(log && { log }),
      ...(untilMs !== undefined && { untilMs }),
      ...(note !== undefined && { note }),
    },
    source: row.source,
  });
}

/** Why a row cannot have this direction in the list. */
function directionProblem(list: List, { text, direction }: DirectionTerm): Problem | undefined {
  if (list.bothDirections || direction === list.direction) return undefined;
  const message = `${quote(text)} has no place under ${list.name}, whose rows see packets that ${list.direction === 'in' ? 'come in' : 'go out'}`;
  const other = direction === 'out' ? 'outbound' : 'inbound';
  return refuse('parse/direction', message, `write the row under ${other}: { rules: [...] }, or leave the word out`);
}

/** Why rows of this list cannot have the action. */
function actionProblem(list: List, action: Action): Problem | undefined {
  if (list.onlyAction && action !== list.onlyAction) {
    const message = `${quote(action)} has no place under ${list.name}, which only lets in`;
    const hint = `write ${list.onlyAction} …; what is to be kept out stands under guard: { rules: [...] }`;
    return refuse('parse/action', message, hint);
  }
  if (action === 'limit' && !list.limits) {
    const message = `"limit" has no place under ${list.name}: it counts connections that come in to what inbound lets in`;
    return refuse('parse/action', message, 'write the row under inbound: { rules: [...] }');
  }
  return undefined;
}

/** Why an entry cannot have an end: nothing takes one out of keep-reachable unnoticed, time neither. */
function endProblem(list: List, untilMs: number | undefined): Problem | undefined {
  if (untilMs === undefined || list !== IN_KEEP_REACHABLE) return undefined;
  const message = `"until" has no place under ${list.name}, whose entries stay until they are taken out`;
  return refuse('parse/time', message, 'leave it out, or write the row under inbound: { rules: [...] }');
}

function draftOf(
  list: List,
  row: Draft['row'],
  written: Direction | undefined,
  rest: Omit<Draft, 'row' | 'direction'>,
): Draft {
  const direction = written ?? list.direction;
  const text = directed(row.text, direction);
  return { row: text === row.text ? row : { ...row, text }, direction, ...rest };
}

function nameRules(drafts: readonly Draft[], ids: ExplicitIds): Rule[] {
  const register = new IdRegister(ids.taken);
  return drafts.map(({ row, id, enabled, details, source }) => {
    const { action, match, limit, written } = row;
    const text = ownText(row.text);
    const name = id ? ownText(id.text) : register.assign(deriveId(row));
    const idIsExplicit = id !== undefined;
    // Nearly all rows say nothing more: of one shape they are made in a fraction of the time.
    if (!limit && (details === NO_DETAILS || Object.keys(details).length === 0))
      return { id: name, idIsExplicit, action, match, enabled, text, source, written };
    return {
      ...{ id: name, idIsExplicit, action, match, ...(limit && { limit }) },
      ...{ enabled, ...ownDetails(details), text, source, written },
    };
  });
}

function ownDetails({ note, owner, ...rest }: RuleDetails): RuleDetails {
  return {
    ...rest,
    ...(note !== undefined && { note: ownText(note) }),
    ...(owner !== undefined && { owner: ownText(owner) }),
  };
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
