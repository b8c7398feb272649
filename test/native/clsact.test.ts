/** Clsact disciplines and filters: in other namespaces, beside those of others, and on devices that go away. */
import { listDisciplines, listFilters } from '../../src/kernel/clsact';
import { openDatapath } from '../../src/kernel/datapath-object';
import { KernelError } from '../../src/kernel/errors';
import { probeFeatures } from '../../src/kernel/features';
import type { BpfObject, BpfProgram } from '../../src/kernel/kernel';
import { kernel } from '../../src/kernel/native';
import { joinByVeth, Namespace } from '../support/netns';
import { must } from '../support/process';
import { loadProbe, outcome } from './support';

let edge: Namespace;
let peer: Namespace;
let object: BpfObject;
let program: BpfProgram;
let ifindex: number;

beforeAll(async () => {
  object = openDatapath(kernel(), 'slc_gate_clsact', { create: { slc_pinned: 1, slc_gate_counters: 4 } });
  await object.load();
  program = object.program('slc_gate_clsact');
});
afterAll(() => {
  program.close();
  object.close();
});

beforeEach(() => {
  edge = Namespace.create('clsact');
  peer = Namespace.create('peer');
  joinByVeth(
    { namespace: edge, name: 'eth0', mac: '02:00:00:00:01:01', addresses: ['192.0.2.1/24'] },
    { namespace: peer, name: 'eth0', mac: '02:00:00:00:01:02', addresses: ['192.0.2.2/24'] },
  );
  ifindex = edge.ifindex('eth0');
});
afterEach(() => {
  edge.destroy();
  peer.destroy();
});

const tc = (...words: string[]): string => must(['ip', 'netns', 'exec', edge.name, 'tc', ...words]);
const there = (): { ifindex: number; netns: string } => ({ ifindex, netns: edge.path });
const place = (
  priority: number,
  handle: number,
): { ifindex: number; netns: string; priority: number; handle: number } => ({
  ...there(),
  priority,
  handle,
});
const errnoOf = async (work: Promise<unknown>): Promise<string> => {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof KernelError)) throw new Error(`no KernelError: ${String(error)}`);
  return error.errno;
};

test('a discipline is made once, found, and removed once', async () => {
  expect(await listDisciplines(kernel(), edge.path)).toEqual(new Map());
  expect(await kernel().makeClsact(there())).toBe(true);
  expect(await kernel().makeClsact(there())).toBe(false);
  expect(await listDisciplines(kernel(), edge.path)).toEqual(new Map([[ifindex, 'clsact']]));
  expect(await listDisciplines(kernel(), peer.path)).toEqual(new Map());
  expect(tc('qdisc', 'show', 'dev', 'eth0')).toContain('qdisc clsact ffff:');
  expect(await kernel().removeClsact(there())).toBe(true);
  expect(await kernel().removeClsact(there())).toBe(false);
  expect(tc('qdisc', 'show', 'dev', 'eth0')).not.toContain('clsact');
});

test('another discipline at its place is told from it', async () => {
  tc('qdisc', 'add', 'dev', 'eth0', 'ingress');
  expect(await kernel().makeClsact(there())).toBe(false);
  expect(await listDisciplines(kernel(), edge.path)).toEqual(new Map([[ifindex, 'ingress']]));
});

test('a filter stays when its handles are closed, and is found by its place', async () => {
  await kernel().makeClsact(there());
  const mine = object.program('slc_gate_clsact');
  const { id } = mine.info();
  await kernel().attachFilter(mine, place(7, 0x511ce0));
  mine.close();
  await kernel().attachFilter(program, place(3, 1));
  expect(await listFilters(kernel(), ifindex, 'ingress', edge.path)).toEqual([]);
  const listed = (priority: number, handle: number): object => ({
    kind: 'bpf',
    priority,
    handle,
    name: `slc_gate_clsact:[${id}]`,
    programId: id,
  });
  expect(await listFilters(kernel(), ifindex, 'egress', edge.path)).toEqual([listed(3, 1), listed(7, 0x511ce0)]);
  expect(tc('filter', 'show', 'dev', 'eth0', 'egress')).toMatch(/pref 7 bpf .* handle 0x511ce0 .* direct-action/);
  expect(await kernel().detachFilter(place(3, 2))).toBe(false);
  expect(await kernel().detachFilter(place(4, 1))).toBe(false);
  expect(await kernel().detachFilter(place(3, 1))).toBe(true);
  expect(await listFilters(kernel(), ifindex, 'egress', edge.path)).toEqual([listed(7, 0x511ce0)]);
});

