/** Verbs that know the caller (`from me`, `ban me`), and sources that are kept reachable, which nothing bans. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { serve, tcpConnect } from '../support/clients';
import { EdgeHost, HOST, NEIGHBOUR } from '../support/edge-host';
import { expectAllCounted } from '../support/host-figures';
import { DOOR } from '../support/ruleset-text';

let host: EdgeHost;
beforeEach(async () => {
  host = await EdgeHost.open('own');
  host.write('rules.yaml', DOOR);
  await serve(host.edge, ['tcp:22', 'tcp:9000', 'tcp:9001']);
  await host.must('enable');
});
afterEach(() => host.close());

const reach = (port: number) => tcpConnect(host.wire, HOST.ipv4, port);
const file = (): string => readFileSync(join(host.directory, 'rules.yaml'), 'utf8');

test('nobody is me who did not come from another machine', async () => {
  const before = file();
  for (const words of [
    ['allow', 'from', 'me', 'to', 'any', 'port', '9000'],
    ['ban', 'me'],
    ['unban', 'me'],
    ['bans', 'me'],
  ]) {
    const { status, stderr } = await host.sluice(words);
    expect([status, stderr]).toEqual([
      2,
      expect.stringMatching(/"me" has no address: this command did not come through/),
    ]);
  }
  const local = await host.sluice(['ban', 'me'], { SSH_CONNECTION: '127.0.0.1 50000 127.0.0.1 22' });
  expect([local.status, local.stderr]).toEqual([2, expect.stringMatching(/"me" has no address/)]);
  expect(file()).toBe(before);
});

test('me is the address of the caller’s SSH session, for rows and for bans', async () => {
  const session = { SSH_CONNECTION: `${NEIGHBOUR.ipv4} 50000 ${HOST.ipv4} 22` };
  const six = { SSH_CONNECTION: `${NEIGHBOUR.ipv6} 50000 ${HOST.ipv6} 22` };
  const words = ['allow', 'from', 'me', 'to', 'any', 'port', '9000', 'proto', 'tcp', 'comment', 'from', 'me'];
  expect((await host.sluice(words, session)).stdout).toContain(
    `added rule 2: allow from ${NEIGHBOUR.ipv4} to any port 9000 proto tcp`,
  );
  expect(file()).toMatch(/allow from 192\.0\.2\.1 to any port 9000 proto tcp id \S+ comment 'from me'/);
  expect((await host.sluice(['insert', '1', 'allow', 'FROM', 'me', 'port', 'any'], six)).stdout).toContain(
    `inserted rule 1: allow from ${NEIGHBOUR.ipv6}`,
  );
  expect([await reach(9000), await reach(9001)]).toEqual(['connected', 'timeout']);
  expect(await tcpConnect(host.wire, HOST.ipv6, 9001)).toBe('connected');
  // It would cut this very session, and is refused as any address there.
  const banned = await host.sluice(['ban', 'me'], session);
  expect([banned.status, banned.stderr]).toEqual([5, expect.stringMatching(/your own session comes from there/)]);
  expect((await host.sluice(['ban', 'me', '--force'], session)).stdout).toBe(`banned ${NEIGHBOUR.ipv4} without end\n`);
  expect((await host.sluice(['unban', 'me'], session)).stdout).toBe(`unbanned ${NEIGHBOUR.ipv4}\n`);
  await expectAllCounted(host);
});

test('a source that is kept reachable is never banned, and one that is kept later gets through its ban', async () => {
  const rules = (guard: string): void => void host.write('rules.yaml', `${DOOR}    - allow 9000/tcp\n${guard}`);
  rules('guard: { keep-reachable: [{ id: admin, from: [192.0.2.1, 2001:db8:1::/120], port: 22/tcp }] }\n');
  await host.must('apply');
  for (const source of ['192.0.2.1', '192.0.2.0/24', '0.0.0.0/0', '2001:db8:1::7', '2001:db8::/32']) {
    const { status, stderr } = await host.sluice(['ban', '198.51.100.1', source, '--force']);
    expect([source, status, stderr]).toEqual([
      source,
      5,
      expect.stringMatching(
        /is not banned: guard\/admin "allow from .*" keeps a source in it reachable\n.*never banned/,
      ),
    ]);
  }
  expect(JSON.parse(await host.must('bans', '--json'))).toMatchObject({ bans: [] });
  const list = host.write('list', '198.51.100.1\n192.0.2.1\n192.0.2.9\n2001:db8:1::5\n');
  const imported = await host.sluice(['ban', '--import', list]);
  expect(imported).toMatchObject({ status: 0, stdout: 'banned 2 sources without end; 2 bans in all\n' });
  expect(imported.stderr.match(/is not banned: guard\/admin/g)).toHaveLength(2);
  // Narrower than what is kept, and beside it.
  await host.must('ban', '2001:db8:1::1:0:0/96');

  rules('');
  await host.must('apply', '--force');
  await host.must('ban', NEIGHBOUR.ipv4);
  expect([await reach(22), await reach(9000)]).toEqual(['timeout', 'timeout']);
  rules('guard: { keep-reachable: [{ from: 192.0.2.1, port: 22/tcp }] }\n');
  await host.must('apply');
  expect([await reach(22), await reach(9000)]).toEqual(['connected', 'timeout']);
  await expectAllCounted(host);
});
