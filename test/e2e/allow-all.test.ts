/**
 * ALLOW ALL as an operator meets it: one server opens to real connections and its neighbour does not, changes elsewhere
 * leave it open, it ends by itself with every process killed, and what would have been refused is told with its row.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { kernel } from '../../src/kernel/native';
import { httpGet, serve, tcpConnect } from '../support/clients';
import { EdgeHost, HOST, NEIGHBOUR } from '../support/edge-host';
import { must } from '../support/process';
import { SharedState } from '../../src/load/state';
import type { Opening } from '../../src/operate/opening-file';

const BLOCKED = '192.0.2.66';
const rules = (rows: string): string => `version: 1
interfaces: [eth0]
guard: { rules: [deny from ${BLOCKED}] }
inbound: { default: deny, rules: [{ id: web, action: allow, port: 80/tcp }] }
servers:
  shop:
    address: [${HOST.ipv4}, "${HOST.ipv6}"]
    ports: 9000-9099
    rules: [{ id: shut, action: deny, port: 9002 }, { id: web, action: allow, port: 9001/tcp }]
  game: { address: [${HOST.ipv4}, "${HOST.ipv6}"], ports: 9100-9199, rules: [${rows}] }
`;
const [SHUT, GAME, INBOUND] = [9002, 9102, 82];

let host: EdgeHost;

beforeAll(async () => {
  host = await EdgeHost.open('allow-all');
  host.wire.ip(`address add ${BLOCKED}/24 dev ${NEIGHBOUR.link}`);
  await serve(host.edge, [`http:${SHUT}`, `http:${GAME}`, `http:${INBOUND}`]);
  host.write('rules.yaml', rules('allow 9101/tcp'));
  await host.must('apply');
});

afterAll(async () => {
  await host.close();
});

afterEach(async () => {
  await host.sluice(['allow-all', 'off']);
});

const get = async (port: number, address: string = HOST.ipv4, seconds = 1): Promise<boolean> =>
  (await httpGet(host.wire, `http://${address}:${port}/`, seconds)) === `hello from port ${port}\n`;
/** The same with time for a busy machine: where an answer is expected nothing is waited for. */
const reaches = (port: number, address?: string): Promise<boolean> => get(port, address, 20);

async function history(): Promise<Opening[]> {
  return (JSON.parse(await host.must('history', '--json')) as { allowAll: Opening[] }).allowAll;
}

test('one server opens, in both families, and nothing else; whoever looks sees it, with the row and the source', async () => {
  expect(await get(SHUT)).toBe(false);
  const said = await host.must('allow-all', 'shop', '--for', '1h', '-m', 'the shop is down');
  expect(said).toMatch(/^shop is under ALLOW ALL until .* UTC \(60 min\): the kernel ends it by itself$/m);
  expect(await reaches(SHUT)).toBe(true);
  expect(await reaches(SHUT, `[${HOST.ipv6}]`)).toBe(true);
  expect(await Promise.all([get(GAME), get(INBOUND)])).toEqual([false, false]);
  const blocked = ['curl', '-sS', '-m', '1', '--interface', BLOCKED, `http://${HOST.ipv4}:${SHUT}/`];
  expect((await host.wire.run(blocked)).status).toBe(28);

  const status = await host.must('status');
  expect(status).toMatch(/^ALLOW ALL: shop until .* left\), by \S+: the shop is down$/m);
  expect(status).toMatch(
    new RegExp(`^ {4}\\d+ by shop/shut \\(deny ${SHUT}\\), the last from ${NEIGHBOUR.ipv6}$`, 'm'),
  );
  expect(await host.must('status', 'shop')).toContain('ALLOW ALL: shop until');
  expect(await host.must('status', 'game')).not.toContain('ALLOW ALL');
  expect(await host.must('servers')).toMatch(/^shop .*ALLOW ALL \d+ min/m);
  const { allowAll, sections, reasons } = await host.status();
  expect(allowAll).toMatchObject([{ section: 'shop', reason: 'the shop is down', unlisted: '0' }]);
  expect(allowAll[0].rows).toMatchObject([{ section: 'shop', rule: 'shut', text: `deny ${SHUT}` }]);
  expect(sections.filter((one) => one.allowAll).map(({ name }) => name)).toEqual(['shop']);
  // Each of its packets is counted once, at a reason of its own.
  expect(reasons.find(({ reason }) => reason === 'allow-all')).toMatchObject({
    verdict: 'allow',
    packets: allowAll[0].packets,
  });

  const explained = await host.must('explain', `tcp from ${NEIGHBOUR.ipv4} to ${HOST.ipv4} port ${SHUT}`);
  expect(explained).toMatch(/^allow in tier 6 by switches of shop: ALLOW ALL of the section is on/m);
  expect(explained).toMatch(/^without ALLOW ALL: deny in tier 7 by rule 1 of shop .*\(shut\)$/m);
  expect(explained).toContain('the model and the datapath program agree');
  expect(await host.must('doctor', 'shop', String(SHUT), NEIGHBOUR.ipv4)).toContain('ALLOW ALL of the section is on');
  expect(await host.must('exposed')).toMatch(new RegExp(`^${SHUT}/tcp .*everyone but ${BLOCKED}`, 'm'));
  expect(await host.must('exposed')).toMatch(new RegExp(`^${GAME}/tcp .*nobody`, 'm'));
  const metrics = await host.must('metrics');
  expect(metrics).toMatch(/^sluice_allow_all_until_timestamp_seconds\{section="shop"\} \d+/m);
  expect(metrics).toMatch(/^sluice_allow_all_packets\{section="shop"\} \d+/m);

  const off = await host.must('allow-all', 'off', 'shop');
  expect(off).toMatch(/^ALLOW ALL of shop ended by \S+ .* UTC$/m);
  expect(off).toMatch(new RegExp(`^ {4}${allowAll[0].packets} by shop/shut \\(deny ${SHUT}\\), the last from`, 'm'));
  expect(await get(SHUT)).toBe(false);
  expect(await host.must('metrics')).not.toMatch(/^sluice_allow_all_until_timestamp_seconds\{/m);
});

