/**
 * An edge as large as one can be: 4,000 servers with 100,000 rows in all, and a hundred servers that deny a list of 20,000
 * prefixes each. What loading it takes from cold, what it holds in memory, what a scrape of all its counters takes, and for
 * how long the daemon's event loop does nothing else meanwhile. Live frames come to all of it before, each of which must be
 * told of in its server and counted in its row.
 */
import { writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readCounters } from '../../src/kernel/counters';
import { kernel } from '../../src/kernel/native';
import { formatPrefix, maskWord, type Prefix } from '../../src/model/prefix';
import { PROTOCOL } from '../../src/model/protocol';
import type { Snapshot } from '../../src/observe/snapshot';
import { GENERATION_PINS } from '../../src/load/generations';
import { prefix4 } from '../support/generate/plain-rule';
import { Random } from '../support/generate/random';
import type { Background } from '../support/process';
import { askLoop, askOwner, awaitSockets, cpuOf, EdgeStand, memoryOf, share, TIMEOUT_MS } from './measure/edge-stand';
import { Generator } from './measure/generator';
import type { Lab } from './measure/lab';
import { type Row, rowOf } from './row';
import { textOf } from './sets/bench-set';
import { makeSet } from './sets/catalogue';
import { PacketColumns } from './sets/packet-columns';
import { Scan } from './sets/scan';
import { countFrames, owned, serverNames, writeRuleset, wrongRows } from './sets/server-files';
import { EDGE_ROWS, nameOf } from './sets/servers';
import { hitTrace } from './sets/trace';

const ROWS = 100_000;
const FRAMES = 1 << 20;
/** Fewer where each takes long, as on a machine that others use: what it waits for between two is as many times longer. */
const SCRAPES = { least: 3, most: 10, ms: 60_000 } as const;
const ATTEMPTS = 5;
/** What a daemon serves before it looks again, at least; and how many times as long as the look has taken. */
const STALE = { ms: 1100, times: 5 };

/** A row each for servers, for scrapes and questions, and for lists. */
export async function* edgeRows(lab: Lab): AsyncGenerator<Row> {
  yield* serverRows(lab);
  yield await listRow(lab);
}

