/** What compiling costs: in a fresh process (cold), and again in the same one (warm). */
import { join } from 'node:path';
import { run } from '../../support/process';
import type { Family } from '../../../src/model/prefix';
import { onAllCpus } from './all-cpus';

const CHILD = join(__dirname, '../../../scripts/bench-compile.js');
/** A compiler that needs longer is measured as one that does not end. */
const TIMEOUT_MS = 60_000;

/** Milliseconds; or why there is no image. */
export type CompileTimes =
  { readonly coldMs: number; readonly warmMs: number; readonly peakMb: number } | { readonly failure: string };

/** What the child prints. */
export async function compileTimes(set: string, size: number, family: Family): Promise<CompileTimes> {
  const { status, stdout, stderr } = await run(
    onAllCpus([process.execPath, CHILD, set, String(size), String(family)]),
    {
      timeout: TIMEOUT_MS,
    },
  );
  if (status === 0) return JSON.parse(stdout) as CompileTimes;
  if (status === 137) return { failure: `compile does not end in ${TIMEOUT_MS / 1000} s` };
  return { failure: stderr.trim().split('\n').at(-1) ?? `status ${status}` };
}
