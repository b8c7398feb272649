/** What becomes of interfaces under the daemon: down and up, renamed, moved away, gone with their namespace; disciplines. */
import { readFileSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { kernel } from '../../src/kernel/native';
import { STATE_PINS } from '../../src/kernel/pins';
import { BootHost, PORTS } from '../support/boot-host';
import { ClsactHost, GATE, OUTBOUND } from '../support/clsact-host';
import { tcpConnect, udpEcho } from '../support/clients';
import { COMMAND, EdgeHost, HOST, NEIGHBOUR, untilGone } from '../support/edge-host';
import { Namespace } from '../support/netns';
import { Background, must } from '../support/process';

/** As /proc counts them. */
const TICKS_A_SECOND = 100;
const FILTERED = ['connected', 'timeout'];

describe('links', () => {
  let machine: BootHost;
  let host: EdgeHost;
  let daemon: Background;

  beforeAll(async () => {
    machine = await BootHost.open('heal-if');
    host = machine.edge;
    await host.must('enable');
    daemon = host.edge.start(machine.daemon, { env: host.environment });
    await daemon.waitFor(/the daemon runs/);
  });

  afterAll(() => host.close());

  const judged = (): Promise<string[]> => machine.connect(PORTS.open, PORTS.other);
  const untilFiltered = (): Promise<unknown> => daemon.waitFor(/eth0: was not filtered, and is again/);

  test('down and up again: filtered all the time, and nothing to mend', async () => {
    const before = await host.status();
    host.edge.ip(`link set ${HOST.link} down`, `link set ${HOST.link} up`);
    expect(await judged()).toEqual(FILTERED);
    expect((await host.status()).interfaces).toEqual(before.interfaces);
    expect(daemon.output).not.toContain('was not filtered');
  });

  test('renamed: filtered under its new name, which is said, and again under the old one', async () => {
    host.edge.ip(`link set ${HOST.link} name wan7`);
    expect(await judged()).toEqual(FILTERED);
    const renamed = await host.status();
    expect(renamed).toMatchObject({ active: true, interfaces: [{ name: 'wan7' }] });
    expect(renamed.warnings.join()).toContain('eth0');
    host.edge.ip(`link set wan7 name ${HOST.link}`);
    expect(await judged()).toEqual(FILTERED);
    expect(await host.status()).toMatchObject({ interfaces: [{ name: HOST.link }], warnings: [] });
  });

  test('moved to another namespace and back: never unfiltered', async () => {
    const other = Namespace.create('heal-if-other');
    try {
      host.edge.ip(`link set ${HOST.link} netns ${other.name}`);
      const away = await host.status();
      expect(away).toMatchObject({ active: false, interfaces: [] });
      expect(away.warnings.join()).toContain('not filtered any more: eth0');
      other.ip(`link set ${HOST.link} netns ${host.edge.name}`);
      host.edge.ip(
        `addr add ${HOST.ipv4}/24 dev ${HOST.link}`,
        `link set ${HOST.link} up`,
        `neigh replace ${NEIGHBOUR.ipv4} lladdr ${NEIGHBOUR.mac} dev ${HOST.link}`,
      );
      expect(await judged()).toEqual(FILTERED);
      expect(await host.status()).toMatchObject({ interfaces: [{ name: HOST.link }], warnings: [] });
    } finally {
      other.destroy();
    }
  });

  test('removed and made anew, with another number: filtered again', async () => {
    const before = host.edge.ifindex(HOST.link);
    host.edge.ip(`link del ${HOST.link}`);
    host.join();
    await untilFiltered();
    expect(host.edge.ifindex(HOST.link)).not.toBe(before);
    expect(await judged()).toEqual(FILTERED);
    await host.recount('the link came and went');
  });
});

describe('the discipline and the filter that stand for the egress link on kernels without tcx', () => {
  let stand: ClsactHost;
  let host: EdgeHost;
  let daemon: Background;

  beforeAll(async () => {
    stand = await ClsactHost.open('heal-tc');
    ({ host } = stand);
    host.write('rules.yaml', OUTBOUND);
    await host.must('enable');
    daemon = host.startSluice(['daemon']);
    await daemon.waitFor(/the daemon runs/);
  });

  afterAll(() => host.close());

  const refused = (): Promise<string> => tcpConnect(host.edge, NEIGHBOUR.ipv4, 443);
  let said = 0;
  const untilMended = async (what: string): Promise<void> => {
    said += 1;
    await daemon.waitFor(new RegExp(`(${what}[^]*){${said}}`));
  };

  test.each([
    ['the filter', ['filter', 'del', 'dev', HOST.link, 'egress', 'prio', '2']],
    ['the discipline', ['qdisc', 'del', 'dev', HOST.link, 'clsact']],
  ])('%s that somebody removed is there again', async (_, words) => {
    stand.tc(...words);
    await untilMended('eth0: was not filtered, and is again');
    expect(await stand.filters()).toEqual([GATE]);
    expect(await refused()).toBe('timeout');
    expect(await udpEcho(host.edge, NEIGHBOUR.ipv4, 53)).toBe(true);
  });

  test('the pins of its gate and of its programs: nothing goes out meanwhile that may not', async () => {
    const mended = (name: string): Promise<unknown> => daemon.waitFor(new RegExp(`state/${name}: was removed, and is`));
    for (const name of [GATE, STATE_PINS.egress]) {
      rmSync(host.pins.state(name));
      expect(await refused()).toBe('timeout');
      await mended(name);
      expect(await refused()).toBe('timeout');
      expect(await udpEcho(host.edge, NEIGHBOUR.ipv4, 53)).toBe(true);
    }
  });

  test('the whole directory: all goes out, with the daemon running, and it makes nothing again', async () => {
    const bans = kernel().openPinnedMap(host.pins.state(STATE_PINS.banHosts));
    const { id } = bans.info();
    bans.close();
    host.removePins();
    await stand.expectOpen();
    await sleep(1500);
    await stand.expectOpen();
    expect(host.pinned()).toEqual([]);
    // Nor does the daemon hold anything of it any more; the filter, which stays, holds what its gate needs alone.
    await untilGone({ programs: [], maps: [id] });
    await host.recount('the pins were removed, and the counters with them');
  });
});

test('the namespace of a daemon is gone: it says so, and waits without working', async () => {
  const host = await EdgeHost.open('heal-gone');
  host.write('rules.yaml', 'version: 1\ninterfaces: [eth0]\ninbound: { default: deny }\n');
  await host.must('enable');
  const words = [process.execPath, COMMAND, 'daemon', '--netns', host.edge.name];
  const daemon = new Background(words, { env: host.environment });
  await daemon.waitFor(/the daemon runs/);
  host.edge.destroy();
  await daemon.waitFor(/the network namespace \S+ is gone, and what was filtered in it; waiting/);
  // The process's own time, however busy the machine is.
  const worked = (): number => {
    const fields = readFileSync(`/proc/${daemon.pid}/stat`, 'latin1').split(') ')[1].split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
  };
  const before = worked();
  await sleep(3000);
  expect(worked() - before).toBeLessThan(1.5);
  expect(await daemon.stop()).toBe(0);
  must(['ip', 'netns', 'add', host.edge.name]);
  host.edge.ip('link set lo up');
  host.join();
  await host.find();
  await host.recount('the namespace was removed, and its counters with it');
  await host.close();
});
