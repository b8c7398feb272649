/**
 * Every way out of the datapath, one frame each: tier, verdict, reason, the one counter of the enforcing program
 * that goes up by that frame, and the one event. The model and the dry twin must say the same; the twin counts nothing.
 */
import { REASON_CODE, TIER_CODE } from '../../src/abi/codec';
import { LAYOUT, SLC_WORD_NONE } from '../../src/abi/layout.gen';
import { compile } from '../../src/compile/compile';
import type { Image } from '../../src/compile/image';
import { nameOfEntry } from '../../src/compile/ranks';
import { type CounterFigures, readCounters } from '../../src/kernel/counters';
import { createGenerationMaps, createResultMap } from '../../src/kernel/datapath-maps';
import { datapathSwitches } from '../../src/kernel/datapath-switches';
import { loadProgram } from '../../src/kernel/load-program';
import type { BpfMap, BpfProgram } from '../../src/kernel/kernel';
import { kernel } from '../../src/kernel/native';
import { evaluate } from '../../src/model/evaluate';
import type { Reason } from '../../src/model/reason';
import { tierOfReason } from '../../src/model/reason-tier';
import type { Ruleset } from '../../src/model/ruleset';
import type { Tier } from '../../src/model/verdict';
import { parseRuleset } from '../../src/parse/parse';
import { EventStand, gist } from '../support/event-stand';
import * as p from '../support/packet';

const RULES = `version: 1
interfaces: [eth0]
inbound:
  default: deny
  ssh: { port: 22, from: anyone }
  rules:
    - { id: web, action: allow, port: 8000/tcp }
    - { id: dns, action: allow, port: 53/udp }
    - { id: shut, action: deny, port: 14141 }
    - { id: gre, action: allow, proto: gre }
    - { id: sctp, action: allow, proto: sctp, port: 36412 }
`;

/** include/uapi/linux/bpf.h, enum xdp_action. */
const XDP_DROP = 1;
const XDP_PASS = 2;

interface Row {
  readonly what: string;
  readonly frame: Uint8Array;
  readonly tier: Tier;
  readonly verdict: 'allow' | 'deny';
  readonly reason: Reason;
  /** Id of the rank it is counted at, of a server `server/id`; left out: at its reason. */
  readonly at?: string;
  /** Settings that differ. */
  readonly icmp?: 'rules';
  readonly fragments?: 'drop';
  readonly servers?: string;
}

const [WEB, SHUT] = [{ to: 8000 }, { to: 14141 }];
/** What the host behind sent: from its own address and port to the client. */
const OURS4 = p.ipv4({ from: p.DEFAULTS.destination4, to: p.DEFAULTS.source4 });
const OURS6 = p.ipv6({ from: p.DEFAULTS.destination6, to: p.DEFAULTS.source6 });
const fromPort = (port: number): p.Layer => p.tcp({ from: port, to: 40000 });
const options = (count: number): p.Layer[] => Array.from({ length: count }, () => p.destinationOptions());
/** Lets `ipv4()` announce TCP over bytes that are not a header. */
const tcpBytes = (bytes: number): p.Layer => p.raw(new Uint8Array(bytes), 6);

const sanity = (reason: Reason, what: string, ...layers: p.Layer[]): Row => ({
  ...{ what, frame: p.compose(...layers), tier: '1', verdict: 'deny', reason },
});
const sanityCut = (reason: Reason, what: string, bytes: number, ...layers: p.Layer[]): Row => ({
  ...sanity(reason, what, ...layers),
  frame: p.cut(p.compose(...layers), bytes),
});
const link = (verdict: Row['verdict'], reason: Reason, what: string, ...layers: p.Layer[]): Row => ({
  ...{ what, frame: p.compose(...layers), tier: '2', verdict, reason },
});
const fragmentRow = (what: string, ...layers: p.Layer[]): Row => ({
  ...{ what, frame: p.compose(...layers), tier: '4', verdict: 'deny', reason: 'fragment' },
});
const refused = (what: string, ...layers: p.Layer[]): Row => ({
  ...fragmentRow(what, ...layers),
  ...{ reason: 'fragment-refused', fragments: 'drop' },
});
const essential = (verdict: Row['verdict'], reason: Reason, what: string, ...layers: p.Layer[]): Row => ({
  ...{ what, frame: p.compose(...layers), tier: '5', verdict, reason },
});
const rule = (verdict: Row['verdict'], at: string, what: string, ...layers: p.Layer[]): Row => ({
  ...{ what, frame: p.compose(...layers), tier: '7', verdict, reason: 'rule', at },
});
const ssh = (what: string, ...layers: p.Layer[]): Row => ({
  ...{ what, frame: p.compose(...layers), tier: '8', verdict: 'allow', reason: 'ssh', at: 'ssh' },
});
const byDefault = (what: string, ...layers: p.Layer[]): Row => ({
  ...{ what, frame: p.compose(...layers), tier: '9', verdict: 'deny', reason: 'default', at: 'default' },
});

