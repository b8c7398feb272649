/** Counts, last hits, times and bans over a reboot, as the daemon saved them: never more than there were. */
import { statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { BootHost, bootRules, PORTS } from '../support/boot-host';
import { sendFrames } from '../support/clients';
import { type EdgeHost, HOST } from '../support/edge-host';
import { endTrial } from '../support/end-trial';
import { compose, ethernet, ipv4, udp } from '../support/packet';
import type { Background } from '../support/process';
import { inboundRows } from '../support/snapshot-rows';

/** Moments are read over clocks of jiffies and of the wall, one after the other. */
const CLOCKS_MS = 500;

const frame = (from?: string): Uint8Array =>
  compose(ethernet({ to: HOST.mac }), ipv4({ to: HOST.ipv4, ...(from !== undefined && { from }) }), udp({ to: 7777 }));

let machine: BootHost;
let host: EdgeHost;

beforeEach(async () => {
  machine = await BootHost.open('boot-counts');
  host = machine.edge;
});

afterEach(() => host.close());

const counted = async (): Promise<{ packets: string; lastHit: string | null }> =>
  inboundRows(await host.status()).find(({ id }) => id === 'counted')!;
const seen = async (): Promise<string> => (await counted()).packets;
/** Waits until the daemon has saved twice: the first time it may have begun before. */
async function untilSaved(): Promise<void> {
  const time = (): number => statSync(machine.state('checkpoint.json'), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  for (let saved = 0; saved < 2; saved++) {
    const before = time();
    for (const deadline = Date.now() + 60_000; time() === before;) {
      if (Date.now() > deadline) throw new Error('nothing is saved');
      await sleep(20);
    }
  }
}
const send = (count: number): Promise<number> =>
  sendFrames(host.wire, HOST.link, new Array<Uint8Array>(count).fill(frame()));

test('of a daemon that was told to end are all there, once, with their times, and so are bans', async () => {
  await host.must('enable');
  await host.must('ban', '192.0.2.77', '--for', '1h');
  const running = host.edge.start([...machine.daemon, '--save-every', '3600'], { env: host.environment });
  await running.waitFor(/the daemon runs/);
  await send(5);
  await sendFrames(host.wire, HOST.link, [frame('192.0.2.77')]);
  expect(await running.stop()).toBe(0);
  const before = await counted();
  const { packets } = await host.status();
  await machine.goDown();
  // Also while nothing enforces yet.
  expect(await host.status()).toMatchObject({ active: false, packets });
  await machine.up();
  const after = await counted();
  expect({ ...after, lastHit: null }).toEqual({ ...before, lastHit: null });
  expect(Math.abs(Date.parse(after.lastHit!) - Date.parse(before.lastHit!))).toBeLessThan(CLOCKS_MS);
  expect(await host.must('bans')).toMatch(/192\.0\.2\.77.*\b1\b/);
  await send(2);
  expect(await seen()).toBe('7');
  // A second one: what was saved before the first is in the totals, once.
  const again = host.edge.start([...machine.daemon, '--save-every', '1'], { env: host.environment });
  await again.waitFor(/the daemon runs/);
  await untilSaved();
  await again.stop('SIGKILL');
  await machine.goDown();
  await machine.up();
  expect(await seen()).toBe('7');
  await host.must('disable', '--yes');
  await host.must('enable');
  expect(await seen()).toBe('7');
});

test('of a machine that lost power are those of the last saving, never more', async () => {
  await host.must('enable');
  const running = host.edge.start([...machine.daemon, '--save-every', '1'], { env: host.environment });
  await running.waitFor(/the daemon runs/);
  await send(5);
  await untilSaved();
  await running.stop('SIGKILL');
  await send(3);
  // Another ruleset meanwhile: totals contain the first generation whole, so the saving counts no more.
  host.write('rules.yaml', bootRules('', PORTS.other));
  await host.must('apply');
  expect(await seen()).toBe('8');
  await send(2);
  await machine.goDown();
  await machine.up();
  expect(await seen()).toBe('8');
});

/** What is to survive, by value; moments in milliseconds. */
interface Known {
  readonly counts: unknown;
  readonly watchedSince: unknown;
  readonly bans: unknown;
  readonly lastHits: readonly number[];
}

async function known(): Promise<Known> {
  const rows = inboundRows(await host.status()).filter(({ id }) => id === 'counted' || id === 'web');
  const byId = [...rows].sort((one, other) => one.id.localeCompare(other.id));
  const bans = (await host.bans()) as ({ lastHit: string; until: string } & Record<string, unknown>)[];
  return {
    counts: byId.map(({ id, packets, bytes }) => ({ id, packets, bytes })),
    watchedSince: byId.map(({ id, watchedSince }) => ({ id, watchedSince })),
    bans: bans.map(({ source, packets }) => ({ source, packets })),
    lastHits: [...byId, ...bans]
      .flatMap(({ lastHit }) => (lastHit === null ? [] : [Date.parse(lastHit)]))
      .concat(bans.map(({ until }) => Date.parse(until))),
  };
}

test('counts, last hits, since when and bans, by value, over every kind of change and a reboot', async () => {
  const startDaemon = async (): Promise<Background> => {
    const started = host.edge.start([...machine.daemon, '--save-every', '3600'], { env: host.environment });
    await started.waitFor(/the daemon runs/);
    return started;
  };
  await host.must('enable');
  await host.must('ban', '192.0.2.77', '--for', '1h');
  await send(5);
  await sendFrames(host.wire, HOST.link, new Array<Uint8Array>(3).fill(frame('192.0.2.77')));
  expect(await machine.connect(PORTS.open)).toEqual(['connected']);
  let daemon = await startDaemon();
  const writeDefault = (word: 'deny' | 'reject'): void =>
    void host.write('rules.yaml', bootRules().replace('default: deny', `default: ${word}`));
  const waiting = async (word: 'deny' | 'reject'): Promise<void> => {
    writeDefault(word);
    await host.must('apply', '--confirm', '10m');
    expect((await host.status()).waiting).toMatchObject([{ section: 'inbound' }]);
  };
  const events: Record<string, () => Promise<unknown>> = {
    apply: () => {
      writeDefault('reject');
      return host.must('apply');
    },
    reorder: () => host.must('move', '2', 'before', '1'),
    restart: async () => {
      await daemon.stop('SIGKILL');
      await host.must('disable', '--yes');
      await host.must('enable');
      daemon = await startDaemon();
    },
    rollback: () => host.must('rollback', '1'),
    reboot: async () => {
      await daemon.stop();
      await machine.goDown();
      expect((await machine.up()).status).toBe(0);
      daemon = await startDaemon();
    },
    // Rows that wait are in the image twice, and either may count.
    'a change that waits': () => waiting('reject'),
    confirm: () => host.must('confirm'),
    'a second that waits': () => waiting('deny'),
    'taken back': () => host.must('rollback'),
    'a third that waits': () => waiting('deny'),
    'its deadline': async () => {
      await endTrial(host, 'inbound');
      expect((await host.status()).waiting).toEqual([]);
      // The file is its author's, who takes it back too.
      writeDefault('reject');
    },
    'the next change': () => host.must('allow', '9443/tcp'),
  };
  let packets = 5;
  for (const [event, happen] of Object.entries(events)) {
    const { generation } = await host.status();
    const { lastHits: hitsBefore, ...before } = await known();
    expect(before.bans).toEqual([{ source: '192.0.2.77', packets: expect.anything() as unknown }]);
    await happen();
    expect((await host.status()).generation).toBeGreaterThanOrEqual(generation!);
    const { lastHits: hitsAfter, ...after } = await known();
    expect({ event, ...after }).toEqual({ event, ...before });
    expect(hitsAfter).toHaveLength(hitsBefore.length);
    for (const [i, moment] of hitsAfter.entries()) expect(Math.abs(moment - hitsBefore[i])).toBeLessThan(CLOCKS_MS);
    // And it goes on from there: who is banned stays out, and counts by the row it comes back to.
    await send(1);
    await sendFrames(host.wire, HOST.link, [frame('192.0.2.77')]);
    packets += 1;
    expect({ event, packets: await seen() }).toEqual({ event, packets: String(packets) });
    expect((await host.bans()).map((ban) => Number(ban.packets))).toEqual([packets - 2]);
  }
  expect(await daemon.stop()).toBe(0);
});
