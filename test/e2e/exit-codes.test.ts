/** Exit codes that scripts rely on and that need a running firewall: 4, a difference, and 5, refused for safety. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Firewall } from '../../src/operate/firewall';
import { tcpConnect, serve } from '../support/clients';
import { EdgeHost, HOST, NEIGHBOUR } from '../support/edge-host';

const ruleset = (more = '', inbound = ''): string =>
  `version: 1\ninterfaces: [eth0]\n${more}inbound:\n  default: deny\n${inbound}  rules:\n    - { id: web, action: allow, port: 8000/tcp }\n`;
const KEPT = `guard: { keep-reachable: [{ from: ${NEIGHBOUR.ipv4}, port: 22/tcp }] }\n`;

let host: EdgeHost;
let file: string;

beforeEach(async () => {
  host = await EdgeHost.open('exit-codes');
  file = host.write('rules.yaml', ruleset(KEPT));
  await host.must('apply');
});

afterEach(() => host.close());

const outcome = async (...words: string[]): Promise<{ status: number; error?: string }> => {
  const { status, stdout } = await host.sluice([...words, '--json']);
  const document = JSON.parse(stdout) as { exitCode: number; error?: { code: string } };
  expect(document.exitCode).toBe(status);
  return { status, ...(document.error && { error: document.error.code }) };
};

test('plan --exit-code ends with 4 for every difference, and only then', async () => {
  expect(await outcome('plan', '--exit-code')).toEqual({ status: 0 });
  const differences = [
    ruleset(KEPT, '  udp: off\n'),
    ruleset(`${KEPT}logging: full\n`),
    ruleset(`${KEPT}expect: [allow tcp from any to any port 8000]\n`),
    ruleset(KEPT).replace('8000/tcp', '8000/tcp, log: all'),
    ruleset(KEPT).replace('8000/tcp', '8000/tcp, note: shop'),
  ];
  for (const text of differences) {
    writeFileSync(file, text);
    expect({ text, ...(await outcome('plan', '--exit-code')) }).toEqual({ text, status: 4 });
    expect(await outcome('plan')).toEqual({ status: 0 });
  }
});

test('what is refused for safety ends with 5, and --force does it', async () => {
  writeFileSync(file, ruleset());
  expect(await outcome('apply')).toEqual({ status: 5, error: 'operate/keep-reachable' });
  expect(await outcome('apply', '--force')).toEqual({ status: 0 });

  const caller = `${NEIGHBOUR.ipv4} 50000 ${HOST.ipv4} 22`;
  writeFileSync(file, ruleset().replace('8000', '8001'));
  const lockedOut = await host.sluice(['apply', '--json'], { SSH_CONNECTION: caller });
  expect(lockedOut.status).toBe(5);
  expect(JSON.parse(lockedOut.stdout)).toMatchObject({ exitCode: 5, error: { code: 'operate/lockout' } });
  const banned = await host.sluice(['ban', NEIGHBOUR.ipv4, '--json'], { SSH_CONNECTION: caller });
  expect(banned.status).toBe(5);
});

test('an empty list of interfaces is no way to open the host', async () => {
  await serve(host.edge, ['tcp:23']);
  const environment = { ...process.env };
  Object.assign(process.env, host.environment);
  try {
    const firewall = await Firewall.open({ netns: host.edge.path });
    await expect(
      firewall.apply(join(host.directory, 'rules.yaml'), { interfaces: [], force: true }),
    ).rejects.toMatchObject({
      code: 'load/no-interface',
    });
  } finally {
    process.env = environment;
  }
  expect((await host.status()).interfaces.map(({ name }) => name)).toEqual(['eth0']);
  expect(await tcpConnect(host.wire, HOST.ipv4, 23)).toBe('timeout');
});
