/** The daemon sees within a second that something is not filtered any more, and mends it; the emergency exit it lets be. */
import { existsSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { kernel } from '../../src/kernel/native';
import { BootHost, PORTS } from '../support/boot-host';
import { type EdgeHost, HOST } from '../support/edge-host';
import type { Background } from '../support/process';

let machine: BootHost;
let host: EdgeHost;
let daemon: Background;

beforeEach(async () => {
  machine = await BootHost.open('heal');
  host = machine.edge;
  await host.must('enable');
  daemon = host.edge.start(machine.daemon, { env: host.environment });
  await daemon.waitFor(/the daemon runs/);
});

afterEach(() => host.close());

const link = (hook: 'xdp' | 'egress'): string => host.pins.link(host.edge.ifindex(HOST.link), hook);
const FILTERED = ['connected', 'timeout'];
/** What stays as it is for longer than this may be mended; where somebody removes the directory it does not stay so. */
const STILL_GOING_MS = 300;
const judged = (): Promise<string[]> => machine.connect(PORTS.open, PORTS.other);
let said = 0;
const untilMended = async (what = 'was not filtered, and is again'): Promise<void> => {
  said += 1;
  await daemon.waitFor(new RegExp(`(eth0: ${what}[^]*){${said}}`));
};
beforeEach(() => (said = 0));

test('links that are removed, or let go of, are made again', async () => {
  for (const hook of ['xdp', 'egress'] as const) {
    rmSync(link(hook));
    await untilMended();
    expect(await judged()).toEqual(FILTERED);
    const opened = kernel().openPinnedLink(link(hook));
    opened.detach();
    opened.close();
    await untilMended();
    expect(await host.status()).toMatchObject({
      interfaces: [{ name: HOST.link, egress: expect.anything() as string }],
      warnings: [],
    });
  }
  rmSync(`${host.pins.directory}/links`, { recursive: true });
  await untilMended();
  expect(await judged()).toEqual(FILTERED);
  // The daemon itself says how long it was open at most: a busy machine may make it late once, not each time.
  const times = [...daemon.output.matchAll(/and is again \(after (\d+) ms at most\)/g)].map(([, ms]) => Number(ms));
  // Of the first it may not know it: it had just begun to look.
  expect(times.length).toBeGreaterThanOrEqual(said - 1);
  for (const ms of times) expect(ms).toBeGreaterThan(0);
  // A machine on which one look at what is enforced takes longer than that cannot mend within a second either.
  const begun = performance.now();
  await host.must('status');
  expect(Math.min(...times)).toBeLessThan(Math.max(1000, 1.5 * (performance.now() - begun)));
  expect(host.pinned()).toEqual(expect.arrayContaining([expect.stringMatching(/^links\/\d+-xdp$/)]));
  await host.recount('what passed while nothing was filtered was not counted');
});

test('an interface that comes back is filtered again, also after a boot without it', async () => {
  host.edge.ip(`link del ${HOST.link}`);
  host.join();
  await untilMended();
  expect(await judged()).toEqual(FILTERED);
  await daemon.stop();
  await machine.goDown({ withLink: false });
  const booted = await machine.up({}, '--wait', '0');
  expect(booted).toMatchObject({ status: 0, stdout: expect.stringContaining('on no interface yet') as string });
  expect(booted.stderr).toContain('eth0: not there, and not filtered until sluice daemon sees it appear');
  daemon = host.edge.start(machine.daemon, { env: host.environment });
  await daemon.waitFor(/the daemon runs/);
  host.join();
  said = 0;
  await untilMended();
  expect(await judged()).toEqual(FILTERED);
  await host.recount('the link came and went');
});

test('whoever removes the whole directory has ended it', async () => {
  for (let i = 0; i < 3; i++) {
    host.removePins();
    await sleep(1500);
    expect(existsSync(host.environment.SLUICE_BPFFS!)).toBe(false);
    expect(await machine.connect(PORTS.other)).toEqual(['connected']);
    expect(daemon.output).not.toContain('was not filtered');
    await host.must('enable');
  }
  // Slowly, a file at a time, as on a machine that is busy; where that held it up for too long it is begun anew.
  for (let longest = Infinity; longest > STILL_GOING_MS;) {
    longest = 0;
    await host.must('enable');
    let last = performance.now();
    for (const path of host.pinned().filter((name) => !name.endsWith('/'))) {
      rmSync(`${host.pins.directory}/${path}`, { force: true });
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
      await sleep(100);
    }
    host.removePins();
    longest = Math.max(longest, performance.now() - last);
  }
  await sleep(1500);
  expect(existsSync(host.environment.SLUICE_BPFFS!)).toBe(false);
  expect(await machine.connect(PORTS.other)).toEqual(['connected']);
  await host.recount('it was ended');
});
