/**
 * The network of the walk-throughs. `edge` is the filtered host; whoever wants to reach it comes through one link, its
 * `eth0`, by way of the router `wire`, so that `eth0` sees the clients' own addresses:
 *
 *     office 203.0.113.50  2001:db8:7::50 ┐
 *     home   78.168.1.2    2001:db8:9::2  ├─ wire ── eth0 of edge 192.0.2.10  2001:db8:1::10
 *     phone  198.51.100.9  2001:db8:a::9  ┘
 */
import { bare, joinByVeth, leftovers, Namespace, reapStale } from './netns';

export const EDGE = { ipv4: '192.0.2.10', ipv6: '2001:db8:1::10', link: 'eth0' } as const;

export const CLIENTS = {
  office: { ipv4: '203.0.113.50', ipv6: '2001:db8:7::50' },
  home: { ipv4: '78.168.1.2', ipv6: '2001:db8:9::2' },
  phone: { ipv4: '198.51.100.9', ipv6: '2001:db8:a::9' },
} as const;

export type ClientName = keyof typeof CLIENTS;
/** Servers behind NAT, on links of their own: 10.0.17.2 and so on. Only some walk-throughs have them. */
export const INNER = { 'gpu-17': '10.0.17', 'gpu-18': '10.0.18', 'gpu-19': '10.0.19' } as const;
export type InnerName = keyof typeof INNER;
export type HostName = 'edge' | 'wire' | ClientName;

/** Gateway addresses of each client's network, on the router. */
const GATEWAYS: Record<ClientName, readonly [string, string]> = {
  office: ['203.0.113.1/24', '2001:db8:7::1/64'],
  home: ['78.168.0.1/16', '2001:db8:9::1/64'],
  phone: ['198.51.100.1/24', '2001:db8:a::1/64'],
};

export const EDGE_MAC = '02:00:00:00:00:02';
/** What frames that reach `eth0` of edge carry as their source. */
export const WIRE_MAC = '02:00:00:00:00:01';
/** The router's link towards edge: the peer of edge's `eth0`. */
export const WIRE_LINK = 'to-edge';

export interface EdgeTopology {
  readonly edge: Namespace;
  /** The router; its link `to-edge` is the peer of edge's `eth0`, where packets are counted and frames are sent. */
  readonly wire: Namespace;
  readonly office: Namespace;
  readonly home: Namespace;
  readonly phone: Namespace;
  /** Set where they were asked for. */
  readonly inner?: Readonly<Record<InnerName, Namespace>>;
  /** Removes everything; a second call does nothing. Throws when something stayed. */
  destroy(): void;
}

/** Makes the network; `scope` tells several of one process apart. What dead processes left is removed first. */
export function edgeTopology(scope = 'net', options: { readonly inner?: boolean } = {}): EdgeTopology {
  reapStale();
  const made: Namespace[] = [];
  const destroy = (): void => {
    made.splice(0).forEach((namespace) => namespace.destroy());
    const left = leftovers().filter((name) => name.includes(`-${scope}-`));
    if (left.length > 0) throw new Error(`namespaces left behind: ${left.join(', ')}`);
  };
  const create = (name: HostName | InnerName): Namespace => {
    const namespace = Namespace.create(`${scope}-${name}`);
    made.push(namespace);
    return namespace;
  };
  try {
    const [edge, wire] = [create('edge'), create('wire')];
    const [office, home, phone] = [create('office'), create('home'), create('phone')];
    wire.setSysctls({ 'net/ipv4/ip_forward': '1', 'net/ipv6/conf/all/forwarding': '1' });
    joinByVeth(
      { namespace: edge, name: EDGE.link, mac: EDGE_MAC, addresses: [`${EDGE.ipv4}/24`, `${EDGE.ipv6}/64`] },
      { namespace: wire, name: WIRE_LINK, mac: WIRE_MAC, addresses: ['192.0.2.1/24', '2001:db8:1::1/64'] },
    );
    edge.ip(`route add default via 192.0.2.1`, `route add ::/0 via 2001:db8:1::1`);
    for (const [index, [name, namespace]] of Object.entries({ office, home, phone }).entries()) {
      const client = name as ClientName;
      const [gateway4, gateway6] = GATEWAYS[client];
      const { ipv4, ipv6 } = CLIENTS[client];
      const digit = 10 + index;
      joinByVeth(
        {
          namespace,
          name: 'eth0',
          mac: `02:00:00:00:${digit}:02`,
          addresses: [`${ipv4}/${gateway4.split('/')[1]}`, `${ipv6}/64`],
        },
        { namespace: wire, name: `to-${name}`, mac: `02:00:00:00:${digit}:01`, addresses: [gateway4, gateway6] },
      );
      namespace.ip(`route add default via ${bare(gateway4)}`, `route add ::/0 via ${bare(gateway6)}`);
    }
    return { edge, wire, office, home, phone, destroy, ...(options.inner && { inner: joinInner(edge, create) }) };
  } catch (error) {
    destroy();
    throw error;
  }
}

/** Servers behind edge, each on a link of its own; NAT is for whoever wants it. */
function joinInner(edge: Namespace, create: (name: InnerName) => Namespace): Record<InnerName, Namespace> {
  edge.setSysctls({ 'net/ipv4/ip_forward': '1' });
  const join = (name: InnerName, index: number): Namespace => {
    const namespace = create(name);
    joinByVeth(
      { namespace: edge, name, mac: `02:00:00:00:${20 + index}:01`, addresses: [`${INNER[name]}.1/24`] },
      { namespace, name: 'eth0', mac: `02:00:00:00:${20 + index}:02`, addresses: [`${INNER[name]}.2/24`] },
    );
    namespace.ip(`route add default via ${INNER[name]}.1`);
    return namespace;
  };
  return { 'gpu-17': join('gpu-17', 0), 'gpu-18': join('gpu-18', 1), 'gpu-19': join('gpu-19', 2) };
}
