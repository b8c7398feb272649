/** Rules with an end: the daemon ends them at their moment, asleep, locked out or busy; without one they stay, and it shows. */
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SnapshotRow } from '../../src/observe/snapshot';
import { serve, tcpConnect } from '../support/clients';
import { COMMAND, EdgeHost, HOST, NEIGHBOUR } from '../support/edge-host';
import { endTrial } from '../support/end-trial';
import { expectAllCounted } from '../support/host-figures';
import { Background } from '../support/process';
import { DOOR } from '../support/ruleset-text';

/** What is done before an end, in commands that apply rules: an end is as far away as this machine needs for them. */
const STEPS_BEFORE_END = 8;
const LEAST_SECONDS = 5;

let host: EdgeHost;
/** A length of time, as `--for` takes it. */
let soon: string;
beforeEach(async () => {
  host = await EdgeHost.open('ends');
  host.write('rules.yaml', DOOR);
  await serve(host.edge, ['tcp:22', 'tcp:9000', 'tcp:9001']);
  const begun = performance.now();
  await host.must('enable');
  const step = (performance.now() - begun) / 1000;
  soon = `${Math.max(LEAST_SECONDS, Math.ceil(STEPS_BEFORE_END * step))}s`;
});
afterEach(() => host.close());

const reach = (port: number) => tcpConnect(host.wire, HOST.ipv4, port);
const file = (): string => readFileSync(join(host.directory, 'rules.yaml'), 'utf8');
const row = async (id: string): Promise<SnapshotRow> =>
  (await host.status()).sections[0].rows.find((candidate) => candidate.id === id)!;
const startDaemon = async (): Promise<Background> => {
  const daemon = host.startSluice(['daemon']);
  await daemon.waitFor(/the daemon runs/);
  return daemon;
};

