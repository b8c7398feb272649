/**
 * The soak: a change every second under steady frames, with a daemon, a reader of events and one of figures, confirms and
 * rollbacks mixed in, for as long as is asked. What a process holds and what lies in the kernel must be as at the
 * beginning, and every frame must have been counted, at the row that decides about it in both rulesets.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { kernel } from '../../src/kernel/native';
import { Firewall } from '../../src/operate/firewall';
import { COMMAND, EdgeHost, HOST } from '../support/edge-host';
import { driverCounters } from '../support/ethtool';
import { mappedPages, ownObjects } from '../support/own-objects';
import type { Background } from '../support/process';
import { inboundRows } from '../support/snapshot-rows';
import { Traffic } from '../support/traffic';

export const USAGE = `usage: npm run soak [-- --minutes N]   (20 unless told)`;

/**
 * What may have grown by the last minute: since the first, but resident memory since the most of the first quarter, when
 * caches are full and what garbage collectors keep has settled. Of maps and programs, of this firewall alone: those of one
 * set that is loaded in advance, which may be there at one look and not at another.
 */
const TOLERANCE = { usedMib: 8, rssMib: 24, descriptors: 4, pins: 0, maps: 16, programs: 2 } as const;

const PORTS = { always: 8000, never: 9999 };
const PAUSE_MS = 1000;
const ARRIVE_MS = 20_000;
const LOOKS = 20;
/** Every so many changes: one that waits and is confirmed, one that waits and is taken back, a reading of the command. */
const EVERY = { confirmed: 5, takenBack: 7, metrics: 30 };

interface Line {
  readonly seconds: number;
  readonly changes: number;
  /** In use, garbage left out. */
  readonly usedMib: number;
  readonly daemonUsedMib: number;
  readonly rssMib: number;
  readonly daemonRssMib: number;
  /** With pages of maps, which outlive theirs. */
  readonly descriptors: number;
  readonly daemonDescriptors: number;
  readonly pins: number;
  /** Of this firewall: see `ownObjects`. */
  readonly maps: number;
  readonly programs: number;
  readonly frames: number;
  /** Frames that another row than theirs counted, or none. */
  readonly misjudged: number;
  /** Frames that the driver saw and no figure holds. */
  readonly uncounted: number;
}

function rulesText(turn: number): string {
  return `version: 1
interfaces: [${HOST.link}]
logging: low
inbound:
  default: deny
  rules:
    - { id: always, action: allow, port: ${PORTS.always}/udp }
    - { id: turn, action: ${turn % 2 === 0 ? 'allow' : 'deny'}, port: ${20000 + (turn % 1000)}/tcp }
    - { id: never, action: deny, port: ${PORTS.never} }
`;
}

class Soak {
  readonly counts = { changes: 0, confirmed: 0, takenBack: 0 };

  constructor(
    readonly host: EdgeHost,
    readonly firewall: Firewall,
    readonly traffic: Traffic,
    readonly daemon: Background,
    /** Its processes. */
    private readonly pids: readonly number[],
    private readonly before: { packets: number; drops: number },
  ) {}

  async change(): Promise<void> {
    const { counts, host, firewall } = this;
    const turn = (counts.changes += 1);
    const file = host.write('rules.yaml', rulesText(turn));
    const waits = turn % EVERY.confirmed === 0 || turn % EVERY.takenBack === 0;
    const applied = await firewall.apply(file, waits ? { confirmSeconds: 600 } : {});
    if (applied.kind === 'refused')
      throw new Error(`change ${turn} was refused: ${JSON.stringify(applied.diagnostics)}`);
    if (turn % EVERY.confirmed === 0) {
      await firewall.confirm();
      counts.confirmed += 1;
    } else if (waits) {
      await firewall.rollback();
      counts.takenBack += 1;
    }
    const text = turn % EVERY.metrics === 0 ? await host.must('metrics') : '';
    if (turn % EVERY.metrics === 0 && !text.includes('always')) throw new Error(`metrics without the rows: ${text}`);
  }

