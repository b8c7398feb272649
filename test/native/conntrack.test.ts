/** What the kernel tracks on a router, asked by netlink and read from its file: two witnesses of the same entries. */
import { KernelError, UnsupportedError } from '../../src/kernel/errors';
import type { Kernel } from '../../src/kernel/kernel';
import { listTracked, type TrackedConnection } from '../../src/kernel/conntrack';
import { kernel } from '../../src/kernel/native';
import { formatAddress } from '../../src/model/prefix';
import { ping, serve, slowDownload, udpEcho } from '../support/clients';
import { joinByVeth, Namespace } from '../support/netns';
import { must } from '../support/process';

const spaces: Namespace[] = [];
let router: Namespace;

beforeAll(async () => {
  const [inner, outer] = ['tracked-inner', 'tracked-outer'].map((name) => Namespace.create(name));
  router = Namespace.create('tracked-router');
  spaces.push(inner, outer, router);
  joinByVeth(
    ...([
      { namespace: router, name: 'lan', mac: '02:00:00:00:02:01', addresses: ['10.0.0.1/24', 'fd00:10::1/64'] },
      { namespace: inner, name: 'eth0', mac: '02:00:00:00:02:02', addresses: ['10.0.0.2/24', 'fd00:10::2/64'] },
    ] as const),
  );
  joinByVeth(
    ...([
      { namespace: router, name: 'wan', mac: '02:00:00:00:02:03', addresses: ['192.0.2.1/24', '2001:db8:1::1/64'] },
      { namespace: outer, name: 'eth0', mac: '02:00:00:00:02:04', addresses: ['192.0.2.2/24', '2001:db8:1::2/64'] },
    ] as const),
  );
  inner.ip('route add default via 10.0.0.1', 'route add default via fd00:10::1');
  outer.ip('route add default via 192.0.2.1', 'route add default via 2001:db8:1::1');
  router.setSysctls({ 'net/ipv4/ip_forward': '1', 'net/ipv6/conf/all/forwarding': '1' });
  const rules = `
table ip nat {
  chain post { type nat hook postrouting priority srcnat
    oifname "wan" masquerade random
  }
}
table inet seen {
  chain forward { type filter hook forward priority filter
    ct state invalid drop
  }
}`;
  must(router.argv(['nft', '-f', '-']), { input: rules });
  await serve(outer, ['http:8080', 'udp:53']);
  await slowDownload(inner, '192.0.2.2', 8080, 60);
  await slowDownload(inner, '2001:db8:1::2', 8080, 60);
  expect(await udpEcho(inner, '192.0.2.2', 53)).toBe(true);
  expect(await udpEcho(inner, '2001:db8:1::2', 53)).toBe(true);
  expect(await ping(inner, '192.0.2.2', 1)).toBe(1);
  // Nobody answers this one.
  const mute = `
table ip mute {
  chain in { type filter hook input priority filter
    tcp dport 9 drop
  }
}`;
  must(outer.argv(['nft', '-f', '-']), { input: mute });
  await inner.run(['nc', '-z', '-w', '1', '192.0.2.2', '9']);
});

afterAll(() => spaces.forEach((space) => space.destroy()));

/** The kernel as it is, but for what a test says. */
function otherwise(what: Partial<Kernel>): Kernel {
  const real = kernel();
  return new Proxy(real, {
    get: (target, name) => {
      if (name in what) return what[name as keyof Kernel];
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

const hideFile: Kernel['readFileIn'] = (path, netns) =>
  path.endsWith('nf_conntrack')
    ? Promise.reject(new KernelError(`read "${path}"`, 'ENOENT'))
    : kernel().readFileIn(path, netns);
/** This kernel, if it hid the file, as many are built. */
const hidden = otherwise({ readFileIn: hideFile });
/** This kernel, if it had no netlink for tracked connections. */
const noAnswer = (): Promise<never> => Promise.reject(new UnsupportedError('ctnetlink', 'not asked here'));
const mute = otherwise({ conntrackDump: noAnswer });

const text = ({ family, protocol, state, original, reply }: TrackedConnection): string =>
  [original.source, original.destination, reply.source, reply.destination]
    .map(({ words, port }) => `${formatAddress(family, words)}/${port}`)
    .join(' ') + ` ${protocol} ${state}`;
const sorted = async (asked: Kernel): Promise<string[]> => (await listTracked(asked, router.path)).map(text).sort();

test('by netlink, where the file is hidden: both families, NAT, TCP states; what has no ports is left out', async () => {
  const served = ['9', '53', '8080'];
  const lines = await sorted(hidden);
  const others = lines.map((line) =>
    line.replace(/\/(\d+)/g, (port, number: string) => (served.includes(number) ? port : '/*')),
  );
  expect(others.sort()).toEqual([
    '10.0.0.2/* 192.0.2.2/53 192.0.2.2/53 192.0.2.1/* 17 ',
    '10.0.0.2/* 192.0.2.2/8080 192.0.2.2/8080 192.0.2.1/* 6 ESTABLISHED',
    '10.0.0.2/* 192.0.2.2/9 192.0.2.2/9 192.0.2.1/* 6 SYN_SENT',
    'fd00:10::2/* 2001:db8:1::2/53 2001:db8:1::2/53 fd00:10::2/* 17 ',
    'fd00:10::2/* 2001:db8:1::2/8080 2001:db8:1::2/8080 fd00:10::2/* 6 ESTABLISHED',
  ]);
});

test('the file says the same, and is read where nobody can be asked', async () => {
  expect(await sorted(mute)).toEqual(await sorted(hidden));
});

test('where nothing is tracked nobody is asked; where neither way is there nothing is known', async () => {
  const asked: string[] = [];
  const watched = otherwise({ conntrackDump: (netns) => (asked.push(netns ?? ''), kernel().conntrackDump(netns)) });
  const empty = Namespace.create('tracked-none');
  spaces.push(empty);
  expect(await listTracked(watched, empty.path)).toEqual([]);
  expect(asked).toEqual([]);
  const neither = otherwise({ conntrackDump: noAnswer, readFileIn: hideFile });
  expect(await listTracked(neither, router.path)).toEqual([]);
});
