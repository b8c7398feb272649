/** A context of `operate` in a namespace of the test's, with a bpffs and a state folder of its own. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kernel as openKernel } from '../../src/kernel/native';
import { PinLayout } from '../../src/kernel/pins';
import type { Context } from '../../src/operate/context';
import { namespaceKey } from '../../src/operate/namespace-key';
import { stateFolder } from '../../src/operate/state-files';
import { atEnd } from './netns';
import { must } from './process';

/** Opens the context; `destroy` removes what was pinned and kept. */
export async function testContext(
  netns: string,
): Promise<{ context: Context; directory: string; destroy: () => void }> {
  const kernel = openKernel();
  const directory = mkdtempSync(join(tmpdir(), `slc-context-${process.pid}-`));
  const bpffs = join(directory, 'bpf');
  mkdirSync(bpffs);
  must(['mount', '-t', 'bpf', 'bpf', bpffs]);
  const remove = (): void => {
    must(['umount', '-l', bpffs]);
    rmSync(directory, { recursive: true, force: true });
  };
  const ended = atEnd(remove);
  const destroy = (): void => {
    ended();
    remove();
  };
  const cookie = await kernel.netnsCookie(netns);
  const pins = new PinLayout(cookie, join(bpffs, 'sluice'));
  return {
    context: { kernel, netns, pins, folder: stateFolder(namespaceKey(cookie), join(directory, 'state')) },
    directory,
    destroy,
  };
}