  private async figures(): Promise<Pick<Line, 'misjudged' | 'uncounted'>> {
    const { host, traffic, before } = this;
    const { packets, sections } = await this.firewall.snapshot();
    const driver = driverCounters(host.edge, HOST.link);
    const hits = Object.fromEntries(inboundRows({ sections }).map((row) => [row.id, Number(row.packets)]));
    const apart = (id: keyof typeof PORTS): number => Math.abs(hits[id] - traffic.sent(PORTS[id]));
    return {
      misjudged: apart('always') + apart('never'),
      uncounted:
        Math.abs(Number(packets.seen) - (driver.packets - before.packets)) +
        Math.abs(Number(packets.denied) - (driver.drops - before.drops)),
    };
  }

  /** The daemon's, as it tells itself. */
  private async daemonUsedMib(): Promise<number> {
    const told = (): string[] => this.daemon.output.match(/^in use: \d+ bytes$/gm) ?? [];
    const before = told().length;
    process.kill(this.daemon.pid, 'SIGUSR2');
    while (told().length === before && this.daemon.running) await sleep(PAUSE_MS / 100);
    return mib(Number(/\d+/.exec(told().at(-1) ?? '')?.[0]));
  }

  /** Frames are held while figures are compared, so that they are exact. */
  async line(seconds: number): Promise<Line> {
    const { host, traffic, daemon } = this;
    await traffic.pause();
    let figures = await this.figures();
    // The last frames may be on their way still, on a busy machine for long.
    for (const end = Date.now() + ARRIVE_MS; figures.misjudged + figures.uncounted > 0 && Date.now() < end;) {
      await sleep(PAUSE_MS / 10);
      figures = await this.figures();
    }
    global.gc?.();
    // While it loads programs in advance the daemon has more of them open: the least of several looks.
    const looks: Pick<Line, 'daemonDescriptors' | 'maps' | 'programs'>[] = [];
    for (let i = 0; i < LOOKS; i++) {
      const { maps, programs } = ownObjects(kernel(), host.pins.directory, [process.pid, ...this.pids]);
      looks.push({ daemonDescriptors: descriptorsOf(daemon.pid), maps: maps.size, programs: programs.size });
      await sleep(PAUSE_MS / 10);
    }
    const least = (name: keyof (typeof looks)[number]): number => Math.min(...looks.map((look) => look[name]));
    traffic.resume();
    // What the first turn has found to be unused is given back by the second.
    global.gc?.();
    await sleep(PAUSE_MS / 10);
    global.gc?.();
    const { heapUsed, external } = process.memoryUsage();
    return {
      ...{ seconds, changes: this.counts.changes },
      usedMib: mib(heapUsed + external),
      daemonUsedMib: await this.daemonUsedMib(),
      rssMib: mib(process.memoryUsage.rss()),
      daemonRssMib: rssOf(daemon.pid),
      descriptors: descriptorsOf(process.pid),
      daemonDescriptors: least('daemonDescriptors'),
      pins: host.pinned().filter((name) => !name.startsWith('spare/')).length,
      ...{ maps: least('maps'), programs: least('programs') },
      frames: traffic.sent(PORTS.always) + traffic.sent(PORTS.never),
      ...figures,
    };
  }
}

/** Descriptors, and pages of maps, which outlive theirs. */
function descriptorsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length + mappedPages(pid);
}

function mib(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}

function rssOf(pid: number): number {
  const kib = /^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Math.round(Number(kib) / 1024);
}

function tableRow(cells: readonly (string | number)[]): string {
  return cells.map((cell) => String(cell).padStart(10)).join('');
}

const HEAD = ['seconds', 'changes', 'used', 'd. used', 'RSS', 'd. RSS', 'fds', 'd. fds', 'pins', 'maps', 'programs'];
const MORE = ['frames', 'misjudged', 'uncounted'];

/** What the last line is held against: the first, but the most resident memory of the first quarter. */
export function baselineOf(lines: readonly Line[]): Line {
  const quarter = lines.slice(0, Math.ceil(lines.length / 4));
  const most = (name: 'rssMib' | 'daemonRssMib'): number => Math.max(...quarter.map((line) => line[name]));
  return { ...lines[0], rssMib: most('rssMib'), daemonRssMib: most('daemonRssMib') };
}

