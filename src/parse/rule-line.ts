/** One-line rows: ufw's grammar, and rows as dashboards print them. */
import type { Limit } from '../model/limit';
import type { RowLog } from '../model/logging';
import type { Match } from '../model/match';
import type { Direction, WrittenForm } from '../model/ruleset';
import type { Action } from '../model/verdict';
import { ACTIONS, looksLikeRow, refuseAction } from './action-word';
import type { Clauses, LimitClauses } from './clauses';
import { at, type Finding, hasControlCharacter, quote, refuse, remark, type Sink, type Term } from './finding';
import { type AddressWording, formatRule } from './format-rule';
import { makeNames, type Names } from './names';
import { idProblem } from './ids';
import { looksLikeRate, readLimit } from './limit';
import { nearest } from './nearest';
import { looksLikePorts, lookUpService } from './port';
import { parseProtocol } from './protocols';
import { resolveClauses } from './resolve';
import { parseMoment } from './time';
import { type Token, tokenize } from './tokens';
import { profileOf } from './ufw-profiles';
import { notSupportedYet, UNSUPPORTED_WORDS } from './unsupported';
import { readUsualLine } from './usual-line';

/** A row that was understood. */
export interface RuleLine {
  readonly action: Action;
  readonly match: Match;
  /** Where the action is `limit`. */
  readonly limit?: Limit;
  /** Canonical text, sets by name. */
  readonly text: string;
  readonly wording: Required<AddressWording>;
  readonly written: WrittenForm;
  /** From `log` or `log-all`. */
  readonly log?: RowLog;
  /** From `until MOMENT`. */
  readonly untilMs?: number;
  /** From `comment '…'`. */
  readonly note?: string;
  /** From `id NAME`, checked; whether it is free only the section knows. */
  readonly id?: Term;
  /** From `in` or `out`, where the row says so; whether it fits only the section knows. */
  readonly direction?: DirectionTerm;
}

/** A direction, and the word that says so. */
export interface DirectionTerm extends Term {
  readonly direction: Direction;
}

/** What reading a row gives; `row` is null when one of the findings is an error. Places count from the text's start. */
export interface RuleLineReading {
  readonly row: RuleLine | null;
  readonly findings: readonly Finding[];
  /** The number in front of the row, where there was one. It means nothing. */
  readonly number?: Term;
  /** The word behind `id`, where it can be an id. */
  readonly id?: Term;
}

const DIRECTIONS: ReadonlyMap<string, Direction> = new Map([
  ['in', 'in'],
  ['incoming', 'in'],
  ['inbound', 'in'],
  ['out', 'out'],
  ['outgoing', 'out'],
  ['outbound', 'out'],
]);

/** The direction a word names. */
export function directionOf(word: string): Direction | undefined {
  return DIRECTIONS.get(word.toLowerCase());
}

/** Reads one row: `allow 8000/tcp`, `deny from 10.0.0.0/8 to any port 22 proto tcp`, `1 Deny 0.0.0.0/0 Port 14141`. */
export function parseRuleLine(text: string, names: Names = makeNames()): RuleLineReading {
  const usual = readUsualLine(text, names);
  return usual ? { row: usual, findings: NO_FINDINGS } : parseAnyRuleLine(text, names);
}

const NO_FINDINGS: readonly Finding[] = [];

/** Reads one row, whatever it looks like. */
export function parseAnyRuleLine(text: string, names: Names = makeNames()): RuleLineReading {
  const findings: Finding[] = [];
  let failed = false;
  const sink: Sink = (finding) => {
    findings.push(finding);
    if (finding.severity === 'error') failed = true;
  };
  const reader = new LineReader(text, names, sink);
  const row = reader.read();
  const { number, id } = reader;
  return { row: failed ? null : row, findings, ...(number && { number }), ...(id && { id }) };
}

