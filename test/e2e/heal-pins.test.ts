/**
 * Pins that somebody removes while the daemon runs: each kind is said, told as an event, and pinned again, the same object
 * as before. Frames flow meanwhile: none is judged otherwise, and none is lost to the counts.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SLC_LIMITS } from '../../src/abi/layout.gen';
import { kernel } from '../../src/kernel/native';
import { STATE_PINS } from '../../src/kernel/pins';
import { slotKey } from '../../src/load/state';
import { parseEventLine } from '../../src/observe/events';
import { EdgeHost, HOST, pinsOf } from '../support/edge-host';
import type { Background } from '../support/process';
import { inboundRows } from '../support/snapshot-rows';
import { Traffic } from '../support/traffic';

const PORTS = { always: 8000, never: 9999 };
const RULES = `version: 1
interfaces: [${HOST.link}]
inbound:
  default: deny
  rules:
    - { id: always, action: allow, port: ${PORTS.always}/udp }
    - { id: never, action: deny, port: ${PORTS.never} }
`;

let host: EdgeHost;
let traffic: Traffic;
let daemon: Background;

beforeAll(async () => {
  host = await EdgeHost.open('heal-pins');
  host.write('rules.yaml', RULES);
  traffic = await Traffic.open(host, Object.values(PORTS));
  await host.must('enable');
  traffic.begin();
  daemon = host.startSluice(['daemon']);
  await daemon.waitFor(/the daemon runs/);
});

afterAll(async () => {
  await daemon.stop();
  await traffic.close();
  await host.close();
});

/** Everything pinned but spares, which come and go. */
const pinned = (): string[] => host.pinned().filter((name) => !name.startsWith('spare/'));
const whole = (): string[] => pinsOf(1, [host.edge.ifindex(HOST.link)]);
/** Waits until the daemon has said of that pin that it is there again. */
async function untilPinned(path: string): Promise<void> {
  const name = path.replaceAll(/[[\]]/g, '\\$&');
  await daemon.waitFor(new RegExp(`(^| )${name}(, .*)?: was removed, and is pinned again`, 'm'));
}
function mapId(path: string): number {
  const map = kernel().openPinnedMap(join(host.pins.directory, path));
  const { id } = map.info();
  map.close();
  return id;
}

const MAPS = [
  ...(['programs', 'egress', 'state', 'banHosts', 'banNets', 'windows', 'flowStats', 'events'] as const).map(
    (name) => `state/${STATE_PINS[name]}`,
  ),
  ...['image', 'counters', 'flows'].map((name) => `gen/1/${name}`),
];
const PROGRAMS = ['state/slc_gate_xdp', 'state/slc_gate_egress', 'gen/1/program', 'gen/1/egress'];

test.each(MAPS)('the map %s', async (path) => {
  const id = mapId(path);
  rmSync(join(host.pins.directory, path));
  await untilPinned(path);
  expect(mapId(path)).toBe(id);
  expect(pinned()).toEqual(whole());
});

test.each(PROGRAMS)('the program %s', async (path) => {
  const objects = host.objects();
  rmSync(join(host.pins.directory, path));
  await untilPinned(path);
  expect(host.objects()).toEqual(objects);
  expect(pinned()).toEqual(whole());
});

test('whole directories', async () => {
  const objects = host.objects();
  for (const name of ['state', 'gen']) rmSync(join(host.pins.directory, name), { recursive: true });
  await untilPinned('state/slc_confirm');
  // Slowly removed, the second directory goes after the first is there again.
  for (const deadline = Date.now() + 60_000; pinned().join() !== whole().join() && Date.now() < deadline;)
    await sleep(50);
  expect(pinned()).toEqual(whole());
  expect(host.objects()).toEqual(objects);
  expect(existsSync(host.pins.state(STATE_PINS.state))).toBe(true);
});

