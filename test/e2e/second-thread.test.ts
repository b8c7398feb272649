/**
 * What a program asks its firewall for is done in a second thread: with the results, findings and errors of the first
 * one, which goes on meanwhile; and where the thread ends before its time, with one error and nothing half done.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { CheckMemory } from '../../src/operate/check-memory';
import { applyFile, type ApplyOptions } from '../../src/operate/apply-file';
import { checkRuleset } from '../../src/operate/check';
import { openContext } from '../../src/operate/context';
import { Firewall } from '../../src/operate/firewall';
import { checkRulesetBeside } from '../../src/operate/thread/check-beside';
import { ThreadEndedError } from '../../src/operate/thread/second-thread';
import { serve, tcpConnect } from '../support/clients';
import { EdgeHost, HOST, NEIGHBOUR } from '../support/edge-host';

const ruleset = (rows: readonly string[], more = ''): string =>
  `version: 1\ninterfaces: [${HOST.link}]\n${more}inbound:\n  default: deny\n  rules:\n${rows.map((row) => `    - ${row}\n`).join('')}`;
const KEPT = `guard: { keep-reachable: [{ from: ${NEIGHBOUR.ipv4}, port: 22/tcp }] }\n`;

let host: EdgeHost;
let before: NodeJS.ProcessEnv;

beforeEach(async () => {
  host = await EdgeHost.open('thread');
  before = { ...process.env };
  Object.assign(process.env, host.environment);
});

afterEach(async () => {
  for (const key of Object.keys(process.env)) if (!(key in before)) Reflect.deleteProperty(process.env, key);
  Object.assign(process.env, before);
  await host.close();
});

/** Figures that no two applies have in common. */
const OWN: ReadonlySet<string> = new Set(['instance', 'enforcedNs', 'deadlineNs', 'secondsLeft', 'ifindex']);
const bare = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (key, part: unknown) => (OWN.has(key) ? '' : typeof part === 'bigint' ? `${part}n` : part)),
  );

const said = async (doing: Promise<object>): Promise<unknown> =>
  doing.then(bare, (error: unknown) => {
    const { message, constructor } = error as Error;
    return bare({
      thrown: Object.entries(error as Error),
      message: message.replace(/\d+ s are left/, ''),
      class: constructor.name,
    });
  });

const STEPS: readonly (readonly [string, ApplyOptions])[] = [
  [ruleset(['allow 8000/tcp'], KEPT), {}],
  [ruleset(['allow 8000/tcp', 'deny 8001/tcp # a note', 'allow 8001/tcp'], KEPT), {}],
  [ruleset(['allow 8000/tcp', 'alow 8001/tcp', 'allow from 10.0.0.300']), {}],
  [ruleset(['deny 8001/tcp', 'allow 8001/tcp'], KEPT), { strict: true }],
  [ruleset(['allow 8002/tcp']), {}],
  [ruleset(['allow 8002/tcp']), { force: true }],
  [ruleset(['allow 8003/tcp']), { interfaces: [] }],
  [ruleset(['allow 8003/tcp']), { confirmSeconds: 600 }],
  [ruleset(['allow 8004/tcp']), {}],
];

test('results, findings and errors are those of the first thread', async () => {
  const other = await EdgeHost.open('thread-b');
  try {
    const context = await openContext({ netns: host.edge.path });
    const firewall = await Firewall.open({ netns: other.edge.path });
    const memory = new CheckMemory();
    for (const [i, [text, options]] of STEPS.entries()) {
      const file = host.write('rules.yaml', text);
      const here = await said(applyFile(context, file, options, memory));
      expect([i, await said(firewall.apply(file, options))]).toEqual([i, here]);
    }
    expect(await firewall.disable()).toMatchObject({ wasActive: true });
  } finally {
    await other.close();
  }
});