async function* serverRows(lab: Lab): AsyncGenerator<Row> {
  const set = makeSet('edge', ROWS, 4);
  const names = serverNames(set);
  const trace = hitTrace(set, new Scan(set));
  const generator = await Generator.open(trace.packets, { replay: false });
  const stand = new EdgeStand(lab, 'edge');
  const known = { set: 'edge', family: 4, rules: ROWS } as const;
  try {
    const file = writeRuleset(stand.directory, owned(textOf(set, 'lines', { link: stand.port.link })), false);
    const { loadMs, peak } = await applyCold(stand, file);
    await stand.look();
    const burst = await generator.send(stand.port, FRAMES);
    const sent = Array<number>(set.rules.length).fill(0);
    countFrames(sent, trace, burst.sent);
    const { imageBytes, counterBytes, readMs, counted } = readGeneration(stand);
    yield rowOf({
      ...{ ...known, subject: 'sluice load', traffic: 'hit', mode: 'native' },
      ...{ load_ms: loadMs, bytes: imageBytes, checked: burst.sent, lost: burst.lost },
      wrong: Math.abs(counted - (burst.sent - burst.lost)),
      note: `${names.length} servers of ${EDGE_ROWS} rows, whole command from cold, peak ${peak}; counters ${mib(counterBytes)} MiB on ${kernel().possibleCpus()} CPUs, all read in ${readMs.toFixed(1)} ms`,
    });

    const [owners, socket] = [stand.path('owners'), stand.path('metrics.sock')];
    const daemon = await stand.daemon('--owners', owners, '--listen', socket);
    await awaitSockets(daemon, owners, names);
    await askLoop(daemon);
    let text = '';
    const scrapes = await some(async () => timed(daemon, async () => (text = await scrape(socket))));
    const refused = deniedOf(text);
    const expected = names.map((_, number) =>
      sent.slice(number * EDGE_ROWS, (number + 1) * EDGE_ROWS).reduce((sum, count) => sum + count, 0),
    );
    const wrong = names.filter((name, number) => refused.get(name) !== expected[number]);
    const series = text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length;
    yield rowOf({
      ...{ ...known, subject: 'sluice scrape', load_ms: middle(scrapes), checked: burst.sent, wrong: wrong.length },
      note:
        `${scrapes.length} scrapes, each with a snapshot of its own, worst ${worst(scrapes)} ms; ${series} series, ${mib(text.length)} MiB; ` +
        `${loopOf(scrapes)}, resident ${memoryOf(daemon, 'VmRSS')} MiB, peak ${memoryOf(daemon, 'VmHWM')}` +
        (wrong.length > 0 ? `; told wrong: ${wrong.slice(0, 3).join(', ')}` : ''),
    });

    const asked = await some(async (i) => {
      const path = join(owners, `${names[(i * 7919) % names.length]}.sock`);
      return timed(daemon, () => askOwner(path, { verb: 'status', words: [] }));
    });
    const began = performance.now();
    const { snapshot } = JSON.parse((await stand.must(['snapshot'])).stdout) as { snapshot: Snapshot };
    const snapshotMs = performance.now() - began;
    const rows = wrongRows(set, snapshot, sent);
    yield rowOf({
      ...{ ...known, subject: 'sluice status', load_ms: middle(asked), checked: burst.sent, wrong: rows.length },
      note:
        `${asked.length} owners ask for their status, worst ${worst(asked)} ms; ${loopOf(asked)}; ` +
        `sluice snapshot of all servers, the whole command ${snapshotMs.toFixed(0)} ms` +
        (rows.length > 0 ? `; told wrong: ${rows.slice(0, 3).join(', ')}` : ''),
    });
  } finally {
    generator.close();
    await stand.close();
  }
}

/** Servers that deny a list each: two of them share one, so that all lists together are no more than a ruleset takes. */
const LISTED = { servers: 100, lists: 50, prefixes: 20_000 } as const;
const LISTED_PACKETS = 1 << 16;
/** From here on no list has an address. */
const UNLISTED = 0xcb000000;

