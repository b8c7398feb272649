import type { PortRange } from '../model/port-range';
import { PROTOCOL } from '../model/protocol';

/** A named port: which protocols it covers, ascending, and which ports. */
export interface Service {
  readonly protocols: readonly number[];
  readonly ports: readonly PortRange[];
}

const { TCP, UDP, SCTP } = PROTOCOL;

/**
 * The usual names with the protocols Debian's services database gives them. `ssh` is not here: it is
 * the port of the section (SPEC §2).
 */
const TABLE: readonly (readonly [string, number | readonly [number, number], ...number[]])[] = [
  ['ftp', 21, TCP],
  ['ftp-data', 20, TCP],
  ['telnet', 23, TCP],
  ['smtp', 25, TCP],
  ['mail', 25, TCP],
  ['time', 37, TCP, UDP],
  ['whois', 43, TCP],
  ['tacacs', 49, TCP, UDP],
  ['domain', 53, TCP, UDP],
  ['dns', 53, TCP, UDP],
  ['bootps', 67, UDP],
  ['dhcp', 67, UDP],
  ['bootpc', 68, UDP],
  ['tftp', 69, UDP],
  ['gopher', 70, TCP],
  ['finger', 79, TCP],
  ['http', 80, TCP],
  ['www', 80, TCP],
  ['kerberos', 88, TCP, UDP],
  ['pop3', 110, TCP],
  ['sunrpc', 111, TCP, UDP],
  ['auth', 113, TCP],
  ['nntp', 119, TCP],
  ['ntp', 123, UDP],
  ['epmap', 135, TCP],
  ['netbios-ns', 137, UDP],
  ['netbios-dgm', 138, UDP],
  ['netbios-ssn', 139, TCP],
  ['imap', 143, TCP],
  ['imap2', 143, TCP],
  ['snmp', 161, TCP, UDP],
  ['snmp-trap', 162, TCP, UDP],
  ['bgp', 179, TCP],
  ['irc', 194, TCP, UDP],
  ['ldap', 389, TCP, UDP],
  ['https', 443, TCP, UDP],
  ['microsoft-ds', 445, TCP, UDP],
  ['smb', 445, TCP],
  ['submissions', 465, TCP],
  ['smtps', 465, TCP],
  ['isakmp', 500, UDP],
  ['syslog', 514, UDP],
  ['printer', 515, TCP],
  ['dhcpv6-client', 546, UDP],
  ['dhcpv6-server', 547, UDP],
  ['rtsp', 554, TCP, UDP],
  ['nntps', 563, TCP],
  ['submission', 587, TCP],
  ['ipp', 631, TCP],
  ['ldaps', 636, TCP, UDP],
  ['dns-over-tls', 853, TCP, UDP],
  ['rsync', 873, TCP],
  ['ftps-data', 989, TCP],
  ['ftps', 990, TCP],
  ['imaps', 993, TCP],
  ['pop3s', 995, TCP],
  ['socks', 1080, TCP],
  ['openvpn', 1194, TCP, UDP],
  ['ms-sql-s', 1433, TCP],
  ['mssql', 1433, TCP],
  ['radius', 1812, TCP, UDP],
  ['radius-acct', 1813, TCP, UDP],
  ['mqtt', 1883, TCP],
  ['nfs', 2049, TCP, UDP],
  ['docker', 2376, TCP],
  ['etcd-client', 2379, TCP],
  ['mysql', 3306, TCP],
  ['ms-wbt-server', 3389, TCP],
  ['rdp', 3389, TCP],
  ['stun', 3478, TCP, UDP],
  ['svn', 3690, TCP],
  ['ipsec-nat-t', 4500, UDP],
  ['vxlan', 4789, UDP],
  ['sip', 5060, TCP, UDP],
  ['sip-tls', 5061, TCP, UDP],
  ['mdns', 5353, UDP],
  ['postgresql', 5432, TCP],
  ['amqps', 5671, TCP],
  ['amqp', 5672, TCP, UDP, SCTP],
  ['vnc', 5900, TCP],
  ['redis', 6379, TCP],
  ['kube-apiserver', 6443, TCP],
  ['http-alt', 8080, TCP],
  ['mqtts', 8883, TCP],
  ['git', 9418, TCP],
  ['memcached', 11211, TCP],
  ['mongodb', 27017, TCP],
  ['mosh', [60000, 61000], UDP],
  ['wireguard', 51820, UDP],
];

/** The table inside sluice: the same on every machine. */
export const BUILTIN_SERVICES: ReadonlyMap<string, Service> = new Map(
  TABLE.map(([name, port, ...protocols]) => {
    const [first, last] = typeof port === 'number' ? [port, port] : port;
    return [name, { protocols, ports: [{ first, last }] }];
  }),
);

/** The port that `ssh` means where a section sets none. */
export const DEFAULT_SSH_PORTS: readonly number[] = [22];
