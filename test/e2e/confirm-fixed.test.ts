/**
 * `inbound`, `outbound` and the guard wait to be confirmed by themselves, beside each other and beside servers, by real
 * commands and connections: who cuts himself off comes back with every process dead, at that section's own deadline.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { TRIAL_FAILPOINTS } from '../../src/load/failpoint';
import { readEnforcement } from '../../src/operate/enforcement';
import { isBackAt } from '../support/back-in-time';
import { serve, tcpConnect } from '../support/clients';
import { EdgeHost, HOST, NEIGHBOUR } from '../support/edge-host';
import { endTrial, tensOfMinutesLeft } from '../support/end-trial';

const TEXT = `# the edge
version: 1
interfaces: [eth0]
inbound:
  default: deny
  rules:
    - allow 1080/tcp   # the administrator
servers:
  red: { address: ${HOST.ipv4}, ports: 2000-2099, rules: [allow 2080/tcp] }
`;

let host: EdgeHost;
let file: string;

beforeEach(async () => {
  host = await EdgeHost.open('fixed');
  file = host.write('rules.yaml', TEXT);
  await serve(host.edge, ['tcp:1080', 'tcp:1081', 'tcp:2080']);
  await serve(host.wire, ['echo:7007', 'tcp:7008']);
  await host.must('apply');
});
afterEach(() => host.close());

const text = (): string => readFileSync(file, 'utf8');
const reached = async (...ports: number[]): Promise<number[]> => {
  const asked = ports.length > 0 ? ports : [1080, 2080];
  const answers = await Promise.all(asked.map((port) => tcpConnect(host.wire, HOST.ipv4, port)));
  return asked.filter((_, i) => answers[i] === 'connected');
};
/** Whether connections that begin inside reach port 7008 of the neighbour. */
const getsOut = async (): Promise<boolean> => (await tcpConnect(host.edge, NEIGHBOUR.ipv4, 7008)) === 'connected';

test('cut off by inbound, every process dead: back at its own deadline, beside a server with another one', async () => {
  await host.must('deny', '2080/tcp', '--server', 'red', '--confirm', '20m');
  const words = ['deny', '1080/tcp', '--confirm', '10m'];
  // Killed as soon as the kernel enforces it.
  expect(await host.sluice(words, { SLUICE_FAILPOINT: 'after-gate:kill' })).toMatchObject({ status: 137 });
  expect(await reached()).toEqual([]);
  expect(await tensOfMinutesLeft(host)).toEqual({ inbound: 1, red: 2 });
  // Its own word in the kernel says when; the other one's says what it said.
  await endTrial(host, 'inbound', 2000);
  const over = Date.now() + 2000;
  expect(await isBackAt(over, async () => (await reached(1080)).length > 0)).toBe(true);
  expect(await reached()).toEqual([1080]);
  const { stderr, stdout } = await host.sluice(['status']);
  expect(stderr).toContain('of inbound was not confirmed within 600 s: the rows before judge again');
  expect(stdout).toMatch(/^red is not confirmed yet: \d+ s left/m);
  expect(await host.waiting()).toEqual(['red']);
  expect(text()).toBe(TEXT.replace('allow 2080/tcp', 'deny 2080/tcp id allow-2080_tcp'));
  expect(await host.outcomes()).toEqual([
    'apply: applied',
    'deny 2080/tcp --server red: pending',
    'deny 1080/tcp: rolled-back-by-deadline',
  ]);
  expect(await host.must('confirm', '--server', 'red')).toBe('confirmed: the rows of red hold\n');
  expect(await reached()).toEqual([1080]);
});

