/**
 * A change of a section while settings, or another file, wait to be confirmed as a whole: it is in both states, what waits
 * and what judges again otherwise (SPEC §6), by real commands and connections.
 */
import { readFileSync } from 'node:fs';
import { Firewall } from '../../src/operate/firewall';
import { isBackAt } from '../support/back-in-time';
import { serve, tcpConnect } from '../support/clients';
import { EdgeHost, HOST, NEIGHBOUR } from '../support/edge-host';
import { endGate } from '../support/end-gate';
import { endTrial } from '../support/end-trial';

const TEXT = `version: 1
interfaces: [eth0]
sets: { friends: [${NEIGHBOUR.ipv4}] }
inbound: { default: deny, rules: [allow from friends to any port 4080 proto tcp] }
servers:
  red: { address: ${HOST.ipv4}, ports: 1000-1099, rules: [allow 1080/tcp] } # first
  green: { address: ${HOST.ipv4}, ports: 2000-2099, rules: [allow 2080/tcp] }
  blue: { address: ${HOST.ipv4}, ports: 3000-3099, rules: [allow 3080/tcp] }
`;
/** Settings alone: nobody is a friend any more. */
const FRIENDLESS = TEXT.replace(`friends: [${NEIGHBOUR.ipv4}]`, 'friends: [203.0.113.1]');
const PORTS = [1080, 2080, 3080, 4080];

let host: EdgeHost;

beforeEach(async () => {
  host = await EdgeHost.open('beside');
  host.write('rules.yaml', TEXT);
  await serve(
    host.edge,
    PORTS.map((port) => `tcp:${port}`),
  );
  await host.must('apply');
});
afterEach(() => host.close());

const text = (name = 'rules.yaml'): string => readFileSync(`${host.directory}/${name}`, 'utf8');
const reached = async (...ports: number[]): Promise<number[]> => {
  const asked = ports.length > 0 ? ports : PORTS;
  const answers = await Promise.all(asked.map((port) => tcpConnect(host.wire, HOST.ipv4, port)));
  return asked.filter((_, i) => answers[i] === 'connected');
};
const isWhole = async (): Promise<boolean> => (await host.status()).pending !== null;
const denied = (port: number, before = TEXT): string =>
  before.replace(`allow ${port}/tcp`, `deny ${port}/tcp id allow-${port}_tcp`);

test('settings wait, every process dead: past the deadline they are back, and what was changed beside them stays', async () => {
  host.write('rules.yaml', FRIENDLESS);
  await host.must('apply', '--confirm', '10m');
  expect(await reached()).toEqual([1080, 2080, 3080]);
  // One holds at once, and is killed as soon as the kernel enforces it; one waits by itself.
  const killed = { SLUICE_FAILPOINT: 'after-gate:kill' };
  expect((await host.sluice(['deny', '1080/tcp', '--server', 'red'], killed)).status).toBe(137);
  const told = await host.sluice(['deny', '2080/tcp', '--server', 'green', '--confirm', '10m']);
  expect(told.stderr).toMatch(/an earlier change is not confirmed yet: .* with this one in it\ngreen is not confirmed/);
  expect([await reached(), await host.waiting(), await isWhole()]).toEqual([[3080], ['green'], true]);
  endGate(host, 2000);
  const over = Date.now() + 2000;
  expect(await isBackAt(over, async () => (await reached(4080)).length > 0)).toBe(true);
  expect(await reached()).toEqual([3080, 4080]);
  expect((await host.sluice(['status'])).stderr).toContain('was not confirmed within 600 s');
  expect([await reached(), await host.waiting(), await isWhole()]).toEqual([[3080, 4080], ['green'], false]);
  expect(await host.outcomes()).toEqual([
    ...['apply: applied', 'apply: rolled-back-by-deadline'],
    ...['deny 1080/tcp --server red: applied', 'deny 2080/tcp --server green: pending'],
  ]);
  await endTrial(host, 'green');
  await host.must('status');
  expect([await reached(), await host.waiting()]).toEqual([[2080, 3080, 4080], []]);
  // The file was changed by hand: that is its author's; what a verb wrote for green is gone from it.
  expect(text()).toBe(denied(1080, FRIENDLESS));
});

test('a verb made the settings wait: its words leave the file, those of the section stay', async () => {
  await host.must('logging', 'medium', '--confirm', '10m');
  await host.must('deny', '1080/tcp', '--server', 'red');
  await host.must('deny', '2080/tcp', '--server', 'green', '--confirm', '20m');
  await host.must('rollback');
  expect([await reached(), await host.waiting()]).toEqual([[3080, 4080], ['green']]);
  expect(text()).toBe(denied(2080, denied(1080)));
  await host.must('logging', 'medium', '--confirm', '10m');
  // Confirmed while the settings wait, a section can be changed again; and settings wait on with it.
  await host.must('confirm', '--server', 'green');
  await host.must('allow', '2080/tcp', '--server', 'green');
  await host.must('allow', '1080/tcp', '--server', 'red', '--confirm', '10m');
  await host.must('logging', 'high', '--confirm', '10m');
  const refused = await host.sluice(['logging', 'low']);
  expect([refused.status, refused.stderr]).toEqual([
    5,
    expect.stringContaining('with --confirm 60s this change waits'),
  ]);
  expect([await reached(), await host.waiting(), await isWhole()]).toEqual([PORTS, ['red'], true]);
  endGate(host);
  await host.must('status');
  expect([await reached(), await host.waiting(), await isWhole()]).toEqual([PORTS, ['red'], false]);
  await host.must('rollback', '--server', 'red');
  expect(await reached()).toEqual([2080, 3080, 4080]);
  expect(text()).toBe(denied(1080).replace('allow 2080/tcp', 'allow 2080/tcp id allow-2080_tcp'));
  expect((await host.outcomes()).filter((line) => line.endsWith('pending'))).toEqual([]);
  expect(await host.must('apply')).toContain('no changes');
});