const SANITY: Row[] = [
  sanity('vlan-depth', 'three tags', p.vlan({ kind: 'ad' }), p.vlan(), p.vlan(), p.ipv4(), p.tcp(WEB)),
  sanityCut('vlan-truncated', 'ends inside the first tag', 16, p.vlan(), p.ipv4(), p.tcp(WEB)),
  sanityCut('vlan-truncated', 'ends inside the second tag', 21, p.vlan({ kind: 'ad' }), p.vlan(), p.ipv4()),
  sanityCut('ip-truncated', 'ends inside the IPv4 header', 33, p.ipv4(), p.tcp(WEB)),
  sanityCut('ip-truncated', 'ends inside the IPv4 options', 36, p.ipv4({ options: [1, 1, 1, 1], totalLength: 22 })),
  sanityCut('ip-truncated', 'ends inside the IPv6 header', 53, p.ipv6(), p.tcp(WEB)),
  sanity('ip-version', 'version 6 under the IPv4 ethertype', p.ipv4({ version: 6 }), p.tcp(WEB)),
  sanity('ip-version', 'version 4 under the IPv6 ethertype', p.ipv6({ version: 4 }), p.tcp(WEB)),
  sanity('ipv4-ihl', 'header length 4', p.ipv4({ ihl: 4 }), p.tcp(WEB)),
  sanity('ip-length', 'IPv4 longer than the frame', p.ipv4({ totalLength: 41 }), p.tcp(WEB)),
  sanity('ip-length', 'IPv4 shorter than its header', p.ipv4({ totalLength: 19 }), p.tcp(WEB)),
  sanity('ip-length', 'IPv6 longer than the frame', p.ipv6({ payloadLength: 21 }), p.tcp(WEB)),
  sanity('ipv6-chain', 'hop-by-hop after another header', p.ipv6(), ...options(1), p.hopByHop(), p.tcp(WEB)),
  sanity('ipv6-chain', 'hop-by-hop twice', p.ipv6(), p.hopByHop(), p.hopByHop(), p.tcp(WEB)),
  sanity('ipv6-chain', 'fragment twice', p.ipv6(), p.fragment(), p.fragment(), p.tcp(WEB)),
  sanity('ipv6-chain', 'an option header longer than the packet', p.ipv6(), p.hopByHop({ length: 5 }), p.tcp(WEB)),
  sanity('ipv6-chain', 'ends inside an option header', p.ipv6({ nextHeader: 60 }), p.raw([6, 0, 0])),
  sanity('ipv6-chain-long', 'nine headers', p.ipv6(), ...options(9), p.tcp(WEB)),
  sanity('ipv6-routing-0', 'type 0', p.ipv6(), p.routing({ type: 0 }), p.tcp(WEB)),
  sanity('ipv6-routing-0', 'type 0 behind options', p.ipv6(), p.hopByHop(), p.routing({ type: 0 }), p.tcp(WEB)),
  sanity('l4-truncated', 'TCP over IPv4', p.ipv4(), p.truncate(19), p.tcp(WEB)),
  sanity('l4-truncated', 'TCP over IPv6', p.ipv6(), p.truncate(19), p.tcp(WEB)),
  sanity('l4-truncated', 'UDP', p.ipv4(), p.truncate(7), p.udp({ to: 53 })),
  sanity('l4-truncated', 'SCTP', p.ipv4(), p.truncate(11), p.sctp({ to: 36412 })),
  sanity('l4-truncated', 'ICMP', p.ipv4(), p.truncate(7), p.icmp()),
  sanity('l4-truncated', 'ICMPv6', p.ipv6(), p.truncate(7), p.icmpv6()),
  sanity('l4-length', 'TCP data offset 4', p.ipv4(), p.tcp({ ...WEB, dataOffset: 4 })),
  sanity('l4-length', 'TCP options beyond the packet', p.ipv4(), p.tcp({ ...WEB, dataOffset: 6 })),
  sanity('l4-length', 'UDP length 7', p.ipv4(), p.udp({ to: 53, length: 7 })),
  sanity('l4-length', 'UDP longer than the packet', p.ipv6(), p.udp({ to: 53, length: 9 })),
  sanity('tiny-fragment', 'half a TCP header', p.ipv4({ moreFragments: true }), p.truncate(16), p.tcp(WEB)),
  sanity(
    'tiny-fragment',
    'its TCP options cut',
    p.ipv4({ moreFragments: true }),
    p.tcp({ ...WEB, dataOffset: 8 }),
    tcpBytes(4),
  ),
  sanity('fragment-length', 'a first of 36 bytes', p.ipv4({ moreFragments: true }), p.tcp(WEB), tcpBytes(16)),
  sanity('fragment-length', 'a middle one of 9 bytes', p.ipv4({ moreFragments: true, fragmentOffset: 8 }), tcpBytes(9)),
  sanity('fragment-length', 'a middle one over IPv6', p.ipv6(), p.fragment({ offset: 8, more: true }), tcpBytes(9)),
  sanity('fragment-length', 'a last one of nothing', p.ipv4({ fragmentOffset: 8 }), tcpBytes(0)),
  sanity('fragment-length', 'a first of nothing', p.ipv4({ moreFragments: true }), tcpBytes(0)),
  sanity('fragment-length', 'nothing over IPv6', p.ipv6(), p.fragment({ offset: 8, nextHeader: 6 })),
  sanity('fragment-length', 'beyond 65,535 bytes', p.ipv4({ fragmentOffset: 65_504 }), tcpBytes(12)),
  sanity(
    'fragment-length',
    'beyond them over IPv6',
    p.ipv6(),
    p.fragment({ offset: 65_528, nextHeader: 6 }),
    tcpBytes(8),
  ),
  sanity(
    ...(['fragment-length', 'beyond them with options', p.ipv6(), ...options(1)] as const),
    ...[p.fragment({ offset: 65_520, nextHeader: 6 }), tcpBytes(8)],
  ),
  sanity('tiny-fragment', 'over IPv6', p.ipv6(), p.fragment({ more: true, nextHeader: 6 }), tcpBytes(8)),
  sanity('port-zero', 'TCP source', p.ipv4(), p.tcp({ ...WEB, from: 0 })),
  sanity('port-zero', 'TCP destination', p.ipv6(), p.tcp({ to: 0 })),
  sanity('port-zero', 'UDP source', p.ipv4(), p.udp({ from: 0, to: 53 })),
  sanity('port-zero', 'SCTP destination', p.ipv4(), p.sctp({ to: 0 })),
];

