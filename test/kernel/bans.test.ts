/**
 * Tier 3.2: who is banned, until when, and what that is counted as; by the enforcing program and its twin, and against
 * the model on bans nobody thought of.
 */
import { SLC_LIMITS } from '../../src/abi/layout.gen';
import { kernel } from '../../src/kernel/native';
import { evaluate } from '../../src/model/evaluate';
import { addressBits, formatPrefix, type Prefix } from '../../src/model/prefix';
import { NO_STATE } from '../../src/model/given-state';
import type { KernelBan } from '../../src/load/ban-table';
import { longestNesting } from '../../src/model/ban';
import { BanStand, banOf, prefixOf } from '../support/ban-stand';
import { Random, testSeed } from '../support/generate/random';
import { paced } from '../support/pace';
import * as p from '../support/packet';

const RULES = 'version: 1\ninbound: { default: deny, rules: [allow 8000/tcp] }\n';
const WEB = p.tcp({ to: 8000 });
const BANNED = { passed: false, tier: '3.2', reason: 'banned' };
const RULE = { passed: true, tier: '7', reason: 'rule' };

let stand: BanStand;

beforeEach(async () => {
  stand = await BanStand.load(RULES);
});

afterEach(() => {
  stand.close();
});

const from = (source: string): Uint8Array => {
  return p.compose(source.includes(':') ? p.ipv6({ from: source }) : p.ipv4({ from: source }), WEB);
};
/** Verdicts of one packet from each source. */
async function passes(...sources: string[]): Promise<boolean[]> {
  return (await stand.askTwin(sources.map(from))).map(({ passed }) => passed);
}

test.each([
  ['192.0.2.1', ['192.0.2.1'], ['192.0.2.0', '192.0.2.2', '2001:db8::1']],
  ['192.0.2.2/31', ['192.0.2.2', '192.0.2.3'], ['192.0.2.1', '192.0.2.4']],
  ['192.0.2.0/24', ['192.0.2.0', '192.0.2.255'], ['192.0.1.255', '192.0.3.0']],
  ['128.0.0.0/1', ['128.0.0.1', '223.255.255.255'], ['127.0.0.1', '8000::1']],
  ['0.0.0.0/0', ['1.2.3.4', '223.255.255.255'], ['2001:db8::1']],
  ['2001:db8:1:2::/64', ['2001:db8:1:2::', '2001:db8:1:2:ffff::1'], ['2001:db8:1:3::', '2001:db8:1:1:ffff::']],
  ['2001:db8::7', ['2001:db8::7'], ['2001:db8::6', '2001:db8::8', '2001:db8:0:1::7']],
  ['2001:db8::6/127', ['2001:db8::6', '2001:db8::7'], ['2001:db8::5', '2001:db8::8']],
  ['2001:db8::/63', ['2001:db8::1', '2001:db8:0:1::1'], ['2001:db8:0:2::1']],
  ['::/0', ['2001:db8::1', '::1'], ['192.0.2.1']],
])('%s bans what lies in it and nothing else', async (prefix, inside, outside) => {
  await stand.set(banOf(prefix));
  expect(await passes(...inside)).toEqual(inside.map(() => false));
  expect(await passes(...outside)).toEqual(outside.map(() => true));
  for (const source of inside) expect(await stand.judge(from(source))).toEqual(BANNED);
  const [ban] = await stand.table.list();
  expect(formatPrefix(ban.prefix)).toBe(formatPrefix(prefixOf(prefix)));
  // The twin, which was asked about all of them too, counts nothing.
  expect(ban.packets).toBe(BigInt(inside.length));
  expect(ban.lastHitNs).toBeGreaterThan(0n);
});

