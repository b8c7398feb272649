/** The file system that holds pins. */
import { statSync } from 'node:fs';
import { KernelError, UnsupportedError } from './errors';
import type { Kernel } from './kernel';

/**
 * Mounts a bpffs at `path` (mode 0700) where there is none; returns whether it mounted one. The directory must exist:
 * sysfs provides /sys/fs/bpf. Throws `UnsupportedError` where it does not exist or the kernel knows no bpffs,
 * `KernelError` where mounting is refused.
 */
export function ensureBpffs(kernel: Kernel, path = '/sys/fs/bpf'): boolean {
  if (kernel.isBpffs(path)) return false;
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
    const inSys = path.startsWith('/sys/');
    throw new UnsupportedError('bpffs', `there is no directory "${path}" to mount a bpffs at`, {
      hint: inSys ? 'sysfs provides it: mount -t sysfs sysfs /sys' : `mkdir -p ${path}`,
    });
  }
  try {
    kernel.mountBpffs(path);
  } catch (cause) {
    if (cause instanceof KernelError && cause.errno === 'ENODEV') {
      throw new UnsupportedError('bpffs', 'this kernel has no bpffs (CONFIG_BPF_SYSCALL, since Linux 4.4)', { cause });
    }
    throw cause;
  }
  return true;
}
