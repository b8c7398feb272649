/**
 * A filtered host and its only neighbour, joined by a veth pair, with a bpffs, a state directory and ruleset files of
 * the test's own. Lighter than the walk-throughs' topology: for tests that run `sluice` processes by the hundred. When it
 * is closed, frames sent, the driver's counters and ours are compared.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { openDatapath } from '../../src/kernel/datapath-object';
import type { BpfLink } from '../../src/kernel/kernel';
import { kernel } from '../../src/kernel/native';
import { FLOW_PINS, PinLayout, STATE_PINS } from '../../src/kernel/pins';
import type { Context } from '../../src/operate/context';
import type { Revision } from '../../src/operate/history';
import { namespaceKey } from '../../src/operate/namespace-key';
import { stateFolder } from '../../src/operate/state-files';
import type { Snapshot } from '../../src/observe/snapshot';
import { SLC_LIMITS } from '../../src/abi/layout.gen';
import { slotKey } from '../../src/load/state';
import { takeSnapshot } from '../../src/operate/enforcement';
import { atEnd, joinByVeth, mountsUnder, Namespace, reapStale } from './netns';
import { Background, type Finished, must } from './process';
import { judgedOf, ThreeNumbers } from './three-numbers';

export const COMMAND = resolve(__dirname, '../../dist/cli/main.js');
export const HOST = { ipv4: '192.0.2.10', ipv6: '2001:db8:1::10', link: 'eth0', mac: '02:00:00:00:00:02' } as const;
export const NEIGHBOUR = { ipv4: '192.0.2.1', ipv6: '2001:db8:1::1', link: 'eth0', mac: '02:00:00:00:00:01' } as const;

export class EdgeHost {
  /** Directory of everything: rulesets, `state`, `bpf`. */
  readonly directory = mkdtempSync(join(tmpdir(), `slc-host-${process.pid}-`));
  readonly environment: NodeJS.ProcessEnv;
  pins!: PinLayout;
  numbers!: ThreeNumbers;
  readonly #forget: () => void;

  private constructor(
    readonly edge: Namespace,
    readonly wire: Namespace,
  ) {
    const bpffs = join(this.directory, 'bpf');
    mkdirSync(bpffs);
    must(['mount', '-t', 'bpf', 'bpf', bpffs]);
    this.#forget = atEnd(() => {
      this.#remove();
    });
    this.environment = {
      ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('SSH_'))),
      SLUICE_STATE_DIR: join(this.directory, 'state'),
      SLUICE_BPFFS: join(bpffs, 'sluice'),
      SLUICE_CONFIG: join(this.directory, 'rules.yaml'),
      SLUICE_LOG: join(this.directory, 'sluice.log'),
      SLUICE_RUN_DIR: join(this.directory, 'run'),
    };
  }

  static async open(scope: string): Promise<EdgeHost> {
    reapStale();
    const host = new EdgeHost(Namespace.create(`${scope}-edge`), Namespace.create(`${scope}-wire`));
    try {
      host.join();
      await host.find();
    } catch (error) {
      host.destroy();
      throw error;
    }
    return host;
  }

  /** (Re-)creates the link between the two. */
  join(): void {
    const [filtered, peer] = [
      { namespace: this.edge, name: HOST.link, mac: HOST.mac, addresses: [`${HOST.ipv4}/24`, `${HOST.ipv6}/64`] },
      {
        namespace: this.wire,
        name: NEIGHBOUR.link,
        mac: NEIGHBOUR.mac,
        addresses: [`${NEIGHBOUR.ipv4}/24`, `${NEIGHBOUR.ipv6}/64`],
      },
    ];
    joinByVeth(filtered, peer);
    if (this.numbers) this.numbers.connect();
    else
      this.numbers = new ThreeNumbers(
        { namespace: this.edge, link: HOST.link },
        { namespace: this.wire, link: NEIGHBOUR.link },
      );
  }

  /** Looks up where the namespace's pins are. */
  async find(): Promise<void> {
    this.pins = new PinLayout(await kernel().netnsCookie(this.edge.path), this.environment.SLUICE_BPFFS);
  }

  /** The context in which `sluice` works here, for what is read often. */
  context(): Context {
    const cookie = this.pins.directory.split('/').at(-1)!;
    const folder = stateFolder(namespaceKey(BigInt(cookie)), this.environment.SLUICE_STATE_DIR);
    return { kernel: kernel(), netns: this.edge.path, pins: this.pins, folder };
  }

  /** Writes a file into the directory and returns its path. */
  write(name: string, text: string): string {
    const path = join(this.directory, name);
    writeFileSync(path, text);
    return path;
  }

  /** Runs `sluice` on the host. */
  async sluice(words: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Finished> {
    const argv = [process.execPath, COMMAND, ...words];
    // Looking changes nothing on the link, and is done most often.
    if (words[0] === 'status') return this.edge.run(argv, { env: { ...this.environment, ...environment } });
    return this.command(argv, environment);
  }

  /** Runs any command on the host that may change what is filtered. */
  async command(argv: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Finished> {
    const name = argv.join(' ').replace(`${process.execPath} ${COMMAND}`, 'sluice');
    this.numbers.mark(`before ${name}`);
    const finished = await this.edge.run(argv, { env: { ...this.environment, ...environment } });
    this.numbers.mark(`after ${name}`);
    return finished;
  }

  /** Starts `sluice` without waiting for its end. */
  startSluice(words: readonly string[]): Background {
    this.numbers.mark(`before sluice ${words.join(' ')}`);
    return this.edge.start([process.execPath, COMMAND, ...words], { env: this.environment });
  }

  /** Runs `sluice` where it must succeed. */
  async must(...words: string[]): Promise<string> {
    const { status, stdout, stderr } = await this.sluice(words);
    if (status !== 0) throw new Error(`sluice ${words.join(' ')} ended with ${status}: ${stderr}${stdout}`);
    return stdout;
  }

  async status(): Promise<Snapshot> {
    return (JSON.parse(await this.must('status', '--json')) as { snapshot: Snapshot }).snapshot;
  }

  /** Names of sections that wait to be confirmed by themselves, sorted. */
  async waiting(): Promise<string[]> {
    return (await this.status()).waiting.map(({ section }) => section).sort();
  }

  /** All changes that are remembered, the oldest first. */
  async revisions(): Promise<Revision[]> {
    return (JSON.parse(await this.must('history', '--json')) as { revisions: Revision[] }).revisions;
  }

  /** What each of them was, and what became of it. */
  async outcomes(): Promise<string[]> {
    return (await this.revisions()).map(({ what, outcome }) => `${what}: ${outcome}`);
  }

  /** Who is banned, as `bans --json` lists them. */
  async bans(): Promise<{ source: string; until: string | null; packets: string; lastHit: string | null }[]> {
    return (JSON.parse(await this.must('bans', '--json')) as { bans: Awaited<ReturnType<EdgeHost['bans']>> }).bans;
  }

  /** Everything pinned for the host, relative to its pin directory, sorted; directories end with `/`. */
  pinned(): string[] {
    if (!existsSync(this.pins.directory)) return [];
    return readdirSync(this.pins.directory, { recursive: true, encoding: 'utf8' })
      .map((path) => (statSync(join(this.pins.directory, path)).isDirectory() ? `${path}/` : path))
      .sort();
  }

  /** Removes all that is pinned, as somebody does by hand; once more where a daemon was just making something in it. */
  removePins(): void {
    const path = this.environment.SLUICE_BPFFS!;
    for (let attempt = 1; existsSync(path); attempt++) {
      try {
        rmSync(path, { recursive: true, force: true });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY' || attempt === 100) throw error;
      }
    }
  }

  /** Names of the generation records in the state folder. */
  records(): string[] {
    const folder = this.context().folder.path;
    if (!existsSync(folder)) return [];
    return readdirSync(folder).filter((name) => /^generation-.*\.json$/.test(name));
  }

  /** Program ids in the slots of a gate's array, null where a slot is empty. */
  slots(hook: 'programs' | 'egress' = 'programs'): (number | null)[] {
    const map = kernel().openPinnedMap(this.pins.state(STATE_PINS[hook]));
    try {
      return Array.from({ length: SLC_LIMITS.PROGRAM_SLOTS }, (_, slot) => {
        const value = map.lookup(slotKey(slot));
        return value ? Buffer.from(value).readUInt32LE() : null;
      });
    } finally {
      map.close();
    }
  }

  /** Ids of all programs that enforce here, and of their maps. */
  objects(): { programs: number[]; maps: number[] } {
    const programs = [...this.slots(), ...this.slots('egress')].filter((id) => id !== null);
    for (const hook of ['xdp', 'egress'] as const) {
      const gate = kernel().openPinnedProgram(this.pins.gate(hook));
      programs.push(gate.info().id);
      gate.close();
    }
    return { programs, maps: programs.flatMap((id) => [...(kernel().programInfo(id)?.mapIds ?? [])]) };
  }

  /** Attaches a program that is not sluice's own to a device of the host. */
  async occupy(name: string): Promise<{ link: BpfLink; programId: number }> {
    const object = openDatapath(kernel(), 'slc_read_clock', { create: { slc_clock: 1 } });
    await object.load();
    const program = object.program('slc_read_clock');
    const options = { ifindex: this.edge.ifindex(name), mode: 'native' as const, netns: this.edge.path };
    const link = await kernel().attachXdp(program, options);
    const programId = program.info().id;
    program.close();
    object.close();
    return { link, programId };
  }

  /** From here on counts are compared; what was counted before is lost, for this reason. */
  async recount(reason: string): Promise<void> {
    this.numbers.recount(reason, judgedOf(await takeSnapshot(this.context())));
  }

  /** Removes everything, and throws where the three numbers do not agree. */
  async close(): Promise<void> {
    let found: readonly string[];
    try {
      found = await this.numbers.compare(async () => judgedOf(await takeSnapshot(this.context())));
    } finally {
      this.destroy();
    }
    if (found.length > 0) throw new Error(`frames sent, the driver and sluice do not agree:\n  ${found.join('\n  ')}`);
  }

  /** Removes everything, without a comparison: for what failed before there was anything to compare. */
  private destroy(): void {
    this.#forget();
    this.edge.destroy();
    this.wire.destroy();
    this.#remove();
  }

  #remove(): void {
    // A mount may lie on another: later ones come off first.
    for (const mount of mountsUnder(`${this.directory}/`).reverse()) must(['umount', '-l', mount]);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** What is pinned when exactly one generation enforces, with that hook for what goes out. */
export function pinsOf(generation: number, ifindexes: readonly number[], hook: 'tcx' | 'clsact' = 'tcx'): string[] {
  const marks = hook === 'tcx' ? ['egress'] : ['clsact', 'qdisc'];
  const gates = ['slc_gate_egress', 'slc_gate_xdp', ...(hook === 'clsact' ? ['slc_gate_clsact', 'slc_pinned'] : [])];
  return [
    'gen/',
    `gen/${generation}/`,
    ...['counters', 'egress', 'image', 'program', ...Object.values(FLOW_PINS)].map(
      (name) => `gen/${generation}/${name}`,
    ),
    'links/',
    ...ifindexes.flatMap((ifindex) => [...marks, 'xdp'].map((name) => `links/${ifindex}-${name}`)),
    'state/',
    ...[...Object.values(STATE_PINS), ...gates].map((name) => `state/${name}`),
  ].sort();
}

/** Waits until none of the objects is in the kernel any more (they go some time after their last user). */
export async function untilGone(objects: { programs: number[]; maps: number[] }): Promise<void> {
  for (const deadline = Date.now() + 60_000; ;) {
    const ids = kernel().objectIds();
    const left = [
      ...objects.programs.filter((id) => ids.programs.includes(id)).map((id) => `program ${id}`),
      ...objects.maps.filter((id) => ids.maps.includes(id)).map((id) => `map ${id}`),
    ];
    if (left.length === 0) return;
    if (Date.now() > deadline) throw new Error(`still in the kernel: ${left.join(', ')}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** A client process that tries TCP ports of a host, all at once: which of them answer. */
export class Prober {
  readonly #process: Background;
  #asked = 0;

  constructor(from: Namespace, host: string = HOST.ipv4) {
    this.#process = from.start([process.execPath, join(__dirname, 'probe-ports.js'), host]);
  }

  async open(...ports: readonly number[]): Promise<number[]> {
    const id = (this.#asked += 1);
    this.#process.write(`${id} ${ports.join(' ')}\n`);
    const [, found] = await this.#process.waitFor(new RegExp(`^${id}:(.*)$`, 'm'));
    return found.split(' ').filter(Boolean).map(Number);
  }

  async stop(): Promise<void> {
    await this.#process.stop('SIGKILL');
  }
}
