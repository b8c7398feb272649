/**
 * A program that wants out and is rejected learns it at once, as it does with ufw and nft: with real tools, over both
 * families, in both modes; on a router a container behind its NAT too. Three numbers agree.
 */
import { httpGet, serve, slowDownload, tcpConnect, udpEcho, udpFate } from '../support/clients';
import { EdgeHost, HOST, NEIGHBOUR } from '../support/edge-host';
import { expectSame, readFigures } from '../support/host-figures';
import { joinByVeth, Namespace } from '../support/netns';
import { must } from '../support/process';

const CONTAINER = { ipv4: '172.17.0.2', ipv6: 'fd00:17::2' } as const;
const ROUTER = { ipv4: '172.17.0.1', ipv6: 'fd00:17::1' } as const;
const NAT = (family: 'ip' | 'ip6'): string => `
table ${family} nat {
  chain post { type nat hook postrouting priority srcnat
    oifname "eth0" masquerade
  }
}`;
/** A filter that lets in only what conntrack knows, as ufw and every distribution's firewall have it. */
const BEHIND = `
table inet behind {
  chain input { type filter hook input priority filter; policy drop
    ct state established,related accept
    icmpv6 type { 133, 134, 135, 136 } accept
  }
}`;

const rules = (mode: string): string => `version: 1
interfaces: [eth0]
mode: ${mode}
inbound: { default: deny }
outbound:
  default: allow
  rules: [reject out to any port 25, { id: pings, action: reject, proto: icmp }, { id: pings6, action: reject, proto: icmpv6 }]
`;
const urlOf = (address: string, port: number): string =>
  `http://${address.includes(':') ? `[${address}]` : address}:${port}/`;
/** curl says that a connection was refused, which it tells from one that nobody answers (28). */
async function expectRefused(namespace: Namespace, url: string): Promise<void> {
  const { status, stderr } = await namespace.run(['curl', '-sS', '-g', '-m', '20', url]);
  expect([status, stderr]).toEqual([7, expect.stringMatching(/Failed to connect/)]);
}

describe.each(['native', 'generic'] as const)('%s mode', (mode) => {
  let host: EdgeHost;
  let container: Namespace;

  beforeEach(async () => {
    host = await EdgeHost.open(`refusals-out-${mode}`);
    container = Namespace.create(`refusals-out-${mode}-inner`);
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
    host.edge.setSysctls({
      ...{ 'net/ipv4/ip_forward': '1', 'net/ipv6/conf/all/forwarding': '1' },
      ...{ 'net/ipv4/conf/all/rp_filter': '1', 'net/ipv4/conf/eth0/rp_filter': '1' },
    });
    must(host.edge.argv(['nft', '-f', '-']), { input: NAT('ip') + NAT('ip6') + BEHIND });
    await serve(host.wire, ['tcp:25', 'udp:25', 'udp:53', 'http:8080']);
    host.write('rules.yaml', rules(mode));
    await host.must('enable');
  });

  afterEach(async () => {
    container.destroy();
    await host.close();
  });

  test('who wants out is told at once, here and behind NAT; what else goes out is answered', async () => {
    const before = await readFigures(host);
    for (const from of [host.edge, container]) {
      for (const to of [NEIGHBOUR.ipv4, NEIGHBOUR.ipv6]) {
        await expectRefused(from, urlOf(to, 25));
        expect(await udpFate(from, to, 25)).toBe('refused');
        expect(await udpEcho(from, to, 53)).toBe(true);
        expect(await httpGet(from, urlOf(to, 8080))).toBe('hello from port 8080\n');
        const { stdout } = await from.run(['ping', '-n', '-c', '1', '-W', '3', to]);
        expect(stdout).toMatch(/Packet filtered|administratively prohibited/i);
      }
    }
    const after = await readFigures(host);
    expect(after.ours.outgoing.rejects).toEqual({ answered: '12', capped: '0', unanswered: '0' });
    expect(after.ours.rejects).toEqual({ answered: '0', capped: '0', unanswered: '0' });
    const own = after.ours.reasons.find(({ reason }) => reason === 'own-answer')?.packets ?? '0';
    // Behind the driver the answers meet the program once more; in the driver nobody sees them.
    expect(own).toBe(mode === 'generic' ? '12' : '0');
    if (mode === 'native') expectSame(before, after, 'allowed');
    expect(await host.must('status')).toContain(
      'rejects of what goes out: 12 answered, 0 dropped silently over the budget, 0 never answered',
    );
    const asked = `tcp from ${HOST.ipv4} port 40000 to ${NEIGHBOUR.ipv4} port 25`;
    expect(await host.must('explain', 'out', asked)).toMatch(/reject in out 6[^]*is told: connection refused/);
  });

  test('a row of the guard ends a connection that lives; the default rejects; explain and ufw verbs', async () => {
    const download = await slowDownload(host.edge, NEIGHBOUR.ipv4, 8080, 120);
    const inner = await slowDownload(container, NEIGHBOUR.ipv6, 8080, 120);
    const enforced = rules(mode).replace(
      'outbound:',
      'guard: { rules: [reject out to any port 8080 proto tcp] }\noutbound:',
    );
    host.write('rules.yaml', enforced);
    await host.must('apply');
    // curl: 56 is a connection that was reset.
    expect(await download.end()).toBe(56);
    expect(await inner.end()).toBe(56);
    host.write('rules.yaml', `version: 1\ninterfaces: [eth0]\nmode: ${mode}\ninbound: { default: deny }\n`);
    await host.must('apply');
    expect(await host.must('default', 'reject', 'outgoing')).toContain('the outgoing default is now reject');
    expect(await host.must('allow', 'out', '53/udp')).toContain('allow out 53/udp');
    const begun = Date.now();
    for (const to of [NEIGHBOUR.ipv4, NEIGHBOUR.ipv6]) {
      expect(await udpEcho(host.edge, to, 53)).toBe(true);
      expect(await tcpConnect(host.edge, to, 8080, 30)).toBe('refused');
      expect(await udpFate(container, to, 25)).toBe('refused');
    }
    expect(Date.now() - begun).toBeLessThan(25_000);
    expect(await host.must('reject', 'out', '53/udp')).toContain('replaced');
    expect(await udpFate(host.edge, NEIGHBOUR.ipv4, 53)).toBe('refused');
  });
});
