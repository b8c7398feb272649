/** `lint/no-ssh`, `lint/broad-allow`, `lint/source-port-trust`: too little let in, or too much. */
import type { Diagnostic } from '../diagnostics/diagnostic';
import { ANY, MATCH_ALL, type Match } from '../model/match';
import { PROTOCOL } from '../model/protocol';
import type { Rule, SourceRange } from '../model/ruleset';
import { ordinaryBudget } from './budget';
import { decide, type SectionRegions } from './decisions';

/** Reports a section without a way in for SSH, and rules that let in more than anybody can oversee. */
export function lintExposure(regions: SectionRegions): Diagnostic[] {
  return [
    ...lintSsh(regions),
    ...regions.rows.flatMap(({ decider }) => (decider.kind === 'rule' ? lintAllow(regions, decider) : [])),
  ];
}

function lintSsh(regions: SectionRegions): Diagnostic[] {
  const { section, space } = regions;
  const ports = section.ssh?.ports ?? [22];
  const ssh: Match = {
    ...MATCH_ALL,
    protocols: [PROTOCOL.TCP],
    toPorts: ports.map((port) => ({ first: port, last: port })),
  };
  const budget = ordinaryBudget();
  for (const { verdict } of decide(regions, space.regionOf(ssh), budget)) if (verdict === 'allow') return [];
  if (budget.isSpent) return [];
  const allowed = section.ssh?.from === 'rules' ? 'its SSH row leaves it to the rules, and no rule' : 'no row';
  return [
    {
      code: 'lint/no-ssh',
      severity: 'warning',
      message: `no way in for SSH: ${allowed} of "${section.name}" lets anybody in on ${ports.join(', ')}/tcp`,
      source: section.ssh?.source ?? fileOf(section.rules),
      notes: [],
      hint: `ssh: { port: ${ports[0]}, from: anyone }, or: sluice allow from YOUR-ADDRESS to any port ${ports[0]} proto tcp`,
    },
  ];
}

/** The beginning of the file the rules stand in; the section itself has no place. */
function fileOf(rules: readonly Rule[]): SourceRange {
  return { file: rules[0]?.source.file ?? '', line: 1, column: 1, offset: 0, length: 0 };
}

function lintAllow({ section }: SectionRegions, { rule, number }: { rule: Rule; number: number }): Diagnostic[] {
  const { match, action } = rule;
  const isFromEverybody = match.from === ANY || match.from.some(({ length }) => length === 0);
  if ((action !== 'allow' && action !== 'limit') || !isFromEverybody || section.default === 'allow') return [];
  if (match.fromPorts !== ANY) {
    return [
      {
        code: 'lint/source-port-trust',
        severity: 'warning',
        message: `rule ${number} "${rule.text}" trusts a source port: whoever sends chooses it, so this lets everybody in`,
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
      message: `rule ${number} "${rule.text}" lets everybody in on every port`,
      source: rule.source,
      notes: [],
      hint: 'name the ports or the sources that are meant',
    },
  ];
}
