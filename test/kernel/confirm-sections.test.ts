/**
 * Servers that wait to be confirmed, in the datapath: at its deadline, to the nanosecond, what was before judges a server
 * again, with its own rows, switches, limits and counters; every other server goes by its own word.
 */
import { compile } from '../../src/compile/compile';
import { kernel } from '../../src/kernel/native';
import { evaluate } from '../../src/model/evaluate';
import type { Ruleset } from '../../src/model/ruleset';
import { rulesetReturned, type Trial } from '../../src/model/trial';
import { parseRuleset } from '../../src/parse/parse';
import { ConfirmStand } from '../support/confirm-stand';
import { FrameBatch } from '../support/generate/frame-batch';
import { KernelJudge } from '../support/kernel-judge';
import * as p from '../support/packet';

const { destination4: ADDRESS, destination6: ADDRESS6 } = p.DEFAULTS;
const rulesetOf = (shop: string, game: string): Ruleset =>
  parseRuleset(
    `version: 1
interfaces: [eth0]
inbound: { default: deny, rules: [allow 80/tcp] }
servers:
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

/** Everything that the rows tell apart, judged at a boot time: as the scan does where these servers have returned. */
async function agreesAt(now: bigint, returned: readonly string[]): Promise<void> {
  stand.now = now;
  const ruleset = rulesetReturned(AFTER, trials, (name) => returned.includes(name));
  const batch = new FrameBatch(64);
  for (const to of [80, 81, 9001, 9002, 9003, 9050, 9101, 9199])
    for (const ip of [p.ipv4(), p.ipv6()])
      for (const transport of [p.tcp({ to }), p.udp({ to })]) batch.addFrame(p.compose(ip, transport));
  const answers = await judge.judge(batch.frames, batch.lengths());
  for (let i = 0; i < batch.count; i++) {
    const decision = evaluate(ruleset, batch.frame(i));
    if (!answers.agrees(i, decision))
      throw new Error(`at ${now}, ${returned.join()}: ${JSON.stringify(decision)}, kernel ${answers.describe(i)}`);
  }
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
