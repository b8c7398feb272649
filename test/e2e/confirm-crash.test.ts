/**
 * `sluice confirm`, `sluice rollback`, and the first command after a change that nobody confirmed, each cut short at
 * every named place: one ruleset judges, whole, status says which, and the next command leaves nothing of it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { CONFIRM_FAILPOINTS } from '../../src/load/failpoint';
import { serve } from '../support/clients';
import { EdgeHost, HOST, pinsOf, Prober } from '../support/edge-host';

const A = 14141;
const B = 14142;

jest.setTimeout(180_000);

let host: EdgeHost;
let prober: Prober;

beforeEach(async () => {
  host = await EdgeHost.open('confirm-crash');
  await serve(host.edge, [`tcp:${A}`, `tcp:${B}`]);
  prober = new Prober(host.wire);
  rules('rules.yaml', `allow ${A}/tcp`);
  rules('b.yaml', `allow ${B}/tcp`);
});

afterEach(async () => {
  await prober.stop();
  await host.close();
});

function rules(name: string, ...rows: readonly string[]): string {
  return host.write(name, `version: 1\ninterfaces: [eth0]\ninbound:\n  default: deny\n  rules: [${rows.join(', ')}]\n`);
}

const file = (name: string): string => `${host.directory}/${name}`;

/** Which of the two ports connections reach. */
const open = (): Promise<number[]> => prober.open(A, B);

/** Exactly this generation, in the kernel and in the files. */
function expectOnly(generation: number): void {
  expect(host.pinned()).toEqual(pinsOf(generation, [host.edge.ifindex(HOST.link)]));
  expect(host.slots().filter((id) => id !== null)).toHaveLength(1);
  expect(host.records()).toEqual([`generation-${generation}.json`]);
}

/** Places of `confirm`, and of taking back; behind these the change of the gate has happened. */
const CHANGED = new Set<string>(['after-confirm', 'after-return']);
const WAYS = CONFIRM_FAILPOINTS.flatMap((place) => (['kill', 'error'] as const).map((how) => ({ place, how })));

test.each(WAYS)('$place: $how', async ({ place, how }) => {
  await host.must('apply');
  await host.must('apply', file('b.yaml'), '--confirm', '60s');
  expect(await open()).toEqual([B]);
  const confirms = place.endsWith('confirm');
  const cut = await host.sluice([confirms ? 'confirm' : 'rollback'], { SLUICE_FAILPOINT: `${place}:${how}` });
  expect(cut.status).toBe(how === 'kill' ? 137 : 1);
  const changed = CHANGED.has(place);
  const judges = changed && !confirms ? { generation: 1, ports: [A] } : { generation: 2, ports: [B] };
  expect(await open()).toEqual(judges.ports);
  const status = await host.status();
  expect(status.generation).toBe(judges.generation);
  expect(status.pending === null).toBe(changed);
  expect(status.file).toBe(file(judges.generation === 1 ? 'rules.yaml' : 'b.yaml'));
  if (!changed) await host.must(confirms ? 'confirm' : 'rollback');
  else await host.must('apply', status.file!);
  expectOnly(confirms ? 2 : 1);
  expect(await open()).toEqual(confirms ? [B] : [A]);
});

test.each(['before-return', 'after-return'] as const)('tidied up by nobody, then killed at %s', async (place) => {
  await host.must('apply');
  await host.must('apply', file('b.yaml'), '--confirm', '2s');
  const { pending } = await host.status();
  await sleep(Date.parse(pending!.deadline) - Date.now() + 20);
  expect(await host.sluice(['status'], { SLUICE_FAILPOINT: `${place}:kill` })).toMatchObject({ status: 137 });
  expect(await open()).toEqual([A]);
  const { warnings, generation } = await host.status();
  expect(generation).toBe(1);
  expect(warnings.join()).toContain('was not confirmed within 2 s');
  await host.must('apply', file('rules.yaml'));
  expectOnly(1);
});
