/**
 * A clsact filter is no link, and stays where pins go: everything that ends it, or cuts its making short, by hand and by
 * kill; and the process that comes after.
 */
import { existsSync, rmSync } from 'node:fs';
import { tcpConnect } from '../support/clients';
import { ClsactHost, GATE, OUTBOUND, RULES } from '../support/clsact-host';
import { type EdgeHost, HOST, NEIGHBOUR, pinsOf, untilGone } from '../support/edge-host';
import { TCX, testWhere } from '../support/needs';

let stand: ClsactHost;
let host: EdgeHost;

beforeEach(async () => {
  stand = await ClsactHost.open('clsact-ends');
  ({ host } = stand);
});

afterEach(() => host.close());

describe('other processes, other hooks', () => {
  test('a second process finds it, says that nothing changes, and ends it; nothing is left', async () => {
    await host.must('enable');
    expect(host.pinned()).toEqual(pinsOf(1, [stand.ifindex], 'clsact'));
    const objects = host.objects();
    expect(await host.must('apply')).toMatch(/no changes/);
    expect(await stand.filters()).toEqual([GATE]);
    await host.must('disable', '--yes');
    expect(existsSync(host.environment.SLUICE_BPFFS!)).toBe(false);
    await untilGone(objects);
    await stand.expectFree();
    expect(await host.must('disable', '--yes')).toMatch(/not active/);
  });

  testWhere(TCX, 'a link that is there stays, and a filter that is there stays', async () => {
    await host.must('enable');
    host.environment.SLUICE_EGRESS_HOOK = 'tcx';
    host.write('rules.yaml', OUTBOUND);
    await host.must('apply');
    expect((await host.status()).interfaces).toMatchObject([{ egress: 'clsact' }]);
    expect(await stand.filters()).toEqual([GATE]);
    await host.must('disable', '--yes');
    await host.must('enable');
    host.environment.SLUICE_EGRESS_HOOK = 'clsact';
    host.write('rules.yaml', RULES);
    await host.must('apply');
    expect((await host.status()).interfaces).toMatchObject([{ egress: 'tcx' }]);
    expect(await host.must('status', 'verbose')).toContain('filtered: eth0 (native, out by tcx)');
    await host.must('disable', '--yes');
    await stand.expectFree();
  });

  test('a filter that somebody removed: status says so, apply hangs it there again', async () => {
    await host.must('enable');
    stand.tc('filter', 'del', 'dev', HOST.link, 'egress');
    expect((await host.status()).warnings).toEqual([expect.stringContaining('go out through eth0 are not seen')]);
    await host.must('apply');
    await stand.expectEnforced();
    stand.tc('qdisc', 'del', 'dev', HOST.link, 'clsact');
    expect((await host.status()).warnings).toEqual([expect.stringContaining('go out through eth0 are not seen')]);
    await host.must('apply');
    await stand.expectEnforced();
    await host.must('disable', '--yes');
    await stand.expectFree();
  });

  test('marks that somebody removed: it enforces, and disable takes all of it away', async () => {
    await host.must('enable');
    for (const name of ['clsact', 'qdisc'] as const) rmSync(host.pins.link(stand.ifindex, name));
    await stand.expectEnforced();
    await host.must('disable', '--yes');
    expect(await stand.filters()).toEqual([]);
    expect(host.pinned()).toEqual([]);
  });

  test('the gate’s own pin is missed by name, and disable ends it', async () => {
    await host.must('enable');
    rmSync(host.pins.state(GATE));
    const { status, stderr } = await host.sluice(['apply']);
    expect({ status, stderr }).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(`missing: ${GATE}`) as string,
    });
    await host.must('disable', '--yes');
    await stand.expectFree();
    await host.recount('what is damaged cannot be counted');
  });

  test('an interface, removed and made again', async () => {
    await host.must('enable');
    host.edge.ip(`link del ${HOST.link}`);
    expect((await host.status()).warnings.join()).toMatch(/not filtered any more: eth0/);
    host.join();
    expect((await host.status()).warnings.join()).toMatch(/not filtered any more: eth0/);
    await host.must('apply');
    await stand.expectEnforced();
    expect(host.pinned()).toEqual(pinsOf((await host.status()).generation!, [stand.ifindex], 'clsact'));
    host.edge.ip(`link del ${HOST.link}`);
    await host.must('disable', '--yes');
    expect(host.pinned()).toEqual([]);
    host.join();
    await stand.expectFree();
    await host.recount('devices took the driver’s counters with them');
  });
});

