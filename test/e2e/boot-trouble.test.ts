/** A boot meets interfaces that come late, its own death, and what no ruleset can load against. */
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BootHost, bootRules, PORTS } from '../support/boot-host';
import { type EdgeHost, HOST } from '../support/edge-host';
import { must } from '../support/process';

let machine: BootHost;
let host: EdgeHost;

beforeEach(async () => {
  machine = await BootHost.open('boot-trouble');
  host = machine.edge;
});

afterEach(() => host.close());

test('interfaces that are not there yet are waited for', async () => {
  await host.must('enable');
  await machine.goDown({ withLink: false });
  const waiting = host.edge.start([...machine.boot, '--wait', '120'], { env: host.environment });
  await sleep(1500);
  expect(waiting.running).toBe(true);
  host.join();
  await host.recount('the link is there again');
  expect(await waiting.end()).toBe(0);
  expect(waiting.output).toMatch(/^loaded: the ruleset of .*, generation 2, on eth0\n$/);
  expect(await machine.connect(PORTS.open, PORTS.other)).toEqual(['connected', 'timeout']);
});

test('a boot that is killed leaves nothing that the next one cannot finish', async () => {
  await host.must('enable');
  for (const place of ['after-state', 'after-slot', 'after-enforced']) {
    await machine.goDown();
    expect((await machine.up({ SLUICE_FAILPOINT: `${place}:kill` })).status).toBe(137);
    expect((await machine.up()).status).toBe(0);
    expect(await host.status()).toMatchObject({
      active: true,
      interfaces: [{ name: HOST.link, egress: expect.anything() as string }],
      warnings: [],
    });
    expect(await machine.connect(PORTS.open, PORTS.other)).toEqual(['connected', 'timeout']);
  }
});

test('what stands in the way of every ruleset is said with all reasons, as a failure', async () => {
  await host.must('enable');
  await machine.goDown();
  const failed = await machine.up({ SLUICE_FAILPOINT: 'after-load:error' });
  expect(failed.status).toBe(1);
  expect(failed.stderr).toMatch(
    /^error: nothing is filtered, no ruleset could be loaded:\n {2}the ruleset of .* does not load: .*\n {2}the built-in ruleset does not load: /,
  );
  expect(existsSync(machine.state('saved-1.json'))).toBe(true);
});

test('a state folder that cannot be written keeps no ruleset from being loaded', async () => {
  const state = host.environment.SLUICE_STATE_DIR!;
  mkdirSync(state, { mode: 0o700 });
  must(['mount', '-t', 'tmpfs', '-o', 'size=512k,mode=700', 'slc-full', state]);
  host.write('rules.yaml', bootRules(`guard: { keep-reachable: [{ from: 192.0.2.0/24, port: ${PORTS.other}/tcp }] }`));
  await host.must('enable');
  const filler = join(state, 'filler');
  const boots = async (loaded: RegExp, open: readonly string[]): Promise<void> => {
    await machine.goDown();
    const booted = await machine.up();
    expect(booted).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(loaded) as string,
      stderr: expect.stringMatching(/^warning: at boot [^]*cannot (?:write|lock) ".*": E/) as string,
    });
    expect(await machine.connect(PORTS.open, PORTS.other)).toEqual(open);
  };
  const last = ['connected', 'connected'];
  // dd(1) ends with a failure: that is what it is for.
  await host.edge.run(['dd', 'if=/dev/zero', `of=${filler}`, 'bs=4k']);
  await boots(/^loaded: the ruleset of .*, on eth0\n$/, last);
  must(['mount', '-o', 'remount,ro', state]);
  await boots(/^loaded: the ruleset of .*, on eth0\n$/, last);
  must(['mount', '-o', 'remount,rw', state]);
  rmSync(filler);
  machine.damage(1);
  await host.edge.run(['dd', 'if=/dev/zero', `of=${filler}`, 'bs=4k']);
  await boots(/^loaded: the built-in ruleset, .*, on eth0\n$/, ['timeout', 'connected']);
  rmSync(filler);
  await host.must('apply');
  expect(await host.status()).toMatchObject({ warnings: [] });
  await host.recount('what a generation counted without a record bears no names');
});

