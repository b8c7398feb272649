/** Without privilege: what needs it says so before anything else, what does not need it works. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Finished, run } from '../support/process';

const COMMAND = resolve(__dirname, '../../dist/cli/main.js');

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'slc-unprivileged-'));
  writeFileSync(join(directory, 'rules.yaml'), 'version: 1\ninbound: { rules: [allow 22/tcp] }\n');
  writeFileSync(join(directory, 'broken.yaml'), 'version: 1\ninbound: { rules: [alow 22/tcp] }\n');
});

afterAll(() => {
  rmSync(directory, { recursive: true });
});

/** Root without any capability: files are its own, the kernel refuses it everything. */
function sluice(words: string): Promise<Finished> {
  const dropped = ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--', process.execPath, COMMAND];
  const environment = { ...process.env, SLUICE_STATE_DIR: join(directory, 'state'), SLUICE_CONFIG: '' };
  return run([...dropped, ...words.split(' ')], { cwd: directory, env: environment });
}

test.each(['missing', 'broken'])('%s.yaml: every verb that changes or looks exits with 6', async (name) => {
  const file = `--file ${name}.yaml`;
  const verbs = ['enable', 'apply', 'plan', 'disable --yes', 'uninstall --yes', 'allow 80/tcp', 'status'];
  const ended = await Promise.all(verbs.map((verb) => sluice(`${verb} ${file}`)));
  const stderr =
    'error: missing CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON\n  run as root, or give the process these capabilities\n';
  expect(ended).toEqual(verbs.map(() => ({ status: 6, stdout: '', stderr })));
});

test('what needs none works', async () => {
  expect(await sluice('check --file rules.yaml')).toMatchObject({ status: 0 });
  expect(await sluice('check --file broken.yaml')).toMatchObject({ status: 3 });
  expect(await sluice('compile --file rules.yaml')).toMatchObject({ status: 0 });
  expect(await sluice('check --file missing.yaml')).toMatchObject({ status: 1 });
});

test('version says in one sentence what it could not ask', async () => {
  const { status, stdout, stderr } = await sluice('version');
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toMatch(/^sluice \d/);
  expect(stdout.split('\n').filter((line) => /not known|unknown|EPERM/.test(line))).toEqual([
    '  not known: bpf, xdp-frags, tcx, clsact (the kernel answers only root, or a process with CAP_BPF and CAP_NET_ADMIN)',
  ]);
});
