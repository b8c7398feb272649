/** As many bans as there may be. */
import { httpGet, serve } from '../support/clients';
import { EdgeHost, HOST, NEIGHBOUR } from '../support/edge-host';
import { inboundRules } from '../support/ruleset-text';

const RULES = inboundRules('allow 8000/tcp', 'allow 22/tcp');

let host: EdgeHost;

beforeEach(async () => {
  host = await EdgeHost.open('bans');
  host.write('rules.yaml', RULES);
});

afterEach(() => host.close());

const URL = `http://${HOST.ipv4}:8000/`;

test('100,000 bans are taken, enforced and kept; one more is refused', async () => {
  await serve(host.edge, ['http:8000']);
  await host.must('enable');
  const lines = Array.from(
    { length: 99_999 },
    (_, i) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}${i % 4 ? '' : '/31'}`,
  );
  const list = host.write('list', `${lines.join('\n')}\n${NEIGHBOUR.ipv4}\n`);
  expect(await host.must('ban', '--import', list, '--for', '1d')).toBe(
    'banned 100000 sources for 24 h; 100000 bans in all\n',
  );
  expect((await host.status()).bans).toEqual({ hosts: 75_000, prefixes: 25_000 });
  const { status, stderr } = await host.sluice(['ban', '198.51.100.7']);
  expect([status, stderr]).toEqual([1, expect.stringMatching(/1 more bans than the 100000 .* 100000 is the most/)]);
  expect(await httpGet(host.wire, URL, 1)).toBeNull();
  await host.must('disable', '-y');
  await host.must('enable');
  expect(await httpGet(host.wire, URL, 1)).toBeNull();
  expect((await host.status()).bans).toEqual({ hosts: 75_000, prefixes: 25_000 });
  // A ban that is there already can be written again when all places are taken.
  await host.must('ban', '10.0.0.0/31', '10.0.0.1', '--for', '2d');
  expect(await host.must('unban', '--all')).toBe('ended 100000 bans\n');
  expect(await httpGet(host.wire, URL)).toBe('hello from port 8000\n');
});
