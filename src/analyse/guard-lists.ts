/** The lists of the guard as sections: each is tried by first match, and what no row matches goes on. */
import type { Guard, Section } from '../model/ruleset';

/** Keep-reachable, and the guard's rows of each direction. Their default stands for going on. */
export function guardLists({ keepReachable, rules }: Guard): [kept: Section, incoming: Section, outgoing: Section] {
  const list = (of: Section['rules']): Section => ({ name: 'guard', default: 'allow', rules: of });
  return [
    list(keepReachable),
    list(rules.filter(({ direction }) => direction === 'in')),
    list(rules.filter(({ direction }) => direction === 'out')),
  ];
}
