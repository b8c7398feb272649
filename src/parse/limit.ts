/** What stands behind `limit` rows: how many attempts within which time, refused how, and what is one source. */
import { ANY, type Match } from '../model/match';
import { type Limit, MAX_LIMIT_COUNT, MAX_LIMIT_WINDOW_MS, UFW_LIMIT } from '../model/limit';
import { addressBits, type Family } from '../model/prefix';
import { PROTOCOL } from '../model/protocol';
import type { Action } from '../model/verdict';
import type { LimitClauses } from './clauses';
import { at, type Problem, quote, refuse, type Sink, splitTerm, type Term } from './finding';
import { formatProtocol } from '../model/protocol-names';

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, min: 60_000, h: 3_600_000 };
const COUNTED: readonly number[] = [PROTOCOL.TCP, PROTOCOL.UDP];

/** Whether a word of a row can only be a rate: `6/30s`. */
export function looksLikeRate(word: string): boolean {
  return /^\d+\/\d+[a-z]+$/i.test(word);
}

/**
 * The limit of a row; undefined for other actions. What is wrong, also clauses of a limit behind another action, goes
 * to the sink.
 */
export function readLimit(
  action: Action,
  clauses: LimitClauses,
  match: Match | undefined,
  whole: Term,
  sink: Sink,
): Limit | undefined {
  const { rate, limitVerdict, per } = clauses;
  if (action !== 'limit') {
    for (const term of [rate, limitVerdict, per?.[0]])
      if (term) {
        const message = `${quote(term.text)} belongs to limit, this rule says ${action}`;
        sink(at(term, refuse('parse/limit', message, 'begin the rule with limit, or leave it out')));
      }
    return undefined;
  }
  const protocols = match?.protocols ?? ANY;
  if (protocols !== ANY && protocols.length > 0 && !protocols.some((protocol) => COUNTED.includes(protocol))) {
    const message = `limit counts new connections of TCP and UDP, ${formatProtocol(protocols[0])} has none`;
    sink(at(whole, refuse('parse/limit', message, 'write allow or deny')));
  }
  return {
    ...(rate ? readRate(rate, sink) : { count: UFW_LIMIT.count, windowMs: UFW_LIMIT.windowMs }),
    verdict: limitVerdict ? readVerdict(limitVerdict, sink) : UFW_LIMIT.verdict,
    prefix: per ? readPer(per, sink) : UFW_LIMIT.prefix,
  };
}

function readRate(term: Term, sink: Sink): Pick<Limit, 'count' | 'windowMs'> {
  const parts = /^(\d{1,9})\/(\d{1,9})(s|m|min|h)$/i.exec(term.text.trim());
  const count = Number(parts?.[1]);
  const windowMs = Number(parts?.[2]) * UNITS[parts?.[3].toLowerCase() ?? 's'];
  const problem = !parts
    ? refuse(
        'parse/limit',
        `${quote(term.text)} is not a limit, expected attempts and a time`,
        /^\d+\/\d+$/.test(term.text.trim())
          ? `the time needs its unit: write ${term.text.trim()}s, or m or h`
          : 'write 6/30s: the 6th attempt within any 30 s is refused; units are s, m and h',
      )
    : (countProblem(term.text, count) ?? windowProblem(term.text, windowMs));
  if (problem) sink(at(term, problem));
  return { count, windowMs };
}

function countProblem(text: string, count: number): Problem | undefined {
  if (count < 2)
    return refuse(
      'parse/limit',
      `${quote(text)} refuses the first attempt already`,
      'write deny or reject, or 2 and more',
    );
  if (count > MAX_LIMIT_COUNT)
    return refuse('parse/limit', `${quote(text)} counts ${count} attempts, at most ${MAX_LIMIT_COUNT} can be counted`);
  return undefined;
}

function windowProblem(text: string, windowMs: number): Problem | undefined {
  if (windowMs < 1) return refuse('parse/limit', `${quote(text)} counts within no time`, 'write 1s or more');
  if (windowMs > MAX_LIMIT_WINDOW_MS)
    return refuse('parse/limit', `${quote(text)} counts within more than the longest time, 1h`);
  return undefined;
}

function readVerdict(term: Term, sink: Sink): Limit['verdict'] {
  const word = term.text.toLowerCase();
  if (word === 'reject' || word === 'deny') return word;
  const message = `${quote(term.text)} is not what a limit can do with the attempts that are too many`;
  sink(at(term, refuse('parse/limit', message, 'write verdict reject or verdict deny')));
  return UFW_LIMIT.verdict;
}

/** `/24`, `/56`, or both: `/24,/56`. One alone is of IPv4 where it can be. */
function readPer(terms: readonly Term[], sink: Sink): Limit['prefix'] {
  const parts = terms.flatMap(splitTerm);
  const lengths = parts.map(({ text }) => (/^\/(\d{1,3})$/.test(text) ? Number(text.slice(1)) : NaN));
  const families: Family[] = lengths.length === 1 ? [lengths[0] > addressBits(4) ? 6 : 4] : [4, 6];
  const bad = parts.findIndex((_, i) => i > 1 || !(lengths[i] >= 1 && lengths[i] <= addressBits(families[i])));
  if (bad >= 0 || parts.length === 0) {
    const message = `${quote(terms.map(({ text }) => text).join(','))} does not say what is one source`;
    const hint = 'write a prefix length for IPv4, for IPv6, or both: per /24,/56';
    sink(at(parts[bad] ?? terms[0], refuse('parse/limit', message, hint)));
    return UFW_LIMIT.prefix;
  }
  return { ...UFW_LIMIT.prefix, ...Object.fromEntries(families.map((family, i) => [family, lengths[i]])) };
}

/** The words behind a limit row, which `readLimit` reads back; empty for the preset. */
export function formatLimit({ count, windowMs, verdict, prefix }: Limit): string {
  const words: string[] = [];
  if (count !== UFW_LIMIT.count || windowMs !== UFW_LIMIT.windowMs) words.push(formatRate({ count, windowMs }));
  const [is4, is6] = ([4, 6] as const).map((family) => prefix[family] === UFW_LIMIT.prefix[family]);
  if (!is4 || !is6) words.push(is6 ? `per /${prefix[4]}` : `per /${prefix[4]},/${prefix[6]}`);
  if (verdict !== UFW_LIMIT.verdict) words.push(`verdict ${verdict}`);
  return words.join(' ');
}

/** `6/30s`. */
export function formatRate({ count, windowMs }: Pick<Limit, 'count' | 'windowMs'>): string {
  const unit = (['h', 'm'] as const).find((name) => windowMs % UNITS[name] === 0) ?? 's';
  return `${count}/${windowMs / UNITS[unit]}${unit}`;
}