test('the first thread goes on while many rows are read and compiled', async () => {
  const rows = Array.from(
    { length: 4000 },
    (_, i) => `allow from 10.${i >> 8}.${i & 255}.0/24 to any port ${1000 + i}`,
  );
  const firewall = await Firewall.open({ netns: host.edge.path });
  await firewall.apply(host.write('rules.yaml', ruleset(['allow 8000/tcp'])));
  let over = false;
  let turns = 0;
  const applying = firewall.apply(host.write('rules.yaml', ruleset(rows))).finally(() => (over = true));
  // A loop that is held turns a dozen times in all that.
  while (!over) {
    await turn();
    turns++;
  }
  expect(await applying).toMatchObject({ kind: 'applied' });
  expect(turns).toBeGreaterThan(500);
});

test('a thread that ends in the middle: one error, nothing half done, and the next change is made by another', async () => {
  await serve(host.edge, ['tcp:8000', 'tcp:8001']);
  const file = host.write('rules.yaml', ruleset(['allow 8000/tcp']));
  await (await Firewall.open({ netns: host.edge.path })).apply(file);
  host.write('rules.yaml', ruleset(['allow 8001/tcp']));
  for (const [point, landed] of [
    ['before-state', false],
    ['after-record', false],
    ['after-exchange', true],
  ] as const) {
    const firewall = await Firewall.open({ netns: host.edge.path });
    process.env.SLUICE_FAILPOINT = `${point}:exit`;
    const [one, other] = [firewall.apply(file), firewall.apply(file)].map((apply) =>
      apply.catch((error: unknown) => error),
    );
    expect([point, await one]).toEqual([point, expect.any(ThreadEndedError)]);
    expect(await one).toMatchObject({ code: 'operate/thread', hint: expect.stringMatching(/is whole/) as string });
    expect(await other).toBeInstanceOf(ThreadEndedError);
    delete process.env.SLUICE_FAILPOINT;
    const open = await Promise.all([8000, 8001].map(async (port) => tcpConnect(host.wire, HOST.ipv4, port)));
    expect([point, open]).toEqual([point, landed ? ['timeout', 'connected'] : ['connected', 'timeout']]);
    expect(await firewall.apply(file)).toMatchObject({ kind: landed ? 'unchanged' : 'applied' });
    expect(await tcpConnect(host.wire, HOST.ipv4, 8001)).toBe('connected');
    expect((await host.status()).warnings).toEqual([]);
    expect(host.records()).toHaveLength(1);
    const back = host.write('back.yaml', ruleset(['allow 8000/tcp']));
    expect(await firewall.apply(back)).toMatchObject({ kind: 'applied' });
  }
});

test('a large text is analysed beside: the findings and the image of one thread', async () => {
  const rows = Array.from(
    { length: 1000 },
    (_, i) => `allow from 10.${i >> 8}.${i & 255}.0/24 to 198.51.100.${i % 250} port ${1000 + i} proto tcp`,
  );
  const list = host.write('blocked.txt', '192.0.2.0/24\n');
  const sets = `sets: { blocked: { file: ${list} } }\n`;
  for (const [what, text] of [
    ['right', ruleset(['deny from blocked', ...rows], sets)],
    ['with a row that is never reached', ruleset(['deny from blocked', ...rows, rows[7]], sets)],
    ['misread', ruleset([...rows, 'alow 22/tcp'])],
    ['refused by a lint', ruleset([...rows, 'allow proto icmp'], 'icmp: essentials\n')],
  ] as const) {
    const nowMs = Date.now();
    const beside = await checkRulesetBeside('rules.yaml', text, { nowMs }, 0);
    const { image, ...alone } = checkRuleset('rules.yaml', text, { nowMs });
    expect([what, { ...beside, image: null }]).toEqual([what, { ...alone, image: null }]);
    expect([what, beside.image?.digest, bare(beside.image?.ranks ?? null)]).toEqual([
      what,
      image?.digest,
      bare(image?.ranks ?? null),
    ]);
    expect([what, Buffer.from(beside.image?.bytes ?? []).equals(image?.bytes ?? Buffer.alloc(0))]).toEqual([
      what,
      true,
    ]);
  }
});
