/** What this process holds, garbage left out. */
import { readdirSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { mappedPages } from './own-objects';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

export interface InUse {
  readonly mib: number;
  readonly descriptors: number;
  /** Of maps that are in its memory. */
  readonly pages: number;
}

/** Collects garbage, then counts. */
export function inUse(): InUse {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  const descriptors = readdirSync('/proc/self/fd').length;
  return { mib: (heapUsed + external) / 2 ** 20, descriptors, pages: mappedPages(process.pid) };
}
