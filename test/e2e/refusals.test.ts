/**
 * Who is rejected is told so at once, and who knocks too often is refused: with real tools, over both families, in both
 * modes. Three numbers agree: frames, the driver's own counters, and ours.
 */
import type { BpfLink } from '../../src/kernel/kernel';
import { acceptAnswers } from '../support/accept-answers';
import { serve, tcpConnect, udpFate } from '../support/clients';
import { EdgeHost, HOST, NEIGHBOUR } from '../support/edge-host';
import { since } from '../support/ethtool';
import { readFigures } from '../support/host-figures';
import { inboundRows } from '../support/snapshot-rows';

const rules = (mode: string): string => `version: 1
interfaces: [eth0]
mode: ${mode}
inbound:
  default: deny
  rules:
    - reject 4000
    - { id: door, action: limit, port: 22/tcp }
    - { id: quiet, action: limit, port: 23/tcp, limit: 2/1h, verdict: deny }
`;

describe.each(['native', 'generic'] as const)('%s mode', (mode) => {
  let host: EdgeHost;
  let answers: BpfLink;

  beforeEach(async () => {
    host = await EdgeHost.open(`refusals-${mode}`);
    answers = await acceptAnswers(host.wire, NEIGHBOUR.link);
    await serve(host.edge, ['tcp:22', 'tcp:23']);
    host.write('rules.yaml', rules(mode));
    await host.must('enable');
  });

  afterEach(async () => {
    try {
      await host.close();
    } finally {
      answers.close();
    }
  });

  const udp = (address: string, port: number, seconds?: number): Promise<string> =>
    udpFate(host.wire, address, port, seconds);

  test('rejected, limited, dropped; driver, counters and frames agree', async () => {
    const { wire } = host;
    const before = await readFigures(host);
    for (const address of [HOST.ipv4, HOST.ipv6]) {
      const started = Date.now();
      expect(await tcpConnect(wire, address, 4000, 10)).toBe('refused');
      expect(Date.now() - started).toBeLessThan(9_000);
      expect(await udp(address, 4000)).toBe('refused');
      expect(await udp(address, 4001, 2)).toBe('timeout');

      for (let i = 0; i < 5; i++) expect([i, await tcpConnect(wire, address, 22)]).toEqual([i, 'connected']);
      expect(await tcpConnect(wire, address, 22, 10)).toBe('refused');
      expect(await tcpConnect(wire, address, 23)).toBe('connected');
      expect(await tcpConnect(wire, address, 23)).toBe('timeout');
    }
    const after = await readFigures(host);
    const driver = since(before.driver, after.driver);
    const minus = (of: (snapshot: typeof after.ours) => string): number =>
      Number(of(after.ours)) - Number(of(before.ours));
    const rows = inboundRows(after.ours);
    const row = (id: string): (typeof rows)[number] => rows.find((each) => each.id === id)!;
    expect(row('door')).toMatchObject({ limit: '6/30s', refused: '2' });
    expect(Number(row('quiet').refused)).toBeGreaterThanOrEqual(2);
    expect(row('reject-4000')).toMatchObject({ packets: '4', refused: null });
    expect(after.ours.rejects).toEqual({ answered: '6', capped: '0', unanswered: '0' });
    expect(after.ours.limits).toMatchObject({ made: '4', evicted: '0' });
    if (mode === 'native') {
      // The generic hook runs behind the driver, which then counts nothing.
      expect(minus(({ packets }) => packets.seen)).toBe(driver.packets);
      expect(minus(({ packets }) => packets.denied)).toBe(driver.drops + driver.tx);
      expect(driver.tx).toBe(6);
      expect(driver.txErrors).toBe(0);
    }
    const sum = [
      ...rows.flatMap(({ packets, refused }) => [packets, refused ?? '0']),
      ...after.ours.reasons.map(({ packets }) => packets),
    ];
    expect(sum.reduce((total, count) => total + Number(count), 0)).toBe(Number(after.ours.packets.seen));
  });

  test('a new ruleset, and another order, let nobody in who was refused', async () => {
    const { wire } = host;
    // A window that does not end while the ruleset changes, however long that takes.
    await host.must('limit', '22/tcp', '6/1h');
    for (let i = 0; i < 5; i++) await tcpConnect(wire, HOST.ipv4, 22);
    expect(await tcpConnect(wire, HOST.ipv4, 22)).toBe('refused');
    await host.must('insert', '1', 'allow', '443/tcp');
    await host.must('move', 'door', 'before', '1');
    expect(await tcpConnect(wire, HOST.ipv4, 22)).toBe('refused');
    // As ufw has it: the same match again replaces the row, and the row keeps its id.
    expect(await host.must('limit', '22/tcp', '3/1h')).toContain('replaced rule 1: limit 22/tcp 3/1h');
    expect(await tcpConnect(wire, HOST.ipv4, 22)).toBe('refused');
    expect(await host.must('allow', '22/tcp')).toContain('replaced rule 1: allow 22/tcp');
    expect(await tcpConnect(wire, HOST.ipv4, 22)).toBe('connected');
    expect(await host.must('default', 'reject', 'incoming')).toContain('the incoming default is now reject');
    expect(await tcpConnect(wire, HOST.ipv4, 80, 10)).toBe('refused');
    expect(await host.must('status')).toMatch(/rejects: \d+ answered, 0 dropped silently over the budget, 0 never/);
  });
});
