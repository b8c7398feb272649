/**
 * A router with containers behind its filtered NIC, as Docker sets one up: masquerade for what they begin, DNAT for the
 * ports they publish. XDP comes before NAT, so rules name the published port, and the way around a firewall of the input
 * chain (DNAT sends the packet past it) is none here.
 */
import { httpGet, ping, serve, tcpConnect, udpEcho, udpTalk } from '../support/clients';
import { EdgeHost, HOST, NEIGHBOUR } from '../support/edge-host';
import { since } from '../support/ethtool';
import { expectSame, readFigures } from '../support/host-figures';
import { iperf, serveIperf } from '../support/iperf';
import { joinByVeth, Namespace } from '../support/netns';
import { must } from '../support/process';
import { FAR, joinFar, learnedMtu, SMALL_MTU } from '../support/small-hop';

const CONTAINER = { ipv4: '172.17.0.2', ipv6: 'fd00:17::2' } as const;
const ROUTER = { ipv4: '172.17.0.1', ipv6: 'fd00:17::1' } as const;
/** 8080 → 80 and 5201 are published and allowed; 8443 → 443 is published and not. */
const NAT = `
table ip nat {
  chain pre { type nat hook prerouting priority dstnat
    iifname "eth0" tcp dport 8080 dnat to ${CONTAINER.ipv4}:80
    iifname "eth0" tcp dport 8443 dnat to ${CONTAINER.ipv4}:443
    iifname "eth0" tcp dport 5201 dnat to ${CONTAINER.ipv4}:5201
  }
  chain post { type nat hook postrouting priority srcnat
    oifname "eth0" masquerade
  }
}
table ip6 nat {
  chain pre { type nat hook prerouting priority dstnat
    iifname "eth0" tcp dport 8080 dnat to [${CONTAINER.ipv6}]:80
    iifname "eth0" tcp dport 8443 dnat to [${CONTAINER.ipv6}]:443
    iifname "eth0" tcp dport 5201 dnat to [${CONTAINER.ipv6}]:5201
  }
  chain post { type nat hook postrouting priority srcnat
    oifname "eth0" masquerade
  }
}`;
/** What ufw does with default deny and 22 allowed: a filter of the input chain. */
const INPUT_FILTER = `
table inet ufw-like {
  chain input { type filter hook input priority filter; policy drop
    ct state established,related accept
    meta l4proto { icmp, ipv6-icmp } accept
    tcp dport 22 accept
  }
}`;
const RULES = `version: 1
interfaces: [eth0]
inbound:
  default: deny
  rules: [allow 8080/tcp, allow 5201/tcp]
`;
/** iperf3 ends when everything is sent, not when all of it has come; a path that loses what is large brings nothing. */
const MUCH = 300_000;
const FAMILIES = ['ipv4', 'ipv6'] as const;
const url = (address: string, port: number): string =>
  `http://${address.includes(':') ? `[${address}]` : address}:${port}/`;

let host: EdgeHost;
let container: Namespace | undefined;

beforeEach(async () => {
  host = await EdgeHost.open('containers');
  container = Namespace.create('containers-inner');
  joinByVeth(
    {
      ...{ namespace: host.edge, name: 'docker0', mac: '02:00:00:00:01:01' },
      addresses: [`${ROUTER.ipv4}/24`, `${ROUTER.ipv6}/64`],
    },
    {
      ...{ namespace: container, name: 'eth0', mac: '02:00:00:00:01:02' },
      addresses: [`${CONTAINER.ipv4}/24`, `${CONTAINER.ipv6}/64`],
    },
  );
  container.ip(`route add default via ${ROUTER.ipv4}`, `route add default via ${ROUTER.ipv6}`);
  host.edge.setSysctls({ 'net/ipv4/ip_forward': '1', 'net/ipv6/conf/all/forwarding': '1' });
  must(host.edge.argv(['nft', '-f', '-']), { input: NAT });
  host.write('rules.yaml', RULES);
});

afterEach(async () => {
  container?.destroy();
  await host.close();
});

