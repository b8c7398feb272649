import type { Command } from 'commander';
import { printImage } from '../../compile/print';
import { requireCandidate } from '../candidate';
import { onRun } from '../run';
import { flowTableBytes } from '../../compile/flow-table';
import { formatStats } from '../format-stats';

export function register(program: Command): void {
  const command = program
    .command('compile')
    .description('compile a ruleset and show the result; needs no privilege and touches nothing')
    .argument('[file]', 'ruleset file, - for standard input')
    .option('--print', 'list address tries, port maps and rules')
    .option('--stats', 'count entries, bytes and worst-case steps (the default)');
  onRun<{ print?: boolean; stats?: boolean }>(command, async (run, file: string | undefined) => {
    const { image } = await requireCandidate(run, await run.readText(file), 'nothing was compiled.');
    if (run.options.print) run.output.line(printImage(image).trimEnd());
    if (run.options.stats ?? !run.options.print) run.output.line(formatStats(image));
    run.output.document({
      digest: image.digest,
      stats: {
        ...image.stats,
        flowTable: { flows: image.features.maxFlows, bytes: flowTableBytes(image.features.maxFlows) },
      },
      ...(run.options.print && { print: printImage(image) }),
    });
    return undefined;
  });
}
