/** The demo's network: an edge with one NIC, a router, three people behind it. Namespaces of its own, gone at the end. */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { SluiceError } from '../../kernel/errors';
import { ip, isInstalled, namespacePath, removeNamespace, removeNamespacesOfTheDead } from '../../operate/throwaway';

export interface Person {
  readonly name: string;
  readonly ipv4: string;
  readonly ipv6: string;
}

export const PEOPLE: readonly Person[] = [
  { name: 'office', ipv4: '203.0.113.50', ipv6: '2001:db8:7::50' },
  { name: 'home', ipv4: '78.168.1.2', ipv6: '2001:db8:9::2' },
  { name: 'phone', ipv4: '198.51.100.9', ipv6: '2001:db8:8::9' },
];

export const EDGE = { ipv4: '192.0.2.10', ipv6: '2001:db8:1::10' };

const run = promisify(execFile);

const PREFIX = 'sluice-demo-';
const TOOLS = ['ip', 'nsenter', 'nc', 'curl', 'ping'];

export class Stage {
  private readonly children: ChildProcess[] = [];

  private constructor(private readonly pid: number) {}

  /** Builds the network; what an earlier demo that was killed left is removed first. */
  static build(): Stage {
    const missing = TOOLS.filter((tool) => !isInstalled(tool));
    if (missing.length > 0) {
      throw new SluiceError('demo/tools', `the demo needs ${missing.join(', ')}`, {
        hint: 'apt-get install iproute2 util-linux netcat-openbsd curl iputils-ping',
      });
    }
    removeNamespacesOfTheDead(PREFIX);
    const stage = new Stage(process.pid);
    try {
      stage.connect();
    } catch (error) {
      stage.clear();
      throw error;
    }
    return stage;
  }

  /** Path of a namespace: `edge`, or a person. */
  path(name: string): string {
    return namespacePath(this.namespace(name));
  }

  /** Runs an ordinary program where a person sits; its exit status tells whether it worked. */
  async run(name: string, program: readonly string[], timeout = 5000): Promise<{ ok: boolean; output: string }> {
    const [command, args] = this.inside(name, program);
    try {
      const { stdout } = await run(command, args, { timeout });
      return { ok: true, output: stdout };
    } catch {
      return { ok: false, output: '' };
    }
  }

  /** Starts a program that goes on until the stage is cleared. */
  start(name: string, program: readonly string[]): ChildProcess {
    const [command, args] = this.inside(name, program);
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.children.push(child);
    return child;
  }

  /** Ends what was started and removes the namespaces. */
  clear(): void {
    for (const child of this.children) child.kill('SIGKILL');
    for (const name of ['edge', 'wire', ...PEOPLE.map((person) => person.name)]) removeNamespace(this.namespace(name));
  }

  private namespace(name: string): string {
    return `${PREFIX}${this.pid}-${name}`;
  }

  private inside(name: string, program: readonly string[]): [string, string[]] {
    return ['nsenter', [`--net=${this.path(name)}`, ...program]];
  }

  private connect(): void {
    const wire = this.namespace('wire');
    for (const name of ['wire', 'edge', ...PEOPLE.map((person) => person.name)]) {
      ip('netns', 'add', this.namespace(name));
      ip('-n', this.namespace(name), 'link', 'set', 'lo', 'up');
    }
    for (const switchName of ['net/ipv4/ip_forward', 'net/ipv6/conf/all/forwarding']) {
      const [command, args] = this.inside('wire', ['sh', '-c', `echo 1 > /proc/sys/${switchName}`]);
      execFileSync(command, args);
    }
    this.plug('edge', 'eth0', { ipv4: EDGE.ipv4, ipv6: EDGE.ipv6, wire });
    for (const person of PEOPLE) this.plug(person.name, 'eth0', { ...person, wire });
  }

  /** A veth pair between a namespace and the router, with a default route by the router. */
  private plug(name: string, device: string, { ipv4, ipv6, wire }: { ipv4: string; ipv6: string; wire: string }): void {
    const namespace = this.namespace(name);
    const gateway4 = ipv4.replace(/\.\d+$/, '.254');
    const gateway6 = ipv6.replace(/::.*$/, '::fe');
    ip('-n', wire, 'link', 'add', `to-${name}`, 'type', 'veth', 'peer', 'name', device, 'netns', namespace);
    const addresses: [string, string, string, string][] = [
      [namespace, device, ipv4, ipv6],
      [wire, `to-${name}`, gateway4, gateway6],
    ];
    for (const [where, link, v4, v6] of addresses) {
      ip('-n', where, 'address', 'add', `${v4}/24`, 'dev', link);
      ip('-n', where, 'address', 'add', `${v6}/64`, 'dev', link, 'nodad');
      ip('-n', where, 'link', 'set', link, 'up');
    }
    ip('-n', namespace, 'route', 'add', 'default', 'via', gateway4);
    ip('-n', namespace, '-6', 'route', 'add', 'default', 'via', gateway6);
  }
}
