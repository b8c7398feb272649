/** Servers of a snapshot: all of them, a line each, and what stands above the rows of one. */
import type { ServerSection } from '../observe/server-page';
import type { ServerRate } from '../observe/server-rates';
import { renderTable, span } from './table';

/** A line for each server: what it owns, and what became of the packets that its rows judged; `rates`: a second, too. */
export function formatServers(servers: readonly ServerSection[], rates?: ReadonlyMap<string, ServerRate>): string {
  const rate = (name: string, of: keyof ServerRate): string[] => {
    if (!rates) return [];
    const known = rates.get(name);
    return [known ? Math.round(known[of]).toString() : ''];
  };
  const columns = [
    { title: 'Server' },
    { title: 'Address' },
    { title: 'Ports' },
    { title: 'SSH' },
    { title: 'Target' },
    { title: 'Default' },
    { title: 'Rules', right: true },
    { title: 'Passed', right: true },
    ...(rates ? [A_SECOND] : []),
    { title: 'Dropped', right: true },
    ...(rates ? [A_SECOND] : []),
    { title: 'Flows', right: true },
    { title: 'Limited', right: true },
    { title: '' },
  ];
  const rows = servers.map(({ name, server, sshPorts, rows: own, default: otherwise, allowAll }) => [
    name,
    addressesOf(server.addresses),
    server.ports ?? 'all',
    sshPorts.join(','),
    server.target ?? '',
    allowAll ? `ALLOW ALL ${span(allowAll.secondsLeft * 1000)}` : (otherwise ?? ''),
    String(own.filter(({ number }) => number !== null).length),
    server.allowed,
    ...rate(name, 'allowed'),
    server.denied,
    ...rate(name, 'denied'),
    String(server.room?.flows.live ?? ''),
    String(server.room?.limits.live ?? ''),
    isShort(server.room) ? '(room is short)' : '',
  ]);
  return renderTable(columns, rows);
}

const A_SECOND = { title: '/s', right: true };

/** Whether entries of it found no place in a table. */
function isShort(room: ServerSection['server']['room']): boolean {
  const tables = room ? [room.flows, room.limits] : [];
  return tables.some(({ evicted, refused }) => evicted !== '0' || refused !== '0');
}

/** `gpu-17: 198.51.100.7 port 14500:14599, behind it 10.0.0.17; default deny, ssh 14541`. */
export function serverHead({ name, server, sshPorts, default: otherwise }: ServerSection): string {
  const { addresses, ports, target } = server;
  const owned = `${addresses.join(', ')}${ports === null ? '' : ` port ${ports}`}`;
  const behind = target === null ? '' : `, behind it ${target}`;
  const ssh = sshPorts.length > 0 ? `, ssh ${sshPorts.join(',')}` : '';
  return `${name}: ${owned}${behind}; default ${otherwise}${ssh}`;
}

function addressesOf([first, ...others]: readonly string[]): string {
  return others.length === 0 ? first : `${first} + ${others.length} more`;
}