describe('without sluice', () => {
  test('removing the directory by hand lets everything pass both ways; the next apply begins anew', async () => {
    host.write('rules.yaml', OUTBOUND);
    await host.must('enable');
    expect(await tcpConnect(host.edge, NEIGHBOUR.ipv4, 443)).toBe('timeout');
    host.removePins();
    await stand.expectOpen();
    expect(await stand.filters()).toEqual([GATE]); // a filter stays, open
    const { active, warnings } = await host.status();
    expect({ active, warnings }).toEqual({
      active: false,
      warnings: [expect.stringContaining('eth0 keeps a filter of a sluice whose pins are gone') as string],
    });
    host.write('rules.yaml', RULES);
    await host.must('apply');
    await host.recount('the pins were removed by hand, and the counters with them');
    await stand.expectEnforced();
    expect(await stand.filters()).toEqual([GATE]);
    await host.must('disable', '--yes');
    await stand.expectFree();
  });

  test('the same beside a daemon that stands still with all that it holds', async () => {
    host.write('rules.yaml', OUTBOUND);
    await host.must('enable');
    const daemon = host.startSluice(['daemon']);
    await daemon.waitFor(/the daemon runs/);
    await daemon.hold();
    expect(await tcpConnect(host.edge, NEIGHBOUR.ipv4, 443)).toBe('timeout');
    host.removePins();
    await stand.expectOpen();
    process.kill(daemon.pid, 'SIGCONT');
    expect(await daemon.stop()).toBe(0);
    await stand.expectOpen();
    await host.recount('the pins were removed by hand, and the counters with them');
    await host.must('disable', '--yes');
    await stand.expectFree();
  });

  test('removing the pin by which a filter knows that it filters: what goes out is open until the daemon or apply mends it', async () => {
    host.write('rules.yaml', OUTBOUND);
    await host.must('enable');
    await stand.expectLeave(false);
    rmSync(host.pins.pinned);
    await stand.expectLeave(true);
    expect((await host.status()).warnings.join()).toContain('eth0');
    await host.must('apply');
    await stand.expectLeave(false);
    expect(await stand.filters()).toEqual([GATE]);
    const daemon = host.startSluice(['daemon']);
    await daemon.waitFor(/the daemon runs/);
    rmSync(host.pins.pinned);
    await daemon.waitFor(/eth0: was not filtered, and is again/);
    await stand.expectLeave(false);
    const pinned = host.pinned().filter((name) => !name.startsWith('spare/'));
    expect(pinned).toEqual(pinsOf((await host.status()).generation!, [stand.ifindex], 'clsact'));
    await daemon.stop();
  });

  testWhere(TCX, 'the same, and the next command is disable, or one that makes links', async () => {
    for (const next of [['disable', '--yes'], ['apply']]) {
      await host.must('apply');
      host.removePins();
      await stand.expectOpen();
      host.environment.SLUICE_EGRESS_HOOK = 'tcx';
      await host.must(...next);
      expect(await stand.filters()).toEqual([]);
      expect(await stand.discipline()).toBeUndefined();
      host.environment.SLUICE_EGRESS_HOOK = 'clsact';
      await host.must('disable', '--yes');
    }
    await stand.expectFree();
    await host.recount('the pins were removed by hand, and the counters with them');
  });
});

describe('cut short', () => {
  test.each([
    ['after-qdisc', 'kill'],
    ['after-egress', 'kill'],
    ['after-attach', 'kill'],
    ['after-qdisc', 'error'],
    ['after-egress', 'error'],
    ['after-attach', 'error'],
  ])('%s: %s', async (place, how) => {
    for (const next of [['apply'], ['disable', '--yes']]) {
      const { status } = await host.sluice(['apply'], { SLUICE_FAILPOINT: `${place}:${how}` });
      expect(status).toBe(how === 'kill' ? 137 : 1);
      if (how === 'error') await stand.expectFree();
      if (how === 'error') expect(host.pinned()).toEqual([]);
      await host.must(...next);
      if (next[0] === 'apply') {
        await stand.expectEnforced();
        expect(host.pinned()).toEqual(pinsOf((await host.status()).generation!, [stand.ifindex], 'clsact'));
        await host.must('disable', '--yes');
      }
      expect(host.pinned()).toEqual([]);
      await stand.expectFree();
    }
  });
});
