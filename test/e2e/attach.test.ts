/** The gate on interfaces and off them again: modes, strangers, devices that go away, and the emergency exit. */
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { LAYOUT } from '../../src/abi/layout.gen';
import { type Interface, listInterfaces } from '../../src/kernel/interfaces';
import { kernel } from '../../src/kernel/native';
import { STATE_PINS } from '../../src/kernel/pins';
import { serve } from '../support/clients';
import { COMMAND, EdgeHost, HOST, NEIGHBOUR, pinsOf, Prober, untilGone } from '../support/edge-host';
import { must } from '../support/process';

const PORT = 14141;
const OPEN = 8000;

let host: EdgeHost;
let prober: Prober;

beforeEach(async () => {
  host = await EdgeHost.open('attach');
  await serve(host.edge, [`tcp:${PORT}`, `tcp:${OPEN}`]);
  prober = new Prober(host.wire);
});

afterEach(async () => {
  await prober.stop();
  await host.close();
});

/** Writes a ruleset that lets in `OPEN` only and returns its path. */
function rules(interfaces: readonly string[] = [HOST.link], rest = ''): string {
  return host.write(
    'rules.yaml',
    `version: 1\ninterfaces: [${interfaces.join(', ')}]\n${rest}inbound: { default: deny, rules: [allow ${OPEN}/tcp] }\n`,
  );
}

async function device(name: string): Promise<Interface> {
  return (await listInterfaces(kernel(), host.edge.path)).find((candidate) => candidate.name === name)!;
}

/** Adds a second device whose other end lies in the host too. */
function addSecondDevice(): void {
  host.edge.ip('link add eth1 type veth peer name eth1-peer', 'link set eth1 up', 'link set eth1-peer up');
}

const expectFiltered = async (): Promise<void> => expect(await prober.open(PORT, OPEN)).toEqual([OPEN]);
const expectUnfiltered = async (): Promise<void> => expect(await prober.open(PORT, OPEN)).toEqual([PORT, OPEN].sort());

describe('modes', () => {
  test.each([
    ['native', 'native'],
    ['generic', 'generic'],
    ['auto', 'native'],
  ])('mode: %s attaches %s where the driver can', async (mode, expected) => {
    await host.must('apply', rules([HOST.link], `mode: ${mode}\n`));
    expect((await device(HOST.link)).xdp?.mode).toBe(expected);
    expect((await host.status()).interfaces).toMatchObject([{ name: HOST.link, mode: expected }]);
    await expectFiltered();
  });

  test('a driver without native XDP: auto falls back and says so, native refuses', async () => {
    // Every kernel has one such device.
    const refused = await host.sluice(['apply', rules(['lo'], 'mode: native\n')]);
    expect(refused.status).toBe(6);
    expect(refused.stderr).toMatch(/"lo" has no native XDP here \(EOPNOTSUPP\)[\s\S]*mode: auto/);
    expect(host.pinned()).toEqual([]);

    const { status, stdout, stderr } = await host.sluice(['apply', rules(['lo'], 'mode: auto\n')]);
    expect({ status, stderr }).toMatchObject({ status: 0 });
    expect(stdout + stderr).toMatch(/refused native XDP \(EOPNOTSUPP\)/);
    expect((await device('lo')).xdp?.mode).toBe('generic');
  });

  test('another mode than the attached one is refused, not forgotten', async () => {
    await host.must('apply', rules([HOST.link], 'mode: generic\n'));
    const refused = await host.sluice(['apply', rules([HOST.link], 'mode: native\n')]);
    expect(refused.status).toBe(1);
    expect(refused.stderr).toMatch(/"eth0" is filtered in generic mode, the ruleset asks for native[\s\S]*disable/);
    expect((await device(HOST.link)).xdp?.mode).toBe('generic');
    await host.must('apply', rules([HOST.link], 'mode: auto\n'));
    await expectFiltered();
  });
});

