/** Builds small rulesets from model types, for tests of what is found in them. */
import { judgeExpectations } from '../../src/analyse/expect';
import type { Diagnostic } from '../../src/diagnostics/diagnostic';
import { DEFAULT_ECHO_RATES } from '../../src/model/echo';
import type { IcmpType, Match } from '../../src/model/match';
import { MATCH_ALL } from '../../src/model/match';
import { clearHostBits, type Prefix } from '../../src/model/prefix';
import type { Expectation, Rule, Ruleset, Section, SourceRange } from '../../src/model/ruleset';
import { NO_GUARD, OPEN_OUTBOUND } from '../../src/model/ruleset';
import type { Action } from '../../src/model/verdict';

export const FILE = 'rules.yaml';

/** Line `line` of the test file. */
export function at(line: number): SourceRange {
  return { file: FILE, line, column: 7, offset: 100 * line, length: 10 };
}

/** `10.0.0.0/8`, `2001:db8::1` with at most one `::`; only for tests, without any check. */
export function prefix(text: string): Prefix {
  const [address, bits] = text.split('/');
  if (!address.includes(':')) {
    const word = address.split('.').reduce((value, byte) => value * 256 + Number(byte), 0);
    return clearHostBits({ family: 4, words: [word], length: Number(bits ?? 32) });
  }
  const [head, tail] = address.split('::').map((half) => (half === '' ? [] : half.split(':')));
  const missing = Array<string>(8 - head.length - (tail?.length ?? 0)).fill('0');
  const groups = [...head, ...missing, ...(tail ?? [])].map((group) => parseInt(group, 16));
  const words = [0, 2, 4, 6].map((i) => groups[i] * 65536 + groups[i + 1]);
  return clearHostBits({ family: 6, words, length: Number(bits ?? 128) });
}

/** What a test says of a rule; everything else is `any`. */
export interface RuleText {
  readonly from?: readonly string[];
  readonly to?: readonly string[];
  readonly port?: readonly (number | readonly [number, number])[];
  readonly fromPort?: readonly (number | readonly [number, number])[];
  readonly proto?: readonly number[];
  readonly icmp?: readonly IcmpType[];
  readonly family?: 4 | 6;
  readonly enabled?: boolean;
  readonly text?: string;
  readonly ipv4AnyFrom?: boolean;
  readonly ipv4AnyTo?: boolean;
}

/** A match from the short form; a port without a protocol is TCP and UDP, as parse makes it. */
export function match(text: RuleText): Match {
  const ports = (list: RuleText['port']): Match['toPorts'] =>
    list?.map((port) => (typeof port === 'number' ? { first: port, last: port } : { first: port[0], last: port[1] })) ??
    'any';
  const hasPorts = text.port !== undefined || text.fromPort !== undefined;
  return {
    ...MATCH_ALL,
    family: text.family ?? 'any',
    protocols: text.proto ?? (hasPorts ? [6, 17] : 'any'),
    from: text.from?.map(prefix) ?? 'any',
    to: text.to?.map(prefix) ?? 'any',
    toPorts: ports(text.port),
    fromPorts: ports(text.fromPort),
    icmpTypes: text.icmp ?? 'any',
  };
}

/** A rule; `number` is also its line. */
export function rule(number: number, action: Action, text: RuleText = {}): Rule {
  const { from, to, port } = text;
  const words = `${action} from ${from?.join(',') ?? 'any'} to ${to?.join(',') ?? 'any'}${port ? ` port ${port.join(',')}` : ''}`;
  return {
    id: `r${number}`,
    idIsExplicit: true,
    action,
    match: match(text),
    enabled: text.enabled ?? true,
    text: text.text ?? words,
    source: at(number),
    written: { dashboardRow: false, ipv4AnyFrom: text.ipv4AnyFrom ?? false, ipv4AnyTo: text.ipv4AnyTo ?? false },
  };
}

/** Rules in order, numbered from 1. */
export function rules(...list: readonly (readonly [Action, RuleText?])[]): Rule[] {
  return list.map(([action, text], i) => rule(i + 1, action, text));
}

/** A ruleset with default deny unless told. */
export function ruleset(
  list: readonly Rule[],
  more: Omit<Partial<Ruleset>, 'inbound'> & { inbound?: Partial<Section> } = {},
): Ruleset {
  return {
    version: 1,
    interfaces: 'auto',
    mode: 'auto',
    icmp: 'essentials',
    echo: DEFAULT_ECHO_RATES,
    fragments: 'track',
    logging: 'low',
    ethertypes: [],
    sets: [],
    guard: NO_GUARD,
    outbound: OPEN_OUTBOUND,
    expect: [],
    ...more,
    inbound: { name: 'inbound', default: 'deny', ...more.inbound, rules: list },
  };
}

/** An expectation on line 90. */
export function expectation(verdict: Expectation['verdict'], text: RuleText): Expectation {
  return { direction: 'in', verdict, match: match(text), text: `${verdict} …`, source: at(90) };
}

/** What is wrong with the expectations of a ruleset. */
export function expectationProblems(ruleset: Ruleset): Diagnostic[] {
  return judgeExpectations(ruleset).flatMap(({ problem }) => problem ?? []);
}