test('a change elsewhere leaves it open, and its counts go on under the same rows', async () => {
  await host.must('allow-all', 'shop', '--for', '1h');
  expect(await reaches(SHUT)).toBe(true);
  const before = Number((await host.status()).allowAll[0].packets);
  await host.must('allow', '9103/tcp', '--server', 'game');
  await host.must('insert', '1', 'deny', '9005', '--server', 'shop');
  const [folded, ...none] = (await host.status()).allowAll[0].rows;
  expect([folded.rule, none]).toEqual(['shut', []]);
  expect(Number(folded.packets)).toBeGreaterThanOrEqual(before);
  expect(await reaches(SHUT)).toBe(true);
  // Longer: it goes on, and so do its counts.
  expect(await host.must('allow-all', 'shop', '--for', '2h')).toMatch(/^shop stays under ALLOW ALL/m);
  const [{ rows, packets }] = (await host.status()).allowAll;
  expect(Number(packets)).toBeGreaterThan(before);
  expect(rows).toMatchObject([{ section: 'shop', rule: 'shut', packets }]);
  // A server that the ruleset has no more is nobody's.
  host.write('rules.yaml', rules('allow 9101/tcp').replace(/ {2}shop:[\s\S]*(?= {2}game)/, ''));
  await host.must('apply');
  expect(await get(SHUT)).toBe(false);
  expect(await host.must('allow-all', 'off')).toMatch(/^ALLOW ALL of shop ended/m);
  host.write('rules.yaml', rules('allow 9101/tcp'));
  await host.must('apply');
});

test('it ends by itself with every process killed; the next one says which row would have refused, and the log did', async () => {
  const daemon = host.startSluice(['daemon']);
  await daemon.waitFor(/the daemon runs/);
  // It is long enough for what is done meanwhile, which takes a few commands' time.
  const begun = performance.now();
  await host.must('status');
  const seconds = Math.max(6, Math.ceil((10 * (performance.now() - begun)) / 1000));
  await host.must('allow-all', 'shop', '--for', `${seconds}s`, '-m', 'a look');
  const state = SharedState.find(kernel(), host.pins)!;
  const [{ deadlineNs }] = state.open.list();
  state.close();
  expect(await reaches(SHUT)).toBe(true);
  const log = host.environment.SLUICE_LOG!;
  while (!existsSync(log) || !/\[SLUICE ALLOW\] .*SRV=shop RULE=shut REASON=allow-all/.test(readFileSync(log, 'utf8')))
    await new Promise((done) => setTimeout(done, 50));
  await daemon.stop('SIGKILL');
  // Refused only after the deadline, by the kernel's own clock, and with nobody there.
  let lastOpen = 0n;
  for (let begun = 0n; begun < deadlineNs;) {
    begun = kernel().bootTimeNs();
    if ((await tcpConnect(host.wire, HOST.ipv4, SHUT)) === 'connected') lastOpen = begun;
  }
  expect(lastOpen).toBeGreaterThan(0n);
  expect(lastOpen).toBeLessThan(deadlineNs);
  const { stderr } = await host.sluice(['servers']);
  expect(stderr).toMatch(
    new RegExp(
      `^note: ALLOW ALL of shop is over \\(ended by itself .*\\): \\d+ packets passed .* by shop/shut \\(deny ${SHUT}\\), the last from ${NEIGHBOUR.ipv4}`,
      'm',
    ),
  );
  expect((await history()).at(-1)).toMatchObject({
    section: 'shop',
    reason: 'a look',
    ended: { how: 'in-time' },
    rows: [{ rule: 'shut' }],
  });
  expect(await host.must('history')).toMatch(/^shop .*ended by itself .*shop\/shut .*a look$/m);
  expect((await host.status()).allowAll).toEqual([]);
});

