/** Numbers of servers over real tables: each keeps its own, no two have the same, also where all are taken. */
import { LAYOUT, SLC_LIMITS } from '../../src/abi/layout.gen';
import { compile } from '../../src/compile/compile';
import type { Image } from '../../src/compile/image';
import { openDatapath } from '../../src/kernel/datapath-object';
import { kernel } from '../../src/kernel/native';
import { type CountedTables, numberServers, ownerNumbers } from '../../src/load/owner-numbers';
import { sectionId } from '../../src/compile/owners';
import { parseRuleset } from '../../src/parse/parse';
import { closesAfterEach } from '../support/close-after';

const opened = closesAfterEach();
const NUMBERS = SLC_LIMITS.OWNERS - 1;

/** Tables in which nothing is counted. */
async function tables(): Promise<CountedTables> {
  const object = openDatapath(kernel(), 'slc_read_clock', {
    create: { slc_clock: 1, slc_flow_shares: 1, slc_window_shares: 1, slc_event_sources: kernel().possibleCpus() },
  });
  await object.load();
  const [flows, windows, events] = (['slc_flow_shares', 'slc_window_shares', 'slc_event_sources'] as const).map(
    (name) => object.map(name),
  );
  object.close();
  opened.push(flows, windows, events);
  return { shares: [flows, windows], events };
}

function imageOf(...names: readonly string[]): Image {
  const servers = names.map((name, i) => `  ${name}: { address: 192.0.2.${i + 1} }\n`).join('');
  const { ruleset } = parseRuleset(`version: 1\ninterfaces: [eth0]\nservers:\n${servers}`, { file: 'rules.yaml' });
  return compile(ruleset!);
}

/** By name. */
function numbersOf({ bytes }: Image, ...names: readonly string[]): Record<string, number | undefined> {
  const numbers = ownerNumbers(bytes);
  return Object.fromEntries(names.map((name) => [name, numbers.get(sectionId(name))]));
}

const known = (numbers: Readonly<Record<string, number>>): Map<bigint, number> =>
  new Map(Object.entries(numbers).map(([name, number]) => [sectionId(name), number]));
/** Servers that have every number but these. */
const others = (...free: readonly number[]): Map<bigint, number> =>
  new Map(
    Array.from({ length: NUMBERS }, (_, i): [bigint, number] => [BigInt(i), i + 1]).filter(
      ([, number]) => !free.includes(number),
    ),
  );

test('each keeps its own, who is new has one that nobody has', async () => {
  const image = await numberServers(imageOf('amber', 'blue', 'red'), [known({ blue: 1, red: 2 })], await tables());
  expect(numbersOf(image, 'amber', 'blue', 'red')).toEqual({ amber: 3, blue: 1, red: 2 });
});

test("a number that something is left of is taken last, and what was counted of it is not the new one's", async () => {
  const given = await tables();
  const { size, fields } = LAYOUT.slc_share;
  const share = Buffer.from(given.shares[0].lookup(new Uint8Array(4))!);
  for (const number of [1, 2]) {
    share.writeBigUInt64LE(number === 1 ? 5n : 0n, number * size + fields.held.offset);
    share.writeBigUInt64LE(7n, number * size + fields.refused.offset);
  }
  given.shares[0].update(new Uint8Array(4), share);
  const image = await numberServers(imageOf('amber'), [], given);
  expect(numbersOf(image, 'amber')).toEqual({ amber: 2 });
  const after = Buffer.from(given.shares[0].lookup(new Uint8Array(4))!);
  const refused = [1, 2].map((number) => after.readBigUInt64LE(number * size + fields.refused.offset));
  expect(refused).toEqual([7n, 0n]);
});

test('what was told of whoever had a number before is forgotten on every CPU, and nothing else', async () => {
  const given = await tables();
  const { size: row, fields } = LAYOUT.slc_event_sources;
  const { size: owner, fields: figures } = LAYOUT.slc_event_owner;
  const cpus = given.events.info().maxEntries;
  const place = (cpu: number, number: number): number =>
    cpu * row + fields.owners.offset + number * owner + figures.told.offset;
  const region = given.events.mmap({ writable: true });
  opened.push(region);
  for (let cpu = 0; cpu < cpus; cpu++)
    for (const number of [0, 1, 2, 3, 4, 5, 6, 7, NUMBERS]) region.store64(place(cpu, number), 9n);
  const image = await numberServers(imageOf('amber', 'blue', 'green', 'red'), [known({ x: 3, y: 5 })], given);
  expect(Object.values(numbersOf(image, 'amber', 'blue', 'green', 'red'))).toEqual([1, 2, 4, 6]);
  for (let cpu = 0; cpu < cpus; cpu++)
    expect([0, 1, 2, 3, 4, 5, 6, 7, NUMBERS].map((number) => region.load64(place(cpu, number)))).toEqual(
      [9, 0, 0, 9, 0, 9, 0, 9, 9].map(BigInt),
    );
});

test('where two generations have taken all, no two of an image have the same, and who judges keeps his', async () => {
  const given = await tables();
  const waits = known({ blue: 9, red: 8 });
  const image = await numberServers(imageOf('amber', 'blue', 'green', 'red'), [others(7, 8, 9), waits], given);
  const numbers = numbersOf(image, 'amber', 'blue', 'green', 'red');
  expect(numbers).toEqual({ amber: 7, blue: 9, green: 1, red: 8 });
  // Green has a number that another one had: they never judge together, but both may be there later.
  const judging = new Map([...ownerNumbers(image.bytes)]);
  const later = await numberServers(
    imageOf('amber', 'blue', 'green', 'red', 'white'),
    [known({ white: 1 }), judging],
    given,
  );
  expect(numbersOf(later, 'amber', 'blue', 'green', 'red', 'white')).toEqual({ ...numbers, white: 2 });
});
