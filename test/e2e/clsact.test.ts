/**
 * What goes out met by a clsact filter, as on kernels without tcx: the same flows and outbound rules, beside filters and
 * disciplines of others; and no hook at all. Three numbers agree.
 */
import { httpGet, hurry, ping, slowDownload, tcpConnect, udpEcho, SILENT_SECONDS } from '../support/clients';
import { ClsactHost, GATE, OUTBOUND, RULES } from '../support/clsact-host';
import { COMMAND, type EdgeHost, HOST, NEIGHBOUR } from '../support/edge-host';
import { expectSame, readFigures } from '../support/host-figures';

let stand: ClsactHost;
let host: EdgeHost;

beforeEach(async () => {
  stand = await ClsactHost.open('clsact');
  ({ host } = stand);
});

afterEach(() => host.close());

describe('what it enforces', () => {
  test('answers come in, questions do not, over both families; every packet out is seen once', async () => {
    expect(await host.must('enable')).toMatch(/applied: generation 1/);
    const before = await readFigures(host);
    for (const address of [NEIGHBOUR.ipv4, NEIGHBOUR.ipv6]) {
      expect(await tcpConnect(host.edge, address, 443)).toBe('connected');
      expect(await udpEcho(host.edge, address, 53)).toBe(true);
      expect(await ping(host.edge, address, 5)).toBe(5);
      expect(await ping(host.edge, address, 2, 4000)).toBe(2); // in fragments
    }
    const url = `http://${NEIGHBOUR.ipv4}:8080/`;
    expect(await httpGet(host.edge, url)).toBe('hello from port 8080\n');
    expect(await httpGet(host.wire, `http://${HOST.ipv4}:8000/`)).toBe('hello from port 8000\n');
    for (const address of [HOST.ipv4, HOST.ipv6]) expect(await tcpConnect(host.wire, address, 22)).toBe('timeout');
    const after = await readFigures(host);
    expectSame(before, after, 'seen');
    expect(after.ours.interfaces).toEqual([
      { name: HOST.link, ifindex: stand.ifindex, mode: 'native', egress: 'clsact', filter: { ours: true, others: [] } },
    ]);
    expect(await host.must('status')).toContain('filtered: eth0 (native, out by clsact)\nruleset:');
  });

  test('outbound: what the rules refuse is dropped and counted, what they let out and answers go', async () => {
    host.write('rules.yaml', OUTBOUND);
    await host.must('enable');
    expect(await udpEcho(host.edge, NEIGHBOUR.ipv4, 53)).toBe(true);
    expect(await udpEcho(host.edge, NEIGHBOUR.ipv4, 4433, SILENT_SECONDS)).toBe(false);
    expect(await tcpConnect(host.edge, NEIGHBOUR.ipv6, 443)).toBe('timeout');
    expect(await httpGet(host.wire, `http://${HOST.ipv4}:8000/`)).toBe('hello from port 8000\n');
    const { outgoing, sections } = await host.status();
    const rows = sections.find(({ name }) => name === 'outbound')!.rows;
    expect(rows.map(({ id }) => id)).toEqual(['allow-53', 'default']);
    expect(Number(rows[0].packets)).toBe(1);
    expect(Number(rows[1].packets)).toBe(Number(outgoing.packets.denied));
    expect(Number(outgoing.packets.denied)).toBeGreaterThanOrEqual(2);
  });

  test('what ran before goes on, through the first enforcement and through a change', async () => {
    const early = await slowDownload(host.edge, NEIGHBOUR.ipv4, 8080, 180);
    await host.must('enable');
    host.write('rules.yaml', OUTBOUND.replace('port 53', 'port 8080'));
    await host.must('apply');
    hurry(stand.atWire);
    expect(await early.end()).toBe(0);
    expect(await stand.filters()).toEqual([GATE]);
  });
});

