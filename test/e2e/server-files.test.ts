/** Servers in files of their own, by real commands: verbs, history, owners and kills touch the file of one server alone. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { applyRuleset } from '../../src/operate/apply';
import { checkRuleset } from '../../src/operate/check';
import { readRulesetText } from '../../src/operate/ruleset-file';
import { serve, tcpConnect } from '../support/clients';
import { EdgeHost, HOST } from '../support/edge-host';
import { type Finished, run } from '../support/process';
import { COMMAND } from '../support/edge-host';
import { endTrial } from '../support/end-trial';

const MAIN = `# the edge
version: 1
interfaces: [eth0]
sets: { office: [203.0.113.0/24] }
inbound: { default: deny, ssh: { port: 22, from: anyone } }
servers: { dir: servers.d }   # one file each
`;
const RED = `# red's own
address: ${HOST.ipv4}
ports: 1000-1099
owner: { group: 4711, changes: 100 }
rules:
  - allow 1080/tcp   # red's web
`;
const GREEN = `{ "address": "${HOST.ipv4}", "ports": "2000-2099", "rules": ["allow 2080/tcp"] }`;

let host: EdgeHost;
let file: string;

beforeAll(async () => {
  host = await EdgeHost.open('files-each');
  mkdirSync(join(host.directory, 'servers.d'));
  file = host.write('rules.yaml', MAIN);
  host.write('servers.d/red.yaml', RED);
  host.write('servers.d/green.json', GREEN);
  host.write('servers.d/red.yaml~', 'an editor was here');
  await serve(host.edge, ['tcp:1080', 'tcp:2080', 'tcp:3080']);
  await host.must('apply', '-m', 'the first');
});
afterAll(() => host.close());

const text = (name: string): string => readFileSync(join(host.directory, name), 'utf8');
const reached = async (): Promise<number[]> => {
  const ports = [1080, 2080, 3080];
  const answers = await Promise.all(ports.map((port) => tcpConnect(host.wire, HOST.ipv4, port)));
  return ports.filter((_, i) => answers[i] === 'connected');
};
const expectOthersAsWritten = (): void =>
  expect([text('rules.yaml'), text('servers.d/green.json'), text('servers.d/red.yaml~')]).toEqual([
    MAIN,
    GREEN,
    'an editor was here',
  ]);

test('verbs, plan, history and going back are about the file of one server', async () => {
  expect(await reached()).toEqual([1080, 2080]);
  await host.must('deny', '1080/tcp', '--server', 'red', '-m', 'shut');
  expect(await reached()).toEqual([2080]);
  expect(text('servers.d/red.yaml')).toBe(RED.replace('allow 1080/tcp', 'deny 1080/tcp id allow-1080_tcp'));
  expectOthersAsWritten();
  expect(await host.must('diff', '1')).toMatch(/^servers.d\/red.yaml:\n@@ -3,4 \+3,4 @@/);
  expect(await host.must('show', '1', '--server', 'red', '--text')).toBe(`# ==== servers.d/red.yaml ====\n${RED}`);
  expect(await host.must('show', '1', '--text')).toBe(
    `${MAIN}# ==== servers.d/ ====\n# ==== servers.d/green.json ====\n${GREEN}\n# ==== servers.d/red.yaml ====\n${RED}`,
  );
  await host.must('rollback', '1', '--server', 'red');
  expect([text('servers.d/red.yaml'), await reached()]).toEqual([RED, [1080, 2080]]);
  await host.must('udp', 'on', 'green');
  expect(text('servers.d/green.json')).toContain('"udp": "on"');
  await host.must('rollback', '1');
  expectOthersAsWritten();
  // A row that is wrong is shown in its file.
  host.write('servers.d/red.yaml', `${RED}  - alow 1081\n`);
  const wrong = await host.sluice(['check']);
  expect([wrong.status, wrong.stderr]).toEqual([
    3,
    expect.stringMatching(/servers\.d\/red\.yaml:7:5\n.*6[^]*> 7 \| {3}- alow/),
  ]);
  host.write('servers.d/red.yaml', RED);
});

test('a file that comes is a server that comes, and its history ends with it', async () => {
  host.write(
    'servers.d/blue.yml',
    `address: ${HOST.ipv4}\nports: 3000-3099\nrules: [1 allow tcp from 0.0.0.0/0 to any port 3080]\n`,
  );
  const edited = await host.sluice(['deny', '1081/tcp', '--server', 'red']);
  expect([edited.status, edited.stderr]).toEqual([
    1,
    expect.stringMatching(/was edited since[^]*servers\.d\/blue\.yml \(new\):/),
  ]);
  expect(await host.must('plan')).toContain('blue');
  await host.must('apply');
  expect(await reached()).toEqual([1080, 2080, 3080]);
  rmSync(join(host.directory, 'servers.d/blue.yml'));
  await host.must('apply');
  expect(await reached()).toEqual([1080, 2080]);
  await host.must('rollback', '1', '--server', 'red');
  const { revisions } = JSON.parse(await host.must('history', 'blue', '--json')) as { revisions: { number: number }[] };
  await host.must('rollback', String(revisions[0].number), '--server', 'blue');
  expect([existsSync(join(host.directory, 'servers.d/blue.yml')), await reached()]).toEqual([
    false,
    [1080, 2080, 3080],
  ]);
  expect(readdirSync(join(host.directory, 'servers.d')).filter((name) => name.startsWith('blue'))).toEqual([
    'blue.yaml',
  ]);
  rmSync(join(host.directory, 'servers.d/blue.yaml'));
  await host.must('apply');
});

test('one waits to be confirmed by itself, and leaves its own file again', async () => {
  const denied = RED.replace('allow 1080/tcp', 'deny 1080/tcp id allow-1080_tcp');
  await host.must('deny', '1080/tcp', '--server', 'red', '--confirm', '10m');
  expect([text('servers.d/red.yaml'), await reached(), await host.waiting()]).toEqual([denied, [2080], ['red']]);
  await host.must('udp', 'on', 'green');
  await host.must('rollback', '--server', 'red');
  expect([text('servers.d/red.yaml'), await reached(), await host.waiting()]).toEqual([RED, [1080, 2080], []]);
  expect(text('servers.d/green.json')).toContain('"udp": "on"');
  await host.must('rollback', '1');
  // Its time is over: the next command puts it back, and nothing beside it.
  await host.must('deny', '1080/tcp', '--server', 'red', '--confirm', '10m');
  await endTrial(host, 'red');
  expect(await reached()).toEqual([1080, 2080]);
  const { stderr } = await host.sluice(['status']);
  expect(stderr).toContain('of red was not confirmed');
  expect(text('servers.d/red.yaml')).toBe(RED);
  expectOthersAsWritten();
});

test('killed while files are exchanged, the next writer finds them as they are enforced', async () => {
  host.write('servers.d/red.yaml', RED.replace('allow 1080/tcp ', 'allow 1080/tcp comment x '));
  host.write('rules.yaml', MAIN.replace('# the edge', '# the other edge'));
  await host.must('apply', '-m', 'two files');
  const number = (JSON.parse(await host.must('history', '--json')) as { current: number }).current;
  await host.must('rollback', '1');
  const words = ['rollback', String(number)];
  for (const [place, status] of [
    ['between-files:kill', 137],
    ['between-files:error', 1],
  ] as const) {
    const done = await host.sluice(words, { SLUICE_FAILPOINT: place });
    expect({ place, status: done.status }).toEqual({ place, status });
    const next = await host.sluice(['allow', '1090/tcp', '--server', 'red']);
    expect({ place, status: next.status, stderr: next.stderr }).toMatchObject({ place, status: 0 });
    expectOthersAsWritten();
    await host.must('delete', 'allow', '1090/tcp', '--server', 'red');
    expect(readdirSync(join(host.directory, 'servers.d')).filter((name) => name.startsWith('.'))).toEqual([]);
  }
  expect(text('servers.d/red.yaml')).toBe(RED);
});

test('a file that changes while the ruleset is applied stops the apply', async () => {
  const { path, text: read } = readRulesetText(file);
  const { ruleset, image } = checkRuleset(path, read);
  host.write('servers.d/red.yaml', RED.slice(0, -20));
  const late = applyRuleset(
    host.context(),
    { file: path, text: read, ruleset: ruleset!, image: image! },
    { asRead: true },
  );
  await expect(late).rejects.toMatchObject({ code: 'file/changed' });
  host.write('servers.d/red.yaml', RED);
  expect(await reached()).toEqual([1080, 2080]);
});

test('fmt writes the files whose rows it changes; an owner edits his own', async () => {
  host.write('servers.d/red.yaml', RED.replace('allow 1080/tcp', 'ALLOW 1080/tcp'));
  await host.must('apply');
  await host.must('fmt', '--write');
  expect(text('servers.d/red.yaml')).toBe(RED);
  expectOthersAsWritten();
  const owners = mkdtempSync(join(tmpdir(), `slc-files-${process.pid}-`));
  const daemon = host.startSluice(['daemon', '--owners', owners]);
  try {
    await daemon.waitFor(/the daemon runs/, 60_000);
    const socket = join(owners, 'red.sock');
    for (const end = Date.now() + 60_000; !existsSync(socket) && Date.now() < end;) await sleep(50);
    const as = (...words: string[]): Promise<Finished> =>
      run([process.execPath, COMMAND, '--socket', socket, ...words], { env: { PATH: process.env.PATH } });
    const done = await as('allow', '1085/tcp');
    expect([done.status, done.stderr]).toEqual([0, expect.any(String)]);
    expect(text('servers.d/red.yaml')).toBe(`${RED}  - allow 1085/tcp id tcp-1085\n`);
    expectOthersAsWritten();
    const wrong = await as('alow', '1');
    expect(`${wrong.stdout}${wrong.stderr}`).not.toMatch(/green|servers\.d/);
    const again = await as('allow', 'from', 'office', 'to', 'any', 'port', '99999');
    expect([again.status, `${again.stdout}${again.stderr}`]).toEqual([
      3,
      expect.not.stringMatching(/green|servers\.d/),
    ]);
    expect((await as('delete', '2')).status).toBe(0);
    expect(text('servers.d/red.yaml')).toBe(RED);
  } finally {
    await daemon.stop();
    rmSync(owners, { recursive: true, force: true });
  }
});