const LINK: Row[] = [
  link('allow', 'arp', 'request', p.arp()),
  link('allow', 'arp', 'in a VLAN', p.vlan(), p.arp({ operation: 2 })),
  link('allow', 'link-protocol', 'LLDP', p.ethernet({ ethertype: 0x88cc }), p.raw('tlv')),
  link('deny', 'ethertype', 'MPLS', p.ethernet({ ethertype: 0x8847 }), p.raw('label')),
  link('deny', 'ethertype', 'a length instead of a type', p.ethernet({ ethertype: 0x0026 }), p.raw('llc')),
  link('allow', 'neighbour-discovery', 'solicitation', p.ipv6({ hopLimit: 255 }), p.neighbour()),
  link('allow', 'neighbour-discovery', 'router advertisement', p.ipv6({ hopLimit: 255 }), p.router({ type: 134 })),
  link('allow', 'multicast-listener', 'report', p.ipv6({ from: 'fe80::1', hopLimit: 1 }), p.multicastListener()),
  link('allow', 'multicast-listener', 'query', p.ipv6({ from: 'fe80::1' }), p.multicastListener({ type: 130 })),
  link('allow', 'multicast-listener', 'done', p.ipv6({ from: 'febf::1' }), p.multicastListener({ type: 132 })),
  byDefault('solicitation with hop limit 254', p.ipv6({ hopLimit: 254 }), p.neighbour()),
  byDefault('a listener report from a global address', p.ipv6(), p.multicastListener()),
  byDefault('a listener report from beyond fe80::/10', p.ipv6({ from: 'fec0::1' }), p.multicastListener()),
];

