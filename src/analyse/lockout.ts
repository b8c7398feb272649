/** Which SSH connections a ruleset would cut: each judged exactly, as its next packet would be. */
import { type Decision, evaluatePacket } from '../model/evaluate';
import { TCP_FLAG } from '../model/flow';
import { evaluateOutgoingPacket } from '../model/outbound';
import { type FlowKey, mirror } from '../model/packet';
import { formatAddress } from '../model/prefix';
import { type Direction, type Rule, type Ruleset, writtenSections } from '../model/ruleset';

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
  /** The row that keeps the connection, and where to write it. */
  readonly fix: string;
}

/**
 * Judges each connection by the ruleset, the next packet that comes in and the answer that goes out; those that get
 * through both ways are not reported.
 */
export function findLockout(ruleset: Ruleset, connections: readonly LiveConnection[]): LockoutFinding[] {
  return connections.flatMap((connection) => {
    const plain = { hopLimit: 64, fragment: 'none', tcpFlags: TCP_FLAG.ACK } as const;
    const request = evaluatePacket(ruleset, { ...connection.key, ...plain });
    if (request.verdict !== 'allow') return [findingOf(ruleset, connection, request, 'in')];
    const answer = evaluateOutgoingPacket(ruleset, { ...mirror(connection.key), ...plain });
    return answer.verdict === 'allow' ? [] : [findingOf(ruleset, connection, answer, 'out')];
  });
}

function findingOf(
  ruleset: Ruleset,
  connection: LiveConnection,
  decision: Decision,
  direction: Direction,
): LockoutFinding {
  const { key, description } = connection;
  const rows = writtenSections(ruleset).find(({ name }) => name === decision.section)?.rules ?? [];
  const index = rows.findIndex(({ id }) => id === decision.rule);
  const first = decision.section === 'outbound' ? ruleset.inbound.rules.length : 0;
  const rule = index < 0 ? null : { id: rows[index].id, number: first + index + 1, rule: rows[index] };
  const section = decision.section === 'inbound' ? '' : `${decision.section} `;
  const cause = rule
    ? `${section}rule ${rule.number} "${rule.rule.text}" (${rule.id})`
    : `the ${section}default "${decision.verdict}"`;
  const source = formatAddress(key.family, key.source);
  const outcome = decision.verdict === 'reject' ? 'rejected' : 'denied';
  const subject = `${description} from ${source} to port ${key.destinationPort}`;
  const message =
    direction === 'in'
      ? `${subject} would be ${outcome} by ${cause}`
      : `answers to ${subject} would be ${outcome} on their way out by ${cause}`;
  const row = `allow from ${source} to any port ${key.destinationPort} proto tcp`;
  // A row, no command: verbs stop where a file was edited by hand, which is how most such rulesets come about.
  const fix =
    decision.section === 'guard'
      ? `write under guard: keep-reachable: ["${row}"]`
      : `write as the first row of ${decision.section}: ${row}`;
  return { connection, decision, rule, message, fix };
}
