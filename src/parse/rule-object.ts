/** Rules written as maps. */
import type { Limit } from '../model/limit';
import type { RowLog } from '../model/logging';
import type { Action, Verdict } from '../model/verdict';
import { ACTIONS } from './action-word';
import type { Clauses, LimitClauses } from './clauses';
import { type Context, placeOf, termOf, textsOf } from './context';
import { isNothing, type MapNode, type TextNode, valueOf } from './document-node';
import { at, hasControlCharacter, type Problem, quote, refuse, type Sink, type Term, warn } from './finding';
import { formatRule } from './format-rule';
import { idProblem } from './ids';
import { readLimit } from './limit';
import type { Names } from './names';
import { resolveClauses, type Resolved } from './resolve';
import { directionOf, type DirectionTerm, NOTE_MAX, type RuleLine } from './rule-line';
import { parseMoment } from './time';
import { notSupportedYet, parseSwitch, UNSUPPORTED_RULE_KEYS } from './unsupported';
import { readUsualObject } from './usual-object';

/** What a rule object holds besides its row. */
export interface RuleObject {
  readonly row: Omit<RuleLine, 'log' | 'untilMs' | 'note' | 'id' | 'direction'> | null;
  readonly id?: Term;
  /** From `direction`. */
  readonly direction?: DirectionTerm;
  readonly enabled: boolean;
  /** `NO_DETAILS` where there are none. */
  readonly details: RuleDetails;
}

/** What most rows do not have. */
export interface RuleDetails {
  readonly log?: RowLog;
  readonly untilMs?: number;
  readonly note?: string;
  readonly owner?: string;
  readonly review?: string;
}

/** Of all rows that have none. */
export const NO_DETAILS: RuleDetails = {};

/** Reads a rule object; `row` is null when something in it was wrong. `implied`: the action, where none is written. */
export function readRuleObject(map: MapNode, names: Names, context: Context, implied?: Action): RuleObject {
  const usual = implied ? undefined : readUsualObject(map, names);
  if (usual) return { row: usual.row, id: termOf(usual.id), enabled: true, details: NO_DETAILS };
  return readAnyRuleObject(map, names, context, implied);
}

/** Reads one, whatever it looks like. */
export function readAnyRuleObject(map: MapNode, names: Names, context: Context, implied?: Action): RuleObject {
  let failed = false;
  const sink: Sink = (finding) => {
    if (finding.severity === 'error') failed = true;
    context.sink(finding);
  };
  const id = textValue(map, 'id');
  if (id) {
    const problem = idProblem(id.text);
    if (problem !== undefined) sink(at(id, refuse('parse/id', `${quote(id.text)} cannot be an id: ${problem}`)));
  }
  refuseLaterKeys(map, sink);
  const action = implied ?? readAction(map);
  const enabled = parseSwitch(textValue(map, 'enabled')?.text ?? 'on') ?? true;
  const details = readDetails(map, sink);
  const clauses = readClauses(map, context, sink);
  if (map.entries.some(({ key }) => LIMIT_KEYS.has(key.text))) Object.assign(clauses, readLimitClauses(map));
  const resolved = resolveClauses(clauses, names, sink);
  const limit = action && readLimit(action, clauses, resolved?.match, clauses.whole, sink);
  const row = action && resolved && !failed ? rowOf(action, resolved, limit) : null;
  const word = textValue(map, 'direction');
  const direction = word && directionOf(word.text);
  // Of a hundred thousand rows nearly all have this shape.
  if (id && !direction) return { row, id, enabled, details };
  return {
    ...{ row, ...(id && { id }), enabled, details },
    ...(word && direction && { direction: { ...word, direction } }),
  };
}

function rowOf(
  action: Action,
  { match, wording, written }: Resolved,
  limit: Limit | undefined,
): NonNullable<RuleObject['row']> {
  const text = formatRule(action, match, wording, limit);
  return limit ? { action, match, wording, written, limit, text } : { action, match, wording, written, text };
}

const LIMIT_KEYS: ReadonlySet<string> = new Set(['limit', 'verdict', 'per']);
const DETAIL_KEYS: ReadonlySet<string> = new Set(['log', 'until', 'note', 'owner', 'review']);

function readDetails(map: MapNode, sink: Sink): RuleDetails {
  if (!map.entries.some(({ key }) => DETAIL_KEYS.has(key.text))) return NO_DETAILS;
  return {
    ...readLog(map),
    ...readUntil(map, sink),
    ...readLine(map, 'note', sink),
    ...readLine(map, 'owner', sink),
    ...readReview(map, sink),
  };
}

