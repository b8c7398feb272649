/** `sluice reset`: begin anew, with nothing of what stood there lost. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serve } from '../support/clients';
import { EdgeHost, Prober } from '../support/edge-host';

const PORT = 14141;
const MINE = `# mine\nversion: 1\ninterfaces: [eth0]\ninbound: { default: deny, rules: [allow ${PORT}/tcp] }\n`;

let host: EdgeHost;
let prober: Prober;
let file: string;

beforeEach(async () => {
  host = await EdgeHost.open('reset');
  await serve(host.edge, [`tcp:${PORT}`]);
  prober = new Prober(host.wire);
  file = host.write('rules.yaml', MINE);
});

afterEach(async () => {
  await prober.stop();
  await host.close();
});

const text = (): string => readFileSync(file, 'utf8');
const copies = (): string[] =>
  readdirSync(host.directory)
    .filter((name) => name.startsWith('rules.yaml.'))
    .map((name) => readFileSync(join(host.directory, name), 'utf8'));

test('of a file that is not enforced: only the file changes, and only when asked to', async () => {
  const asked = await host.sluice(['reset']);
  expect(asked).toMatchObject({ status: 2, stderr: expect.stringContaining('to answer yes: --yes') as string });
  expect([text(), copies()]).toEqual([MINE, []]);
  const document = JSON.parse(await host.must('reset', '--yes', '--json')) as { outcome: string; backup: string };
  expect(document).toMatchObject({ outcome: 'written', file });
  expect(readFileSync(document.backup, 'utf8')).toBe(MINE);
  expect(text()).toBe(await host.must('init', '--print'));
  // Twice in a second: each copy has a name of its own.
  await host.must('reset', '--yes');
  await host.must('reset', '--yes');
  expect(copies()).toHaveLength(3);
  expect(await host.must('check')).toContain('ok');
});

test('of the enforced file: what listens is closed by the default, and rollback brings the rows back', async () => {
  await host.must('enable');
  expect(await prober.open(PORT)).toEqual([PORT]);
  expect(await host.must('reset', '--yes', '-m', 'lost my way')).toContain('as it was:');
  expect(await prober.open(PORT)).toEqual([]);
  expect(copies()).toEqual([MINE]);
  expect(await host.must('history')).toMatch(/reset.*[\s\S]*lost my way/);
  await host.must('rollback', '1');
  expect(await prober.open(PORT)).toEqual([PORT]);
  expect(text()).toBe(MINE);
});

test('edited by hand since: the edit is in the copy', async () => {
  await host.must('enable');
  const edited = `${MINE}# not applied yet\n`;
  writeFileSync(file, edited);
  await host.must('reset', '--yes');
  expect(copies()).toEqual([edited]);
  expect(await prober.open(PORT)).toEqual([]);
});

test('what fails, or is not confirmed, leaves the file as it was', async () => {
  await host.must('enable');
  const failed = await host.sluice(['reset', '--yes'], { SLUICE_FAILPOINT: 'after-slot:error' });
  expect(failed).toMatchObject({ status: 1, stderr: expect.stringContaining('put back as it was') as string });
  expect(text()).toBe(MINE);
  expect(await prober.open(PORT)).toEqual([PORT]);
  await host.must('reset', '--yes', '--confirm', '10m');
  expect(await prober.open(PORT)).toEqual([]);
  await host.must('rollback');
  expect(text()).toBe(MINE);
  expect(await prober.open(PORT)).toEqual([PORT]);
});

test('without a file it says how to get one', async () => {
  const missing = await host.sluice(['reset', '--yes', '--file', join(host.directory, 'no.yaml')]);
  expect(missing).toMatchObject({ status: 1, stderr: expect.stringContaining('sluice init') as string });
});

test('killed before it is applied: the next writer puts the rows back, and says so', async () => {
  await host.must('enable');
  expect((await host.sluice(['reset', '--yes'], { SLUICE_FAILPOINT: 'before-state:kill' })).status).toBe(137);
  expect(text()).not.toBe(MINE);
  expect(await prober.open(PORT)).toEqual([PORT]);
  const next = await host.sluice(['deny', '8000/tcp']);
  expect(next).toMatchObject({
    status: 0,
    stderr: expect.stringContaining('was put back as it was applied') as string,
  });
  expect(text()).toContain(`allow ${PORT}/tcp, deny 8000/tcp`);
  expect(copies()).toEqual([MINE]);
});