const FRAGMENTS: Row[] = [
  fragmentRow('a later one, IPv4', p.ipv4({ fragmentOffset: 8 }), tcpBytes(32)),
  fragmentRow('a last one of 8 bytes', p.ipv4({ fragmentOffset: 1480, moreFragments: false }), tcpBytes(8)),
  fragmentRow('a later one, IPv6', p.ipv6(), p.fragment({ offset: 8, nextHeader: 6 }), tcpBytes(32)),
  fragmentRow('a later one of ICMP', p.ipv4({ fragmentOffset: 8 }), p.raw(new Uint8Array(16), 1)),
  fragmentRow('one that ends at 65,535 bytes', p.ipv4({ fragmentOffset: 65_504 }), tcpBytes(11)),
  fragmentRow('one over IPv6 that ends there', p.ipv6(), p.fragment({ offset: 65_528, nextHeader: 6 }), tcpBytes(7)),
  rule('allow', 'web', 'a first one with its whole header', p.ipv4({ moreFragments: true }), p.tcp(WEB), tcpBytes(12)),
  rule('allow', 'dns', 'a first one longer inside', p.ipv4({ moreFragments: true }), p.udp({ to: 53, length: 99 })),
  rule('allow', 'web', 'an atomic one (RFC 6946)', p.ipv6(), p.fragment(), p.tcp(WEB)),
  refused('a first one', p.ipv4({ moreFragments: true }), p.udp({ to: 53, length: 99 })),
  refused('a first one of an echo', p.ipv4({ moreFragments: true }), p.icmp()),
  refused('a first one over IPv6', p.ipv6(), p.fragment({ more: true }), p.udp({ to: 53, length: 99 })),
  refused('a later one', p.ipv4({ fragmentOffset: 8 }), tcpBytes(32)),
  refused('a later one over IPv6', p.ipv6(), p.fragment({ offset: 8, nextHeader: 6 }), tcpBytes(32)),
  { ...rule('allow', 'web', 'an atomic one is none', p.ipv6(), p.fragment(), p.tcp(WEB)), fragments: 'drop' },
];

