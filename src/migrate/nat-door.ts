/** Where the NAT table sends what comes to one port of one address. */
import { type AddressWords, type Family, type Prefix, prefixContains } from '../model/prefix';
import type { NatRule } from './nat-rule';

/** What comes to it before translation. `protocol`: IANA number. */
export interface NatDoor {
  readonly family: Family;
  readonly address: AddressWords;
  readonly protocol: number;
  readonly port: number;
}

/** The address and port (null: one of several) it goes on to, by the first rule about it; null: it is not translated. */
export function natOfDoor(
  rules: readonly NatRule[],
  own: (device?: string) => readonly Prefix[],
  { family, address, protocol, port }: NatDoor,
): { readonly target: string; readonly port: number | null } | null {
  for (const rule of rules) {
    if (rule.family !== family || !rule.protocols.includes(protocol)) continue;
    const to = rule.to === 'own' ? own(rule.device) : rule.to;
    if (!to.some((prefix) => prefix.family === family && prefixContains(prefix, address))) continue;
    if (rule.ports && !rule.ports.some(({ first, last }) => port >= first && port <= last)) continue;
    if (rule.targetPort === undefined) return { target: rule.target, port };
    // Of several ports that get others it is the kernel that chooses which.
    const single = rule.ports?.length === 1 && rule.ports[0].first === rule.ports[0].last;
    return { target: rule.target, port: single ? rule.targetPort : null };
  }
  return null;
}
