/**
 * A host whose PID 1 is systemd: in namespaces of its own, with nothing to start but the journal, what stands in for the
 * network, and the units of sluice. What it keeps lies where it lies on a machine (/etc/sluice, /var/lib/sluice,
 * /sys/fs/bpf …), below the test's directory, and outlives a reboot.
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { atEnd } from './netns';
import { EdgeHost, HOST } from './edge-host';
import { type Background, type Finished, must, run } from './process';
import { copyEtc } from './test-tools';

const CHECKOUT = resolve(__dirname, '../..');
const SYSTEMD = '/lib/systemd/systemd';
const MACHINE_UNITS = '/lib/systemd/system';
/** A busy machine may take its time. */
const PATIENCE_MS = 180_000;
const JOURNAL = ['systemd-journald.service', 'systemd-journald.socket'];
/** Of the machine's own units these, and no others, are there. */
const UNITS = [
  ...['sysinit', 'basic', 'multi-user', 'sockets', 'local-fs', 'network-pre', 'shutdown', 'umount', 'final'].map(
    (name) => `${name}.target`,
  ),
  ...JOURNAL,
];
/** What stands in for a network manager: it writes what was attached at the moment when it may begin. */
const NETWORK = `[Unit]
DefaultDependencies=no
After=network-pre.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'ip -json link show dev ${HOST.link} > /run/at-network'
[Install]
WantedBy=multi-user.target
`;
/** Files that only the first network namespace of a machine has, by which sluice knows it; each service has its /proc. */
const FIRST_NAMESPACE = '/proc/sys/net/core';
const AS_FIRST = `[Service]\nBindReadOnlyPaths=/run/first-namespace:${FIRST_NAMESPACE}\n`;

export class SystemdHost {
  #unshare: Background | null = null;
  #pid = 0;
  readonly #cgroup: string;
  readonly #forget: () => void;

