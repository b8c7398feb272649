/**
 * What Linux 6.1 refuses and the kernel here may take, found in the compiled objects without that kernel: what kind of
 * thing can be found so, and what cannot, is said in support/oldest-verifier.ts.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BpfFunction, CALL_FUNCTION, type Instruction, readExternals, readFunctions } from '../support/bpf-object';
import { deepestStack, findRefusals, frameBytes, STACK_LIMIT } from '../support/oldest-verifier';

const OBJECTS = ['sluice', 'egress'];
const read = (name: string): Uint8Array => readFileSync(join(__dirname, `../../dist/bpf/${name}.bpf.o`));

describe.each(OBJECTS)('%s.bpf.o', (name) => {
  const object = read(name);

  test.each(readFunctions(object).map((each): [string, readonly Instruction[]] => [each.name, each.instructions]))(
    '%s',
    (_, instructions) => {
      expect(instructions.length).toBeGreaterThan(1);
      expect(findRefusals(instructions)).toEqual([]);
    },
  );

  test.each(readFunctions(object).map((each) => each.name))('%s and what it calls have stack enough', (from) => {
    const { bytes, chain } = deepestStack(readFunctions(object), from);
    if (bytes > STACK_LIMIT)
      throw new Error(`${chain.join(' → ')}: ${bytes} bytes of stack, ${STACK_LIMIT} are allowed`);
  });

  test('needs no function and no variable of the kernel by name; of newer ones it uses a cast', () => {
    const used = name === 'sluice' ? ['bpf_cast_to_kern_ctx'] : [];
    expect(readExternals(object)).toEqual({ needed: [], used });
  });
});

test('the functions of the objects are found', () => {
  const names = OBJECTS.flatMap((name) => readFunctions(read(name)).map((each) => each.name));
  expect(names).toEqual(
    expect.arrayContaining(['slc_gate_xdp', 'slc_ingress', 'slc_gate_egress', 'slc_egress_main', 'slc_walk_chain']),
  );
});

test('calls and callbacks are followed, to other sections as well', () => {
  const functions = readFunctions(read('sluice'));
  const callees = (name: string): readonly string[] => functions.find((each) => each.name === name)!.callees;
  expect(callees('slc_ingress')).toEqual(expect.arrayContaining(['slc_parse_extensions', 'slc_classify4']));
  expect(callees('slc_parse_extensions')).toContain('slc_walk_chain');
  expect(callees('slc_classify4')).toContain('slc_scan_rule4');
  const { bytes, chain } = deepestStack(functions, 'slc_ingress');
  expect(chain.length).toBeGreaterThan(1);
  expect(bytes).toBeGreaterThan(64);
});

describe('is found:', () => {
  const make = (code: number, fields: Partial<Instruction> = {}): Instruction => ({
    ...{ code, destination: 0, source: 0, offset: 0, immediate: 0, ...fields },
  });
  const MOVE = make(0xb7);
  const ADD = make(0x07, { immediate: 1 });
  const EXIT = make(0x95);
  const jump = (offset: number): Instruction => make(0x05, { offset });
  const jumpIfEqual = (offset: number): Instruction => make(0x15, { offset });
  const call = (immediate: number, source = 0): Instruction => make(0x85, { immediate, source });
  const [LOCK, UNLOCK] = [call(93), call(94)];

  const COPY = make(0x7b, { destination: 10, source: 3, offset: -48 });
  const LOOK = make(0x3d, { destination: 3, source: 1 });
  const BACK = make(0x79, { destination: 1, source: 10, offset: -48 });
  const SCALE = make(0x67, { destination: 1, immediate: 3 });

  const accepted: [string, Instruction[]][] = [
    ['a loop with its test at the end', [MOVE, ADD, jumpIfEqual(-2), EXIT]],
    ['a loop whose body jumps back', [MOVE, jumpIfEqual(2), ADD, jump(-3), EXIT]],
    ['a lock, taken and returned on both ways', [LOCK, jumpIfEqual(2), UNLOCK, EXIT, UNLOCK, EXIT]],
    ['the last helper', [call(209), EXIT]],
    ['a copy of what was looked at', [LOOK, COPY, BACK, SCALE, EXIT]],
    ['the second half of a 64-bit load', [make(0x18), make(0), EXIT]],
  ];
  test.each(accepted)('nothing in %s', (_, instructions) => expect(findRefusals(instructions)).toEqual([]));

  test('how far down a frame reaches', () => {
    const store = make(0x7b, { destination: 10, offset: -24 });
    const lowered = [make(0xbf, { destination: 2, source: 10 }), make(0x07, { destination: 2, immediate: -120 })];
    expect(frameBytes([store, EXIT])).toBe(24);
    expect(frameBytes([...lowered, store, EXIT])).toBe(120);
    expect(frameBytes([ADD, EXIT])).toBe(0);
  });

  test('a chain of calls that only smaller steps would fit', () => {
    const frame = (name: string, bytes: number, callees: string[]): BpfFunction => ({
      ...{ name, callees, instructions: [make(0x7b, { destination: 10, offset: -bytes }), EXIT] },
    });
    const functions = [frame('a', 240, ['b', 'c']), frame('b', 8, []), frame('c', 200, ['d']), frame('d', 40, [])];
    expect(deepestStack(functions, 'a')).toEqual({ bytes: 256 + 224 + 64, chain: ['a', 'c', 'd'] });
  });

  const refused: [string, Instruction[], number, RegExp][] = [
    ['a body laid before the head', [jump(1), ADD, jumpIfEqual(1), jump(-3), EXIT], 1, /back-edge from insn 1 to 2/],
    ['the same behind a call', [jump(1), call(1), jumpIfEqual(1), jump(-3), EXIT], 1, /back-edge from insn 1 to 2/],
    ['code that nothing reaches', [MOVE, EXIT, MOVE, EXIT], 2, /unreachable/],
    ['a jump out of the function', [MOVE, jumpIfEqual(7), EXIT], 1, /leads out/],
    ['a helper under a lock', [LOCK, MOVE, call(5), UNLOCK, EXIT], 2, /while a lock is held/],
    ['a function under a lock', [LOCK, call(3, CALL_FUNCTION), UNLOCK, EXIT], 1, /while a lock is held/],
    ['the same on one of two ways', [LOCK, jumpIfEqual(1), UNLOCK, call(5), EXIT], 3, /while a lock is held/],
    ['an exit under a lock', [LOCK, EXIT], 1, /exit while a lock/],
    ['a copy older than the look', [COPY, LOOK, BACK, SCALE, EXIT], 2, /copy made at 0/],
    ['a later helper', [call(210), EXIT], 0, /helper 210/],
    ['a sign-extending move', [make(0xbf, { offset: 8 }), EXIT], 0, /-mcpu=v4/],
    ['a signed division', [make(0x3f, { offset: 1 }), EXIT], 0, /-mcpu=v4/],
    ['a byte swap', [make(0xd7, { immediate: 16 }), EXIT], 0, /-mcpu=v4/],
    ['a long jump', [make(0x06), EXIT], 0, /-mcpu=v4/],
    ['a sign-extending load', [make(0x91), EXIT], 0, /-mcpu=v4/],
    ['an atomic store', [make(0xdb, { immediate: 0x110 }), EXIT], 0, /atomic/],
  ];
  test.each(refused)('%s', (_, instructions, at, why) => {
    expect(findRefusals(instructions)).toContainEqual({ at, why: expect.stringMatching(why) as string });
  });
});
