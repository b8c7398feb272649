/** Several applies at once, and everything sluice keeps outside the kernel lost, damaged or held by the dead. */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { kernel } from '../../src/kernel/native';
import { sendFrames, serve } from '../support/clients';
import { EdgeHost, HOST, pinsOf, Prober, untilGone } from '../support/edge-host';

import { compose, ethernet, ipv4, udp } from '../support/packet';
import { inboundRows } from '../support/snapshot-rows';

const PORTS = [14141, 14142, 14143, 14144, 14145] as const;
const COUNTED = 7777;

let host: EdgeHost;
let prober: Prober;
const files = new Map<number, string>();

beforeEach(async () => {
  host = await EdgeHost.open('files');
  await serve(
    host.edge,
    PORTS.map((port) => `tcp:${port}`),
  );
  prober = new Prober(host.wire);
  for (const port of PORTS) {
    files.set(
      port,
      host.write(
        `${port}.yaml`,
        `version: 1\ninterfaces: [${HOST.link}]\ninbound:\n  default: deny\n  rules:\n` +
          `    - { id: counted, action: deny, port: ${COUNTED}/udp }\n` +
          `    - { id: p${port}, action: allow, port: ${port}/tcp }\n`,
      ),
    );
  }
});

afterEach(async () => {
  await prober.stop();
  await host.close();
});

/** One generation, everywhere; connections, status and ruleset agree. Returns the open port. */
async function expectWhole(port?: number): Promise<number> {
  const { active, generation, sections, warnings } = await host.status();
  expect({ active, warnings }).toEqual({ active: true, warnings: [] });
  const stated = Number(inboundRows({ sections })[1].id.slice(1));
  if (port !== undefined) expect(stated).toBe(port);
  expect(await prober.open(...PORTS)).toEqual([stated]);
  expect(host.pinned()).toEqual(pinsOf(generation!, [host.edge.ifindex(HOST.link)]));
  expect(host.slots().filter((id) => id !== null)).toHaveLength(1);
  expect(host.records()).toEqual([`generation-${generation}.json`]);
  return stated;
}

/** Hits that `counted` shows. */
async function hits(): Promise<number> {
  return Number(inboundRows(await host.status()).find(({ id }) => id === 'counted')?.packets);
}

/** Sends frames to the counted port and waits until the driver handed them over. */
async function send(count: number): Promise<void> {
  const frame = compose(ethernet({ to: HOST.mac }), ipv4({ to: HOST.ipv4 }), udp({ to: COUNTED }));
  const before = host.edge.linkCounters(HOST.link).received;
  await sendFrames(
    host.wire,
    'eth0',
    Array.from({ length: count }, () => frame),
  );
  for (const deadline = Date.now() + 60_000; host.edge.linkCounters(HOST.link).received < before + count;) {
    expect(Date.now()).toBeLessThan(deadline);
    await new Promise((done) => setTimeout(done, 20));
  }
}

function stateFile(name: string): string {
  return join(host.context().folder.path, name);
}

test('five applies at once, five rounds: each done or clearly refused, one after the other', async () => {
  const objectsSeen: { programs: number[]; maps: number[] }[] = [];
  let generation = 0;
  for (let round = 0; round < 5; round++) {
    const ended = await Promise.all(PORTS.map((port) => host.sluice(['apply', files.get(port)!])));
    const done = ended.flatMap(({ status, stdout }) => {
      const number = /applied: generation (\d+)/.exec(stdout)?.[1];
      return status === 0 && number !== undefined ? [Number(number)] : [];
    });
    for (const { status, stderr, stdout } of ended) {
      expect([0, 1]).toContain(status);
      if (status === 0) expect(stdout).toMatch(/applied: generation \d+|no changes/);
      else expect(stderr).toMatch(/another sluice|another process/);
    }
    expect(done.length).toBeGreaterThan(0);
    // No number twice, none lost, none out of order over the rounds.
    done.sort((a, b) => a - b);
    expect(done).toEqual(done.map((_, i) => generation + 1 + i));
    generation = done.at(-1)!;
    await expectWhole();
    expect((await host.status()).generation).toBe(generation);
    objectsSeen.push(host.objects());
  }
  await host.must('disable', '--yes');
  for (const objects of objectsSeen) await untilGone(objects);
});

test('the state directory deleted: enforcement goes on, status says what is lost, apply heals', async () => {
  await host.must('apply', files.get(14141)!);
  await send(5);
  rmSync(host.environment.SLUICE_STATE_DIR!, { recursive: true });
  const lost = await host.status();
  expect(lost.active).toBe(true);
  expect(lost.warnings.join()).toMatch(/record of generation 1 is lost/);
  expect(await prober.open(...PORTS)).toEqual([14141]);
  await host.must('apply', files.get(14141)!);
  await expectWhole(14141);
  await host.recount('the totals were in the state directory');
  await send(3);
  expect(await hits()).toBe(3);
  await host.must('apply', files.get(14142)!);
  await send(4);
  expect(await hits()).toBe(7);
  await expectWhole(14142);
});

