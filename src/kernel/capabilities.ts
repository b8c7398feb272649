/** Whether the process may do what sluice needs, asked before the kernel is, so that the answer is a sentence. */
import { readFileSync } from 'node:fs';
import { PrivilegeError } from './errors';

/** Bit numbers of capabilities(7). */
const BITS = { CAP_NET_ADMIN: 12, CAP_SYS_ADMIN: 21, CAP_PERFMON: 38, CAP_BPF: 39 } as const;

/** The capabilities among CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON that an effective set (bits as in CapEff) lacks. */
export function missingCapabilities(effective: bigint): string[] {
  const has = (name: keyof typeof BITS): boolean => ((effective >> BigInt(BITS[name])) & 1n) === 1n;
  // CAP_SYS_ADMIN stands for the two that were split off it in Linux 5.8, not for CAP_NET_ADMIN.
  const covered = has('CAP_SYS_ADMIN');
  return [
    ...(covered || has('CAP_BPF') ? [] : ['CAP_BPF']),
    ...(has('CAP_NET_ADMIN') ? [] : ['CAP_NET_ADMIN']),
    ...(covered || has('CAP_PERFMON') ? [] : ['CAP_PERFMON']),
  ];
}

/** The effective set in the text of /proc/<pid>/status. */
export function readEffective(status: string): bigint {
  const hex = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  return hex === undefined ? 0n : BigInt(`0x${hex}`);
}

/** Throws a `PrivilegeError` that names what the process lacks. */
export function requireCapabilities(): void {
  const missing = missingCapabilities(readEffective(readFileSync('/proc/self/status', 'utf8')));
  if (missing.length > 0) throw new PrivilegeError(missing);
}

/** Whether `requireCapabilities` would let the process pass. */
export function hasCapabilities(): boolean {
  return missingCapabilities(readEffective(readFileSync('/proc/self/status', 'utf8'))).length === 0;
}
