import type { Command } from 'commander';
import { takeSnapshot } from '../../operate/enforcement';
import { renderMetrics } from '../../observe/metrics';
import { onRun } from '../run';
import { packageVersion } from '../package-version';

export function register(program: Command): void {
  const command = program.command('metrics').description('counters of every rule and reason as Prometheus text');
  onRun(command, async (run) => {
    const snapshot = await takeSnapshot(await run.context());
    const text = renderMetrics(snapshot, packageVersion());
    run.output.line(text.trimEnd());
    run.output.document({ metrics: text });
    return undefined;
  });
}
