import type { LiveTrial } from '../../../../src/operate/trial-state';
import type { OwnedServer } from '../../../../src/operate/owner/owned-server';
import { ownTrial, ownWaiting, requireNoOther } from '../../../../src/operate/owner/own-trial';

const server = (name: string, group = '4711'): OwnedServer =>
  ({ name, owner: { group, mode: 0o660, quotas: { rules: 1, entries: 1, changes: 1 } } }) as unknown as OwnedServer;
const trial = (name: string, leftNs: bigint, ...groups: (string | null)[]): LiveTrial => ({
  ...{ previous: server(name), word: 1, seconds: 60, before: '', edited: true, state: leftNs, leftNs },
  began: groups.map((group, generation) => ({ generation, at: 'then', ...(group !== null && { group }) })),
});
const red = server('red');
const by = (one: LiveTrial): string | undefined => ownWaiting({ trials: [one] }, red)?.by;

test('whose a change is that waits: his where every part of it came through his group’s socket', () => {
  expect(by(trial('red', 1n, '4711'))).toBe('owner');
  expect(by(trial('red', 1n, '4711', '4711'))).toBe('owner');
  for (const groups of [[null], ['4711', null], [null, '4711'], ['4712'], []])
    expect([groups, by(trial('red', 1n, ...groups))]).toEqual([groups, 'provider']);
});

test('other servers, and what does not wait any more, are not his affair', () => {
  const trials = [trial('green', 5n, null), trial('red', 0n, null)];
  expect([ownTrial({ trials }, red), ownWaiting({ trials }, red)]).toEqual([undefined, null]);
  expect(() => requireNoOther({ trials }, red)).not.toThrow();
  expect(() => requireNoOther({ trials: [trial('red', 5n, null)] }, red)).toThrow(/your provider has made waits/);
});

test('seconds are rounded up', () => {
  expect(ownWaiting({ trials: [trial('red', 29_000_000_001n, '4711')] }, red)?.secondsLeft).toBe(29);
  expect(ownWaiting({ trials: [trial('red', 29_001_000_000n, '4711')] }, red)?.secondsLeft).toBe(30);
});
