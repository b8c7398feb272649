/**
 * `sluice apply` cut short: killed, or failing, at every named place of its path, while frames flow and a server waits to
 * be confirmed by itself. Whatever happens one ruleset judges, whole; status says which; the server goes on waiting; the
 * next apply leaves nothing of it; and every frame was counted once.
 */
import { FAILPOINTS } from '../../src/load/failpoint';
import { untilGone } from '../support/edge-host';
import { CrashStand, PORTS } from '../support/crash-stand';

type Name = 'a' | 'b';
const OTHER = { a: 'b', b: 'a' } as const;

let stand: CrashStand;

beforeAll(async () => {
  stand = await CrashStand.open('crash');
});

afterAll(() => stand.close());

/** Places behind the moment at which the new ruleset judges. */
const AFTER_GATE = new Set(['after-gate', 'after-fold', 'after-retire', 'before-revision', 'after-enforced']);
/** One lies where a clsact discipline is made: e2e/clsact. */
const WAYS = FAILPOINTS.filter((place) => place !== 'after-qdisc').flatMap((place) =>
  (['kill', 'error'] as const).map((how) => ({ place, how })),
);
const STATUS = { kill: 137, error: 1 };

describe('a second ruleset over one that enforces, while a server waits', () => {
  let now: Name = 'a';

  beforeAll(async () => {
    const { host } = stand;
    await host.must('apply', stand.file(now));
    stand.write('deny');
    await host.must('apply', stand.file(now), '--confirm', '3h');
    expect([await stand.reached(), await stand.waiting()]).toEqual([[PORTS.a], ['red']]);
    await stand.begin();
  });

  // Both gates are attached already: nothing is attached between them.
  test.each(WAYS.filter(({ place }) => place !== 'after-egress'))('$place: $how', async ({ place, how }) => {
    const { host, traffic } = stand;
    traffic.resume();
    const next = OTHER[now];
    const finished = await host.sluice(['apply', stand.file(next)], { SLUICE_FAILPOINT: `${place}:${how}` });
    expect(finished).toMatchObject({ status: STATUS[how] });
    // What failed as soon as it judged is taken back, and what judges again goes on counting.
    const judges = AFTER_GATE.has(place) || (place === 'after-exchange' && how === 'kill') ? next : now;
    const status = await host.status();
    expect([await stand.reached(status), await stand.waiting()]).toEqual([[PORTS[judges]], ['red']]);
    expect(status.file).toBe(stand.file(judges));
    if (how === 'error' && judges === now) await stand.expectWhole();
    await stand.expectExactCounts();
    traffic.resume();
    await host.must('apply', stand.file(next));
    now = next;
    expect([await stand.reached(), await stand.waiting()]).toEqual([[PORTS[now]], ['red']]);
    await stand.expectWhole();
    await stand.expectExactCounts();
  });

  // Of other commands too: crash-anything.
  test('killed at 16 moments nobody chose', async () => {
    const { host, traffic } = stand;
    traffic.resume();
    for (let i = 0; i < 16; i++) {
      const next = OTHER[now];
      const child = host.startSluice(['apply', stand.file(next)]);
      await new Promise((done) => setTimeout(done, 150 + Math.random() * 500));
      await child.stop('SIGKILL');
      expect((await stand.look()).active).toBe(true);
      const [reached] = await stand.reached();
      now = reached === PORTS.a ? 'a' : 'b';
    }
    await host.must('apply', stand.file('a'));
    expect([await stand.reached(), await stand.waiting()]).toEqual([[PORTS.a], ['red']]);
    await stand.expectWhole();
    await stand.expectExactCounts();
  });

  test('what the server had before was kept through all of it', async () => {
    await stand.host.must('rollback', '--server', 'red');
    expect([await stand.reached(), await stand.waiting()]).toEqual([[PORTS.server, PORTS.a], []]);
    await stand.expectWhole();
  });

  test('disable takes every object away', async () => {
    const { host } = stand;
    await stand.traffic.pause();
    const objects = host.objects();
    await host.must('disable', '--yes');
    expect(host.pinned()).toEqual([]);
    expect(host.records()).toEqual([]);
    await untilGone(objects);
  });
});

describe('the first ruleset', () => {
  beforeAll(() => {
    stand.write('allow');
    // Frames that come before the program is attached are nobody's to count: the driver's figures alone are compared.
    stand.traffic.whole = false;
  });

  /** Where the new ruleset is on the interface already, since the gate changes before it is attached. */
  const ATTACHED = new Set(['after-attach', ...AFTER_GATE]);

  test.each(WAYS)('$place: $how', async ({ place, how }) => {
    const { host } = stand;
    await stand.expectCountsFromHere();
    stand.traffic.resume();
    const finished = await host.sluice(['apply', stand.file('a')], { SLUICE_FAILPOINT: `${place}:${how}` });
    // Nothing retires in a first apply, so that place is not passed.
    const reached = place !== 'after-fold';
    expect(finished).toMatchObject({ status: reached ? STATUS[how] : 0 });
    const judges = ATTACHED.has(place) && !(how === 'error' && place === 'after-attach');
    expect(await stand.reached(await host.status())).toEqual(
      judges ? [PORTS.server, PORTS.a] : [PORTS.server, PORTS.a, PORTS.b],
    );
    if (!judges && how === 'error') {
      expect(host.pinned()).toEqual([]);
      expect(host.records()).toEqual([]);
    }
    await host.must('apply', stand.file('b'));
    expect(await stand.reached()).toEqual([PORTS.server, PORTS.b]);
    await stand.expectWhole();
    await stand.expectExactCounts();
    await host.must('disable', '--yes');
    expect(host.pinned()).toEqual([]);
  });
});
