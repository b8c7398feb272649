/**
 * Sections that wait to be confirmed, in the datapath: at its deadline, to the nanosecond, what was before judges in one
 * again, with its own rows, switches, limits and counters; every other goes by its own word.
 */
import { compile } from '../../src/compile/compile';
import { kernel } from '../../src/kernel/native';
import { evaluate } from '../../src/model/evaluate';
import { evaluateOutgoing } from '../../src/model/outbound';
import type { Direction, Ruleset } from '../../src/model/ruleset';
import { FIXED_SECTIONS, rulesetReturned, sectionNow, type Trial } from '../../src/model/trial';
import { parseRuleset } from '../../src/parse/parse';
import { ConfirmStand } from '../support/confirm-stand';
import { FrameBatch } from '../support/generate/frame-batch';
import { KernelJudge } from '../support/kernel-judge';
import * as p from '../support/packet';

const { destination4: ADDRESS, destination6: ADDRESS6, source4: ELSEWHERE, source6: ELSEWHERE6 } = p.DEFAULTS;
const OUTGOING = { from: ADDRESS, to: ELSEWHERE };
const OUTGOING6 = { from: ADDRESS6, to: ELSEWHERE6 };
/** Rows of `inbound`, the guard and `outbound` where they matter. */
interface Rest {
  readonly inbound?: string;
  readonly guard?: string;
  readonly outbound?: string;
}
const rulesetOf = (shop: string, game: string, { inbound, guard, outbound }: Rest = {}): Ruleset =>
  parseRuleset(
    `version: 1
interfaces: [eth0]
inbound: ${inbound ?? '{ default: deny, rules: [allow 80/tcp] }'}
${guard === undefined ? '' : `guard: ${guard}\n`}${outbound === undefined ? '' : `outbound: ${outbound}\n`}servers:
  shop: { address: [${ADDRESS}, "${ADDRESS6}"], ports: 9000-9099, ${shop} }
  game: { address: [${ADDRESS}, "${ADDRESS6}"], ports: 9100-9199, ${game} }
`,
    { file: 'trial.yaml' },
  ).ruleset!;
const BEFORE = rulesetOf('default: deny, rules: [allow 9001/tcp, deny 9002/tcp]', 'default: allow');
const AFTER = rulesetOf('default: deny, rules: [deny 9001/tcp, allow 9003/udp]', 'default: deny, udp: off');
const WORDS = { shop: 3, game: 255 };
const trials: Trial[] = (['shop', 'game'] as const).map((name) => ({
  previous: BEFORE.servers!.find((server) => server.name === name)!,
  word: WORDS[name],
}));
const SHOP = 5_000_000_000n;
const GAME = 6_000_000_000n;

let stand: ConfirmStand;
let judge: KernelJudge;

beforeEach(async () => {
  stand = await ConfirmStand.create();
  judge = KernelJudge.create(kernel(), 1 << 16, { maps: { confirm: stand.map, clock: stand.clock } });
  stand.words.set(WORDS.shop, SHOP);
  stand.words.set(WORDS.game, GAME);
  await judge.install(compile(AFTER, undefined, trials));
});

afterEach(() => {
  judge.close();
  stand.close();
});

const JUDGES = { in: evaluate, out: evaluateOutgoing };

/**
 * Everything that the rows tell apart, judged at a boot time: as the scan does where these sections have returned. What
 * became of it, by direction.
 */
async function agreesAt(
  now: bigint,
  returned: readonly string[],
  after = AFTER,
  tried: readonly Trial[] = trials,
): Promise<Record<Direction, string>> {
  stand.now = now;
  const ruleset = rulesetReturned(after, tried, (name) => returned.includes(name));
  const said = { in: '', out: '' };
  for (const direction of ['in', 'out'] as const) {
    const batch = new FrameBatch(256);
    for (const [from, to] of [80, 81, 22, 9001, 9002, 9003, 9050, 9101, 9199].flatMap((port) => [
      [50000, port],
      [port, 50000],
    ]))
      for (const ip of direction === 'in' ? [p.ipv4(), p.ipv6()] : [p.ipv4(OUTGOING), p.ipv6(OUTGOING6)])
        for (const transport of [
          p.tcp({ from, to, flags: ['syn'] }),
          p.tcp({ from, to, flags: ['syn', 'ack'] }),
          p.udp({ from, to }),
        ])
          batch.addFrame(p.compose(ip, transport));
    // Of a packet whose first fragment nobody has seen.
    const network = direction === 'in' ? {} : OUTGOING;
    batch.addFrame(p.compose(p.ipv4({ ...network, fragmentOffset: 64 }), p.raw(new Uint8Array(40), 17)));
    const answers = await judge.judge(batch.frames, batch.lengths(), undefined, direction);
    for (let i = 0; i < batch.count; i++) {
      const decision = JUDGES[direction](ruleset, batch.frame(i));
      said[direction] += `${decision.reason} ${decision.rule} ${decision.verdict}\n`;
      if (!answers.agrees(i, decision))
        throw new Error(
          `at ${now}, ${returned.join()}, ${direction} ${i}: ${JSON.stringify(decision)}, kernel ${answers.describe(i)}`,
        );
    }
  }
  return said;
}

