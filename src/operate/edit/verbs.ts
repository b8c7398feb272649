/** Words behind a verb → what it does to the text of a ruleset; throws a `UsageError` where they are none of its. */
import { LOG_LEVELS } from '../../model/logging';
import { directionOf } from '../../parse/rule-line';
import { parseLogLevel } from '../../parse/settings';
import {
  addRule,
  deleteRule,
  insertRule,
  moveRule,
  setDefault,
  setLogging,
  setSsh,
  setUdp,
  type SshChange,
} from '../edit-ruleset';
import { UsageError } from '../usage-error';
import type { EditOutcome, MoveTarget, RulesetDocument } from './outcome';
import { joinRow } from './row-words';

/** What a verb does to the text; `server`: in the rows of that one. */
export type Edit = (document: RulesetDocument, server?: string) => EditOutcome;

/** Verbs that write a row, which can have an end. */
export const ROW_VERBS = ['allow', 'deny', 'reject', 'limit', 'insert'] as const;
/** Verbs that edit a ruleset. */
export type EditVerb = (typeof ROW_VERBS)[number] | 'delete' | 'move' | 'udp' | 'ssh' | 'default' | 'logging';

const rowAtEnd =
  (action: string) =>
  (words: readonly string[]): Edit => {
    const row = joinRow([action, ...words]);
    return (document, server) => addRule(document, row, server);
  };

/** What each does with its words. */
export const VERBS: Readonly<Record<EditVerb, (words: readonly string[]) => Edit>> = {
  allow: rowAtEnd('allow'),
  deny: rowAtEnd('deny'),
  reject: rowAtEnd('reject'),
  limit: rowAtEnd('limit'),
  insert: ([n, ...words]) => {
    const example = 'sluice insert 1 deny from 192.0.2.9';
    const position = positiveNumber(n, example);
    const row = joinRow(words);
    if (/^\s*(?:#|$)/.test(row)) throw new UsageError(`behind ${position} the rule is missing`, example);
    return (document, server) => insertRule(document, position, row, server);
  },
  delete: (words) => (document, server) => deleteRule(document, reference(words), server),
  move: (words) => {
    const { rule, target } = readMove(words);
    return (document, server) => moveRule(document, rule, target, server);
  },
  udp: ([word, name, extra]) => {
    if (!isSwitch(word)) throw new UsageError(`"${word}" is neither on nor off`, 'sluice udp off');
    if (extra !== undefined) throw new UsageError(`"${extra}" has no place behind the server`, 'sluice udp on gpu-17');
    return (document, server) => setUdp(document, word, oneServer(server, name));
  },
  ssh: (words) => {
    const change = readSsh(words);
    return (document, server) => setSsh(document, change, server);
  },
  default: ([action, direction = 'incoming', extra]) => {
    if (action !== 'allow' && action !== 'deny' && action !== 'reject') {
      throw new UsageError(
        `"${action}" is not a default, expected allow, deny or reject`,
        'sluice default deny incoming',
      );
    }
    const list = directionOf(direction);
    if (list === undefined)
      throw new UsageError(
        `"${direction}" is not a direction`,
        direction === 'routed'
          ? 'what is forwarded is judged where it comes in: sluice default deny incoming'
          : 'incoming or outgoing',
      );
    if (extra !== undefined)
      throw new UsageError(`"${extra}" has no place behind the direction`, 'sluice default deny incoming');
    return (document, server) => {
      if (server !== undefined && list === 'out')
        throw new UsageError(
          'a server has no default of its own for what goes out: outbound decides about that',
          'sluice default deny outgoing',
        );
      return setDefault(document, action, list === 'in' ? 'incoming' : 'outgoing', server);
    };
  },
  logging: ([word, extra]) => {
    const level = parseLogLevel(word);
    if (level === undefined) throw new UsageError(`"${word}" is not a level`, `on, ${LOG_LEVELS.join(', ')}`);
    if (extra !== undefined) throw new UsageError(`"${extra}" has no place behind the level`, 'sluice logging medium');
    return (document, server) => {
      if (server !== undefined)
        throw new UsageError('logging is one level for all sections', 'sluice logging medium; a row can say log');
      return setLogging(document, level);
    };
  },
};

/** The server that a verb names as an option, as a word, or both times the same. */
function oneServer(option: string | undefined, word: string | undefined): string | undefined {
  if (option !== undefined && word !== undefined && option !== word)
    throw new UsageError(`"${option}" and "${word}": one server is meant, not two`, 'sluice udp on gpu-17');
  return option ?? word;
}

/** `2222`, `22,2222 from anyone`, `from rules`, `off`. */
function readSsh(words: readonly string[]): SshChange | 'off' {
  const example = 'sluice ssh 2222, sluice ssh 22,2222 from rules, sluice ssh off';
  const text = words
    .join(' ')
    .toLowerCase()
    .split(',')
    .map((part) => part.trim())
    .join(',');
  if (text === 'off') return 'off';
  const [, list, from] = /^([\d,]+)?(?:(?:^| )from (anyone|any|rules))?$/.exec(text) ?? [];
  if (list === undefined && from === undefined) throw new UsageError(`"${words.join(' ')}" is no SSH row`, example);
  const ports = list?.split(',').map(Number);
  const bad = ports?.find((port) => !(port >= 1 && port <= 65535));
  if (bad !== undefined) throw new UsageError(`"${list}" is not a list of ports from 1 to 65535`, example);
  return { ...(ports && { ports }), ...(from !== undefined && { from: from === 'rules' ? 'rules' : 'anyone' }) };
}

function isSwitch(word: string): word is 'on' | 'off' {
  return word === 'on' || word === 'off';
}

function reference(words: readonly string[]): number | string {
  return words.length === 1 && /^\d+$/.test(words[0]) ? Number(words[0]) : words.join(' ');
}

function readMove(words: readonly string[]): { rule: number | string; target: MoveTarget } {
  const at = words.findIndex((word, i) => i > 0 && ['before', 'after', 'to'].includes(word.toLowerCase()));
  const example = 'sluice move 2 before 1';
  if (at < 0 || at === words.length - 1) throw new UsageError('where to? before, after or to is missing', example);
  const rule = reference(words.slice(0, at));
  const place = reference(words.slice(at + 1));
  switch (words[at].toLowerCase()) {
    case 'before':
      return { rule, target: { before: place } };
    case 'after':
      return { rule, target: { after: place } };
    default:
      return { rule, target: { to: positiveNumber(String(place), example) } };
  }
}

function positiveNumber(text: string | undefined, example: string): number {
  if (text === undefined || !/^[1-9]\d{0,5}$/.test(text))
    throw new UsageError(`"${text ?? ''}" is not a rule number`, example);
  return Number(text);
}
