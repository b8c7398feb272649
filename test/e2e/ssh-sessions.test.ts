/** A real SSH server on a port of its own and a live session: `enable` finds it, with and without SSH_CONNECTION. */
import { appendFileSync, chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EdgeHost, COMMAND, HOST, NEIGHBOUR } from '../support/edge-host';
import { type Background, must } from '../support/process';
import { copyEtc, toolEnvironment, toolPath, withEtc } from '../support/test-tools';

const PORT = 2222;
const OPENS = `allow ${PORT}/tcp`;

let host: EdgeHost;
let server: Background;
let session: Background;

/** A key pair, an sshd that takes it, and /etc with the account that sshd wants, all in the host's directory. */
async function startServer(): Promise<void> {
  const directory = join(host.directory, 'ssh');
  mkdirSync(directory, { mode: 0o700 });
  for (const name of ['host', 'user'])
    must([toolPath('usr/bin/ssh-keygen'), '-q', '-t', 'ed25519', '-N', '', '-f', join(directory, name)], {
      env: toolEnvironment(),
    });
  writeFileSync(join(directory, 'authorized'), readFileSync(join(directory, 'user.pub')), { mode: 0o600 });
  const lines = [
    `Port ${PORT}`,
    `HostKey ${join(directory, 'host')}`,
    `AuthorizedKeysFile ${join(directory, 'authorized')}`,
    'StrictModes no',
    'UsePAM no',
    'PermitRootLogin yes',
    'PidFile none',
  ];
  writeFileSync(join(directory, 'config'), `${lines.join('\n')}\n`);
  const etc = copyEtc(host.directory);
  writeFileSync(
    join(etc, 'passwd'),
    'root:x:0:0:root:/root:/bin/sh\nsshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\n',
  );
  writeFileSync(join(etc, 'shadow'), 'root:*:19000:0:99999:7:::\n');
  chmodSync(join(etc, 'shadow'), 0o600);
  const sshd = [toolPath('usr/sbin/sshd'), '-D', '-e', '-f', join(directory, 'config')];
  const set = 'mount -t tmpfs tmpfs /run\nmkdir -m 755 /run/sshd';
  server = host.edge.start(withEtc(etc, sshd, set), { env: toolEnvironment() });
  await server.waitFor(/Server listening on 0\.0\.0\.0/);
}

/** A shell on the host through SSH, as an operator would have one. */
async function logIn(): Promise<Background> {
  const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'BatchMode=yes'];
  const shell = host.wire.start(
    [
      toolPath('usr/bin/ssh'),
      ...['-F', 'none', '-p', String(PORT), '-i', join(host.directory, 'ssh/user')],
      ...options.flatMap((option) => ['-o', option]),
      `root@${HOST.ipv4}`,
      'sh',
    ],
    { env: toolEnvironment() },
  );
  shell.write('echo logged-in\n');
  await shell.waitFor(/^logged-in$/m);
  return shell;
}

beforeEach(async () => {
  host = await EdgeHost.open('sshd');
  await startServer();
  session = await logIn();
});

afterEach(async () => {
  try {
    await host.close();
  } finally {
    // A session that was cut never hears that the other end has gone: both ended with the namespaces.
    await session.stop('SIGKILL');
    await server.stop('SIGKILL');
  }
});

/** A ruleset for the SSH port everybody assumes, and more rows. */
function rules(...rows: readonly string[]): void {
  const text = `version: 1\ninterfaces: [eth0]\ninbound:\n  default: deny\n  ssh: { port: 22, from: anyone }\n  rules: [${rows.join(', ')}]\n`;
  host.write('rules.yaml', text);
}

/** Runs `sluice` in the session, behind these words (`sudo` and its like); its output and `exit N`. */
async function inSession(words: string, behind: string): Promise<string> {
  const begin = session.output.length;
  const variables = ['SLUICE_STATE_DIR', 'SLUICE_BPFFS', 'SLUICE_CONFIG'].map(
    (name) => `${name}='${host.environment[name]}'`,
  );
  session.write(
    `${behind} env ${variables.join(' ')} '${process.execPath}' '${COMMAND}' ${words} 2>&1; echo "exit $?"\n`,
  );
  for (const deadline = Date.now() + 120_000; Date.now() < deadline;) {
    const printed = session.output.slice(begin);
    if (/^exit \d+$/m.test(printed)) return printed;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`no end: ${session.output.slice(begin)}`);
}

