import type { ServerSection } from '../../../src/observe/server-page';
import { orderServers, serverRates } from '../../../src/observe/server-rates';

const server = (name: string, allowed: string, denied: string): ServerSection =>
  ({ name, server: { allowed, denied } }) as unknown as ServerSection;
const names = (servers: readonly ServerSection[]): string => servers.map(({ name }) => name).join(' ');

test('packets a second, of whom was there before and whose counters went on', () => {
  const before = [server('a', '10', '5'), server('b', '0', '0'), server('c', '7', '9007199254740993')];
  const after = [
    ...[server('a', '30', '5'), server('b', '0', '1')],
    // Its row has gone, or the other way round: no rate, rather than a wrong one.
    ...[server('c', '6', '9007199254740993'), server('d', '100', '100')],
  ];
  expect([...serverRates(before, after, 2)]).toEqual([
    ['a', { allowed: 10, denied: 0 }],
    ['b', { allowed: 0, denied: 0.5 }],
  ]);
  expect([...serverRates(before, after, 0), ...serverRates(before, after, -3600)]).toEqual([]);
});

test('most first by the second, else by all; whoever has no rate counts as none', () => {
  const servers = [server('a', '1', '900'), server('b', '2', '800'), server('c', '3', '1000')];
  const rates = new Map([
    ['a', { allowed: 5, denied: 0 }],
    ['b', { allowed: 0, denied: 70 }],
  ]);
  expect(names(orderServers(servers, rates, 'name'))).toBe('a b c');
  expect(names(orderServers(servers, rates, 'dropped'))).toBe('b c a');
  expect(names(orderServers(servers, rates, 'passed'))).toBe('a c b');
});
