/** `lint/no-ssh`, `lint/said-by-ssh`, `lint/broad-allow`, `lint/source-port-trust`: too little let in, or too much. */
import type { Diagnostic } from '../diagnostics/diagnostic';
import { type AddressMatch, ANY, MATCH_ALL, type Match } from '../model/match';
import { PROTOCOL } from '../model/protocol';
import type { Rule, SourceRange } from '../model/ruleset';
import { ordinaryBudget, sectionBudget } from './budget';
import { cubeCovers, cubesAreDisjoint } from './cube';
import { CubeTable } from './cube-table';
import { decide, deletionOf, isServer, optionFor, rowNoun, type Row, type SectionRegions, withRows } from './decisions';

/** Reports a section without a way in for SSH, and rules that let in more than anybody can oversee. */
export function lintExposure(regions: SectionRegions): Diagnostic[] {
  return [
    ...(isServer(regions.section.name) && !regions.section.ssh ? [] : lintSsh(regions)),
    ...lintSaidBySsh(regions),
    ...regions.rows.flatMap(({ decider }) => (decider.kind === 'rule' ? lintAllow(regions, decider) : [])),
  ];
}

/** Reports a row of outbound that lets everything out where the default would not. */
export function lintWayOut({ section, rows }: SectionRegions): Diagnostic[] {
  if (section.default === 'allow') return [];
  return rows.flatMap(({ decider }): Diagnostic[] => {
    if (decider.kind !== 'rule' || decider.rule.action !== 'allow') return [];
    const { match, text, source } = decider.rule;
    if (!isEverybody(match.to) || match.protocols !== ANY || match.toPorts !== ANY || match.fromPorts !== ANY)
      return [];
    if (match.from !== ANY) return [];
    const message = `rule ${decider.number} "${text}" lets everything out, whatever the default says`;
    const hint = 'name the ports or the destinations that are meant, or write default: allow';
    return [{ code: 'lint/broad-allow', severity: 'warning', message, source, notes: [], hint }];
  });
}

/** Reports entries of keep-reachable that are for everybody: nothing below can take back what they let in. */
export function lintKept({ rows }: SectionRegions): Diagnostic[] {
  return rows.flatMap(({ decider }): Diagnostic[] => {
    if (decider.kind !== 'rule' || !isEverybody(decider.rule.match.from)) return [];
    const { match, text, source } = decider.rule;
    const subject = `keep-reachable "${text}"`;
    if (match.fromPorts !== ANY) {
      const message = `${subject} trusts a source port: whoever sends chooses it, so nothing below can keep anybody out`;
      const hint = 'name the sources with "from", or leave "from-port" out if everybody is meant';
      return [{ code: 'lint/source-port-trust', severity: 'warning', message, source, notes: [], hint }];
    }
    if (match.protocols !== ANY || match.toPorts !== ANY) return [];
    const message = `${subject} lets everybody in on every port, and nothing below can change that`;
    const hint = 'name the ports or the sources that are meant';
    return [{ code: 'lint/broad-allow', severity: 'warning', message, source, notes: [], hint }];
  });
}

function isEverybody(addresses: AddressMatch): boolean {
  return addresses === ANY || addresses.some(({ length }) => length === 0);
}

function lintSsh(regions: SectionRegions): Diagnostic[] {
  const { section, space } = regions;
  const ports = section.ssh?.ports ?? [22];
  const ssh: Match = {
    ...MATCH_ALL,
    protocols: [PROTOCOL.TCP],
    toPorts: ports.map((port) => ({ first: port, last: port })),
  };
  const asked = space.regionOf(ssh);
  // Of a hundred thousand rows few are about these ports: no table is made of the others.
  const near = regions.rows.filter(({ region }) =>
    region.some((cube) => asked.some((other) => !cubesAreDisjoint(cube, other))),
  );
  const budget = ordinaryBudget();
  for (const { verdict } of decide(withRows(regions, near), asked, budget)) if (verdict === 'allow') return [];
  if (budget.isSpent) return [];
  const allowed = section.ssh?.from === 'rules' ? 'its SSH row leaves it to the rules, and no rule' : 'no row';
  return [
    {
      code: 'lint/no-ssh',
      severity: 'warning',
      message: `no way in for SSH: ${allowed} of "${section.name}" lets anybody in on ${ports.join(', ')}/tcp`,
      source: section.ssh?.source ?? fileOf(section.rules),
      notes: [],
      hint: `ssh: { port: ${ports[0]}, from: anyone }, or: sluice allow from YOUR-ADDRESS to any port ${ports[0]} proto tcp${optionFor(section.name)}`,
    },
  ];
}

/** Reports allows that would do no less if they were left out, since the SSH row below lets everybody in. */
function lintSaidBySsh({ section, rows }: SectionRegions): Diagnostic[] {
  const ssh = rows.find(({ decider }) => decider.kind === 'ssh');
  if (section.ssh?.from !== 'anyone' || !ssh) return [];
  // Rows that would do something else with the packets of one that is left out.
  const others = rows.flatMap((row, at) => (doesMore(row) ? [at] : []));
  const table = CubeTable.of(others.map((at) => rows[at].region));
  const budget = sectionBudget();
  return rows.flatMap((one, row): Diagnostic[] => {
    const { decider, region } = one;
    if (decider.kind !== 'rule' || doesMore(one) || region.length === 0) return [];
    if (!region.every((inner) => ssh.region.some((outer) => cubeCovers(outer, inner)))) return [];
    if (!budget.takeSteps(others.length) || table.meeting(region).some(({ owner }) => others[owner] > row)) return [];
    const { number, rule } = decider;
    return [
      {
        code: 'lint/said-by-ssh',
        severity: 'note',
        message: `${rowNoun(section)} ${number} "${rule.text}" changes nothing: the SSH row behind the rules lets everybody in`,
        source: rule.source,
        notes: [],
        hint: `${deletionOf(section, number)}; or, where nobody else is meant: sluice ssh from rules${optionFor(section.name)}`,
      },
    ];
  });
}

/** Whether a row does more, or less, than let packets in. */
function doesMore({ decider }: Row): boolean {
  return decider.kind === 'rule' && (decider.rule.action !== 'allow' || decider.rule.log !== undefined);
}

/** The beginning of the file the rules stand in; the section itself has no place. */
function fileOf(rules: readonly Rule[]): SourceRange {
  return { file: rules[0]?.source.file ?? '', line: 1, column: 1, offset: 0, length: 0 };
}

function lintAllow({ section }: SectionRegions, { rule, number }: { rule: Rule; number: number }): Diagnostic[] {
  const { match, action } = rule;
  if ((action !== 'allow' && action !== 'limit') || !isEverybody(match.from) || section.default === 'allow') return [];
  if (match.fromPorts !== ANY) {
    return [
      {
        code: 'lint/source-port-trust',
        severity: 'warning',
        message: `${rowNoun(section)} ${number} "${rule.text}" trusts a source port: whoever sends chooses it, so this lets everybody in`,
        source: rule.source,
        notes: [],
        hint: 'name the sources with "from", or leave "from-port" out if everybody is meant',
      },
    ];
  }
  if (action === 'limit' || match.protocols !== ANY || match.toPorts !== ANY) return [];
  return [
    {
      code: 'lint/broad-allow',
      severity: 'warning',
      message: `${rowNoun(section)} ${number} "${rule.text}" lets everybody in on every port`,
      source: rule.source,
      notes: [],
      hint: 'name the ports or the sources that are meant',
    },
  ];
}
