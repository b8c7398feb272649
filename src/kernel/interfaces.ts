/** The interfaces of a network namespace, with what sluice wants to know of each. */
import { type AddressWords, type Family, formatAddress } from '../model/prefix';
import type { Kernel } from './kernel';
import { netlinkAttributes, netlinkMessages, netlinkNumber, netlinkText } from './rtnetlink';

export interface InterfaceAddress {
  readonly family: Family;
  readonly words: AddressWords;
  /** Canonical text, such as `192.0.2.1`. */
  readonly text: string;
  /** Length of its network's prefix. */
  readonly length: number;
}

export interface Interface {
  readonly index: number;
  readonly name: string;
  readonly mtu: number;
  readonly up: boolean;
  readonly loopback: boolean;
  /** Whether its frames begin with an Ethernet header; those of tunnels (tun, WireGuard, PPP …) begin with the IP header. */
  readonly ethernet: boolean;
  /** `veth`, `wireguard`, `bridge` …; absent for physical devices. */
  readonly kind?: string;
  /** Colon-separated; absent where the device has none. */
  readonly mac?: string;
  readonly addresses: readonly InterfaceAddress[];
  /** Whether a default route (either family, main table) leaves through it. */
  readonly defaultRoute: boolean;
  /** Whether any route of any table leaves through it by a gateway. */
  readonly gateway: boolean;
  /** The XDP program attached to it, if any. */
  readonly xdp: { readonly mode: 'native' | 'generic' | 'offload'; readonly programId: number } | null;
}

const AF_UNSPEC = 0;
const AF_INET = 2;
const AF_INET6 = 10;
const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const RTM_NEWADDR = 20;
const RTM_GETADDR = 22;
const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;

/** Sizes of ifinfomsg, ifaddrmsg, rtmsg, rtnexthop. */
const IFINFOMSG = 16;
const IFADDRMSG = 8;
const RTMSG = 12;
const RTNEXTHOP = 8;

/** Link types of ifinfomsg, linux/if_arp.h, whose frames begin with an Ethernet header. */
const ETHERNET_TYPES: readonly number[] = [1 /* ARPHRD_ETHER */, 772 /* ARPHRD_LOOPBACK */];

const IFF_UP = 1;
const IFF_LOOPBACK = 8;
const IFLA = { address: 1, name: 3, mtu: 4, linkinfo: 18, xdp: 43 } as const;
const IFLA_INFO_KIND = 1;
const IFLA_XDP = { attached: 2, id: 4, nativeId: 5, genericId: 6, offloadId: 7 } as const;
const IFA = { address: 1, local: 2 } as const;
const RTA = { oif: 4, gateway: 5, multipath: 9, table: 15, via: 18 } as const;
const RT_TABLE_MAIN = 254;
const RTN_UNICAST = 1;

/** Lists the interfaces by index. Four dumps, so an interface that comes or goes meanwhile may lack its addresses. */
export async function listInterfaces(kernel: Kernel, netns?: string): Promise<Interface[]> {
  const dump = (type: number, family = AF_UNSPEC): Promise<Uint8Array> => kernel.netlinkDump({ type, family, netns });
  const [links, addresses, ...routes] = await Promise.all([
    dump(RTM_GETLINK),
    dump(RTM_GETADDR),
    dump(RTM_GETROUTE, AF_INET),
    dump(RTM_GETROUTE, AF_INET6),
  ]);
  return decodeInterfaces(links, addresses, routes);
}

/** The same without addresses and routes, by one dump: routes can be many. */
export async function listLinks(kernel: Kernel, netns?: string): Promise<Pick<Interface, 'index' | 'name' | 'xdp'>[]> {
  const links = await kernel.netlinkDump({ type: RTM_GETLINK, family: AF_UNSPEC, netns });
  return decodeInterfaces(links, new Uint8Array(), []);
}