const ICMP: Row[] = [
  essential('allow', 'dhcp', 'an answer', p.ipv4({ to: '255.255.255.255' }), p.udp({ from: 67, to: 68 })),
  essential('allow', 'dhcp', 'v6', p.ipv6({ from: 'fe80::1', to: 'fe80::2' }), p.udp({ from: 547, to: 546 })),
  byDefault('DHCPv6 from afar', p.ipv6({ to: 'fe80::2' }), p.udp({ from: 547, to: 546 })),
  byDefault('DHCPv6 to afar', p.ipv6({ from: 'fe80::1' }), p.udp({ from: 547, to: 546 })),
  byDefault('a DHCP question', p.ipv4(), p.udp({ from: 68, to: 67 })),
  byDefault('from another port', p.ipv4(), p.udp({ from: 66, to: 68 })),
  byDefault('DHCPv6 ports over IPv4', p.ipv4(), p.udp({ from: 547, to: 546 })),
  byDefault('TCP with the ports of DHCP', p.ipv4(), p.tcp({ from: 67, to: 68 })),
  { ...byDefault('without the tier', p.ipv4(), p.udp({ from: 67, to: 68 })), icmp: 'rules' },
  essential('allow', 'icmp-echo', 'IPv4', p.ipv4(), p.icmp()),
  essential('allow', 'icmp-echo', 'IPv6', p.ipv6(), p.icmpv6()),
  byDefault('an echo reply', p.ipv4(), p.icmp({ type: 0 })),
  byDefault('an IPv6 echo-request in IPv4', p.ipv4(), p.icmp({ type: 128 })),
  byDefault('a redirect', p.ipv4(), p.icmp({ type: 5, quote: [OURS4, fromPort(8000)] })),
  essential('allow', 'icmp-error', 'too big', p.ipv4(), p.icmp({ type: 3, code: 4, quote: [OURS4, fromPort(8000)] })),
  essential('allow', 'icmp-error', 'on SSH', p.ipv4(), p.icmp({ type: 11, quote: [OURS4, fromPort(22)] })),
  essential(
    ...(['allow', 'icmp-error', '8 bytes of transport', p.ipv4()] as const),
    p.icmp({ type: 3, code: 1, quote: [OURS4, fromPort(8000)], quoteBytes: 28 }),
  ),
  essential('allow', 'icmp-error', 'v6 too big', p.ipv6(), p.icmpv6({ type: 2, quote: [OURS6, fromPort(8000)] })),
  essential(
    ...(['allow', 'icmp-error', 'v6, the quote has options', p.ipv6()] as const),
    p.icmpv6({ type: 1, quote: [OURS6, p.hopByHop(), ...options(2), fromPort(8000)] }),
  ),
  essential('deny', 'icmp-unrelated', 'a denied port', p.ipv4(), p.icmp({ type: 3, quote: [OURS4, fromPort(14141)] })),
  essential('deny', 'icmp-unrelated', 'the default', p.ipv6(), p.icmpv6({ type: 3, quote: [OURS6, fromPort(9)] })),
  essential(
    ...(['deny', 'icmp-unrelated', 'a quote that is not turned round', p.ipv4()] as const),
    p.icmp({ type: 3, quote: [p.ipv4(), p.tcp(WEB)] }),
  ),
  essential(
    ...(['deny', 'icmp-unrelated', 'quotes a later fragment', p.ipv4()] as const),
    p.icmp({
      ...{ type: 3, quote: [p.ipv4({ from: p.DEFAULTS.destination4, fragmentOffset: 8 }), fromPort(8000)] },
    }),
  ),
  essential(
    ...(['deny', 'icmp-unrelated', 'quotes the other family', p.ipv4()] as const),
    p.icmp({ type: 3, quote: [p.ipv4({ version: 6 }), fromPort(8000)] }),
  ),
  essential(
    ...(['deny', 'icmp-unrelated', 'quotes nine headers', p.ipv6()] as const),
    p.icmpv6({ type: 1, quote: [OURS6, ...options(9), fromPort(8000)] }),
  ),
  essential(
    ...(['deny', 'icmp-quote-short', '7 bytes of transport', p.ipv4()] as const),
    p.icmp({ type: 3, quote: [OURS4, fromPort(8000)], quoteBytes: 27 }),
  ),
  essential(
    ...(['deny', 'icmp-quote-short', 'half an IP header', p.ipv4()] as const),
    p.icmp({ type: 12, quote: [OURS4, fromPort(8000)], quoteBytes: 19 }),
  ),
  essential('deny', 'icmp-quote-short', 'nothing quoted', p.ipv6(), p.icmpv6({ type: 1 })),
  essential(
    ...(['deny', 'icmp-quote-short', 'v6, options and no transport', p.ipv6()] as const),
    p.icmpv6({ type: 4, quote: [OURS6, ...options(1), fromPort(8000)], quoteBytes: 55 }),
  ),
  essential('deny', 'icmp-quote-error', 'v4', p.ipv4(), p.icmp({ type: 3, quote: [OURS4, p.icmp({ type: 11 })] })),
  essential('deny', 'icmp-quote-error', 'v6', p.ipv6(), p.icmpv6({ type: 1, quote: [OURS6, p.icmpv6({ type: 2 })] })),
  essential(
    ...(['allow', 'icmp-error', 'about a protocol without ports', p.ipv4()] as const),
    p.icmp({ type: 3, quote: [OURS4, p.raw('GRE', 47), p.raw(new Uint8Array(8))] }),
  ),
  { ...byDefault('echo, icmp: rules', p.ipv4(), p.icmp()), icmp: 'rules' },
  {
    ...byDefault('an error, icmp: rules', p.ipv4(), p.icmp({ type: 3, quote: [OURS4, fromPort(8000)] })),
    icmp: 'rules',
  },
  {
    ...link('allow', 'neighbour-discovery', 'icmp: rules', p.ipv6({ hopLimit: 255 }), p.neighbour()),
    icmp: 'rules',
  },
];

