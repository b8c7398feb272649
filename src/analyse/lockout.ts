/** Which SSH connections a ruleset would cut: each judged exactly, as its next packet would be. */
import { type Decision, evaluatePacket } from '../model/evaluate';
import type { FlowKey } from '../model/packet';
import { formatAddress } from '../model/prefix';
import type { Rule, Ruleset } from '../model/ruleset';

/** A connection that must survive. */
export interface LiveConnection {
  /** What the user knows it as: `your session`, `sshd[812] 203.0.113.9:51514`. */
  readonly description: string;
  /** The inbound direction: source is the client, destination this machine. */
  readonly key: FlowKey;
}

/** A connection that the ruleset would cut. */
export interface LockoutFinding {
  readonly connection: LiveConnection;
  readonly decision: Decision;
  /** The row that cuts it, numbered from 1; null where the default or a tier above the rows does. */
  readonly rule: { readonly id: string; readonly number: number; readonly rule: Rule } | null;
  /** One sentence: who would be cut by what. */
  readonly message: string;
  /** A line to paste that keeps the connection. */
  readonly fix: string;
}

/** Judges each connection by the ruleset; those that are let in are not reported. */
export function findLockout(ruleset: Ruleset, connections: readonly LiveConnection[]): LockoutFinding[] {
  return connections.flatMap((connection) => {
    const { key, description } = connection;
    const decision = evaluatePacket(ruleset, { ...key, hopLimit: 64, fragment: 'none' });
    if (decision.verdict === 'allow') return [];
    const { rules } = ruleset.inbound;
    const index = rules.findIndex(({ id }) => id === decision.rule);
    const rule = index < 0 ? null : { id: rules[index].id, number: index + 1, rule: rules[index] };
    const cause = rule ? `rule ${rule.number} "${rule.rule.text}" (${rule.id})` : `the default "${decision.verdict}"`;
    const source = formatAddress(key.family, key.source);
    const outcome = decision.verdict === 'reject' ? 'rejected' : 'denied';
    return [
      {
        connection,
        decision,
        rule,
        message: `${description} from ${source} to port ${key.destinationPort} would be ${outcome} by ${cause}`,
        fix: `sluice insert 1 allow from ${source} to any port ${key.destinationPort} proto tcp`,
      },
    ];
  });
}
