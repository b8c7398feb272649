/** `lint/udp-off`: rules about UDP where the UDP switch of their section drops it before the rows (SPEC §4). */
import type { Diagnostic } from '../diagnostics/diagnostic';
import { ANY } from '../model/match';
import { PROTOCOL } from '../model/protocol';
import { isServer, rowNoun } from './decisions';
import type { Section } from '../model/ruleset';

/** An error for rules that would let UDP in and nothing else; a note for those that refuse it a second time. */
export function lintUdpSwitch({ name, udp, rules }: Section): Diagnostic[] {
  if (udp !== 'off') return [];
  return rules.flatMap((rule, i): Diagnostic[] => {
    const { protocols } = rule.match;
    if (!rule.enabled || protocols === ANY || !protocols.every((number) => number === PROTOCOL.UDP)) return [];
    const letsIn = rule.action === 'allow' || rule.action === 'limit';
    return [
      {
        code: 'lint/udp-off',
        severity: letsIn ? 'error' : 'note',
        message: `${rowNoun({ name })} ${i + 1} "${rule.text}" ${letsIn ? 'lets nothing in' : 'has nothing left to refuse'}: udp is off, so UDP drops before the rows`,
        source: rule.source,
        notes: [],
        hint: `udp: on, or: sluice udp on${isServer(name) ? ` ${name}` : ''}`,
      },
    ];
  });
}
