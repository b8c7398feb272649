/** A reader that goes away must not end a command in the middle of a change. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Snapshot } from '../../src/observe/snapshot';
import { Namespace } from '../support/netns';
import { must, run } from '../support/process';

const COMMAND = resolve(__dirname, '../../dist/cli/main.js');

test('a verb whose output nobody reads is enforced all the same', async () => {
  const namespace = Namespace.create('closed');
  const directory = mkdtempSync(join(tmpdir(), `slc-closed-${process.pid}-`));
  const bpffs = join(directory, 'bpf');
  mkdirSync(bpffs);
  must(['mount', '-t', 'bpf', 'bpf', bpffs]);
  const sluice = `'${process.execPath}' '${COMMAND}' --netns '${namespace.path}'`;
  const shell = (command: string): ReturnType<typeof run> =>
    run(['bash', '-c', command], {
      env: {
        ...process.env,
        SLUICE_BPFFS: join(bpffs, 'sluice'),
        SLUICE_STATE_DIR: join(directory, 'state'),
        SLUICE_CONFIG: join(directory, 'rules.yaml'),
      },
    });
  try {
    must(['ip', '-n', namespace.name, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'wire']);
    writeFileSync(join(directory, 'rules.yaml'), 'version: 1\ninterfaces: [eth0]\ninbound: { default: deny }\n');
    expect(await shell(`${sluice} enable`)).toMatchObject({ status: 0 });
    expect(await shell(`${sluice} allow 8000/tcp | true; exit \${PIPESTATUS[0]}`)).toMatchObject({ status: 0 });
    const { snapshot } = JSON.parse((await shell(`${sluice} status --json`)).stdout) as { snapshot: Snapshot };
    expect(snapshot.sections[0].rows.map((row) => row.to)).toContain('8000/tcp');
    expect(await shell(`${sluice} disable --yes`)).toMatchObject({ status: 0 });
  } finally {
    namespace.destroy();
    must(['umount', '-l', bpffs]);
    rmSync(directory, { recursive: true });
  }
});
