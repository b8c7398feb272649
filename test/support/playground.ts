/**
 * The walk-through network with servers on `edge` and everything that sluice writes kept in a private directory:
 * ruleset, state and pins (its own bpffs). For walk-throughs, and for people (`scripts/playground.sh`).
 */
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, existsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { BpfLink } from '../../src/kernel/kernel';
import { acceptAnswers } from './accept-answers';
import { EDGE_SERVICES, SEND_FRAMES, serve } from './clients';
import { mountsUnder } from './netns';
import { must } from './process';
import { edgeTopology, type EdgeTopology, type HostName, WIRE_LINK } from './topology';

const COMMAND = resolve(__dirname, '../../dist/cli/main.js');
const PREFIX = 'slc-playground-';
/** What servers behind edge serve. */
const INNER_SERVICES = ['hold:22', 'http:80'];

export interface Playground {
  readonly network: EdgeTopology;
  /** The working directory; `rules.yaml` there is the ruleset that sluice manages. */
  readonly directory: string;
  /** Environment in which `sluice`, the hosts' names and `send-frames` are commands. */
  readonly environment: NodeJS.ProcessEnv;
  /** Removes everything; a second call does nothing. */
  destroy(): void;
}

/** Opens a playground; what dead processes left of theirs is removed first. */
export async function openPlayground(scope = 'play', options: { readonly inner?: boolean } = {}): Promise<Playground> {
  reapStaleDirectories();
  const network = edgeTopology(scope, options);
  const directory = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`));
  const accepting: BpfLink[] = [];
  const destroy = (): void => {
    for (const link of accepting.splice(0)) link.close();
    network.destroy();
    removeDirectory(directory);
  };
  try {
    const bpffs = join(directory, '.bpf');
    const bin = join(directory, '.bin');
    [bpffs, bin].forEach((path) => mkdirSync(path));
    must(['mount', '-t', 'bpf', 'bpf', bpffs]);
    writeCommands(bin, network);
    accepting.push(await acceptAnswers(network.wire, WIRE_LINK));
    await serve(network.edge, EDGE_SERVICES);
    for (const namespace of Object.values(network.inner ?? {})) await serve(namespace, INNER_SERVICES);
    const environment = {
      ...withoutCaller(process.env),
      PATH: `${bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
      HOME: directory,
      LC_ALL: 'C.UTF-8',
      TZ: 'UTC',
      SLUICE_CONFIG: join(directory, 'rules.yaml'),
      SLUICE_STATE_DIR: join(directory, '.state'),
      SLUICE_BPFFS: join(bpffs, 'sluice'),
      SLUICE_LOG: join(directory, 'sluice.log'),
      SLUICE_RUN_DIR: join(directory, '.run'),
    };
    return { network, directory, environment, destroy };
  } catch (error) {
    destroy();
    throw error;
  }
}

/** Whoever runs this through SSH or sudo is no caller inside the playground: lock-out check and history would find him. */
function withoutCaller(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !/^(SSH|SUDO)_/.test(name)));
}

/** Small scripts: `sluice`, `send-frames`, and each host's name, which runs a command there (`office curl …`). */
function writeCommands(bin: string, network: EdgeTopology): void {
  const scripts: Record<string, string> = {
    sluice: `exec '${process.execPath}' '${COMMAND}' "$@"`,
    'send-frames': `exec python3 '${SEND_FRAMES}' "$@"`,
  };
  for (const host of ['edge', 'wire', 'office', 'home', 'phone'] satisfies HostName[]) {
    scripts[host] = `exec nsenter --net='${network[host].path}' -- "\${@:-bash}"`;
  }
  for (const [name, body] of Object.entries(scripts)) {
    writeFileSync(join(bin, name), `#!/bin/bash\n${body}\n`);
    chmodSync(join(bin, name), 0o755);
  }
}

function reapStaleDirectories(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = name.startsWith(PREFIX) ? name.slice(PREFIX.length).split('-')[0] : null;
    if (pid !== null && !existsSync(`/proc/${pid}`)) removeDirectory(join(tmpdir(), name));
  }
}

function removeDirectory(directory: string): void {
  // A mount may lie on another: later ones come off first.
  for (const mount of mountsUnder(`${directory}/`).reverse()) must(['umount', mount]);
  rmSync(directory, { recursive: true, force: true });
}
