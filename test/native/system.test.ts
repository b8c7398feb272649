/** What the addon tells about the machine and its namespaces. */
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, readlinkSync, renameSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LAYOUT } from '../../src/abi/layout.gen';
import { ensureBpffs } from '../../src/kernel/bpffs';
import { probeFeatures } from '../../src/kernel/features';
import { listInterfaces } from '../../src/kernel/interfaces';
import { kernel } from '../../src/kernel/native';
import { listTcpSockets, listUdpSockets, socketOwners } from '../../src/kernel/sockets';
import { Namespace } from '../support/netns';
import { must } from '../support/process';
import { outcome } from './support';

let namespace: Namespace;
beforeAll(() => (namespace = Namespace.create('system')));
afterAll(() => namespace.destroy());

test('sizes and offsets are those the BPF compiler found', () => {
  const witness = kernel().abiWitness();
  const expected: Record<string, number> = {};
  for (const [name, { size, fields }] of Object.entries(LAYOUT)) {
    expected[name] = size;
    for (const [field, { offset }] of Object.entries(fields)) expected[`${name}.${field}`] = offset as number;
  }
  expect(Object.keys(expected).length).toBeGreaterThan(20);
  expect(witness).toEqual(expected);
});

test('who connected a UNIX socket; of what is no socket nobody', async () => {
  const directory = mkdtempSync(join(tmpdir(), `slc-peer-${process.pid}-`));
  const server = createServer();
  try {
    await new Promise<void>((done) => server.listen(join(directory, 's'), done));
    const script = `require('node:net').connect(${JSON.stringify(join(directory, 's'))}).on('end', () => process.exit()).resume()`;
    // Before anybody comes: who is refused does not come again.
    must(['chmod', '0755', directory]);
    must(['chmod', '0666', join(directory, 's')]);
    const connected = new Promise<Socket>((done) => server.once('connection', done));
    const child = spawn('setpriv', ['--reuid=4242', '--regid=4243', '--clear-groups', process.execPath, '-e', script]);
    const ended = new Promise<null>((done) => child.once('close', () => done(null)));
    const socket = (await Promise.race([connected, ended]))!;
    expect(socket).not.toBeNull();
    const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
    expect(kernel().peerOf(fd)).toEqual({ pid: child.pid, uid: 4242, gid: 4243 });
    socket.end();
    await ended;
  } finally {
    await new Promise<void>((done) => server.close(() => done()));
    rmSync(directory, { recursive: true, force: true });
  }
  const nothing = openSync('/dev/null', 'r');
  expect(() => kernel().peerOf(nothing)).toThrow(/ENOTSOCK/);
  closeSync(nothing);
  expect(() => kernel().peerOf(-1)).toThrow('descriptor is out of range');
});

test('interfaces of a namespace, with addresses and default routes', async () => {
  namespace.ip(
    'link add wan type veth peer name other',
    'link set wan mtu 1400 up',
    'link set other up',
    'addr add 198.51.100.7/24 dev wan',
    'addr add 2001:db8::7/64 dev wan nodad',
    'route add default via 198.51.100.1',
  );
  const found = await listInterfaces(kernel(), namespace.path);
  expect(found.map(({ name, defaultRoute }) => [name, defaultRoute])).toEqual(
    expect.arrayContaining([
      ['lo', false],
      ['wan', true],
      ['other', false],
    ]),
  );
  const wan = found.find(({ name }) => name === 'wan')!;
  expect(wan).toMatchObject({ mtu: 1400, up: true, kind: 'veth', index: namespace.ifindex('wan') });
  expect(wan.addresses.map(({ family, text, length }) => `${family} ${text}/${length}`)).toEqual([
    '4 198.51.100.7/24',
    '6 2001:db8::7/64',
  ]);
  namespace.ip('route del default', 'route add default via 2001:db8::1 dev wan');
  const again = await listInterfaces(kernel(), namespace.path);
  expect(again.filter(({ defaultRoute }) => defaultRoute).map(({ name }) => name)).toEqual(['wan']);
});

test('500 interfaces arrive in one dump', async () => {
  const crowd = Namespace.create('crowd');
  crowd.ip(...Array.from({ length: 250 }, (_, i) => `link add a${i} type veth peer name b${i}`));
  const found = await listInterfaces(kernel(), crowd.path);
  expect(found.filter(({ kind }) => kind === 'veth')).toHaveLength(500);
  crowd.destroy();
});

test('a request that is no dump is refused', async () => {
  const newLink = 16;
  expect(await outcome(() => kernel().netlinkDump({ type: newLink, family: 0 }))).toBe('RangeError');
});

test('cookies tell namespaces apart, and the process stays where it is', async () => {
  const before = readlinkSync('/proc/self/ns/net');
  const mine = await kernel().netnsCookie();
  const theirs = await kernel().netnsCookie(namespace.path);
  expect(theirs).not.toBe(mine);
  expect(await kernel().netnsCookie(namespace.path)).toBe(theirs);
  expect(await kernel().netnsCookie('/proc/self/ns/net')).toBe(mine);
  expect(readlinkSync('/proc/self/ns/net')).toBe(before);
});

