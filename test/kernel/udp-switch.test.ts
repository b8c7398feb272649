/** Tier 6: with `udp: off` UDP that begins outside drops before the rows; answers to what went out pass all the same. */
import { measureHz } from '../../src/kernel/clock';
import { kernel } from '../../src/kernel/native';
import { BanStand } from '../support/ban-stand';
import { FlowStand, FlowTable } from '../support/flow-stand';
import * as p from '../support/packet';

const RULES = `version: 1
inbound: { default: allow, udp: off, rules: [allow 53, allow 8000/tcp, deny 14141, allow from 192.0.2.0/24] }
`;
const OFF = { passed: false, tier: '6', reason: 'udp-off' };
const FAMILIES = [4, 6] as const;
const { source4, destination4, source6, destination6 } = p.DEFAULTS;
const incoming = { 4: () => p.ipv4(), 6: () => p.ipv6() };
const outgoing = {
  4: () => p.ipv4({ from: destination4, to: source4 }),
  6: () => p.ipv6({ from: destination6, to: source6 }),
};

test.each(FAMILIES)('IPv%d: UDP drops whatever the rows say, nothing else does', async (family) => {
  const stand = await BanStand.load(RULES);
  try {
    const judge = (...layers: p.Layer[]): ReturnType<BanStand['judge']> =>
      stand.judge(p.compose(incoming[family](), ...layers));
    for (const to of [53, 8000, 14141, 9]) expect(await judge(p.udp({ to }))).toEqual(OFF);
    expect(await judge(p.tcp({ to: 53 }))).toEqual({ passed: true, tier: '7', reason: 'rule' });
    expect(await judge(p.tcp({ to: 14141 }))).toEqual({ passed: false, tier: '7', reason: 'rule' });
    expect(await judge(p.raw('a packet', 47))).toMatchObject({ passed: true });
    // An error about UDP that the switch keeps out is about nothing.
    const error =
      family === 4
        ? p.icmp({ type: 3, quote: [outgoing[4](), p.udp({ from: 53 })] })
        : p.icmpv6({ type: 1, quote: [outgoing[6](), p.udp({ from: 53 })] });
    expect(await judge(error)).toMatchObject({ passed: false, reason: 'icmp-unrelated' });
  } finally {
    stand.close();
  }
});

test.each(FAMILIES)('IPv%d: what goes out gets its answers, also from a port that a row lets in', async (family) => {
  const table = await FlowTable.create(64, await measureHz(kernel()));
  const host = await FlowStand.load(RULES, table);
  try {
    for (const [local, remote] of [
      [40000, 53],
      [53, 40001],
    ] as const) {
      const back = p.compose(incoming[family](), p.udp({ from: remote, to: local }));
      expect(await host.in(back)).toEqual({ passed: false, reason: 'udp-off' });
      await host.out(p.compose(outgoing[family](), p.udp({ from: local, to: remote })));
      expect(await host.in(back)).toEqual({ passed: true, reason: 'flow' });
    }
    expect(await table.figures()).toMatchObject({ live: 2 });
  } finally {
    host.close();
    table.close();
  }
});
