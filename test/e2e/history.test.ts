/** Revisions of a filtered host by real commands: what they tell, going back, two writers, kills, damage. */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FAILPOINTS } from '../../src/load/failpoint';
import type { Revision } from '../../src/operate/history';
import { type EdgeHost, HOST, NEIGHBOUR } from '../support/edge-host';
import { inboundRules } from '../support/ruleset-text';
import { A, B, TwoPorts } from '../support/two-ports';

const [FIRST, SECOND] = [inboundRules(`allow ${A}/tcp`), inboundRules(`allow ${B}/tcp`)];

let ports: TwoPorts;
let host: EdgeHost;
let file: string;

beforeEach(async () => {
  ports = await TwoPorts.open('history');
  ({ host } = ports);
  file = ports.file('rules.yaml');
});

afterEach(() => ports.close());

const history = async (): Promise<readonly Revision[]> => host.revisions();
const told = async (): Promise<string[]> =>
  (await history()).map(({ number, what, outcome }) => `${number} ${what}: ${outcome}`);
const folder = (...names: string[]): string => join(host.context().folder.path, 'history', ...names);

test('who, from where, when, why, what; and what became of it', async () => {
  expect(await host.must('history')).toBe('nothing was changed yet that is remembered\n');
  const caller = {
    ...{ SUDO_USER: 'alice', SUDO_UID: '1000' },
    SSH_CONNECTION: `${NEIGHBOUR.ipv4} 50000 ${HOST.ipv4} ${A}`,
  };
  expect((await host.sluice(['apply', '-m', 'the first'], caller)).status).toBe(0);
  await host.must('allow', `${B}/tcp`, '--message', 'web', '--confirm', '10m');
  expect(await told()).toEqual(['1 apply: applied', `2 allow ${B}/tcp: pending`]);
  await host.must('confirm');
  await host.must('deny', '9999/tcp', '--confirm', '10m');
  await host.must('rollback');
  await host.must('disable', '--yes', '-m', 'moving');
  expect(await told()).toEqual([
    ...['1 apply: applied', `2 allow ${B}/tcp: confirmed`],
    ...['3 deny 9999/tcp: rolled-back-by-hand', '4 disable: applied'],
  ]);
  const [first, second, , last] = await history();
  expect(first).toMatchObject({
    author: { user: 'alice', uid: 1000, from: NEIGHBOUR.ipv4 },
    ...{ reason: 'the first', sections: ['inbound'] },
  });
  expect(second.plan).toContain(`deny → allow  tcp from any to any port ${B}\n`);
  expect(last).toMatchObject({ reason: 'moving', source: null });
  expect(await host.must('history')).toMatch(
    new RegExp(`1  2\\d{3}-.*alice from ${NEIGHBOUR.ipv4}  apply +applied +the first\n`),
  );
  const shown = await host.must('show', '2');
  expect(shown).toMatch(/^revision 2: allow .*\n(.*\n)*why: +web\noutcome: confirmed by /);
  expect(shown).toContain('packets whose verdict changes:');
  expect(await host.must('show', '1', '--text')).toBe(FIRST);
  const difference = await host.sluice(['diff', '1', '2', '--exit-code']);
  expect(difference.status).toBe(4);
  expect(difference.stdout).toContain(`+     - allow ${B}/tcp`);
  expect(difference.stdout).toContain(`deny → allow  tcp from any to any port ${B}\n`);
  expect((await host.sluice(['show', '9'])).stderr).toContain('there is no revision "9"');
});

