/** The text of rows that verbs write: the user's own words, an explicit id, the comment last. */
import { ANY } from '../../model/match';
import { formatPortRange } from '../../model/port-range';
import { PROTOCOL } from '../../model/protocol';
import type { Rule } from '../../model/ruleset';
import { matchText } from '../plan';
import { withoutNumber } from './row-numbers';

/** A row as given to a verb, in its parts. */
export interface RowParts {
  /** Without command name, number, id and comment. */
  readonly body: string;
  readonly id?: string;
  /** Behind the word `until`, as written. */
  readonly until?: string;
  /** From the word `comment` on, as written. */
  readonly comment: string;
}

/** Takes a row apart. Before a comment quotes stand around moments only, so the word `comment` can be looked for. */
export function splitRow(row: string): RowParts {
  const bare = withoutNumber(
    row
      .slice(0, rowEnd(row))
      .trim()
      .replace(/^(sudo\s+)?(ufw|sluice)\s+(rule\s+)?/i, ''),
  );
  const at = bare.search(/\scomment\s/i);
  const clauses = at < 0 ? bare : bare.slice(0, at);
  const id = /\sid\s+(\S+)/i.exec(clauses);
  const until = /\suntil\s+('[^']*'|"[^"]*"|\S+)/i.exec(clauses);
  const body = [id, until].reduce((text, found) => (found ? text.replace(found[0], '') : text), clauses);
  return {
    body: body.replace(/\s+/g, ' ').trim(),
    ...(id && { id: id[1] }),
    ...(until && { until: until[1] }),
    comment: at < 0 ? '' : bare.slice(at).trim(),
  };
}

/** Where a row ends in its line: before a `#` that begins a word outside quotes, and without blanks; 0 for no row. */
export function rowEnd(line: string): number {
  let end = 0;
  for (const word of line.matchAll(/'[^']*'?|"[^"]*"?|[^\s'"]\S*/g)) {
    if (word[0].startsWith('#')) break;
    end = word.index + word[0].length;
  }
  return end;
}

/** The body of a row with another action and other words about telling of its packets; the rest as it was written. */
export function withAction(body: string, { action, log }: Pick<Rule, 'action' | 'log'>): string {
  const [head, directions] = /^\S+((?:\s+(?:in|incoming|inbound|out|outgoing|outbound|log|log-all)(?=\s))*)/i.exec(
    body,
  ) ?? ['', ''];
  const kept = directions.split(/\s+/).filter((word) => word !== '' && !/^log/i.test(word));
  return [action, ...kept, ...(log ? [LOG_CLAUSE[log]] : []), body.slice(head.length).trim()].join(' ');
}

/** What a row says so that its packets are told of. */
export const LOG_CLAUSE: Readonly<Record<NonNullable<Rule['log']>, string>> = { new: 'log', all: 'log-all' };

/** Puts the parts together. */
export function joinRow({ body, id, until, comment }: RowParts): string {
  const [named, ended] = [id === undefined ? [] : ['id', id], until === undefined ? [] : ['until', until]];
  return [body, ...ended, ...named, ...(comment === '' ? [] : [comment])].join(' ');
}

/**
 * An id for a new rule, from what it matches and not from its action, which may change later:
 * `tcp-8000`, `port-80-443`, `from-10-0-0-0-8`; `-2`, `-3` … where it is taken.
 */
export function newRuleId(rule: Rule, taken: ReadonlySet<string>): string {
  const base = idBase(rule);
  if (!taken.has(base)) return base;
  for (let n = 2; ; n++) if (!taken.has(`${base}-${n}`)) return `${base}-${n}`;
}

function idBase(rule: Rule): string {
  const { toPorts, protocols } = rule.match;
  if (toPorts === ANY || toPorts.length === 0) return slug(matchText(rule));
  const only = protocols !== ANY && protocols.length === 1 ? protocols[0] : null;
  const prefix = only === PROTOCOL.TCP ? 'tcp' : only === PROTOCOL.UDP ? 'udp' : 'port';
  return slug([prefix, ...toPorts.slice(0, 2).map(formatPortRange)].join(' '));
}

function slug(text: string): string {
  const words = text
    .toLowerCase()
    .replace(/^out |\b(to any|from any|proto)\b/g, ' ')
    .split(/[^a-z0-9]+/)
    .filter(Boolean);
  const [first, ...rest] = words;
  if (first === undefined) return 'everything';
  // Whole words only: half a port number names another port.
  let id = first.slice(0, SLUG_MAX);
  for (const word of rest) {
    if (id.length + 1 + word.length > SLUG_MAX) break;
    id += `-${word}`;
  }
  return id;
}

const SLUG_MAX = 28;
