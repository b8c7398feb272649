import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { readVerifierFigures, selectVerifierLines } from '../../../src/kernel/verifier-log';

function recorded(name: string): string {
  return readFileSync(join(__dirname, '../../fixtures/verifier', `${name}.txt`), 'utf8');
}

test('a pointer that may be NULL: the source line, three instructions, the reason', () => {
  const { lines, omitted } = selectVerifierLines(recorded('null-pointer'));
  expect(lines).toHaveLength(5);
  expect(lines[0]).toMatch(/^; .*return \*v/);
  expect(lines.slice(1, 4).map((line) => line.slice(0, 7))).toEqual(['4: (18)', '6: (85)', '7: (79)']);
  expect(lines[4]).toBe("R0 invalid mem access 'map_value_or_null'");
  expect(omitted).toBe(6);
});

test('a reason of two lines is kept whole', () => {
  const { lines } = selectVerifierLines(recorded('packet-bounds'));
  expect(lines.slice(-2)).toEqual([
    'invalid access to packet, off=20 size=1, R1(id=0,off=20,r=0)',
    'R1 offset is outside of the packet',
  ]);
});

test('states printed after the reason do not hide it', () => {
  const { lines, omitted } = selectVerifierLines(recorded('endless-loop'));
  expect(lines.at(-1)).toBe('infinite loop detected at insn 10');
  expect(lines.at(-2)).toMatch(/^9: \(61\)/);
  expect(lines.length).toBeLessThan(8);
  expect(omitted).toBeGreaterThan(10);
});

test('a log of another shape is kept by its end', () => {
  expect(selectVerifierLines('')).toEqual({ lines: [], omitted: 0 });
  expect(selectVerifierLines('something new happened\n')).toEqual({ lines: ['something new happened'], omitted: 0 });
  expect(selectVerifierLines('0: (b7) r0 = 1\n1: (95) exit\n').lines).toEqual(['0: (b7) r0 = 1', '1: (95) exit']);
});

test('kept and left out make the whole, for any text', () => {
  const line = fc.oneof(
    fc.string(),
    fc.constantFrom('; return 1;', '1: (95) exit', '3: R0=1', 'R1 !read_ok', 'processed 7 insns (limit 1)', ''),
  );
  fc.assert(
    fc.property(fc.array(line), (parts) => {
      const log = parts.join('\n');
      const { lines, omitted } = selectVerifierLines(log);
      const all = log.split('\n').filter((text) => text.trimEnd() !== '');
      expect(lines.length + omitted).toBe(all.length);
      expect(lines.length).toBeLessThanOrEqual(20);
    }),
  );
});

test('figures of an accepted program', () => {
  const figures = readVerifierFigures(recorded('accepted'));
  expect(figures).toEqual({ instructions: 25, peakStates: 1 });
  expect(readVerifierFigures('verification time 100 usec')).toBeNull();
});