/** The same from recorded dumps of links, addresses and routes. */
export function decodeInterfaces(links: Uint8Array, addresses: Uint8Array, routes: readonly Uint8Array[]): Interface[] {
  const byIndex = decodeAddresses(addresses);
  const leaving = routes.flatMap((dump) => [...unicastRoutes(dump)]);
  const interfaces: Interface[] = [];
  for (const { type, body } of netlinkMessages(links)) {
    if (type !== RTM_NEWLINK || body.length < IFINFOMSG) continue;
    const linkType = body.readUInt16LE(2);
    const index = body.readInt32LE(4);
    const flags = body.readUInt32LE(8);
    const attributes = netlinkAttributes(body.subarray(IFINFOMSG));
    const name = attributes.get(IFLA.name);
    if (name === undefined) continue;
    const info = attributes.get(IFLA.linkinfo);
    const kind = info === undefined ? undefined : netlinkAttributes(info).get(IFLA_INFO_KIND);
    const mac = attributes.get(IFLA.address);
    interfaces.push({
      index,
      name: netlinkText(name),
      mtu: netlinkNumber(attributes.get(IFLA.mtu)) ?? 0,
      up: (flags & IFF_UP) !== 0,
      loopback: (flags & IFF_LOOPBACK) !== 0,
      ethernet: ETHERNET_TYPES.includes(linkType),
      ...(kind !== undefined && { kind: netlinkText(kind) }),
      ...(mac?.some((byte) => byte !== 0) === true && { mac: formatMac(mac) }),
      addresses: byIndex.get(index) ?? [],
      defaultRoute: leaving.some((route) => route.ifindex === index && route.isDefault),
      gateway: leaving.some((route) => route.ifindex === index && route.gateway),
      xdp: decodeXdp(attributes.get(IFLA.xdp)),
    });
  }
  return interfaces.sort((a, b) => a.index - b.index);
}

function formatMac(bytes: Buffer): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** A driver and an offloaded program can be attached together; native is the one that sees what the NIC leaves. */
function decodeXdp(bytes: Buffer | undefined): Interface['xdp'] {
  if (bytes === undefined) return null;
  const attributes = netlinkAttributes(bytes);
  const attached = attributes.get(IFLA_XDP.attached)?.[0] ?? 0;
  const any = netlinkNumber(attributes.get(IFLA_XDP.id));
  const modes = [
    { mode: 'native', id: netlinkNumber(attributes.get(IFLA_XDP.nativeId)), single: 1 },
    { mode: 'generic', id: netlinkNumber(attributes.get(IFLA_XDP.genericId)), single: 2 },
    { mode: 'offload', id: netlinkNumber(attributes.get(IFLA_XDP.offloadId)), single: 3 },
  ] as const;
  for (const { mode, id, single } of modes) {
    const programId = id ?? (attached === single ? any : undefined);
    if (programId !== undefined) return { mode, programId };
  }
  return null;
}

function decodeAddresses(dump: Uint8Array): Map<number, InterfaceAddress[]> {
  const byIndex = new Map<number, InterfaceAddress[]>();
  for (const { type, body } of netlinkMessages(dump)) {
    if (type !== RTM_NEWADDR || body.length < IFADDRMSG) continue;
    const family = body[0] === AF_INET ? 4 : body[0] === AF_INET6 ? 6 : undefined;
    const attributes = netlinkAttributes(body.subarray(IFADDRMSG));
    // On point-to-point links IFA_ADDRESS is the other end.
    const address = attributes.get(IFA.local) ?? attributes.get(IFA.address);
    if (family === undefined || address?.length !== (family === 4 ? 4 : 16)) continue;
    const words = Array.from({ length: address.length / 4 }, (_, i) => address.readUInt32BE(4 * i));
    const index = body.readUInt32LE(4);
    const list = byIndex.get(index) ?? [];
    list.push({ family, words, text: formatAddress(family, words), length: body[1] });
    byIndex.set(index, list);
  }
  return byIndex;
}

/** A route's way out. */
interface Leaving {
  readonly ifindex: number;
  /** A default route of the main table. */
  readonly isDefault: boolean;
  readonly gateway: boolean;
}

/** Ways out of unicast routes, each kind of each interface once: a machine may have a million routes. */
function unicastRoutes(dump: Uint8Array): Iterable<Leaving> {
  const found = new Map<string, Leaving>();
  const add = (leaving: Leaving): unknown => found.set(Object.values(leaving).join(), leaving);
  for (const { type, body } of netlinkMessages(dump)) {
    if (type !== RTM_NEWROUTE || body.length < RTMSG || body[7] !== RTN_UNICAST) continue; // route type
    const attributes = netlinkAttributes(body.subarray(RTMSG));
    const isMain = (netlinkNumber(attributes.get(RTA.table)) ?? body[4]) === RT_TABLE_MAIN;
    const isDefault = body[1] === 0 && isMain; // destination length
    const gateway = attributes.has(RTA.gateway) || attributes.has(RTA.via);
    const single = netlinkNumber(attributes.get(RTA.oif));
    if (single !== undefined) add({ ifindex: single, isDefault, gateway });
    const hops = attributes.get(RTA.multipath) ?? Buffer.alloc(0);
    for (let at = 0; at + RTNEXTHOP <= hops.length;) {
      const length = hops.readUInt16LE(at);
      if (length < RTNEXTHOP) break;
      // Each hop has attributes of its own; nobody spreads packets over neighbours without gateways.
      add({ ifindex: hops.readInt32LE(at + 4), isDefault, gateway: true });
      at += (length + 3) & ~3;
    }
  }
  return found.values();
}
