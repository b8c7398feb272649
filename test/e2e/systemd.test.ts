/** Under systemd itself: `enable` hands over to the units, they load before the network at boot, with few privileges. */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tcpConnect, serve } from '../support/clients';
import { HOST } from '../support/edge-host';
import type { Finished } from '../support/process';
import { SystemdHost } from '../support/systemd-host';

const BOTH = ['sluice.service', 'sluice-daemon.service'];
const RULES = `version: 1
interfaces: [eth0]
inbound: { default: deny, rules: [allow 8000/tcp] }
`;
/** The score that README states; 10 is a service that may do everything. */
const MOST_EXPOSED = 1.8;

let machine: SystemdHost;

beforeEach(async () => {
  machine = await SystemdHost.open('systemd');
  writeFileSync(machine.path('etc/sluice/rules.yaml'), RULES);
  await serve(machine.edge.edge, ['tcp:8000', 'tcp:8001']);
});

afterEach(() => machine.close());

const judged = (): Promise<string[]> =>
  Promise.all([8000, 8001].map((port) => tcpConnect(machine.edge.wire, HOST.ipv4, port)));
const FILTERED = ['connected', 'timeout'];

test('enabled, killed, booted, stopped: the units do what is said of them', async () => {
  expect(await machine.sluice('enable')).toMatch(
    /^loaded at boot from now on: sluice\.service, sluice-daemon\.service/m,
  );
  expect(await machine.states(...BOTH)).toEqual(['active', 'active']);
  expect(await judged()).toEqual(FILTERED);

  expect(await machine.must('systemd-analyze', 'verify', ...BOTH)).toBe('');
  for (const unit of BOTH) {
    const score = /Overall exposure level for \S+ ([\d.]+)/.exec(
      await machine.must('systemd-analyze', 'security', unit),
    );
    expect(Number(score?.[1])).toBeLessThanOrEqual(MOST_EXPOSED);
  }

  // Killed it comes again, by itself.
  const daemon = (): Promise<string> => machine.must('systemctl', 'show', '--value', '-p', 'MainPID', BOTH[1]);
  const before = await daemon();
  await machine.must('kill', '-9', before.trim());
  await machine.until(async () => (await machine.states(BOTH[1]))[0] === 'active' && (await daemon()) !== before);

  // The log is written by the unit, a link that is removed is mended by it: so its privileges are enough.
  await machine.until(() => Promise.resolve(existsSync(machine.path('log/sluice.log'))));
  const links = `${machine.edge.pins.directory}/links`;
  for (const name of readdirSync(links)) rmSync(`${links}/${name}`);
  await machine.until(async () => (await machine.journal(BOTH[1])).includes('eth0: was not filtered, and is again'));
  expect(await judged()).toEqual(FILTERED);

  await machine.goDown();
  await machine.boot();
  expect(await machine.states(...BOTH)).toEqual(['active', 'active']);
  expect(await judged()).toEqual(FILTERED);
  // What may begin after network-pre.target found it filtered already.
  expect(await machine.must('cat', '/run/at-network')).toContain('"xdp"');
  expect(await machine.journal(BOTH[0])).toMatch(/^loaded: the ruleset of /m);

  // Stopping it opens nothing; `disable` ends it, and the next boot loads nothing.
  await machine.must('systemctl', 'stop', 'sluice');
  expect(await machine.states(...BOTH)).toEqual(['inactive', 'inactive']);
  expect(await judged()).toEqual(FILTERED);
  await machine.sluice('disable', '--yes');
  await machine.goDown();
  await machine.boot();
  expect(await machine.states(...BOTH)).toEqual(['inactive', 'inactive']);
  expect(await judged()).toEqual(['connected', 'connected']);

  // Uninstalled: neither units nor pins, and nothing filtered; the ruleset stays.
  await machine.sluice('enable');
  expect(await machine.states(...BOTH)).toEqual(['active', 'active']);
  expect(await machine.sluice('uninstall', '--yes')).toMatch(
    /^removed: systemd units, pins, counters and state; kept: \/etc\/sluice\/rules\.yaml$/m,
  );
  await machine.edge.recount('uninstall removed the counts, as it should');
  expect(await machine.states(...BOTH)).toEqual(['inactive', 'inactive']);
  const units = BOTH.map((unit) => machine.path('etc/systemd/system', unit));
  expect([...units, machine.edge.pins.directory].filter((path) => existsSync(path))).toEqual([]);
  expect(readFileSync(machine.path('etc/sluice/rules.yaml'), 'utf8')).toBe(RULES);
  expect(await judged()).toEqual(['connected', 'connected']);
});

