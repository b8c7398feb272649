/** History, going back and writers of one section, by real commands: the others keep their text, rows and packets. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { applyRuleset } from '../../src/operate/apply';
import { checkRuleset } from '../../src/operate/check';
import { Firewall } from '../../src/operate/firewall';
import type { Revision } from '../../src/operate/history';
import { serve, tcpConnect } from '../support/clients';
import { EdgeHost, HOST } from '../support/edge-host';
import type { Finished } from '../support/process';

const RED = `  red:   # first
    address: ${HOST.ipv4}
    ports: 1000-1099
    rules:
      - allow 1080/tcp   # red's web
    # below red
`;
const GREEN = `  green: { address: ${HOST.ipv4}, ports: 2000-2099, rules: [allow 2080/tcp] } # second
`;
const TEXT = `# the edge
version: 1
interfaces: [eth0]
inbound: { default: deny, ssh: { port: 22, from: anyone } }
servers:
${RED}${GREEN}`;

let host: EdgeHost;
let file: string;

beforeAll(async () => {
  host = await EdgeHost.open('sections');
  file = host.write('rules.yaml', TEXT);
  await serve(host.edge, ['tcp:1080', 'tcp:2080']);
  await host.must('apply', '-m', 'the first');
});
afterAll(() => host.close());

interface Told {
  readonly digest: string;
  readonly revisions: readonly Revision[];
}
const history = async (section: string): Promise<Told> =>
  JSON.parse(await host.must('history', section, '--json')) as Told;
const told = async (section: string): Promise<string[]> =>
  (await history(section)).revisions.map(({ number, what }) => `${number} ${what}`);
const text = (): string => readFileSync(file, 'utf8');
const reached = async (): Promise<number[]> => {
  const answers = await Promise.all([1080, 2080].map((port) => tcpConnect(host.wire, HOST.ipv4, port)));
  return [1080, 2080].filter((_, i) => answers[i] === 'connected');
};

test('each section has its own changes; one goes back, and nothing of the others moves', async () => {
  await host.must('deny', '1080/tcp', '--server', 'red', '-m', 'shut');
  await host.must('allow', '2081/tcp', '--server', 'green');
  await host.must('logging', 'medium');
  expect(await reached()).toEqual([2080]);
  expect(await told('red')).toEqual(['1 apply', '2 deny 1080/tcp --server red']);
  expect(await told('green')).toEqual(['1 apply', '3 allow 2081/tcp --server green']);
  expect(await told('settings')).toEqual(['4 logging medium']);
  expect(await host.must('history', '--server', 'red')).toMatch(
    /^revision .*digest +why\n +1 .*apply +applied +[0-9a-f]{12} +the first\n +2 .*applied \(enforced\) +[0-9a-f]{12} +shut\n$/,
  );
  const nobody = await host.sluice(['history', 'blue']);
  expect([nobody.status, nobody.stderr]).toEqual([1, expect.stringContaining('there are: inbound, outbound, guard')]);
  expect(await host.must('show', '1', '--server', 'red', '--text')).toBe(RED.replace(/^ {2}/gm, ''));
  const difference = await host.sluice(['diff', '1', '--section', 'red', '--exit-code']);
  expect(difference.status).toBe(4);
  expect(difference.stdout).toMatch(
    /- +- allow 1080\/tcp[^]*red\/.*deny 1080\/tcp[^]*allow → deny +tcp from any to 192.0.2.10 port 1080/,
  );
  expect(difference.stdout).not.toContain('2081');

  // Of a file that changes both, the plan of one.
  const both = host.write(
    'both.yaml',
    text().replace('2081/tcp', '2082/tcp').replace('deny 1080/tcp', 'allow 1080/tcp'),
  );
  const planned = await host.must('plan', both, '--server', 'red');
  expect([/red\/allow-1080_tcp/.test(planned), /2082|green/.test(planned)]).toEqual([true, false]);
  expect((await host.sluice(['plan', both, '--server', 'blue'])).stderr).toContain('there is no section "blue"');
  const now = text();
  const back = await host.sluice(['rollback', '1', '--server', 'red', '-m', 'open again']);
  expect([back.status, back.stderr]).toEqual([0, expect.stringMatching(/deny → allow +tcp/)]);
  expect(await reached()).toEqual([1080, 2080]);
  expect(text()).toBe(now.replace(/ {2}red:[^]*# below red\n/, RED));
  expect(text()).toContain('allow 2081/tcp');
  expect(await told('red')).toEqual(['1 apply', '2 deny 1080/tcp --server red', '5 rollback 1 --section red']);
  const same = await host.must('rollback', '1', '--server', 'red');
  expect(same).toBe('no changes: red is as revision 1 left it\n');
  // A server that is gone comes again where the servers are, by the digest of what it was.
  const { digest } = await history('green');
  writeFileSync(file, text().replace(/ {2}green: .*\n/, ''));
  await host.must('apply', '-m', 'green left');
  expect(await reached()).toEqual([1080]);
  await host.must('rollback', digest.slice(0, 9), '--server', 'green');
  expect(await reached()).toEqual([1080, 2080]);
  expect(text()).toBe(now.replace(/ {2}red:[^]*# below red\n/, RED));
  // What lies outside sections goes back without them.
  await host.must('rollback', '1', '--section', 'settings');
  expect(text()).toBe(now.replace(/ {2}red:[^]*# below red\n/, RED).replace(/logging: medium\n/, ''));
  // Who would be cut off is told, and nothing was changed.
  await host.must('ssh', '1033', '--server', 'red');
  const before = text();
  const caller = { SSH_CONNECTION: `192.0.2.1 50000 ${HOST.ipv4} 1033` };
  expect((await host.sluice(['rollback', '1', '--server', 'red'], caller)).status).toBe(5);
  expect(text()).toBe(before);
});

test('ten writers at once: of different servers all land, of the same one whoever saw it', async () => {
  /** One who has waited in vain for those before him, as on a busy machine, begins anew: nothing of his was done. */
  const write = async (words: string[]): Promise<Finished> => {
    for (let attempt = 1; ; attempt++) {
      const done = await host.sluice(words);
      if (!/^error: another sluice.* is changing this firewall$/m.test(done.stderr) || attempt === 4) return done;
    }
  };
  const each = (words: (i: number) => string[]): Promise<Finished[]> =>
    Promise.all(Array.from({ length: 5 }, (_, i) => write(words(i))));
  const [red, green] = [await history('red'), await history('green')];
  const [reds, greens] = await Promise.all([
    each((i) => ['allow', `${1010 + i}/tcp`, '--server', 'red']),
    each((i) => ['allow', `${2010 + i}/tcp`, '--server', 'green', '--if-digest', green.digest.slice(0, 12)]),
  ]);
  // Nobody who says nothing of what he saw is in anybody's way.
  expect(reds.map(({ status, stderr }) => [status, stderr])).toEqual(reds.map(() => [0, '']));
  for (const i of [0, 1, 2, 3, 4]) expect(text()).toContain(`allow ${1010 + i}/tcp`);
  expect(greens.map(({ status }) => status).sort()).toEqual([0, 5, 5, 5, 5]);
  const now = await history('green');
  const winner = now.revisions.at(-1)!;
  expect(text().match(/allow 201\d\/tcp/g)).toEqual([winner.what.slice(0, 14)]);
  for (const { status, stderr } of greens.filter((one) => one.status !== 0)) {
    expect(status).toBe(5);
    expect(stderr).toContain(
      `error: "green" is not as you saw it: its digest is ${now.digest.slice(0, 12)}, not "${green.digest.slice(0, 12)}"\n` +
        `  ${winner.number}  `,
    );
    expect(stderr).not.toContain('red');
  }
  // The same of going back.
  const late = ['rollback', '1', '--server', 'red', '--if-digest'];
  expect(
    (await host.sluice([...late, red.digest])).stderr.split('\n').filter((line) => /allow 101/.test(line)),
  ).toHaveLength(5);
  expect((await host.sluice([...late, (await history('red')).digest])).status).toBe(0);
  expect((await host.sluice(['allow', '1019/tcp', '--server', 'red', '--if-digest', 'abc'])).status).toBe(2);
});

