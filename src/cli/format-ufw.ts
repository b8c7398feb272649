/**
 * A ruleset as `ufw status` prints one, for scripts that read ufw: the same table byte for byte wherever ufw could hold the
 * ruleset. What ufw has no form for is printed as the rows ufw would need: an address or prefix and a protocol a row.
 */
import { displayWidth, escapeControls } from '../diagnostics/display';
import { formatProtocol } from '../model/protocol-names';
import { ANY, type AddressMatch, type Match, MATCH_ALL, type PortMatch } from '../model/match';
import { type Family, formatPrefix, type Prefix } from '../model/prefix';
import { PORT_DEFAULT_PROTOCOLS, PROTOCOL } from '../model/protocol';
import { type Direction, type Rule, type Ruleset, sshVerdict } from '../model/ruleset';
import type { Action } from '../model/verdict';
import type { StatusForm } from './format-status';

/** What ufw's table shows of a row. */
interface UfwRow {
  readonly family: Family;
  readonly direction: Direction;
  readonly action: Action;
  readonly to: string;
  readonly from: string;
  readonly attributes: readonly string[];
  readonly note?: string;
}

/** Widths of ufw's columns To, Action and From. */
const [TO, ACTION, FROM] = [26, 12, 26];

/** An inactive firewall has no ruleset. */
export function formatUfwStatus(active: boolean, ruleset: Ruleset | null, form: StatusForm): string {
  if (!active) return 'Status: inactive';
  const numbered = form === 'numbered';
  const rows = ruleset ? ufwRows(ruleset) : [];
  const lines = ['Status: active', ...(ruleset && form === 'verbose' ? verboseLines(ruleset) : [])];
  if (rows.length === 0) return lines.join('\n');
  const indent = numbered ? '     ' : '';
  lines.push('', `${indent}${'To'.padEnd(TO)} ${'Action'.padEnd(ACTION)}From`);
  lines.push(`${indent}${'--'.padEnd(TO)} ${'------'.padEnd(ACTION)}----`);
  if (numbered) {
    rows.forEach((row, i) => lines.push(`[${String(i + 1).padStart(2)}] ${formatRow(row, form)}`));
    return [...lines, ''].join('\n');
  }
  for (const direction of ['in', 'out'] as const) {
    const own = rows.filter((row) => row.direction === direction);
    if (own.length > 0) lines.push(...own.map((row) => formatRow(row, form)), '');
  }
  return lines.join('\n');
}

function verboseLines({ inbound, outbound, logging }: Ruleset): string[] {
  return [
    `Logging: ${logging === 'off' ? 'off' : `on (${logging})`}`,
    `Default: ${inbound.default} (incoming), ${outbound.default} (outgoing), disabled (routed)`,
    'New profiles: skip',
  ];
}

function formatRow({ direction, action, to, from, attributes, note }: UfwRow, form: StatusForm): string {
  const way = direction === 'out' ? 'OUT' : form === 'plain' ? '' : 'IN';
  const shown = form === 'numbered' && direction === 'out' ? [...attributes, 'out'] : attributes;
  const columns = `${cell(to, TO)} ${cell(`${action.toUpperCase()} ${way}`, ACTION)}${cell(from, FROM)}`;
  return `${columns}${shown.length > 0 ? ` (${shown.join(', ')})` : ''}${note === undefined ? '' : ` # ${escapeControls(note)}`}`;
}

function cell(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - displayWidth(text)));
}

/** In the order of ufw's storage: all of IPv4, then all of IPv6. */
function ufwRows(ruleset: Ruleset): UfwRow[] {
  return ([4, 6] as const).flatMap((family) => writtenRows(ruleset).flatMap((row) => rowsOf(row, family)));
}

interface WrittenRow extends Pick<Rule, 'action' | 'match' | 'log' | 'note'> {
  readonly direction: Direction;
}