test('units of others and masked ones are refused, and left as they are', async () => {
  const file = machine.path('etc/systemd/system', BOTH[0]);
  const install = (): Promise<Finished> => machine.run([process.execPath, '/opt/sluice/dist/cli/main.js', 'install']);
  writeFileSync(file, '[Service]\nExecStart=/bin/true\n');
  expect(await install()).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('is not a unit that sluice wrote') as string,
  });
  expect(await machine.sluice('install', '--remove')).toContain('there are no units of sluice');
  expect(readFileSync(file, 'utf8')).toContain('/bin/true');
  rmSync(file);
  await machine.must('systemctl', 'mask', BOTH[0]);
  expect(await install()).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('symbolic link to "/dev/null"') as string,
  });
  expect(existsSync(machine.path('etc/systemd/system', BOTH[1]))).toBe(false);
  await machine.must('systemctl', 'unmask', BOTH[0]);
  expect(await machine.sluice('install')).toMatch(/^written: sluice\.service, sluice-daemon\.service/);
  expect(await machine.sluice('install')).toMatch(/are up to date$/m);
  expect(await machine.sluice('install', '--remove')).toMatch(/^removed: sluice\.service, sluice-daemon\.service/);
});

test('the journal gets each event once, with what the daemon says', async () => {
  await machine.sluice('enable');
  expect(await machine.sluice('install', '--journal')).toMatch(/^written: sluice-daemon\.service/);
  expect(await machine.states(...BOTH)).toEqual(['active', 'active']);
  expect(await judged()).toEqual(FILTERED);
  const journal = async (): Promise<string[]> => (await machine.journal(BOTH[1], 'json')).split('\n').filter(Boolean);
  const told = async (): Promise<{ MESSAGE: string; PRIORITY: string; SYSLOG_IDENTIFIER: string }[]> =>
    (await journal())
      .map((line) => JSON.parse(line) as { MESSAGE: string; PRIORITY: string; SYSLOG_IDENTIFIER: string })
      .filter(({ MESSAGE }) => MESSAGE.startsWith('[SLUICE '));
  await machine.until(async () => (await told()).length > 0);
  const events = await told();
  // A SYN that nobody answers is sent again, with another name each time.
  expect(new Set(events.map(({ MESSAGE }) => / EVENT=(\S+)$/.exec(MESSAGE)?.[1])).size).toBe(events.length);
  for (const { MESSAGE, PRIORITY } of events) {
    expect(MESSAGE).toMatch(/^\[SLUICE BLOCK\] IN=eth0 OUT= MAC=\S+ SRC=192\.0\.2\.1 .* DPT=8001 .* RULE=default /);
    expect(PRIORITY).toBe('4');
  }
  expect(await journal()).toContainEqual(expect.stringContaining('events go to the journal'));

  // If everything else fails: the line of README, without sluice.
  await machine.must('sh', '-c', 'systemctl stop sluice; rm -r /sys/fs/bpf/sluice');
  expect(await machine.states(...BOTH)).toEqual(['inactive', 'inactive']);
  await machine.edge.recount('it was ended by hand');
  expect(await judged()).toEqual(['connected', 'connected']);
});
