/**
 * Programs loaded in advance: who makes them, which apply takes them, and that nobody is misled by one that does not
 * fit, is damaged, or whose maker was killed at any named place.
 */
import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { SPARE_FAILPOINTS } from '../../src/load/failpoint';
import { makeReady } from '../../src/operate/ready';
import { kernel } from '../../src/kernel/native';
import { serve } from '../support/clients';
import { EdgeHost, HOST, pinsOf, Prober, untilGone } from '../support/edge-host';
import type { Finished } from '../support/process';
import { inboundRows } from '../support/snapshot-rows';

const A = 14141;
const B = 14142;
const LIBRARY = join(__dirname, '../../dist/index.js');

let host: EdgeHost;
let prober: Prober;

/** A ruleset that lets connections to one port in. */
function ruleset(open: number, extra: readonly string[] = []): string {
  const rules = [`{ id: open, action: allow, port: ${open}/tcp }`, ...extra].map((rule) => `    - ${rule}\n`);
  const text = `version: 1\ninterfaces: [${HOST.link}]\ninbound:\n  default: deny\n  rules:\n${rules.join('')}`;
  return host.write(`${open}-${extra.length}.yaml`, text);
}

beforeEach(async () => {
  host = await EdgeHost.open('spare');
  await serve(host.edge, [`tcp:${A}`, `tcp:${B}`]);
  prober = new Prober(host.wire);
  await host.must('apply', ruleset(A));
});

afterEach(async () => {
  await prober.stop();
  await host.close();
});

/** Names in the directory of spares. */
function spares(): string[] {
  return existsSync(host.pins.spares) ? readdirSync(host.pins.spares) : [];
}

/** Programs and maps of what is pinned as a spare, to see them go. */
function spareObjects(): { programs: number[]; maps: number[] } {
  const [name] = spares();
  const programs = ['program', 'egress'].map((pin) => {
    const program = kernel().openPinnedProgram(join(host.pins.spares, name, pin));
    const { id } = program.info();
    program.close();
    return id;
  });
  return { programs, maps: programs.flatMap((id) => [...(kernel().programInfo(id)?.mapIds ?? [])]) };
}

/** The one generation that is in the kernel and in the files lets in connections to this port. */
async function expectWhole(port: number): Promise<number> {
  const { generation, warnings } = await host.status();
  expect(warnings).toEqual([]);
  expect(await prober.open(A, B)).toEqual([port]);
  expect(host.pinned()).toEqual(pinsOf(generation!, [host.edge.ifindex(HOST.link)]));
  expect(host.slots().filter((id) => id !== null)).toHaveLength(1);
  expect(host.records()).toEqual([`generation-${generation}.json`]);
  return generation!;
}

/** `firewall.prepare()` in a process of its own, which may be killed. */
async function prepareElsewhere(failpoint: string): Promise<Finished> {
  const script = `require(${JSON.stringify(LIBRARY)}).Firewall.open().then((firewall) => firewall.prepare())
    .then((spare) => console.log(JSON.stringify(spare)), (error) => { console.error(error.message); process.exit(1); })`;
  return host.command([process.execPath, '-e', script], { SLUICE_FAILPOINT: failpoint });
}

test('the next apply becomes the spare; hits go on; nothing of it is left at the end', async () => {
  const spare = await makeReady(host.context());
  expect(spare).toMatchObject({ generation: 2 });
  expect((await host.status()).spare).toEqual(spare);
  const first = host.objects();
  const { programs } = spareObjects();
  // The same switches: nothing to be done.
  expect(await makeReady(host.context())).toEqual(spare);

  await prober.open(A);
  const before = inboundRows(await host.status())[0].packets;
  expect(await host.must('apply', ruleset(B, ['{ id: more, action: deny, from: 192.0.2.0/24 }']))).toMatch(
    /generation 2\b/,
  );
  expect(host.slots().filter((id) => id !== null)).toEqual([programs[0]]);
  expect(host.slots('egress').filter((id) => id !== null)).toEqual([programs[1]]);
  await expectWhole(B);
  const rows = inboundRows(await host.status());
  expect(BigInt(rows.find(({ id }) => id === 'open')!.packets)).toBeGreaterThan(BigInt(before));
  // The kernel's program over the image that was filled later says what the model says.
  await host.must('explain', `tcp from 192.0.2.1 to ${HOST.ipv4} port ${B}`);
  await untilGone({ programs: first.programs.slice(0, 1), maps: [] });

  await makeReady(host.context());
  const left = [host.objects(), spareObjects()];
  await host.must('disable', '--yes');
  for (const objects of left) await untilGone(objects);
});