test('an apply is refused where another one came first, of the whole or of one section, and names both digests', async () => {
  const { written, sections } = await host.status();
  const seen = { whole: written!, red: sections.find(({ name }) => name === 'red')!.digest! };
  const before = await history('red');
  await host.must('allow', '2091/tcp', '--server', 'green', '-m', 'somebody else');
  const now = (await host.status()).written!;
  writeFileSync(file, text().replace('version: 1', 'version: 1\nlogging: medium'));
  const whole = await host.sluice(['apply', '--if-digest', seen.whole]);
  expect([whole.status, whole.stderr]).toEqual([
    5,
    expect.stringMatching(
      `error: what is enforced is not as you saw it: its digest is ${now.slice(0, 12)}, not "${seen.whole}"\\n.*somebody else[^]*--if-digest ${now.slice(0, 12)}`,
    ),
  ]);
  // Nothing was changed; of red nobody has changed anything, and of the whole this is what there is now.
  expect((await host.status()).written).toBe(now);
  expect((await host.sluice(['apply', '--dry-run', '--if-digest', now.slice(0, 7)])).status).toBe(0);
  expect(seen.red).toBe(before.digest);
  await host.must('apply', '--section', 'red', '--if-digest', seen.red);
  const environment = { ...process.env };
  Object.assign(process.env, host.environment);
  try {
    const firewall = await Firewall.open({ netns: host.edge.path });
    const stale = { seen: { digest: seen.whole } };
    await expect(firewall.apply(file, stale)).rejects.toMatchObject({
      name: 'RulesetChangedError',
      code: 'operate/ruleset',
    });
    await host.must('allow', '1091/tcp', '--server', 'red');
    const late = { seen: { section: 'red', digest: seen.red } };
    await expect(firewall.apply(file, late)).rejects.toThrow(
      `"red" is not as you saw it: its digest is ${(await history('red')).digest.slice(0, 12)}, not "${seen.red}"`,
    );
    await expect(firewall.apply(file, { expectRevision: 1 })).rejects.toMatchObject({ code: 'operate/revision' });
    const { written: right } = await firewall.snapshot();
    expect(await firewall.apply(file, { seen: { digest: right! } })).toMatchObject({ kind: 'unchanged' });
    await expect(firewall.apply(file, { seen: { digest: 'abc' } })).rejects.toThrow(RangeError);
    await firewall.close();
  } finally {
    process.env = environment;
  }
  for (const words of [
    ['--section', 'red'],
    ['--if-digest', 'abc'],
  ])
    expect((await host.sluice(['apply', ...words])).status).toBe(2);
});