test('the whole edge opens only by --everything, which lists what it opens and asks', async () => {
  const unnamed = await host.sluice(['allow-all', '--for', '10m']);
  expect(unnamed).toMatchObject({ status: 2 });
  expect(unnamed.stderr).toContain('which of 3 sections? inbound, game, shop');
  const asked = await host.sluice(['allow-all', '--everything', '--for', '10m']);
  expect(asked.status).toBe(2);
  expect(asked.stderr).toMatch(/this opens 3 sections: inbound, game, shop[\s\S]*to answer yes: --yes/);
  expect(await get(INBOUND)).toBe(false);
  await host.must('allow-all', '--everything', '--for', '10m', '--yes');
  expect(await Promise.all([reaches(SHUT), reaches(GAME), reaches(INBOUND)])).toEqual([true, true, true]);
  expect(await host.must('status')).toContain('ALLOW ALL: the whole edge until');
  expect(await host.must('servers')).toMatch(/^game .*ALLOW ALL/m);
  expect(await host.must('allow-all', 'off', '--everything')).toMatch(/ by inbound\/default \(its default\)/);
  expect(await get(INBOUND)).toBe(false);
});

test.each([
  [['allow-all', 'shop', '--for', '25h'], 2, 'is more than 24 h'],
  [['allow-all', 'shop', '--for', 'soon'], 2, 'is not a length of time'],
  [['allow-all', 'shop'], 2, 'ALLOW ALL always has an end'],
  [['allow-all', 'shpo', '--for', '1m'], 5, 'did you mean shop?'],
  [['allow-all', 'shop', 'game', '--for', '1m'], 2, 'more than one server'],
  [['allow-all', 'shop', '--everything', '--for', '1m'], 2, '--everything is more than shop'],
  [['allow-all', 'off', '--for', '1m'], 2, 'off takes no --for'],
])('%s is refused', async (words, status, text) => {
  const refused = await host.sluice(words);
  expect(refused.status).toBe(status);
  expect(refused.stderr).toContain(text);
  expect((await host.status()).allowAll).toEqual([]);
});

test('a process that is killed before the record of it is written opens nothing', async () => {
  await host.sluice(['allow-all', 'shop', '--for', '1h'], { SLUICE_FAILPOINT: 'during-write:kill' });
  expect(await get(SHUT)).toBe(false);
  expect((await host.status()).allowAll).toEqual([]);
});

test('the end of enforcement is its end, and is remembered with what was let in', async () => {
  await host.must('allow-all', 'shop', '--for', '1h');
  expect(await reaches(SHUT)).toBe(true);
  // What is still open is listed with what it has let in so far.
  const [live] = (await history()).slice(-1);
  expect(live).toMatchObject({ section: 'shop', rows: [{ rule: 'shut', packets: live.packets }] });
  expect([live.ended, Number(live.packets) > 0]).toEqual([undefined, true]);
  await host.recount('enforcement ends');
  await host.must('disable', '--yes');
  await host.must('enable');
  expect(await get(SHUT)).toBe(false);
  expect((await history()).at(-1)).toMatchObject({
    section: 'shop',
    ended: { how: 'enforcement-ended' },
    rows: [{ rule: 'shut' }],
  });
});

test('where its end cannot be written down it has ended all the same, and is told of later', async () => {
  const file = join(host.context().folder.path, 'allow-all.json');
  await host.must('allow-all', 'shop', '--for', '1h');
  expect(await reaches(SHUT)).toBe(true);
  // Nothing takes the place of what something is mounted on.
  must(['mount', '--bind', file, file]);
  try {
    const off = await host.sluice(['allow-all', 'off', 'shop']);
    expect([off.status, off.stderr]).toEqual([
      1,
      expect.stringContaining('has ended, and that could not be written down'),
    ]);
    expect(await get(SHUT)).toBe(false);
    // Nothing is said to have been written down, by whoever looks.
    expect((await host.sluice(['servers'])).stderr).not.toContain('is over');
  } finally {
    must(['umount', file]);
  }
  expect((await host.sluice(['servers'])).stderr).toContain('note: ALLOW ALL of shop is over');
  expect((await history()).at(-1)).toMatchObject({ section: 'shop', rows: [{ rule: 'shut' }] });
});
