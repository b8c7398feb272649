/** What the tests of the addon share: the probe object, keys, a bpffs of their own. */
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { setFlagsFromString } from 'node:v8';
import type { BpfObject } from '../../src/kernel/kernel';
import { kernel } from '../../src/kernel/native';
import { compileBpf } from '../support/compile-c';
import { must } from '../support/process';

/** Bytes of test/native/fixtures/probe.bpf.c, compiled. */
export function probeBytes(): Uint8Array {
  return compileBpf(join(__dirname, 'fixtures/probe.bpf.c'));
}

/** Opens the probe object, with the programs named. */
export function openProbe(programs: readonly string[] = ['probe_observe']): BpfObject {
  const object = kernel().openObject(probeBytes(), 'probe');
  object.setPrograms(programs);
  return object;
}

/** Opens and loads it. */
export async function loadProbe(programs?: readonly string[]): Promise<BpfObject> {
  const object = openProbe(programs);
  await object.load();
  return object;
}

/** A number as the 4 bytes of a key. */
export function key32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** A number as the 8 bytes of a value. */
export function value64(value: bigint): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
}

/** Mounts a bpffs in a directory of its own; `remove` unmounts it, which removes what is pinned there. */
export function privateBpffs(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), `slc-${process.pid}-bpffs-`));
  kernel().mountBpffs(path);
  return {
    path,
    remove: () => {
      must(['umount', path]);
      rmSync(path, { recursive: true });
    },
  };
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Collects garbage until `done` says so; throws when it never does. */
export async function collectUntil(done: () => boolean): Promise<void> {
  const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 10));
  for (let i = 0; i < 500; i++) {
    await pause(); // what a WeakRef has given out lives until the turn ends
    collect();
    await pause();
    if (done()) return;
  }
  throw new Error('garbage collection did not do it');
}

/** Ethernet and 50 bytes of nothing. */
export function frameOf(length: number): Uint8Array {
  return new Uint8Array(length).fill(0x5a);
}

/** The name, or the errno, of what `call` throws; `ok` where it throws nothing. Rejections count as throws. */
export async function outcome(call: () => unknown): Promise<string> {
  try {
    await call();
    return 'ok';
  } catch (error) {
    const thrown = error as { name: string; code?: string; errno?: string };
    return thrown.code?.startsWith('kernel/closed') || thrown.code === 'kernel/busy'
      ? thrown.code
      : (thrown.errno ?? thrown.name);
  }
}

/** Waits until `done` says so, at most a minute. */
export async function until(done: () => boolean): Promise<void> {
  for (let i = 0; i < 6000 && !done(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** Descriptors of BPF objects this process holds. */
export function bpfDescriptors(): string[] {
  return readdirSync('/proc/self/fd').flatMap((name) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${name}`);
      return target.startsWith('anon_inode:bpf') ? [target] : [];
    } catch {
      return []; // the one that reads the directory
    }
  });
}