test('killed anywhere on its way back, a section enforces what it did or what it should, and the next writer goes on', async () => {
  const enforces = async (): Promise<boolean> => (await reached()).includes(1080);
  const [open, shut] = ['1', '2'];
  const places = ['during-write', 'after-exchange', 'before-revision'] as const;
  let target = shut;
  for (const place of places) {
    const wasOpen = await enforces();
    const words = ['rollback', target, '--server', 'red', '-m', place];
    const { status } = await host.sluice(words, { SLUICE_FAILPOINT: `${place}:kill` });
    expect({ place, status }).toEqual({ place, status: 137 });
    const isDone = (await enforces()) !== wasOpen;
    expect(isDone).toBe((await enforces()) === (target === open));
    // The next writer, of another server, finds a file that is what is enforced.
    await host.must('allow', `${2090 + places.indexOf(place)}/tcp`, '--server', 'green');
    expect({ place, text: text().includes('- deny 1080/tcp') }).toEqual({ place, text: !(await enforces()) });
    const last = (await history('red')).revisions.at(-1)!;
    expect({ place, said: last.reason === place }).toEqual({ place, said: isDone });
    if (isDone) target = target === open ? shut : open;
  }
});

test('an apply whose file a verb has changed since it was read undoes nothing', async () => {
  const { ruleset, image } = checkRuleset(file, text());
  const candidate = { file, text: text(), ruleset: ruleset!, image: image! };
  await host.must('deny', '2098/tcp', '--server', 'green');
  const now = text();
  const late = applyRuleset(host.context(), candidate, { asRead: true });
  await expect(late).rejects.toMatchObject({ code: 'file/changed' });
  expect(text()).toBe(now);
  expect((await history('green')).revisions.at(-1)!.what).toBe('deny 2098/tcp --server green');
});

test('whoever saw what judges no packet, such as a note, an end, an interface or an expectation, is told too', async () => {
  host.edge.ip('link add eth1 type veth peer name eth1-peer');
  writeFileSync(file, TEXT);
  await host.must('apply');
  const changes: [from: string | RegExp, to: string][] = [
    ['allow 1080/tcp', '{ action: allow, port: 1080/tcp, note: "ticket 7" }'],
    ['ticket 7"', 'ticket 7", until: 2099-01-31'],
    [`interfaces: [${HOST.link}]`, `interfaces: [${HOST.link}, eth1]`],
    ['version: 1\n', 'version: 1\nexpect: [allow from 192.0.2.1 to 192.0.2.10 port 1080 proto tcp]\n'],
    ['version: 1\n', 'version: 1\nboot: open\n'],
  ];
  for (const [from, to] of changes) {
    const { written, digest } = await host.status();
    expect(text()).toMatch(from);
    writeFileSync(file, text().replace(from, to));
    await host.must('apply', '--force');
    const now = await host.status();
    expect([to, now.digest]).toEqual([to, digest]);
    const late = await host.sluice(['apply', '--if-digest', written!.slice(0, 12)]);
    expect([to, late.status, late.stderr]).toEqual([to, 5, expect.stringContaining('is not as you saw it')]);
    expect((await host.sluice(['apply', '--if-digest', now.written!])).status).toBe(0);
  }
});

test('a verb that would change nothing, or whose section nobody knows any more, is held to its digest too', async () => {
  const red = await history('red');
  await host.must('allow', '1091/tcp', '--server', 'red');
  const again = ['allow', '1091/tcp', '--server', 'red', '--if-digest'];
  expect((await host.sluice([...again, red.digest])).status).toBe(5);
  expect(await host.must(...again, (await history('red')).digest)).toContain('already there');
  rmSync(`${host.context().folder.path}/${host.records()[0]}`);
  const lost = await host.sluice(['allow', '1092/tcp', '--server', 'red', '--if-digest', red.digest]);
  expect([lost.status, lost.stderr]).toEqual([5, expect.stringContaining('the record of what enforces is lost')]);
  const whole = await host.sluice(['apply', '--if-digest', red.digest]);
  expect([whole.status, whole.stderr]).toEqual([5, expect.stringContaining('the record of what enforces is lost')]);
  await host.must('apply');
  await host.recount('hits of rules whose record was lost have no names');
});
