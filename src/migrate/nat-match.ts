/** What a rule of NAT asks of a packet before it translates: conditions gathered along chains, made into rules. */
import { addressBits, type Family, formatAddress, type Prefix } from '../model/prefix';
import type { PortRange } from '../model/port-range';
import { PROTOCOL } from '../model/protocol';
import { parseAddressText } from '../parse/address';
import { normalizeRanges } from '../parse/port';
import type { NatRule } from './nat-rule';

/** Conditions so far; what is left out was not asked. Whatever else a rule asks makes it narrower, and is left out. */
export interface Conditions {
  readonly to?: readonly Prefix[];
  readonly device?: string;
  readonly protocols?: readonly number[];
  readonly ports?: readonly PortRange[];
}

/** Where packets go on to. */
export interface Translation {
  readonly target: Prefix;
  readonly targetPort?: number;
}

const BOTH: readonly number[] = [PROTOCOL.TCP, PROTOCOL.UDP];

/** The rule, or why there is none. */
export function makeNatRule(
  { to, device, protocols, ports }: Conditions,
  { target, targetPort }: Translation,
  words: string,
): NatRule | string {
  if (target.length !== addressBits(target.family)) return 'it sends to a network, not to one address';
  const own = (protocols ?? BOTH).filter((number) => BOTH.includes(number));
  if (own.length === 0) return 'it is about neither TCP nor UDP';
  if (!ports && own.length < BOTH.length) return 'it is about all ports of one protocol, and a server owns both';
  const { family } = target;
  const mine = to?.filter((prefix) => prefix.family === family);
  if (mine?.length === 0) return 'its addresses are of another family than where it sends to';
  return {
    to: mine ?? 'own',
    family,
    ...(device !== undefined && { device }),
    protocols: own,
    ...(ports && { ports: normalizeRanges(ports) }),
    target: formatAddress(family, target.words),
    ...(targetPort !== undefined && targetPort !== ports?.[0].first && { targetPort }),
    words,
  };
}

/** An address or prefix as firewalls print them; undefined where it is none. */
export function readPrefix(text: string): Prefix | undefined {
  const reading = parseAddressText(text);
  return reading.kind === 'refused' ? undefined : reading.prefix;
}

/** `tcp`, `6`; undefined where it is neither TCP nor UDP nor a number. */
export function readProtocol(text: string): number | undefined {
  const named: Readonly<Record<string, number>> = { tcp: PROTOCOL.TCP, udp: PROTOCOL.UDP };
  return named[text.toLowerCase()] ?? (/^\d+$/.test(text) ? Number(text) : undefined);
}

/** `80`, `8000:8080`, `8000-8080`. */
export function readPorts(text: string): PortRange | undefined {
  const [, first, last = first] = /^(\d{1,5})(?:[:-](\d{1,5}))?$/.exec(text) ?? [];
  if (first === undefined || Number(first) < 1 || Number(last) > 65535 || Number(first) > Number(last))
    return undefined;
  return { first: Number(first), last: Number(last) };
}

/** `10.0.0.17`, `10.0.0.17:22`, `10.0.0.17:1000-1099`, `[fd00::2]:22`; undefined for lists and ranges of addresses. */
export function readTranslation(text: string, family: Family): Translation | undefined {
  const [, bracketed, plain, port] =
    /^(?:\[([^\]]+)\]|([^\s[\]-]+?))(?::(\d+)(?:-\d+)?(?:\/\d+)?)?$/.exec(
      family === 6 && !text.startsWith('[') ? `[${text}]` : text,
    ) ?? [];
  const target = readPrefix(bracketed ?? plain ?? '');
  if (!target || target.family !== family) return undefined;
  return { target, ...(port !== undefined && { targetPort: Number(port) }) };
}