test('every packet of a banned source drops, whatever it carries; link essentials pass', async () => {
  await stand.set(banOf('198.51.100.7'), banOf('2001:db8:9::/64'), banOf('fe80::/64'));
  const [four, six] = [{ from: '198.51.100.7' }, { from: '2001:db8:9::1' }];
  for (const frame of [
    p.compose(p.ipv4(four), WEB),
    p.compose(p.ipv4(four), p.icmp()),
    p.compose(p.ipv4(four), p.icmp({ type: 3, quote: [p.ipv4(), p.tcp({ from: 8000 })] })),
    p.compose(p.ipv4({ ...four, fragmentOffset: 8 }), p.raw(new Uint8Array(16), 17)),
    p.compose(p.vlan(), p.ipv4(four), p.udp({ to: 53 })),
    p.compose(p.ipv4(four), p.raw('a packet', 47)),
    p.compose(p.ipv6(six), p.icmpv6({ type: 128 })),
    p.compose(p.ipv6(six), p.fragment({ offset: 8, nextHeader: 17 }), p.raw(new Uint8Array(16))),
  ])
    expect(await stand.judge(frame)).toEqual(BANNED);
  // A malformed packet is that first; a neighbour is asked for its address, banned or not.
  expect((await stand.judge(p.compose(p.ipv4(four), p.tcp({ to: 0 })))).reason).toBe('port-zero');
  const solicitation = p.compose(p.ipv6({ from: 'fe80::1', hopLimit: 255 }), p.neighbour());
  expect((await stand.judge(solicitation)).reason).toBe('neighbour-discovery');
});

test('a ban ends by the clock of the datapath, without anybody', () =>
  paced(0.4, async (pace) => {
    await stand.set(banOf('192.0.2.1', pace.unit), banOf('192.0.2.128/25', pace.unit));
    expect(await passes('192.0.2.1', '192.0.2.200')).toEqual([false, false]);
    await pace.pause(1.1);
    expect(await passes('192.0.2.1', '192.0.2.200')).toEqual([true, true]);
    expect(await stand.judge(from('192.0.2.1'))).toEqual(RULE);
    expect(await stand.table.list()).toHaveLength(2);
  }));

test('an ended ban never hides one that holds: a /8 under a /32, under as many prefixes as may be nested', async () => {
  await stand.set(banOf('10.0.0.0/8'), banOf('10.1.2.3', -1));
  expect(await passes('10.1.2.3', '10.1.2.4', '11.0.0.1')).toEqual([false, false, true]);

  const nested = (count: number): KernelBan[] =>
    Array.from({ length: count }, (_, i) => banOf(`10.1.2.3/${31 - i}`, -1));
  await stand.set(banOf('10.0.0.0/8'), banOf('10.1.2.3', -1), ...nested(SLC_LIMITS.BAN_STEPS));
  expect(await passes('10.1.2.3', '10.1.2.2', '10.1.255.1')).toEqual([false, false, false]);
  // One more, which `sluice ban` refuses, would hide it: that is where the datapath stops looking.
  await stand.set(banOf('10.0.0.0/8'), ...nested(SLC_LIMITS.BAN_STEPS + 1));
  expect(await passes('10.1.2.3', '10.1.255.1')).toEqual([true, false]);

  const wide = Array.from({ length: 8 }, (_, i) => banOf(`2001:db8::/${127 - i}`, -1));
  await stand.set(banOf('::/0'), ...wide);
  expect(await passes('2001:db8::1')).toEqual([false]);
  await stand.set(banOf('0.0.0.0/0', -1), ...nested(3));
  expect(await passes('10.1.2.3')).toEqual([true]);
});

test('where nobody is banned the maps are not asked', async () => {
  await stand.set(banOf('192.0.2.1'), banOf('198.51.100.0/24'));
  stand.publish(0, 0);
  expect(await passes('192.0.2.1', '198.51.100.1')).toEqual([true, true]);
  stand.publish(1, 0);
  expect(await passes('192.0.2.1', '198.51.100.1')).toEqual([false, true]);
  stand.publish(0, 1);
  expect(await passes('192.0.2.1', '198.51.100.1')).toEqual([true, false]);
});

