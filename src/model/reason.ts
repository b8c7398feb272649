/**
 * Why a packet passed or dropped. One word per way out of the datapath; the C header numbers them
 * (`enum slc_reason`), and a check in `abi/` keeps both lists equal.
 */
export const REASON_WORDS = {
  rule: 'a row of the section decided',
  'keep-reachable': 'an entry of keep-reachable lets it in, whatever stands below',
  guard: 'a row of the guard decided',
  ssh: 'the SSH row of the section let it in',
  default: 'no row matched, the default decided',
  arp: 'ARP always passes',
  'neighbour-discovery': 'IPv6 neighbour discovery with hop limit 255 always passes',
  'multicast-listener': 'IPv6 multicast listener discovery from a link-local source always passes',
  'link-protocol': 'a configured non-IP ethertype passes',
  'icmp-echo': 'an echo-request passes',
  'icmp-error': 'an ICMP error about a connection opened from inside, or one that the rules let in, passes',
  flow: 'it belongs to a connection that was opened from inside',
  answer: 'it answers a packet that the rules let in',
  'keep-reachable-answer': 'it answers a packet that keep-reachable lets in',
  'fragment-follows': 'a later fragment of a packet whose first one passed',
  'too-short': 'the frame is shorter than an Ethernet header',
  'vlan-depth': 'the frame has more than two VLAN tags',
  'vlan-truncated': 'the frame ends inside a VLAN tag',
  ethertype: 'a non-IP ethertype that is not on the list',
  'ip-truncated': 'the frame ends inside the IP header',
  'ip-version': 'the version field contradicts the ethertype',
  'ipv4-ihl': 'the IPv4 header length field is below 5',
  'ip-length': 'the IP length field is impossible for this frame',
  'ipv6-chain': 'the IPv6 extension headers are truncated, repeated or out of order',
  'ipv6-chain-long': 'more than eight IPv6 extension headers',
  'ipv6-routing-0': 'a type-0 routing header (RFC 5095)',
  'l4-truncated': 'the packet ends inside the transport header',
  'l4-length': 'the transport header contradicts its own length',
  'tiny-fragment': 'the first fragment does not hold the whole transport header',
  'port-zero': 'a source or destination port of 0',
  fragment: 'a later fragment of a packet nobody let in, or that came before the first',
  'icmp-unrelated': 'an ICMP error about a connection that nobody here opened and the rules do not let in',
  'icmp-quote-short': 'an ICMP error that quotes less than 8 bytes of transport',
  'icmp-quote-error': 'an ICMP error about an ICMP error',
  'fragment-overlap': 'a later fragment that would replace what was judged of the first',
  'fragment-refused': 'a fragment, and the ruleset says fragments: drop',
  'fragment-length': 'a fragment of an impossible length: none, no multiple of 8, or beyond 65,535 bytes',
  'gate-empty': 'the gate found no program in its slot',
  'gate-open': 'the gate passes everything until the first ruleset is confirmed',
  'image-fault': 'the image points outside itself (a bug, please report it)',
} as const;

/** Why a packet passed or was dropped: a key of `REASON_WORDS`. */
export type Reason = keyof typeof REASON_WORDS;
