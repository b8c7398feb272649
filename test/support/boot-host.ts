/** A host that goes down and boots, by the command lines of the units. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serve, tcpConnect } from './clients';
import { EdgeHost, HOST } from './edge-host';
import type { Finished } from './process';
import { unitWords } from './unit-words';

/** Ports of servers on the host: of a row for the neighbour, of none, of the SSH row, and the usual one of SSH. */
export const PORTS = { open: 14141, other: 14142, ssh: 2222, usual: 22 } as const;

/** A ruleset with a set from a file; `extra` are lines outside sections. */
export function bootRules(extra = '', port: number = PORTS.open): string {
  return `version: 1
interfaces: [${HOST.link}]
sets: { friends: { file: friends.txt } }
${extra}
inbound:
  default: deny
  ssh: { port: ${PORTS.ssh}, from: rules }
  rules:
    - { id: counted, action: deny, port: 7777/udp }
    - { id: web, action: allow, from: friends, port: ${port}/tcp }
`;
}

export class BootHost {
  private constructor(
    readonly edge: EdgeHost,
    /** ExecStart= of the units. */
    readonly boot: readonly string[],
    readonly daemon: readonly string[],
  ) {}

  static async open(scope: string): Promise<BootHost> {
    const edge = await EdgeHost.open(scope);
    edge.write('friends.txt', '192.0.2.0/24\n');
    edge.write('rules.yaml', bootRules());
    const { units } = JSON.parse(await edge.must('install', '--print', '--json')) as { units: Record<string, string> };
    await serve(
      edge.edge,
      Object.values(PORTS).map((port) => `tcp:${port}`),
    );
    return new BootHost(edge, unitWords(units['sluice.service']), unitWords(units['sluice-daemon.service']));
  }

  /** What a reboot leaves: nothing in the kernel, links anew, files. */
  async goDown(options: { withLink?: boolean } = {}): Promise<void> {
    this.edge.removePins();
    this.edge.edge.ip(`link del ${HOST.link}`);
    if (options.withLink ?? true) this.edge.join();
    await this.edge.recount('the machine went down');
  }

  /** Runs what the boot unit runs. */
  up(environment: NodeJS.ProcessEnv = {}, ...more: readonly string[]): Promise<Finished> {
    return this.edge.command([...this.boot, ...more], environment);
  }

  /** Path in the state folder. */
  state(name = ''): string {
    return join(this.edge.context().folder.path, name);
  }

  /** Damages so many saved rulesets, the newest first. */
  damage(count: number): void {
    const saved = readdirSync(this.state())
      .filter((name) => /^saved-\d+\.json$/.test(name))
      .sort()
      .reverse();
    if (saved.length < count) throw new Error(`only ${saved.length} rulesets are saved`);
    // Replaced, not written into: the file has another name, under which it must stay whole.
    for (const name of saved.slice(0, count)) {
      const text = readFileSync(this.state(name), 'utf8');
      rmSync(this.state(name));
      writeFileSync(this.state(name), text.slice(0, text.length / 2));
    }
  }

  /** What became of connections from the neighbour. */
  connect(...ports: readonly number[]): Promise<string[]> {
    return Promise.all(ports.map((port) => tcpConnect(this.edge.wire, HOST.ipv4, port)));
  }
}