describe('what is in the way', () => {
  test('another program is named, refused and left alone', async () => {
    const { link, programId } = await host.occupy(HOST.link);
    const { status, stderr } = await host.sluice(['apply', rules()]);
    expect(status).toBe(1);
    expect(stderr).toContain(`another XDP program is attached to "eth0": id ${programId} "slc_read_clock" (native)`);
    expect((await device(HOST.link)).xdp?.programId).toBe(programId);
    expect(host.pinned()).toEqual([]);
    expect(host.records()).toEqual([]);
    link.close();
  });

  test('an interface that does not exist', async () => {
    const { status, stderr } = await host.sluice(['apply', rules(['eth7'])]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/interface "eth7" does not exist[\s\S]*there are: .*eth0/);
    expect(host.pinned()).toEqual([]);
  });

  test('an interface whose frames have no Ethernet header, also as the one with the default route', async () => {
    host.edge.ip('tuntap add dev tun7 mode tun', 'link set tun7 up', 'route replace default dev tun7');
    const named = await host.sluice(['apply', rules(['tun7', HOST.link])]);
    expect({ status: named.status, stderr: named.stderr }).toEqual({
      status: 6,
      stderr: expect.stringContaining(
        'frames of "tun7" (tun) begin with the IP header, sluice reads Ethernet\n',
      ) as string,
    });
    const auto = await host.sluice(['apply', host.write('auto.yaml', 'version: 1\ninbound: { default: deny }\n')]);
    expect(auto.stderr).toMatch(/no interface with a default route but "tun7"[\s\S]*name them: interfaces: \[eth0\]/);
    expect(host.pinned()).toEqual([]);
  });

  test('two interfaces: all or none', async () => {
    addSecondDevice();
    const { link } = await host.occupy('eth1');
    expect((await host.sluice(['apply', rules([HOST.link, 'eth1'])])).status).toBe(1);
    expect((await device(HOST.link)).xdp).toBeNull();
    expect(host.pinned()).toEqual([]);

    // And over a ruleset that enforces: that one goes on, on its one interface.
    await host.must('apply', rules());
    const before = host.pinned();
    expect((await host.sluice(['apply', rules(['eth1', HOST.link])])).status).toBe(1);
    expect(host.pinned()).toEqual(before);
    await expectFiltered();

    link.detach();
    link.close();
    await host.must('apply', rules(['eth1', HOST.link]));
    const both = [host.edge.ifindex(HOST.link), host.edge.ifindex('eth1')].sort((a, b) => a - b);
    expect(host.pinned()).toEqual(pinsOf((await host.status()).generation!, both));
    await host.must('apply', rules());
    expect((await device('eth1')).xdp).toBeNull();
    expect(host.pinned()).toEqual(pinsOf((await host.status()).generation!, [host.edge.ifindex(HOST.link)]));
    await expectFiltered();
  });
});

describe('what goes away', () => {
  test('an interface, removed and made again: status tells, apply attaches again', async () => {
    await host.must('apply', rules());
    host.edge.ip(`link del ${HOST.link}`);
    const gone = await host.status();
    expect(gone).toMatchObject({ active: false, interfaces: [] });
    expect(gone.warnings.join()).toMatch(/not filtered any more: eth0/);
    expect(await host.must('status')).toMatch(/Status: inactive[\s\S]*warning: not filtered any more: eth0/);
    expect((await host.sluice(['apply', rules()])).stderr).toMatch(/interface "eth0" does not exist/);

    host.join();
    expect((await host.status()).warnings.join()).toMatch(/not filtered any more: eth0/);
    await expectUnfiltered();
    await host.must('apply', rules());
    await expectFiltered();
    const status = await host.status();
    expect(status).toMatchObject({ active: true, warnings: [], interfaces: [{ name: HOST.link }] });
    expect(host.pinned()).toEqual(pinsOf(status.generation!, [host.edge.ifindex(HOST.link)]));
  });

  test('one of two interfaces: the other stays filtered, disable ends both', async () => {
    addSecondDevice();
    await host.must('apply', rules([HOST.link, 'eth1']));
    host.edge.ip('link del eth1');
    expect(await host.status()).toMatchObject({ active: true, interfaces: [{ name: HOST.link }] });
    expect((await host.status()).warnings.join()).toMatch(/not filtered any more: eth1/);
    await expectFiltered();
    await host.must('disable', '--yes');
    expect(host.pinned()).toEqual([]);
    await expectUnfiltered();
  });

  test('the whole namespace: its pins hold nothing, and one of the same name begins anew', async () => {
    await host.must('apply', rules());
    const { pins } = host;
    await prober.stop();
    host.edge.destroy();
    for (const { path } of pins.links()) {
      const link = kernel().openPinnedLink(path);
      // The kernel takes a namespace apart some time after its last user.
      for (let i = 0; i < 1200 && link.info().ifindex !== 0; i++) await new Promise((done) => setTimeout(done, 50));
      expect(link.info().ifindex).toBe(0);
      link.close();
    }
    must(['ip', 'netns', 'add', host.edge.name]);
    host.edge.ip('link set lo up');
    host.join();
    await host.find();
    await serve(host.edge, [`tcp:${PORT}`, `tcp:${OPEN}`]);
    prober = new Prober(host.wire);
    expect(await host.status()).toMatchObject({ active: false, generation: null });
    await host.must('apply', rules());
    await expectFiltered();
    expect(host.pins.directory).not.toBe(pins.directory);
    await host.recount('the namespace was removed, and its counters with it');
    await expectFiltered();
  });
});