test('what was written can be read; written again it ends anew; a full table leaves all as it was', async () => {
  stand.close();
  stand = await BanStand.load(RULES, 4);
  const first = [banOf('192.0.2.1', 100), banOf('192.0.2.0/24', 100), banOf('2001:db8::/32')];
  await stand.table.change([], first, []);
  const present = await stand.table.list();
  const byText = (bans: readonly KernelBan[]): Map<string, KernelBan> =>
    new Map(bans.map((ban) => [formatPrefix(ban.prefix), ban]));
  expect(byText(present)).toEqual(byText(first));
  const more = Array.from({ length: 6 }, (_, i) => banOf(`10.${i}.0.0/16`, 50));
  const again = banOf('192.0.2.0/24', 7);
  await expect(stand.table.change(present, [again, ...more], [])).rejects.toMatchObject({ code: 'kernel/failed' });
  expect(byText(await stand.table.list())).toEqual(byText(present));
  expect(await passes('192.0.2.7', '10.0.0.1')).toEqual([false, true]);
  await stand.table.change(present, [again], [prefixOf('192.0.2.1')]);
  expect(byText(await stand.table.list())).toEqual(byText([again, first[2]]));
});

test('a storm of changes beside the traffic: who is banned all the time never passes, who is not always does', async () => {
  await stand.set(banOf('192.0.2.1'), banOf('198.51.100.0/24'), banOf('2001:db8:5::/64'));
  let running = true;
  const storm = (async () => {
    const others = [...Array(200).keys()].map((i) => banOf(i % 2 ? `192.0.${i}.0/24` : `203.0.113.${i}`));
    for (let round = 0; running; round++) {
      const present = await stand.table.list();
      const put = round % 2 ? [] : [...others, banOf('198.51.100.0/24', 100), banOf('192.0.2.1', 100)];
      await stand.table.change(present, put, round % 2 ? others.map(({ prefix }) => prefix) : []);
    }
  })();
  const tries = 20_000;
  for (let round = 0; round < 5; round++) {
    const [host, net, v6, free] = await Promise.all(
      ['192.0.2.1', '198.51.100.9', '2001:db8:5::1', '8.8.8.8'].map((source) => stand.run(from(source), tries)),
    );
    expect([host, net, v6].map((verdicts) => verdicts.filter(Boolean).length)).toEqual([0, 0, 0]);
    expect(free.filter(Boolean)).toHaveLength(tries);
  }
  running = false;
  await storm;
});

test('model and datapath agree on nested bans of any length, ended or not', async () => {
  const random = new Random(testSeed(0xba5));
  const word = (): number => (0x0a000000 | (random.below(16) * 0x111111)) >>> 0;
  const addressOf = (family: 4 | 6): number[] => {
    return family === 4 ? [word()] : [0x20010db8, random.below(2), word(), word()];
  };
  let differences = 0;
  let bans = 0;
  for (let round = 0; round < 60; round++) {
    const wanted = new Map<string, KernelBan>();
    for (let i = random.between(0, 30); i > 0; i--) {
      const family = random.pick([4, 6] as const);
      const length = random.chance(0.3)
        ? family === 4
          ? 32
          : random.pick([64, 128])
        : random.below(addressBits(family));
      const text = formatPrefix({ family, words: addressOf(family), length });
      const ban = banOf(text.includes('/') ? text : `${text}/${length}`, random.pick([null, 1000, -1]));
      wanted.set(formatPrefix(ban.prefix), ban);
    }
    const set = [...wanted.values()];
    const nets = set.map(({ prefix }) => prefix);
    if (longestNesting(nets).length > SLC_LIMITS.BAN_STEPS + 1) continue;
    bans += set.length;
    await stand.set(...set);
    const holding: Prefix[] = set
      .filter(({ expiresNs }) => expiresNs === null || expiresNs > kernel().bootTimeNs())
      .map(({ prefix }) => prefix);
    const frames = Array.from({ length: 400 }, () => {
      const family = random.pick([4, 6] as const);
      const source = formatPrefix({ family, words: addressOf(family), length: family === 4 ? 32 : 128 });
      return from(source);
    });
    const said = await stand.askTwin(frames);
    frames.forEach((frame, i) => {
      const { verdict, tier, reason } = evaluate(stand.ruleset, frame, { ...NO_STATE, bans: holding });
      const agrees = said[i].passed === (verdict === 'allow') && said[i].tier === tier && said[i].reason === reason;
      if (!agrees) differences++;
    });
  }
  expect(bans).toBeGreaterThan(500);
  expect(differences).toBe(0);
});
