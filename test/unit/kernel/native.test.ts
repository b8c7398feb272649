import type { SluiceError } from '../../../src/kernel/errors';
import { explainLoading } from '../../../src/kernel/native';

describe('an addon that cannot be loaded', () => {
  function loading(message: string, code?: string): SluiceError {
    return explainLoading(Object.assign(new Error(message), code === undefined ? {} : { code }));
  }

  test('is not built', () => {
    expect(loading('Could not locate the bindings file')).toMatchObject({ hint: 'run npm run build' });
  });

  test('misses a library, whose package is named', () => {
    const error = loading(
      'libbpf.so.1: cannot open shared object file: No such file or directory',
      'ERR_DLOPEN_FAILED',
    );
    expect(error.message).toContain('"libbpf.so.1"');
    expect(error.hint).toBe('sudo apt-get install -y libbpf1');
  });

  test('is of another kind', () => {
    expect(loading('invalid ELF header', 'ERR_DLOPEN_FAILED').message).toContain('invalid ELF header');
  });
});
