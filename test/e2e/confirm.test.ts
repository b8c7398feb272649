/**
 * Changes that wait to be confirmed, by real commands on a filtered host: kept, taken back, forgotten, piled up;
 * what judges, what the files say and what was counted must agree all the while.
 */
import { readFileSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Kernel } from '../../src/kernel/kernel';
import { kernel } from '../../src/kernel/native';
import { confirmGate } from '../../src/load/confirm';
import { endRules } from '../../src/operate/end-rules';
import { lookForMissing } from '../../src/operate/missing';
import { type EdgeHost, HOST, NEIGHBOUR, Prober } from '../support/edge-host';
import { joinByVeth } from '../support/netns';
import { inboundRows } from '../support/snapshot-rows';
import { endTrial } from '../support/end-trial';
import { A, B, TwoPorts } from '../support/two-ports';

let ports: TwoPorts;
let host: EdgeHost;

beforeEach(async () => {
  ports = await TwoPorts.open('confirm');
  ({ host } = ports);
});

afterEach(() => ports.close());

test('kept: it holds, and what it replaced is gone', async () => {
  await host.must('apply');
  const applied = await host.sluice(['apply', ports.file('b.yaml'), '--confirm', '10m']);
  expect(applied.stderr).toContain('not confirmed yet: sluice confirm within 600 s keeps it, else generation 1 judges');
  expect(await ports.reached()).toEqual([B]);
  const left = async (): Promise<number> => {
    const said = /^not confirmed yet: (\d+) s left, then generation 1 judges again/m.exec(await host.must('status'));
    return Number(said![1]);
  };
  const first = await left();
  expect(first).toBeLessThanOrEqual(600);
  expect((await host.status()).pending).toMatchObject({ generation: 2, previous: 1 });
  expect(await host.must('metrics')).toMatch(/^sluice_confirm_deadline_timestamp_seconds\{generation="2"\} \d+/m);

  // It counts down.
  while ((await left()) >= first) await sleep(100);
  expect(await host.must('confirm')).toBe('confirmed: generation 2 holds\n');
  ports.expectOnly(2);
  expect(await host.status()).toMatchObject({ generation: 2, pending: null, file: ports.file('b.yaml') });
  expect((await host.sluice(['confirm'])).stderr).toContain('nothing waits to be confirmed');
  // Verbs now edit what was confirmed.
  await host.must('allow', `${A}/tcp`);
  expect(await ports.reached()).toEqual([A, B]);
});

test('taken back before its time', async () => {
  await host.must('apply');
  await host.must('apply', ports.file('b.yaml'), '--confirm', '10m');
  expect(await ports.reached()).toEqual([B]);
  // Confirmed in the very moment in which its time ends: it is as it was.
  const times = [0n, 2n ** 62n];
  const clock = { bootTimeNs: { value: () => times.shift() } };
  expect(await confirmGate({ ...host.context(), kernel: Object.create(kernel(), clock) as Kernel })).toBe(false);
  expect(times).toEqual([]);
  expect((await host.status()).pending).toMatchObject({ generation: 2, previous: 1 });
  expect(await host.must('rollback')).toBe('taken back: generation 2; generation 1 judges again\n');
  expect(await ports.reached()).toEqual([A]);
  ports.expectOnly(1);
  const { generation, file: enforced, warnings } = await host.status();
  expect({ generation, enforced, warnings }).toEqual({
    generation: 1,
    enforced: ports.file('rules.yaml'),
    warnings: [],
  });
  const nothing = await host.sluice(['rollback']);
  expect(nothing).toMatchObject({ status: 1 });
  expect(nothing.stderr).toContain('nothing waits to be confirmed');
});

