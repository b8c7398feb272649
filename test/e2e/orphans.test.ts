/** What namespaces that are gone leave behind goes with the next command; what another one uses, or may use, stays. */
import { chmodSync, existsSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { livingNamespaces } from '../../src/kernel/namespaces';
import { kernel } from '../../src/kernel/native';
import { PinLayout } from '../../src/kernel/pins';
import { bootId, namespaceKey } from '../../src/operate/namespace-key';
import { EdgeHost } from '../support/edge-host';
import { Namespace } from '../support/netns';
import { must } from '../support/process';

const RULES =
  'version: 1\ninterfaces: [eth0]\ninbound: { default: deny, rules: [{ id: web, action: allow, port: 80/tcp }] }\n';

let host: EdgeHost;
const others: Namespace[] = [];

beforeEach(async () => {
  host = await EdgeHost.open('orphans');
  host.write('rules.yaml', RULES);
  await host.must('apply');
});

afterEach(async () => {
  others.splice(0).forEach((namespace) => namespace.destroy());
  await host.close();
});

/** A namespace of its own that is filtered by the same sluice: its pins and its state folder. */
async function other(name: string): Promise<{ namespace: Namespace; pins: PinLayout; state: string }> {
  const namespace = Namespace.create(`orphans-${name}`);
  others.push(namespace);
  must(['ip', '-n', namespace.name, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth1']);
  await host.must('--netns', namespace.path, 'apply');
  const cookie = await kernel().netnsCookie(namespace.path);
  const state = join(host.environment.SLUICE_STATE_DIR!, namespaceKey(cookie));
  expect(existsSync(state)).toBe(true);
  return { namespace, pins: new PinLayout(cookie, host.environment.SLUICE_BPFFS), state };
}

/** The kernel takes a namespace down some time after its last user. */
async function untilUnfiltered(pins: PinLayout): Promise<void> {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline;) {
    const devices = pins.links().map(({ path }) => {
      const link = kernel().openPinnedLink(path);
      try {
        return link.info().ifindex;
      } finally {
        link.close();
      }
    });
    if (devices.every((ifindex) => ifindex === 0)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('the namespace is still filtered');
}

test('pins and state of a namespace that was deleted go; those of living ones stay', async () => {
  const [dead, living, bare] = [await other('dead'), await other('living'), await other('bare')];
  // One whose NIC was taken away lives, and may get another.
  must(['ip', '-n', bare.namespace.name, 'link', 'delete', 'eth0']);
  await untilUnfiltered(bare.pins);
  dead.namespace.destroy();
  await untilUnfiltered(dead.pins);
  expect([dead.pins.exists(), existsSync(dead.state)]).toEqual([true, true]);
  await host.must('status');
  expect(dead.pins.exists()).toBe(true);
  expect(await host.must('apply')).toMatch(/^no changes/);
  expect([dead.pins.exists(), existsSync(dead.state)]).toEqual([false, false]);
  for (const { pins, state } of [living, bare]) expect([pins.exists(), existsSync(state)]).toEqual([true, true]);
  await host.must('--netns', bare.namespace.path, 'uninstall', '--yes');
  await host.must('--netns', living.namespace.path, 'uninstall', '--yes');
  expect((await host.status()).active).toBe(true);
});

test('who lives can be told while namespaces come and go', async () => {
  const churn = host.edge.start([
    'sh',
    '-c',
    'echo begun; for i in $(seq 500); do for j in 1 2 3 4 5 6; do unshare -n sleep 0.01 & done; wait; done',
  ]);
  await churn.waitFor(/begun/);
  const own = await kernel().netnsCookie(host.edge.path);
  for (let i = 0; i < 80; i++) expect((await livingNamespaces(kernel()))?.has(own)).toBe(true);
  await churn.stop();
});

test('what another process is changing is left alone, and a namespace that only a descriptor holds lives', async () => {
  const { namespace, pins, state } = await other('held');
  const holder = host.edge.start(['sh', '-c', `exec 9< ${namespace.path}; echo held; exec sleep 600`]);
  await holder.waitFor(/held/);
  must(['ip', '-n', namespace.name, 'link', 'delete', 'eth0']);
  namespace.destroy();
  await untilUnfiltered(pins);
  await host.must('apply');
  expect([pins.exists(), existsSync(state)]).toEqual([true, true]);
  await holder.stop();
  const locks = [kernel().tryLock(pins.directory)!, kernel().tryLock(join(state, 'lock'))!];
  await host.must('apply');
  expect([pins.exists(), existsSync(state)]).toEqual([true, true]);
  locks.forEach((lock) => lock.close());
  await host.must('disable', '--yes');
  expect([pins.exists(), existsSync(state)]).toEqual([false, false]);
});

test('the state of an earlier boot belongs to nobody: bans and counts do not come back from it', async () => {
  await host.must('ban', '203.0.113.7');
  await host.must('disable', '--yes');
  const folder = host.context().folder.path;
  const cookie = BigInt(basename(folder).split('-')[0]);
  expect(basename(folder)).toBe(namespaceKey(cookie, bootId()));
  const earlier = join(dirname(folder), namespaceKey(cookie, '00000000-1111-2222-3333-444444444444'));
  renameSync(folder, earlier);
  await host.recount('as after a reboot');
  await host.must('apply', join(host.directory, 'rules.yaml'));
  expect(await host.status()).toMatchObject({ bans: { hosts: 0, prefixes: 0 }, generation: 1 });
  expect(existsSync(earlier)).toBe(false);
});

test('a state folder that others can change is not believed', async () => {
  const folder = host.context().folder.path;
  const expectRefused = async (why: RegExp): Promise<void> => {
    for (const words of [['status'], ['apply'], ['allow', '22/tcp']]) {
      const { status, stderr } = await host.sluice(words);
      expect({ words, status, stderr }).toEqual({ words, status: 1, stderr: expect.stringMatching(why) as string });
    }
  };
  chmodSync(folder, 0o777);
  await expectRefused(/others could change what sluice keeps in ".*": owner 0, mode 777/);
  chmodSync(folder, 0o700);
  must(['chown', '1000', folder]);
  await expectRefused(/owner 1000/);
  must(['chown', '0', folder]);
  const elsewhere = join(host.directory, 'elsewhere');
  mkdirSync(elsewhere);
  writeFileSync(join(elsewhere, 'kept'), '');
  renameSync(folder, `${folder}.aside`);
  symlinkSync(elsewhere, folder);
  await expectRefused(/a symbolic link/);
  rmSync(folder);
  renameSync(`${folder}.aside`, folder);
  expect(existsSync(join(elsewhere, 'lock'))).toBe(false);
  expect((await host.status()).active).toBe(true);
});