test('opened for a while and closed for a while: the packets say so, before and after', async () => {
  const daemon = await startDaemon();
  const opened = await host.sluice(['allow', '9000/tcp', '--for', soon, 'comment', 'a visitor']);
  expect([opened.status, opened.stderr]).toEqual([0, '']);
  expect(opened.stdout).toMatch(/^added rule 2: allow 9000\/tcp, until \d{4}-\S+\napplied/);
  const closed = await host.must('deny', '22/tcp', '--for', soon);
  expect(closed).toMatch(/^inserted rule 1: deny 22\/tcp, until \S+, then "allow 22\/tcp" decides again\n/);
  const end = Date.parse((await row('tcp-9000')).until!);
  const [open, shut] = [await reach(9000), await reach(22)];
  if (Date.now() < end) expect([open, shut]).toEqual(['connected', 'timeout']);
  const early = await host.must('status');
  if (Date.now() < end) expect(early).toMatch(/\[ 3\] +9000\/tcp +ALLOW IN .* \(until \S+, in \d+ s\) # a visitor/);
  await daemon.waitFor(/inbound\/tcp-9000 "allow 9000\/tcp" has ended \(until \S+\): generation \d+/);
  expect(Date.now()).toBeGreaterThanOrEqual(end);
  await daemon.waitFor(/inbound\/tcp-22 "deny 22\/tcp" has ended/);
  expect([await reach(9000), await reach(22)]).toEqual(['timeout', 'connected']);
  // The file is the user's: the row stands in it until he takes it out, and its hits are kept.
  expect(file()).toContain('- allow 9000/tcp until ');
  expect(Number((await row('tcp-9000')).packets)).toBeGreaterThan(0);
  expect(await host.must('status')).toMatch(
    /9000\/tcp +ALLOW IN .* \(ended \d+ (?:s|min) ago\) # a visitor|\(ended now\) # a visitor/,
  );
  expect(await host.must('explain', 'tcp', 'from', NEIGHBOUR.ipv4, 'to', HOST.ipv4, 'port', '9000')).toMatch(
    /the model and the datapath program agree\n[^]*allow 9000\/tcp: has ended \(until /,
  );
  expect((await host.sluice(['check'])).stderr).toMatch(/warning\[lint\/ended\]|lint\/ended/);
  expect(await host.must('plan')).toBe('no changes\n');
  await expectAllCounted(host);
  expect(await daemon.stop()).toBe(0);
});

test('a daemon that slept over the moment, or is started after it, makes up for it', async () => {
  const first = await startDaemon();
  await host.must('allow', '9000/tcp', '--for', soon);
  await first.hold();
  await sleep(Date.parse((await row('tcp-9000')).until!) + 2500 - Date.now());
  expect(await reach(9000)).toBe('connected');
  const late = await host.sluice(['status']);
  expect(late.stdout).toMatch(/\(was to end (?:\d+ (?:s|min) ago|now), still enforced\)/);
  expect(late.stdout).toMatch(/warning: inbound\/tcp-9000 "allow 9000\/tcp" was to end \S+ and is still enforced/);
  process.kill(first.pid, 'SIGCONT');
  await first.waitFor(/inbound\/tcp-9000 "allow 9000\/tcp" has ended/);
  expect(await reach(9000)).toBe('timeout');
  await first.stop();

  const alone = await host.sluice(['allow', '9001/tcp', '--for', soon]);
  expect(alone.stderr).toMatch(/lint\/nobody-ends[^]*no daemon runs that would end it/);
  expect((await host.sluice(['check'])).stderr).toMatch(/lint\/nobody-ends|lint\/ended/);
  await sleep(Date.parse((await row('tcp-9001')).until!) + 200 - Date.now());
  expect(await reach(9001)).toBe('connected');
  const second = await startDaemon();
  await second.waitFor(/inbound\/tcp-9001 "allow 9001\/tcp" has ended/);
  expect(await reach(9001)).toBe('timeout');
  await second.stop();
  await expectAllCounted(host);
});

test('after a change that the kernel took back, with no command after it, the daemon goes on where it was', async () => {
  const folder = join(host.directory, 'etc');
  mkdirSync(folder);
  const path = host.write('etc/rules.yaml', DOOR);
  await host.must('apply', path);
  const first = await startDaemon();
  await host.must('allow', '9001/tcp', '--confirm', '10m');
  await endTrial(host, 'inbound');
  await first.waitFor(/of inbound was not confirmed within 600 s: the rows before judge again, in \S+ too/);
  expect(readFileSync(path, 'utf8')).toBe(DOOR);
  await first.stop();

  // Its unit may not write the file, and leaves it to the next command.
  await host.must('allow', '9000/tcp', '--for', soon);
  const until = Date.parse((await row('tcp-9000')).until!);
  const readOnly = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"';
  const second = host.edge.start(['unshare', '-m', 'sh', '-c', readOnly, folder, process.execPath, COMMAND, 'daemon'], {
    env: host.environment,
  });
  await second.waitFor(/the daemon runs/);
  await host.must('delete', 'tcp-9000', '--confirm', '10m');
  await endTrial(host, 'inbound');
  await second.waitFor(/inbound\/tcp-9000 "allow 9000\/tcp" has ended/);
  expect(Date.now()).toBeGreaterThanOrEqual(until);
  expect(await reach(9000)).toBe('timeout');
  await second.stop();
  await expectAllCounted(host);
});

test('an apply that fails is tried again, and said; a file edited by hand stays unapplied', async () => {
  const daemon = await startDaemon();
  await host.must('allow', '9000/tcp', '--for', soon);
  const enforced = await host.status();
  const until = Date.parse((await row('tcp-9000')).until!);
  const holder = new Background(['flock', '--no-fork', host.pins.directory, 'sleep', '600']);
  // Somebody is in the middle of opening everything in the editor: none of it is to be enforced by this.
  const edited = host.write('rules.yaml', file().replace('default: deny', 'default: allow'));
  await daemon.waitFor(
    /rules whose end has come are still enforced: another sluice \(pid \d+\) is changing this firewall/,
    60_000,
  );
  expect(Date.now()).toBeGreaterThanOrEqual(until);
  expect((await host.status()).generation).toBe(enforced.generation);
  await holder.stop();
  await daemon.waitFor(/inbound\/tcp-9000 "allow 9000\/tcp" has ended/);
  expect(daemon.output.match(/still enforced/g)).toHaveLength(1);
  expect([await reach(9000), await reach(9001)]).toEqual(['timeout', 'timeout']);
  expect(readFileSync(edited, 'utf8')).toContain('default: allow');
  // The verbs still see that the file is not what is enforced.
  expect((await host.sluice(['allow', '80/tcp'])).stderr).toMatch(/was edited since it was applied[^]*default: allow/);
  await daemon.stop();
  await expectAllCounted(host);
});

test('what cannot be is refused, and nothing is written', async () => {
  const before = [file(), statSync(join(host.directory, 'rules.yaml')).mtimeMs];
  for (const [words, status, message] of [
    [['allow', '9000/tcp', '--for', 'soon'], 2, /"soon" is not a length of time/],
    [['allow', '9000/tcp', '--until', '2020-01-01'], 2, /"2020-01-01" has passed/],
    [['allow', '9000/tcp', '--for', '1h', '--until', '2090-01-01'], 2, /both say when it ends/],
    [['allow', '9000/tcp', 'until', '2090-01-01', '--for', '1h'], 2, /the row says until itself/],
    [['allow', '9000/tcp', 'until', 'tomorrow'], 3, /parse\/time/],
  ] as const) {
    const result = await host.sluice(words);
    expect([words, result.status, result.stderr]).toEqual([words, status, expect.stringMatching(message)]);
  }
  expect([file(), statSync(join(host.directory, 'rules.yaml')).mtimeMs]).toEqual(before);
});
