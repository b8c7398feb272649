/** A rule set of the benchmark: what is compiled, and what every other form of it is made from. */
import { DEFAULT_ECHO_RATES } from '../../../src/model/echo';
import { ANY } from '../../../src/model/match';
import { type Family, formatPrefix, type Prefix } from '../../../src/model/prefix';
import { NO_GUARD, OPEN_OUTBOUND, type Rule, type Ruleset } from '../../../src/model/ruleset';
import { isAllPorts, lineOf, type PlainRule, protocolsOf, ruleOf } from '../../support/generate/plain-rule';
import { serversOf, serversText } from './servers';
import { formatProtocol } from '../../../src/model/protocol-names';

export interface BenchSet {
  readonly name: string;
  readonly family: Family;
  /** Rules, or prefixes of the list where there is one. */
  readonly size: number;
  /** A named list whose sources the first row denies; null where there is none. */
  readonly list: readonly Prefix[] | null;
  readonly rules: readonly PlainRule[];
  /** Set where the rules are rows of servers (`servers.ts`): of so many each. */
  readonly servers?: number;
}

/** Id of the row that denies the list. */
export const LIST_ID = 'blocklist';

/** Id of a row by its number: the list's row comes first. */
export function idOfRow(set: BenchSet, row: number): string {
  if (set.list) return row === 0 ? LIST_ID : `r${row - 1}`;
  return `r${row}`;
}

/** Number of rows. */
export function rowCount(set: BenchSet): number {
  return set.rules.length + (set.list ? 1 : 0);
}

/**
 * The model. ICMP is left to the rows, so that no tier but 7 and 9 is in the program. `verdicts: 'deny'` denies in
 * every row: a frame that is passed costs what the stack costs, and that is not what is measured.
 */
export function rulesetOf(set: BenchSet, verdicts: 'mixed' | 'deny'): Ruleset {
  const plain = verdicts === 'deny' ? set.rules.map((rule): PlainRule => ({ ...rule, action: 'deny' })) : set.rules;
  const rules: Rule[] = set.servers === undefined ? plain.map(ruleOf) : [];
  if (set.list) {
    const [first] = set.rules;
    const listed = ruleOf({ ...first, action: 'deny' }, 0);
    rules.unshift({
      ...listed,
      id: LIST_ID,
      match: { ...listed.match, family: ANY, protocols: ANY, from: set.list, to: ANY, fromPorts: ANY, toPorts: ANY },
    });
  }
  return {
    version: 1,
    interfaces: 'auto',
    mode: 'native',
    icmp: 'rules',
    echo: DEFAULT_ECHO_RATES,
    fragments: 'track',
    logging: 'off',
    ethertypes: [],
    sets: [],
    guard: NO_GUARD,
    outbound: OPEN_OUTBOUND,
    inbound: { name: 'inbound', default: 'deny', rules },
    ...(set.servers !== undefined && { servers: serversOf(plain, set.servers) }),
    expect: [],
  };
}

/** How rows are written in a ruleset file. */
export type Writing = 'lines' | 'objects';

/** The ruleset file; the list, where there is one, is the file `list` beside it, one prefix a line. */
export function textOf(set: BenchSet, writing: Writing, options: { link: string; list?: string }): string {
  const rowText = (rule: PlainRule, index: number): string =>
    writing === 'lines' ? lineOf(rule) : objectOf(rule, index);
  if (set.servers !== undefined) {
    const servers = serversText(set.rules, set.servers, rowText);
    return `version: 1\ninterfaces: [${options.link}]\ninbound: { default: deny }\n${servers}`;
  }
  const rows = set.rules.map((rule, index) => `    - ${rowText(rule, index)}`);
  const sets = set.list ? `sets:\n  blocked: { file: ${options.list ?? 'blocked.txt'} }\n` : '';
  if (set.list) rows.unshift('    - deny from blocked');
  return `version: 1\ninterfaces: [${options.link}]\n${sets}inbound:\n  default: deny\n  ssh: off\n  rules:\n${rows.join('\n')}\n`;
}

function objectOf(rule: PlainRule, index: number): string {
  const parts = [`id: r${index}`, `action: ${rule.action}`];
  const protocols = protocolsOf(rule);
  if (rule.from.length > 0) parts.push(`from: "${formatPrefix(rule.from)}"`);
  if (rule.to.length > 0) parts.push(`to: "${formatPrefix(rule.to)}"`);
  if (!isAllPorts(rule.fromPorts)) parts.push(`from-port: "${rule.fromPorts.join(':')}"`);
  if (!isAllPorts(rule.toPorts)) parts.push(`port: "${rule.toPorts.join(':')}"`);
  if (protocols?.length === 1) parts.push(`proto: ${formatProtocol(protocols[0])}`);
  if (rule.from.length === 0 && rule.to.length === 0) parts.push(`family: ipv${rule.from.family}`);
  return `{ ${parts.join(', ')} }`;
}
