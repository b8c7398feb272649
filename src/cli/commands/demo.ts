import type { Command } from 'commander';
import { requireCapabilities } from '../../kernel/capabilities';
import { play } from '../demo/story';
import { onRun } from '../run';

export function register(program: Command): void {
  const command = program
    .command('demo')
    .description(
      'build a network of namespaces, enforce a ruleset on its NIC, send real packets, show who got through',
    );
  onRun(command, async (run) => {
    requireCapabilities();
    const { results, swap, counted } = await play((text) => run.output.line(text));
    run.output.line(
      `\n${results.length + swap.length} attempts, each ended as explained; everything the demo made is gone`,
    );
    run.output.document({ results, swap, counted });
    return undefined;
  });
}