test('confirmed, both hold', async () => {
  await host.must('logging', 'medium', '--confirm', '10m');
  await host.must('deny', '1080/tcp', '--server', 'red');
  await host.must('deny', '2080/tcp', '--server', 'green', '--confirm', '20m');
  expect(await host.must('confirm')).toMatch(/^confirmed: generation \d+ holds\nconfirmed: the rows of green hold\n$/);
  expect([await reached(), await host.waiting(), await isWhole()]).toEqual([[3080, 4080], [], false]);
  expect(text()).toBe(`${denied(2080, denied(1080))}logging: medium\n`);
  expect(await host.outcomes()).toEqual([
    ...['apply: applied', 'logging medium: confirmed'],
    ...['deny 1080/tcp --server red: applied', 'deny 2080/tcp --server green: confirmed'],
  ]);
});

test.each(['at once', 'cut short'])('a boot loads what was confirmed, %s', async (how) => {
  await host.must('logging', 'medium', '--confirm', '10m');
  const failpoint = how === 'at once' ? {} : { SLUICE_FAILPOINT: 'after-gate:kill' };
  const words = ['deny', '1080/tcp', '--server', 'red'];
  expect((await host.sluice(words, failpoint)).status).toBe(how === 'at once' ? 0 : 137);
  await host.must('deny', '2080/tcp', '--server', 'green', '--confirm', '20m');
  host.pins.removeAll();
  await host.recount('the machine went down');
  const booted = await host.sluice(['boot']);
  const late = [
    /\(generation \d+\) was not confirmed before the machine/,
    /of green was not confirmed before the machine/,
  ];
  for (const one of late) expect(booted.stderr).toMatch(one);
  expect((await host.status()).warnings).toEqual(late.map((one) => expect.stringMatching(one) as string));
  expect([await reached(), await host.waiting()]).toEqual([[2080, 3080, 4080], []]);
  expect(text()).toBe(denied(1080));
  expect(await host.outcomes()).toEqual([
    ...['apply: applied', 'logging medium: rolled-back-at-boot'],
    ...['deny 1080/tcp --server red: applied', 'deny 2080/tcp --server green: rolled-back-at-boot'],
  ]);
});

test('another file waits: a section that both have alike is changed in both, one that it changes is refused', async () => {
  const other = FRIENDLESS.replace('allow 2080/tcp', 'deny 2080/tcp');
  host.write('other.yaml', other);
  await host.must('apply', `${host.directory}/other.yaml`, '--confirm', '10m');
  await host.must('deny', '1080/tcp', '--server', 'red');
  const refused = await host.sluice(['allow', '2081/tcp', '--server', 'green']);
  expect([refused.status, refused.stderr]).toEqual([5, expect.stringContaining('sluice confirm keeps it')]);
  expect(await reached()).toEqual([3080]);
  expect([text(), text('other.yaml')]).toEqual([TEXT, denied(1080, other)]);
  await host.must('rollback');
  expect(await reached()).toEqual([2080, 3080, 4080]);
  expect([text(), text('other.yaml')]).toEqual([denied(1080), denied(1080, other)]);
  expect(await host.must('apply')).toContain('no changes');
});

test('a program changes sections beside settings that wait', async () => {
  const environment = { ...process.env };
  Object.assign(process.env, host.environment);
  try {
    const firewall = await Firewall.open({ netns: host.edge.path });
    const apply = async (now: string, confirmSeconds?: number): Promise<unknown> =>
      firewall.apply(host.write('rules.yaml', now), confirmSeconds === undefined ? {} : { confirmSeconds });
    await apply(FRIENDLESS, 600);
    expect(await apply(FRIENDLESS.replace('allow 1080', 'deny 1080'))).toMatchObject({ kind: 'applied', beside: true });
    await apply(FRIENDLESS.replace('allow 1080', 'deny 1080').replace('allow 3080', 'deny 3080'), 600);
    expect([await reached(), await host.waiting(), await isWhole()]).toEqual([[2080], ['blue'], true]);
    await firewall.confirm('blue');
    await firewall.rollback();
    expect([await reached(), await host.waiting(), await isWhole()]).toEqual([[2080, 4080], [], false]);
    await firewall.close();
  } finally {
    process.env = environment;
  }
});