test('too late: the next command says so, and so does status until another change', async () => {
  await host.must('apply');
  await host.must('apply', ports.file('b.yaml'), '--confirm', '10m');
  ports.endTime();
  expect(await ports.reached()).toEqual([A]);
  const late = await host.sluice(['confirm']);
  expect(late).toMatchObject({ status: 1 });
  expect(late.stderr).toMatch(
    /error: the change of .* \(generation 2\) was not confirmed within 600 s: generation 1 judges/,
  );
  ports.expectOnly(1);
  const { warnings, generation, file: enforced } = await host.status();
  expect(warnings.join()).toMatch(
    /was not confirmed within 600 s.*b\.yaml was left as it is: sluice apply --confirm 600s/,
  );
  expect({ generation, enforced }).toEqual({ generation: 1, enforced: ports.file('rules.yaml') });
  await host.must('apply', ports.file('b.yaml'), '--no-confirm');
  expect((await host.status()).warnings).toEqual([]);
  expect(await ports.reached()).toEqual([B]);
});

test('a verb: its row leaves the file again, unless somebody has touched the file since', async () => {
  await host.must('apply');
  const before = readFileSync(ports.file('rules.yaml'), 'utf8');
  // A setting waits as a whole, and so does what is piled on it; rows wait by themselves.
  await host.must('logging', 'medium', '--confirm', '10m');
  await host.must('allow', `${B}/tcp`, '--confirm', '10m');
  await host.must('allow', '9999/tcp', '--confirm', '10m');
  await host.must('logging', 'high', '--confirm', '10m');
  expect(await ports.reached()).toEqual([A, B]);
  expect(readFileSync(ports.file('rules.yaml'), 'utf8')).toContain('9999');
  ports.endTime();
  expect((await host.sluice(['status'])).stderr).toContain('rules.yaml is again as it was');
  expect(await ports.reached()).toEqual([A, B]);
  expect(readFileSync(ports.file('rules.yaml'), 'utf8')).not.toContain('logging');
  await endTrial(host, 'inbound');
  expect(await ports.reached()).toEqual([A]);
  await host.must('status');
  expect(readFileSync(ports.file('rules.yaml'), 'utf8')).toBe(before);
  await host.must('allow', `${B}/tcp`);
  expect(await ports.reached()).toEqual([A, B]);

  await host.must('logging', 'medium', '--confirm', '10m');
  const touched = `${readFileSync(ports.file('rules.yaml'), 'utf8')}# mine\n`;
  host.write('rules.yaml', touched);
  ports.endTime();
  expect((await host.sluice(['status'])).stderr).toContain('rules.yaml was left as it is');
  expect(readFileSync(ports.file('rules.yaml'), 'utf8')).toBe(touched);
});

test('rows of verbs leave every file they were written into, whatever was piled on them', async () => {
  await host.must('apply');
  const texts = (): string[] => ['rules.yaml', 'b.yaml'].map((name) => readFileSync(ports.file(name), 'utf8'));
  const before = texts();
  await host.must('logging', 'medium', '--confirm', '10m');
  await host.must('apply', ports.file('b.yaml'), '--confirm', '10m');
  await host.must('allow', '9999/tcp', '--confirm', '10m');
  expect(texts().map((text, i) => text === before[i])).toEqual([false, false]);
  const back = await host.sluice(['rollback']);
  expect(back.stderr).toContain(
    `${ports.file('b.yaml')} is again as it was\n${ports.file('rules.yaml')} is again as it was\n`,
  );
  expect(texts()).toEqual(before);

  await host.must('allow', '9998/tcp', '--confirm', '10m');
  const ended = await host.sluice(['disable', '--yes']);
  expect(ended.stderr).toContain(`${ports.file('rules.yaml')} is again as it was: what verbs wrote was not confirmed`);
  expect(texts()).toEqual(before);
  await host.must('enable');
  expect(await ports.reached()).toEqual([A]);
});

