#!/usr/bin/env node
/** The `sluice` command. */
import { CommanderError } from 'commander';
import { EXIT } from './exit-code';
import { Output, watchStreams } from './output';
import { buildProgram } from './program';

async function main(): Promise<void> {
  watchStreams();
  try {
    await (await buildProgram(process.argv.slice(2))).parseAsync(process.argv);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // commander has printed help, version or what was wrong; it knows only 0 and 1.
    process.exitCode = error.exitCode === 0 ? EXIT.DONE : EXIT.USAGE;
    if (error.exitCode !== 0 && process.argv.includes('--json')) {
      const message = error.code === 'commander.help' ? 'no command was given' : error.message.replace(/^error: /, '');
      new Output(true).document({ error: { code: 'cli/usage', message } }, EXIT.USAGE);
    }
  }
}

void main();