describe('ways to end it', () => {
  test('disable leaves nothing in the kernel', async () => {
    addSecondDevice();
    await host.must('apply', rules([HOST.link, 'eth1']));
    await expectFiltered();
    const objects = host.objects();
    // Of each hook the gate and the program.
    expect(objects.programs).toHaveLength(4);
    await host.must('disable', '--yes');
    expect(existsSync(host.environment.SLUICE_BPFFS!)).toBe(false);
    await untilGone(objects);
    for (const name of [HOST.link, 'eth1']) expect((await device(name)).xdp).toBeNull();
    await expectUnfiltered();
    expect(await host.must('disable', '--yes')).toMatch(/not active/);
  });

  test('removing the directory by hand ends enforcement at once, with no process alive', async () => {
    await host.must('apply', rules());
    const objects = host.objects();
    host.removePins();
    await untilGone(objects);
    expect((await device(HOST.link)).xdp).toBeNull();
    await expectUnfiltered();
    expect(await host.status()).toMatchObject({ active: false, generation: null });
    await host.must('apply', rules());
    await host.recount('the pins were removed by hand, and the counters with them');
    await expectFiltered();
  });

  test.each(['slc_state', 'slc_programs', 'slc_gate_xdp'])(
    'without %s: named and refused where it may not be looked for, else pinned again by apply; disable ends it',
    async (pin) => {
      await host.must('apply', rules());
      const before = host.objects();
      const objects = (): unknown => Object.values(host.objects()).map((ids) => [...ids].sort());
      rmSync(host.pins.state(pin));
      const refused = ['setpriv', '--bounding-set=-sys_admin', '--', process.execPath, COMMAND, 'apply', rules()];
      const { status, stderr } = await host.command(refused);
      expect(status).toBe(1);
      expect(stderr).toMatch(new RegExp(`missing: ${pin}[\\s\\S]*sluice disable`));
      // Nothing is widened meanwhile: the array of programs empties with its pin, and an empty slot drops.
      expect(await prober.open(PORT)).toEqual([]);
      const mended = await host.sluice(['apply', rules()]);
      expect(mended).toMatchObject({ status: 0, stdout: expect.stringContaining('no changes') as string });
      expect(mended.stderr).toContain(`note: state/${pin}`);
      expect(objects()).toEqual(Object.values(before).map((ids) => [...ids].sort()));
      await expectFiltered();
      rmSync(host.pins.state(pin));
      await host.must('disable', '--yes');
      expect(host.pinned()).toEqual([]);
      await expectUnfiltered();
      await host.must('apply', rules());
      await host.recount(`without ${pin} disable could not read the counters`);
      await expectFiltered();
    },
  );
});

test('what another version pinned is refused by apply and ended by disable', async () => {
  await host.must('apply', rules());
  const map = kernel().openPinnedMap(host.pins.state(STATE_PINS.state));
  const region = map.mmap({ writable: true });
  await region.write(LAYOUT.slc_state.fields.abi_version.offset, Uint8Array.of(99, 0, 0, 0));
  region.close();
  map.close();
  const { status, stderr } = await host.sluice(['apply', rules()]);
  expect(status).toBe(1);
  expect(stderr).toMatch(/has layout 99, this sluice knows \d+[\s\S]*sluice disable/);
  await expectFiltered();
  await host.must('disable', '--yes');
  expect(host.pinned()).toEqual([]);
  await expectUnfiltered();
  await host.recount('counters of another version cannot be read');
  await host.must('apply', rules());
  await expectFiltered();
});

describe('where it runs', () => {
  test('a bpffs is mounted where there is none', async () => {
    const place = join(host.directory, 'unmounted');
    mkdirSync(place);
    const environment = { SLUICE_BPFFS: join(place, 'sluice') };
    try {
      expect(kernel().isBpffs(place)).toBe(false);
      expect((await host.sluice(['apply', rules()], environment)).status).toBe(0);
      expect(kernel().isBpffs(place)).toBe(true);
      await expectFiltered();
      expect((await host.sluice(['disable', '--yes'], environment)).status).toBe(0);
    } finally {
      must(['umount', '-l', place]);
    }
  });

  test('a command that reads changes nothing where nothing enforces: no mount, no pin, no file', async () => {
    const [place, state] = [join(host.directory, 'unmounted'), join(host.directory, 'no-state')];
    mkdirSync(place);
    rules();
    const probe = `tcp from ${NEIGHBOUR.ipv4} to ${HOST.ipv4} port 22`.split(' ');
    for (const words of [['status'], ['metrics'], ['bans'], ['plan'], ['exposed'], ['fmt'], ['explain', ...probe]]) {
      const { status, stderr } = await host.sluice(words, {
        SLUICE_BPFFS: join(place, 'sluice'),
        SLUICE_STATE_DIR: state,
      });
      expect({ words, status, stderr }).toMatchObject({ status: 0 });
      expect({ words, mounted: kernel().isBpffs(place), made: readdirSync(place), state: existsSync(state) }).toEqual({
        ...{ words, mounted: false, made: [], state: false },
      });
    }
  });

  test.each([
    ['CAP_BPF', '-bpf,-sys_admin'],
    ['CAP_NET_ADMIN', '-net_admin'],
    ['CAP_PERFMON', '-perfmon,-sys_admin'],
    ['CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON', '-bpf,-sys_admin,-net_admin,-perfmon'],
  ])('without %s: a sentence, exit 6', async (missing, bounding) => {
    const file = rules();
    const command = ['setpriv', `--bounding-set=${bounding}`, '--', process.execPath, COMMAND, 'apply', file];
    const { status, stderr } = await host.edge.run(command, { env: host.environment });
    expect({ status, stderr }).toMatchObject({ status: 6 });
    expect(stderr).toContain(`missing ${missing}\n`);
    expect(stderr).toMatch(/run as root/);
    expect(existsSync(dirname(host.pins.directory))).toBe(false);
  });
});
