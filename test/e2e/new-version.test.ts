/**
 * Another version of sluice. With the same layouts its programs enforce at the next apply; with others it takes over from
 * what the older one pinned, and an older one refuses what a newer one did.
 */
import { appendFileSync, cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { REPLACE_FAILPOINTS } from '../../src/load/failpoint';
import type { Snapshot } from '../../src/observe/snapshot';
import { serve } from '../support/clients';
import { COMMAND, EdgeHost, HOST, NEIGHBOUR, pinsOf, untilGone } from '../support/edge-host';
import { buildNewerVersion } from '../support/newer-version';
import type { Finished } from '../support/process';
import { inboundRows } from '../support/snapshot-rows';
import { Traffic } from '../support/traffic';

let host: EdgeHost;

beforeEach(async () => {
  host = await EdgeHost.open('version');
});

afterEach(() => host.close());

/** A copy of this package whose datapath differs in its bytes, though not in what it does. */
function otherVersion(): string {
  const root = join(host.directory, 'other');
  cpSync(resolve(COMMAND, '../..'), join(root, 'dist'), { recursive: true });
  for (const name of ['build', 'node_modules', 'package.json'])
    symlinkSync(resolve(COMMAND, '../../..', name), join(root, name));
  appendFileSync(join(root, 'dist/bpf/sluice.bpf.o'), 'x');
  return join(root, 'dist/cli/main.js');
}

test('its programs take over at the next apply, without an unfiltered moment; hits go on', async () => {
  host.write('rules.yaml', 'version: 1\ninterfaces: [eth0]\ninbound: { default: allow, rules: [deny 14141] }\n');
  await host.must('enable');
  expect(await host.must('apply')).toContain('no changes');
  await host.wire.run(['nc', '-z', '-w', '1', '192.0.2.10', '14141']);
  const hits = async (): Promise<string> =>
    (await host.status()).sections[0].rows.find(({ id }) => id === 'deny-14141')!.packets;
  const before = await hits();
  expect(BigInt(before)).toBeGreaterThan(0n);

  const other = otherVersion();
  const taken = await host.command([process.execPath, other, 'apply']);
  expect(taken).toMatchObject({ status: 0 });
  expect(taken.stdout).toContain('applied: generation 2');
  expect((await host.command([process.execPath, other, 'apply'])).stdout).toContain('no changes');
  expect(await hits()).toBe(before);
  expect(await host.must('apply')).toContain('applied: generation 3');
});

describe('a version with another layout', () => {
  const PORTS = { always: 8000, never: 9999, echo: 7007, tcp: 14141, udp: 9000 };
  const RULES = `version: 1
interfaces: [eth0]
inbound:
  default: deny
  rules:
    - { id: always, action: allow, port: ${PORTS.always}/udp }
    - { id: few, action: limit, port: 22/tcp }
    - { id: never, action: deny, port: ${PORTS.never} }
`;
  const BANNED = '203.0.113.7';
  let folder: string;
  let newer: string;
  let traffic: Traffic;

  const run = (...words: string[]): Promise<Finished> => host.command([process.execPath, newer, ...words]);
  const runMust = async (...words: string[]): Promise<Finished> => {
    const finished = await run(...words);
    if (finished.status !== 0) throw new Error(`${words.join(' ')} ended with ${finished.status}: ${finished.stderr}`);
    return finished;
  };
  const newerStatus = async (): Promise<Snapshot> =>
    (JSON.parse((await runMust('status', '--json')).stdout) as { snapshot: Snapshot }).snapshot;
  /** Rows whose hits are known, and what was sent to each. */
  const expectExact = async (): Promise<void> => {
    await traffic.pause();
    const rows = Object.fromEntries(inboundRows(await newerStatus()).map(({ id, packets }) => [id, Number(packets)]));
    expect(rows).toMatchObject({ always: traffic.sent(PORTS.always), never: traffic.sent(PORTS.never) });
  };

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'slc-newer-'));
    newer = buildNewerVersion(folder);
  });

  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  beforeEach(async () => {
    host.write('rules.yaml', RULES);
    traffic = await Traffic.open(host, [PORTS.always, PORTS.never]);
    await host.must('enable');
    traffic.begin();
  });

  afterEach(() => traffic.close());

  test('takes over from the older one under traffic: nothing lost or misjudged, and what is laid out as before goes on', async () => {
    const server = await serve(host.wire, [`echo:${PORTS.echo}`, `tcp:${PORTS.tcp}`, `udp:${PORTS.udp}`]);
    const client = host.edge.start([
      process.execPath,
      join(__dirname, '../support/steady-client.js'),
      ...[NEIGHBOUR.ipv4, PORTS.echo, PORTS.tcp, PORTS.udp].map(String),
    ]);
    for (const kind of ['session', 'tcp', 'udp']) await client.waitFor(new RegExp(`"${kind}".*"answered"`));
    await host.must('ban', BANNED);
    const before = await host.status();

    // Who only looks is told what it is, and what to do; nothing is changed by that.
    const objects = host.objects();
    const hint =
      /of an older sluice: it has layout \d+.*sluice apply \(as enable, boot and daemon\) takes over from it without a gap/s;
    for (const words of [['status'], ['plan'], ['apply', '--dry-run'], ['doctor', 'eth0', '22'], ['bans']]) {
      const finished = await run(...words);
      expect({ words, ...finished }).toMatchObject({ words, status: 1 });
      expect(finished.stderr).toMatch(hint);
    }
    expect((await run('doctor')).stdout).toMatch(/of an older sluice.*sluice apply/s);
    expect(host.objects()).toEqual(objects);

    const { stdout, stderr } = await runMust('apply');
    expect(stdout).toContain('no changes: generation 2 enforces this ruleset');
    expect(stderr).toContain(
      'was replaced without a gap: generation 2 judges by the same rules; lost: what limit rules had counted of each source\n',
    );
    expect(host.pinned()).toEqual(pinsOf(2, [host.edge.ifindex(HOST.link)]));
    expect(host.records()).toEqual(['generation-2.json']);
    await untilGone({ programs: objects.programs, maps: [] });

    // Connections opened under the older one go on, and new ones are opened, without a single packet sent twice.
    const words = (): number => client.output.split('"session"').length;
    for (const now = words(), deadline = Date.now() + 20_000; words() < now + 20 && Date.now() < deadline;)
      await sleep(50);
    await client.stop('SIGKILL');
    await server.stop('SIGKILL');
    expect(client.output).not.toContain('the session');
    const lines = client.output.split('\n').filter((line) => /^\{.*\}$/.test(line));
    const told = lines.map((line) => JSON.parse(line) as { kind: string; asked: number; answered?: number });
    const nameOf = ({ kind, asked }: { kind: string; asked: number }): string => `${kind} ${asked}`;
    const answered = new Set(told.filter((one) => one.answered !== undefined).map(nameOf));
    const last = Math.max(...told.map(({ asked }) => asked));
    expect(told.filter(({ kind, asked }) => asked < last - 2000 && !answered.has(nameOf({ kind, asked })))).toEqual([]);
    const retransmitted = await host.edge.run(['nstat', '-asz', 'TcpRetransSegs']);
    expect(retransmitted.stdout).toMatch(/^TcpRetransSegs\s+0\s/m);

    // Counts, since when they are, and bans.
    await expectExact();
    const after = await newerStatus();
    const watched = (snapshot: Snapshot): unknown =>
      inboundRows(snapshot).map(({ id, watchedSince }) => [id, watchedSince]);
    expect(watched(after)).toEqual(watched(before));
    expect(after.bans).toEqual(before.bans);
    expect((await runMust('bans')).stdout).toContain(BANNED);
    expect(after.warnings).toEqual([]);

    // The older one refuses what the newer one pinned, and can still end it.
    const refused = await host.sluice(['apply']);
    expect(refused).toMatchObject({ status: 1 });
    expect(refused.stderr).toMatch(/of a newer sluice: it has layout \d+.*use the version of sluice that pinned it/s);
    expect((await run('apply')).stdout).toContain('no changes');
    traffic.whole = false;
    expect(await host.sluice(['disable', '--yes'])).toMatchObject({ status: 0 });
    await host.recount('what another version counted cannot be read');
    expect(host.pinned()).toEqual([]);
  });

  test.each(REPLACE_FAILPOINTS)(
    'killed at %s: one of the two judges, and the next apply finishes it',
    async (place) => {
      const killed = await host.command([process.execPath, newer, 'apply'], { SLUICE_FAILPOINT: `${place}:kill` });
      expect(killed).toMatchObject({ status: 137 });
      // Every frame was judged by the one ruleset: the driver's own count of what was dropped says so at the end.
      await runMust('apply');
      const { generation } = await newerStatus();
      expect(generation).toBe(2);
      expect(host.pinned()).toEqual(pinsOf(2, [host.edge.ifindex(HOST.link)]));
      expect(host.records()).toEqual(['generation-2.json']);
      await expectExact();
      await runMust('disable', '--yes');
    },
  );

  test('cut short before the states change places, the older one goes on, with other rules too', async () => {
    const killed = await host.command([process.execPath, newer, 'apply'], { SLUICE_FAILPOINT: 'beside-ready:kill' });
    expect(killed).toMatchObject({ status: 137 });
    host.write('rules.yaml', `${RULES}    - deny 9998\n`);
    expect(await host.must('apply')).toContain('applied: generation 2');
    expect((await runMust('apply')).stderr).toContain('generation 3 judges by the same rules');
    expect(host.pinned()).toEqual(pinsOf(3, [host.edge.ifindex(HOST.link)]));
    await runMust('disable', '--yes');
  });

  test('pins of the older one that are gone: what they held is lost, by name', async () => {
    for (const name of ['flows', 'counters']) rmSync(join(host.pins.generation(1), name));
    expect((await runMust('apply')).stderr).toMatch(
      /generation 2 judges by the same rules; lost: .*flows: of connections/,
    );
    expect(host.pinned()).toEqual(pinsOf(2, [host.edge.ifindex(HOST.link)]));
    traffic.whole = false;
    await runMust('disable', '--yes');
    await host.recount('the pins of the counts were removed');
  });

  test('pins that are gone after it was cut short: the older one again, or damage that can be ended', async () => {
    traffic.whole = false;
    const kill = async (place: string): Promise<void> => {
      const killed = await host.command([process.execPath, newer, 'apply'], { SLUICE_FAILPOINT: `${place}:kill` });
      expect(killed).toMatchObject({ status: 137 });
    };
    await kill('replaced-aside');
    rmSync(host.pins.beside().stateDirectory, { recursive: true });
    expect((await runMust('apply')).stderr).toContain('generation 2 judges by the same rules');
    expect(host.pinned()).toEqual(pinsOf(2, [host.edge.ifindex(HOST.link)]));
    await runMust('disable', '--yes');

    await host.must('enable');
    await kill('one-link-moved');
    rmSync(host.pins.gate('xdp'));
    const damaged = await run('apply');
    expect(damaged).toMatchObject({ status: 1 });
    expect(damaged.stderr).toContain('of it is missing: slc_gate_xdp');
    await runMust('disable', '--yes');
    await host.recount('what is damaged cannot be read');
    expect(host.pinned()).toEqual([]);
  });
});
