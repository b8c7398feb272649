/** Questions at a terminal. */
import { createInterface } from 'node:readline/promises';
import { UsageError } from './output';

/** Asks yes or no; without a terminal nothing is asked and `--yes` is required. */
export async function confirm(question: string, yes: boolean): Promise<boolean> {
  if (yes) return true;
  if (!process.stdin.isTTY) throw new UsageError(question, 'not a terminal: give --yes to do it');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} [y/N] `)).trim());
  } finally {
    terminal.close();
  }
}