test.each([
  ['empty', () => ''],
  ['half', (text: string) => text.slice(0, text.length / 2)],
  ['not JSON', () => '\u0000\u0001'],
  ['of another kind', () => '[1, 2, 3]\n'],
  ['edited', (text: string) => text.replace('p14141', 'p14142')],
])('a generation record that is %s is not believed', async (_what, damage) => {
  await host.must('apply', files.get(14141)!);
  const file = stateFile('generation-1.json');
  writeFileSync(file, damage(readFileSync(file, 'utf8')));
  const { active, warnings, sections } = await host.status();
  expect(active).toBe(true);
  expect(warnings.join()).toMatch(/record of generation 1 is lost/);
  expect(sections).toEqual([]);
  expect(await prober.open(...PORTS)).toEqual([14141]);
  await host.must('apply', files.get(14141)!);
  await host.recount('without the record nobody knows which rules the counters belong to');
  await send(4);
  await expectWhole(14141);
});

test.each(['totals.json', 'enforced.json'])('%s damaged: said, set aside, enforcement goes on', async (name) => {
  await host.must('apply', files.get(14141)!);
  await host.must('apply', files.get(14142)!);
  writeFileSync(stateFile(name), '{');
  expect((await host.status()).active).toBe(true);
  expect(await prober.open(...PORTS)).toEqual([14142]);
  await host.must('apply', files.get(14143)!);
  if (name === 'totals.json') await host.recount('the totals were in that file');
  await send(4);
  await expectWhole(14143);
  expect(readdirSync(host.context().folder.path).some((entry) => entry.startsWith(`${name}.damaged-`))).toBe(true);
});

test('a lock whose holder was killed is free', async () => {
  await host.must('apply', files.get(14141)!);
  const take =
    'import fcntl, sys, time; f = open(sys.argv[1]); fcntl.flock(f, 2); print("held", flush=True); time.sleep(600)';
  const holder = host.edge.start(['python3', '-c', take, stateFile('lock')]);
  await holder.waitFor(/held/);
  const started = Date.now();
  const refused = await host.sluice(['apply', files.get(14142)!]);
  expect(refused.status).toBe(1);
  expect(refused.stderr).toContain(`another sluice (pid ${holder.pid}) is changing this firewall`);
  expect(Date.now() - started).toBeGreaterThan(4000);
  await expectWhole(14141);
  await holder.stop('SIGKILL');
  await host.must('apply', files.get(14142)!);
  await expectWhole(14142);
});

test('a lock that is given up in time is waited for', async () => {
  await host.must('apply', files.get(14141)!);
  const lock = kernel().tryLock(stateFile('lock'))!;
  const applying = host.sluice(['apply', files.get(14142)!]);
  await new Promise((done) => setTimeout(done, 1500));
  lock.close();
  expect((await applying).status).toBe(0);
  await expectWhole(14142);
});

describe('two state directories over one firewall', () => {
  const elsewhere = (name: string): NodeJS.ProcessEnv => ({ SLUICE_STATE_DIR: join(host.directory, name) });

  test('the change of one keeps the other out, first ruleset or not', async () => {
    for (const port of [14141, 14142]) {
      host.pins.claim();
      const lock = kernel().tryLock(host.pins.directory)!;
      const refused = await host.sluice(['apply', files.get(port)!], elsewhere('a'));
      expect(refused.status).toBe(1);
      expect(refused.stderr).toContain(`another sluice (pid ${process.pid}) is changing this firewall`);
      lock.close();
      await host.must('apply', files.get(port)!);
      await expectWhole(port);
    }
    await host.must('disable', '--yes');
    expect(host.pinned()).toEqual([]);
  });

  test('five at once: one after the other, no generation number twice', async () => {
    const ended = await Promise.all(
      PORTS.map((port) => host.sluice(['apply', files.get(port)!], elsewhere(String(port)))),
    );
    const numbers = ended.flatMap(({ status, stdout, stderr }) => {
      expect([0, 1]).toContain(status);
      if (status === 0) return [Number(/applied: generation (\d+)/.exec(stdout)![1])];
      expect(stderr).toMatch(/another sluice/);
      return [];
    });
    expect(numbers.length).toBeGreaterThan(0);
    expect(numbers.sort((a, b) => a - b)).toEqual(numbers.map((_, i) => i + 1));
    expect(host.pinned()).toEqual(pinsOf(numbers.at(-1)!, [host.edge.ifindex(HOST.link)]));
    expect(await prober.open(...PORTS)).toHaveLength(1);
    await host.must('apply', files.get(14141)!);
    await host.recount('each of the five counted in a state directory of its own');
    await send(3);
  });
});

