import { missingCapabilities, readEffective } from '../../../src/kernel/capabilities';

describe('capabilities', () => {
  const bits = (...numbers: number[]): bigint => numbers.reduce((sum, bit) => sum | (1n << BigInt(bit)), 0n);

  test.each([
    ['all three', bits(12, 38, 39), []],
    ['none', 0n, ['CAP_BPF', 'CAP_NET_ADMIN', 'CAP_PERFMON']],
    ['CAP_SYS_ADMIN stands for two of them', bits(21), ['CAP_NET_ADMIN']],
    ['CAP_BPF alone', bits(39), ['CAP_NET_ADMIN', 'CAP_PERFMON']],
  ])('%s', (_, effective, missing) => {
    expect(missingCapabilities(effective)).toEqual(missing);
  });

  test('are read from the status of a process', () => {
    expect(readEffective('Name:\tnode\nCapEff:\t000001ffffffffff\nCapBnd:\t0\n')).toBe(0x1ffffffffffn);
    expect(readEffective('')).toBe(0n);
  });
});
