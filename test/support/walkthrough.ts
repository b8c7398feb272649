/** Runs a walk-through in a playground, one shell a host, and compares what it prints with what the text says. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { writePcap } from '../../src/observe/pcap';
import { frameFromHex } from './packet';
import type { Snapshot } from '../../src/observe/snapshot';
import { openPlayground, type Playground } from './playground';
import type { Background } from './process';
import { type Ours, ThreeNumbers } from './three-numbers';
import type { Namespace } from './netns';
import { EDGE, INNER, type InnerName, WIRE_LINK } from './topology';
import type { Host } from './walkthrough-text';
import {
  type Bindings,
  type FileBlock,
  matchOutput,
  parseWalkthrough,
  renderDifference,
  rewriteSteps,
  type Step,
  updatedLines,
} from './walkthrough-text';

const STEP_TIMEOUT_MS = 420_000;
/** Commands that take away what was counted, as they should. */
const LOSES_COUNTS = /^sluice uninstall/;
/** What a shell that is not interactive says when a command was killed; an interactive one says `Killed`. */
const KILLED = /^\S+: line \d+: +\d+ (Killed|Terminated) .*$/;

/**
 * Executes a walk-through file. Throws an Error with a readable difference for every step that printed something
 * else; with `update` the expected lines are rewritten instead.
 */
export async function runWalkthrough(file: string, options: { update: boolean }): Promise<void> {
  const text = readFileSync(file, 'utf8');
  const parts = parseWalkthrough(text);
  // Servers behind NAT are there where one of them is spoken of by its inner address.
  const inner = Object.values(INNER).some((network) => text.includes(`${network}.2`));
  const playground = await openPlayground(basename(file, '.md').slice(0, 20), { inner });
  const edge = new HostShell(playground, 'edge');
  const shells = new Map<Host, HostShell>([['edge', edge]]);
  const bindings: Bindings = new Map();
  const failures: string[] = [];
  const rewritten: { step: Step; lines: string[] }[] = [];
  try {
    const { network } = playground;
    const numbers = new ThreeNumbers(
      { namespace: network.edge, link: EDGE.link },
      { namespace: network.wire, link: WIRE_LINK },
    );
    for (const part of parts) {
      if (part.kind === 'file') {
        writeBlock(playground.directory, part);
        continue;
      }
      const shell = shells.get(part.host) ?? new HostShell(playground, part.host);
      shells.set(part.host, shell);
      numbers.mark(`line ${part.line}, before ${part.command}`);
      const actual = await shell.execute(part.command);
      numbers.mark(`line ${part.line}, after ${part.command}`);
      if (LOSES_COUNTS.test(part.command)) numbers.recount(part.command, await countedBySluice(edge));
      if (matchOutput(part.expected, actual, bindings)) continue;
      rewritten.push({ step: part, lines: updatedLines(part.expected, actual, bindings) });
      const difference = renderDifference(part.expected, actual, bindings);
      failures.push(`${file}:${part.line}  ${part.host}$ ${part.command}\n${difference}`);
    }
    // Also where nothing was ever filtered: then all three are 0.
    failures.push(...(await numbers.compare(() => countedBySluice(edge))));
  } finally {
    for (const shell of shells.values()) await shell.close();
    playground.destroy();
  }
  if (options.update) writeFileSync(file, rewriteSteps(text, rewritten));
  else if (failures.length > 0) {
    const legend = '(- expected, + found; SLUICE_UPDATE_WALKTHROUGHS=1 rewrites the expected lines)';
    throw new Error(`${failures.length} steps print something else ${legend}\n\n${failures.join('\n\n')}`);
  }
}

/** What sluice counted since the beginning, also while it is disabled. */
async function countedBySluice(edge: HostShell): Promise<Ours> {
  const printed = (await edge.execute('sluice status --json')).join('\n');
  return (JSON.parse(printed) as { snapshot: Snapshot }).snapshot.packets;
}

function writeBlock(directory: string, { language, title, text }: FileBlock): void {
  const path = join(directory, title);
  mkdirSync(dirname(path), { recursive: true });
  if (language !== 'frames') {
    writeFileSync(path, text);
    return;
  }
  const lines = text.split('\n').map((line) => line.replace(/#.*/, '').trim());
  writeFileSync(path, writePcap(lines.filter((line) => line !== '').map((line) => ({ bytes: frameFromHex(line) }))));
}

function namespaceOf({ network }: Playground, host: Host): Namespace {
  const found = host in INNER ? network.inner?.[host as InnerName] : network[host as Exclude<Host, InnerName>];
  if (!found) throw new Error(`there is no host ${host} in this walk-through`);
  return found;
}

/** A shell that stays for all commands of one host, so that variables and background jobs live on. */
class HostShell {
  readonly #shell: Background;
  readonly #playground: Playground;
  readonly #script: string;
  #count = 0;

  constructor(playground: Playground, host: Host) {
    this.#playground = playground;
    this.#script = join(playground.directory, '.bin', `.${host}-step`);
    const environment = { ...playground.environment, NO_COLOR: '1', TERM: 'dumb', COLUMNS: '120' };
    this.#shell = namespaceOf(playground, host).start(['bash', '--noprofile', '--norc'], {
      cwd: playground.directory,
      env: environment,
    });
    this.#shell.write('exec 2>&1\n');
  }

  /** Runs one command to its end and returns what it printed, with `[exit N]` at the end where N is not 0. */
  async execute(command: string): Promise<string[]> {
    writeFileSync(this.#script, `${command}\n`);
    const mark = `end-of-step-${(this.#count += 1)}`;
    const begin = this.#shell.output.length;
    this.#shell.write(`{ . '${this.#script}'; } </dev/null; printf '\\n%s %s.\\n' '${mark}' "$?"\n`);
    const [end, status] = await this.#shell.waitFor(new RegExp(`^${mark} (\\d+)\\.\\n`, 'm'), STEP_TIMEOUT_MS);
    const printed = this.#shell.output.slice(begin, this.#shell.output.lastIndexOf(end));
    const lines = this.#asReadersSeeIt(printed)
      .split('\n')
      .map((line) => line.trimEnd());
    while (lines.length > 0 && lines.at(-1) === '') lines.pop();
    return status === '0' ? lines : [...lines, `[exit ${status}]`];
  }

  /** Names that belong to this run only are replaced: the working directory, the namespaces, shell messages. */
  #asReadersSeeIt(printed: string): string {
    const { directory, network } = this.#playground;
    let text = printed.replaceAll(directory, '~');
    for (const host of ['edge', 'wire', 'office', 'home', 'phone'] as const) {
      text = text.replaceAll(network[host].name, host);
    }
    return text
      .split('\n')
      .map((line) => line.replace(KILLED, '$1'))
      .join('\n');
  }

  async close(): Promise<void> {
    await this.#shell.stop('SIGKILL');
  }
}
