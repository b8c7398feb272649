#!/usr/bin/env node
/** The `sluice` command. */
import { CommanderError } from 'commander';
import { EXIT } from './exit-code';
import { buildProgram } from './program';

async function main(): Promise<void> {
  // A reader that went away (`sluice status | head`) ends the command quietly.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT.DONE);
    throw error;
  });
  try {
    await (await buildProgram(process.argv.slice(2))).parseAsync(process.argv);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // commander has printed help, version or what was wrong; it knows only 0 and 1.
    process.exitCode = error.exitCode === 0 ? EXIT.DONE : EXIT.USAGE;
  }
}

void main();