describe('what others hang there', () => {
  test('a discipline of theirs stays, their filters meet every packet that ours lets go on', async () => {
    stand.tc('qdisc', 'add', 'dev', HOST.link, 'clsact');
    const [first, last] = [await stand.hangForeignFilter(1), await stand.hangForeignFilter(9)];
    host.write('rules.yaml', OUTBOUND);
    await host.must('enable');
    const before = [first.packets(), last.packets()];
    const ours = (await host.status()).outgoing.packets;
    expect(await udpEcho(host.edge, NEIGHBOUR.ipv4, 53)).toBe(true);
    expect(await udpEcho(host.edge, NEIGHBOUR.ipv4, 4433, SILENT_SECONDS)).toBe(false);
    const now = (await host.status()).outgoing.packets;
    const [seen, allowed] = [Number(now.seen) - Number(ours.seen), Number(now.allowed) - Number(ours.allowed)];
    expect([first.packets() - before[0], last.packets() - before[1]]).toEqual([seen, allowed]);
    expect(seen).toBeGreaterThan(allowed);
    expect((await host.status()).interfaces).toMatchObject([
      {
        filter: {
          ours: false,
          others: ['bpf filter "slc_gate_egress" of priority 1', 'bpf filter "slc_gate_egress" of priority 9'],
        },
      },
    ]);
    expect(await host.must('status')).toContain(
      'eth0: its clsact discipline is not of sluice, and stays when sluice goes; beside the filter of sluice hangs bpf',
    );
    await host.must('disable', '--yes');
    expect(await stand.filters()).toEqual(['slc_gate_egress', 'slc_gate_egress']);
    for (const each of [first, last]) each.close();
    stand.tc('qdisc', 'del', 'dev', HOST.link, 'clsact');
  });

  test('the capabilities that are asked for are enough to tell them apart', async () => {
    stand.tc('qdisc', 'add', 'dev', HOST.link, 'clsact');
    const foreign = await stand.hangForeignFilter(9);
    for (const words of [['apply'], ['status'], ['disable', '--yes']]) {
      const finished = await host.command([
        'setpriv',
        '--bounding-set=-sys_admin',
        '--',
        process.execPath,
        COMMAND,
        ...words,
      ]);
      expect(finished).toMatchObject({ status: 0 });
      if (words[0] === 'status') expect(finished.stdout).toContain('hangs bpf filter "slc_gate_egress" of priority 9');
    }
    expect(await stand.filters()).toEqual(['slc_gate_egress']);
    foreign.close();
  });

  test('an empty discipline of theirs stays too, also where enable was killed or the pins removed', async () => {
    stand.tc('qdisc', 'add', 'dev', HOST.link, 'clsact');
    await host.sluice(['apply'], { SLUICE_FAILPOINT: 'after-egress:kill' });
    await host.must('disable', '--yes');
    expect(await stand.discipline()).toBe('clsact');
    await host.must('apply');
    host.removePins();
    await host.must('disable', '--yes');
    expect(await stand.filters()).toEqual([]);
    expect(await stand.discipline()).toBe('clsact');
    await host.recount('the pins were removed by hand, and the counters with them');
  });

  test('a discipline of ours in which somebody hung a filter stays, for them', async () => {
    await host.must('enable');
    const foreign = await stand.hangForeignFilter(9);
    await host.must('disable', '--yes');
    expect(await stand.filters()).toEqual(['slc_gate_egress']);
    foreign.close();
    stand.tc('filter', 'del', 'dev', HOST.link, 'egress');
    stand.tc(
      'filter',
      'add',
      'dev',
      HOST.link,
      'ingress',
      'prio',
      '5',
      'u32',
      'match',
      'u32',
      '0',
      '0',
      'flowid',
      '1:1',
    );
    await host.must('enable');
    await host.must('disable', '--yes');
    expect(await stand.discipline()).toBe('clsact');
    expect(stand.tc('filter', 'show', 'dev', HOST.link, 'ingress')).toContain('u32');
  });

  test.each([
    ['our handle', 2, 0x511ce0],
    ['the handle of a discipline of ours', 2, 0x511ce1],
  ])('their filter in our place, by %s: refused by name or let be, never replaced', async (_, priority, handle) => {
    stand.tc('qdisc', 'add', 'dev', HOST.link, 'clsact');
    const foreign = await stand.hangForeignFilter(priority, handle);
    const { status, stderr } = await host.sluice(['apply']);
    if (handle === 0x511ce0) {
      expect({ status, stderr }).toMatchObject({ status: 1 });
      expect(stderr).toMatch(/another filter holds the place of sluice's at "eth0": priority 2[\s\S]*tc filter show/);
      expect(host.pinned()).toEqual([]);
      expect(await stand.filters()).toEqual(['slc_gate_egress']);
    } else {
      await stand.expectEnforced();
      await host.must('disable', '--yes');
    }
    expect(await stand.filters()).toEqual(['slc_gate_egress']);
    foreign.close();
  });

  test('their filters of another kind in our priority: refused, named', async () => {
    stand.tc('qdisc', 'add', 'dev', HOST.link, 'clsact');
    stand.tc(
      'filter',
      'add',
      'dev',
      HOST.link,
      'egress',
      'prio',
      '2',
      'u32',
      'match',
      'u32',
      '0',
      '0',
      'flowid',
      '1:1',
    );
    const { status, stderr } = await host.sluice(['apply']);
    expect({ status, stderr }).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('another filter') as string,
    });
    expect(new Set(await stand.filters())).toEqual(new Set(['u32']));
    expect(host.pinned()).toEqual([]);
  });
});

