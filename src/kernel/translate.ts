/** From what the addon throws to what the rest of sluice catches. Decides on errno only, never on libbpf's text. */
import { constants } from 'node:os';
import { types } from 'node:util';
import type { AddonError } from './addon';
import { KernelError, VerifierError } from './errors';
import { selectVerifierLines } from './verifier-log';

/** Names of errno(3); where two names share a number, the one the kernel's text uses. */
const NAMES = new Map(
  Object.entries(constants.errno)
    .filter(([name]) => name !== 'EWOULDBLOCK' && name !== 'ENOTSUP')
    .map(([name, code]) => [code, name]),
);

/** What node has no name for: the kernel's own ENOTSUPP, one of Linux, and libbpf's codes (libbpf_errno). */
const OTHER_NAMES: Readonly<Record<number, string>> = {
  124: 'EMEDIUMTYPE',
  524: 'ENOTSUPP',
  4000: 'LIBBPF_ERRNO__LIBELF',
  4001: 'LIBBPF_ERRNO__FORMAT',
  4002: 'LIBBPF_ERRNO__KVERSION',
  4003: 'LIBBPF_ERRNO__ENDIAN',
  4004: 'LIBBPF_ERRNO__INTERNAL',
  4005: 'LIBBPF_ERRNO__RELOC',
  4006: 'LIBBPF_ERRNO__LOAD',
  4007: 'LIBBPF_ERRNO__VERIFY',
  4008: 'LIBBPF_ERRNO__PROG2BIG',
  4009: 'LIBBPF_ERRNO__KVER',
  4010: 'LIBBPF_ERRNO__PROGTYPE',
  4011: 'LIBBPF_ERRNO__WRNGPID',
  4012: 'LIBBPF_ERRNO__INVSEQ',
  4013: 'LIBBPF_ERRNO__NLPARSE',
};

/** Name of a Linux errno or a libbpf code, such as `EPERM`; `errno <n>` where it has none. */
export function errnoName(code: number): string {
  return NAMES.get(code) ?? OTHER_NAMES[code] ?? `errno ${code}`;
}

/** What helps, by the system call that failed and its errno. */
const HINTS: readonly (readonly [operation: RegExp, errno: RegExp, hint: string])[] = [
  [/^setns$|^mount$/, /^EPERM$/, 'this needs root: CAP_SYS_ADMIN is missing'],
  [/./, /^EPERM$/, 'run as root, or give the process CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON'],
  [/^open netns$/, /^ENOENT$/, 'there is no network namespace of that name: `ip netns list` shows them'],
  [/^setns$/, /^EINVAL$/, 'the path must be a network namespace, such as /run/netns/edge or /proc/42/ns/net'],
  [/^bpf_obj_get$/, /^ENOENT$/, 'nothing is pinned there'],
  [
    /^bpf_obj_get$/,
    /^EMEDIUMTYPE$/,
    'something else is pinned there: a map, a program and a link are not interchangeable',
  ],
  [/^bpf_obj_pin$/, /^ENOENT$/, 'the directory must exist on a mounted bpffs: `mount -t bpf bpf /sys/fs/bpf`'],
  [/^bpf_obj_pin$/, /^EINVAL$/, 'pins live on a bpffs only: `mount -t bpf bpf /sys/fs/bpf`'],
  [/^bpf_obj_pin$/, /^EEXIST$/, 'something is pinned there already'],
  [/^bpf_link_create$/, /^EBUSY$/, 'another XDP program is attached: `ip link show` names it'],
  [/^bpf_link_create$/, /^EEXIST$/, 'an XDP program of the other mode is attached: `ip link show` names it'],
  [/^bpf_link_create$/, /^EOPNOTSUPP$|^ENOTSUPP$/, "the interface's driver has no native XDP: `mode: generic`"],
  [/^bpf_link_create$/, /^ENODEV$/, 'there is no such interface in that namespace'],
  [/^bpf_link_create$/, /^EINVAL$/, 'native XDP may be refused because of MTU, queues or LRO: `mode: generic`'],
  [/^bpf_link_update$|^bpf_link_detach$/, /^ENOLINK$/, 'the link is detached already, or its interface is gone'],
  [/./, /^ENOMEM$/, 'the kernel is out of memory, or the cgroup of the process is at its limit'],
  [/^bpf_map_update/, /^E2BIG$/, 'the map is full'],
  [/^bpf_map_/, /^E2BIG$/, 'the map would be too large'],
  [/^bpf_map_freeze$/, /^EBUSY$/, 'close every writable mapping of the map first'],
  [/^mmap$/, /^EACCES$/, 'the mapping is read-only'],
  [/^mmap$/, /^EPERM$/, 'a frozen map can only be mapped read-only'],
  [/./, /^ENOSYS$/, 'the kernel lacks the bpf system call: CONFIG_BPF_SYSCALL'],
  [/^bpf_object__open_mem$/, /^LIBBPF_|^EINVAL$/, 'the object file is damaged or of another version: `npm run build`'],
];

function hintFor(error: AddonError, errno: string): string | undefined {
  // mmap's EPERM means a frozen map, not a missing capability: the narrowest entry wins.
  const matching = HINTS.filter(([operation, name]) => operation.test(error.operation) && name.test(errno));
  return (matching.find(([operation]) => operation.source !== '.') ?? matching[0])?.[2];
}

/** Whether the addon threw it for the kernel; not by `instanceof`, since the addon may live in another realm. */
export function isAddonError(error: unknown): error is AddonError {
  return types.isNativeError(error) && 'errno' in error && 'operation' in error;
}

/** The exception for a failure of `operation` (our words, such as `load "slc_image"`). Misuse passes unchanged. */
export function translate(operation: string, error: unknown): unknown {
  if (!isAddonError(error)) return error;
  const errno = errnoName(error.errno);
  const written = error.written;
  if (error.state === 'closed') {
    return new KernelError(operation, errno, {
      code: 'kernel/closed',
      detail: `${operation}: the handle is closed`,
      cause: error,
    });
  }
  if (error.state === 'busy') {
    return new KernelError(operation, errno, {
      code: 'kernel/busy',
      detail: `${operation}: it is busy with an earlier call`,
      hint: 'await that one first',
      cause: error,
    });
  }
  if (error.log !== undefined) {
    const { lines, omitted } = selectVerifierLines(error.log);
    return new VerifierError(`load program "${error.program ?? '?'}"`, errno, lines, omitted, error.log);
  }
  return new KernelError(operation, errno, { hint: hintFor(error, errno), cause: error, written });
}

/** Runs a call of the addon and translates what it throws. */
export function attempt<T>(operation: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw translate(operation, error);
  }
}

/** The same for a promise. A refused argument rejects, as every other failure does. */
export async function attemptLater<T>(operation: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw translate(operation, error);
  }
}