  private constructor(readonly edge: EdgeHost) {
    for (const name of ['state', 'log', 'units', 'cgroup']) mkdirSync(this.path(name));
    copyEtc(edge.directory);
    rmSync(this.path('etc/systemd/system'), { recursive: true, force: true });
    for (const name of ['systemd/system', 'sluice']) mkdirSync(this.path('etc', name), { recursive: true });
    for (const name of UNITS) copyFileSync(join(MACHINE_UNITS, name), this.path('units', name));
    writeFileSync(this.path('units/network.service'), NETWORK);
    for (const name of [...JOURNAL, 'network.service']) {
      const wants = this.path('units', `${JOURNAL.includes(name) ? 'sysinit' : 'multi-user'}.target.wants`);
      mkdirSync(wants, { recursive: true });
      symlinkSync(`../${name}`, join(wants, name));
    }
    mkdirSync(this.path('units/service.d'));
    writeFileSync(this.path('units/service.d/first-namespace.conf'), AS_FIRST);
    // The test reads the state by the namespace's number; inside it is taken for the machine's first.
    symlinkSync('host', edge.context().folder.path);
    must(['mount', '-t', 'cgroup2', 'cgroup2', this.path('cgroup')]);
    this.#cgroup = this.path('cgroup', `slc-${process.pid}`);
    this.#forget = atEnd(() => {
      this.#remove();
    });
  }

  /** A host that has booted once; nothing of sluice is on it. */
  static async open(scope: string): Promise<SystemdHost> {
    if (!existsSync(SYSTEMD)) throw new Error(`there is no "${SYSTEMD}": install Debian's package systemd`);
    const edge = await EdgeHost.open(scope);
    try {
      return await new SystemdHost(edge).boot();
    } catch (error) {
      await edge.close();
      throw error;
    }
  }

  path(...names: readonly string[]): string {
    return join(this.edge.directory, ...names);
  }

  /** Starts systemd, and waits until it has started everything. */
  async boot(): Promise<this> {
    mkdirSync(this.#cgroup, { recursive: true });
    this.edge.numbers.mark('before the boot');
    const script = `
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount --bind ${this.path('bpf')} /sys/fs/bpf
mount --bind ${this.path('etc')} /etc
mount --bind ${this.path('log')} /var/log
mount -t tmpfs tmpfs /var/lib; mkdir /var/lib/sluice; mount --bind ${this.path('state')} /var/lib/sluice
mount -t tmpfs tmpfs /opt; mkdir /opt/sluice; mount --bind ${CHECKOUT} /opt/sluice
mount -t tmpfs tmpfs /run; mkdir /run/lock /run/units; mount --bind ${this.path('units')} /run/units
mkdir /run/first-namespace; echo 300 > /run/first-namespace/netdev_budget; mount --bind /run/first-namespace ${FIRST_NAMESPACE}
# Units with a /tmp of their own have it made in there, and would leave it behind.
mount -t tmpfs tmpfs /tmp; mount -t tmpfs tmpfs /var/tmp
exec env -i PATH="$PATH" container=test SYSTEMD_UNIT_PATH=/etc/systemd/system:/run/units \\
  ${SYSTEMD} --system --unit=multi-user.target --show-status=no --log-target=journal-or-kmsg`;
    const namespaces = ['--pid', '--fork', '--kill-child', '--mount', '--uts', '--ipc', '--cgroup'];
    this.#unshare = this.edge.edge.start([
      ...['sh', '-ec', `echo $$ > ${this.#cgroup}/cgroup.procs; exec "$@"`, 'sh'],
      ...['unshare', ...namespaces, '--propagation', 'private', '--mount-proc', '--', 'sh', '-ec', script],
    ]);
    for (const deadline = Date.now() + PATIENCE_MS; ;) {
      const children = `/proc/${this.#unshare.pid}/task/${this.#unshare.pid}/children`;
      this.#pid = Number(existsSync(children) ? readFileSync(children, 'latin1') : 0);
      const state = this.#pid > 0 ? (await this.run(['systemctl', 'is-system-running'])).stdout.trim() : '';
      if (state === 'running' || state === 'degraded') break;
      if (Date.now() > deadline || !this.#unshare.running)
        throw new Error(`systemd did not start (${state}): ${this.#unshare.output}`);
      await sleep(100);
    }
    this.edge.numbers.mark('after the boot');
    return this;
  }

  /** What a loss of power leaves: files, and links anew. */
  async goDown(): Promise<void> {
    await this.#end();
    rmSync(this.path('bpf/sluice'), { recursive: true, force: true });
    this.edge.edge.ip(`link del ${HOST.link}`);
    this.edge.join();
    await this.edge.recount('the machine went down');
  }

  /** Runs a command on the host, with nothing in its environment but a path. */
  async run(argv: readonly string[]): Promise<Finished> {
    const into = ['nsenter', `--target=${this.#pid}`, '--mount', '--pid', '--uts', '--ipc', '--cgroup', '--net', '--'];
    return run([...into, 'env', '-i', `PATH=${process.env.PATH}`, ...argv]);
  }

  async must(...argv: readonly string[]): Promise<string> {
    const { status, stdout, stderr } = await this.run(argv);
    if (status === 0) return stdout;
    throw new Error(`${argv.join(' ')} ended with ${status}: ${stderr}${stdout}\n${await this.#newest()}`);
  }

  /** Runs `sluice` where it must succeed. */
  async sluice(...words: readonly string[]): Promise<string> {
    this.edge.numbers.mark(`before sluice ${words.join(' ')}`);
    const said = await this.must(process.execPath, '/opt/sluice/dist/cli/main.js', ...words);
    this.edge.numbers.mark(`after sluice ${words.join(' ')}`);
    return said;
  }

  /** `active`, `inactive`, `failed` …, a word a unit. */
  async states(...units: readonly string[]): Promise<string[]> {
    return (await this.run(['systemctl', 'is-active', ...units])).stdout.trim().split('\n');
  }

  /** What a unit has said since the boot: its lines, or an object a line. */
  journal(unit: string, form: 'cat' | 'json' = 'cat'): Promise<string> {
    return this.must('journalctl', '--no-pager', '-o', form, '-u', unit);
  }

  /** Waits until it is so. */
  async until(holds: () => Promise<boolean>): Promise<void> {
    for (const deadline = Date.now() + PATIENCE_MS; !(await holds());) {
      if (Date.now() > deadline)
        throw new Error(`it did not come to that: ${holds.toString()}\n${await this.#newest()}`);
      await sleep(100);
    }
  }

  /** Ends it all; throws where the three numbers do not agree. */
  async close(): Promise<void> {
    await this.#end();
    this.#forget();
    this.#remove();
    await this.edge.close();
  }

  /** The newest lines of the journal, for messages. */
  async #newest(): Promise<string> {
    return (await this.run(['journalctl', '--no-pager', '-n', '30'])).stdout;
  }

  async #end(): Promise<void> {
    await this.#unshare?.stop('SIGKILL');
    this.#unshare = null;
    // The namespace's processes are gone when its cgroups can be removed.
    for (const deadline = Date.now() + 30_000; !this.#removeGroups(this.#cgroup) && Date.now() < deadline;)
      await sleep(100);
  }

  #removeGroups(group: string): boolean {
    if (!existsSync(group)) return true;
    for (const entry of readdirSync(group, { withFileTypes: true }))
      if (entry.isDirectory() && !this.#removeGroups(join(group, entry.name))) return false;
    return must(['sh', '-c', `rmdir '${group}' 2> /dev/null && echo gone || true`]) !== '';
  }

  #remove(): void {
    if (!existsSync(this.path('cgroup'))) return;
    this.#removeGroups(this.#cgroup);
    must(['umount', this.path('cgroup')]);
  }
}