test('each server returns at its own deadline, to the nanosecond, and no other does', async () => {
  await agreesAt(1n, []);
  await agreesAt(SHOP - 1n, []);
  await agreesAt(SHOP, ['shop']);
  await agreesAt(GAME - 1n, ['shop']);
  await agreesAt(GAME, ['shop', 'game']);
  await agreesAt(1n << 60n, ['shop', 'game']);
});

test('one that is confirmed stays what it is, whatever the time; one that is taken back returns at once', async () => {
  stand.words.set(WORDS.shop, 'confirmed');
  await agreesAt(SHOP, []);
  await agreesAt(GAME, ['game']);
  stand.words.set(WORDS.game, 'taken-back');
  await agreesAt(2n, ['game']);
  stand.words.set(WORDS.game, 'confirmed');
  await agreesAt(1n << 60n, []);
});

/** What changes of each of the three, and when its time is over. */
const [SHUT, OPENED] = [
  {
    inbound: '{ default: deny, udp: off, ssh: { port: 22, from: anyone }, rules: [deny 80/tcp] }',
    guard: `{ keep-reachable: [{ from: ${ELSEWHERE}, port: 9050/tcp }], rules: [deny 9101/tcp, deny out 9001/udp] }`,
    outbound: '{ default: deny, rules: [allow out 81/tcp, deny out 9002/udp] }',
  },
  {
    inbound: '{ default: deny, rules: [allow 80/tcp, allow 81/udp] }',
    guard: '{ rules: [] }',
    outbound: '{ default: allow }',
  },
];
const [NOW, THEN] = ['default: allow', 'default: deny, rules: [allow 9001/tcp]'];

test.each([
  ['shut on trial', SHUT, OPENED],
  ['opened on trial', OPENED, SHUT],
])('inbound, guard and outbound return each at its own deadline: %s', async (_name, after, before) => {
  const [tried, was] = [rulesetOf(NOW, NOW, after), rulesetOf(THEN, NOW, before)];
  const names = [...FIXED_SECTIONS, 'shop'];
  const deadlines = names.map((_, i) => 5_000_000_000n + BigInt(i) * 1_000_000_000n);
  const all = names.map((name, i): Trial => ({ previous: sectionNow(was, name)!, word: 7 + i }));
  await judge.install(compile(tried, undefined, all));
  for (const [i, deadline] of deadlines.entries()) stand.words.set(7 + i, deadline);
  let judged = await agreesAt(1n, [], tried, all);
  for (const [i, deadline] of deadlines.entries()) {
    expect(await agreesAt(deadline - 1n, names.slice(0, i), tried, all)).toEqual(judged);
    const now = await agreesAt(deadline, names.slice(0, i + 1), tried, all);
    expect([names[i], now.in === judged.in && now.out === judged.out]).toEqual([names[i], false]);
    judged = now;
  }
  // One change of all of them is one word: they return together.
  const one = all.map((trial) => ({ ...trial, word: 9 }));
  await judge.install(compile(tried, undefined, one));
  stand.words.set(9, 8_000_000_000n);
  await agreesAt(7_999_999_999n, [], tried, one);
  await agreesAt(8_000_000_000n, names, tried, one);
  stand.words.set(9, 'confirmed');
  await agreesAt(1n << 60n, [], tried, one);
});

test('judged while the time runs out, a packet is judged by one state of all sections that it meets', async () => {
  const shut: Rest = { inbound: '{ default: deny, rules: [deny 80/tcp] }', guard: '{ rules: [] }' };
  const opened: Rest = { inbound: '{ default: deny, rules: [allow 80/tcp] }', guard: '{ rules: [deny 80/tcp] }' };
  const [after, before] = [shut, opened].map((rest) => rulesetOf(NOW, NOW, rest));
  const word = 7;
  const one = (['inbound', 'guard'] as const).map((name): Trial => ({ previous: sectionNow(before, name)!, word }));
  await judge.install(compile(after, undefined, one));
  stand.words.set(word, SHOP);
  const batch = new FrameBatch(20_000);
  for (let i = 0; i < 20_000; i++) batch.addFrame(p.compose(p.ipv4(), p.tcp({ from: 50000, to: 80, flags: ['syn'] })));
  const [waits, returned] = [after, rulesetReturned(after, one, () => true)].map((each) =>
    evaluate(each, batch.frame(0)),
  );
  // Half of each would let it in: the guard of the one, the rows of the other.
  expect([waits.reason, returned.reason]).toEqual(['rule', 'guard']);
  const seen = { waits: 0, returned: 0 };
  for (let round = 0; round < 200 && (round < 5 || seen.waits === 0 || seen.returned === 0); round++) {
    let isOver = false;
    const judged = judge.judge(batch.frames, batch.lengths(), undefined, 'in').finally(() => (isOver = true));
    // The clock of the programs, to and fro over the deadline while they run.
    while (!isOver) {
      for (let i = 0; i < 100; i++) stand.now = SHOP - BigInt(i % 2);
      await new Promise(setImmediate);
    }
    const answers = await judged;
    for (let i = 0; i < batch.count; i++) {
      if (answers.agrees(i, waits)) seen.waits++;
      else if (answers.agrees(i, returned)) seen.returned++;
      else throw new Error(`round ${round}, packet ${i}: ${answers.describe(i)}`);
    }
  }
  expect(Math.min(seen.waits, seen.returned)).toBeGreaterThan(0);
});