test.each(['after-gate', 'after-enforced'])('%s: what judges already is what was loaded', async (place) => {
  await host.must('enable');
  const { digest } = await host.status();
  await machine.goDown();
  const booted = await machine.up({ SLUICE_FAILPOINT: `${place}:error` });
  expect(booted).toMatchObject({
    status: 0,
    stdout: expect.stringMatching(/^loaded: the ruleset of .*, generation 2, on eth0\n$/) as string,
    stderr: expect.stringMatching(
      /^warning: at boot the last ruleset was loaded, but .*\n {2}the new ruleset enforces/,
    ) as string,
  });
  expect(await host.status()).toMatchObject({ generation: 2, digest, booted: { loaded: 'last' } });
  expect(await machine.connect(PORTS.open, PORTS.other)).toEqual(['connected', 'timeout']);
});

test('an interface that another program holds keeps no other from being filtered, and is when that has gone', async () => {
  host.edge.ip('link add eth1 type veth peer name eth1-peer', 'link set eth1 up', 'link set eth1-peer up');
  host.write('rules.yaml', bootRules().replace(`[${HOST.link}]`, `[eth1, ${HOST.link}]`));
  await host.must('enable');
  await machine.goDown();
  const { link, programId } = await host.occupy('eth1');
  // With the capabilities of the unit, which are too few to ask for the program's name.
  const booted = await host.command(['setpriv', '--bounding-set=-sys_admin', '--', ...machine.boot]);
  expect(booted).toMatchObject({ status: 0, stdout: expect.stringMatching(/ on eth0\n$/) as string });
  expect(booted.stderr).toContain(
    `warning: eth1: NOT filtered: another XDP program is attached to "eth1": id ${programId} (native)`,
  );
  expect(await machine.connect(PORTS.open, PORTS.other)).toEqual(['connected', 'timeout']);
  expect(await host.must('status')).toMatch(
    /^not filtered: .*eth1[^]*warning: not filtered any more: eth1 \(.* another program holds it\)/m,
  );

  const daemon = host.edge.start(machine.daemon, { env: host.environment });
  try {
    await daemon.waitFor(/cannot be: eth1: another XDP program is attached [^]*; trying again/);
    // That nobody can mend it yet does not keep the daemon from looking at the others.
    const began = performance.now();
    rmSync(host.pins.link(host.edge.ifindex(HOST.link), 'xdp'));
    await daemon.waitFor(/eth0: was not filtered, and is again \(after \d+ ms at most\)/);
    const took = performance.now() - began;
    // It tries again after five seconds; a machine on which a command takes long is slower in all of this.
    const asked = performance.now();
    await host.must('status');
    expect(took).toBeLessThan(Math.max(4000, 6 * (performance.now() - asked)));
    await host.recount('what passed while eth0 was not filtered was not counted');
    link.detach();
    await daemon.waitFor(/eth1: was not filtered, and is again/);
    expect((await host.status()).interfaces.map(({ name }) => name).sort()).toEqual(['eth0', 'eth1']);
  } finally {
    link.close();
    await daemon.stop();
  }
});

test('an apply that is killed behind the gate is what the next boot loads', async () => {
  await host.must('enable');
  host.write('rules.yaml', bootRules('', PORTS.other));
  expect((await host.sluice(['apply'], { SLUICE_FAILPOINT: 'after-gate:kill' })).status).toBe(137);
  await host.must('status');
  await machine.goDown();
  expect(await machine.up()).toMatchObject({ status: 0, stderr: '' });
  expect(await machine.connect(PORTS.open, PORTS.other)).toEqual(['timeout', 'connected']);
});