async function listRow(lab: Lab): Promise<Row> {
  const { servers, lists, prefixes } = LISTED;
  const stand = new EdgeStand(lab, 'lists');
  const random = new Random(17);
  const listed = Array.from({ length: lists }, () => hostsBelow(random, prefixes));
  const known = { subject: 'sluice load', set: 'lists', family: 4, rules: servers * prefixes } as const;
  const addressOf = (server: number): number => 0xc6120000 + server;
  // Half of them from a list's address, half from nobody's: the row that denies them, and the default.
  const packets = new PacketColumns(4, LISTED_PACKETS);
  const rows = Array<number>(LISTED_PACKETS).fill(0);
  for (let i = 0; i < LISTED_PACKETS; i++) {
    const server = random.below(servers);
    const isListed = random.chance(0.5);
    const { words, length } = random.pick(listed[server % lists]);
    const mask = maskWord(length, 0);
    packets.source[i] = isListed ? (words[0] | (random.word() & ~mask)) >>> 0 : UNLISTED + random.below(1 << 16);
    packets.destination[i] = addressOf(server);
    packets.protocol[i] = PROTOCOL.TCP;
    packets.sourcePort[i] = 1024 + random.below(60_000);
    packets.destinationPort[i] = 80;
    rows[i] = 2 * server + (isListed ? 0 : 1);
  }
  const generator = await Generator.open(packets, { replay: false });
  try {
    const text = (of: number): string =>
      `version: 1\ninterfaces: [${stand.port.link}]\nsets:\n` +
      Array.from({ length: of }, (_, i) => `  list${i}: { file: list${i}.txt }\n`).join('') +
      'inbound: { default: deny }\nservers:\n' +
      Array.from({ length: servers }, (_, i) => {
        const address = formatPrefix(prefix4(addressOf(i), 32));
        return `  ${nameOf(i)}: { address: ${address}, rules: [deny from list${i % of}] }\n`;
      }).join('');
    listed.forEach((list, i) => writeFileSync(stand.path(`list${i}.txt`), `${list.map(formatPrefix).join('\n')}\n`));
    const file = stand.path('rules.yaml');
    writeFileSync(file, text(lists));
    const { loadMs, peak } = await applyCold(stand, file);
    await stand.look();
    const burst = await generator.send(stand.port, LISTED_PACKETS);
    const { imageBytes, counterBytes } = readGeneration(stand);
    const { snapshot } = JSON.parse((await stand.must(['snapshot'])).stdout) as { snapshot: Snapshot };
    const sent = Array<number>(2 * servers).fill(0);
    for (let i = 0; i < burst.sent; i++) sent[rows[i % LISTED_PACKETS]]++;
    const byName = new Map(snapshot.sections.map((section) => [section.name, section]));
    const wrong = sent.filter((count, i) => {
      const tier = i % 2 === 0 ? '7' : '9';
      return Number(byName.get(nameOf(i >> 1))?.rows.find((row) => row.tier === tier)?.packets) !== count;
    });
    // As many lists as servers are more prefixes than a ruleset holds.
    listed.forEach((list, i) =>
      writeFileSync(stand.path(`list${lists + i}.txt`), `${list.map(formatPrefix).join('\n')}\n`),
    );
    writeFileSync(file, text(2 * lists));
    const began = performance.now();
    const refusal = await stand.must(['apply', file]).then(
      () => 'nothing',
      (error: unknown) =>
        /(?:error )?(parse\/too-many-prefixes)[^\n]*/.exec((error as Error).message)?.[1] ?? String(error),
    );
    const refusedMs = performance.now() - began;
    return rowOf({
      ...{ ...known, traffic: 'hit', mode: 'native', load_ms: loadMs, bytes: imageBytes },
      ...{ checked: burst.sent, lost: burst.lost },
      wrong: wrong.length + (refusal === 'parse/too-many-prefixes' ? 0 : 1),
      note: `${servers} servers deny a list of ${prefixes} prefixes each, of ${lists} lists, whole command from cold, peak ${peak}; counters ${mib(counterBytes)} MiB; with ${2 * lists} lists refused in ${refusedMs.toFixed(0)} ms: ${refusal}`,
    });
  } finally {
    generator.close();
    await stand.close();
  }
}

/** Different networks and hosts, none of which lies in another. */
function hostsBelow(random: Random, count: number): Prefix[] {
  const seen = new Set<number>();
  const prefixes: Prefix[] = [];
  while (prefixes.length < count) {
    const word = ((random.between(11, 190) << 24) | (random.word() & 0xffffff)) >>> 0;
    if (seen.has(word >>> 8)) continue;
    seen.add(word >>> 8);
    prefixes.push(prefix4(word, random.pick([24, 28, 32, 32])));
  }
  return prefixes;
}

/** The whole command, in a process that has read nothing before. */
async function applyCold(stand: EdgeStand, file: string): Promise<{ readonly loadMs: number; readonly peak: string }> {
  const began = performance.now();
  const { stderr } = await stand.must(['apply', file], ['/usr/bin/time', '-f', 'took %M %U %S']);
  const loadMs = performance.now() - began;
  const [, kib, user, system] = /^took (\S+) (\S+) (\S+)$/m.exec(stderr) ?? [];
  const seconds = (Number(user) + Number(system)).toFixed(1);
  return { loadMs, peak: `${(Number(kib) / 1024).toFixed(0)} MiB, ${seconds} s on CPUs` };
}