test('each section has its own word; one change of several has one', async () => {
  await host.must('allow', '1081/tcp', '--confirm', '10m');
  await host.must('default', 'deny', 'outgoing', '--confirm', '20m');
  await host.must('deny', '2080/tcp', '--server', 'red', '--confirm', '30m');
  expect([await host.waiting(), await reached(1080, 1081, 2080)]).toEqual([
    ['inbound', 'outbound', 'red'],
    [1080, 1081],
  ]);
  expect(await getsOut()).toBe(false);
  const status = await host.must('status');
  expect(status).toMatch(
    /^inbound is not confirmed yet: \d+ s left, then its rows before judge again \(sluice confirm --section inbound keeps/m,
  );
  expect(await host.must('metrics')).toMatch(
    /^sluice_section_confirm_deadline_timestamp_seconds\{section="outbound"\} \d+/m,
  );
  // A change of another section is in both states; one of a section that waits is refused, or waits with it.
  host.write('rules.yaml', `${text()}guard:\n  rules: [deny 1081/tcp]\n`);
  await host.must('apply');
  expect([await host.waiting(), await reached(1080, 1081)]).toEqual([['inbound', 'outbound', 'red'], [1080]]);
  const refused = await host.sluice(['allow', '1082/tcp']);
  expect([refused.status, refused.stderr]).toEqual([5, expect.stringContaining('"inbound" waits to be confirmed')]);
  expect(refused.stderr).toContain('sluice confirm --section inbound keeps them');
  await endTrial(host, 'outbound');
  expect(await getsOut()).toBe(true);
  expect(await host.must('confirm', '--section', 'inbound')).toBe('confirmed: the rows of inbound hold\n');
  expect(await host.must('rollback', '--server', 'red')).toContain('taken back: the rows before judge red again');
  expect([await host.waiting(), await reached(1080, 2080), await getsOut()]).toEqual([[], [1080, 2080], true]);
  expect(text()).not.toContain('outbound');
  expect(await host.outcomes()).toEqual([
    ...['apply: applied', 'allow 1081/tcp: confirmed', 'default deny outgoing: rolled-back-by-deadline'],
    ...['deny 2080/tcp --server red: rolled-back-by-hand', 'apply: applied'],
  ]);

  // Guard and inbound in one change of the file by hand: they go together, and the file is its author's.
  const both = text().replace('deny 1081/tcp]', 'deny 1080/tcp]').replace('allow 1080/tcp', 'deny 1080/tcp');
  host.write('rules.yaml', both);
  await host.must('apply', '--confirm', '10m');
  expect([await host.waiting(), await reached(1080, 1081)]).toEqual([['guard', 'inbound'], [1081]]);
  const { trials } = (await readEnforcement(host.context()))!;
  expect(new Set(trials.map(({ word }) => word)).size).toBe(1);
  expect(await host.must('rollback', '--section', 'guard')).toMatch(
    /the rows before judge (guard, inbound|inbound, guard) again/,
  );
  expect([await host.waiting(), await reached(1080, 1081)]).toEqual([[], [1080]]);
  expect(text()).toBe(both);
});

test('what a waiting outbound let out is refused with its next packet once the rows before judge', async () => {
  // What is refused on its way out the kernel tries again every half a second, and gives up after so many attempts: fifteen
  // are eight seconds, and all that is done here takes longer on a busy machine.
  host.edge.setSysctls({ 'net/ipv4/tcp_retries2': '255' });
  await host.must('default', 'deny', 'outgoing');
  await host.must('allow', 'out', '7007/tcp', '--confirm', '10m');
  const session = host.edge.start(['nc', NEIGHBOUR.ipv4, '7007']);
  session.write('first\n');
  await session.waitFor(/first\n/);
  const before = await host.status();
  expect(before.flows!.live).toBeGreaterThan(0);
  await endTrial(host, 'outbound');
  session.write('second\n');
  // Its packets are refused from the first on, and so would be a connection anew.
  const refusals = async (): Promise<number> =>
    Number(
      (await host.status()).sections.find(({ name }) => name === 'outbound')!.rows.find(({ id }) => id === 'default')!
        .packets,
    );
  for (const until = Date.now() + 60_000; (await refusals()) === 0;) {
    expect(Date.now()).toBeLessThan(until);
    await sleep(50);
  }
  expect(session.output).toBe('first\n');
  expect(await tcpConnect(host.edge, NEIGHBOUR.ipv4, 7007)).not.toBe('connected');
  // Allowed again, the same connection goes on with its next retransmission.
  await host.must('allow', 'out', '7007/tcp');
  await session.waitFor(/second\n/);
  await session.stop('SIGKILL');
});

test('killed anywhere: inbound has one meaning, and the next command finishes it', async () => {
  await host.must('deny', '2080/tcp', '--server', 'red', '--confirm', '20m');
  for (const place of TRIAL_FAILPOINTS) {
    const begins = place === 'after-words';
    if (!begins) await host.must('deny', '1080/tcp', '--confirm', '10m');
    const verb = begins ? ['deny', '1080/tcp', '--confirm', '10m'] : ['rollback', '--section', 'inbound'];
    const cut = await host.sluice(verb, { SLUICE_FAILPOINT: `${place}:kill` });
    expect(cut.status).toBe(137);
    const waits = place === 'before-confirm-words';
    expect([place, await reached()]).toEqual([place, waits ? [] : [1080]]);
    expect([place, await host.waiting()]).toEqual([place, waits ? ['inbound', 'red'] : ['red']]);
    if (waits) await host.must('rollback', '--section', 'inbound');
    expect([place, await reached()]).toEqual([place, [1080]]);
  }
  await host.must('rollback');
  expect(await reached()).toEqual([1080, 2080]);
  expect(await host.must('apply')).toContain('no changes');
  expect(text()).toBe(TEXT);
  expect((await host.outcomes()).filter((line) => line.endsWith('pending'))).toEqual([]);
});

test('a boot loads what was confirmed of each', async () => {
  await host.must('default', 'deny', 'outgoing', '--confirm', '10m');
  await host.must('confirm', '--section', 'outbound');
  await host.must('deny', '1080/tcp', '--confirm', '10m');
  // The machine goes down: nothing is left in the kernel.
  host.pins.removeAll();
  await host.recount('the machine went down');
  await host.must('boot');
  expect([await reached(), await getsOut(), await host.waiting()]).toEqual([[1080, 2080], false, []]);
  expect((await host.outcomes()).at(-1)).toBe('deny 1080/tcp: rolled-back-at-boot');
  expect(text()).toContain('- allow 1080/tcp   # the administrator');
});
