/** The demo's story: the product's own commands on a NIC with real packets, told as it happens. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SluiceError } from '../../kernel/errors';
import type { Snapshot } from '../../observe/snapshot';
import type { FullExplanation } from '../../operate/explain';
import { removeFoldersOfTheDead } from '../../operate/throwaway';
import { renderTable } from '../table';
import { SERVERS } from './servers';
import { EDGE, PEOPLE, Stage } from './stage';

/** Two rows as a dashboard prints them, in the wrong order, and what an office and an agent need. */
const RULESET = `version: 1
interfaces: [eth0]
inbound:
  default: deny
  ssh: { port: 22, from: anyone }
  rules: |
    1 Deny 0.0.0.0/0 Port 14141
    2 Allow 78.168.0.0/16 Port 14141
    3 Allow 203.0.113.0/24 Port 14511
    4 Allow 2001:db8:7::/48 Port 14511
    5 Allow 0.0.0.0/0 Port 8000
    6 Allow 198.51.100.9 Port 9000
`;

interface Attempt {
  readonly who: string;
  readonly what: string;
  readonly command: readonly string[];
  readonly probe: string;
}

/** One person of the demo and what came of it. */
export interface Result {
  readonly who: string;
  readonly what: string;
  readonly through: boolean;
  readonly expected: boolean;
  readonly by: string;
}

/** What was counted of the demo's packets. */
export interface Counts {
  readonly sluice: { readonly seen: number; readonly denied: number };
  /** The driver's own XDP counters; null where it has none: in generic mode, or where `ethtool` is missing. */
  readonly driver: { readonly seen: number; readonly denied: number } | null;
}

/**
 * Plays the story; returns what it showed. Throws when a real packet and the explanation disagree. A signal ends it at the
 * next step, and the process once everything it made is gone.
 */
export async function play(
  tell: (text: string) => void,
): Promise<{ results: readonly Result[]; swap: readonly Result[]; counted: Counts }> {
  // What a demo that was killed kept in files; what it pinned goes with the next apply, this one's.
  removeFoldersOfTheDead(WORK);
  const work = mkdtempSync(join(tmpdir(), `${WORK}${process.pid}-`));
  tell('building a network of namespaces: edge (eth0), office, home, phone');
  const stage = Stage.build();
  let interrupted: NodeJS.Signals | undefined;
  const interrupt = (signal: NodeJS.Signals): void => {
    interrupted = signal;
  };
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  const inEdge = sluiceIn(stage, work, tell);
  const sluice: Sluice = (...args) => {
    if (interrupted) throw new SluiceError('demo/interrupted', `interrupted by ${interrupted}`);
    return inEdge(...args);
  };
  try {
    const servers = stage.start('edge', [process.execPath, '-e', SERVERS]);
    await once(servers.stdout!, 'data');

    const file = join(work, 'rules.yaml');
    writeFileSync(file, RULESET);
    tell(`\nthe ruleset:\n\n${indent(RULESET)}`);
    await sluice('check', file);
    await sluice('apply', file);

    tell('\neverybody tries with ordinary clients (nc, curl, ping), over IPv4 and IPv6:\n');
    const results = await attempt(stage, sluice, attempts());
    tell(resultTable(results));

    tell('\nhome is kept out by the order of rules 1 and 2. traffic goes on while they change places:\n');
    const traffic = stage.start('office', [
      'sh',
      '-c',
      `while :; do curl -s -m 1 -o /dev/null http://${EDGE.ipv4}:8000/ || echo lost; done`,
    ]);
    let lost = 0;
    traffic.stdout!.on('data', (text: Buffer) => (lost += text.toString().split('lost').length - 1));
    await sluice('move', '2', 'before', '1');
    tell('\nthe attempts at port 14141 once more:\n');
    const swap = await attempt(
      stage,
      sluice,
      attempts().filter(({ what }) => what.includes('14141')),
    );
    tell(resultTable(swap));
    traffic.kill('SIGKILL');
    tell(`requests of office that failed meanwhile: ${lost}`);
    if (lost > 0) throw new SluiceError('demo/lost', `${lost} requests were lost while the rules changed`);

    await sluice('status', 'verbose');
    const counted = await agreedCounts(stage, sluice);
    tell(`\n${countsSentence(counted)}`);
    await sluice('disable', '--yes');
    const wrong = [...results, ...swap].filter(({ through, expected }) => through !== expected);
    if (wrong.length > 0) {
      throw new SluiceError(
        'demo/disagree',
        `real packets and the explanation disagree: ${wrong.map(({ who, what }) => `${who} ${what}`).join(', ')}`,
      );
    }
    return { results, swap, counted };
  } finally {
    try {
      await inEdge('--json', 'uninstall', '--yes');
    } finally {
      stage.clear();
      rmSync(work, { recursive: true, force: true });
      process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
      if (interrupted) process.kill(process.pid, interrupted);
    }
  }
}

const WORK = 'sluice-demo-';

type Sluice = (...args: string[]) => Promise<string>;

