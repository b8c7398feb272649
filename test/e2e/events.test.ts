/** The daemon: what real refused packets leave in the log, who sees it, and what becomes of it when things fail. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventText, fieldOf, type PacketEvent, parseEventLine } from '../../src/observe/events';
import { logFiles } from '../../src/serve/log-file';
import { EdgeHost, HOST, NEIGHBOUR } from '../support/edge-host';
import { expectAllCounted } from '../support/host-figures';
import * as p from '../support/packet';
import { type Background, must } from '../support/process';
import { sendFrames } from '../support/clients';
import { Traffic } from '../support/traffic';

const RULES = `version: 1
interfaces: [eth0]
inbound:
  default: deny
  rules:
    - allow log 8000/tcp
    - deny from 192.0.2.77
`;

let host: EdgeHost;
beforeEach(async () => {
  host = await EdgeHost.open('events');
  host.write('rules.yaml', RULES);
  await host.must('apply');
});
afterEach(() => host.close());

const startDaemon = async (...words: string[]): Promise<Background> => {
  const daemon = host.startSluice(['daemon', ...words]);
  await daemon.waitFor(/the daemon runs/);
  return daemon;
};
const logPath = (): string => join(host.directory, 'sluice.log');
/** Whole lines of the log; read again where it was rotated meanwhile. */
const logged = (): PacketEvent[] => {
  for (;;) {
    const files = logFiles(logPath());
    try {
      const lines = files.flatMap((file) => readFileSync(file, 'utf8').split('\n').slice(0, -1));
      return lines.map((line) => parseEventLine(line)!);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
};
const untilLogged = async (count: number): Promise<PacketEvent[]> => {
  for (const deadline = Date.now() + 60_000; ;) {
    const events = existsSync(logPath()) ? logged() : [];
    if (events.length >= count || Date.now() > deadline) return events;
    await sleep(50);
  }
};
const syn = (port: number, from = '192.0.2.5'): Uint8Array =>
  p.compose(p.ipv4({ from, to: HOST.ipv4 }), p.tcp({ from: 40000, to: port }));
const send = (frames: readonly Uint8Array[]): Promise<number> => sendFrames(host.wire, NEIGHBOUR.link, frames);

/** made = written to the ring + held back + lost, and all that was written to the ring stands in the log, once. */
async function expectExact(): Promise<void> {
  const { events } = await host.status();
  const { made, written, capped, ringFull } = events!;
  const sum = [written, capped.all, capped.rule, capped.source, ringFull].reduce((total, n) => total + BigInt(n), 0n);
  expect(sum).toBe(BigInt(made));
  const ids = (await untilLogged(Number(written))).map((event) => fieldOf(event, 'EVENT'));
  expect(ids.length).toBe(Number(written));
  expect(new Set(ids).size).toBe(ids.length);
  // Every frame was judged: the driver's own count and ours.
  await expectAllCounted(host);
}

test('connections that are refused, or asked for, stand in the log; sluice events and explain read it', async () => {
  const daemon = await startDaemon();
  expect(await host.must('status')).toContain('logging: on (low), written by the daemon');
  await host.wire.run(['nc', '-zv', '-w', '1', HOST.ipv4, '14141']);
  await host.wire.run(['nc', '-zv', '-w', '1', HOST.ipv4, '8000']);
  await host.wire.run(['nc', '-zuv', '-w', '1', HOST.ipv6, '9999']);
  await send([syn(1, '192.0.2.77')]); // refused by a row that does not ask for it
  await expectExact();
  const events = logged();
  const of = (port: string): string[] =>
    events
      .filter((event) => fieldOf(event, 'DPT') === port)
      .map(({ word, fields }) =>
        [word, ...['IN', 'SRC', 'PROTO', 'RULE', 'REASON'].map((key) => fields.find((f) => f.key === key)?.value)].join(
          ' ',
        ),
      );
  expect(new Set(of('14141'))).toEqual(new Set(['BLOCK eth0 192.0.2.1 TCP default default']));
  expect(of('8000')).toEqual(['ALLOW eth0 192.0.2.1 TCP allow-8000_tcp rule']);
  expect(new Set(of('9999'))).toEqual(
    new Set(['BLOCK eth0 2001:0db8:0001:0000:0000:0000:0000:0001 UDP default default']),
  );
  expect(of('1')).toEqual([]);

  const since = (...words: string[]): Promise<string> => host.must('events', '--since', '10m', ...words);
  const allowed = await since('--rule', 'allow-8000_tcp');
  expect(allowed.trim().split('\n')).toHaveLength(1);
  // Of several the last, in the order of the log.
  const all = (await since()).trim().split('\n');
  expect(all.length).toBeGreaterThan(2);
  expect((await since('-n', '2')).trim().split('\n')).toEqual(all.slice(-2));
  expect((await since('-n', String(all.length + 1))).trim().split('\n')).toEqual(all);
  const bad = await host.sluice(['events', '--since', '10']);
  expect(bad).toMatchObject({
    status: 2,
    stderr: expect.stringMatching(/"10" is no time to begin at; write 10m/) as string,
  });
  expect(await since('--source', '192.0.2.0/24', '--port', '9999')).toBe('');
  const [json] = (await since('--json', '--port', '8000')).trim().split('\n');
  expect(JSON.parse(json)).toMatchObject({ event: 'ALLOW', src: NEIGHBOUR.ipv4, dpt: '8000', srv: 'inbound' });
  expect(await host.must('explain', allowed.trim())).toContain('allow in tier 7 by rule 1');
  expect(await daemon.stop()).toBe(0);
  expect(await host.must('status')).toContain('nothing is written, no daemon runs');
});

test('what came while no daemon ran is written by the next one; without one, sluice events reads the ring', async () => {
  await send([syn(1), syn(2)]);
  const ring = await host.sluice(['events', '-n', '2']);
  expect(ring.stderr).toContain('no daemon runs');
  expect(ring.stdout.match(/DPT=\d+/g)).toEqual(['DPT=1', 'DPT=2']);
  await startDaemon();
  const watching = host.startSluice(['events', '--port', '3']);
  // Once more while it has not begun to watch.
  const seen = (): boolean => /DPT=3/.test(watching.output);
  for (const deadline = Date.now() + 60_000; !seen() && Date.now() < deadline;) {
    await send([syn(3)]);
    await sleep(1000);
  }
  expect(seen()).toBe(true);
  await watching.stop();
  await expectExact();
});

test('one daemon a namespace', async () => {
  const daemon = await startDaemon();
  const second = await host.sluice(['daemon']);
  expect([second.status, second.stderr]).toEqual([1, expect.stringContaining(`a daemon (pid ${daemon.pid})`)]);
  await daemon.stop('SIGKILL');
  const third = await startDaemon();
  host.write('sluice.log', '');
  const ended = await host.sluice(['uninstall', '--yes']);
  expect(ended.stderr).toContain(`note: the log stays: ${host.directory}/sluice.log\n`);
  expect(ended.stderr).toContain(
    `note: a daemon (pid ${third.pid}) still runs, and has nothing to do: kill ${third.pid}`,
  );
  await host.recount('uninstall removed the counts, as it should');
});

test('the log is bounded', async () => {
  await host.must('logging', 'full');
  await startDaemon('--log-size', '2k', '--log-keep', '2');
  await send(Array.from({ length: 60 }, (_, i) => syn(i + 1)));
  const arrived = (): boolean => logged().some((event) => fieldOf(event, 'DPT') === '60');
  for (const deadline = Date.now() + 60_000; !arrived() && Date.now() < deadline;) await sleep(50);
  expect(logFiles(logPath())).toHaveLength(3);
  const ports = logged().map((event) => Number(fieldOf(event, 'DPT')));
  expect(ports).toEqual(ports.map((_, i) => 60 - ports.length + 1 + i));
});

test('a daemon that is killed again and again in a flood writes every event once', async () => {
  // At full no cap holds anything back: only a full ring can lose events, and that is counted.
  await host.must('logging', 'full');
  const traffic = await Traffic.open(host, [1, 2, 3]);
  traffic.begin();
  for (let i = 0; i < 4; i++) {
    const daemon = await startDaemon();
    await sleep(300);
    await daemon.stop('SIGKILL');
  }
  await traffic.close();
  await startDaemon();
  await expectExact();
  expect(Number((await host.status()).events!.made)).toBeGreaterThan(500);
});

test('a log that cannot be written is said once, and nothing of it is lost', async () => {
  const folder = join(host.directory, 'small');
  mkdirSync(folder);
  must(['mount', '-t', 'tmpfs', '-o', 'size=4k', 'tmpfs', folder]);
  try {
    await host.must('logging', 'full');
    const path = join(folder, 'sluice.log');
    const daemon = await startDaemon('--log', path);
    await send(Array.from({ length: 40 }, (_, i) => syn(i + 1)));
    await daemon.waitFor(/events are not written to \S+: ENOSPC/);
    await sleep(1500);
    expect(daemon.output.match(/ENOSPC/g)).toHaveLength(1);
    must(['mount', '-o', 'remount,size=1m', folder]);
    await daemon.waitFor(/events are written to \S+ again/);
    const { written } = (await host.status()).events!;
    const read = (): string[] => readFileSync(path, 'utf8').trim().split('\n');
    for (const deadline = Date.now() + 60_000; read().length < Number(written) && Date.now() < deadline;)
      await sleep(50);
    const lines = read();
    expect(lines.map((line) => parseEventLine(line)?.word)).toEqual(new Array(Number(written)).fill('BLOCK'));
    await daemon.stop();
  } finally {
    must(['umount', folder]);
  }
});

test('the daemon follows rulesets, and the end and the beginning of enforcement', async () => {
  await startDaemon();
  await send([syn(1)]);
  host.write('rules.yaml', RULES.replace('allow log 8000', 'deny log-all 9000'));
  await host.must('apply');
  await send([syn(9000)]);
  await untilLogged(2);
  await host.must('disable', '--yes');
  host.write('rules.yaml', RULES);
  await host.must('apply');
  await send([syn(3)]);
  const events = await untilLogged(3);
  expect(events.map((event) => [fieldOf(event, 'DPT'), fieldOf(event, 'RULE'), fieldOf(event, 'GEN')])).toEqual([
    ['1', 'default', '1'],
    ['9000', 'deny-9000_tcp', '2'],
    ['3', 'default', '3'],
  ]);
  expect(new Set(events.map((event) => fieldOf(event, 'EVENT')!.split('-')[0])).size).toBe(2);
  // Asked of a line now: what enforces answers, and says so where that is not what judged.
  const [first, , last] = events.map(eventText);
  expect(await host.must('explain', first)).toMatch(/\nnote: the line is of generation 1, generation 3 enforces now: /);
  expect(await host.must('explain', last)).not.toContain('note:');
});
