import { nameOfRank, packNames } from '../../../src/operate/generation-names';

const entry = (rank: number, section: string, id: string) =>
  ({ rank, section, id, tier: '7', action: 'deny' }) as const;

test('every rank by its name, also where ranks have gaps, come unordered or twice', () => {
  const ranks = [
    entry(64, 'inbound', 'web'),
    entry(70, 'inbound', 'ünï'),
    entry(65, 'red', 'web'),
    entry(70, 'red', 'b'),
  ];
  const names = structuredClone(packNames({ sections: ['guard', 'inbound', 'red'], ranks }));
  expect([64, 65, 70].map((rank) => nameOfRank(names, rank))).toEqual([
    { section: 'inbound', id: 'web' },
    { section: 'red', id: 'web' },
    { section: 'red', id: 'b' },
  ]);
  expect([0, 63, 66, 71, 1 << 24].map((rank) => nameOfRank(names, rank))).toEqual([null, null, null, null, null]);
  expect(nameOfRank(packNames({ sections: [], ranks: [] }), 64)).toBeNull();
});
