/** A ufw of a test's own: unpacked from its package, with rules and settings below a directory of the test. */
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Namespace } from './netns';
import { must } from './process';
import { toolEnvironment, toolPath, TOOLS } from './test-tools';

/** Runs ufw once for each line of stdin, told where its packages' files are: its own paths are fixed when it is built. */
const PROGRAM = `
import runpy, shlex, sys
import ufw.common
ufw.common.iptables_dir = sys.argv[1]
program, options = sys.argv[2], sys.argv[3:]
for line in sys.stdin.read().splitlines():
    sys.argv = [program, *options, *shlex.split(line)]
    try:
        runpy.run_path(program, run_name='__main__')
    except SystemExit as end:
        if end.code:
            raise
`;

export class Ufw {
  private constructor(
    private readonly namespace: Namespace,
    /** Its root directory, as the package sets it up; nothing of the machine's is touched. */
    readonly root: string,
  ) {}

  static create(namespace: Namespace, directory: string): Ufw {
    const root = join(directory, 'ufw');
    mkdirSync(root);
    for (const part of ['etc', 'lib', 'usr/share/ufw'])
      cpSync(join(TOOLS, part), join(root, part), { recursive: true, verbatimSymlinks: true });
    const templates = join(root, 'usr/share/ufw');
    for (const name of ['before', 'after', 'user'])
      for (const family of ['', '6'])
        cpSync(join(templates, `iptables/${name}${family}.rules`), join(root, `etc/ufw/${name}${family}.rules`));
    for (const name of ['ufw.conf', 'before.init', 'after.init'])
      cpSync(join(templates, name), join(root, 'etc/ufw', name));
    return new Ufw(namespace, root);
  }

  /** Runs commands; a rule is written to its files, and loaded nowhere while it is not enabled. */
  run(...commands: readonly string[]): string {
    const [program, tables] = [toolPath('usr/sbin/ufw'), join(TOOLS, 'usr/sbin')];
    const options = [`--rootdir=${this.root}`, `--datadir=${this.root}`];
    const command = ['python3', '-c', PROGRAM, tables, program, ...options];
    return must(this.namespace.argv(command), { env: toolEnvironment(), input: commands.join('\n') });
  }

  /** The chains by which it knows that its rules are loaded; they are empty. */
  setLoaded(loaded: boolean): void {
    for (const direction of ['input', 'output', 'forward']) {
      for (const [command, chain] of [
        ['iptables', 'ufw-user'],
        ['ip6tables', 'ufw6-user'],
      ])
        must(this.namespace.argv([toolPath(`usr/sbin/${command}`), loaded ? '-N' : '-X', `${chain}-${direction}`]), {
          env: toolEnvironment(),
        });
    }
  }
}
