/** Questions at a terminal. */
import { createInterface } from 'node:readline/promises';
import { escapeControls } from '../diagnostics/display';
import { UsageError } from './output';

/** Asks yes or no; without a terminal nothing is asked and `--yes` is required. */
export async function confirm(question: string, yes: boolean): Promise<boolean> {
  if (yes) return true;
  if (!process.stdin.isTTY)
    throw new UsageError(`"${question}" needs an answer, and this is not a terminal`, 'to answer yes: --yes');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    // The end of input (Ctrl-D, Ctrl-C) settles no question: without this the process would end as if all were done.
    const ended = new Promise<string>((resolve) => terminal.once('close', () => resolve('')));
    const answer = await Promise.race([terminal.question(`${escapeControls(question)} [y/N] `), ended]);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    terminal.close();
  }
}