const ROWS: Row[] = [
  rule('allow', 'web', 'IPv4', p.ipv4(), p.tcp(WEB)),
  rule('allow', 'web', 'IPv6', p.ipv6(), p.tcp(WEB)),
  rule('allow', 'web', 'one VLAN tag', p.vlan(), p.ipv4(), p.tcp(WEB)),
  rule('allow', 'web', 'two VLAN tags', p.vlan({ kind: 'ad' }), p.vlan(), p.ipv6(), p.tcp(WEB)),
  rule('allow', 'web', 'IPv4 options', p.ipv4({ options: new Uint8Array(40).fill(1) }), p.tcp(WEB)),
  rule('allow', 'web', 'TCP options', p.ipv4(), p.tcp({ ...WEB, options: new Uint8Array(40).fill(1) })),
  rule('allow', 'web', 'padding behind the packet', p.ethernet({ padTo: 64 }), p.ipv4(), p.tcp(WEB)),
  rule('allow', 'web', 'hop-by-hop', p.ipv6(), p.hopByHop(), p.tcp(WEB)),
  rule('allow', 'web', 'an authentication header', p.ipv6(), p.authentication(), p.tcp(WEB)),
  rule('allow', 'web', 'a type 2 routing header', p.ipv6(), p.routing({ type: 2 }), p.tcp(WEB)),
  rule('allow', 'web', 'eight headers', p.ipv6(), p.hopByHop(), ...options(7), p.tcp(WEB)),
  rule('deny', 'shut', 'TCP', p.ipv4(), p.tcp(SHUT)),
  rule('deny', 'shut', 'UDP', p.ipv6(), p.udp(SHUT)),
  rule('allow', 'gre', 'no ports', p.ipv4(), p.raw('GRE', 47)),
  rule('allow', 'sctp', 'SCTP', p.ipv6(), p.sctp({ to: 36412 })),
  ssh('IPv4', p.ipv4(), p.tcp({ to: 22 })),
  ssh('IPv6', p.ipv6(), p.tcp({ to: 22 })),
  byDefault('UDP to the SSH port', p.ipv4(), p.udp({ to: 22 })),
  byDefault('another port', p.ipv4(), p.tcp({ to: 8001 })),
  byDefault(
    'an authentication header in IPv4 is a protocol',
    p.ipv4(),
    p.authentication({ nextHeader: 6 }),
    p.tcp(WEB),
  ),
  byDefault('no next header', p.ipv6()),
];

const { destination4: SHARED4, destination6: SHARED6 } = p.DEFAULTS;
const SERVERS = `servers:
  shop:
    address: [${SHARED4}, "${SHARED6}"]
    ports: 9000-9099
    ssh: { port: 9022, from: anyone }
    rules: [{ id: web, action: allow, port: 9001 }, { id: shut, action: deny, port: 9002 }]
  game: { address: [${SHARED4}, "${SHARED6}"], ports: [9100, 9200], udp: on, default: allow, rules: [deny 9100] }
`;
const ofServer = (row: Row): Row => ({ ...row, servers: SERVERS });
const udpOff = (what: string, ...layers: p.Layer[]): Row => ({
  ...{ what, frame: p.compose(...layers), tier: '6', verdict: 'deny', reason: 'udp-off', at: 'shop/udp-off' },
});

const OF_SERVERS: Row[] = [
  ...[p.ipv4(), p.ipv6()].flatMap((ip, i): Row[] => {
    const family = `IPv${i === 0 ? 4 : 6}`;
    return [
      rule('allow', 'shop/web', family, ip, p.tcp({ to: 9001 })),
      rule('deny', 'shop/shut', family, ip, p.tcp({ to: 9002 })),
      { ...ssh(family, ip, p.tcp({ to: 9022 })), at: 'shop/ssh' },
      udpOff(family, ip, p.udp({ to: 9001 })),
      { ...byDefault(family, ip, p.tcp({ to: 9099 })), at: 'shop/default' },
      rule('deny', 'game/deny-9100', family, ip, p.udp({ to: 9100 })),
      { ...byDefault(family, ip, p.udp({ to: 9200 })), at: 'game/default', verdict: 'allow' },
      byDefault(`beside servers, ${family}`, ip, p.tcp({ to: 9101 })),
    ];
  }),
  rule('allow', 'web', 'inbound beside servers', p.ipv4(), p.tcp(WEB)),
  rule('allow', 'gre', 'no ports, so of inbound', p.ipv4(), p.raw('GRE', 47)),
  essential(
    ...(['allow', 'icmp-error', 'about what a server lets in', p.ipv4()] as const),
    p.icmp({ type: 3, quote: [OURS4, fromPort(9001)] }),
  ),
  essential(
    ...(['deny', 'icmp-unrelated', 'about what a server refuses', p.ipv4()] as const),
    p.icmp({ type: 3, quote: [OURS4, fromPort(9002)] }),
  ),
].map(ofServer);

