/**
 * Servers that wait to be confirmed by themselves, by real commands and connections: one is cut off by a change that nobody
 * confirms, comes back at its deadline with every process dead, and nothing of any other server is moved by it.
 */
import { readFileSync } from 'node:fs';
import type { ServerPage } from '../../src/observe/server-page';
import { endRules } from '../../src/operate/end-rules';
import { Firewall } from '../../src/operate/firewall';
import { TRIAL_FAILPOINTS } from '../../src/load/failpoint';
import { isBackAt } from '../support/back-in-time';
import { serve, tcpConnect } from '../support/clients';
import { EdgeHost, HOST } from '../support/edge-host';
import { endTrial, tensOfMinutesLeft } from '../support/end-trial';

const TEXT = `# the edge
version: 1
interfaces: [eth0]
inbound: { default: deny, ssh: { port: 22, from: anyone } }
servers:
  red:   # first
    address: ${HOST.ipv4}
    ports: 1000-1099
    rules:
      - allow 1080/tcp   # red's web
  green: { address: ${HOST.ipv4}, ports: 2000-2099, rules: [allow 2080/tcp] } # second
  blue: { address: ${HOST.ipv4}, ports: 3000-3099, rules: [allow 3080/tcp] }
`;

let host: EdgeHost;
let file: string;

beforeEach(async () => {
  host = await EdgeHost.open('trials');
  file = host.write('rules.yaml', TEXT);
  await serve(host.edge, ['tcp:1080', 'tcp:2080', 'tcp:3080']);
  await host.must('apply');
});
afterEach(() => host.close());

const text = (): string => readFileSync(file, 'utf8');
const reached = async (...ports: number[]): Promise<number[]> => {
  const asked = ports.length > 0 ? ports : [1080, 2080, 3080];
  const answers = await Promise.all(asked.map((port) => tcpConnect(host.wire, HOST.ipv4, port)));
  return asked.filter((_, i) => answers[i] === 'connected');
};

test('cut off, every process dead: each server is back at its own deadline, and no other notices', async () => {
  // Killed as soon as the kernel enforces it.
  const words = ['deny', '1080/tcp', '--server', 'red', '--confirm', '10m'];
  expect(await host.sluice(words, { SLUICE_FAILPOINT: 'after-gate:kill' })).toMatchObject({ status: 137 });
  expect(await reached()).toEqual([2080, 3080]);
  const told = await host.must('deny', '2080/tcp', '--server', 'green', '--confirm', '20m');
  expect(told).toContain('applied: generation 3');
  expect(await reached()).toEqual([3080]);
  expect(await tensOfMinutesLeft(host)).toEqual({ red: 1, green: 2 });
  // The word in the kernel says when it is over.
  await endTrial(host, 'red', 2000);
  const over = Date.now() + 2000;
  expect(await isBackAt(over, async () => (await reached(1080)).length > 0)).toBe(true);
  expect(await reached()).toEqual([1080, 3080]);
  // The first command since says so and tidies up; the other one goes on waiting.
  const { stderr, stdout } = await host.sluice(['status']);
  expect(stderr).toContain('of red was not confirmed within 600 s: the rows before judge again');
  expect(stdout).toMatch(/green is not confirmed yet: \d+ s left, then its rows before judge again/);
  expect(await host.must('status', 'green')).toMatch(/^green: .*\ngreen is not confirmed yet: \d+ s left/);
  expect(await host.must('metrics')).toMatch(
    /^sluice_server_confirm_deadline_timestamp_seconds\{server="green"\} \d+/m,
  );
  const { page } = JSON.parse(await host.must('snapshot', 'green')) as { page: ServerPage };
  expect(page.server.waiting!.secondsLeft).toBeGreaterThan(0);
  expect(await host.waiting()).toEqual(['green']);
  expect(await host.outcomes()).toEqual([
    'apply: applied',
    'deny 1080/tcp --server red: rolled-back-by-deadline',
    'deny 2080/tcp --server green: pending',
  ]);
  expect(text()).toBe(TEXT.replace('allow 2080/tcp', 'deny 2080/tcp id allow-2080_tcp'));
  expect(await host.must('confirm', '--server', 'green')).toBe('confirmed: the rows of green hold\n');
  expect(await reached()).toEqual([1080, 3080]);
  expect((await host.outcomes()).at(-1)).toBe('deny 2080/tcp --server green: confirmed');
  expect(await host.waiting()).toEqual([]);
});