/** Clauses whose words are lists, and their keys. */
const LIST_KEYS = [
  ['proto', 'proto'],
  ['from', 'from'],
  ['to', 'to'],
  ['port', 'port'],
  ['fromPort', 'from-port'],
  ['icmpType', 'icmp-type'],
] as const;

/** The clauses of a map: its match, without action. */
export function readClauses(map: MapNode, context: Context, sink: Sink): Clauses {
  const whole = placeOf(context, map);
  const clauses: Clauses = { dashboardRow: false, whole: { text: '', ...whole } };
  const family = textValue(map, 'family');
  if (family) clauses.family = family;
  for (const [name, key] of LIST_KEYS) {
    const node = valueOf(map, key);
    if (!node || node.kind === 'broken' || node.kind === 'map' || isNothing(node)) continue;
    const terms = textsOf(node).map(termOf);
    if (node.kind === 'list' && node.items.length === 0) {
      const message = `the list ${quote(key)} is empty: the rule matches nothing`;
      sink(at(placeOf(context, node), warn('parse/empty-list', message, `leave ${key} out for any`)));
    }
    clauses[name] = terms;
  }
  return clauses;
}

function readLimitClauses(map: MapNode): LimitClauses {
  const [rate, limitVerdict, per] = [textValue(map, 'limit'), textValue(map, 'verdict'), valueOf(map, 'per')];
  const isList = per && (per.kind === 'text' || per.kind === 'list') && !isNothing(per);
  return {
    ...(rate && { rate }),
    ...(limitVerdict && { limitVerdict }),
    ...(isList && { per: textsOf(per).map(termOf) }),
  };
}

/** The word under `action` of a rule; other words are reported by the shape. */
function readAction(map: MapNode): Action | undefined {
  const word = textValue(map, 'action')?.text.toLowerCase();
  return ACTIONS.find((action) => action === word);
}

/** The word under `verdict` of an expectation. */
export function readVerdict(map: MapNode): Verdict | undefined {
  const word = textValue(map, 'verdict')?.text.toLowerCase();
  return word === 'allow' || word === 'deny' || word === 'reject' ? word : undefined;
}

function refuseLaterKeys(map: MapNode, sink: Sink): void {
  for (const { key } of map.entries) {
    if (!Object.hasOwn(UNSUPPORTED_RULE_KEYS, key.text)) continue;
    sink(at(termOf(key), notSupportedYet(key.text, UNSUPPORTED_RULE_KEYS[key.text])));
  }
}

/** `log`: on for the first packet of each connection, all for every packet; other words are reported by the shape. */
function readLog(map: MapNode): { log?: RowLog } {
  const word = textValue(map, 'log')?.text.toLowerCase();
  if (word === 'all') return { log: 'all' };
  return word !== undefined && parseSwitch(word) === true ? { log: 'new' } : {};
}

function readUntil(map: MapNode, sink: Sink): { untilMs?: number } {
  const moment = textValue(map, 'until');
  if (!moment) return {};
  const reading = parseMoment(moment.text);
  if (reading.kind === 'time') return { untilMs: reading.ms };
  sink(at(moment, reading.problem));
  return {};
}

function textValue(map: MapNode, key: string): Term | undefined {
  const node = valueOf(map, key);
  return node?.kind === 'text' && !isNothing(node) ? termOf(node) : undefined;
}

function readLine(map: MapNode, key: 'note' | 'owner', sink: Sink): { note?: string; owner?: string } {
  const node = valueOf(map, key);
  if (node?.kind !== 'text' || isNothing(node)) return {};
  const text = node.text.trim();
  const problem = lineProblem(key, text);
  if (problem) sink(at(termOf(node), problem));
  return { [key]: text };
}

function lineProblem(key: string, text: string): Problem | undefined {
  if (text.length > NOTE_MAX)
    return refuse('parse/text', `${key} has ${text.length} characters, at most ${NOTE_MAX} are kept`);
  if (hasControlCharacter(text)) return refuse('parse/text', `${key} is one line without control characters`);
  return undefined;
}

function readReview(map: MapNode, sink: Sink): { review?: string } {
  const node = valueOf(map, 'review') as TextNode | undefined;
  if (node?.kind !== 'text' || isNothing(node)) return {};
  const parts = /^(\d{4})-(\d{2})-(\d{2})$/.exec(node.text);
  const date = parts && new Date(Date.UTC(Number(parts[1]), Number(parts[2]) - 1, Number(parts[3])));
  if (!date || date.toISOString().slice(0, 10) !== node.text) {
    sink(at(termOf(node), refuse('parse/text', `${quote(node.text)} is not a date`, 'write it as 2027-01-31')));
    return {};
  }
  return { review: node.text };
}