test('from a console: the session of somebody else is found by its socket', async () => {
  rules('allow 8000/tcp');
  const refused = await host.sluice(['enable']);
  expect(refused.status).toBe(5);
  expect(refused.stderr).toMatch(/would cut a live SSH session:\n.*sshd\[\d+\].*default/);
  expect(refused.stderr).toContain(`from ${NEIGHBOUR.ipv4} to port ${PORT}`);
  const [, row] =
    /\n {2}to keep it, write as the first row of inbound: (.*)\n {2}to do it all the same: --force\n$/.exec(
      refused.stderr,
    )!;
  expect(await host.status()).toMatchObject({ active: false });

  rules(`deny from ${NEIGHBOUR.ipv4} to any port ${PORT}`, OPENS);
  expect((await host.sluice(['enable'])).stderr).toMatch(/sshd\[\d+\].*rule 1/);

  // The row it names keeps the session, and lets in the next one.
  rules(row, `deny from ${NEIGHBOUR.ipv4} to any port ${PORT}`);
  expect(await host.sluice(['enable'])).toMatchObject({ status: 0 });
  session.write('echo still-here\n');
  await session.waitFor(/^still-here$/m);
  const next = await logIn();
  await next.stop('SIGKILL');

  rules('allow 8000/tcp');
  expect(await host.sluice(['enable'])).toMatchObject({ status: 5 });
  expect(await host.sluice(['enable', '--force'])).toMatchObject({ status: 0 });
  session.write('echo cut-off\n');
  await expect(session.waitFor(/^cut-off$/m, 1500)).rejects.toThrow();
});

test.each([
  ['as it is', ''],
  ['behind sudo, which drops the variable', 'env -u SSH_CONNECTION -u SSH_CLIENT -u SSH_TTY'],
  ['in what has left the session, as tmux does', 'env -i PATH="$PATH" setsid --fork --wait'],
])('from the session itself, %s', async (_, behind) => {
  rules('allow 8000/tcp');
  const refused = await inSession('enable', behind);
  expect(refused).toMatch(/would cut a live SSH session:/);
  expect(refused).toMatch(behind.includes('setsid') ? /(your session|sshd\[\d+\])/ : /your session/);
  expect(refused).toContain('exit 5');
  rules(OPENS);
  expect(await inSession('enable', behind)).toContain('exit 0');
  expect(await inSession('status', behind)).toContain('Status: active');
});

test('a session through another interface is not the business of a ruleset for this one', async () => {
  must(host.edge.argv(['ip', 'link', 'add', 'spare', 'type', 'veth', 'peer', 'name', 'far']));
  must(host.edge.argv(['ip', 'address', 'add', '198.51.100.1/24', 'dev', 'spare']));
  for (const name of ['spare', 'far']) must(host.edge.argv(['ip', 'link', 'set', name, 'up']));
  rules('allow 8000/tcp');
  expect(await host.sluice(['apply', '--interface', 'spare'])).toMatchObject({ status: 0 });
  expect(
    await host.sluice(['apply', '--interface', 'spare', '--interface', 'eth0', '--interface', 'spare']),
  ).toMatchObject({ status: 5 });
  expect(await host.sluice(['disable', '--yes'])).toMatchObject({ status: 0 });
  expect(await inSession('apply --interface spare', '')).toContain('exit 0');
  // Behind a gateway of `spare` there may be anybody, but a neighbour of eth0 comes by eth0.
  must(host.edge.argv(['ip', 'route', 'add', 'default', 'via', '198.51.100.2']));
  expect(await host.sluice(['apply', '--interface', 'spare'])).toMatchObject({ status: 0 });
});

test('init writes the port the server really listens on, and who is connected', async () => {
  const written = await inSession('init --print', '');
  expect(written).toContain(`ssh: { port: ${PORT}, from: anyone }`);
  expect(written).toContain(`You are connected from ${NEIGHBOUR.ipv4}.`);
  appendFileSync(host.write('rules.yaml', ''), written.slice(written.indexOf('#'), written.indexOf('exit 0')));
  expect(await inSession('enable', '')).toContain('exit 0');
  session.write('echo still-here\n');
  await session.waitFor(/^still-here$/m);
});
