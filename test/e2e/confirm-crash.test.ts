/**
 * What waits to be confirmed, cut short at every named place: `sluice confirm`, `sluice rollback`, and the first command
 * after a change that nobody confirmed; of the whole ruleset while a server waits by itself, and of the server. One ruleset
 * judges, whole, status says which, and the next command leaves nothing of it.
 */
import { CONFIRM_FAILPOINTS, type Failpoint, FAILPOINTS, TRIAL_FAILPOINTS } from '../../src/load/failpoint';
import { CrashStand, PORTS, SERVER_SHUT } from '../support/crash-stand';
import type { EdgeHost } from '../support/edge-host';
import { endTrial } from '../support/end-trial';
import { A, B, TwoPorts } from '../support/two-ports';

describe('the whole ruleset', () => {
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
    await host.must('apply', ports.file('b.yaml'), '--confirm', '10m');
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
    await host.must('apply', ports.file('b.yaml'), '--confirm', '10m');
    ports.endTime();
    expect(await host.sluice(['status'], { SLUICE_FAILPOINT: `${place}:kill` })).toMatchObject({ status: 137 });
    expect(await ports.reached()).toEqual([A]);
    const { warnings, generation } = await host.status();
    expect(generation).toBe(1);
    expect(warnings.join()).toContain('was not confirmed within 600 s');
    await host.must('apply', ports.file('rules.yaml'));
    ports.expectOnly(1);
  });
});

describe('a server by itself', () => {
  let stand: CrashStand;
  let host: EdgeHost;
  let before: string;

  beforeAll(async () => {
    stand = await CrashStand.open('trial-crash');
    ({ host } = stand);
    await host.must('apply', stand.file('a'));
    before = stand.text('a');
    await stand.begin();
  });

  afterAll(() => stand.close());

  const open = [PORTS.server, PORTS.a];
  const shut = [PORTS.a];
  const cutShort = async (place: Failpoint, ...words: string[]): Promise<void> => {
    stand.traffic.resume();
    expect(await host.sluice(words, { SLUICE_FAILPOINT: `${place}:kill` })).toMatchObject({ status: 137 });
  };
  const expectState = async (reached: readonly number[], waiting: boolean): Promise<void> => {
    expect([await stand.reached(), await stand.waiting()]).toEqual([reached, waiting ? ['red'] : []]);
  };
  const expectTidy = async (): Promise<void> => {
    await expectState(open, false);
    await stand.expectWhole();
    await stand.expectExactCounts();
    expect(stand.text('a')).toBe(before);
  };

  /** Of an apply over one that enforces; both gates are attached already. */
  const APPLY = FAILPOINTS.filter((place) => place !== 'after-qdisc' && place !== 'after-egress');
  const BEGUN = new Set<Failpoint>([
    ...(['after-exchange', 'after-gate', 'after-fold', 'after-retire'] as const),
    ...(['before-revision', 'after-enforced'] as const),
  ]);

  test.each([...APPLY, 'after-words', 'during-write'] as const)(
    'begins to wait, and is tidied up after, killed at %s',
    async (place) => {
      await cutShort(place, ...SERVER_SHUT, '--confirm', '10m');
      const begun = BEGUN.has(place);
      await expectState(begun ? shut : open, begun);
      if (!begun) await host.must(...SERVER_SHUT, '--confirm', '10m');
      await expectState(shut, true);
      await endTrial(host, 'red');
      await expectState(open, false);
      // The command that comes next, and then one that is not cut short.
      await cutShort(place, 'status');
      await expectState(open, false);
      await host.must('status');
      await expectTidy();
    },
  );

  test.each([...TRIAL_FAILPOINTS.filter((place) => place !== 'after-words'), 'after-gate'] as const)(
    'confirmed, killed at %s',
    async (place) => {
      await host.must(...SERVER_SHUT, '--confirm', '10m');
      await cutShort(place, 'confirm', '--server', 'red');
      const waits = place === 'before-confirm-words';
      await expectState(shut, waits);
      if (waits) await host.must('confirm', '--server', 'red');
      else await host.must('status');
      await expectState(shut, false);
      await stand.expectWhole();
      await stand.expectExactCounts();
      await host.must('allow', `${PORTS.server}/tcp`, '--server', 'red');
      await expectTidy();
    },
  );

  test.each(CONFIRM_FAILPOINTS)('it waits on while a change of the rest is cut short at %s', async (place) => {
    await host.must(...SERVER_SHUT, '--confirm', '10m');
    const isWhole = async (): Promise<boolean> => (await stand.look()).pending !== null;
    await host.must('logging', 'medium', '--confirm', '10m');
    await expectState(shut, true);
    const confirms = place.endsWith('confirm');
    await cutShort(place, confirms ? 'confirm' : 'rollback');
    await expectState(shut, true);
    expect(await isWhole()).toBe(place.startsWith('before'));
    // Confirming the rest anew keeps all of it; taking it back leaves what the server waits for.
    if (place === 'before-confirm') await host.must('confirm');
    else if (place === 'before-return') await host.must('rollback');
    else await host.must('status');
    if (place === 'before-confirm') await host.must('allow', `${PORTS.server}/tcp`, '--server', 'red');
    else await host.must('rollback', '--server', 'red');
    expect(await isWhole()).toBe(false);
    if (confirms) await host.must('logging', 'low');
    await expectTidy();
  });

  /** Places at which what is made of both states differs; those between them leave the same. */
  const BESIDE = ['after-pin', 'after-slot', 'after-words', 'after-exchange', 'after-gate', 'before-revision'] as const;

  test.each([...BESIDE, 'during-write'] as const)(
    'changed beside what waits as a whole, killed at %s: in both states, or in none',
    async (place) => {
      await host.must('logging', 'medium', '--confirm', '10m');
      await cutShort(place, ...SERVER_SHUT);
      const begun = BEGUN.has(place);
      await expectState(begun ? shut : open, false);
      expect((await stand.look()).pending).not.toBeNull();
      if (!begun) await host.must(...SERVER_SHUT);
      // What judges again otherwise says the same of the server.
      await host.must('rollback');
      await expectState(shut, false);
      expect((await stand.look()).pending).toBeNull();
      expect((await host.revisions()).slice(-2).map(({ outcome }) => outcome)).toEqual([
        'rolled-back-by-hand',
        'applied',
      ]);
      await host.must('allow', `${PORTS.server}/tcp`, '--server', 'red');
      await expectTidy();
    },
  );
});