/** Runs `traffic` on an enforcing host and compares frames sent, the driver's counters and ours. */
async function counted(traffic: () => Promise<void>): Promise<void> {
  const before = await readFigures(host);
  await traffic();
  const after = await readFigures(host);
  expect(since(before.driver, after.driver).packets).toBe(after.neighbour.sent - before.neighbour.sent);
  expectSame(before, after, 'allowed');
}

test('published ports are filtered by the published port, which a filter of the input chain does not do', async () => {
  await serve(container!, ['http:80', 'tcp:443']);
  must(host.edge.argv(['nft', '-f', '-']), { input: INPUT_FILTER });
  // The hole: nothing but 22 is allowed, and the published ports are open.
  for (const family of FAMILIES) expect(await tcpConnect(host.wire, HOST[family], 8443)).toBe('connected');
  must(host.edge.argv(['nft', 'delete', 'table', 'inet', 'ufw-like']));

  await host.must('enable');
  await counted(async () => {
    for (const family of FAMILIES) {
      expect(await httpGet(host.wire, url(HOST[family], 8080))).toBe('hello from port 80\n');
      expect(await tcpConnect(host.wire, HOST[family], 8443)).toBe('timeout');
      // The inner port is no way in either.
      expect(await tcpConnect(host.wire, HOST[family], 80)).toBe('timeout');
    }
  });
  // A row for the inner port opens nothing: rules see what is on the wire.
  host.write('rules.yaml', RULES.replace('allow 8080/tcp', 'allow 443/tcp'));
  await host.must('apply');
  await counted(async () => {
    for (const family of FAMILIES) {
      expect(await tcpConnect(host.wire, HOST[family], 8443)).toBe('timeout');
      expect(await tcpConnect(host.wire, HOST[family], 8080)).toBe('timeout');
    }
  });
});

test("containers' own connections get their answers: TCP, DNS over UDP, a stream of datagrams, ping, large ping", async () => {
  await serve(host.wire, ['http:8080', 'udp:53', 'udp:4433']);
  await host.must('enable');
  await counted(async () => {
    for (const family of FAMILIES) {
      const to = NEIGHBOUR[family];
      expect(await httpGet(container!, url(to, 8080))).toBe('hello from port 8080\n');
      expect(await udpEcho(container!, to, 53)).toBe(true);
      // As QUIC: datagrams of 1,200 bytes both ways.
      expect(await udpTalk(container!, to, 4433, { bytes: 1200, count: 100 })).toBe(100);
      expect(await ping(container!, to, 5)).toBe(5);
      expect(await ping(container!, to, 5, 4000)).toBe(5);
      // A closed port refuses at once: the RST is an answer.
      expect(await tcpConnect(container!, to, 444)).toBe('refused');
    }
  });
  expect((await host.status()).flows).toMatchObject({ evicted: '0' });
});

test('path MTU: a hop beyond tells the container, the router tells who is outside', async () => {
  const far = joinFar(host, 'containers-far');
  try {
    await serveIperf(far, 5201);
    await serveIperf(container!, 5201);
    await host.must('enable');
    await counted(async () => {
      for (const family of FAMILIES) {
        const sent = await iperf(container!, FAR[family], 5201, { bytes: 3_000_000 });
        expect(sent.received).toBeGreaterThan(MUCH);
        expect(learnedMtu(container!, FAR[family])).toBe(SMALL_MTU);
        // Whom a published port answers is told the same way.
        must(container!.argv(['ip', family === 'ipv4' ? '-4' : '-6', 'route', 'flush', 'cache']));
        const answered = await iperf(far, HOST[family], 5201, { bytes: 3_000_000, reverse: true });
        expect(answered.received).toBeGreaterThan(MUCH);
        expect(learnedMtu(container!, FAR[family])).toBe(SMALL_MTU);
      }
    });
    // The other direction: the container's own link is the small one, and the neighbour sends.
    host.edge.ip('link set docker0 mtu 1280');
    await counted(async () => {
      for (const family of FAMILIES) {
        expect((await iperf(host.wire, HOST[family], 5201, { bytes: 3_000_000 })).received).toBeGreaterThan(MUCH);
        expect(learnedMtu(host.wire, HOST[family])).toBe(1280);
      }
    });
  } finally {
    far.destroy();
  }
});