test('a spare that does not fit is not taken: other switches, another size, another version, a part missing', async () => {
  const misfits: (readonly [() => void, readonly string[]])[] = [
    [() => undefined, ['{ id: slow, action: limit, port: 22/tcp }']],
    [
      () => undefined,
      Array.from({ length: 4000 }, (_, i) => `{ id: r${i}, action: deny, from: 10.${i >> 8}.${i & 255}.0/24 }`),
    ],
    [
      () => {
        const [name] = spares();
        renameSync(
          join(host.pins.spares, name),
          join(
            host.pins.spares,
            name.replace(/.$/, (last) => (last === '0' ? '1' : '0')),
          ),
        );
      },
      [],
    ],
    [() => rmSync(join(host.pins.spares, spares()[0], 'egress')), []],
    [
      () => {
        const image = kernel().openPinnedMap(join(host.pins.spares, spares()[0], 'image'));
        image.freeze();
        image.close();
      },
      [],
    ],
  ];
  let open = A;
  for (const [spoil, extra] of misfits) {
    await host.must('apply', ruleset(open));
    await makeReady(host.context());
    const objects = spareObjects();
    spoil();
    open = open === A ? B : A;
    await host.must('apply', ruleset(open, extra));
    await expectWhole(open);
    expect(host.slots()).not.toContain(objects.programs[0]);
    await untilGone({ programs: objects.programs, maps: [] });
  }
});

test('killed, or failing, at every named place: one generation enforces, and the next apply leaves nothing of it', async () => {
  let open = A;
  for (const place of SPARE_FAILPOINTS) {
    const adopting = place === 'spare-adopted';
    for (const how of adopting ? ['kill', 'error'] : ['kill']) {
      const failpoint = `${place}:${how}`;
      if (adopting) await makeReady(host.context());
      const next = open === A ? B : A;
      const ended = adopting
        ? await host.sluice(['apply', ruleset(next)], { SLUICE_FAILPOINT: failpoint })
        : await prepareElsewhere(failpoint);
      expect([failpoint, ended.status]).toEqual([failpoint, how === 'kill' ? 137 : 1]);
      expect(await prober.open(A, B)).toEqual([open]);
      expect((await host.status()).warnings).toEqual([]);
      await host.must('apply', ruleset(next));
      open = next;
      await expectWhole(open);
    }
  }
  // Filled, and killed before it is loaded into a slot.
  await makeReady(host.context());
  const next = open === A ? B : A;
  const killed = await host.sluice(['apply', ruleset(next)], { SLUICE_FAILPOINT: 'after-image:kill' });
  expect(killed.status).toBe(137);
  expect(await prober.open(A, B)).toEqual([open]);
  await host.must('apply', ruleset(next));
  await expectWhole(next);
});

test('one that waits to be confirmed and returns; the pins removed by hand', async () => {
  await makeReady(host.context());
  await host.must('apply', ruleset(B), '--confirm', '10m');
  expect(await prober.open(A, B)).toEqual([B]);
  await makeReady(host.context());
  await host.must('rollback');
  expect(await prober.open(A, B)).toEqual([A]);
  await host.must('apply', ruleset(B));
  await makeReady(host.context());
  const objects = [host.objects(), spareObjects()];
  rmSync(host.pins.directory, { recursive: true });
  for (const gone of objects) await untilGone(gone);
  expect(await prober.open(A, B)).toEqual([A, B]);
  expect(await makeReady(host.context())).toBeNull();
  expect(existsSync(host.pins.directory)).toBe(false);
  await host.recount('its pins were removed by hand');
});

test('the daemon keeps one, after every change', async () => {
  const daemon = host.startSluice(['daemon']);
  await daemon.waitFor(/the daemon runs/);
  const ready = async (above: number): Promise<number> => {
    for (const deadline = Date.now() + 120_000; ;) {
      const { spare } = await host.status();
      if (spare && spare.generation > above) return spare.generation;
      if (Date.now() > deadline) throw new Error(`no spare above ${above}: ${daemon.output}`);
      await new Promise((done) => setTimeout(done, 100));
    }
  };
  const first = await ready(1);
  const program = spareObjects().programs[0];
  expect(await host.must('apply', ruleset(B))).toMatch(new RegExp(`generation ${first}\\b`));
  expect(host.slots()).toContain(program);
  expect(await prober.open(A, B)).toEqual([B]);
  await ready(first);
  expect(await daemon.stop()).toBe(0);
  // It stays for whoever changes something next.
  expect((await host.status()).spare).not.toBeNull();
});
