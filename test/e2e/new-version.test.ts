/**
 * Another version of sluice. With the same layouts its programs enforce at the next apply; with others it takes over from
 * what the older one pinned, and an older one refuses what a newer one did.
 */
import { appendFileSync, cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { listFilters } from '../../src/kernel/clsact';
import { kernel } from '../../src/kernel/native';
import { FLOW_PINS } from '../../src/kernel/pins';
import { REPLACE_FAILPOINTS } from '../../src/load/failpoint';
import type { Snapshot } from '../../src/observe/snapshot';
import { serve } from '../support/clients';
import { COMMAND, EdgeHost, HOST, NEIGHBOUR, pinsOf, Prober, untilGone } from '../support/edge-host';
import { SharedState } from '../../src/load/state';
import { endTrial } from '../support/end-trial';
import { buildNewerVersion, withOtherLayouts } from '../support/newer-version';
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
  let built: string;
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
    built = buildNewerVersion(folder);
  });

  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  beforeEach(async () => {
    newer = built;
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
    const { stdout: sent } = await host.edge.run(['nstat', '-asz', 'TcpRetransSegs', 'TcpExtTCPDSACKRecv']);
    const figure = (name: string): number => Number(new RegExp(`^${name}\\s+(\\d+)`, 'm').exec(sent)![1]);
    // Twice came what was sent twice because the machine stood still for so long: nothing of that was lost.
    expect(figure('TcpRetransSegs') - figure('TcpExtTCPDSACKRecv')).toBe(0);

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

  /** From now on the newer version has these layouts changed too. */
  const changeLayouts = (...structs: readonly string[]): void => {
    newer = withOtherLayouts(built, mkdtempSync(join(host.directory, 'newer-')), structs);
  };

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

  test('a clsact filter is given the new gate between two packets, whoever is killed meanwhile', async () => {
    await host.must('disable', '--yes');
    await host.recount('the same under another hook');
    await traffic.pause();
    traffic.whole = false;
    host.environment.SLUICE_EGRESS_HOOK = 'clsact';
    host.write('rules.yaml', `${RULES}outbound: { default: deny }\n`);
    // Datagrams that may not leave: those that do find no port.
    const leaked = async (): Promise<number> =>
      Number(/^UdpNoPorts\s+(\d+)/m.exec((await host.wire.run(['nstat', '-asz', 'UdpNoPorts'])).stdout)![1]);
    const send = `const socket = require('node:dgram').createSocket('udp4');
setInterval(() => socket.send('x', 5000, '${NEIGHBOUR.ipv4}'), 1);
console.log('sends');`;
    const filters = (): Promise<unknown[]> =>
      listFilters(kernel(), host.edge.ifindex(HOST.link), 'egress', host.edge.path);
    for (const place of [null, 'replaced-by', 'one-link-moved'] as const) {
      await host.must('enable');
      const older = host.objects();
      const before = await leaked();
      const sender = host.edge.start([process.execPath, '-e', send]);
      await sender.waitFor(/sends/);
      if (place !== null) {
        const killed = await host.command([process.execPath, newer, 'apply'], { SLUICE_FAILPOINT: `${place}:kill` });
        expect([place, killed.status]).toEqual([place, 137]);
      }
      await runMust('apply');
      const { generation, warnings, interfaces } = await newerStatus();
      expect([place, warnings, interfaces]).toMatchObject([place, [], [{ name: HOST.link, egress: 'clsact' }]]);
      expect(host.pinned()).toEqual(pinsOf(generation!, [host.edge.ifindex(HOST.link)], 'clsact'));
      await untilGone({ programs: older.programs, maps: [] });
      expect([place, await leaked()]).toEqual([place, before]);
      expect(await filters()).toHaveLength(1);
      await sender.stop('SIGKILL');
      await runMust('disable', '--yes');
      expect(await filters()).toEqual([]);
    }
    // That it would have been seen.
    const before = await leaked();
    const sender = host.edge.start([process.execPath, '-e', send]);
    for (const deadline = Date.now() + 20_000; (await leaked()) === before && Date.now() < deadline;) await sleep(20);
    expect(await leaked()).toBeGreaterThan(before);
    await sender.stop('SIGKILL');
  });

  describe('while a change of the older one waits to be confirmed', () => {
    const SERVED = { web: 1080, more: 14142 } as const;
    let before: string;
    let prober: Prober;
    let deadline: number;

    /** A server waits by itself, and then another file as a whole. */
    beforeEach(async () => {
      await serve(
        host.edge,
        Object.values(SERVED).map((port) => `tcp:${port}`),
      );
      prober = new Prober(host.wire);
      host.write(
        'rules.yaml',
        `${RULES}servers:\n  red: { address: ${HOST.ipv4}, ports: 1000-1099, rules: [allow 1080/tcp] }\n`,
      );
      await host.must('apply');
      before = readFileSync(`${host.directory}/rules.yaml`, 'utf8');
      await host.must('deny', '1080/tcp', '--server', 'red', '--confirm', '20m');
      const other = text().replace('rules:\n', `rules:\n    - { id: more, action: allow, port: ${SERVED.more}/tcp }\n`);
      await host.must('apply', host.write('other.yaml', other), '--confirm', '10m');
      deadline = Date.parse((await host.status()).pending!.deadline);
      expect(await reached()).toEqual([SERVED.more]);
    });
    afterEach(() => prober.stop());

    const reached = (): Promise<number[]> => prober.open(...Object.values(SERVED));
    const text = (): string => readFileSync(`${host.directory}/rules.yaml`, 'utf8');
    /** Which take-over changes nothing but the programs; cut short there it is finished by the next. */
    const takeOver = async (place: (typeof REPLACE_FAILPOINTS)[number]): Promise<void> => {
      const killed = await host.command([process.execPath, newer, 'boot'], { SLUICE_FAILPOINT: `${place}:kill` });
      expect(killed).toMatchObject({ status: 137 });
      expect(await reached()).toEqual([SERVED.more]);
      const { stdout, stderr } = await runMust('boot');
      expect(stdout).toMatch(/generation \d+ enforces already/);
      const isBefore = REPLACE_FAILPOINTS.indexOf(place) < REPLACE_FAILPOINTS.indexOf('replaced-aside');
      expect(stderr.includes('was replaced without a gap')).toBe(isBefore);
      const { pending, waiting, warnings } = await newerStatus();
      expect(Math.abs(Date.parse(pending!.deadline) - deadline)).toBeLessThan(2000);
      expect([waiting.map(({ section }) => section), warnings]).toEqual([['red'], []]);
      expect(await reached()).toEqual([SERVED.more]);
      expect(host.pinned().filter((name) => /^gen\/\d+\/$/.test(name))).toHaveLength(2);
    };
    const expectOne = async (): Promise<void> => {
      const { generation } = await newerStatus();
      expect(host.pinned()).toEqual(pinsOf(generation!, [host.edge.ifindex(HOST.link)]));
      expect(host.records()).toEqual([`generation-${generation}.json`]);
      await expectExact();
    };

    test('it goes on waiting, and is confirmed', async () => {
      await takeOver('beside-recorded');
      expect((await runMust('confirm')).stdout).toContain('confirmed: the rows of red hold');
      expect(await reached()).toEqual([SERVED.more]);
      await expectOne();
      expect(text()).not.toBe(before);
      await runMust('disable', '--yes');
    });

    test('it goes on waiting, and is taken back in the kernel and in the files', async () => {
      await takeOver('replaced-by');
      expect((await runMust('rollback')).stdout).toContain('taken back');
      expect(await reached()).toEqual([]);
      expect((await runMust('rollback')).stdout).toContain('the rows before judge red again');
      expect(await reached()).toEqual([SERVED.web]);
      await expectOne();
      expect(text()).toBe(before);
      const { revisions } = JSON.parse((await runMust('history', '--json')).stdout) as {
        revisions: { outcome: string }[];
      };
      expect(revisions.slice(-2).map(({ outcome }) => outcome)).toEqual(['rolled-back-by-hand', 'rolled-back-by-hand']);
      await runMust('disable', '--yes');
    });

    test('flows that cannot be gone on with: what is opened while it waits lives when it is taken back', async () => {
      changeLayouts('slc_flow_bucket');
      await takeOver('one-link-moved');
      const server = await serve(host.wire, [`echo:${PORTS.echo}`, `tcp:${PORTS.tcp}`, `udp:${PORTS.udp}`]);
      const client = host.edge.start([
        process.execPath,
        join(__dirname, '../support/steady-client.js'),
        ...[NEIGHBOUR.ipv4, PORTS.echo, PORTS.tcp, PORTS.udp].map(String),
      ]);
      await client.waitFor(/"session".*"answered"/);
      expect((await runMust('rollback')).stdout).toContain('taken back');
      const asked = Date.now();
      const answered = (): boolean =>
        [...client.output.matchAll(/^\{"kind":"session","asked":(\d+),"answered"/gm)].some(
          ([, at]) => Number(at) > asked,
        );
      for (const deadline = Date.now() + 20_000; !answered() && Date.now() < deadline;) await sleep(50);
      await client.stop('SIGKILL');
      await server.stop('SIGKILL');
      expect([answered(), /the session/.test(client.output)]).toEqual([true, false]);
      await runMust('rollback');
      await runMust('disable', '--yes');
    });

    test('its time is over, and nobody has tidied up: what it was to replace judges, before and after', async () => {
      await endTrial(host, 'red');
      const state = SharedState.find(kernel(), host.pins)!;
      const { gate } = state;
      expect(state.exchangeGate(gate, { ...gate, deadlineNs: kernel().bootTimeNs() })).toBe(true);
      state.close();
      expect(await reached()).toEqual([SERVED.web]);
      const { stderr } = await runMust('boot');
      expect(stderr).toContain('was replaced without a gap');
      expect(await reached()).toEqual([SERVED.web]);
      await runMust('status');
      expect(await reached()).toEqual([SERVED.web]);
      await expectOne();
      expect(text()).toBe(before);
      await runMust('disable', '--yes');
    });
  });

  describe('servers', () => {
    const ADDRESS: Record<string, string> = { amber: '3000-3099', blue: '1000-1099', red: '2000-2099' };
    const rules = (...names: readonly string[]): string =>
      `${RULES}servers:\n${names.map((name) => `  ${name}: { address: ${HOST.ipv4}, ports: ${ADDRESS[name]} }\n`).join('')}`;
    /** Opens flows from ports of a server, which last for four minutes: nobody answers but with a refusal. */
    const open = async (first: number, count: number): Promise<void> => {
      const connect = `for (let i = 0; i < ${count}; i++)
  require('node:net').connect({ host: '${NEIGHBOUR.ipv4}', port: 5000, localPort: ${first} + i }).on('error', () => {});`;
      expect(await host.edge.run([process.execPath, '-e', connect])).toMatchObject({ status: 0 });
    };
    const flows = async (command: string): Promise<Record<string, number>> => {
      const one = async (name: string): Promise<[string, number]> => {
        const { stdout } = await host.command([process.execPath, command, 'status', name, '--json']);
        const { server } = JSON.parse(stdout) as { server: { server: { room: { flows: { live: number } } } } };
        return [name, server.server.room.flows.live];
      };
      return Object.fromEntries(await Promise.all(Object.keys(ADDRESS).map(one)));
    };

    /** Amber comes last, and stands first. */
    beforeEach(async () => {
      host.write('rules.yaml', rules('blue', 'red'));
      await host.must('apply');
      host.write('rules.yaml', rules('amber', 'blue', 'red'));
      await host.must('apply');
      await open(1000, 3);
      await open(2000, 5);
      expect(await flows(COMMAND)).toEqual({ amber: 0, blue: 3, red: 5 });
    });

    test('each goes on with what it had of what all share, also while a change waits', async () => {
      host.write('rules.yaml', `${rules('amber', 'blue', 'red')}logging: medium\n`);
      await host.must('apply', '--confirm', '10m');
      // Either state knows the table.
      const [previous] = host.pins.generations();
      rmSync(join(host.pins.generation(previous), FLOW_PINS.flows));
      expect((await runMust('boot')).stderr).toMatch(
        /was replaced without a gap.*lost: what limit rules had counted of each source$/m,
      );
      expect(await flows(newer)).toEqual({ amber: 0, blue: 3, red: 5 });
      await open(3000, 2);
      expect(await flows(newer)).toEqual({ amber: 2, blue: 3, red: 5 });
      await runMust('rollback');
      expect(await flows(newer)).toEqual({ amber: 2, blue: 3, red: 5 });
      await runMust('disable', '--yes');
    });

    test("where it cannot tell whose they were they are nobody else's", async () => {
      changeLayouts('slc_section');
      expect((await runMust('apply')).stderr).toContain('; which server a flow, or a source at a limit, was of');
      expect(await flows(newer)).toEqual({ amber: 0, blue: 0, red: 0 });
      await open(1050, 2);
      expect(await flows(newer)).toEqual({ amber: 0, blue: 2, red: 0 });
      await runMust('disable', '--yes');
    });
  });

  test('counters that it cannot read: the older one has them until it judges no more, and then none is counted', async () => {
    changeLayouts('slc_hits');
    const never = (snapshot: Snapshot): number =>
      Number(inboundRows(snapshot).find(({ id }) => id === 'never')!.packets);
    /** Two generations of the older one have counted: what judges, and what nobody has tidied up after. */
    const cutShort = async (): Promise<void> => {
      const before = traffic.sent(PORTS.never);
      host.write('rules.yaml', `${RULES}    - deny ${1 + (before % 6000)}\n`);
      traffic.resume();
      expect(await host.sluice(['apply'], { SLUICE_FAILPOINT: 'after-exchange:kill' })).toMatchObject({ status: 137 });
      await traffic.pause();
      expect(traffic.sent(PORTS.never)).toBeGreaterThan(before);
    };
    const kill = async (place: string): Promise<void> => {
      const killed = await host.command([process.execPath, newer, 'apply'], { SLUICE_FAILPOINT: `${place}:kill` });
      expect([place, killed.status]).toEqual([place, 137]);
    };
    await cutShort();
    await kill('beside-ready');
    await host.must('apply');
    expect(never(await host.status())).toBe(traffic.sent(PORTS.never));
    await host.must('disable', '--yes');
    traffic.whole = false;
    for (const place of ['replaced-by', 'links-moved']) {
      await host.must('enable');
      const before = never(await host.status());
      await cutShort();
      await kill(place);
      await runMust('apply');
      expect([place, never(await newerStatus())]).toEqual([place, before]);
      await runMust('disable', '--yes');
    }
    await host.recount('what the older one had counted cannot be read');
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
