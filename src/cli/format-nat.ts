/** Proposed servers as the lines of a ruleset, and what differs from the NAT table as comments above them. */
import { join } from 'node:path';
import type { Forwarded, NatDrift, ProposedServer, SplitPort } from '../migrate/nat-servers';
import type { PortRange } from '../model/port-range';
import { addressBits, formatAddress, formatPrefix, type Prefix } from '../model/prefix';
import { PROTOCOL } from '../model/protocol';

/**
 * `servers:` to be pasted, or where the servers are files of a folder the text of each under its path; every row is
 * commented out, so that nothing is opened by pasting.
 */
export function formatProposal(servers: readonly ProposedServer[], dir?: string): string {
  if (dir === undefined) return ['servers:', ...servers.flatMap(formatServer)].join('\n');
  const files = servers.map((server) => {
    const [, ...lines] = formatServer(server);
    return [`# ${join(dir, `${server.name}.yaml`)}`, ...lines.map((line) => line.slice(4))].join('\n');
  });
  return files.join('\n\n');
}

function formatServer({ name, addresses, ports, target, sshPorts, rules }: ProposedServer): string[] {
  const list = addresses.map((address) => yamlText(formatOwn(address)));
  const [first] = sshPorts;
  return [
    `  ${name}:`,
    `    address: ${list.length === 1 ? list[0] : `[${list.join(', ')}]`}`,
    ...(ports ? [`    ports: ${ports.map(rangeText).join(', ')}`] : []),
    `    target: ${yamlText(target)}`,
    ...(first === undefined
      ? []
      : [`    ssh: { port: ${sshPorts.length === 1 ? first : `[${sshPorts.join(', ')}]`}, from: rules }`]),
    ...(rules.some(({ protocols }) => protocols.includes(PROTOCOL.UDP)) ? ['    udp: on'] : []),
    '    default: deny',
    '    rules:',
    '      # Translated and closed now; take the # away from what others may reach:',
    ...rules.map((rule) => {
      const protocol = rule.protocols.length === 1 ? `/${rule.protocols[0] === PROTOCOL.TCP ? 'tcp' : 'udp'}` : '';
      const row = rule.ports
        ? `allow ${rule.ports.map(rangeText).join(',').replace(/-/g, ':')}${protocol}`
        : 'allow from any';
      return `      # - ${row.padEnd(24)} # ${rule.target}${rule.targetPort === undefined ? '' : ` port ${rule.targetPort}`}, ${comment(rule.words)}`;
    }),
  ];
}

/** One line for each difference. */
export function formatDrift(drift: NatDrift): string {
  const where = `${formatOwn(drift.address)} ${portsText(drift.ports)}`;
  switch (drift.kind) {
    case 'unowned':
      return `no server owns ${where}, which NAT sends to ${drift.target}: the rows of inbound judge it`;
    case 'elsewhere':
      return `${drift.server} says target ${drift.expected}, and NAT sends ${where} to ${drift.target}`;
    case 'nowhere':
      return `${drift.server} owns ${where}, and NAT sends none of it to ${drift.expected}`;
  }
}

/** A port that no server can own rightly. */
export function formatSplit({ address, ports, rules: [one, other] }: SplitPort): string {
  const where = `${formatOwn(address)} ${portsText([ports])}`;
  return `${where}: to ${one.target} (${comment(one.words)}) and to ${other.target} (${comment(other.words)}) by protocol: a server owns both, so ${other.target} was left out there`;
}

/** A difference as data. */
export function driftToJson(drift: NatDrift): Record<string, unknown> {
  return { ...drift, address: formatOwn(drift.address) };
}

/** What goes where, as data. */
export function forwardedToJson({ address, ports, whole, target }: Forwarded): Record<string, unknown> {
  return { address: formatOwn(address), ...(!whole && { ports }), target };
}

function portsText(ranges: readonly PortRange[]): string {
  const one = ranges.length === 1 && ranges[0].first === ranges[0].last;
  return `${one ? 'port' : 'ports'} ${ranges.map(rangeText).join(', ')}`;
}

function rangeText({ first, last }: PortRange): string {
  return first === last ? String(first) : `${first}-${last}`;
}

function formatOwn(prefix: Prefix): string {
  return prefix.length === addressBits(prefix.family)
    ? formatAddress(prefix.family, prefix.words)
    : formatPrefix(prefix);
}

/** YAML reads `::1` and `a: b` as something else. */
function yamlText(text: string): string {
  return text.includes(':') ? `"${text}"` : text;
}

/** What others wrote: nothing that ends a line. */
function comment(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 160);
}
