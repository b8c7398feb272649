import { ANY, type Any } from '../model/match';

/**
 * IANA "Assigned Internet Protocol Numbers" by name. The first name of a number is the one that is
 * printed; the table is ours, so that a ruleset means the same on every machine.
 */
const NAMES: readonly (readonly [number, ...string[]])[] = [
  [0, 'hopopt'],
  [1, 'icmp', 'icmpv4'],
  [2, 'igmp'],
  [3, 'ggp'],
  [4, 'ipencap', 'ipv4'],
  [5, 'st'],
  [6, 'tcp'],
  [7, 'cbt'],
  [8, 'egp'],
  [9, 'igp'],
  [12, 'pup'],
  [16, 'chaos'],
  [17, 'udp'],
  [20, 'hmp'],
  [22, 'xns-idp'],
  [27, 'rdp'],
  [28, 'irtp'],
  [29, 'iso-tp4'],
  [33, 'dccp'],
  [35, 'idpr'],
  [36, 'xtp'],
  [37, 'ddp'],
  [38, 'idpr-cmtp'],
  [39, 'tp++'],
  [40, 'il'],
  [41, 'ipv6'],
  [42, 'sdrp'],
  [43, 'ipv6-route'],
  [44, 'ipv6-frag'],
  [45, 'idrp'],
  [46, 'rsvp'],
  [47, 'gre'],
  [48, 'dsr'],
  [50, 'esp'],
  [51, 'ah'],
  [54, 'narp'],
  [55, 'mobile'],
  [57, 'skip'],
  [58, 'icmpv6', 'ipv6-icmp', 'icmp6'],
  [59, 'ipv6-nonxt'],
  [60, 'ipv6-opts'],
  [73, 'cphb', 'rspf'],
  [81, 'vmtp'],
  [88, 'eigrp'],
  [89, 'ospf', 'ospfigp'],
  [92, 'mtp'],
  [93, 'ax.25'],
  [94, 'ipip'],
  [97, 'etherip'],
  [98, 'encap'],
  [103, 'pim'],
  [108, 'ipcomp'],
  [112, 'vrrp', 'carp'],
  [113, 'pgm'],
  [115, 'l2tp'],
  [124, 'isis'],
  [130, 'sps'],
  [132, 'sctp'],
  [133, 'fc'],
  [135, 'mobility-header'],
  [136, 'udplite', 'udp-lite'],
  [137, 'mpls-in-ip'],
  [138, 'manet'],
  [139, 'hip'],
  [140, 'shim6'],
  [141, 'wesp'],
  [142, 'rohc'],
  [143, 'ethernet'],
  [144, 'aggfrag'],
  [145, 'nsh'],
];

const BY_NAME = new Map(NAMES.flatMap(([number, ...names]) => names.map((name) => [name, number] as const)));
const BY_NUMBER = new Map(NAMES.map(([number, name]) => [number, name]));

/** Every name, for suggestions. */
export const PROTOCOL_NAMES: readonly string[] = [...BY_NAME.keys()];

/** A name in any case, or a number 0–255 without leading zeros; `any` is `ANY`; else undefined. */
export function parseProtocol(text: string): number | Any | undefined {
  const word = text.toLowerCase();
  if (word === 'any' || word === 'all') return ANY;
  if (/^(0|[1-9][0-9]{0,2})$/.test(word)) return Number(word) <= 255 ? Number(word) : undefined;
  return BY_NAME.get(word);
}

/** The usual name, or the number. */
export function formatProtocol(number: number): string {
  return BY_NUMBER.get(number) ?? String(number);
}
