/**
 * `lint/ipv4-only-any`, `lint/missing-twin`: rules that mean "everybody" and reach one family only. Reported only
 * where a packet of the other family to the same ports really gets another verdict than the rule gives.
 */
import type { Diagnostic } from '../diagnostics/diagnostic';
import { ANY, type AddressMatch, type Match } from '../model/match';
import { formatAddress, type Family, type Prefix } from '../model/prefix';
import { PROTOCOL } from '../model/protocol';
import type { Rule, Section } from '../model/ruleset';
import type { Narrowing } from '../model/server';
import type { Verdict } from '../model/verdict';
import { type Budget, ordinaryBudget, sectionBudget } from './budget';
import { decide, type Decided, type Decider, nameOf, rowNoun, sectionRegions, type SectionRegions } from './decisions';
import { describePacket } from './packet-text';

const EVERYBODY: Record<Family, Prefix> = {
  4: { family: 4, words: [0], length: 0 },
  6: { family: 6, words: [0, 0, 0, 0], length: 0 },
};

/**
 * Reports rules for the whole of one family whose other half gets another verdict; of a server (`narrow`) only about
 * packets that it owns.
 */
export function lintFamilies(original: SectionRegions, narrow?: Narrowing): Diagnostic[] {
  const candidates = original.rows.flatMap(({ decider, verdict }, row) => {
    if (decider.kind !== 'rule') return [];
    const twin = twinOf(decider.rule);
    const match = twin && (narrow ? narrow(twin.match) : twin.match);
    if (!match) return [];
    return [{ rule: decider.rule, number: decider.number, verdict, row, twin: { family: twin.family, match } }];
  });
  if (candidates.length === 0) return [];
  // A twin names what its rule names, and everybody: addresses of a server are what the space may not know.
  const regions = narrow
    ? sectionRegions(
        original.section,
        candidates.map(({ twin }) => twin.match),
        original.first,
      )
    : original;
  const rowOf = new Map<Decider, number>(regions.rows.map(({ decider }, row) => [decider, row]));
  const shared = sectionBudget();
  return candidates.flatMap(({ rule, number, verdict, row, twin }) => {
    const other = findOther(regions, rowOf, twin.match, row, verdict, ordinaryBudget(shared));
    if (other === null) return [];
    const proof =
      other === 'not-proven'
        ? 'too many rules overlap there to prove that it gets the same'
        : `${describePacket(regions.space.exampleOf(other.cube))} ${whatElse(regions.section, other)}`;
    return [describe(rule, `${rowNoun(regions.section)} ${number}`, twin.family, proof)];
  });
}

/** What becomes of the packet; what no row of the guard decides goes on. */
function whatElse(section: Section, { decider, verdict }: Decided): string {
  if (section.name !== 'guard') return `gets "${verdict}" from ${nameOf(decider)}`;
  return decider.kind === 'rule' ? `gets "${verdict}" from guard row ${decider.number}` : 'goes on to the sections';
}

interface Twin {
  readonly family: Family;
  readonly match: Match;
}

/** The same match for the family that the rule leaves out; null where it leaves none out or says that it means it. */
function twinOf({ match, written }: Rule): Twin | null {
  if (match.family !== ANY && !written.ipv4AnyFrom && !written.ipv4AnyTo) return null;
  const only = [match.from, match.to].map(wholeFamily).find((family) => family !== null);
  if (!only) return null;
  const family = only === 4 ? 6 : 4;
  const widen = (side: AddressMatch): AddressMatch => (wholeFamily(side) === only ? [EVERYBODY[family]] : side);
  // ICMP of the one family means nothing in the other; the numbers differ and so do the types.
  const icmp: readonly number[] = [PROTOCOL.ICMP, PROTOCOL.ICMPV6];
  const protocols = match.protocols === ANY ? ANY : match.protocols.filter((number) => !icmp.includes(number));
  return { family, match: { ...match, family, protocols, from: widen(match.from), to: widen(match.to) } };
}

/** The family that the addresses are the whole of, with nothing of the other. */
function wholeFamily(match: AddressMatch): Family | null {
  if (match === ANY || match.length === 0) return null;
  const { family } = match[0];
  if (match.some((prefix) => prefix.family !== family)) return null;
  return match.some(({ length }) => length === 0) ? family : null;
}

/** Packets of the twin that get past the rows above and then another verdict than the rule's. */
function findOther(
  regions: SectionRegions,
  rowOf: ReadonlyMap<Decider, number>,
  twin: Match,
  row: number,
  verdict: Verdict,
  budget: Budget,
): Decided | 'not-proven' | null {
  for (const decided of decide(regions, regions.space.regionOf(twin), budget)) {
    // What a row above decides, it would decide as well if this rule were written for both families.
    if (decided.verdict !== verdict && (rowOf.get(decided.decider) ?? Infinity) > row) return decided;
  }
  return budget.isSpent ? 'not-proven' : null;
}

function describe(rule: Rule, row: string, missing: Family, proof: string): Diagnostic {
  const base = { source: rule.source, notes: [{ message: proof }] };
  const { ipv4AnyFrom, ipv4AnyTo } = rule.written;
  if (missing === 6 && (ipv4AnyFrom || ipv4AnyTo)) {
    const isClosing = rule.action === 'deny' || rule.action === 'reject';
    let corrected = rule.text;
    if (ipv4AnyFrom) corrected = corrected.replace(/\bfrom 0\.0\.0\.0\/0(?![\d./])/, 'from any');
    if (ipv4AnyTo) corrected = corrected.replace(/\bto 0\.0\.0\.0\/0(?![\d./])/, 'to any');
    return {
      ...base,
      code: 'lint/ipv4-only-any',
      severity: isClosing ? 'error' : 'warning',
      message: `"0.0.0.0/0" in ${row} is IPv4 only: IPv6 packets to the same place get another verdict`,
      hint: `write any: ${corrected} (or add "family: ipv4" if only IPv4 is meant)`,
    };
  }
  const written = `${formatAddress(missing === 6 ? 4 : 6, EVERYBODY[missing === 6 ? 4 : 6].words)}/0`;
  return {
    ...base,
    code: 'lint/missing-twin',
    severity: 'note',
    message: `${row} "${rule.text}" is for all of IPv${missing === 6 ? 4 : 6} (${written}) and none of IPv${missing}, which gets another verdict`,
    hint: `write "any" for both families, or "family: ipv${missing === 6 ? 4 : 6}" if only one is meant`,
  };
}
