/** Counts, last hits, times and bans over a reboot, as the daemon saved them: never more than there were. */
import { statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { BootHost, bootRules, PORTS } from '../support/boot-host';
import { sendFrames } from '../support/clients';
import { type EdgeHost, HOST } from '../support/edge-host';
import { compose, ethernet, ipv4, udp } from '../support/packet';
import { inboundRows } from '../support/snapshot-rows';

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
  expect(Math.abs(Date.parse(after.lastHit!) - Date.parse(before.lastHit!))).toBeLessThan(100);
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
