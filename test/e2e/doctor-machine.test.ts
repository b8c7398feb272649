/** `sluice doctor` without a port: the machine, on links that are really so. */
import { chmodSync, chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { listInterfaces } from '../../src/kernel/interfaces';
import { kernel } from '../../src/kernel/native';
import { COMMAND, EdgeHost, HOST } from '../support/edge-host';
import { must } from '../support/process';

interface Check {
  readonly about: string;
  readonly state: 'ok' | 'warn';
  readonly text: string;
  readonly remedy?: string;
}

let host: EdgeHost;

beforeAll(async () => {
  host = await EdgeHost.open('machine');
});

afterAll(() => host.close());

async function checks(): Promise<Check[]> {
  const { status, stdout } = await host.sluice(['doctor', '--json']);
  const found = JSON.parse(stdout) as { checks: Check[]; warnings: number };
  expect(found.warnings).toBe(found.checks.filter(({ state }) => state === 'warn').length);
  expect(status).toBe(found.warnings > 0 ? 1 : 0);
  return found.checks;
}
const about = async (name: string): Promise<Check[]> => (await checks()).filter((check) => check.about === name);
const rules = (link: string): string =>
  host.write('rules.yaml', `version: 1\ninterfaces: [${link}]\ninbound: { default: deny }\n`);

test('native, with a daemon: nothing to mend, and exit 0', async () => {
  await host.must('apply', rules(HOST.link));
  const daemon = host.startSluice(['daemon']);
  await daemon.waitFor(/the daemon runs/);
  const found = await checks();
  expect(found.filter(({ state }) => state === 'warn')).toEqual([]);
  expect(found).toContainEqual({ about: 'eth0', state: 'ok', text: 'filtered in native mode by its driver, veth' });
  expect(await host.must('doctor')).toMatch(/this machine is as it should be\n$/);
  await daemon.stop();
  expect(await about('daemon')).toMatchObject([{ state: 'warn', remedy: 'sluice install' }]);
});

test('queues for which the driver refuses native XDP: said at the apply, and later, with the lines that mend it', async () => {
  const queues = 'numtxqueues 4 numrxqueues 4';
  host.edge.ip(`link add few0 ${queues} type veth peer name few1 ${queues}`, 'link set few0 up', 'link set few1 up');
  must(host.edge.argv(['ethtool', '-L', 'few0', 'rx', '1']));
  const applied = await host.sluice(['apply', rules('few0')]);
  expect(applied.stdout + applied.stderr).toContain('refused native XDP (ENOSPC): it has not the queues for it');
  const [mode] = await about('few0');
  expect(mode).toMatchObject({ state: 'warn', text: expect.stringContaining('(ENOSPC)') as string });
  // What it says to do mends it.
  expect(mode.remedy).toBe('ethtool -L few0 rx 4; sluice disable; sluice enable');
  must(host.edge.argv(['ethtool', '-L', 'few0', 'rx', '4']));
  await host.must('disable', '--yes');
  await host.must('apply', rules('few0'));
  expect((await about('few0'))[0]).toMatchObject({ state: 'ok', text: 'filtered in native mode by its driver, veth' });
});

test('an MTU beyond a page, VLAN tags that the card takes off, another program, an interface that is not there', async () => {
  host.edge.ip('link add big0 mtu 9000 type veth peer name big1 mtu 9000', 'link set big0 up', 'link set big1 up');
  host.write('rules.yaml', 'version: 1\ninterfaces: [big0, few0]\nmode: auto\ninbound: { default: deny }\n');
  await host.must('apply');
  expect(await about('big0')).toContainEqual({ about: 'big0', state: 'ok', text: 'MTU 9000' });
  await host.must('disable', '--yes');
  expect(await about('big0')).toContainEqual(
    expect.objectContaining({ state: 'warn', remedy: 'ip link set dev big0 mtu 1500' }),
  );
  must(host.edge.argv(['ethtool', '-K', 'big0', 'rxvlan', 'on']));
  expect((await about('big0')).map(({ text }) => text).join()).toContain('takes VLAN tags off');
  const { link, programId } = await host.occupy('big0');
  expect(await about('big0')).toContainEqual({
    about: 'big0',
    state: 'warn',
    text: `another XDP program is attached: id ${programId} "slc_read_clock" (native); sluice does not replace it`,
    remedy: 'ip link set dev big0 xdp off',
  });
  link.detach();
  link.close();
  host.edge.ip('link del few0');
  expect(await about('few0')).toMatchObject([
    { state: 'warn', text: expect.stringContaining('is not there') as string },
  ]);
});

test('another filter behind', async () => {
  must(host.edge.argv(['nft', '-f', '-']), {
    input: 'table inet shut {\n chain in {\n type filter hook input priority 0; policy drop;\n }\n}\n',
  });
  expect(await about('filters')).toMatchObject([
    { state: 'warn', remedy: 'nft list table inet shut', text: expect.stringContaining('chain in') as string },
  ]);
  must(host.edge.argv(['nft', 'delete', 'table', 'inet', 'shut']));
  expect(await about('filters')).toMatchObject([{ state: 'ok' }]);
});

test('without privilege it says so, and what it sees all the same', async () => {
  const dropped = ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--', process.execPath, COMMAND, 'doctor'];
  const { status, stdout, stderr } = await host.command(dropped);
  expect({ status, stderr }).toEqual({ status: 1, stderr: '' });
  expect(stdout).toMatch(/warn {2}privileges .*missing CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON.*\n +sudo sluice doctor\n/);
  expect(stdout).toMatch(/ok {4}disk /);

  // A state folder that only somebody else may look into.
  const state = join(host.directory, 'state');
  mkdirSync(state, { recursive: true });
  chmodSync(state, 0o700);
  chownSync(state, 65534, 65534);
  const unseen = await host.command(dropped);
  expect({ status: unseen.status, stderr: unseen.stderr }).toEqual({ status: 1, stderr: '' });
  expect(unseen.stdout).toMatch(/ok {4}disk .*\n.*ok {4}daemon .*only to root/);
  chownSync(state, 0, 0);
});

test('the driver is asked in the namespace that is meant', async () => {
  const names = (await listInterfaces(kernel(), host.edge.path)).map(({ name }) => name);
  expect(names).toContain(HOST.link);
  expect(await kernel().deviceSettings(HOST.link, host.edge.path)).toMatchObject({
    driver: 'veth',
    lro: false,
    queues: 1,
  });
  await expect(kernel().deviceSettings('none0', host.edge.path)).rejects.toMatchObject({ errno: 'ENODEV' });
  await expect(kernel().deviceSettings('a-name-that-is-too-long', host.edge.path)).rejects.toThrow(/name/);
});
