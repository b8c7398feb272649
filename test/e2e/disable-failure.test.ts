/** `disable` on a machine whose disk is full: it ends enforcement all the same, says what is missing, and is repeated. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sendFrames, serve, tcpConnect } from '../support/clients';
import { EdgeHost, HOST, untilGone } from '../support/edge-host';
import { compose, ethernet, ipv4, udp } from '../support/packet';
import { must } from '../support/process';
import { inboundRows } from '../support/snapshot-rows';

const PORT = 14141;
const FRAMES = 7;
const DENIED = compose(ethernet({ to: HOST.mac }), ipv4({ to: HOST.ipv4 }), udp({ to: 7777 }));

let host: EdgeHost;
let filler: string;

beforeEach(async () => {
  host = await EdgeHost.open('full-disk');
  await serve(host.edge, [`tcp:${PORT}`]);
  const state = host.environment.SLUICE_STATE_DIR!;
  must(['mkdir', state]);
  must(['mount', '-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', state]);
  filler = join(state, 'filler');
  host.write(
    'rules.yaml',
    'version: 1\ninterfaces: [eth0]\ninbound:\n  default: deny\n  rules: [{ id: counted, action: deny, port: 7777/udp }]\n',
  );
  await host.must('enable');
  await sendFrames(host.wire, HOST.link, new Array<Uint8Array>(FRAMES).fill(DENIED));
  expect(await tcpConnect(host.wire, HOST.ipv4, PORT)).toBe('timeout');
  expect(() => writeFileSync(filler, Buffer.alloc(512 * 1024))).toThrow('ENOSPC');
});

afterEach(() => host.close());

test('the counts stay in the kernel until they can be saved, and the second disable saves them', async () => {
  const objects = host.objects();
  const first = await host.sluice(['disable', '--yes']);
  expect(first.status).toBe(1);
  expect(first.stderr).toMatch(
    /^error: enforcement has ended, everything reaches eth0 unfiltered, but the last counts could not be saved: cannot write ".*totals\.json": ENOSPC\n {2}they are kept in the kernel until sluice disable, run again, has saved them\n$/,
  );
  expect(await tcpConnect(host.wire, HOST.ipv4, PORT)).toBe('connected');
  expect(host.pinned().filter((path) => path.startsWith('links/') && path !== 'links/')).toEqual([]);
  expect(host.pinned()).toContain('gen/1/counters');
  const between = await host.status();
  expect(between).toMatchObject({ active: false, interfaces: [] });
  expect(between.warnings.join()).toContain('eth0');

  const again = await host.sluice(['disable', '--yes']);
  expect(again.status).toBe(1);
  expect(again.stderr).toContain('enforcement has ended, nothing is filtered, but the last counts could not be saved');
  expect(host.pinned()).toContain('gen/1/counters');

  rmSync(filler);
  expect(await host.must('disable', '--yes')).toBe(
    'disabled: nothing was filtered any more; what was left in the kernel is gone\n',
  );
  expect(host.pinned()).toEqual([]);
  await untilGone(objects);
  expect(await host.must('disable', '--yes')).toBe('not active: nothing to disable\n');

  await host.must('enable');
  const counted = inboundRows(await host.status()).find(({ id }) => id === 'counted');
  expect(counted?.packets).toBe(String(FRAMES));
});

test('apply instead of a second disable goes on with the same counts', async () => {
  expect((await host.sluice(['disable', '--yes'])).status).toBe(1);
  rmSync(filler);
  await host.must('enable');
  expect(await tcpConnect(host.wire, HOST.ipv4, PORT)).toBe('timeout');
  const counted = inboundRows(await host.status()).find(({ id }) => id === 'counted');
  expect(counted?.packets).toBe(String(FRAMES));
});

test('uninstall, which removes the counts anyway, needs no room for them', async () => {
  expect(await host.must('uninstall', '--yes')).toMatch(/^removed: pins, counters and state/);
  expect(host.pinned()).toEqual([]);
  await host.recount('uninstall removed the counts, as it should');
  expect(await tcpConnect(host.wire, HOST.ipv4, PORT)).toBe('connected');
});