const TABLE = [...SANITY, ...LINK, ...FRAGMENTS, ...ICMP, ...ROWS, ...OF_SERVERS];

/** A program that enforces and its dry twin, over one image. */
class Pair {
  private constructor(
    readonly image: Image,
    private readonly program: BpfProgram,
    private readonly twin: BpfProgram,
    private readonly maps: { image: BpfMap; counters: BpfMap; twinCounters: BpfMap; result: BpfMap },
  ) {}

  static async load(image: Image, bytes: Uint8Array = image.bytes): Promise<Pair> {
    const switches = { real: datapathSwitches(image, false), dry: datapathSwitches(image, true) };
    const { image: map, counters } = createGenerationMaps(kernel(), switches.real);
    const { image: unused, counters: twinCounters } = createGenerationMaps(kernel(), switches.dry);
    unused.close();
    const result = createResultMap(kernel());
    const region = map.mmap({ writable: true });
    await region.write(0, bytes);
    region.close();
    map.freeze();
    const { program } = await loadProgram(kernel(), 'slc_ingress', switches.real, { image: map, counters });
    const dry = { image: map, counters: twinCounters, result };
    const { program: twin } = await loadProgram(kernel(), 'slc_ingress', switches.dry, dry);
    return new Pair(image, program, twin, { image: map, counters, twinCounters, result });
  }

  /** Runs the enforcing program: what it returned, and by how much every counter slot went up. */
  async enforce(frame: Uint8Array): Promise<{ returned: number; counted: Map<number, CounterFigures> }> {
    const before = readCounters(this.maps.counters);
    const { returnValue } = await this.program.testRun({ frame });
    const counted = new Map<number, CounterFigures>();
    for (const [slot, after] of readCounters(this.maps.counters)) {
      const old = before.get(slot) ?? { packets: 0n, bytes: 0n };
      if (after.packets === old.packets && after.bytes === old.bytes) continue;
      counted.set(slot, { ...after, packets: after.packets - old.packets, bytes: after.bytes - old.bytes });
    }
    return { returned: returnValue, counted };
  }

  /** Runs the twin: its answer, and that it left every counter alone. */
  async ask(
    frame: Uint8Array,
  ): Promise<{ returned: number; action: number; tier: number; reason: number; word: number }> {
    const before = readCounters(this.maps.counters);
    const { returnValue } = await this.twin.testRun({ frame });
    expect(readCounters(this.maps.counters)).toEqual(before);
    expect(readCounters(this.maps.twinCounters).size).toBe(0);
    const { fields } = LAYOUT.slc_result;
    const record = Buffer.from(this.maps.result.lookup(new Uint8Array(4))!);
    return {
      returned: returnValue,
      action: record.readUInt32LE(fields.action.offset),
      tier: record.readUInt8(fields.tier.offset),
      reason: record.readUInt8(fields.reason.offset),
      word: record.readUInt32LE(fields.word.offset),
    };
  }

  close(): void {
    this.program.close();
    this.twin.close();
    for (const map of Object.values(this.maps)) map.close();
  }
}

/** Settings of a row, as lines of the ruleset. */
const settingsOf = ({ icmp, fragments, servers }: Pick<Row, 'icmp' | 'fragments' | 'servers'>): string =>
  `${servers ?? ''}${icmp ? `icmp: ${icmp}\n` : ''}${fragments ? `fragments: ${fragments}\n` : ''}`;
const rulesets = new Map<string, Ruleset>();
const pairs = new Map<string, Pair>();
/** The same rules at the level that tells of every packet and holds none back. */
const stands = new Map<string, EventStand>();

beforeAll(async () => {
  for (const settings of new Set(TABLE.map(settingsOf))) {
    const { ruleset, diagnostics } = parseRuleset(`${RULES}${settings}`, { file: 'tiers.yaml' });
    if (!ruleset) throw new Error(JSON.stringify(diagnostics));
    rulesets.set(settings, ruleset);
    pairs.set(settings, await Pair.load(compile(ruleset)));
    stands.set(settings, await EventStand.load(`${RULES}${settings}logging: full\n`));
  }
});

afterAll(() => {
  for (const each of [...pairs.values(), ...stands.values()]) each.close();
});