/** What of the last line is not as it must be, beside where it began. */
export function findGrowth(first: Line, last: Line): string[] {
  const grown = (name: string, before: number, after: number, most: number): string[] =>
    after - before > most ? [`${name} grew from ${before} to ${after}, by more than ${most}`] : [];
  return [
    ...grown('memory in use (MiB)', first.usedMib, last.usedMib, TOLERANCE.usedMib),
    ...grown('memory in use by the daemon (MiB)', first.daemonUsedMib, last.daemonUsedMib, TOLERANCE.usedMib),
    ...grown('memory (MiB)', first.rssMib, last.rssMib, TOLERANCE.rssMib),
    ...grown('memory of the daemon (MiB)', first.daemonRssMib, last.daemonRssMib, TOLERANCE.rssMib),
    ...grown('descriptors', first.descriptors, last.descriptors, TOLERANCE.descriptors),
    ...grown('descriptors of the daemon', first.daemonDescriptors, last.daemonDescriptors, TOLERANCE.descriptors),
    ...grown('pins', first.pins, last.pins, TOLERANCE.pins),
    ...grown('maps of the firewall', first.maps, last.maps, TOLERANCE.maps),
    ...grown('programs of the firewall', first.programs, last.programs, TOLERANCE.programs),
    ...grown('frames that another row counted', 0, last.misjudged, 0),
    ...grown('frames that none counted', 0, last.uncounted, 0),
  ];
}

/** The command line is not what it should be. */
export class UsageError extends Error {}

/** Minutes of the command line; throws `UsageError` where they are none. */
export function readMinutes(words: readonly string[]): number {
  if (words.length === 0) return 20;
  const minutes = words[0] === '--minutes' && words.length === 2 ? Number(words[1]) : NaN;
  if (!Number.isFinite(minutes) || minutes < 2)
    throw new UsageError(`expected --minutes and a number from 2, found "${words.join(' ')}"\n${USAGE}`);
  return minutes;
}

/** Exit status: 1 where something grew, or a frame was misjudged. */
export async function main(words: readonly string[]): Promise<number> {
  const minutes = readMinutes(words);
  const host = await EdgeHost.open('soak');
  const children: Background[] = [];
  Object.assign(process.env, host.environment);
  const traffic = await Traffic.open(host, Object.values(PORTS));
  try {
    host.write('rules.yaml', rulesText(0));
    await host.must('apply');
    const { seen, denied } = (await host.status()).packets;
    const { packets, drops } = driverCounters(host.edge, HOST.link);
    const before = { packets: packets - Number(seen), drops: drops - Number(denied) };
    const tells = ['--expose-gc', '-r', join(__dirname, '../support/tell-memory.js')];
    const daemon = host.edge.start([process.execPath, ...tells, COMMAND, 'daemon', '--save-every', '5'], {
      env: host.environment,
    });
    children.push(daemon);
    await daemon.waitFor(/the daemon runs/);
    children.push(host.startSluice(['events', '--json']));
    const firewall = await Firewall.open({ netns: host.edge.path });
    const soak = new Soak(
      ...([host, firewall, traffic, daemon] as const),
      children.map(({ pid }) => pid),
      before,
    );
    traffic.begin();
    console.log(tableRow([...HEAD, ...MORE]));
    const begun = performance.now();
    const lines: Line[] = [];
    let nextLine = 60;
    for (;;) {
      const turnBegan = performance.now();
      await soak.change();
      await firewall.snapshot();
      const seconds = Math.round((performance.now() - begun) / 1000);
      if (seconds >= nextLine) {
        const line = await soak.line(seconds);
        lines.push(line);
        console.log(tableRow(Object.values(line) as number[]));
        nextLine += 60;
      }
      if (seconds >= minutes * 60) break;
      await sleep(Math.max(0, PAUSE_MS - (performance.now() - turnBegan)));
    }
    await traffic.pause();
    const last = lines.at(-1);
    const found = last ? findGrowth(baselineOf(lines), last) : ['it was over before there was anything to compare'];
    const { changes, confirmed, takenBack } = soak.counts;
    console.log(`${changes} changes, of which ${confirmed} waited and were confirmed, ${takenBack} taken back`);
    console.log(
      found.length === 0
        ? 'flat: nothing grew beyond its tolerance, no frame misjudged, none uncounted'
        : found.join('\n'),
    );
    return found.length === 0 ? 0 : 1;
  } finally {
    await traffic.close();
    for (const child of children.reverse()) await child.stop('SIGKILL');
    await host.close();
  }
}
