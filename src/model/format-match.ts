/** Short texts of a match's parts for tables; the full canonical line of a rule is `parse/format-rule.ts`. */
import { ANY, type AddressMatch, type Match } from './match';
import { formatPorts } from './port-range';
import { formatPrefix } from './prefix';
import { PORT_DEFAULT_PROTOCOLS } from './protocol';
import { formatProtocol } from './protocol-names';

const SHOWN_PREFIXES = 2;

/** `anywhere`, `10.0.0.0/8`, `10.0.0.0/8, 192.0.2.1 + 12 more`, or `nothing` for an empty list. */
export function formatAddressMatch(match: AddressMatch): string {
  if (match === ANY) return 'anywhere';
  if (match.length === 0) return 'nothing';
  const shown = match.slice(0, SHOWN_PREFIXES).map(formatPrefix).join(', ');
  return match.length > SHOWN_PREFIXES ? `${shown} + ${match.length - SHOWN_PREFIXES} more` : shown;
}

/** What a row looks at besides the source: `192.0.2.10 22/tcp`, `80,443`, `icmp type 8`, `anywhere`. */
export function formatTarget(match: Match): string {
  const parts: string[] = [];
  if (match.to !== ANY) parts.push(formatAddressMatch(match.to));
  const protocols = formatProtocols(match);
  if (match.toPorts !== ANY) {
    const ports = formatPorts(match.toPorts);
    parts.push(protocols === '' ? ports : `${ports}/${protocols}`);
  } else if (protocols !== '') {
    parts.push(protocols);
  }
  if (match.icmpTypes !== ANY) {
    parts.push(
      `type ${match.icmpTypes.map(({ type, code }) => (code === undefined ? type : `${type}/${code}`)).join(',')}`,
    );
  }
  if (match.fromPorts !== ANY) parts.push(`from port ${formatPorts(match.fromPorts)}`);
  if (match.family !== ANY) parts.push(`(v${match.family})`);
  return parts.join(' ') || 'anywhere';
}

/** Protocol names joined by `,`; empty for any, and for TCP with UDP behind a port, which is what a bare port means. */
function formatProtocols(match: Match): string {
  if (match.protocols === ANY) return '';
  const isPortDefault = match.toPorts !== ANY || match.fromPorts !== ANY;
  if (isPortDefault && match.protocols.join() === PORT_DEFAULT_PROTOCOLS.join()) return '';
  return match.protocols.map(formatProtocol).join(',');
}
