/** `sluice apply FILE`, whole command by the built bin: from the shell's point of view, file to enforced. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatPrefix } from '../../src/model/prefix';
import { must, run } from '../support/process';
import { onAllCpus } from './measure/all-cpus';
import type { Lab } from './measure/lab';
import { type Row, rowOf } from './row';
import { textOf, type Writing } from './sets/bench-set';
import { makeSet } from './sets/catalogue';

const BIN = join(__dirname, '../../dist/cli/main.js');
/** A command that needs longer is measured as one that does not end. */
const TIMEOUT_MS = 120_000;

const CASES: readonly { set: string; size: number; writing: Writing }[] = [
  { set: 'acl1', size: 1000, writing: 'lines' },
  { set: 'acl1', size: 1000, writing: 'objects' },
  { set: 'acl1', size: 10_000, writing: 'lines' },
  { set: 'acl1', size: 10_000, writing: 'objects' },
  { set: 'acl1', size: 100_000, writing: 'lines' },
  { set: 'acl1', size: 100_000, writing: 'objects' },
  { set: 'blocklist', size: 100_000, writing: 'lines' },
  { set: 'blocklist', size: 1_000_000, writing: 'lines' },
];

/** One row a case: milliseconds of the command in `load_ms`, its peak memory in the note. Sizes are the options'. */
export async function* applyRows(lab: Lab, { sizes }: { readonly sizes: readonly number[] }): AsyncGenerator<Row> {
  const namespace = lab.namespace('bench-apply');
  const { link } = lab.port('apply', namespace);
  const directory = mkdtempSync(join(tmpdir(), `slc-bench-${process.pid}-`));
  const bpffs = join(directory, 'bpf');
  mkdirSync(bpffs);
  must(['mount', '-t', 'bpf', 'bpf', bpffs]);
  const sluice = [process.execPath, BIN, '--netns', namespace.path];
  const env = { ...process.env, SLUICE_BPFFS: join(bpffs, 'sluice'), SLUICE_STATE_DIR: join(directory, 'state') };
  try {
    for (const { set: name, size, writing } of CASES.filter((one) => sizes.includes(one.size))) {
      const set = makeSet(name, size, 4);
      const file = join(directory, 'rules.yaml');
      const list = join(directory, 'blocked.txt');
      writeFileSync(file, textOf(set, writing, { link, list }));
      if (set.list) writeFileSync(list, `${set.list.map(formatPrefix).join('\n')}\n`);
      const began = performance.now();
      const command = onAllCpus(['/usr/bin/time', '-f', 'peak %M', ...sluice, 'apply', file]);
      const { status, stderr } = await run(command, { timeout: TIMEOUT_MS, env });
      const elapsed = performance.now() - began;
      const peak = Number(/^peak (\d+)$/m.exec(stderr)?.[1] ?? NaN) / 1024;
      const known = { subject: 'sluice apply', set: name, family: 4, rules: size } as const;
      if (status === 0) {
        yield rowOf({ ...known, load_ms: elapsed, note: `${writing}, peak ${peak.toFixed(0)} MiB` });
      } else {
        const ended = elapsed >= TIMEOUT_MS ? `does not end in ${TIMEOUT_MS / 1000} s` : stderr.trim().split('\n')[0];
        yield rowOf({ ...known, note: `${writing}: ${ended}` });
      }
      await run([...sluice, 'disable', '--yes'], { timeout: TIMEOUT_MS, env });
      // Counts of a hundred thousand rows stay, which the next one would read.
      rmSync(env.SLUICE_STATE_DIR, { recursive: true, force: true });
    }
  } finally {
    must(['umount', '-l', bpffs]);
    rmSync(directory, { recursive: true, force: true });
  }
}