describe('no hook at all', () => {
  test('an ingress discipline leaves no room: said, without flows; refused where outbound needs it', async () => {
    stand.tc('qdisc', 'add', 'dev', HOST.link, 'ingress');
    const { status, stderr } = await host.sluice(['enable']);
    expect({ status, stderr }).toMatchObject({ status: 0 });
    expect(stderr).toMatch(/note: "eth0" has a queueing discipline "ingress"[\s\S]*opens no flows/);
    expect(await tcpConnect(host.edge, NEIGHBOUR.ipv4, 443)).toBe('timeout');
    expect((await host.status()).interfaces).toMatchObject([{ egress: null }]);
    host.write('rules.yaml', OUTBOUND);
    const refused = await host.sluice(['apply']);
    expect(refused.status).toBe(1);
    expect(refused.stderr).toMatch(/what goes out through eth0 cannot be filtered: "eth0" has a queueing discipline/);
    expect((await host.status()).generation).toBe(1);
    expect(await stand.discipline()).toBe('ingress');
    stand.tc('qdisc', 'del', 'dev', HOST.link, 'ingress');
    await host.must('apply');
    expect((await host.status()).interfaces).toMatchObject([{ egress: 'clsact' }]);
  });

  test('none asked for: load/no-egress where outbound needs one, nothing changed', async () => {
    host.environment.SLUICE_EGRESS_HOOK = 'none';
    host.write('rules.yaml', OUTBOUND);
    const refused = await host.sluice(['enable', '--json']);
    expect(refused.status).toBe(1);
    expect(refused.stdout).toContain('load/no-egress');
    expect(host.pinned()).toEqual([]);
    await stand.expectFree();
    host.write('rules.yaml', RULES);
    expect((await host.sluice(['enable'])).stderr).toMatch(/note: .*what eth0 sends opens no flows/);
    expect(await tcpConnect(host.edge, NEIGHBOUR.ipv4, 443)).toBe('timeout');
  });

  test('a hook that is none is refused by name', async () => {
    const { status, stderr } = await host.sluice(['enable'], { SLUICE_EGRESS_HOOK: 'xdp' });
    expect(status).toBe(1);
    expect(stderr).toMatch(/SLUICE_EGRESS_HOOK is "xdp", expected tcx, clsact or none/);
    expect(host.pinned()).toEqual([]);
  });
});
