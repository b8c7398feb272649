/** Long lists that many servers name: each has its own copy, and too many are refused with the first that is too many. */
import { CapacityError, MAX_IMAGE_RULES } from '../../../src/compile/capacity';
import { compile } from '../../../src/compile/compile';
import { CompileMemory } from '../../../src/compile/compile-memory';
import { interpret } from '../../../src/compile/interpret';
import { entryOfWord } from '../../../src/compile/ranks';
import type { FlowKey } from '../../../src/model/packet';
import type { Prefix } from '../../../src/model/prefix';
import type { Ruleset, Server } from '../../../src/model/ruleset';
import { capacityFinding } from '../../../src/operate/check';
import { rule, ruleset } from '../../support/findings';

const host = (word: number): Prefix => ({ family: 4, words: [word >>> 0], length: 32 });
/** Every other address from 11.0.0.0 on, so that no two join. */
const listOf = (length: number, from = 0): Prefix[] =>
  Array.from({ length }, (_, i) => host(0x0b000000 + 2 * (from + i)));
const { source } = rule(9, 'allow');

/** A server that denies its list and lets in everybody else. */
function serverOf(number: number, list: readonly Prefix[]): Server {
  const denied = rule(1, 'deny');
  return {
    name: `s${String(number).padStart(4, '0')}`,
    addresses: [host(0xc6120000 + number)],
    default: 'allow',
    rules: [{ ...denied, match: { ...denied.match, from: list } }],
    source,
  };
}

const withServers = (servers: readonly Server[]): Ruleset => ({ ...ruleset([]), servers });

function decides(image: ReturnType<typeof compile>, server: number, from: number): string {
  const [source, destination] = [[from >>> 0], [(0xc6120000 + server) >>> 0]];
  const key: FlowKey = { family: 4, source, destination, protocol: 6, sourcePort: 1000, destinationPort: 80 };
  const entry = entryOfWord(image.ranks, interpret(image, key).word);
  return `${entry?.section} ${entry?.action} ${entry?.tier}`;
}

test('each of a hundred servers denies its list, and no other one', () => {
  const lists = Array.from({ length: 50 }, (_, i) => listOf(200, 200 * i));
  const image = compile(withServers(Array.from({ length: 100 }, (_, i) => serverOf(i, lists[i >> 1]))));
  expect(image.stats.expandedRules).toBeGreaterThanOrEqual(100 * 200);
  for (let number = 0; number < 100; number++) {
    const first = 0x0b000000 + 2 * 200 * (number >> 1);
    const name = `s${String(number).padStart(4, '0')}`;
    for (const listed of [first, first + 2 * 77, first + 2 * 199])
      expect(decides(image, number, listed)).toBe(`${name} deny 7`);
    for (const other of [first - 2, first + 1, first + 2 * 200, 0xcb007101])
      expect(decides(image, number, other)).toBe(`${name} allow 9`);
  }
});

test('what is too much is refused with the server that is too many, and those that were done are known', () => {
  const long = listOf(700_000);
  const small = Array.from({ length: 20 }, (_, i) => serverOf(i, listOf(10, 10 * i)));
  const memory = new CompileMemory();
  const compiled: string[] = [];
  const make = memory.server.bind(memory);
  memory.server = (server, how) =>
    make(server, (own) => {
      compiled.push(server.name);
      return how(own);
    });
  const large = Array.from({ length: 1000 }, (_, i) => serverOf(100 + i, long));
  const tooMuch = withServers([...small, ...large]);
  const refusal = (): CapacityError => {
    try {
      compile(tooMuch, memory);
    } catch (error) {
      if (error instanceof CapacityError) return error;
      throw error;
    }
    throw new Error('it was not refused');
  };
  const refused = refusal();
  expect(refused).toMatchObject({ subject: 'image rules', ruleId: 's0100/r1', ceiling: MAX_IMAGE_RULES });
  expect(refused.used).toBeGreaterThanOrEqual(3 * long.length);
  expect(capacityFinding(tooMuch, refused)).toMatchObject({
    message: `the ruleset needs ${refused.used} image rules at rule "s0100/r1", the ceiling is ${MAX_IMAGE_RULES}`,
    hint: expect.stringContaining('guard: { rules: [deny from LIST] }') as string,
  });
  expect(compiled).toEqual([...small, ...large.slice(0, 3)].map(({ name }) => name));
  compiled.length = 0;
  const changed = [...small.slice(0, 19), serverOf(19, listOf(11, 190))];
  const image = compile(withServers(changed), memory);
  expect(compiled).toEqual(['s0019']);
  expect(image.digest).toBe(compile(withServers(changed)).digest);
});
