/** A generated ruleset as text, for the report of a failure: a file that can be saved and given to `sluice check`. */
import { ANY, type IcmpType, type Match } from '../../../src/model/match';
import { formatPrefix, type Prefix } from '../../../src/model/prefix';
import { formatPortRange, type PortRange } from '../../../src/model/port-range';
import type { Rule, Ruleset } from '../../../src/model/ruleset';

/** The fields of a rule that decide something. */
export type BareRule = Pick<Rule, 'id' | 'action' | 'match' | 'enabled' | 'log'>;

/** One rule as a YAML flow mapping. */
export function ruleText(rule: BareRule): string {
  const fields = [`id: ${rule.id}`, `action: ${rule.action}`, ...matchFields(rule.match)];
  if (!rule.enabled) fields.push('enabled: off');
  if (rule.log) fields.push(`log: ${rule.log === 'all' ? 'all' : 'on'}`);
  return `{ ${fields.join(', ')} }`;
}

function matchFields(match: Match): string[] {
  const list = <T>(items: readonly T[], print: (item: T) => string): string => `[${items.map(print).join(', ')}]`;
  const fields: string[] = [];
  if (match.family !== ANY) fields.push(`family: ipv${match.family}`);
  if (match.protocols !== ANY) fields.push(`proto: ${list(match.protocols, String)}`);
  if (match.from !== ANY) fields.push(`from: ${list(match.from, quotedPrefix)}`);
  if (match.to !== ANY) fields.push(`to: ${list(match.to, quotedPrefix)}`);
  if (match.fromPorts !== ANY) fields.push(`from-port: ${list(match.fromPorts, quotedRange)}`);
  if (match.toPorts !== ANY) fields.push(`port: ${list(match.toPorts, quotedRange)}`);
  if (match.icmpTypes !== ANY) fields.push(`icmp-type: ${list(match.icmpTypes, quotedIcmpType)}`);
  return fields;
}

const quotedPrefix = (prefix: Prefix): string => `"${formatPrefix(prefix)}"`;
const quotedRange = (range: PortRange): string => `"${formatPortRange(range)}"`;
const quotedIcmpType = ({ type, code }: IcmpType): string => (code === undefined ? String(type) : `"${type}/${code}"`);

/** The whole ruleset as YAML. */
export function printRuleset(ruleset: Ruleset): string {
  const { inbound } = ruleset;
  const lines = [
    'version: 1',
    `interfaces: ${ruleset.interfaces === 'auto' ? 'auto' : `[${ruleset.interfaces.join(', ')}]`}`,
    `icmp: ${ruleset.icmp}`,
    `logging: ${ruleset.logging}`,
    `ethertypes: [${ruleset.ethertypes.map((type) => `0x${type.toString(16)}`).join(', ')}]`,
    'inbound:',
    `  default: ${inbound.default}`,
  ];
  if (inbound.ssh) lines.push(`  ssh: { port: [${inbound.ssh.ports.join(', ')}], from: ${inbound.ssh.from} }`);
  lines.push('  rules:', ...inbound.rules.map((rule) => `    - ${ruleText(rule)}`));
  return `${lines.join('\n')}\n`;
}

/** Bytes as hex, to be pasted into `text2pcap` or a test. */
export function printFrame(frame: Uint8Array): string {
  return Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength).toString('hex');
}
