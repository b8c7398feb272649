/** Which file a command is about after another one than the default was enforced: across disable, enable, uninstall. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { uninstall } from '../../src/operate/disable';
import { kernel } from '../../src/kernel/native';
import { EdgeHost } from '../support/edge-host';

const ruleset = (port: number, device = 'eth0'): string =>
  `version: 1\ninterfaces: [${device}]\ninbound:\n  default: allow\n  rules:\n    - deny to any port ${port}\n`;

let host: EdgeHost;
let [ordinary, other]: string[] = [];

beforeEach(async () => {
  host = await EdgeHost.open('enforced-file');
  ordinary = host.write('rules.yaml', ruleset(1000));
  other = host.write('other.yaml', ruleset(2000));
});

afterEach(() => host.close());

const firstRow = async (): Promise<string | undefined> =>
  (await host.status()).sections.find(({ name }) => name === 'inbound')?.rows[0]?.to;

test('enable enforces again what disable ended, and says which file that is', async () => {
  await host.must('apply', other);
  await host.must('disable', '--yes');
  const { status, stderr } = await host.sluice(['enable']);
  expect({ status, stderr }).toMatchObject({
    status: 0,
    stderr: expect.stringContaining(`note: ${other} is`) as string,
  });
  expect(await host.status()).toMatchObject({ active: true, file: other });
  expect(await firstRow()).toBe('2000');
  // Also without a disable in between.
  expect(await host.must('enable')).toMatch(/^no changes/);
  expect((await host.status()).file).toBe(other);
});

test('enable keeps to the interface the command line gave, and to the file it names', async () => {
  writeFileSync(other, ruleset(2000, 'eth9'));
  await host.must('apply', other, '--interface', 'eth0');
  // So does apply, where nothing else is named: the file alone would mean eth9.
  writeFileSync(other, ruleset(2001, 'eth9'));
  expect(await host.must('apply')).toMatch(/^applied: .* on eth0 \(/m);
  await host.must('disable', '--yes');
  await host.must('enable');
  expect((await host.status()).interfaces.map(({ name }) => name)).toEqual(['eth0']);
  await host.must('disable', '--yes');
  await host.must('enable', '--file', ordinary);
  expect(await host.status()).toMatchObject({ active: true, file: ordinary });
});

test.each([['while it enforces'], ['after disable']])(
  'commands without a file take it, and say so, %s',
  async (when) => {
    await host.must('apply', other);
    if (when === 'after disable') await host.must('disable', '--yes');
    for (const words of [['check'], ['compile'], ['fmt'], ['plan'], ['apply', '--dry-run']]) {
      const taken = await host.sluice(words);
      expect({ words, status: taken.status }).toEqual({ words, status: 0 });
      expect(taken.stderr).toContain(
        `note: ${other} is the enforced file; --file ${ordinary} takes that one instead\n`,
      );
      const named = await host.sluice([...words, '--file', ordinary]);
      expect(named.stderr).not.toContain('is the enforced file');
    }
    expect((await host.sluice(['check'])).stdout).toContain(`${other}: ok`);
    expect(await host.must('fmt')).toContain('deny 2000');
    expect(await host.must('check', ordinary)).toContain(`${ordinary}: ok`);
    writeFileSync(other, ruleset(3000));
    expect(await host.must('apply')).toContain('applied');
    expect([(await host.status()).file, await firstRow()]).toEqual([other, '3000']);
  },
);

test('between disable and enable verbs change the file that enable will enforce', async () => {
  await host.must('apply', other);
  await host.must('disable', '--yes');
  const { stderr } = await host.sluice(['allow', '22/tcp']);
  expect(stderr).toContain(`${other} is not enforced: sluice enable`);
  expect(readFileSync(other, 'utf8')).toContain('allow 22/tcp');
  expect(readFileSync(ordinary, 'utf8')).toBe(ruleset(1000));
  const named = await host.sluice(['allow', '23/tcp', '--file', ordinary]);
  expect(named.stderr).toContain(`${ordinary} is not enforced: sluice apply ${ordinary}`);
});

test('what was read from standard input cannot be enabled again, nor purged', async () => {
  const apply = await host.edge.run(['sh', '-c', `${process.execPath} dist/cli/main.js apply - < ${other}`], {
    env: host.environment,
  });
  expect(apply).toMatchObject({ status: 0 });
  const purge = await host.sluice(['uninstall', '--purge', '--yes']);
  expect(purge).toMatchObject({ status: 2, stderr: expect.stringContaining('standard input') as string });
  expect((await host.status()).active).toBe(true);
  await host.must('disable', '--yes');
  const enable = await host.sluice(['enable']);
  expect(enable).toMatchObject({ status: 1, stderr: expect.stringContaining('standard input') as string });
  expect((await host.status()).active).toBe(false);
});

test.each([['while it enforces'], ['after disable']])(
  'uninstall --purge removes the file of what enforced, %s',
  async (when) => {
    await host.must('apply', other);
    if (when === 'after disable') await host.must('disable', '--yes');
    const asked = await host.sluice(['uninstall', '--purge']);
    expect(asked).toMatchObject({ status: 2, stderr: expect.stringContaining(`the ruleset ${other}?`) as string });
    expect(await host.must('uninstall', '--purge', '--yes')).toContain(`, ${other}`);
    expect([existsSync(ordinary), existsSync(other)]).toEqual([true, false]);
    await host.recount('uninstall removed the counts, as it should');
  },
);

test('an apply that waited for an uninstall keeps what it wrote', async () => {
  await host.must('apply');
  const context = host.context();
  // Removing takes a while, so that whoever waits could come in between; not as long as it waits at most.
  for (let i = 0; i < 5_000; i++) writeFileSync(join(context.folder.path, `litter-${i}`), '');
  const lock = kernel().tryLock(join(context.folder.path, 'lock'))!;
  const apply = host.startSluice(['apply', other]);
  await new Promise((resolve) => setTimeout(resolve, 2000));
  expect(apply.running).toBe(true);
  // It asks for its turn again and again, and comes after whoever begins now.
  await apply.hold();
  lock.close();
  const removed = uninstall(context);
  process.kill(apply.pid, 'SIGCONT');
  await removed;
  expect(await apply.end()).toBe(0);
  await host.recount('uninstall removed the counts, as it should');
  expect(await host.status()).toMatchObject({ active: true, file: other, warnings: [] });
  expect(existsSync(join(context.folder.path, 'lock'))).toBe(true);
  expect(existsSync(join(context.folder.path, 'litter-0'))).toBe(false);
});

test.each([[['--confirm', '2s']], [[]]])(
  'a verb (%j) that another file overtakes is refused, and undone',
  async (confirm) => {
    await host.must('apply');
    const lock = kernel().tryLock(join(host.context().folder.path, 'lock'))!;
    const verb = host.startSluice(['allow', '9999/tcp', ...confirm]);
    for (const deadline = Date.now() + 30_000; !readFileSync(ordinary, 'utf8').includes('9999');) {
      expect(Date.now()).toBeLessThan(deadline);
      await sleep(20);
    }
    // It has read what enforces, and waits for its turn.
    await verb.hold();
    lock.close();
    await host.must('apply', other);
    process.kill(verb.pid, 'SIGCONT');
    expect(await verb.end()).toBe(1);
    expect(verb.output).toContain('another ruleset was applied meanwhile');
    expect(await host.status()).toMatchObject({ file: other, pending: null });
    expect([readFileSync(ordinary, 'utf8'), readFileSync(other, 'utf8')]).toEqual([ruleset(1000), ruleset(2000)]);
  },
);

test('fmt --write of what is enforced changes its form and nothing else: no generation, no hit, no edit by hand', async () => {
  host.write(
    'rules.yaml',
    'version: 1\ninterfaces: [eth0]\ninbound:\n  rules:\n    - 1 Allow 0.0.0.0/0 Port 8000 # everyone\n',
  );
  await host.must('apply');
  const { generation } = await host.status();
  await host.must('fmt', '--write');
  expect(readFileSync(ordinary, 'utf8')).toContain('- 1 allow 8000 # everyone\n');
  expect(await host.status()).toMatchObject({ generation, warnings: [] });
  expect(await host.must('apply')).toMatch(/^no changes/m);
  // A verb would stop at what was edited by hand.
  expect(await host.must('allow', '8001/tcp')).toMatch(/^added rule 2: allow 8001\/tcp\napplied/m);
});

test('a verb tells of what it has brought about: notes too, and of the warnings that were there how many', async () => {
  writeFileSync(
    ordinary,
    'version: 1\ninterfaces: [eth0]\ninbound:\n  rules:\n    - allow 8000/tcp\n    - deny 8000/tcp\n',
  );
  const codes = (text: string): string[] => [...text.matchAll(/^(?:warning|note) (\S+):/gm)].map(([, code]) => code);
  const denied = await host.sluice(['deny', 'from', '192.0.2.9']);
  expect(codes(denied.stderr)).toEqual(['lint/overlap', 'lint/icmp-essentials']);
  expect(denied.stderr).toContain('hint: where it is to come first: sluice move 3 before 1');
  expect(denied.stderr).toMatch(/^note: 2 warnings as before: sluice check$/m);
  // The rows below have other numbers now; that alone is no news.
  const inserted = await host.sluice(['insert', '1', 'deny', '443/tcp']);
  expect(codes(inserted.stderr)).toEqual([]);
  const trusting = await host.sluice(['allow', 'from', 'any', 'port', '53']);
  expect(codes(trusting.stderr).sort()).toEqual(['lint/source-port-trust', 'parse/source-port']);
  expect((await host.sluice(['check'])).stderr.match(/^(?:warning|note) /gm)).toHaveLength(5);
});