describe('pins that are not ours or not whole', () => {
  test('numbers without content, and strange names: cleaned up, counters of the running one kept', async () => {
    await host.must('apply', files.get(14141)!);
    await send(6);
    for (const name of ['99', '7', 'abc']) mkdirSync(join(host.pins.directory, 'gen', name), { mode: 0o700 });
    expect(await hits()).toBe(6);
    await host.must('apply', files.get(14142)!);
    expect(await hits()).toBe(6);
    await send(2);
    await host.must('apply', files.get(14143)!);
    expect(await hits()).toBe(8);
    // Not a number, so nothing sluice made.
    expect(host.pinned().filter((path) => path.startsWith('gen/') && path.split('/').length === 3)).toContain(
      'gen/abc/',
    );
    rmSync(join(host.pins.directory, 'gen', 'abc'), { recursive: true });
    await expectWhole(14143);
  });

  test('a creation cut short: made anew', async () => {
    for (const name of ['', 'state', 'gen', 'links']) {
      mkdirSync(join(host.pins.directory, name), { recursive: true, mode: 0o700 });
    }
    const map = kernel().createMap({ type: 'array', name: 'stranger', keySize: 4, valueSize: 8, maxEntries: 1 });
    map.pin(host.pins.state('slc_programs'));
    map.close();
    expect(await host.status()).toMatchObject({ active: false });
    await host.must('apply', files.get(14141)!);
    await expectWhole(14141);
  });

  test('a directory that others can write to is refused', async () => {
    mkdirSync(host.pins.directory, { recursive: true, mode: 0o700 });
    const chmod = await host.edge.run(['chmod', '0777', host.pins.directory]);
    expect(chmod.status).toBe(0);
    expect(statSync(host.pins.directory).mode & 0o777).toBe(0o777);
    const { status, stderr } = await host.sluice(['apply', files.get(14141)!]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/does not belong to sluice: owner 0, mode 777[\s\S]*nothing was changed/);
    expect(host.pinned()).toEqual([]);
    expect(await prober.open(...PORTS)).toEqual([...PORTS]);
    rmSync(host.pins.directory, { recursive: true });
  });

  test('a map in the place of a link: passed over, and gone with disable', async () => {
    await host.must('apply', files.get(14141)!);
    const map = kernel().createMap({ type: 'array', name: 'stranger', keySize: 4, valueSize: 8, maxEntries: 1 });
    map.pin(join(host.pins.directory, 'links', '4000-xdp'));
    map.close();
    expect((await host.status()).active).toBe(true);
    await host.must('apply', files.get(14142)!);
    expect(await prober.open(...PORTS)).toEqual([14142]);
    await host.must('disable', '--yes');
    expect(host.pinned()).toEqual([]);
    expect(await prober.open(...PORTS)).toEqual([...PORTS]);
  });
});

test('nothing is left in the state directory that an apply did not mean to keep', async () => {
  await host.must('apply', files.get(14141)!);
  await host.must('apply', files.get(14142)!);
  const names = readdirSync(host.context().folder.path).sort();
  expect(names.map((name) => name.replace(/-[0-9a-f]{32}\./, '-DIGEST.'))).toEqual([
    'boot.json',
    'enforced-DIGEST.text',
    'enforced.json',
    'generation-2.json',
    'history',
    'lock',
    'saved-1.json',
    'saved-1.text',
    'saved-2.json',
    'saved-2.text',
    'totals.json',
  ]);
});

test('what a process that was killed while it wrote a file left beside it goes with the next run', async () => {
  const ruleset = files.get(14141)!;
  const unfinished = (folder: string): string[] => readdirSync(folder).filter((name) => name.endsWith('.new'));
  await host.must('apply', ruleset);
  const killed = { SLUICE_FAILPOINT: 'during-write:kill' };
  const before = readFileSync(ruleset, 'utf8');
  const state = host.context().folder.path;
  expect((await host.sluice(['allow', '22/tcp'], killed)).status).toBe(137);
  expect(readFileSync(ruleset, 'utf8')).toBe(before);
  // The first file that a verb writes is the note of what it is about to do; the ruleset comes next.
  const [note] = unfinished(state);
  copyFileSync(join(state, note), join(host.directory, note.replace('change.json', '14141.yaml')));
  expect(unfinished(host.directory)).toHaveLength(1);
  expect((await host.sluice(['apply', files.get(14142)!], killed)).status).toBe(137);
  // The first file that an apply writes is the text; that of the revision comes next.
  expect(unfinished(state)).toHaveLength(1);
  const [left] = unfinished(state);
  copyFileSync(join(state, left), join(state, 'history', left));
  // What boots load gets its name when it enforces already.
  await host.must('status');
  expect(unfinished(state)).toEqual([left]);
  expect((await host.sluice(['apply', files.get(14142)!], { SLUICE_FAILPOINT: 'during-link:kill' })).status).toBe(137);
  const links = unfinished(state);
  expect(links).toEqual([expect.stringMatching(/^\.saved-\d\.text\./)]);
  // That of a process that lives is left alone.
  const living = `.14141.yaml.${process.pid}.0123456789ab.new`;
  host.write(living, '');
  await host.must('apply', ruleset);
  expect(unfinished(host.directory)).toEqual([living]);
  expect([...unfinished(state), ...unfinished(join(state, 'history'))]).toEqual([]);
  expect(await expectWhole()).toBe(14141);
});
