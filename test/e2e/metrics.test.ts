/**
 * Metrics as they are scraped: a real Prometheus asks the daemon, promtool finds nothing to blame, and whoever comes to
 * the port with something else than a scrape keeps nobody from it.
 */
import { existsSync, lstatSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { METRICS } from '../../src/observe/metric-names';
import { MOST_SCRAPERS } from '../../src/serve/metrics-server';
import { serve, tcpConnect } from '../support/clients';
import { EdgeHost, HOST } from '../support/edge-host';
import { type Background, must, run } from '../support/process';
import { toolPath } from '../support/test-tools';

const RULES = `version: 1
interfaces: [eth0]
inbound: { default: deny, ssh: { port: 22, from: anyone } }
servers:
  red:
    address: ${HOST.ipv4}
    ports: 1000-1099
    rules: [{ id: web, action: allow, port: 1080/tcp }, deny 1022/tcp]
  green:
    address: ${HOST.ipv4}
    ports: 2000-2099
    rules: [allow 2001/tcp, allow 2002/tcp, allow 2003/tcp]
`;

let host: EdgeHost;
let daemon: Background;
/** What `metrics` says of a server before anything is enforced. */
let nothingEnforced: string;
const url = 'http://127.0.0.1:9464/metrics';
beforeAll(async () => {
  host = await EdgeHost.open('metrics');
  host.write('rules.yaml', RULES);
  nothingEnforced = (await host.sluice(['metrics', '--server', 'red'])).stderr;
  await host.must('apply');
  const server = await serve(host.edge, ['tcp:1080']);
  expect(await tcpConnect(host.wire, HOST.ipv4, 1080)).toBe('connected');
  expect(await tcpConnect(host.wire, HOST.ipv4, 1022)).toBe('timeout');
  await server.stop();
  daemon = host.startSluice(['daemon', '--listen', '9464']);
  await daemon.waitFor(/the daemon runs/);
});
afterAll(async () => {
  expect(await daemon.stop('SIGTERM')).toBe(0);
  await host.close();
});

const curl = async (...words: string[]) => host.edge.run(['curl', '-sS', '-m', '20', '-w', '\n%{http_code}', ...words]);

test('the command says what is wrong with a section that is not there', async () => {
  expect(nothingEnforced).toBe('error: nothing is enforced, so there is no section "red"\n  sluice enable\n');
  const said = async (name: string): Promise<string> => (await host.sluice(['metrics', '--server', name])).stderr;
  expect(await said('gren')).toBe('error: the enforced ruleset has no section "gren"\n  did you mean green?\n');
  expect(await said('elsewhere')).toContain('sluice servers\n');
});

test('Prometheus scrapes it and answers from it; promtool finds nothing to blame', async () => {
  const config = host.write(
    'prometheus.yaml',
    `global: { scrape_interval: 5s, scrape_timeout: 5s }
rule_files: [${join(__dirname, '../../scripts/dashboards/alerts.yaml')}]
scrape_configs:
  - { job_name: sluice, static_configs: [{ targets: ['127.0.0.1:9464'] }] }
  - { job_name: red, params: { section: [red] }, static_configs: [{ targets: ['127.0.0.1:9464'] }] }
`,
  );
  must([toolPath('usr/bin/promtool'), 'check', 'config', config]);
  const prometheus = host.edge.start([
    ...[toolPath('usr/bin/prometheus'), `--config.file=${config}`, '--web.listen-address=127.0.0.1:9090'],
    `--storage.tsdb.path=${join(host.directory, 'tsdb')}`,
  ]);
  try {
    const ask = async (query: string): Promise<{ metric: Record<string, string>; value: [number, string] }[]> => {
      const api = 'http://127.0.0.1:9090/api/v1/query';
      const { stdout } = await host.edge.run([
        'curl',
        '-sS',
        '-m',
        '20',
        '-G',
        '--data-urlencode',
        `query=${query}`,
        api,
      ]);
      try {
        return (JSON.parse(stdout) as { data: { result: never[] } }).data.result;
      } catch {
        return []; // it does not listen, or has not read its data yet
      }
    };
    const query = 'sluice_rule_packets_total{rule="web"}';
    for (const deadline = Date.now() + 60_000; (await ask(query)).length < 2;) {
      if (Date.now() > deadline) throw new Error(prometheus.output);
      await sleep(200);
    }
    const found = await ask(query);
    expect(found.map(({ metric }) => metric)).toEqual([
      expect.objectContaining({ section: 'red', verdict: 'allow', job: 'red' }),
      expect.objectContaining({ section: 'red', verdict: 'allow', job: 'sluice' }),
    ]);
    expect(Number(found[0].value[1])).toBeGreaterThanOrEqual(3);
    expect(await ask('sluice_server_packets_total{server="red",verdict="deny",job="sluice"} > 0')).toHaveLength(1);
    expect((await ask('up')).map(({ value }) => value[1])).toEqual(['1', '1']);
  } finally {
    await prometheus.stop('SIGTERM');
  }
  const scraped = (await host.edge.run(['curl', '-sS', '-m', '20', url])).stdout;
  const judged = await run([toolPath('usr/bin/promtool'), 'check', 'metrics'], { input: scraped });
  expect(judged).toEqual({ status: 0, stdout: '', stderr: '' });
  const named = [...scraped.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
  expect(named.length).toBeGreaterThan(30);
  expect(named.filter((name) => !(name in METRICS))).toEqual([]);
  // The command prints what is served.
  const families = (text: string): string[] => text.match(/^# TYPE .*$/gm) ?? [];
  expect(families(await host.must('metrics'))).toEqual(families(scraped));
});

test('the ceiling of rules, and one section beyond it', async () => {
  const folded = await host.must('metrics', '--rule-series', '8');
  expect(folded).toContain('sluice_folded_sections 1\n');
  expect(folded).toMatch(/^sluice_rule_packets_total\{section="green",rule="\*",verdict="allow"\} 0$/m);
  const section = await host.must('metrics', '--section', 'green', '--rule-series', '0');
  expect(section.match(/^sluice_rule_packets_total\{/gm)).toHaveLength(5);
  expect((await curl(`${url}?section=green`)).stdout.match(/^sluice_rule_packets_total\{/gm)).toHaveLength(5);
  expect(await host.sluice(['metrics', '--section', 'blue'])).toMatchObject({ status: 2 });
});

test('what is no scrape is answered and let go of', async () => {
  for (const [words, status] of [
    [[`${url}?section=nobody`], '404'],
    [[`${url}?server=green`], '400'],
    [[`${url}?section=green&section=red`], '400'],
    [['http://127.0.0.1:9464/'], '404'],
    [['--path-as-is', 'http://127.0.0.1:9464/../metrics/x'], '404'],
    [['-X', 'POST', '--data', 'x'.repeat(100_000), url], '405'],
    [['-X', 'DELETE', url], '405'],
    [['-I', url], '200'],
  ] as const)
    expect((await curl(...words)).stdout.split('\n').at(-1)).toBe(status);
  const long = await curl('-H', `x: ${'y'.repeat(20_000)}`, url);
  expect(long.stdout.split('\n').at(-1)).not.toBe('200');
  // As many as there can be, and more, hold a connection and say nothing, or never read what they asked for.
  const idle = host.edge.start([
    process.execPath,
    '-e',
    `const net = require('node:net');
for (let i = 0; i < ${4 * MOST_SCRAPERS}; i++) {
  const socket = net.connect(9464, '127.0.0.1', () => socket.write(i % 2 ? 'GET /metrics HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n' : 'GET /met'));
  socket.on('error', () => undefined).pause();
}
setTimeout(() => console.log('held'), 300);
setInterval(() => undefined, 1000);`,
  ]);
  try {
    await idle.waitFor(/held/);
    expect((await curl(url)).stdout).toContain('sluice_active 1');
    const { stdout } = await host.edge.run(['ss', '-Htn', 'state', 'established', 'sport = :9464']);
    expect(stdout.split('\n').filter(Boolean).length).toBeLessThanOrEqual(MOST_SCRAPERS);
  } finally {
    await idle.stop('SIGKILL');
  }
  expect(daemon.running).toBe(true);
});

test('a UNIX socket, and places where nobody can listen', async () => {
  const taken = await host.sluice(['daemon', '--listen', '9464']);
  expect(taken.status).not.toBe(0);
  expect(await daemon.stop('SIGTERM')).toBe(0);
  const path = join(host.directory, 'metrics.sock');
  const other = join(host.directory, 'a-file');
  writeFileSync(other, 'mine');
  for (const [place, words] of [
    [other, 'is no socket'],
    ['198.51.100.99:9464', 'it is no address of this machine'],
    ['example.org:80', '127.0.0.1:9464'],
  ]) {
    const refused = await host.sluice(['daemon', '--listen', place]);
    expect({ place, ...refused }).toMatchObject({ place, stderr: expect.stringContaining(words) as string });
    expect(refused.status).not.toBe(0);
  }
  expect(existsSync(other)).toBe(true);
  daemon = host.startSluice(['daemon', '--listen', path]);
  await daemon.waitFor(/the daemon runs/);
  await daemon.stop('SIGKILL');
  expect(existsSync(path)).toBe(true); // what the next one finds
  daemon = host.startSluice(['daemon', '--listen', path]);
  await daemon.waitFor(/the daemon runs/);
  expect(lstatSync(path).mode & 0o777).toBe(0o660);
  expect((await curl('--unix-socket', path, 'http://localhost/metrics')).stdout).toContain('sluice_active 1');
});

test('the page of a server has its rows, what refused, and its own refusals', async () => {
  await tcpConnect(host.wire, HOST.ipv4, 1099);
  const read = async () =>
    JSON.parse(await host.must('snapshot', 'red')) as {
      page: { server: { name: string }; refusals: { port: number }[]; drops: { by: string }[] };
    };
  for (const deadline = Date.now() + 60_000; (await read()).page.refusals.length === 0;) {
    if (Date.now() > deadline) throw new Error('the log tells of no refusal');
    await sleep(100);
  }
  const { page } = await read();
  expect(page.server.name).toBe('red');
  expect(page.refusals[0]).toMatchObject({ port: 1099, rule: 'default', source: '192.0.2.1' });
  expect(page.drops.map(({ by }) => by).sort()).toEqual(['default', 'deny-1022_tcp']);
  expect(JSON.stringify(page)).not.toContain('green');
  expect(await host.sluice(['snapshot', 'rod'])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('did you mean red?') as string,
  });
});
