/** The file system that holds pins. */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { KernelError, SluiceError, UnsupportedError } from './errors';
import type { Kernel } from './kernel';

/**
 * Mounts a bpffs at `path` (mode 0700) where there is none; returns whether it mounted one. The directory must exist:
 * sysfs provides /sys/fs/bpf. Throws `UnsupportedError` where it does not exist or the kernel knows no bpffs,
 * `KernelError` where mounting is refused, `SluiceError` `kernel/mounts` where the mount would end with the command
 * or hide files.
 */
export function ensureBpffs(kernel: Kernel, path = '/sys/fs/bpf'): boolean {
  if (kernel.isBpffs(path)) return false;
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
    const inSys = path.startsWith('/sys/');
    throw new UnsupportedError('bpffs', `there is no directory "${path}" to mount a bpffs at`, {
      hint: inSys ? 'sysfs provides it: mount -t sysfs sysfs /sys' : `mkdir -p ${path}`,
    });
  }
  assertSeesPins(kernel, path);
  if (readdirSync(path).length > 0) {
    throw new SluiceError('kernel/mounts', `"${path}" is no bpffs, and a mount there would hide the files in it`, {
      hint: 'SLUICE_BPFFS names a folder inside a bpffs, such as /sys/fs/bpf/sluice',
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

/**
 * Throws `SluiceError` `kernel/mounts` where no bpffs is seen at `path` by a command with mounts of its own: what is
 * pinned in those of the machine is hidden from it. Mounts nothing.
 */
export function assertSeesPins(kernel: Kernel, path: string): void {
  if (kernel.isBpffs(path) || !inPassingMounts()) return;
  throw new SluiceError(
    'kernel/mounts',
    `no bpffs is mounted at "${path}", and this command has mounts of its own, as under \`ip netns exec\`: it sees nothing of what is pinned elsewhere, and what it pins would end with it`,
    { hint: `run it outside, with: --netns NAME; where these mounts last: mount -t bpf bpf ${path}` },
  );
}

/** Whether an ancestor of the process lives in another mount namespace: this one was made for a command. */
function inPassingMounts(): boolean {
  const own = mountNamespace('self');
  for (let pid = String(process.ppid); own !== undefined && pid !== '0';) {
    const theirs = mountNamespace(pid);
    if (theirs !== undefined && theirs !== own) return true;
    pid = parentOf(pid);
  }
  return false;
}

/** Undefined where the process may not be looked at. */
function mountNamespace(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`);
  } catch {
    return undefined;
  }
}

/** `0` for the first process of a PID namespace, and where the process has ended. */
function parentOf(pid: string): string {
  try {
    return /^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0';
  } catch {
    return '0';
  }
}
