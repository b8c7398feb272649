/** `--json`, of every command there is: one document on stdout and nothing else, or JSON lines; also of what fails. */
import { buildProgram } from '../../src/cli/program';
import { writePcap } from '../../src/observe/pcap';
import { COMMAND, EdgeHost, HOST, NEIGHBOUR } from '../support/edge-host';
import { compose, ethernet, ipv4, tcp } from '../support/packet';
import { type Finished, run } from '../support/process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const RULES = `version: 1
interfaces: [eth0]
inbound:
  default: deny
  ssh: { port: 22, from: anyone }
  rules:
    - allow 8000/tcp
    - allow 9000/tcp
`;
const PROBE = `tcp from ${NEIGHBOUR.ipv4} to ${HOST.ipv4} port 8000`.split(' ');

/** Commands whose output is JSON whatever is asked, or whose every line is a document. */
const LINES = new Set(['replay', 'events']);
const BARE = new Set(['schema']);

let host: EdgeHost;
beforeAll(async () => {
  host = await EdgeHost.open('json');
  host.write('rules.yaml', RULES);
  const frame = compose(ethernet({ to: HOST.mac }), ipv4({ to: HOST.ipv4 }), tcp({ to: 8000 }));
  writeFileSync(join(host.directory, 'frames.pcap'), writePcap([{ bytes: frame }]));
});
afterAll(() => host.close());

/** What a machine reads of it; throws where stdout is anything else. */
function read(command: string, { status, stdout }: Finished): void {
  if (LINES.has(command) && status === 0) {
    for (const line of stdout.split('\n').filter(Boolean)) JSON.parse(line);
    return;
  }
  const document = JSON.parse(stdout) as { ok: boolean; exitCode: number; error?: { code: string; message: string } };
  if (BARE.has(command) && status === 0) return;
  expect(document).toMatchObject({ schemaVersion: 1, ok: status === 0, exitCode: status });
}

/** In this order, each must succeed. */
const RUNS: readonly string[] = [
  'version',
  'schema',
  `init --print`,
  'check',
  'plan',
  'ci',
  'compile --stats',
  'compile --print',
  'fmt',
  'exposed',
  'import nat',
  'enable',
  'apply',
  'status',
  'servers',
  'status numbered',
  'snapshot',
  'metrics',
  `explain ${PROBE.join(' ')}`,
  'replay --pcap frames.pcap',
  'allow 9001/tcp',
  'deny 9002/tcp',
  'reject 9003/tcp',
  'limit 9004/tcp',
  'insert 1 allow 9005/tcp',
  'prepend allow 9006/tcp',
  'move 2 before 1',
  'delete 1',
  'default deny incoming',
  'ssh 22 from rules',
  'udp off',
  'logging high',
  'allow-all --for 1m',
  'ban 198.51.100.9',
  'bans',
  'unban 198.51.100.9',
  'apply --confirm 10m --file other.yaml',
  'confirm',
  'apply --confirm 10m --file rules.yaml',
  'rollback',
  'history',
  'show 1',
  'diff 1 2',
  'boot',
  'install --print',
  'events --since 1m',
  'doctor 8000 192.0.2.1',
  'who-reaches 8000',
  'review',
  'reset --yes',
  'disable --yes',
  'uninstall --yes',
];

/** Has no other run than a long one, shown elsewhere, or needs the machine itself. */
const ELSEWHERE = new Set(['demo', 'daemon']);

test('of commands that do what they are for', async () => {
  host.write('other.yaml', RULES.replace('9000', '9100'));
  host.write('sluice.log', '');
  for (const words of RUNS) {
    const argv = words.split(' ').map((word) => (/\.(pcap|yaml)$/.test(word) ? join(host.directory, word) : word));
    const finished = await host.sluice([...argv, '--json']);
    expect({ words, ...finished }).toMatchObject({ words, status: 0 });
    read(argv[0], finished);
  }
  const tried = new Set(RUNS.map((words) => words.split(' ')[0]));
  expect((await commands()).filter((name) => !tried.has(name) && !ELSEWHERE.has(name))).toEqual([]);
});

test('of commands that fail: without privilege, about a file that is not there', async () => {
  const missing = ['--file', join(host.directory, 'missing.yaml'), '--json'];
  const cases = (await commands()).map(
    (name) => RUNS.find((words) => words.split(' ')[0] === name)?.split(' ') ?? [name],
  );
  while (cases.length > 0) {
    const four = cases.splice(0, 4).map(async (words) => {
      const argv = ['setpriv', '--reuid', '65534', '--clear-groups', process.execPath, COMMAND, ...words, ...missing];
      return { words, finished: await host.edge.run(argv, { env: host.environment }) };
    });
    for (const { words, finished } of await Promise.all(four)) {
      const { status, stdout, stderr } = finished;
      expect({ words, status, stdout, stderr, isInternal: stdout.includes('internal error') }).toMatchObject({
        ...{ words, isInternal: false },
      });
      read(words[0], finished);
    }
  }
});

test('of wrong usage', async () => {
  const wrong = [
    [],
    ['alow', '22/tcp'],
    ['allow-all', 'a', 'b'],
    ['status', '--no-such-flag'],
    ['ban'],
    ['explain', 'tcp', 'nobody'],
  ];
  for (const words of [...wrong, ['compile', '--stats', 'a', 'b']]) {
    const finished = await run([process.execPath, COMMAND, ...words, '--json'], { env: host.environment });
    expect({ words, status: finished.status }).toEqual({ words, status: 2 });
    read('', finished);
  }
});

/** All but help, which is for people. */
async function commands(): Promise<string[]> {
  const program = await buildProgram();
  const names = program
    .createHelp()
    .visibleCommands(program)
    .map((command) => command.name());
  return names.filter((name) => name !== 'help');
}
