/** What `ban`, `unban` and `bans` refuse, and with which words. */
import { EdgeHost, HOST, NEIGHBOUR } from '../support/edge-host';
import { inboundRules } from '../support/ruleset-text';

jest.setTimeout(240_000);

const RULES = inboundRules('allow 8000/tcp', 'allow 22/tcp');

let host: EdgeHost;

beforeEach(async () => {
  host = await EdgeHost.open('bans');
  host.write('rules.yaml', RULES);
});

afterEach(() => host.close());

test('your own session is refused, --force obeys; a list leaves it out', async () => {
  await host.must('enable');
  const session = { SSH_CONNECTION: `${NEIGHBOUR.ipv4} 50000 ${HOST.ipv4} 22` };
  for (const source of [NEIGHBOUR.ipv4, '192.0.2.0/24', '0.0.0.0/0']) {
    const { status, stderr } = await host.sluice(['ban', '198.51.100.7', source], session);
    expect([status, stderr]).toEqual([5, expect.stringMatching(/is not banned: your own session comes from there/)]);
  }
  expect(await host.bans()).toEqual([]);
  const list = host.write('list', `# a feed\n198.51.100.7\n${NEIGHBOUR.ipv4} ; me\n2001:db8:77::1\n10.0.0.0/8\n`);
  const imported = await host.sluice(['ban', '--import', list, '--for', '1h'], session);
  expect(imported).toMatchObject({ status: 0, stdout: 'banned 3 sources for 60 min; 3 bans in all\n' });
  expect(imported.stderr).toContain(`warning: ${NEIGHBOUR.ipv4} is not banned: your own session comes from there`);
  expect((await host.bans()).map(({ source }) => source)).toEqual(['10.0.0.0/8', '198.51.100.7', '2001:db8:77::/64']);
  const forced = await host.sluice(['ban', NEIGHBOUR.ipv4, '--force'], session);
  expect(forced).toMatchObject({ status: 0, stdout: `banned ${NEIGHBOUR.ipv4} without end\n` });
});

test('bad input changes nothing and says what to write', async () => {
  await host.must('enable');
  const list = host.write('list', '192.0.2.77\n192.0.2.300\n010.0.0.1\n');
  for (const [words, status, message] of [
    [['ban'], 2, /nobody to ban/],
    [['ban', 'example.org'], 2, /"example\.org"/],
    [['ban', 'office'], 2, /"office" is not an address or a prefix.*\n.*sluice deny from office/],
    [['ban', '192.0.2.77', '010.0.0.1'], 2, /leading zero/],
    [['ban', '192.0.2.77', '--for', 'soon'], 2, /"soon" is not a length of time\n {2}write a number/],
    [['ban', '192.0.2.77', '--until', '2020-01-01'], 2, /"2020-01-01" has passed/],
    [['ban', '192.0.2.77', '--for', '1h', '--until', '2090-01-01'], 2, /both say/],
    [['ban', '--import', list], 3, /list:2:1[^]*list:3:1[^]*2 errors\. nobody was banned/],
    [['ban', '--import', host.directory], 2, /not a regular file/],
    [['unban'], 2, /whom to unban/],
    [['unban', '--all', '192.0.2.1'], 2, /whom to unban/],
  ] as const) {
    const result = await host.sluice(words);
    expect([words, result.status, result.stderr]).toEqual([words, status, expect.stringMatching(message)]);
  }
  expect(await host.bans()).toEqual([]);
  await host.must('ban', ...[1, 2, 3, 4, 5, 6, 7, 8, 9].map((length) => `10.0.0.0/${length}`));
  const { status, stderr } = await host.sluice(['ban', '10.0.0.0/10']);
  expect([status, stderr]).toEqual([1, expect.stringMatching(/bans lie 10 deep inside one another: 0\.0\.0\.0\/1, /)]);
  expect(await host.bans()).toHaveLength(9);
  expect(await host.sluice(['unban', '10.0.0.1', '10.0.0.0/9'])).toMatchObject({
    stdout: 'unbanned 10.0.0.0/9\n10.0.0.1 is not banned\n',
    stderr: expect.stringMatching(/note: the ban of 0\.0\.0\.0\/1 stays, without end/) as string,
  });
});