test('a place is taken once, by one kind', async () => {
  await kernel().makeClsact(there());
  await kernel().attachFilter(program, place(2, 9));
  expect(await errnoOf(kernel().attachFilter(program, place(2, 9)))).toBe('EEXIST');
  tc('filter', 'add', 'dev', 'eth0', 'egress', 'prio', '5', 'u32', 'match', 'u32', '0', '0', 'flowid', '1:1');
  expect(await errnoOf(kernel().attachFilter(program, place(5, 9)))).toBe('EINVAL');
  const kinds = (await listFilters(kernel(), ifindex, 'egress', edge.path)).map(({ kind, priority }) => [
    kind,
    priority,
  ]);
  expect(kinds[0]).toEqual(['bpf', 2]);
  expect(new Set(kinds.map(([kind]) => kind))).toEqual(new Set(['bpf', 'u32']));
});

test('what hangs at a place gets another program there, and stays the only one', async () => {
  await kernel().makeClsact(there());
  const other = openDatapath(kernel(), 'slc_gate_clsact', { create: { slc_pinned: 1, slc_gate_counters: 4 } });
  await other.load();
  const next = other.program('slc_gate_clsact');
  await kernel().attachFilter(program, place(2, 9));
  await kernel().attachFilter(next, { ...place(2, 9), replace: true });
  const ids = async (): Promise<unknown> =>
    (await listFilters(kernel(), ifindex, 'egress', edge.path)).map(({ programId }) => programId);
  expect(await ids()).toEqual([next.info().id]);
  expect(await errnoOf(kernel().attachFilter(program, { ...place(70, 9), ifindex: 999, replace: true }))).toBe(
    'ENODEV',
  );
  next.close();
  other.close();
});

test('without a discipline, without a device, with a program of another kind: an error of the kernel', async () => {
  expect(await errnoOf(kernel().attachFilter(program, place(2, 9)))).toBe('EINVAL');
  expect(await kernel().detachFilter(place(2, 9))).toBe(false);
  await kernel().makeClsact(there());
  const probe = await loadProbe(['probe_observe']);
  const xdp = probe.program('probe_observe');
  expect(await errnoOf(kernel().attachFilter(xdp, place(2, 9)))).toBe('EINVAL');
  xdp.close();
  probe.close();
  edge.ip('link del eth0');
  for (const work of [() => kernel().makeClsact(there()), () => kernel().attachFilter(program, place(2, 9))])
    expect(await errnoOf(work())).toBe('ENODEV');
});

test('what is no number, no program, no namespace', async () => {
  for (const wrong of [0, -1, 1.5, 65_536])
    expect(await outcome(() => kernel().attachFilter(program, place(wrong, 1)))).toBe('RangeError');
  expect(await outcome(() => kernel().attachFilter(program, place(1, 0)))).toBe('RangeError');
  expect(await outcome(() => kernel().makeClsact({ ifindex: 0 }))).toBe('RangeError');
  expect(await errnoOf(kernel().makeClsact({ ifindex, netns: '/proc/self/exe' }))).toBe('EINVAL');
  program.info(); // the handle is as it was
});

test('the probe leaves nothing behind', async () => {
  const before = new Set(kernel().objectIds().programs);
  const answer = (await probeFeatures()).find(({ name }) => name === 'clsact');
  expect(answer).toEqual({ name: 'clsact', since: '4.5', answer: 'supported' });
  expect([...(await listDisciplines(kernel()))].filter(([index]) => index === 1)).toEqual([]);
  // Others work on this machine too: its own are known by their name, and gone when none of these ids is there.
  const fresh = kernel()
    .objectIds()
    .programs.filter((id) => !before.has(id));
  const own = fresh.filter((id) => kernel().programInfo(id)?.name === 'slc_try_clsact');
  for (const deadline = Date.now() + 60_000; Date.now() < deadline;) {
    const ids = kernel().objectIds().programs;
    if (!own.some((id) => ids.includes(id))) return;
    await new Promise((done) => setTimeout(done, 50)); // the namespace ends some time after its last thread
  }
  throw new Error('a program of the probe is still loaded');
});