/** What is told of it: ufw's word, the rule and the reason; nothing of ARP and other link protocols that pass. */
function eventOf({ verdict, reason, at }: Row): string[] {
  if (reason === 'arp' || reason === 'link-protocol') return [];
  const id = at?.split('/').at(-1);
  if (reason === 'default' || reason === 'udp-off')
    return [`${verdict === 'deny' ? 'BLOCK' : 'ALLOW'} ${id} ${reason}`];
  return [`${at === undefined && verdict === 'deny' ? 'AUDIT INVALID' : 'AUDIT'} ${id ?? '-'} ${reason}`];
}

const named = TABLE.map(
  (row) => [`tier ${row.tier} ${row.at ?? row.reason}${row.servers ? ', servers' : ''}: ${row.what}`, row] as const,
);

test.each(named)('%s', async (_name, row) => {
  const { frame, tier, verdict, reason, at, ...settings } = row;
  const pair = pairs.get(settingsOf(settings))!;
  const where = p.describeFrame(frame);
  expect({ where, ...evaluate(rulesets.get(settingsOf(settings))!, frame) }).toMatchObject({
    where,
    tier,
    verdict,
    reason,
  });

  const action = verdict === 'allow' ? XDP_PASS : XDP_DROP;
  const slot =
    at === undefined ? REASON_CODE[reason] : pair.image.ranks.find((entry) => nameOfEntry(entry) === at)!.rank;
  const { returned, counted } = await pair.enforce(frame);
  expect({ where, returned }).toEqual({ where, returned: action });
  expect([...counted.keys()]).toEqual([slot]);
  const { packets, bytes, lastHitJiffies } = counted.get(slot)!;
  expect({ packets, bytes }).toEqual({ packets: 1n, bytes: BigInt(frame.length) });
  expect(lastHitJiffies).toBeGreaterThan(0n);

  const { word, ...answer } = await pair.ask(frame);
  expect(answer).toEqual({ returned: action, action, tier: TIER_CODE[tier], reason: REASON_CODE[reason] });
  // Counters of status bear the same number.
  if (at === undefined) expect([tierOfReason(reason, 'in'), word]).toEqual([tier, SLC_WORD_NONE]);
  else expect(word >>> 8).toBe(slot);

  expect((await stands.get(settingsOf(settings))!.tell(frame)).map(gist)).toEqual(eventOf(row));
});

test('names are told apart', () => {
  expect(new Set(named.map(([name]) => name)).size).toBe(named.length);
});

/** A frame of 13 bytes reaches no XDP program: the kernel's own floor is an Ethernet header. */
test('tier 1 too-short: the kernel hands over no such frame', async () => {
  const frame = new Uint8Array(13);
  expect(evaluate(rulesets.get('')!, frame)).toMatchObject({
    tier: '1',
    verdict: 'deny',
    reason: 'too-short',
  });
  await expect(pairs.get('')!.enforce(frame)).rejects.toThrow();
});

test.each([
  ['a root outside the image', (image: DataView) => image.setUint32(64, 0x00ff_ffff, true)],
  [
    'trees outside the image',
    (image: DataView) => {
      const root = image.getUint32(64, true) * 8;
      for (let at = root; at < root + 48; at += 8) image.setBigUint64(at, 0x7fff_ffffn, true);
    },
  ],
  [
    'leaves outside the image',
    (image: DataView) => {
      const root = image.getUint32(64, true) * 8;
      for (let at = root; at < root + 48; at += 8)
        image.setBigUint64(at, (2n << 62n) | (1n << 56n) | 0x7fff_ffffn, true);
    },
  ],
] as const)('image-fault: %s drops, counted as that', async (_what, corrupt) => {
  const image = compile(rulesets.get('')!);
  const bytes = Uint8Array.from(image.bytes);
  corrupt(new DataView(bytes.buffer));
  const pair = await Pair.load(image, bytes);
  try {
    for (const network of [p.ipv4(), p.ipv6()]) {
      const frame = p.compose(network, p.tcp(WEB));
      const { returned, counted } = await pair.enforce(frame);
      expect({ returned, slots: [...counted.keys()] }).toEqual({
        returned: XDP_DROP,
        slots: [REASON_CODE['image-fault']],
      });
      expect(await pair.ask(frame)).toMatchObject({ returned: XDP_DROP, reason: REASON_CODE['image-fault'] });
    }
  } finally {
    pair.close();
  }
});