test('a change elsewhere is in both states; who waits is not changed under it, and goes back by hand', async () => {
  await host.must('deny', '1080/tcp', '--server', 'red', '--confirm', '10m');
  await host.must('deny', '3080/tcp', '--server', 'blue');
  await host.must('logging', 'medium');
  expect([await reached(), await host.waiting()]).toEqual([[2080], ['red']]);
  const refused = await host.sluice(['allow', '1081/tcp', '--server', 'red']);
  expect([refused.status, refused.stderr]).toEqual([5, expect.stringContaining('"red" waits to be confirmed')]);
  // A second change with a time of its own waits with the first, and both go.
  await host.must('allow', '1081/tcp', '--server', 'red', '--confirm', '10m');
  expect((await host.outcomes()).slice(-1)).toEqual(['allow 1081/tcp --server red: pending']);
  const wrong = await host.sluice(['rollback', '--server', 'red', '--confirm', '60s']);
  expect([wrong.status, wrong.stderr]).toEqual([2, expect.stringContaining('--confirm is about going back')]);
  const back = await host.must('rollback', '--server', 'red');
  expect(back).toContain('taken back: the rows before judge red again');
  expect([await reached(), await host.waiting()]).toEqual([[1080, 2080], []]);
  expect(text()).toBe(`${TEXT.replace('allow 3080/tcp', 'deny 3080/tcp id allow-3080_tcp')}logging: medium\n`);
  expect((await host.outcomes()).filter((line) => line.includes('rolled-back-by-hand'))).toHaveLength(2);
  // What was before is written back by a change of its own: then nothing waits any more.
  await host.must('deny', '1080/tcp', '--server', 'red', '--confirm', '10m');
  await host.must('rollback', '1', '--server', 'red');
  expect([await reached(), await host.waiting()]).toEqual([[1080, 2080], []]);
  expect((await host.outcomes()).filter((line) => line.endsWith('pending'))).toEqual([]);
  // A row that ends leaves a server that waits, which goes on waiting.
  await host.must('deny', '1080/tcp', '--server', 'red', '--for', '1h', '--confirm', '10m');
  expect(await reached()).toEqual([2080]);
  expect((await endRules(host.context(), Date.now() + 7_200_000))?.ended).toHaveLength(1);
  expect([await reached(), await host.waiting()]).toEqual([[1080, 2080], ['red']]);
  await host.must('rollback');
  const { status, stderr } = await host.sluice(['confirm', '--server', 'red']);
  expect([status, stderr]).toEqual([1, expect.stringContaining('"red" does not wait to be confirmed by itself')]);
});

test('a program keeps one and takes another back, or keeps all', async () => {
  const environment = { ...process.env };
  Object.assign(process.env, host.environment);
  try {
    const firewall = await Firewall.open({ netns: host.edge.path });
    const apply = async (red: string, green: string): Promise<void> => {
      host.write('rules.yaml', TEXT.replace('allow 1080', `${red} 1080`).replace('allow 2080', `${green} 2080`));
      expect(await firewall.apply(file, { confirmSeconds: 600 })).toMatchObject({ kind: 'applied' });
    };
    await apply('deny', 'allow');
    await apply('deny', 'deny');
    expect([await reached(), await host.waiting()]).toEqual([[3080], ['green', 'red']]);
    await expect(firewall.confirm('blue')).rejects.toMatchObject({ code: 'operate/nothing-pending' });
    const { generation } = await host.status();
    expect(await firewall.confirm('red')).toBeGreaterThan(generation!);
    expect([await reached(), await host.waiting()]).toEqual([[3080], ['green']]);
    await firewall.rollback();
    expect([await reached(), await host.waiting()]).toEqual([[2080, 3080], []]);
    await apply('deny', 'deny');
    await firewall.confirm();
    expect([await reached(), await host.waiting()]).toEqual([[3080], []]);
    await expect(firewall.rollback()).rejects.toMatchObject({ code: 'operate/nothing-pending' });
  } finally {
    process.env = environment;
  }
});

