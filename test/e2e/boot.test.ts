/**
 * A reboot, by the command line of the unit: what was pinned is gone, links are made anew, files are what they were.
 * What is loaded is what enforced, not what the file says by then; where that cannot be loaded it is never silently open.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { BootHost, bootRules, PORTS } from '../support/boot-host';
import { COMMAND, type EdgeHost, HOST } from '../support/edge-host';

let machine: BootHost;
let host: EdgeHost;

beforeEach(async () => {
  machine = await BootHost.open('boot');
  host = machine.edge;
});

afterEach(() => host.close());

test('what enforced is loaded, with its sets, whatever the files say by then', async () => {
  await host.must('enable');
  const { digest } = await host.status();
  host.write('rules.yaml', bootRules().replace('default: deny', 'default: allow'));
  host.write('friends.txt', '198.51.100.0/24\n');
  await machine.goDown();
  expect(await machine.connect(PORTS.other)).toEqual(['connected']); // nothing is filtered yet
  const booted = await machine.up();
  expect(booted).toMatchObject({
    status: 0,
    stdout: expect.stringMatching(/^loaded: the ruleset of .*, generation 2, on eth0\n$/) as string,
  });
  expect(await machine.connect(PORTS.open, PORTS.other)).toEqual(['connected', 'timeout']);
  expect(await host.status()).toMatchObject({
    active: true,
    digest,
    generation: 2,
    booted: { loaded: 'last', reasons: [] },
  });
  expect(await host.must('status')).toMatch(/loaded at boot, (now|.* ago): the ruleset of /);
  // The file was edited since: verbs show that, as they would have without the reboot.
  expect((await host.sluice(['deny', '8000/tcp'])).stderr).toContain('was edited since it was applied');
  // Again, as systemctl restart sluice does: nothing changes.
  expect((await machine.up()).stdout).toBe('generation 2 enforces already\n');
});

test('a damaged one is followed by the one before it, and that is said until the next apply', async () => {
  await host.must('enable');
  host.write('rules.yaml', bootRules('', PORTS.other));
  await host.must('apply');
  machine.damage(1);
  await machine.goDown();
  const booted = await machine.up();
  expect(booted.status).toBe(0);
  expect(booted.stderr).toMatch(
    /^warning: at boot the last ruleset did not load, one before it, of .*, enforces:\n {2}".*saved-2\.json" is damaged/,
  );
  expect(await machine.connect(PORTS.open, PORTS.other)).toEqual(['connected', 'timeout']);
  expect((await host.status()).warnings.join()).toContain('at boot the last ruleset did not load');
  // The next boot says it too.
  await machine.goDown();
  expect((await machine.up()).stderr).toContain('the ruleset that enforced last is lost');
  await host.must('apply');
  expect(await machine.connect(PORTS.open, PORTS.other)).toEqual(['timeout', 'connected']);
  expect(await host.status()).toMatchObject({ warnings: [], booted: null });
});

test('the file of rows that all saved rulesets share is damaged: servers are read from the text', async () => {
  const rows = Array.from(
    { length: 5000 },
    (_, i) => `      - allow from 10.9.${i >> 8}.${i & 255} to any port 14141\n`,
  );
  const server = `servers:\n  big:\n    address: ${HOST.ipv4}\n    ports: 14000-14999\n    rules:\n${rows.join('')}`;
  host.write('rules.yaml', `${bootRules()}${server}      - allow from friends to any port ${PORTS.other}\n`);
  await host.must('enable');
  await host.must('deny', '7778/udp');
  const { digest } = await host.status();
  const files = readdirSync(machine.state()).filter((name) => name.startsWith('servers-'));
  expect(files).toHaveLength(1);
  const file = machine.state(files[0]);
  writeFileSync(file, readFileSync(file, 'utf8').replace('10.9', '10.8'));
  await machine.goDown();
  const booted = await machine.up();
  expect(booted.status).toBe(0);
  expect(booted.stderr).toMatch(
    /^warning: at boot the last ruleset was loaded, but not all went as it should:\n {2}".*servers-.*\.json" is (?:damaged .*|missing); servers are read from the text that was applied/,
  );
  expect(await machine.connect(PORTS.open, PORTS.other)).toEqual(['timeout', 'connected']);
  expect(await host.status()).toMatchObject({ digest });
});

test('where none loads the built-in one does: SSH and keep-reachable pass, nothing else', async () => {
  host.write('rules.yaml', bootRules(`guard: { keep-reachable: [{ from: 192.0.2.0/24, port: ${PORTS.other}/tcp }] }`));
  await host.must('enable');
  machine.damage(1);
  await machine.goDown();
  const booted = await machine.up();
  expect(booted).toMatchObject({ status: 0, stdout: 'loaded: the built-in ruleset, generation 2, on eth0\n' });
  expect(await machine.connect(PORTS.ssh, PORTS.other, PORTS.open)).toEqual(['connected', 'connected', 'timeout']);
  expect((await host.edge.run(['ping', '-c1', '-W2', '192.0.2.1'])).status).toBe(0);
  expect(await host.must('status')).toMatch(
    /ruleset: \(built-in\)[^]*warning: at boot no ruleset loaded, the built-in one enforces/,
  );
  const verb = await host.sluice(['deny', '8000/tcp']);
  expect(verb).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('what enforces is the built-in ruleset: there is no file to change') as string,
  });
  await host.must('apply');
  expect(await machine.connect(PORTS.open)).toEqual(['connected']);
});

test('with all that was kept lost, what is built in knows the usual SSH port and every interface', async () => {
  await host.must('enable');
  await machine.goDown();
  rmSync(machine.state(), { recursive: true });
  expect(await machine.up()).toMatchObject({
    status: 0,
    stdout: 'loaded: the built-in ruleset, generation 1, on eth0\n',
  });
  expect(await machine.connect(PORTS.usual, PORTS.ssh, PORTS.open)).toEqual(['connected', 'timeout', 'timeout']);
});

test('boot: open lets everything in rather than that, and never in silence', async () => {
  host.write('rules.yaml', bootRules('boot: open'));
  await host.must('enable');
  machine.damage(1);
  await machine.goDown();
  const booted = await machine.up();
  expect(booted).toMatchObject({ status: 0, stdout: 'nothing is loaded, nothing is filtered (boot: open)\n' });
  expect(booted.stderr).toContain('warning: at boot no ruleset loaded, and boot: open asked for no other');
  expect(await machine.connect(PORTS.other)).toEqual(['connected']);
  expect(await host.must('status')).toMatch(/Status: inactive[^]*warning: at boot no ruleset loaded/);
  await host.must('apply');
  expect((await host.status()).warnings).toEqual([]);
});

describe('a change that waits as a whole when the machine goes down', () => {
  const whole = ['logging', 'medium', '--confirm', '10m'];

  test('is no more: the file is as it was, its text stays in the history, and that is said', async () => {
    await host.must('enable');
    const before = readFileSync(`${host.directory}/rules.yaml`, 'utf8');
    await host.must(...whole);
    const waited = readFileSync(`${host.directory}/rules.yaml`, 'utf8');
    expect(waited).not.toBe(before);
    await machine.goDown();
    const { status, stderr } = await machine.up();
    const said =
      /the change of .* \(generation 2\) was not confirmed before the machine went down: what it was to replace judges again; \S+rules\.yaml is again as it was/;
    expect([status, stderr]).toEqual([0, expect.stringMatching(said)]);
    expect(readFileSync(`${host.directory}/rules.yaml`, 'utf8')).toBe(before);
    expect(await machine.connect(PORTS.open)).toEqual(['connected']);
    expect((await host.status()).warnings).toEqual([expect.stringMatching(said)]);
    expect(await host.outcomes()).toEqual(['enable: applied', 'logging medium: rolled-back-at-boot']);
    expect(await host.must('show', '2', '--text')).toBe(waited);
    // Verbs go on from there, and the next boot has nothing to say.
    await host.must('deny', '7779/udp');
    expect((await host.status()).warnings).toEqual([]);
    await machine.goDown();
    expect((await machine.up()).stderr).toBe('');
  });

  test('the unit may not write rulesets: the next command puts it back', async () => {
    const folder = `${host.directory}/etc`;
    mkdirSync(folder);
    const servers = 'servers: { red: { address: 192.0.2.10, ports: 1000-1099, rules: [allow 1080/tcp] } }';
    host.environment.SLUICE_CONFIG = host.write('etc/rules.yaml', bootRules(servers));
    host.write('etc/friends.txt', '192.0.2.0/24\n');
    await host.must('enable');
    await host.must('deny', '1080/tcp', '--server', 'red', '--confirm', '10m');
    await host.must('insert', '1', 'deny', `${PORTS.open}/tcp`, '--confirm', '10m');
    await host.must(...whole);
    const waited = readFileSync(`${folder}/rules.yaml`, 'utf8');
    expect(await machine.connect(PORTS.open)).toEqual(['timeout']);
    await machine.goDown();
    const script = `mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"; shift; exec "$@"`;
    const words = ['unshare', '--mount', 'sh', '-ec', script, 'sh', folder, ...machine.boot];
    const { status, stderr } = await host.command(words);
    expect([status, stderr]).toEqual([0, expect.stringContaining('is put back by the next command that may write it')]);
    expect(readFileSync(`${folder}/rules.yaml`, 'utf8')).toBe(waited);
    expect(await machine.connect(PORTS.open)).toEqual(['connected']);
    const next = await host.sluice(['status']);
    expect([next.status, next.stderr]).toEqual([0, expect.stringContaining('rules.yaml is again as it was')]);
    // What sections waited for by themselves is gone from it too.
    expect(readFileSync(`${folder}/rules.yaml`, 'utf8')).toBe(bootRules(servers));
    expect(await host.outcomes()).toEqual([
      'enable: applied',
      'deny 1080/tcp --server red: rolled-back-at-boot',
      `insert 1 deny ${PORTS.open}/tcp: rolled-back-at-boot`,
      'logging medium: rolled-back-at-boot',
    ]);
    await host.must('deny', '7779/udp');
    expect((await host.status()).warnings).toEqual([]);
    expect(await machine.connect(PORTS.open)).toEqual(['connected']);
  });
});

test('after disable nothing is loaded', async () => {
  await host.must('enable');
  await host.must('disable', '--yes');
  await machine.goDown();
  expect(await machine.up()).toMatchObject({
    status: 0,
    stdout: 'sluice is disabled: nothing is loaded, nothing is filtered\n',
  });
  expect(await machine.connect(PORTS.other)).toEqual(['connected']);
  expect(existsSync(host.environment.SLUICE_BPFFS!)).toBe(false);
});

test('enable on a machine without systemd enforces, and says that nothing is loaded at boot', async () => {
  // The test reads the state by the namespace's number; the command takes it for the machine's first.
  const { path } = host.context().folder;
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync('host', path);
  const script = `mount -t tmpfs tmpfs /run
mkdir /run/first; echo 300 > /run/first/netdev_budget; mount --bind /run/first /proc/sys/net/core
exec "$@"`;
  const words = ['unshare', '--mount', 'sh', '-ec', script, 'sh', process.execPath, COMMAND, 'enable'];
  expect(await host.command(words)).toMatchObject({
    status: 0,
    stderr: expect.stringContaining(
      'note: systemd does not run here: nothing is loaded at boot, unless something runs sluice boot\n',
    ) as string,
  });
  expect(await machine.connect(PORTS.open, PORTS.other)).toEqual(['connected', 'timeout']);
});
