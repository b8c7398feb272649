import { type Command, InvalidArgumentError, Option } from 'commander';
import { DEFAULT_RULE_SERIES, renderMetrics } from '../../observe/metrics';
import type { Snapshot } from '../../observe/snapshot';
import { takeSnapshot } from '../../operate/enforcement';
import { sectionMeant, type SectionOptions } from '../change-option';
import { UsageError } from '../output';
import { nearest } from '../../parse/nearest';
import { packageVersion } from '../../operate/package-version';
import { onRun } from '../run';
import { addServerOption } from '../server-option';

interface Options extends SectionOptions {
  readonly ruleSeries: number;
}

export function register(program: Command): void {
  const command = program
    .command('metrics')
    .description('counters of every rule and reason as Prometheus text')
    .addOption(ruleSeriesOption())
    .addOption(new Option('--section <name>', 'what is about this section or server alone, each of its rules'));
  addServerOption(command, 'the same of a server');
  onRun<Options>(command, async (run) => {
    const { ruleSeries } = run.options;
    const section = sectionMeant(run.options);
    const snapshot = await takeSnapshot(await run.context());
    if (section !== undefined) requireSection(snapshot, section);
    const options = { version: packageVersion(), ruleSeries, ...(section !== undefined && { section }) };
    const text = renderMetrics(snapshot, options);
    run.output.line(text.trimEnd());
    run.output.document({ metrics: text });
    return undefined;
  });
}

/** How many rules are told of one by one; also an option of the daemon. */
export function ruleSeriesOption(): Option {
  return new Option('--rule-series <number>', 'metrics tell of so many rules one by one, of other sections the sums')
    .argParser(readCount)
    .default(DEFAULT_RULE_SERIES);
}

function readCount(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('expected a number from 0 to 999999.');
  return Number(text);
}

function requireSection({ sections, active }: Snapshot, name: string): void {
  const names = sections.map((section) => section.name);
  if (names.includes(name)) return;
  if (!active) throw new UsageError(`nothing is enforced, so there is no section "${name}"`, 'sluice enable');
  const guess = nearest(name, names);
  throw new UsageError(
    `the enforced ruleset has no section "${name}"`,
    guess === undefined
      ? 'inbound, outbound, guard and the servers are sections: sluice servers'
      : `did you mean ${guess}?`,
  );
}
