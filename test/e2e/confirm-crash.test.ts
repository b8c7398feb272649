/**
 * `sluice confirm`, `sluice rollback`, and the first command after a change that nobody confirmed, each cut short at
 * every named place: one ruleset judges, whole, status says which, and the next command leaves nothing of it.
 */
import { CONFIRM_FAILPOINTS } from '../../src/load/failpoint';
import type { EdgeHost } from '../support/edge-host';
import { A, B, TwoPorts } from '../support/two-ports';

let ports: TwoPorts;
let host: EdgeHost;

beforeEach(async () => {
  ports = await TwoPorts.open('confirm-crash');
  ({ host } = ports);
});

afterEach(() => ports.close());

/** Places of `confirm`, and of taking back; behind these the change of the gate has happened. */
const CHANGED = new Set<string>(['after-confirm', 'after-return']);
const WAYS = CONFIRM_FAILPOINTS.flatMap((place) => (['kill', 'error'] as const).map((how) => ({ place, how })));

test.each(WAYS)('$place: $how', async ({ place, how }) => {
  await host.must('apply');
  await host.must('apply', ports.file('b.yaml'), '--confirm', '60s');
  expect(await ports.reached()).toEqual([B]);
  const confirms = place.endsWith('confirm');
  const cut = await host.sluice([confirms ? 'confirm' : 'rollback'], { SLUICE_FAILPOINT: `${place}:${how}` });
  expect(cut.status).toBe(how === 'kill' ? 137 : 1);
  const changed = CHANGED.has(place);
  const judges = changed && !confirms ? { generation: 1, ports: [A] } : { generation: 2, ports: [B] };
  expect(await ports.reached()).toEqual(judges.ports);
  const status = await host.status();
  expect(status.generation).toBe(judges.generation);
  expect(status.pending === null).toBe(changed);
  expect(status.file).toBe(ports.file(judges.generation === 1 ? 'rules.yaml' : 'b.yaml'));
  if (!changed) await host.must(confirms ? 'confirm' : 'rollback');
  else await host.must('apply', status.file!);
  ports.expectOnly(confirms ? 2 : 1);
  expect(await ports.reached()).toEqual(confirms ? [B] : [A]);
});

test.each(['before-return', 'after-return'] as const)('tidied up by nobody, then killed at %s', async (place) => {
  await host.must('apply');
  await host.must('apply', ports.file('b.yaml'), '--confirm', '60s');
  ports.endTime();
  expect(await host.sluice(['status'], { SLUICE_FAILPOINT: `${place}:kill` })).toMatchObject({ status: 137 });
  expect(await ports.reached()).toEqual([A]);
  const { warnings, generation } = await host.status();
  expect(generation).toBe(1);
  expect(warnings.join()).toContain('was not confirmed within 60 s');
  await host.must('apply', ports.file('rules.yaml'));
  ports.expectOnly(1);
});
