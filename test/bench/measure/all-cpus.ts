/** Words before a command that is an ordinary process: every CPU, no priority. The benchmark itself has one of each. */
import { cpus } from 'node:os';

export function onAllCpus(command: readonly string[]): string[] {
  return ['nice', '-n', '15', 'taskset', '-c', `0-${cpus().length - 1}`, ...command];
}
