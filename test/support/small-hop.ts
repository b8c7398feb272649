/** A server behind a hop whose link is smaller than the filtered one: wire routes, the link to `far` takes 1,300 bytes. */
import type { EdgeHost } from './edge-host';
import { NEIGHBOUR } from './edge-host';
import { joinByVeth, Namespace } from './netns';
import { must } from './process';

export const SMALL_MTU = 1300;
export const FAR = { ipv4: '198.51.100.2', ipv6: '2001:db8:2::2' } as const;

/** Joins `far` to the host's neighbour, which routes between them. The caller destroys it. */
export function joinFar(host: EdgeHost, name: string): Namespace {
  const far = Namespace.create(name);
  joinByVeth(
    {
      ...{ namespace: host.wire, name: 'far', mac: '02:00:00:00:02:01' },
      addresses: ['198.51.100.1/24', '2001:db8:2::1/64'],
    },
    { namespace: far, name: 'eth0', mac: '02:00:00:00:02:02', addresses: [`${FAR.ipv4}/24`, `${FAR.ipv6}/64`] },
  );
  host.wire.ip(`link set far mtu ${SMALL_MTU}`);
  // far itself would take more, so that nobody learns the hop's size but from the hop.
  host.wire.setSysctls({ 'net/ipv4/ip_forward': '1', 'net/ipv6/conf/all/forwarding': '1' });
  far.ip('route add default via 198.51.100.1', 'route add default via 2001:db8:2::1');
  host.edge.ip(`route add 198.51.100.0/24 via ${NEIGHBOUR.ipv4}`, `route add 2001:db8:2::/64 via ${NEIGHBOUR.ipv6}`);
  return far;
}

/** Path MTU that the kernel of a namespace has learned towards an address; null where it knows none. */
export function learnedMtu(namespace: Namespace, to: string): number | null {
  const text = must(namespace.argv(['ip', 'route', 'get', to]));
  const found = /\bmtu (?:lock )?(\d+)/.exec(text);
  return found ? Number(found[1]) : null;
}