test('what waits as a whole goes its way beside a server; `confirm` keeps all', async () => {
  await host.must('deny', '1080/tcp', '--server', 'red', '--confirm', '10m');
  await host.must('logging', 'medium', '--confirm', '10m');
  const { pending, waiting: alone } = await host.status();
  expect([pending?.generation, alone.map(({ section }) => section)]).toEqual([3, ['red']]);
  // Both the change and what would replace it again hold both states of the server.
  await endTrial(host, 'red');
  expect(await reached()).toEqual([1080, 2080, 3080]);
  await host.must('rollback');
  expect([await reached(), await host.waiting()]).toEqual([[1080, 2080, 3080], []]);
  expect(text()).toBe(TEXT);
  await host.must('deny', '1080/tcp', '--server', 'red', '--confirm', '10m');
  await host.must('logging', 'medium', '--confirm', '10m');
  expect(await host.must('confirm')).toMatch(/^confirmed: generation \d+ holds\nconfirmed: the rows of red hold\n$/);
  expect(await reached()).toEqual([2080, 3080]);
  expect((await host.outcomes()).filter((line) => line.endsWith('pending'))).toEqual([]);
});

test.each(['disable', 'boot'])('confirmed while a change waits as a whole, a server stays so over %s', async (end) => {
  await host.must('deny', '1080/tcp', '--server', 'red', '--confirm', '10m');
  await host.must('deny', '2080/tcp', '--server', 'green', '--confirm', '10m');
  await host.must('logging', 'medium', '--confirm', '10m');
  await host.must('confirm', '--server', 'red');
  if (end === 'disable') await host.must('disable', '--yes');
  else {
    host.pins.removeAll();
    await host.recount('the machine went down');
    await host.must('boot');
    expect(await reached()).toEqual([2080, 3080]);
  }
  expect(text()).toContain('deny 1080/tcp id allow-1080_tcp   # red');
  expect(text()).toContain('rules: [allow 2080/tcp]');
});

test('going back, resetting, ending and uninstalling while a server waits leave no row that nobody confirmed', async () => {
  await host.must('deny', '3080/tcp', '--server', 'blue');
  await host.must('allow', '1081/tcp', '--server', 'red');
  const before = text();
  await host.must('deny', '1080/tcp', '--server', 'red', '--confirm', '10m');
  const waits = text();
  // Another text of the server than the one before is refused, and so is a ruleset without it; files are as they were.
  for (const words of [
    ['rollback', '2'],
    ['rollback', '2', '--server', 'red'],
    ['reset', '--yes'],
    ['reset', '--yes', '--confirm', '1m'],
  ]) {
    const { status, stderr } = await host.sluice(words);
    expect([words, status, stderr]).toEqual([words, 5, expect.stringContaining('"red" waits to be confirmed')]);
    expect([words, text() === waits, await host.waiting()]).toEqual([words, true, ['red']]);
  }
  // With a time of its own it waits with the rest, and all of that goes.
  await host.must('rollback', '2', '--server', 'red', '--confirm', '10m');
  expect([await reached(), await host.waiting()]).toEqual([[1080, 2080], ['red']]);
  await host.must('rollback', '--server', 'red');
  expect(text()).toBe(before);
  // Where the text before is among what a revision brings back, nothing waits any more.
  await host.must('deny', '1080/tcp', '--server', 'red', '--confirm', '10m');
  await host.must('rollback', '3');
  expect([text(), await reached(), await host.waiting()]).toEqual([before, [1080, 2080], []]);
  await host.must('deny', '1080/tcp', '--server', 'red', '--confirm', '10m');
  await host.must('deny', '2080/tcp', '--server', 'green');
  const ended = await host.sluice(['disable', '--yes']);
  const green = before.replace('allow 2080/tcp', 'deny 2080/tcp id allow-2080_tcp');
  expect([ended.stderr, text()]).toEqual([expect.stringContaining('is again as it was'), green]);
  expect((await host.outcomes()).slice(-3)).toEqual([
    'deny 1080/tcp --server red: rolled-back-by-hand',
    'deny 2080/tcp --server green: applied',
    'disable: applied',
  ]);
  await host.recount('nothing was filtered');
  await host.must('rollback', '3');
  expect([text(), await reached(), await host.waiting()]).toEqual([before, [1080, 2080], []]);
  await host.must('deny', '1080/tcp', '--server', 'red', '--confirm', '10m');
  const removed = await host.sluice(['uninstall', '--yes']);
  expect([removed.stderr, text()]).toEqual([expect.stringContaining('is again as it was'), before]);
  await host.recount('nothing is filtered');
});

