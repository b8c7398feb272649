/** `lint/shadowed`, `lint/redundant`: the words for what `shadow.ts` finds. */
import type { Diagnostic, DiagnosticNote } from '../diagnostics/diagnostic';
import type { Rule } from '../model/ruleset';
import { ordinaryBudget } from './budget';
import { findCover } from './cover';
import { deletionOf, optionFor, type Row, rowNoun, type SectionRegions } from './decisions';
import { findShadowed, type Shadowed, type ShadowFindings } from './shadow';

/** Covering rules that are named one by one. */
const NAMED_MAX = 6;
const DOES: Record<Rule['action'], string> = { allow: 'allows', deny: 'denies', reject: 'rejects', limit: 'limits' };

/** Reports every enabled rule that no packet reaches. */
export function lintShadowed(
  regions: SectionRegions,
  { shadowed, unproven }: ShadowFindings = findShadowed(regions),
): Diagnostic[] {
  const findings = shadowed.map((finding) => describe(regions, finding));
  if (unproven.length > 0) {
    const numbers = unproven.map((row) => written(regions.rows[row]).number);
    findings.push({
      code: 'lint/not-proven',
      severity: 'note',
      message: `whether ${list(rowNoun(regions.section), numbers)} can be reached was not proven: too many earlier rules overlap`,
      source: written(regions.rows[unproven[0]]).rule.source,
      notes: [],
    });
  }
  return findings;
}

function describe(regions: SectionRegions, finding: Shadowed): Diagnostic {
  const { rows, section } = regions;
  const noun = rowNoun(section);
  const { rule, number } = written(rows[finding.row]);
  const cover = finding.cover.map((row) => written(rows[row]));
  const together = cover.length > 1 ? ' together' : '';
  const numbers = list(
    noun,
    cover.map((row) => row.number),
  );
  const base = { severity: 'warning', source: rule.source } as const;
  const differs = cover.some((row) => row.rule.action !== rule.action);
  if (!differs) {
    const exceptions = finding.differing.map((row) => written(rows[row]));
    return {
      ...base,
      code: 'lint/redundant',
      message: `${noun} ${number} "${rule.text}" is never reached: ${numbers} above it${together} already ${cover.length > 1 ? 'decide' : 'decides'} the same`,
      notes: [...notesFor(noun, cover, rule), ...notesFor(noun, exceptions, rule)],
      hint: deletionOf(section, number),
    };
  }
  return {
    ...base,
    code: 'lint/shadowed',
    message: `${noun} ${number} "${rule.text}" is never reached: it sits under ${numbers}, which${together} ${cover.length > 1 ? 'match' : 'matches'} all its packets and ${verdictWords(noun, cover, rule)}`,
    notes: notesFor(noun, cover, rule),
    hint: remedy(regions, finding),
  };
}

/** The move that lets the rule decide; for two rules about the same packets, the choice of a deletion. */
function remedy({ rows, section }: SectionRegions, { row, cover, differing }: Shadowed): string {
  const { number } = written(rows[row]);
  const target = written(rows[differing[0]]).number;
  const own = rows[row].region.map((cube) => ({ owner: row, cube }));
  if (cover.length === 1 && findCover(rows[cover[0]].region, own, ordinaryBudget()).answer === 'covered') {
    return `both match the same packets; keep one: ${deletionOf(section, written(rows[cover[0]]).number)}, or: ${deletionOf(section, number)}`;
  }
  return section.name === 'guard'
    ? `write it above ${rowNoun(section)} ${target}`
    : `sluice move ${number} before ${target}${optionFor(section.name)}`;
}

/** `denies them`, `deny them`, `of which rule 2 decides differently`. */
function verdictWords(noun: string, cover: readonly Written[], rule: Rule): string {
  const [{ action }] = cover.map((row) => row.rule);
  if (cover.every((row) => row.rule.action === action))
    return cover.length === 1 ? `${DOES[action]} them` : `${action} them`;
  const differing = cover.filter((row) => row.rule.action !== rule.action);
  const numbers = list(
    noun,
    differing.map((row) => row.number),
  );
  return `of which ${numbers} ${differing.length > 1 ? 'decide' : 'decides'} differently`;
}

function notesFor(noun: string, cover: readonly Written[], covered: Rule): DiagnosticNote[] {
  const notes: DiagnosticNote[] = cover.slice(0, NAMED_MAX).map(({ rule, number }) => ({
    message: `${noun} ${number} "${rule.text}" ${rule.action === covered.action ? 'decides the same' : 'decides differently'}`,
    source: rule.source,
  }));
  if (cover.length > NAMED_MAX) notes.push({ message: `and ${cover.length - NAMED_MAX} more` });
  return notes;
}

type Written = Extract<Row['decider'], { kind: 'rule' }>;

/** The written rule of a row that is one: only rules shadow and are shadowed. */
function written({ decider }: Row): Written {
  if (decider.kind !== 'rule') throw new TypeError('the SSH row is no written rule');
  return decider;
}

/** `rule 3`, `rules 1 and 3`, `rules 1, 2 and 9 others`. */
function list(noun: string, numbers: readonly number[]): string {
  if (numbers.length === 1) return `${noun} ${numbers[0]}`;
  const shown = numbers.length > NAMED_MAX ? numbers.slice(0, NAMED_MAX - 1) : numbers.slice(0, -1);
  const last =
    numbers.length > NAMED_MAX ? `${numbers.length - shown.length} others` : `${numbers[numbers.length - 1]}`;
  return `${noun}s ${shown.join(', ')} and ${last}`;
}
