/**
 * What waits to be confirmed meets a full disk, an interface that goes away, and others whose time is over meanwhile: the
 * kernel's word holds, what is said is so, and nobody is kept from changing anything.
 */
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { kernel } from '../../src/kernel/native';
import { pendingGate } from '../../src/load/confirm';
import { SharedState } from '../../src/load/state';
import { confirmSections } from '../../src/operate/confirm-sections';
import { readEnforcement } from '../../src/operate/enforcement';
import { Firewall } from '../../src/operate/firewall';
import { LOCK_FILE } from '../../src/operate/state-files';
import { serve, tcpConnect } from '../support/clients';
import { COMMAND, EdgeHost, HOST } from '../support/edge-host';
import { endGate } from '../support/end-gate';
import { endTrial } from '../support/end-trial';
import { must } from '../support/process';

const TEXT = `version: 1
interfaces: [eth0]
inbound:
  default: deny
  rules:
    - allow 1080/tcp
servers:
  red: { address: ${HOST.ipv4}, ports: 2000-2099, rules: [allow 2080/tcp] }
  green: { address: ${HOST.ipv4}, ports: 3000-3099, rules: [allow 3080/tcp] }
`;
const PORTS = [1080, 2080, 3080];

let host: EdgeHost;
let file: string;

beforeEach(async () => {
  host = await EdgeHost.open('confirm-trouble');
  const state = host.environment.SLUICE_STATE_DIR!;
  mkdirSync(state, { mode: 0o700 });
  must(['mount', '-t', 'tmpfs', '-o', 'size=512k,mode=700', 'slc-full', state]);
  file = host.write('rules.yaml', TEXT);
  await serve(
    host.edge,
    PORTS.map((port) => `tcp:${port}`),
  );
  await host.must('apply');
});
afterEach(() => host.close());

const reached = async (): Promise<number[]> => {
  const answers = await Promise.all(PORTS.map((port) => tcpConnect(host.wire, HOST.ipv4, port)));
  return PORTS.filter((_, i) => answers[i] === 'connected');
};
const late = (section: string): RegExp => new RegExp(`of ${section} was not confirmed within \\d+ s: the rows before`);
/** dd(1) ends with a failure: that is what it is for. */
const fill = (): Promise<unknown> =>
  host.edge.run(['dd', 'if=/dev/zero', `of=${join(host.environment.SLUICE_STATE_DIR!, 'filler')}`, 'bs=4k']);
const makeRoom = (): void => {
  rmSync(join(host.environment.SLUICE_STATE_DIR!, 'filler'));
};

test('whose time is over while somebody decides about another: it is said until something else is applied', async () => {
  await host.must('deny', '1080/tcp', '--confirm', '10m');
  await host.must('deny', '2080/tcp', '--server', 'red', '--confirm', '20m');
  await host.must('deny', '3080/tcp', '--server', 'green', '--confirm', '30m');
  await endTrial(host, 'red');
  const kept = await host.sluice(['confirm', '--section', 'inbound']);
  expect(kept).toMatchObject({ status: 0, stdout: 'confirmed: the rows of inbound hold\n' });
  expect(kept.stderr).toMatch(late('red'));
  // The daemon, or whoever comes next, is killed when all is done but saying it.
  await endTrial(host, 'green');
  expect((await host.sluice(['status'], { SLUICE_FAILPOINT: 'after-trial-settled:kill' })).status).toBe(137);
  const { warnings } = await host.status();
  expect(warnings).toEqual([expect.stringMatching(late('red')), expect.stringMatching(late('green'))]);
  expect((await host.sluice(['confirm'])).stderr).toMatch(/of red was not confirmed[^]*of green was not confirmed/);
  expect([await reached(), await host.waiting()]).toEqual([[2080, 3080], []]);
  await host.must('allow', '1081/tcp');
  expect((await host.status()).warnings).toEqual([]);
});

test('at the same instant one is confirmed and the time of another is over: each has its own end, and author', async () => {
  await host.must('deny', '1080/tcp', '--confirm', '10m');
  await host.must('deny', '2080/tcp', '--server', 'red', '--confirm', '20m');
  const context = host.context();
  const { trials } = (await readEnforcement(context))!;
  const { word } = trials.find(({ previous }) => previous.name === 'red')!;
  const decided = await confirmSections(context, {
    section: 'inbound',
    // It has been seen what waits, and nothing is decided yet.
    require: () => {
      const state = SharedState.find(kernel(), host.pins)!;
      const words = state.confirmWords();
      words.set(word, kernel().bootTimeNs());
      words.close();
      state.close();
    },
  });
  expect(decided.sections).toEqual(['inbound']);
  expect([await reached(), await host.waiting()]).toEqual([[2080, 3080], []]);
  expect((await host.revisions()).map(({ outcome, ended }) => [outcome, ended?.by !== undefined])).toEqual([
    ['applied', false],
    ['confirmed', true],
    ['rolled-back-by-deadline', false],
  ]);
  expect(readFileSync(file, 'utf8')).toBe(TEXT.replace('allow 1080/tcp', 'deny 1080/tcp id allow-1080_tcp'));
});