/** What a generation holds in the kernel, and its counters: those of a packet that came in are counted once. */
function readGeneration(stand: EdgeStand): {
  readonly imageBytes: number;
  readonly counterBytes: number;
  readonly readMs: number;
  readonly counted: number;
} {
  const image = kernel().openPinnedMap(join(stand.generation, GENERATION_PINS.image));
  const counters = kernel().openPinnedMap(join(stand.generation, GENERATION_PINS.counters));
  try {
    const began = performance.now();
    const hits = readCounters(counters);
    const readMs = performance.now() - began;
    const { valueSize, maxEntries } = counters.info();
    const counted = [...hits.values()].reduce((sum, { packets }) => sum + Number(packets), 0);
    return { imageBytes: image.info().valueSize, counterBytes: valueSize * maxEntries, readMs, counted };
  } finally {
    image.close();
    counters.close();
  }
}

interface Timed {
  readonly ms: number;
  /** For which the daemon's threads had a CPU. */
  readonly allMs: number;
  readonly heldMs: number;
  readonly cpuMs: number;
}

/** How long the question took, and for how long the daemon's loop was held from before it on. */
async function timed(daemon: Background, ask: () => Promise<unknown>): Promise<Timed> {
  await askLoop(daemon);
  const [began, before] = [performance.now(), cpuOf(daemon)];
  await ask();
  const [ms, allMs] = [performance.now() - began, cpuOf(daemon) - before];
  return { ms, allMs, ...(await askLoop(daemon)) };
}

/** Asks again and again, each time for something that is looked at anew. */
async function some(ask: (number: number) => Promise<Timed>): Promise<Timed[]> {
  const all: Timed[] = [];
  const began = performance.now();
  while (all.length < SCRAPES.least || (all.length < SCRAPES.most && performance.now() - began < SCRAPES.ms)) {
    await stale(all.at(-1)?.ms ?? 0);
    all.push(await ask(all.length));
  }
  return all;
}

/** What a daemon has looked at last serves nobody any more. */
async function stale(tookMs: number): Promise<void> {
  await sleep(Math.max(STALE.ms, STALE.times * tookMs));
}

async function scrape(socketPath: string): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await scrapeOnce(socketPath);
    } catch (error) {
      // On a machine that others use much a scrape may take longer than the daemon gives anybody.
      if (attempt === ATTEMPTS) throw error;
    }
  }
}

async function scrapeOnce(socketPath: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get({ socketPath, path: '/metrics', timeout: TIMEOUT_MS }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200) resolve(Buffer.concat(chunks).toString());
        else reject(new Error(`a scrape was answered by ${response.statusCode}`));
      });
    });
    request.on('error', reject);
  });
}

/** Packets that the rows of each server have refused, by its name. */
function deniedOf(text: string): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  const samples = text.matchAll(/^sluice_server_packets_total\{server="([^"]*)",verdict="deny"\} (\d+)$/gm);
  for (const [, name, packets] of samples) sums.set(name, (sums.get(name) ?? 0) + Number(packets));
  const rows = new Map<string, number>();
  for (const [, name, packets] of text.matchAll(
    /^sluice_rule_packets_total\{section="([^"]*)",rule="[^"]*",verdict="deny"\} (\d+)$/gm,
  ))
    rows.set(name, (rows.get(name) ?? 0) + Number(packets));
  // Told of twice, and the same both times.
  return new Map([...sums].filter(([name, packets]) => rows.get(name) === packets));
}

function middle(all: readonly Timed[]): number {
  return share(
    all.map(({ ms }) => ms),
    0.5,
  );
}

function worst(all: readonly Timed[]): string {
  return Math.max(...all.map(({ ms }) => ms)).toFixed(0);
}

function loopOf(all: readonly Timed[]): string {
  const most = (of: (one: Timed) => number): string => Math.max(...all.map(of)).toFixed(0);
  const median = share(
    all.map(({ allMs }) => allMs),
    0.5,
  );
  return `median ${median.toFixed(0)} ms on CPUs; event loop held ${most(({ heldMs }) => heldMs)} ms at most (${most(({ cpuMs }) => cpuMs)} ms on the CPU)`;
}

function mib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}