/** All rows that can decide, in the order in which they are tried; switches and the SSH row as what they come to. */
function writtenRows({ guard, inbound, outbound }: Ruleset): WrittenRow[] {
  const directed = (rules: readonly Rule[], direction: Direction): WrittenRow[] =>
    rules.filter(({ enabled }) => enabled).map((rule) => ({ ...rule, direction }));
  const rows = directed(guard.keepReachable, 'in');
  // An allow of the guard lets nothing in: it only ends the guard.
  rows.push(...guard.rules.flatMap((rule) => (rule.action === 'allow' ? [] : directed([rule], rule.direction))));
  const implicit = { direction: 'in' as const };
  if (inbound.udp === 'off')
    rows.push({ ...implicit, action: 'deny', match: { ...MATCH_ALL, protocols: [PROTOCOL.UDP] } });
  rows.push(...directed(inbound.rules, 'in'));
  const ssh = sshVerdict(inbound);
  if (inbound.ssh && ssh) {
    const toPorts = inbound.ssh.ports.map((port) => ({ first: port, last: port }));
    rows.push({ ...implicit, action: ssh, match: { ...MATCH_ALL, protocols: [PROTOCOL.TCP], toPorts } });
  }
  return [...rows, ...directed(outbound.rules, 'out')];
}

function rowsOf({ match, direction, action, log, note }: WrittenRow, family: Family): UfwRow[] {
  if (match.family !== ANY && match.family !== family) return [];
  const attributes = [...(log ? [log === 'all' ? 'log-all' : 'log'] : []), ...icmpAttribute(match)];
  const shared = { family, direction, action, attributes, ...(note !== undefined && { note }) };
  return addressesOf(match.to, family).flatMap((to) =>
    addressesOf(match.from, family).flatMap((from) =>
      protocolsOf(match, family).map((protocol) => ({ ...shared, ...places(match, { to, from, protocol, family }) })),
    ),
  );
}

/** What stands under To and From; null is any. */
function places(
  { toPorts, fromPorts }: Match,
  row: {
    readonly to: Prefix | null;
    readonly from: Prefix | null;
    readonly protocol: number | null;
    readonly family: Family;
  },
): Pick<UfwRow, 'to' | 'from'> {
  const isAny = row.to === null && row.from === null;
  const noPorts = toPorts === ANY && fromPorts === ANY;
  const suffix = row.protocol === null ? '' : `/${formatProtocol(row.protocol)}`;
  const v6 = row.family === 6 ? ' (v6)' : '';
  const place = (address: Prefix | null, ports: PortMatch): string => {
    const name = address && formatPrefix(address);
    if (ports !== ANY) return `${name === null ? '' : `${name} `}${formatPortList(ports)}${suffix}${isAny ? v6 : ''}`;
    if (name !== null) return `${name}${noPorts ? suffix : ''}`;
    return `Anywhere${noPorts && isAny ? suffix : ''}${v6}`;
  };
  return { to: place(row.to, toPorts), from: place(row.from, fromPorts) };
}

function formatPortList(ports: Exclude<PortMatch, typeof ANY>): string {
  return ports.map(({ first, last }) => (first === last ? String(first) : `${first}:${last}`)).join(',');
}

function addressesOf(match: AddressMatch, family: Family): readonly (Prefix | null)[] {
  return match === ANY ? [null] : match.filter((prefix) => prefix.family === family);
}

/** Null: no protocol is named, as for TCP with UDP behind a port. */
function protocolsOf({ protocols, toPorts, fromPorts }: Match, family: Family): readonly (number | null)[] {
  if (protocols === ANY) return [null];
  const ports = toPorts !== ANY || fromPorts !== ANY;
  if (ports && protocols.join() === PORT_DEFAULT_PROTOCOLS.join()) return [null];
  return protocols.filter((protocol) => protocol !== (family === 4 ? PROTOCOL.ICMPV6 : PROTOCOL.ICMP));
}

function icmpAttribute({ icmpTypes }: Match): string[] {
  if (icmpTypes === ANY) return [];
  const types = icmpTypes.map(({ type, code }) => (code === undefined ? String(type) : `${type}/${code}`));
  return [`type ${types.join(',')}`];
}