test('files of /proc/net are those of the namespace', async () => {
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
  const devices = text(await kernel().readFileIn('/proc/net/dev', namespace.path));
  expect(devices).toContain('wan:');
  expect(text(await kernel().readFileIn('/proc/net/dev'))).not.toContain('wan:');
  expect(text(await kernel().readFileIn('/proc/sys/net/ipv4/ip_forward', namespace.path))).toMatch(/^[01]\n$/);
  expect(await outcome(() => kernel().readFileIn('/proc/net/nothing'))).toBe('ENOENT');
  expect(await outcome(() => kernel().readFileIn('/dev/zero'))).toBe('EINVAL');
  expect(await outcome(() => kernel().readFileIn('/proc'))).toBe('EINVAL');
});

describe('sockets', () => {
  let server: Server;
  beforeEach((done) => {
    server = createServer();
    server.listen(0, '::', done);
  });
  afterEach((done) => {
    server.close(done);
  });

  test('a listener is found, and who holds it', async () => {
    const { port } = server.address() as { port: number };
    const sockets = await listTcpSockets(kernel());
    const found = sockets.find(({ state, local }) => state === 'listen' && local.port === port)!;
    expect(found).toMatchObject({ family: 6, local: { words: [0, 0, 0, 0], port } });
    const owner = socketOwners([found.inode]).get(found.inode);
    expect(owner).toEqual({ pid: process.pid, command: readFileSync('/proc/self/comm', 'utf8').trim() });
    expect(socketOwners([found.inode], (command) => command === owner?.command).get(found.inode)).toEqual(owner);
    expect(socketOwners([found.inode], (command) => command !== owner?.command).size).toBe(0);
  });

  test('in another namespace', async () => {
    const listener = namespace.start(['nc', '-u', '-l', '127.0.0.1', '5353']);
    try {
      let found: Awaited<ReturnType<typeof listUdpSockets>> = [];
      for (const deadline = Date.now() + 60_000; found.length === 0 && Date.now() < deadline;) {
        found = (await listUdpSockets(kernel(), namespace.path)).filter(({ local }) => local.port === 5353);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      expect(found).toHaveLength(1);
      expect(found[0]).toMatchObject({ family: 4, local: { words: [0x7f000001] } });
      expect(socketOwners([found[0].inode]).get(found[0].inode)?.command).toBe('nc');
    } finally {
      await listener.stop();
    }
  });
});

test('a lock keeps other descriptors and processes out until it is closed', () => {
  const path = join(tmpdir(), `slc-${process.pid}-lock`);
  const lock = kernel().tryLock(path);
  expect(lock).not.toBeNull();
  expect(kernel().tryLock(path)).toBeNull();
  const taken = (): boolean => {
    try {
      execFileSync('flock', ['-n', path, 'true']);
      return false;
    } catch {
      return true;
    }
  };
  expect(taken()).toBe(true);
  lock!.close();
  lock!.close();
  expect(taken()).toBe(false);
  kernel().tryLock(path)!.close();
  rmSync(path);
});

test('a directory is locked as it is, and not any more when another stands in its place', () => {
  const path = mkdtempSync(join(tmpdir(), `slc-${process.pid}-lock-`));
  const lock = kernel().tryLock(path);
  expect(lock).not.toBeNull();
  expect(kernel().tryLock(path)).toBeNull();
  renameSync(path, `${path}-old`);
  mkdirSync(path);
  kernel().tryLock(path)!.close();
  expect(kernel().tryLock(`${path}-old`)).toBeNull();
  lock!.close();
  kernel().tryLock(`${path}-old`)!.close();
  for (const each of [path, `${path}-old`]) rmSync(each, { recursive: true });
  expect(() => kernel().tryLock(join(path, 'missing', 'lock'))).toThrow('ENOENT');
});

test('a bpffs is mounted where there is none, once', () => {
  const path = mkdtempSync(join(tmpdir(), `slc-${process.pid}-mount-`));
  expect(kernel().isBpffs(path)).toBe(false);
  expect(ensureBpffs(kernel(), path)).toBe(true);
  expect(kernel().isBpffs(path)).toBe(true);
  expect(ensureBpffs(kernel(), path)).toBe(false);
  must(['umount', path]);
  rmSync(path, { recursive: true });
  expect(kernel().isBpffs(path)).toBe(false);
  expect(() => ensureBpffs(kernel(), path)).toThrow('there is no directory');
});

test('a grace period ends, and the event loop turns meanwhile', async () => {
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  for (let i = 0; i < 5; i++) await kernel().grace();
  clearInterval(timer);
  expect(ticks).toBeGreaterThan(0);
});

test('clock, processors, version', () => {
  const first = kernel().bootTimeNs();
  const uptime = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]);
  // it tells hundredths
  expect(uptime).toBeGreaterThan(Number(first) / 1e9 - 0.02);
  expect(uptime).toBeLessThan(Number(kernel().bootTimeNs()) / 1e9 + 0.02);
  expect(kernel().bootTimeNs()).toBeGreaterThan(first);
  expect(kernel().possibleCpus()).toBeGreaterThan(0);
  expect(kernel().libbpfVersion()).toMatch(/^\d+\.\d+$/);
});

test('every feature has an answer, and this kernel has what sluice needs', async () => {
  const features = await probeFeatures();
  for (const { name, answer, since } of features) {
    expect(['supported', 'unsupported', 'unknown']).toContain(answer);
    expect(since).toMatch(/^\d\.\d+$/);
    // Older kernels lack it; another hook stands in for it.
    if (name !== 'tcx') expect([name, answer]).toEqual([name, 'supported']);
  }
});