test('the first ruleset of all: everything passes again, and nothing is left in the kernel', async () => {
  await host.must('enable', '--confirm', '10m');
  expect(await ports.reached()).toEqual([A]);
  expect(await host.must('status')).toMatch(/then everything passes again/);
  ports.endTime();
  expect(await ports.reached()).toEqual([A, B]);
  const { stderr } = await host.sluice(['status']);
  expect(stderr).toContain('nothing is filtered, as before');
  expect(host.pinned()).toEqual([]);
  expect(host.records()).toEqual([]);
  expect(await host.status()).toMatchObject({ active: false, pending: null });
  await host.recount('what an open gate passed is counted by the gate, which is gone');
  // Nobody has ever confirmed anything: no boot may close what nothing filtered.
  expect(await host.must('boot', '--wait', '0')).toMatch(/nothing is loaded/);
  const enabled = await host.sluice(['enable', '--confirm', '10m']);
  expect(enabled.stderr).toContain('loaded at boot once it is confirmed');
  await host.must('rollback');
  expect(await host.must('boot', '--wait', '0')).toMatch(/nothing is loaded/);
  expect(await ports.reached()).toEqual([A, B]);
  await host.must('enable', '--confirm', '10m');
  const confirmed = await host.sluice(['confirm']);
  expect(confirmed.stdout).toMatch(/^confirmed: generation \d+ holds/);
  // Where it would install units, did the namespace outlive a boot.
  expect([enabled, confirmed].map(({ stderr }) => stderr.includes('does not outlive a reboot'))).toEqual([false, true]);
  expect(await ports.reached()).toEqual([A]);
});

test('another change while one waits: refused at once, or it waits with it', async () => {
  await host.must('apply');
  await host.must('apply', ports.file('b.yaml'), '--confirm', '10m');
  const pending = (await host.status()).pending!;
  const refused = await host.sluice(['apply', ports.rules('c.yaml', 'allow 1/tcp')]);
  expect(refused).toMatchObject({ status: 5 });
  expect(refused.stderr).toMatch(/generation 2 waits to be confirmed, \d+ s are left.*\n.*sluice confirm keeps it/);
  const verb = await host.sluice(['allow', '2/tcp']);
  expect(verb).toMatchObject({ status: 5 });
  expect(verb.stderr).toContain('b.yaml was put back as it was');
  // The same again changes nothing, not even the time that is left.
  const same = await host.sluice(['apply', ports.file('b.yaml'), '--confirm', '1h']);
  expect(same.stdout).toMatch(/^no changes: generation 2/);
  expect(same.stderr).toMatch(/sluice confirm within \d+ s keeps it/);
  const { deadline } = (await host.status()).pending!;
  expect(Math.abs(Date.parse(deadline) - Date.parse(pending.deadline))).toBeLessThan(5000);

  await host.must('apply', ports.file('c.yaml'), '--confirm', '10m');
  expect(await host.status()).toMatchObject({ generation: 3, pending: { previous: 1 } });
  ports.endTime();
  expect(await ports.reached()).toEqual([A]);
  await host.must('status');
  ports.expectOnly(1);
});

test('disable while one waits', async () => {
  await host.must('apply');
  await host.must('apply', ports.file('b.yaml'), '--confirm', '10m');
  await host.must('disable', '--yes');
  expect(host.pinned()).toEqual([]);
  expect(host.records()).toEqual([]);
  expect(await ports.reached()).toEqual([A, B]);
});

test('an interface that nothing filtered before: past the deadline it passes everything, and is let go of', async () => {
  joinByVeth(
    { namespace: host.edge, name: 'd0', mac: '02:00:00:00:01:02', addresses: ['198.18.0.10/24'] },
    { namespace: host.wire, name: 'd0', mac: '02:00:00:00:01:01', addresses: ['198.18.0.1/24'] },
  );
  const beside = new Prober(host.wire, '198.18.0.10');
  try {
    await host.must('apply');
    const text = readFileSync(ports.file('b.yaml'), 'utf8').replace('[eth0]', '[eth0, d0]');
    await host.must('apply', host.write('two.yaml', text), '--confirm', '10m');
    expect([await ports.reached(), await beside.open(A, B)]).toEqual([[B], [B]]);
    ports.endTime();
    expect([await ports.reached(), await beside.open(A, B)]).toEqual([[A], [A, B]]);
    expect((await host.status()).interfaces.map(({ name }) => name)).toEqual(['eth0']);

    // One that is left out is let go of when that is confirmed, not before.
    await host.must('apply', ports.file('two.yaml'), '--no-confirm');
    await host.must('apply', ports.file('b.yaml'), '--confirm', '10m');
    expect((await host.status()).interfaces).toHaveLength(2);
    await host.must('confirm');
    expect((await host.status()).interfaces.map(({ name }) => name)).toEqual(['eth0']);
    expect(await beside.open(A, B)).toEqual([A, B]);

    // While it waits, one that is added is watched as well.
    await host.must('apply', ports.file('two.yaml'), '--confirm', '10m');
    rmSync(host.pins.link(host.edge.ifindex('d0'), 'xdp'));
    expect((await lookForMissing(host.context()))!.lacking).toEqual(['d0']);
    await host.must('confirm');
    await host.must('apply', ports.file('two.yaml'));
    // Neither a rule that ends meanwhile nor a confirmation that is cut short keeps what was left out.
    const ends = ports.rules('ends.yaml', `allow ${B}/tcp`, '{ action: allow, port: 1/tcp, until: 2099-01-01 }');
    const waits = await host.sluice(['apply', ends, '--confirm', '10m']);
    expect(waits.stderr).toContain('note: d0 will not be filtered any more once this is confirmed\n');
    expect((await endRules(host.context(), Date.parse('2099-01-02')))!.ended).toHaveLength(1);
    expect((await host.sluice(['confirm'], { SLUICE_FAILPOINT: 'after-confirm:kill' })).status).toBe(137);
    const { interfaces, generation } = await host.status();
    expect(interfaces.map(({ name }) => name)).toEqual(['eth0']);
    ports.expectOnly(generation!);
    await host.recount('what came through another link was counted too');
  } finally {
    await beside.stop();
  }
});

