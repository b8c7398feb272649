/** What the running kernel can do, for `version` and `doctor`, and which hook it offers. Every question has three answers. */
import { existsSync, readFileSync } from 'node:fs';
import { SluiceError } from './errors';
import { addon } from './native';
import { errnoName, isAddonError } from './translate';

export type FeatureName = 'bpf' | 'btf' | 'bpffs' | 'xdp-frags' | 'membarrier' | 'tcx' | 'clsact';

export interface Feature {
  readonly name: FeatureName;
  readonly answer: 'supported' | 'unsupported' | 'unknown';
  /** The kernel that brought it. */
  readonly since: string;
  /** Why there is no answer, or what the kernel said. */
  readonly detail?: string;
}

/** The kernel refuses to answer. */
const NOT_TOLD = 'the kernel answers only root, or a process with CAP_BPF and CAP_NET_ADMIN';

const BPF_PROG_TYPE_XDP = 6;
const BPF_XDP = 37;
const BPF_TCX_INGRESS = 46;
const BPF_F_XDP_HAS_FRAGS = 1 << 5;
const MEMBARRIER_QUERY = 0;
const MEMBARRIER_GLOBAL = 1;
const LOOPBACK = 1;

/** Asks all questions; never throws for an answer, only where the addon cannot be loaded. */
export async function probeFeatures(): Promise<Feature[]> {
  return [
    fromErrno('bpf', '5.9', addon().probeProgram(BPF_PROG_TYPE_XDP, BPF_XDP, 0)),
    probeFile('btf', '5.4', '/sys/kernel', '/sys/kernel/btf/vmlinux'),
    probeBpffs(),
    fromErrno('xdp-frags', '5.18', addon().probeProgram(BPF_PROG_TYPE_XDP, BPF_XDP, BPF_F_XDP_HAS_FRAGS)),
    await probeMembarrier(),
    fromErrno('tcx', '6.6', addon().probeHook(LOOPBACK, BPF_TCX_INGRESS)),
    fromErrno('clsact', '4.5', await addon().probeClsact()),
  ];
}

/** How packets that go out are met: by a link (tcx, since Linux 6.6), or by a filter in a clsact discipline. */
export type EgressHook = 'tcx' | 'clsact';

/**
 * The hook this kernel offers for packets that go out, tcx before clsact; null where none is wanted. The environment
 * may choose: `SLUICE_EGRESS_HOOK=tcx|clsact|none`.
 */
export function chooseEgressHook(): EgressHook | null {
  const chosen = process.env.SLUICE_EGRESS_HOOK || 'auto';
  if (chosen === 'none') return null;
  if (chosen === 'tcx' || chosen === 'clsact') return chosen;
  if (chosen === 'auto') return addon().probeHook(LOOPBACK, BPF_TCX_INGRESS) === null ? 'tcx' : 'clsact';
  throw new SluiceError('kernel/egress-hook', `SLUICE_EGRESS_HOOK is "${chosen}", expected tcx, clsact or none`, {
    hint: 'leave it out: sluice takes tcx where the kernel has it, else clsact',
  });
}

/** EINVAL and its kin mean that the kernel does not know it; a refusal for lack of privilege means nothing. */
function fromErrno(name: FeatureName, since: string, code: number | null): Feature {
  if (code === null) return { name, since, answer: 'supported' };
  const errno = errnoName(code);
  const told = ['EINVAL', 'EOPNOTSUPP', 'ENOTSUPP', 'ENOSYS', 'E2BIG', 'ENOENT'].includes(errno);
  if (told) return { name, since, answer: 'unsupported', detail: errno };
  const refused = errno === 'EPERM' || errno === 'EACCES';
  return { name, since, answer: 'unknown', detail: refused ? NOT_TOLD : errno };
}

function probeFile(name: FeatureName, since: string, folder: string, path: string): Feature {
  if (existsSync(path)) return { name, since, answer: 'supported' };
  if (existsSync(folder)) return { name, since, answer: 'unsupported', detail: `there is no "${path}"` };
  return { name, since, answer: 'unknown', detail: `"${folder}" is not there: is sysfs mounted?` };
}

function probeBpffs(): Feature {
  const name = 'bpffs';
  const since = '4.4';
  try {
    const known = /\tbpf$/m.test(readFileSync('/proc/filesystems', 'utf8'));
    return { name, since, answer: known ? 'supported' : 'unsupported' };
  } catch {
    return { name, since, answer: 'unknown', detail: '"/proc/filesystems" cannot be read' };
  }
}

async function probeMembarrier(): Promise<Feature> {
  const name = 'membarrier';
  const since = '4.3';
  try {
    const commands = await addon().membarrier(MEMBARRIER_QUERY);
    return { name, since, answer: (commands & MEMBARRIER_GLOBAL) !== 0 ? 'supported' : 'unsupported' };
  } catch (error) {
    if (!isAddonError(error)) throw error;
    return fromErrno(name, since, error.errno);
  }
}