test('the time of settings is over, a section still waits: `confirm` keeps that one and says what became of the others', async () => {
  await host.must('logging', 'medium', '--confirm', '10m');
  await host.must('deny', '1080/tcp', '--confirm', '20m');
  endGate(host);
  const { status, stdout, stderr } = await host.sluice(['confirm']);
  expect([status, stdout]).toEqual([0, 'confirmed: the rows of inbound hold\n']);
  expect(stderr).toMatch(/the change of .* \(generation \d+\) was not confirmed within 600 s/);
  expect((await host.status()).warnings).toEqual([expect.stringContaining('was not confirmed within 600 s')]);
  expect(await reached()).toEqual([2080, 3080]);
});

test('a full disk: the kernel goes back by itself, what is confirmed holds and is said to, and the next command finishes it', async () => {
  await host.must('deny', '1080/tcp', '--confirm', '10m');
  await host.must('deny', '2080/tcp', '--server', 'red', '--confirm', '20m');
  await fill();
  await endTrial(host, 'inbound');
  expect(await reached()).toEqual([1080, 3080]);
  const status = await host.sluice(['status']);
  expect(status).toMatchObject({ status: 0, stdout: expect.stringMatching(/^red is not confirmed yet/m) as string });
  expect(status.stderr).toContain('note: an earlier change cannot be tidied up: cannot write');
  makeRoom();
  await host.must('status');
  await fill();
  const kept = await host.sluice(['confirm', '--server', 'red']);
  expect([kept.status, kept.stdout]).toEqual([1, '']);
  expect(kept.stderr).toMatch(
    /^error: the rows of red: confirmed and enforced, but files do not say so yet: cannot write/,
  );
  expect(kept.stderr).toContain('the next command writes it down');
  makeRoom();
  await host.must('status');
  expect([await reached(), await host.waiting()]).toEqual([[1080, 3080], []]);
  expect((await host.revisions()).map(({ outcome }) => outcome)).toEqual([
    ...['applied', 'rolled-back-by-deadline', 'confirmed'],
  ]);
  // A boot goes by it too.
  host.pins.removeAll();
  await host.recount('the machine went down');
  await host.must('boot');
  expect(await reached()).toEqual([1080, 3080]);
});

test('the interface goes away and comes again while a section waits: the next apply filters it, by what was before', async () => {
  await host.must('deny', '1080/tcp', '--confirm', '10m');
  host.edge.ip(`link del ${HOST.link}`);
  await endTrial(host, 'inbound');
  // Nothing is filtered at the moment: that is no reason to leave it undone.
  const status = await host.sluice(['status']);
  expect(status.stderr).not.toContain('cannot be tidied up');
  expect(readFileSync(file, 'utf8')).toBe(TEXT);
  host.join();
  await host.must('apply');
  await host.recount('the link is there again');
  expect([await reached(), await host.waiting()]).toEqual([PORTS, []]);
  expect((await host.status()).interfaces.map(({ name }) => name)).toEqual([HOST.link]);
});

test('confirmed while its interface is away: a boot loads it', async () => {
  await host.must('logging', 'medium', '--confirm', '10m');
  host.edge.ip(`link del ${HOST.link}`);
  expect(await host.must('confirm')).toContain('holds');
  host.pins.removeAll();
  host.join();
  await host.recount('the machine went down');
  expect((await host.sluice(['boot'])).stderr).toBe('');
  expect(await host.outcomes()).toEqual([...['apply: applied', 'logging medium: confirmed']]);
  expect([await host.must('logging', 'medium'), await reached()]).toEqual([
    expect.stringContaining('logging is on (medium) already'),
    PORTS,
  ]);
});

test('somebody changes many rules, which takes long: who says in time that his own are right is not sent away', async () => {
  await host.must('deny', '1080/tcp', '--confirm', '10m');
  const lock = kernel().tryLock(join(host.context().folder.path, LOCK_FILE))!;
  const confirming = host.sluice(['confirm']);
  await sleep(6500);
  lock.close();
  expect(await confirming).toMatchObject({ status: 0, stdout: 'confirmed: the rows of inbound hold\n' });
});

test('somebody disables as soon as it is confirmed: a program is told that nothing is enforced any more', async () => {
  await host.must('logging', 'medium', '--confirm', '10m');
  const environment = { ...process.env };
  Object.assign(process.env, host.environment);
  const firewall = await Firewall.open({ netns: host.edge.path });
  const find = SharedState.find.bind(SharedState);
  let isPending = true;
  // Whoever looks next after it was confirmed comes too late.
  const looking = jest.spyOn(SharedState, 'find').mockImplementation((...where) => {
    const state = find(...where);
    const isConfirmed = state !== null && isPending && !pendingGate(state);
    const lock = isConfirmed && kernel().tryLock(join(host.context().folder.path, LOCK_FILE));
    if (!lock) return state;
    isPending = false;
    lock.close();
    state?.close();
    must(host.edge.argv([process.execPath, COMMAND, 'disable', '--yes']));
    return find(...where);
  });
  try {
    await expect(firewall.confirm()).rejects.toMatchObject({
      code: 'operate/not-active',
      message: expect.stringMatching(/^it was confirmed, and nothing is enforced any more/) as string,
      hint: expect.any(String) as string,
    });
  } finally {
    looking.mockRestore();
    process.env = environment;
  }
  await firewall.close();
  expect(isPending).toBe(false);
  expect((await host.status()).active).toBe(false);
});
