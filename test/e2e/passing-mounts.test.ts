/** `ip netns exec` gives a command mounts of its own: what is pinned there ends with it, and so would enforcement. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Namespace } from '../support/netns';
import { must, run } from '../support/process';

const COMMAND = resolve(__dirname, '../../dist/cli/main.js');

jest.setTimeout(60_000);

test('apply under `ip netns exec` is refused, and tells what to do', async () => {
  const namespace = Namespace.create('mounts');
  const directory = mkdtempSync(join(tmpdir(), `slc-mounts-${process.pid}-`));
  try {
    must(['ip', '-n', namespace.name, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'wire']);
    const file = join(directory, 'rules.yaml');
    writeFileSync(file, 'version: 1\ninterfaces: [eth0]\ninbound: { default: deny }\n');
    const environment: NodeJS.ProcessEnv = { ...process.env, SLUICE_STATE_DIR: join(directory, 'state') };
    delete environment.SLUICE_BPFFS;
    const inside = ['ip', 'netns', 'exec', namespace.name, process.execPath, COMMAND, 'apply', file, '--json'];
    const { status, stdout } = await run(inside, { env: environment });
    expect(status).toBe(1);
    const { error } = JSON.parse(stdout) as { error: { code: string; hint: string } };
    expect(error.code).toBe('kernel/mounts');
    expect(error.hint).toContain('--netns');
    expect(must(['ip', '-n', namespace.name, 'link', 'show', 'eth0'])).not.toContain('xdp');
  } finally {
    namespace.destroy();
    rmSync(directory, { recursive: true });
  }
});