/** The installed command itself, in the edge's namespace, with state of its own. */
function sluiceIn(stage: Stage, work: string, tell: (text: string) => void): Sluice {
  const main = join(__dirname, '../main.js');
  return async (...args) => {
    const quiet = args.includes('--json');
    if (!quiet) tell(`\nedge$ sluice ${args.join(' ')}`);
    const env = { ...process.env, SLUICE_STATE_DIR: join(work, 'state'), SLUICE_CONFIG: join(work, 'rules.yaml') };
    const { status, stdout, stderr } = await runToEnd([main, '--netns', stage.path('edge'), ...args], env);
    if (!quiet) tell(indent([stderr.trimEnd(), stdout.trimEnd()].filter((text) => text !== '').join('\n')));
    if (status !== 0)
      throw new SluiceError(
        'demo/command',
        `sluice ${args.join(' ')} ended with ${status}${quiet ? `: ${stdout}${stderr}` : ''}`,
      );
    return stdout;
  };
}

/** Runs node to its end, in a process group of its own: what interrupts the demo lets a command end. */
async function runToEnd(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, args, { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const printed = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => (printed[name] += text));
  }
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, ...printed };
}

function attempts(): Attempt[] {
  return PEOPLE.flatMap(({ name, ipv4, ipv6 }) => [
    connect(name, ipv4, EDGE.ipv4, 14141),
    connect(name, ipv6, EDGE.ipv6, 14141),
    fetch(name, ipv4, EDGE.ipv4, 14511),
    fetch(name, ipv6, EDGE.ipv6, 14511),
    fetch(name, ipv4, EDGE.ipv4, 8000),
    datagram(name, ipv4, EDGE.ipv4, 9000),
    ping(name, ipv4, EDGE.ipv4),
    ping(name, ipv6, EDGE.ipv6),
  ]);
}

function connect(who: string, from: string, to: string, port: number): Attempt {
  return {
    who,
    what: `nc ${to} ${port}`,
    command: ['nc', '-z', '-w', '1', to, String(port)],
    probe: `tcp from ${from} to ${to} port ${port}`,
  };
}

function fetch(who: string, from: string, to: string, port: number): Attempt {
  const host = to.includes(':') ? `[${to}]` : to;
  return {
    who,
    what: `curl ${host}:${port}`,
    command: ['curl', '-s', '-m', '1', '-o', '/dev/null', `http://${host}:${port}/`],
    probe: `tcp from ${from} to ${to} port ${port}`,
  };
}

function datagram(who: string, from: string, to: string, port: number): Attempt {
  const script = `echo hello | nc -u -w 1 ${to} ${port} | grep -q hello`;
  return {
    who,
    what: `nc -u ${to} ${port}`,
    command: ['sh', '-c', script],
    probe: `udp from ${from} to ${to} port ${port}`,
  };
}

function ping(who: string, from: string, to: string): Attempt {
  const proto = to.includes(':') ? 'icmpv6' : 'icmp';
  const type = to.includes(':') ? 128 : 8;
  return {
    who,
    what: `ping ${to}`,
    command: ['ping', '-c', '1', '-W', '1', to],
    probe: `${proto} from ${from} to ${to} type ${type}`,
  };
}

async function attempt(stage: Stage, sluice: Sluice, list: readonly Attempt[]): Promise<Result[]> {
  const results: Result[] = [];
  for (const { who, what, command, probe } of list) {
    const { decision } = JSON.parse(await sluice('--json', 'explain', probe)) as FullExplanation;
    const { ok } = await stage.run(who, command);
    const expected = decision.verdict === 'allow';
    results.push({
      who,
      what,
      through: ok,
      expected,
      by: decision.rule ?? `${decision.reason} (tier ${decision.tier})`,
    });
  }
  return results;
}

/** The driver counts on its own what its program saw and dropped; it must be what sluice counted. */
async function agreedCounts(stage: Stage, sluice: Sluice): Promise<Counts> {
  // The last packets of the clients may still be on their way.
  for (const deadline = Date.now() + 5000; ;) {
    const { snapshot } = JSON.parse(await sluice('--json', 'status')) as { snapshot: Snapshot };
    const ours = { seen: Number(snapshot.packets.seen), denied: Number(snapshot.packets.denied) };
    const { ok, output } = await stage.run('edge', ['ethtool', '-S', 'eth0']);
    if (!ok || snapshot.interfaces.some(({ mode }) => mode !== 'native')) return { sluice: ours, driver: null };
    const driver = { seen: sumOf(output, 'xdp_packets'), denied: sumOf(output, 'xdp_drops') };
    if (driver.seen === ours.seen && driver.denied === ours.denied) return { sluice: ours, driver };
    if (Date.now() > deadline) {
      const message = `the driver saw ${driver.seen} packets and dropped ${driver.denied}, sluice counted ${ours.seen} and ${ours.denied}`;
      throw new SluiceError('demo/counts', message);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** A counter of veth, its receive queues summed. */
function sumOf(statistics: string, name: string): number {
  const values = [...statistics.matchAll(new RegExp(`rx_queue_\\d+_${name}: (\\d+)`, 'g'))];
  return values.reduce((sum, [, value]) => sum + Number(value), 0);
}

function countsSentence({ sluice, driver }: Counts): string {
  const ours = `${sluice.seen} packets, ${sluice.denied} of them denied`;
  return driver === null ? `sluice counted ${ours}` : `sluice counted ${ours}; the driver's own counters say the same`;
}

function resultTable(results: readonly Result[]): string {
  const columns = [{ title: 'Who' }, { title: 'Tries' }, { title: 'Got through' }, { title: 'Decided by' }];
  return indent(
    renderTable(
      columns,
      results.map(({ who, what, through, by }) => [who, what, through ? 'yes' : 'no', by]),
    ),
  );
}

function indent(text: string): string {
  return text
    .split('\n')
    .map((line) => (line === '' ? '' : `  ${line}`))
    .join('\n');
}