test('nobody was let in meanwhile, every frame was counted, and the next change finds all it needs', async () => {
  await traffic.pause();
  const { sections, warnings, interfaces } = await host.status();
  expect(interfaces).toMatchObject([{ name: HOST.link }]);
  expect(warnings).toEqual([]);
  const rows = Object.fromEntries(inboundRows({ sections }).map(({ id, packets }) => [id, Number(packets)]));
  expect(rows).toMatchObject({ always: traffic.sent(PORTS.always), never: traffic.sent(PORTS.never) });
  expect(rows.never).toBeGreaterThan(0);
  traffic.resume();
  host.write('rules.yaml', RULES.replace('never,', 'not,'));
  expect(await host.must('apply')).toContain('applied: generation 2');
  const after = pinsOf(2, [host.edge.ifindex(HOST.link)]);
  expect(pinned()).toEqual(after);
  // At once: the daemon learns of a change when it looks next, and finds what it does not hold by its id.
  rmSync(join(host.pins.directory, 'gen/2/image'));
  await untilPinned('gen/2/image');
  expect(pinned()).toEqual(after);
});

test('a program slot that was emptied: until it is filled again all is dropped', async () => {
  await traffic.pause();
  for (const hook of ['programs', 'egress'] as const) {
    const map = kernel().openPinnedMap(host.pins.state(STATE_PINS[hook]));
    const used = Array.from({ length: SLC_LIMITS.PROGRAM_SLOTS }, (_, slot) => slot).filter((slot) =>
      map.lookup(slotKey(slot)),
    );
    expect(used).toHaveLength(1);
    map.delete(slotKey(used[0]));
    map.close();
    await untilPinned(`state/${STATE_PINS[hook]}[${used[0]}]`);
    expect(host.slots(hook)[used[0]]).not.toBeNull();
  }
});

test('each was told in the log, as an event that sluice events reads', async () => {
  const inLog = (): string[] =>
    readFileSync(host.environment.SLUICE_LOG!, 'utf8')
      .trimEnd()
      .split('\n')
      .map(parseEventLine)
      .filter((event) => event?.word === 'MENDED')
      .map((event) => event!.fields.find(({ key }) => key === 'NAME')!.value ?? '');
  // The line is written a moment after it was said.
  const all = [...MAPS, ...PROGRAMS, 'gen/2/image'];
  for (const deadline = Date.now() + 60_000; !all.every((name) => inLog().includes(name)) && Date.now() < deadline;)
    await sleep(50);
  expect(inLog()).toEqual(expect.arrayContaining(all));
  let before: string[];
  let shown: Record<string, unknown>[];
  do {
    before = inLog();
    const listed = await host.must('events', '--since', '1h', '--json');
    shown = listed
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  } while (inLog().length > before.length);
  expect(shown.filter(({ event }) => event === 'MENDED')).toHaveLength(before.length);
  expect(shown).toContainEqual(expect.objectContaining({ event: 'MENDED', what: 'pin', name: 'gen/1/image' }));
});

test('what was removed while no daemon ran is found by ids, and pinned again when one starts', async () => {
  await traffic.pause();
  const objects = host.objects();
  expect(await daemon.stop()).toBe(0);
  const gone = ['state/slc_gate_egress', 'state/slc_windows', 'state/slc_ban_hosts', 'gen/2/image', 'gen/2/egress'];
  const ids = gone.filter((name) => /windows|hosts|image/.test(name)).map((name) => [name, mapId(name)] as const);
  for (const name of gone) rmSync(join(host.pins.directory, name));
  // Something else in the place of a link, of an interface that there is not, tells nobody anything.
  const stray = host.pins.link(999_999, 'egress');
  const gate = kernel().openPinnedProgram(host.pins.gate('xdp'));
  gate.pin(stray);
  gate.close();
  daemon = host.startSluice(['daemon']);
  for (const name of gone) await untilPinned(name);
  rmSync(stray);
  expect(pinned()).toEqual(pinsOf(2, [host.edge.ifindex(HOST.link)]));
  expect(host.objects()).toEqual(objects);
  for (const [name, id] of ids) expect(mapId(name)).toBe(id);
});