class LineReader {
  readonly #tokens: readonly Token[];
  readonly #whole: Term;
  readonly #clauses: Clauses;
  /** The number in front of the row. */
  number: Term | undefined;
  /** The word behind `id`. */
  id: Term | undefined;
  #direction: DirectionTerm | undefined;
  #next = 0;
  #note: string | undefined;
  #log: RowLog | undefined;
  #untilMs: number | undefined;
  /** A word that this version does not know was there. */
  #refused = false;
  /** Where a `port` belongs now: a `proto` behind an address closes the clause. */
  #portOwner: 'from' | 'to' | 'nobody' = 'to';

  constructor(
    text: string,
    private readonly names: Names,
    private readonly sink: Sink,
  ) {
    this.#tokens = tokenize(text, sink);
    const trimmed = text.trim();
    this.#whole = { text: trimmed, start: text.length - text.trimStart().length, length: Math.max(1, trimmed.length) };
    this.#clauses = { dashboardRow: false, whole: this.#whole };
  }

  read(): RuleLine | null {
    this.#skipCommandName();
    this.number = this.#readNumber();
    const action = this.#readAction();
    if (!action) return null;
    this.#readDirection();
    if (!this.#peek()) {
      // `deny in on eth0`: what was refused may be all there was.
      if (this.#refused) return null;
      const message = `the row ends behind ${quote(action)}`;
      this.sink(at(this.#whole, refuse('parse/row', message, `write ${action} from any for every packet`)));
      return null;
    }
    this.#readSubject();
    while (this.#next < this.#tokens.length) this.#readClause();
    this.#notePlaceOfPort();
    const resolved = resolveClauses(this.#clauses, this.names, this.sink);
    if (!resolved) return null;
    const limit = readLimit(action, this.#clauses, resolved.match, this.#whole, this.sink);
    const text = formatRule(action, resolved.match, resolved.wording, limit);
    return {
      action,
      ...resolved,
      ...(limit && { limit }),
      text,
      ...(this.#log && { log: this.#log }),
      ...(this.#untilMs !== undefined && { untilMs: this.#untilMs }),
      ...(this.#note !== undefined && { note: this.#note }),
      ...(this.id && { id: this.id }),
      ...(this.#direction && { direction: this.#direction }),
    };
  }

  #peek(): Token | undefined {
    return this.#tokens[this.#next];
  }

  /** The next word in lower case, unless it stood in quotes. */
  #word(ahead = 0): string | undefined {
    const token = this.#tokens[this.#next + ahead] as Token | undefined;
    return token && !token.quoted ? token.text.toLowerCase() : undefined;
  }

  /** Rows may be pasted with the command they came from. */
  #skipCommandName(): void {
    if (this.#word() === 'sudo') this.#next++;
    if (this.#word() === 'ufw' || this.#word() === 'sluice') this.#next++;
    if (this.#word() === 'rule') this.#next++;
  }

  #readNumber(): Term | undefined {
    const token = this.#peek();
    if (!token || token.quoted || !/^\d+[.)]?$/.test(token.text) || this.#tokens.length === this.#next + 1)
      return undefined;
    this.#next++;
    return token;
  }

  #readAction(): Action | null {
    const token = this.#peek();
    if (!token) {
      this.sink(at(this.#whole, refuse('parse/action', 'the row is empty', 'write allow or deny')));
      return null;
    }
    const word = token.text.toLowerCase();
    const action = ACTIONS.find((candidate) => candidate === word);
    if (!action) {
      this.sink(at(token, refuseAction(token.text)));
      return null;
    }
    this.#next++;
    return action;
  }

  #readDirection(): void {
    for (;;) {
      const word = this.#word();
      if (word === undefined) return;
      const direction = DIRECTIONS.get(word);
      if (direction) this.#takeDirection(direction);
      else if (word === 'log' || word === 'log-all') {
        this.#log = word === 'log' ? 'new' : 'all';
        this.#next++;
      } else if (word === 'on') this.#refuseUnsupported(word, 1);
      else return;
    }
  }

  #takeDirection(direction: Direction): void {
    const token = this.#peek()!;
    if (this.#direction && this.#direction.direction !== direction) {
      const message = `${quote(token.text)} contradicts ${quote(this.#direction.text)}`;
      this.sink(at(token, refuse('parse/row', message, 'a row is about packets that come in, or that go out')));
    }
    this.#direction = { ...token, direction };
    this.#next++;
  }

  #refuseUnsupported(word: string, operands = 0): void {
    this.sink(at(this.#peek()!, notSupportedYet(word, UNSUPPORTED_WORDS[word])));
    this.#refused = true;
    this.#next += 1 + operands;
  }

  /** What stands directly behind the action: ports (`8000/tcp`), a service, a protocol, or a dashboard's address. */
  #readSubject(): void {
    const token = this.#peek();
    const word = this.#word()?.replace(/\s+/g, '');
    if (token && (this.#readProfile() || this.#readTwoProtocols(token))) return;
    if (!token || word === undefined || CLAUSE_WORDS.has(word) || looksLikeRate(word)) return;
    const portFollows = this.#word(1) === 'port';
    if (!looksLikePorts(word) && (portFollows || isAddressLike(word))) {
      const isProtocol = typeof parseProtocol(word) === 'number' && !this.names.sets.has(token.text);
      if (!isProtocol) {
        this.#next++;
        this.#clauses.dashboardRow = true;
        this.#clauses.from = [token];
        return;
      }
    }
    if (looksLikePorts(word) || lookUpService(this.names, word.split(/[,/]/)[0])) {
      this.#next++;
      this.#clauses.port = [token];
      this.#portOwner = 'nobody';
      return;
    }
    if (parseProtocol(word) !== undefined) {
      this.#next++;
      this.#clauses.proto = [token];
      return;
    }
    if (this.names.sets.has(token.text)) {
      this.#next++;
      const message = `${quote(token.text)} is a set of addresses and stands without from or to`;
      this.sink(at(token, refuse('parse/no-address-clause', message, `write from ${token.text}`)));
      return;
    }
    if (/^[\d:,/-]+$/.test(word) || /^[a-z][a-z0-9_-]*([,/].*)?$/.test(word)) {
      // Neither port nor service: the port reader says why, unless the word is a mistyped keyword.
      const guess = nearest(word, CLAUSE_WORDS);
      if (guess !== undefined && this.#next + 1 < this.#tokens.length) return;
      this.#next++;
      this.#clauses.port = [token];
      return;
    }
  }

  /** `Nginx Full`: the words of a profile are one mistake. */
  #readProfile(): boolean {
    const words = this.#tokens.slice(this.#next, this.#next + 3).map(({ text }) => text);
    const profile = profileOf(words);
    const isService = profile?.words === 1 && lookUpService(this.names, words[0]) !== undefined;
    if (!profile || isService) return false;
    const { start } = this.#tokens[this.#next];
    const last = this.#tokens[this.#next + profile.words - 1];
    this.sink(at({ start, length: last.start + last.length - start }, profile.problem));
    this.#next += profile.words;
    return true;
  }

  /** `53/tcp/udp`, `53/tcp,udp`: who writes so wants both, which is what a port without protocol means. */
  #readTwoProtocols(token: Token): boolean {
    const [, port] = /^(\d+(?:[:-]\d+)?)\/(?:tcp|udp)[/,+&](?:tcp|udp)$/i.exec(token.text) ?? [];
    if (port === undefined) return false;
    const message = `${quote(token.text)}: one protocol stands behind the slash`;
    this.sink(at(token, refuse('parse/protocol', message, `write ${port} for tcp and udp`)));
    this.#next++;
    return true;
  }

  #readClause(): void {
    const token = this.#peek()!;
    const word = this.#word();
    if (word === 'from' || word === 'to') this.#readAddressClause(token, word);
    else if (word === 'port') this.#readPortClause(token);
    else if (word === 'proto' || word === 'protocol') {
      this.#takeOperand(token, 'proto', 'tcp');
    } else if (word === 'family') {
      const operand = this.#operand(token, 'ipv4');
      if (operand) this.#setOnce(token, 'family', operand);
    } else if (word === 'icmp-type') this.#takeOperand(token, 'icmpType', 'echo-request');
    else if (word === 'verdict') {
      const operand = this.#operand(token, 'deny');
      if (operand) this.#setOnce(token, 'limitVerdict', operand);
    } else if (word === 'per') {
      const operand = this.#operand(token, '/24');
      if (operand) this.#setOnce(token, 'per', [operand]);
    } else if (word !== undefined && (looksLikeRate(word) || /^\d+\/\d+$/.test(word))) {
      this.#next++;
      this.#setOnce(token, 'rate', token);
    } else if (word === 'until') this.#readUntil(token);
    else if (word === 'comment') this.#readComment(token);
    else if (word === 'id') this.#readId(token);
    else if (word !== undefined && DIRECTIONS.has(word)) {
      this.sink(at(token, refuse('parse/row', `${quote(token.text)} stands directly behind the action`)));
      this.#next++;
    } else if (word === 'log' || word === 'log-all') {
      const message = `${quote(token.text)} stands directly behind the action`;
      this.sink(at(token, refuse('parse/row', message, `write allow ${word} 22/tcp`)));
      this.#next++;
    } else if (word !== undefined && Object.hasOwn(UNSUPPORTED_WORDS, word)) {
      this.#refuseUnsupported(word, word === 'on' || word === 'app' ? 1 : 0);
    } else if (word !== undefined && this.#clauses.proto === undefined && isTransport(word)) {
      this.#next++;
      this.#clauses.proto = [token];
    } else this.#refuseWord(token);
  }

  #readAddressClause(token: Token, word: 'from' | 'to'): void {
    const operand = this.#operand(token, word === 'from' ? '10.0.0.0/8' : 'any');
    this.#portOwner = word;
    if (!operand) return;
    if (this.#clauses.dashboardRow) {
      const message = `${quote(token.text)} does not fit a row whose address stands directly behind the action`;
      this.sink(at(token, refuse('parse/row', message, `write from ${this.#clauses.from![0].text} …`)));
      return;
    }
    this.#setOnce(token, word, [operand]);
  }

  #readPortClause(token: Token): void {
    const operand = this.#operand(token, '22');
    if (!operand) return;
    if (this.#clauses.dashboardRow || this.#portOwner === 'to') this.#setOnce(token, 'port', [operand]);
    else if (this.#portOwner === 'from') this.#setOnce(token, 'fromPort', [operand]);
    else {
      const message = 'a port follows the from or to it belongs to';
      this.sink(at(token, refuse('parse/port-place', message, `write to any port ${operand.text}`)));
    }
  }

  #takeOperand(token: Token, key: 'proto' | 'icmpType', example: string): void {
    const operand = this.#operand(token, example);
    if (operand) this.#setOnce(token, key, [operand]);
    // ufw: `port` stands right behind its address. Behind `proto` it is unclear which one is meant.
    if (this.#clauses.from ?? this.#clauses.to) this.#portOwner = 'nobody';
  }

  #setOnce<K extends 'family' | 'proto' | 'from' | 'to' | 'fromPort' | 'port' | 'icmpType' | keyof LimitClauses>(
    token: Token,
    key: K,
    value: NonNullable<Clauses[K]>,
  ): void {
    if (this.#clauses[key] !== undefined) {
      this.sink(at(token, refuse('parse/row', `${quote(token.text)} is there twice`, 'write one list: 80,443')));
    } else this.#clauses[key] = value;
  }

  /** The word behind a keyword. */
  #operand(token: Token, example: string): Token | undefined {
    this.#next++;
    const operand = this.#peek();
    const word = this.#word();
    if (!operand || (word !== undefined && CLAUSE_WORDS.has(word) && word !== 'any')) {
      const message = `behind ${quote(token.text)} something is missing`;
      this.sink(at(token, refuse('parse/row', message, `write ${token.text.toLowerCase()} ${example}`)));
      return undefined;
    }
    this.#next++;
    return operand;
  }

  #readUntil(token: Token): void {
    const operand = this.#operand(token, '2027-01-31T18:00');
    if (!operand) return;
    const reading = parseMoment(operand.text);
    if (reading.kind === 'refused') this.sink(at(operand, reading.problem));
    else if (this.#untilMs !== undefined) {
      this.sink(at(token, refuse('parse/row', `${quote(token.text)} is there twice`, 'a rule has one end')));
    } else this.#untilMs = reading.ms;
  }

  #readComment(token: Token): void {
    this.#next++;
    const first = this.#peek();
    if (!first) {
      this.sink(at(token, refuse('parse/comment', 'the comment is empty', "write comment 'why'")));
      return;
    }
    // In a shell the quotes are gone before ufw sees them; then the rest of the row is the comment.
    const rest = first.quoted ? [first] : this.#tokens.slice(this.#next);
    this.#next += rest.length;
    const note = rest.map((part) => part.text).join(' ');
    if (note.length > NOTE_MAX || hasControlCharacter(note)) {
      const message = `a comment has at most ${NOTE_MAX} characters and no control characters`;
      this.sink(at(first, refuse('parse/comment', message)));
    } else this.#note = note;
  }

  #readId(token: Token): void {
    const operand = this.#operand(token, 'web-office');
    if (!operand) return;
    const problem = idProblem(operand.text);
    if (problem !== undefined) {
      this.sink(at(operand, refuse('parse/id', `${quote(operand.text)} is not an id: ${problem}`)));
    } else if (this.id) {
      this.sink(at(token, refuse('parse/row', `${quote(token.text)} is there twice`, 'a rule has one id')));
    } else this.id = operand;
  }

  #refuseWord(token: Token): void {
    this.#next++;
    const guess = token.quoted ? undefined : nearest(token.text, CLAUSE_WORDS);
    if (token.quoted) {
      this.sink(at(token, refuse('parse/row', `${quote(token.text)} stands in quotes without comment before it`)));
    } else if (guess !== undefined) {
      this.sink(at(token, refuse('parse/row', `${quote(token.text)} has no place here`, `did you mean ${guess}?`)));
    } else if (looksLikeRow(`${token.text} x`)) {
      const message = `${quote(token.text)}: a second row begins in the same line`;
      this.sink(at(token, refuse('parse/row', message, 'write a row a line')));
      this.#next = this.#tokens.length;
    } else if (isAddressLike(token.text) || this.names.sets.has(token.text)) {
      const message = `${quote(token.text)} stands without from or to`;
      this.sink(at(token, refuse('parse/no-address-clause', message, `write from ${token.text}`)));
    } else {
      const hint = 'expected proto, from, to, port, icmp-type, family, until, id or comment';
      this.sink(at(token, refuse('parse/row', `${quote(token.text)} has no place here`, hint)));
    }
  }

  /** `from X port 22` is the source port in ufw; who reads it otherwise should know. */
  #notePlaceOfPort(): void {
    const { fromPort, port, from } = this.#clauses;
    if (!fromPort || port) return;
    const message = `port ${quote(fromPort[0].text)} behind from is the source port`;
    const hint = `for the destination write from ${from?.[0].text ?? 'any'} to any port ${fromPort[0].text}`;
    this.sink(at(fromPort[0], remark('parse/source-port', message, hint)));
  }
}

/** Longest note, owner or comment. */
export const NOTE_MAX = 200;

const CLAUSE_WORDS = new Set([
  'from',
  'to',
  'port',
  'proto',
  'protocol',
  'family',
  'icmp-type',
  'id',
  'comment',
  'per',
  'verdict',
  'until',
  'in',
  'out',
  'on',
  'log',
  'log-all',
]);

function isTransport(word: string): boolean {
  return ['tcp', 'udp', 'icmp', 'icmpv6', 'ipv6-icmp', 'sctp', 'dccp', 'udplite'].includes(word);
}

/** Has the characters of an address, well formed or not. */
function isAddressLike(word: string): boolean {
  return /^(any|anywhere|all|none)$/i.test(word) || word.includes('.') || /:.*:/.test(word);
}