test('back to a revision: checked, confirmed and written like any change, and nothing is lost', async () => {
  await host.must('apply');
  writeFileSync(file, SECOND);
  await host.must('apply');
  expect(await ports.reached()).toEqual([B]);
  await host.must('rollback', '1', '-m', 'too much');
  expect(await ports.reached()).toEqual([A]);
  expect(readFileSync(file, 'utf8')).toBe(FIRST);
  expect((await history()).map(({ what, reason }) => [what, reason])).toEqual([
    ...[
      ['apply', undefined],
      ['apply', undefined],
    ],
    ['rollback 1', 'too much'],
  ]);
  // A change that waits: taken back, the file too.
  await host.must('rollback', '2', '--confirm', '10m');
  expect(await ports.reached()).toEqual([B]);
  await host.must('rollback');
  expect(await ports.reached()).toEqual([A]);
  expect(readFileSync(file, 'utf8')).toBe(FIRST);
  // Who would be cut off is told, and the file stands as before.
  const caller = { SSH_CONNECTION: `${NEIGHBOUR.ipv4} 50000 ${HOST.ipv4} ${A}` };
  expect((await host.sluice(['rollback', '2'], caller)).status).toBe(5);
  expect(readFileSync(file, 'utf8')).toBe(FIRST);
  // A text that no revision has is not overwritten.
  writeFileSync(file, `${FIRST}# mine\n`);
  const refused = await host.sluice(['rollback', '2']);
  expect(refused.status).toBe(1);
  expect(refused.stderr).toMatch(/was edited since it was applied:[\s\S]*\+ # mine/);
  // What another revision has is no edit of anybody's.
  expect(refused.stderr).not.toContain(String(B));
  expect(readFileSync(file, 'utf8')).toBe(`${FIRST}# mine\n`);
  rmSync(file);
  await host.must('rollback', '2');
  expect(readFileSync(file, 'utf8')).toBe(SECOND);
  expect(await ports.reached()).toEqual([B]);
});

test('two writers: the second is told what the first did', async () => {
  const expecting = (revision: string, ...words: string[]): ReturnType<EdgeHost['sluice']> =>
    host.sluice([...words, '--expect-revision', revision]);
  expect((await expecting('1', 'apply')).stderr).toContain('no revision is enforced, not 1');
  expect((await expecting('0', 'apply')).status).toBe(0);
  const before = readFileSync(file, 'utf8');
  const done = await Promise.all([expecting('1', 'allow', '8000/tcp'), expecting('1', 'allow', '8001/tcp')]);
  expect(done.filter(({ status }) => status === 0)).toHaveLength(1);
  expect(await told()).toHaveLength(2);
  const now = readFileSync(file, 'utf8');
  expect(now).not.toBe(before);
  const late = await expecting('1', 'deny', '8002/tcp');
  expect(late.status).toBe(5);
  expect(late.stderr).toMatch(/revision 2 is enforced, not 1\n +2 {2}.*: allow 800[01]\/tcp; applied/);
  expect(readFileSync(file, 'utf8')).toBe(now);
  expect((await expecting('2', 'deny', '8002/tcp')).status).toBe(0);
});

test('killed anywhere on its way, an apply is a revision exactly where it enforces', async () => {
  await host.must('apply');
  const killed = async (place: string, text: string): Promise<void> => {
    writeFileSync(file, text);
    const before = await history();
    const { status } = await host.sluice(['apply', '-m', place], { SLUICE_FAILPOINT: `${place}:kill` });
    expect({ place, status }).toEqual({ place, status: 137 });
    const enforcesIt = (await ports.reached()).includes(text === FIRST ? A : B);
    const after = await history();
    expect({ place, count: after.length }).toEqual({ place, count: before.length + Number(enforcesIt) });
    expect(after.at(-1)!.reason).toBe(enforcesIt ? place : before.at(-1)!.reason);
    const holding = after.filter(({ outcome }) => outcome === 'applied').at(-1)!;
    expect(await host.must('show', String(holding.number), '--text')).toBe(
      (await ports.reached())[0] === A ? FIRST : SECOND,
    );
    await host.must('apply', '-m', 'again');
  };
  let text = SECOND;
  for (const place of ['during-write', 'after-record', 'after-gate', 'before-revision', 'after-enforced']) {
    expect(place === 'during-write' || (FAILPOINTS as readonly string[]).includes(place)).toBe(true);
    await killed(place, text);
    text = text === FIRST ? SECOND : FIRST;
  }
  // Each of the two, and what it has of inbound.
  expect(readdirSync(folder()).filter((name) => name.endsWith('.text'))).toHaveLength(4);
});

test('damaged, or in the way: said, and nobody is kept from enforcing', async () => {
  await host.must('apply');
  writeFileSync(folder('1.json'), '{');
  writeFileSync(file, SECOND);
  await host.must('apply');
  expect(await ports.reached()).toEqual([B]);
  // What the record of the first still told is a revision again.
  expect(await told()).toEqual(['2 apply: applied', '3 apply: applied']);
  rmSync(folder(), { recursive: true });
  writeFileSync(folder(), '');
  writeFileSync(file, FIRST);
  const applied = await host.sluice(['apply']);
  expect(applied.status).toBe(0);
  expect(applied.stderr).toContain('warning: the history does not tell of all this');
  expect(await ports.reached()).toEqual([A]);
  await host.must('disable', '--yes');
  rmSync(folder());
  await host.must('enable');
  expect(await told()).toEqual(['1 enable: applied']);
  expect(existsSync(folder('1.json'))).toBe(true);
});