test('a boot loads what was confirmed of each server', async () => {
  await host.must('deny', '2080/tcp', '--server', 'green', '--confirm', '10m');
  await host.must('confirm', '--server', 'green');
  await host.must('deny', '1080/tcp', '--server', 'red', '--confirm', '10m');
  // The machine goes down: nothing is left in the kernel.
  host.pins.removeAll();
  await host.recount('the machine went down');
  await host.must('boot');
  expect(await reached()).toEqual([1080, 3080]);
  const told = 'deny 1080/tcp --server red: rolled-back-at-boot';
  expect([await host.waiting(), (await host.outcomes()).at(-1)]).toEqual([[], told]);
  expect(text()).toBe(TEXT.replace('allow 2080/tcp', 'deny 2080/tcp id allow-2080_tcp'));
  // Once: a file that says it again is its author's, and no later boot has anything to say of it.
  host.write('rules.yaml', TEXT.replace('allow 1080/tcp', 'deny 1080/tcp id allow-1080_tcp'));
  const byHand = text();
  host.pins.removeAll();
  await host.recount('the machine went down again');
  const again = await host.sluice(['boot']);
  expect([again.status, again.stderr, text()]).toEqual([0, '', byHand]);
  expect([await reached(), await host.waiting(), (await host.outcomes()).at(-1)]).toEqual([[1080, 3080], [], told]);
  expect((await host.status()).warnings).toEqual([]);
});

test('killed anywhere: each server has one meaning, and the next command finishes it', async () => {
  await host.must('deny', '2080/tcp', '--server', 'green', '--confirm', '20m');
  for (const place of TRIAL_FAILPOINTS) {
    const begins = place === 'after-words';
    if (!begins) await host.must('deny', '1080/tcp', '--server', 'red', '--confirm', '10m');
    const verb = begins
      ? ['deny', '3080/tcp', '--server', 'blue', '--confirm', '10m']
      : ['rollback', '--server', 'red'];
    const cut = await host.sluice(verb, { SLUICE_FAILPOINT: `${place}:kill` });
    expect(cut.status).toBe(137);
    const waits = place === 'before-confirm-words';
    expect([place, await reached()]).toEqual([place, waits ? [3080] : [1080, 3080]]);
    expect([place, await host.waiting()]).toEqual([place, waits ? ['green', 'red'] : ['green']]);
    if (waits) await host.must('rollback', '--server', 'red');
    expect([place, await reached()]).toEqual([place, [1080, 3080]]);
  }
  await host.must('rollback');
  expect(await reached()).toEqual([1080, 2080, 3080]);
  expect(await host.must('apply')).toContain('no changes');
  expect(text()).toBe(TEXT);
  expect((await host.outcomes()).filter((line) => line.endsWith('pending'))).toEqual([]);
});
