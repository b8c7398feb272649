import { constants } from 'node:os';
import type { KernelError, VerifierError } from '../../../src/kernel/errors';
import { errnoName, translate } from '../../../src/kernel/translate';

function refusal(operation: string, errno: number, more: object = {}): Error {
  return Object.assign(new Error(operation), { operation, errno, ...more });
}

describe('errno names', () => {
  test.each([
    [1, 'EPERM'],
    [11, 'EAGAIN'],
    [16, 'EBUSY'],
    [67, 'ENOLINK'],
    [95, 'EOPNOTSUPP'],
    [524, 'ENOTSUPP'],
    [4001, 'LIBBPF_ERRNO__FORMAT'],
    [99_999, 'errno 99999'],
  ])('%d is %s', (code, name) => {
    expect(errnoName(code)).toBe(name);
  });
});

describe('failures of the addon', () => {
  test.each([
    ['bpf_link_create', constants.errno.EPERM, /CAP_NET_ADMIN/],
    ['setns', constants.errno.EPERM, /CAP_SYS_ADMIN/],
    ['bpf_obj_get', constants.errno.ENOENT, /nothing is pinned/],
    ['bpf_link_create', constants.errno.EBUSY, /another XDP program/],
    ['bpf_link_create', constants.errno.EOPNOTSUPP, /mode: generic/],
    ['bpf_map_create', constants.errno.ENOMEM, /out of memory/],
    ['bpf_map_create', constants.errno.E2BIG, /too large/],
    ['bpf_map_update_batch', constants.errno.E2BIG, /full/],
    ['mmap', constants.errno.EPERM, /frozen/],
  ])('%s with errno %d says what to do', (operation, code, hint) => {
    const error = translate('do it', refusal(operation, code)) as KernelError;
    expect(error).toMatchObject({ name: 'KernelError', operation: 'do it', errno: errnoName(code) });
    expect(error.hint).toMatch(hint);
    expect(error.cause).toBeDefined();
  });

  test('how much of a batch was written', () => {
    expect(translate('write', refusal('bpf_map_update_batch', 7, { written: 12 }))).toMatchObject({ written: 12 });
  });

  test('handles that refuse', () => {
    expect(translate('read', refusal('BpfMap', 9, { state: 'closed' }))).toMatchObject({
      code: 'kernel/closed',
      message: 'read: the handle is closed',
    });
    expect(translate('read', refusal('BpfObject', 16, { state: 'busy' }))).toMatchObject({ code: 'kernel/busy' });
  });

  test('the verifier', () => {
    const log = '0: (95) exit\nR0 !read_ok\nprocessed 1 insns (limit 1000000)\n';
    const error = translate('load "x"', refusal('bpf_object__load', 13, { log, program: 'p' })) as VerifierError;
    expect(error).toMatchObject({
      name: 'VerifierError',
      operation: 'load program "p"',
      errno: 'EACCES',
      omitted: 1,
      log,
    });
    expect(error.lines).toEqual(['0: (95) exit', 'R0 !read_ok']);
  });

  test('misuse passes as it is', () => {
    const misuse = new TypeError('key must be a Uint8Array');
    expect(translate('read', misuse)).toBe(misuse);
    expect(translate('read', 'text')).toBe('text');
  });
});
