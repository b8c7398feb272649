/** Links: attaching in a namespace, pins that outlive the process, handles that are collected. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Interface, listInterfaces } from '../../src/kernel/interfaces';
import type { BpfObject } from '../../src/kernel/kernel';
import { kernel } from '../../src/kernel/native';
import { joinByVeth, Namespace } from '../support/netns';
import { collectUntil, frameOf, loadProbe, outcome, privateBpffs, probeBytes, until } from './support';

const ADDON = resolve(__dirname, '../../build/Release/sluice.node');

let edge: Namespace;
let peer: Namespace;
let bpffs: ReturnType<typeof privateBpffs>;
let object: BpfObject;
beforeAll(async () => {
  edge = Namespace.create('links');
  peer = Namespace.create('peer');
  joinByVeth(
    { namespace: edge, name: 'eth0', mac: '02:00:00:00:01:01', addresses: ['192.0.2.1/24'] },
    { namespace: peer, name: 'eth0', mac: '02:00:00:00:01:02', addresses: ['192.0.2.2/24'] },
  );
  bpffs = privateBpffs();
  object = await loadProbe(['probe_observe', 'probe_reflect']);
});
afterAll(() => {
  object.close();
  bpffs.remove();
  edge.destroy();
  peer.destroy();
});

async function interfaceOf(namespace: Namespace): Promise<Interface> {
  const found = await listInterfaces(kernel(), namespace.path);
  return found.find((candidate) => candidate.name === 'eth0')!;
}

/** Waits until nothing is attached: the kernel lets go of a link a moment after its last holder did. */
async function detached(): Promise<void> {
  for (let i = 0; i < 3000 && (await interfaceOf(edge)).xdp !== null; i++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  expect((await interfaceOf(edge)).xdp).toBeNull();
}

test.each(['native', 'generic'] as const)('attached in %s mode, the interface says so', async (mode) => {
  const program = object.program('probe_observe');
  const before = await interfaceOf(edge);
  expect(before).toMatchObject({ kind: 'veth', mac: '02:00:00:00:01:01', up: true, loopback: false, xdp: null });
  const link = await kernel().attachXdp(program, { ifindex: before.index, mode, netns: edge.path });
  expect((await interfaceOf(edge)).xdp).toEqual({ mode, programId: program.info().id });
  expect(link.info()).toMatchObject({ programId: program.info().id, ifindex: before.index });

  const other = object.program('probe_reflect');
  link.update(other);
  expect((await interfaceOf(edge)).xdp).toEqual({ mode, programId: other.info().id });
  expect(await outcome(() => kernel().attachXdp(program, { ifindex: before.index, mode, netns: edge.path }))).toBe(
    'EBUSY',
  );
  link.detach();
  expect((await interfaceOf(edge)).xdp).toBeNull();
  expect(link.info().ifindex).toBe(0);
  [link, program, other].forEach((handle) => handle.close());
});

test('an interface, a namespace or a mode that is not there is named', async () => {
  const program = object.program('probe_observe');
  const attach = (options: { ifindex: number; netns?: string }): Promise<string> =>
    outcome(() => kernel().attachXdp(program, { mode: 'native', ...options }));
  expect(await attach({ ifindex: 999_999, netns: edge.path })).toBe('ENODEV');
  expect(await attach({ ifindex: 1, netns: '/run/netns/slc-nobody' })).toBe('ENOENT');
  expect(await attach({ ifindex: 1, netns: '/proc/self/status' })).toBe('EINVAL');
  expect(await attach({ ifindex: 1, netns: edge.path })).toBe('EOPNOTSUPP'); // loopback has no native XDP
  expect(await attach({ ifindex: 0, netns: edge.path })).toBe('RangeError');
  program.close();
});

test('closing the handle of a pinned link detaches nothing; the pin gives it back', async () => {
  const path = join(bpffs.path, 'kept');
  const program = object.program('probe_observe');
  const { index } = await interfaceOf(edge);
  const link = await kernel().attachXdp(program, { ifindex: index, mode: 'native', netns: edge.path });
  link.pin(path);
  link.close();
  expect((await interfaceOf(edge)).xdp).not.toBeNull();
  const again = kernel().openPinnedLink(path);
  expect(again.info().ifindex).toBe(index);
  again.close();
  rmSync(path);
  await detached();
  program.close();
});

test('collecting the handle of a pinned link detaches nothing, of an unpinned one it does', async () => {
  const program = object.program('probe_observe');
  const { index } = await interfaceOf(edge);
  const path = join(bpffs.path, 'collected');
  const attach = async (pin: boolean): Promise<WeakRef<object>> => {
    const link = await kernel().attachXdp(program, { ifindex: index, mode: 'native', netns: edge.path });
    if (pin) link.pin(path);
    return new WeakRef(link);
  };
  const pinned = await attach(true);
  await collectUntil(() => pinned.deref() === undefined);
  expect((await interfaceOf(edge)).xdp).not.toBeNull();
  rmSync(path);
  await detached();

  const unpinned = await attach(false);
  await collectUntil(() => unpinned.deref() === undefined);
  await detached();
  program.close();
});

test.each([
  ['pinned: it stays', true],
  ['not pinned: the kernel detaches it', false],
])('kill -9 of the process that holds a link, %s', async (_, pin) => {
  const path = join(bpffs.path, 'killed');
  const { index } = await interfaceOf(edge);
  const objectFile = join(bpffs.path, '..', `slc-${process.pid}-probe.o`);
  writeFileSync(objectFile, probeBytes());
  const script = join(__dirname, 'fixtures/hold-link.js');
  const child = spawn(process.execPath, [script, ADDON, objectFile, String(index), edge.path, ...(pin ? [path] : [])], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  expect((await interfaceOf(edge)).xdp?.mode).toBe('generic');
  child.kill('SIGKILL');
  await once(child, 'exit');
  if (pin) {
    expect((await interfaceOf(edge)).xdp?.mode).toBe('generic');
    const link = kernel().openPinnedLink(path);
    link.detach();
    link.close();
    rmSync(path);
  }
  rmSync(objectFile);
  await detached();
});

test('the device of a pinned link goes: the link tells', async () => {
  const path = join(bpffs.path, 'orphan');
  edge.ip('link add gone type veth peer name gone1');
  const program = object.program('probe_observe');
  const link = await kernel().attachXdp(program, { ifindex: edge.ifindex('gone'), mode: 'native', netns: edge.path });
  link.pin(path);
  edge.ip('link del gone');
  expect(link.info().ifindex).toBe(0);
  expect(await outcome(() => link.update(program))).toBe('ENOLINK');
  [link, program].forEach((handle) => handle.close());
  rmSync(path);
});

test('live frames arrive at the other end, exactly as many', async () => {
  // XDP_TX on a veth end goes to its peer, which must have a program of its own.
  const observe = object.program('probe_observe');
  const reflect = object.program('probe_reflect');
  const [edgeEnd, peerEnd] = [await interfaceOf(edge), await interfaceOf(peer)];
  const links = [
    await kernel().attachXdp(observe, { ifindex: edgeEnd.index, mode: 'native', netns: edge.path }),
    await kernel().attachXdp(observe, { ifindex: peerEnd.index, mode: 'native', netns: peer.path }),
  ];
  const results = object.map('results').mmap({ writable: true });
  const runs = (): number => Buffer.from(results.read(12, 4)).readUInt32LE(0);
  await results.write(0, new Uint8Array(16));
  // As many at a time as surely have room in the driver's ring, and the next when these are through.
  const batch = { frame: frameOf(60), count: 100, batch: 64, ingressIfindex: peerEnd.index, netns: peer.path };
  for (let sent = 100; sent <= 5000; sent += 100) {
    expect(await reflect.injectLive(batch)).toBe(100);
    await until(() => runs() >= sent);
    expect(runs()).toBe(sent);
  }
  [...links, results, observe, reflect].forEach((handle) => handle.close());
});
