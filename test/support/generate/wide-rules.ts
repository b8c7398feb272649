/** Rows that are wide in both addresses, so that class tables are made of them; which fields they look at is said. */
import type { Ruleset } from '../../../src/model/ruleset';
import { rule, type RuleText, ruleset } from '../findings';
import type { Random } from './random';

/** Which fields the rows of a shape look at, besides ports and protocols. */
export interface WideShape {
  readonly from: boolean;
  readonly to: boolean;
  readonly fromPort: boolean;
  readonly icmp: boolean;
  /** Ports end at a few places: tables of few numbers, as a server may have. */
  readonly fewPorts?: boolean;
}

export function drawWideRules(random: Random, count: number, shape: WideShape): Ruleset {
  const network = (): string => {
    const bits = random.between(1, 15);
    if (random.chance(0.5)) return `${random.between(0, 3) * 64}.${random.between(0, 3) * 64}.0.0/${bits}`;
    return `${random.pick(['2001', '2001', 'fd00', '8000'])}:${random.pick(['db8', 'dc0', '0', 'ffff'])}::/${16 + bits}`;
  };
  const ports = (): RuleText['port'] => {
    const first = random.pick([1, 22, 255, 256, 1024, 32768, 65535]);
    const last = shape.fewPorts ? Math.max(first, random.pick([1024, 40_000, 65_534])) : random.between(first, 65535);
    return [random.chance(0.3) ? first : [first, last]];
  };
  return ruleset(
    Array.from({ length: count }, (_, i) => {
      const family = random.chance(0.5) ? undefined : random.pick([4, 6] as const);
      const own = (text: string): string[] =>
        family === undefined || (family === 6) === text.includes(':') ? [text] : [];
      const from = shape.from && random.chance(0.7) ? own(network()) : [];
      const to = shape.to && random.chance(0.7) ? own(network()) : [];
      const icmp = shape.icmp && random.chance(0.3);
      const text: RuleText = {
        ...(family !== undefined && { family }),
        ...(from.length > 0 && { from }),
        ...(to.length > 0 && { to }),
        ...(icmp
          ? { icmp: [{ type: random.between(0, 255), code: random.pick([undefined, 0, 255]) }], proto: [1, 58] }
          : { port: ports(), proto: random.pick([[6], [17], [6, 17], [132]]) }),
        ...(!icmp && shape.fromPort && random.chance(0.4) && { fromPort: ports() }),
      };
      return rule(i + 1, random.pick(['allow', 'deny', 'reject'] as const), text);
    }),
  );
}
