import type { Command } from 'commander';
import { rulesetJsonSchema } from '../../parse/schema';
import { onRun } from '../run';

export function register(program: Command): void {
  const command = program.command('schema').description('JSON Schema of the ruleset file, for editors');
  onRun(command, () => {
    process.stdout.write(`${JSON.stringify(rulesetJsonSchema(), null, 2)}\n`);
    return undefined;
  });
}
