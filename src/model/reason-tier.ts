/** In which tier a packet leaves for a reason that no row is counted at: counters are numbered as the code is (SPEC §3). */
import type { Reason } from './reason';
import type { Direction } from './ruleset';
import type { OutTier, Tier } from './verdict';

type Tiers = Readonly<Record<Direction, Tier | OutTier | null>>;

const SANITY: Tiers = { in: '1', out: 'out 1' };
const LINK: Tiers = { in: '2', out: 'out 1' };
const FLOWS: Tiers = { in: '4', out: 'out 4' };
const ICMP: Tiers = { in: '5', out: null };
const SWITCH: Tiers = { in: '6', out: null };
/** Decided by rows, which say their own tier; before all tiers, by the gate; or by a fault, in any of them. */
const NONE: Tiers = { in: null, out: null };

const TIERS_OF: Readonly<Record<Reason, Tiers>> = {
  ...{ rule: NONE, 'keep-reachable': NONE, guard: NONE, ssh: NONE, default: NONE, limit: NONE },
  ...{ 'gate-empty': NONE, 'gate-open': NONE, 'image-fault': NONE },
  ...{ 'too-short': SANITY, 'vlan-depth': SANITY, 'vlan-truncated': SANITY },
  ...{ 'ip-truncated': SANITY, 'ip-version': SANITY, 'ipv4-ihl': SANITY, 'ip-length': SANITY },
  ...{ 'ipv6-chain': SANITY, 'ipv6-chain-long': SANITY, 'ipv6-routing-0': SANITY },
  ...{ 'l4-truncated': SANITY, 'l4-length': SANITY, 'port-zero': SANITY },
  ...{ 'tiny-fragment': SANITY, 'fragment-length': SANITY },
  ...{ arp: LINK, 'neighbour-discovery': LINK, 'multicast-listener': LINK, 'link-protocol': LINK, ethertype: LINK },
  'own-answer': { in: '2', out: null },
  banned: { in: '3.2', out: null },
  ...{ flow: FLOWS, fragment: FLOWS, 'fragment-follows': FLOWS, 'fragment-overlap': FLOWS, 'fragment-refused': FLOWS },
  ...{ 'icmp-echo': ICMP, 'icmp-echo-source': ICMP, 'icmp-echo-all': ICMP, 'icmp-error': ICMP, dhcp: ICMP },
  ...{ 'icmp-unrelated': ICMP, 'icmp-quote-short': ICMP, 'icmp-quote-error': ICMP },
  ...{ 'udp-off': SWITCH, 'allow-all': SWITCH },
  'limit-full': { in: '7', out: null },
  'keep-reachable-answer': { in: null, out: 'out 2' },
  answer: { in: null, out: 'out 5' },
};

/** The tier of a reason for packets of a direction; null where it has none of its own. */
export function tierOfReason(reason: Reason, direction: Direction): Tier | OutTier | null {
  return TIERS_OF[reason][direction];
}