test('counters of what was not confirmed are kept, by rule id', async () => {
  await host.must('apply', ports.rules('a.yaml', `{ id: x, action: allow, port: ${A}/tcp }`));
  const hits = async (): Promise<number> =>
    Number(inboundRows(await host.status()).find(({ id }) => id === 'x')!.packets);
  await ports.reached();
  const first = await hits();
  expect(first).toBeGreaterThan(0);
  await host.must(
    'apply',
    ports.rules('b2.yaml', `{ id: x, action: allow, port: "${A}:${B}/tcp" }`),
    '--confirm',
    '10m',
  );
  await ports.reached();
  const second = await hits();
  expect(second).toBeGreaterThan(first);
  ports.endTime();
  await ports.reached();
  expect(await ports.reached()).toEqual([A]);
  const third = await hits();
  expect(third).toBeGreaterThan(second);
  await host.must('apply', ports.file('b2.yaml'));
  await host.must('apply', ports.file('a.yaml'));
  expect(await hits()).toBe(third);
});

test('bad times are refused before anything is written', async () => {
  await host.must('apply');
  const before = readFileSync(ports.file('rules.yaml'), 'utf8');
  for (const time of ['0s', '2d', '5', 'soon', '']) {
    const refused = await host.sluice(['allow', `${B}/tcp`, '--confirm', time]);
    expect({ time, status: refused.status }).toEqual({ time, status: 2 });
  }
  expect(readFileSync(ports.file('rules.yaml'), 'utf8')).toBe(before);
});

test('at a terminal whose SSH session comes through the filter it waits unasked', async () => {
  const sluice = `${process.execPath} ${require.resolve('../../dist/cli/main.js')}`;
  const atTerminal = (words: string, environment: NodeJS.ProcessEnv): ReturnType<EdgeHost['command']> =>
    host.command(['script', '-qec', `${sluice} ${words}`, '/dev/null'], environment);
  ports.rules('rules.yaml', 'allow 22/tcp', `allow ${A}/tcp`);
  ports.rules('b.yaml', 'allow 22/tcp', `allow ${B}/tcp`);
  const here = { SSH_CONNECTION: `${NEIGHBOUR.ipv4} 50000 ${HOST.ipv4} 22` };
  expect((await atTerminal('apply --no-confirm', here)).stdout).not.toContain('not confirmed');
  const waits = await atTerminal(`apply ${ports.file('b.yaml')}`, here);
  expect(waits.stdout).toContain('sluice confirm within 60 s keeps it');
  await host.must('rollback');
  // Not for scripts, and not for who sits at the console.
  expect((await host.sluice(['apply', ports.file('b.yaml')], here)).stderr).not.toContain('not confirmed');
  expect((await atTerminal(`apply ${ports.file('rules.yaml')}`, {})).stdout).not.toContain('not confirmed');
});
