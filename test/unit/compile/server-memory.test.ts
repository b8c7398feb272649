/** Of a server that memory knows nothing is taken over that another field of it has changed. */
import { compile } from '../../../src/compile/compile';
import { CompileMemory } from '../../../src/compile/compile-memory';
import type { Image } from '../../../src/compile/image';
import type { Match } from '../../../src/model/match';
import type { Prefix } from '../../../src/model/prefix';
import type { Rule, Ruleset, Server } from '../../../src/model/ruleset';
import { rule, rules, ruleset } from '../../support/findings';

const host = (word: number): Prefix => ({ family: 4, words: [word], length: 32 });
const { source } = rule(9, 'allow');
const limit = { count: 6, windowMs: 30_000, verdict: 'deny', prefix: { 4: 32, 6: 64 } } as const;
const [web, door, icmp] = rules(
  ['allow', { from: ['10.0.0.1', '10.0.0.9'], port: [80] }],
  ['allow', { port: [2200] }],
  ['deny', {}],
);
const SERVER: Server = {
  name: 'a',
  addresses: [host(0xc6336407), host(0xc6336408)],
  default: 'deny',
  ssh: { ports: [22], from: 'anyone', source },
  rules: [
    web,
    { ...door, action: 'limit', limit },
    { ...icmp, match: { ...icmp.match, protocols: [1], icmpTypes: [{ type: 3, code: 1 }] } },
  ],
  source,
};
const OTHER: Server = { ...SERVER, name: 'b', addresses: [host(0xc6336409)], ports: [{ first: 80, last: 90 }] };

function row(number: number, change: (row: Rule) => Partial<Rule>): Partial<Server> {
  return { rules: SERVER.rules.map((each, i) => (i === number ? { ...each, ...change(each) } : each)) };
}

const match = (change: Partial<Match>, number = 0): Partial<Server> =>
  row(number, (each) => ({ match: { ...each.match, ...change } }));
const limited = (change: Partial<typeof limit | Rule['limit']>): Partial<Server> =>
  row(1, () => ({ limit: { ...limit, ...change } }));

const CHANGES: Readonly<Record<string, Partial<Server>>> = {
  default: { default: 'allow' },
  'udp switch': { udp: 'off' },
  'ssh ports': { ssh: { ports: [22, 2222], from: 'anyone', source } },
  'who reaches ssh': { ssh: { ports: [22], from: 'rules', source } },
  'an address': { addresses: [host(0xc6336407), host(0xc633640a)] },
  'fewer addresses': { addresses: [host(0xc6336407)] },
  ports: { ports: [{ first: 1, last: 1000 }] },
  'no rows': { rules: [] },
  'order of rows': { rules: SERVER.rules.toReversed() },
  id: row(0, () => ({ id: 'other' })),
  action: row(0, () => ({ action: 'reject' })),
  enabled: row(0, () => ({ enabled: false })),
  'log new': row(0, () => ({ log: 'new' })),
  'log all': row(0, () => ({ log: 'all' })),
  'log of a limit': row(1, () => ({ log: 'all' })),
  family: match({ family: 6 }),
  protocols: match({ protocols: [17] }),
  'one of the sources': match({ from: [host(0x0a000001), host(0x0a00000a)] }),
  'no source': match({ from: [] }),
  destinations: match({ to: [host(0xc6336408)] }),
  'source ports': match({ fromPorts: [{ first: 53, last: 53 }] }),
  'destination ports': match({ toPorts: [{ first: 80, last: 81 }] }),
  'ICMP code': match({ icmpTypes: [{ type: 3 }] }, 2),
  'ICMP type': match({ icmpTypes: [{ type: 4, code: 1 }] }, 2),
  'count of a limit': limited({ count: 7 }),
  'window of a limit': limited({ windowMs: 60_000 }),
  'verdict of a limit': limited({ verdict: 'reject' }),
  'IPv4 sources of a limit': limited({ prefix: { 4: 24, 6: 64 } }),
  'IPv6 sources of a limit': limited({ prefix: { 4: 32, 6: 48 } }),
};

const withServer = (change: Partial<Server>): Ruleset => ({
  ...ruleset([]),
  servers: [{ ...SERVER, ...change }, OTHER],
});

/** All of an image, its rows as they are written. */
function contents({ bytes, ...image }: Image): unknown {
  return { ...image, bytes: Buffer.from(bytes).toString('base64') };
}

test.each(Object.entries(CHANGES))('%s', (_, change) => {
  const memory = new CompileMemory();
  const before = compile(withServer({}), memory);
  const after = compile(withServer(change), memory);
  expect(contents(after)).toEqual(contents(compile(withServer(change))));
  expect(after.digest).not.toBe(before.digest);
  expect(contents(compile(withServer({}), memory))).toEqual(contents(before));
});

test('what is written of a row is that of the ruleset, also where its block is the same', () => {
  const memory = new CompileMemory();
  const before = compile(withServer({}), memory);
  const change = row(0, () => ({ text: 'allow from set', note: 'web UI' }));
  const after = compile(withServer(change), memory);
  expect(after.digest).toBe(before.digest);
  expect(contents(after)).toEqual(contents(compile(withServer(change))));
});
