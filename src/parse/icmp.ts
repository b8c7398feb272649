import type { IcmpType } from '../model/match';
import { PROTOCOL } from '../model/protocol';

/** ICMP (RFC 792, 1122, 1256, 1812, 950) and ICMPv6 (RFC 4443, 4861, 3810, 2710) types and codes by name. */
const ICMPV4: Readonly<Record<string, IcmpType>> = {
  'echo-reply': { type: 0 },
  'destination-unreachable': { type: 3 },
  'network-unreachable': { type: 3, code: 0 },
  'host-unreachable': { type: 3, code: 1 },
  'protocol-unreachable': { type: 3, code: 2 },
  'port-unreachable': { type: 3, code: 3 },
  'fragmentation-needed': { type: 3, code: 4 },
  'source-route-failed': { type: 3, code: 5 },
  'network-prohibited': { type: 3, code: 9 },
  'host-prohibited': { type: 3, code: 10 },
  'communication-prohibited': { type: 3, code: 13 },
  'source-quench': { type: 4 },
  redirect: { type: 5 },
  'echo-request': { type: 8 },
  'router-advertisement': { type: 9 },
  'router-solicitation': { type: 10 },
  'time-exceeded': { type: 11 },
  'ttl-zero-during-transit': { type: 11, code: 0 },
  'ttl-zero-during-reassembly': { type: 11, code: 1 },
  'parameter-problem': { type: 12 },
  'timestamp-request': { type: 13 },
  'timestamp-reply': { type: 14 },
  'address-mask-request': { type: 17 },
  'address-mask-reply': { type: 18 },
};

const ICMPV6: Readonly<Record<string, IcmpType>> = {
  'destination-unreachable': { type: 1 },
  'no-route': { type: 1, code: 0 },
  'communication-prohibited': { type: 1, code: 1 },
  'beyond-scope': { type: 1, code: 2 },
  'address-unreachable': { type: 1, code: 3 },
  'port-unreachable': { type: 1, code: 4 },
  'packet-too-big': { type: 2 },
  'time-exceeded': { type: 3 },
  'hop-limit-exceeded': { type: 3, code: 0 },
  'reassembly-time-exceeded': { type: 3, code: 1 },
  'parameter-problem': { type: 4 },
  'bad-header': { type: 4, code: 0 },
  'unknown-header-type': { type: 4, code: 1 },
  'unknown-option': { type: 4, code: 2 },
  'echo-request': { type: 128 },
  'echo-reply': { type: 129 },
  'multicast-listener-query': { type: 130 },
  'multicast-listener-report': { type: 131 },
  'multicast-listener-done': { type: 132 },
  'router-solicitation': { type: 133 },
  'router-advertisement': { type: 134 },
  'neighbour-solicitation': { type: 135 },
  'neighbor-solicitation': { type: 135 },
  'neighbour-advertisement': { type: 136 },
  'neighbor-advertisement': { type: 136 },
  redirect: { type: 137 },
  'multicast-listener-report-v2': { type: 143 },
};

const BOTH = new Map<string, Map<number, IcmpType>>();
for (const [protocol, table] of [[PROTOCOL.ICMP, ICMPV4] as const, [PROTOCOL.ICMPV6, ICMPV6] as const]) {
  for (const [name, type] of Object.entries(table)) {
    const meanings = BOTH.get(name) ?? new Map<number, IcmpType>();
    BOTH.set(name, meanings.set(protocol, type));
  }
}
BOTH.set('ping', BOTH.get('echo-request')!);
BOTH.set('pong', BOTH.get('echo-reply')!);
BOTH.set('unreachable', BOTH.get('destination-unreachable')!);
BOTH.set('ttl-exceeded', new Map([[PROTOCOL.ICMP, { type: 11 }]]));

/** Every name, for suggestions. */
export const ICMP_TYPE_NAMES: readonly string[] = [...BOTH.keys()];

/**
 * What the text means under ICMP (1) and under ICMPv6 (58): a name has one or two meanings, `type` or
 * `type/code` by number has both. Undefined where it is neither.
 */
export function parseIcmpType(text: string): ReadonlyMap<number, IcmpType> | undefined {
  const named = BOTH.get(text.toLowerCase().replaceAll('_', '-'));
  if (named) return named;
  const numeric = /^(0|[1-9][0-9]{0,2})(?:\/(0|[1-9][0-9]{0,2}))?$/.exec(text);
  if (!numeric) return undefined;
  const type = Number(numeric[1]);
  const code = numeric[2] === undefined ? undefined : Number(numeric[2]);
  if (type > 255 || (code ?? 0) > 255) return undefined;
  const meaning: IcmpType = code === undefined ? { type } : { type, code };
  return new Map([
    [PROTOCOL.ICMP, meaning],
    [PROTOCOL.ICMPV6, meaning],
  ]);
}

/** The usual name under that protocol, or `type`, `type/code`. */
export function formatIcmpType(protocol: number, { type, code }: IcmpType): string {
  const table = protocol === PROTOCOL.ICMPV6 ? ICMPV6 : ICMPV4;
  for (const [name, entry] of Object.entries(table)) if (entry.type === type && entry.code === code) return name;
  return code === undefined ? String(type) : `${type}/${code}`;
}
