/** What is thrown in one thread arrives in another as what it was. */
import { KernelError, PrivilegeError, RefusedError, SluiceError, VerifierError } from '../../../../src/kernel/errors';
import type { LockoutFinding } from '../../../../src/analyse/lockout';
import { LockoutError } from '../../../../src/operate/apply';
import { PendingError } from '../../../../src/operate/pending';
import { unpackThrown } from '../../../../src/operate/thread/rethrown';
import { packThrown } from '../../../../src/operate/thread/thrown';

const sent = (error: unknown): Error => unpackThrown(structuredClone(packThrown(error)));

test('class, code, hint and everything else of ours arrive', () => {
  const cause = new KernelError('load program', 'EPERM', { written: 3 });
  const finding = { message: 'it would cut you', fix: 'allow 22' };
  const lockout = sent(new LockoutError([finding as LockoutFinding]));
  expect(lockout).toBeInstanceOf(LockoutError);
  expect(lockout).toBeInstanceOf(RefusedError);
  expect(lockout).toMatchObject({ name: 'LockoutError', code: 'operate/lockout', findings: [finding] });
  expect(lockout).toMatchObject({ hint: expect.stringContaining('to keep it, allow 22') as string });
  const outer = sent(new SluiceError('state/write', 'no room', { hint: 'make some', cause }));
  expect(outer).toMatchObject({ code: 'state/write', message: 'no room', hint: 'make some' });
  expect(outer.cause).toBeInstanceOf(KernelError);
  expect(outer.cause).toMatchObject({ operation: 'load program', errno: 'EPERM', written: 3 });
  const verifier = sent(new VerifierError('load', 'EACCES', ['R1 invalid'], 7, 'all of it'));
  expect(verifier).toBeInstanceOf(VerifierError);
  expect(verifier).toMatchObject({ lines: ['R1 invalid'], omitted: 7, log: 'all of it' });
  expect(sent(new PrivilegeError(['CAP_BPF']))).toMatchObject({ missing: ['CAP_BPF'] });
  expect(sent(new PendingError(7, 30))).toBeInstanceOf(PendingError);
});

test('of a class that is not known the nearest that is; what is no error is one', () => {
  class OfSomewhere extends RefusedError {}
  const error = sent(new OfSomewhere('some/code', 'no'));
  expect(error).toBeInstanceOf(RefusedError);
  expect(error).toMatchObject({ name: 'OfSomewhere', code: 'some/code' });
  const range = sent(new RangeError('too far'));
  expect(range).toBeInstanceOf(RangeError);
  expect(range.message).toBe('too far');
  expect(range.stack).toContain('thrown.test');
  expect(sent('just words').message).toBe('just words');
  expect(sent(Object.assign(new Error('with a function'), { call: () => 1, kept: 2 }))).toMatchObject({ kept: 2 });
});
