/** What compiling costs: once in a fresh process, as a command does (cold), and again in the same one, as a daemon (warm). */
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

/** A child each. */
export async function compileTimes(set: string, size: number, family: Family): Promise<CompileTimes> {
  const measured: Partial<Extract<CompileTimes, { coldMs: number }>>[] = [];
  for (const mode of ['cold', 'warm']) {
    const words = [process.execPath, CHILD, set, String(size), String(family), mode];
    const { status, stdout, stderr } = await run(onAllCpus(words), { timeout: TIMEOUT_MS });
    if (status === 137) return { failure: `compile does not end in ${TIMEOUT_MS / 1000} s` };
    if (status !== 0) return { failure: stderr.trim().split('\n').at(-1) ?? `status ${status}` };
    measured.push(JSON.parse(stdout) as (typeof measured)[number]);
  }
  return Object.assign({}, ...measured) as CompileTimes;
}
