import { type Command, InvalidArgumentError, Option } from 'commander';
import { requireCapabilities } from '../../kernel/capabilities';
import { runCi } from '../../operate/ci';
import type { Rehearsed } from '../../operate/rehearse';
import { requireCandidate } from '../candidate';
import { EXIT, type ExitCode } from '../exit-code';
import { addJunitOption, caseOf, type JunitOption, rulesetCase, writeReport } from '../junit-option';
import { UsageError } from '../output';
import { onRun } from '../run';

/** Packets of an expectation, unless told: every row that decides any of them has one in most rulesets. */
const USUAL_SAMPLES = 64;
const MOST_SAMPLES = 10_000;

interface CiOptions extends JunitOption {
  readonly samples: number;
}

export function register(program: Command): void {
  const command = program
    .command('ci')
    .description(
      'enforce a ruleset on a link of its own, send real packets for each of its expectations, and take everything away',
    )
    .argument('[file]', 'ruleset file')
    .addOption(
      new Option('--samples <n>', 'packets of each expectation at most').argParser(readSamples).default(USUAL_SAMPLES),
    );
  onRun<CiOptions>(addJunitOption(command), async (run, file: string | undefined): Promise<ExitCode> => {
    const { junit, samples, netns, interface: devices } = run.options;
    if (netns !== undefined || devices !== undefined) {
      throw new UsageError('"ci" makes a namespace and a link of its own', 'leave --netns and --interface out');
    }
    requireCapabilities();
    const source = await run.readText(file);
    const candidate = await requireCandidate(run, source, 'nothing was tried.', { junit });
    const { rehearsed, frames, mode } = await runCi(candidate, samples);
    const failed = rehearsed.filter(({ failures }) => failures.length > 0);
    const code = failed.length > 0 ? EXIT.RULESET : EXIT.DONE;
    for (const one of rehearsed) run.output.line(lineOf(one));
    run.output.line(summaryOf(rehearsed, frames, mode));
    if (junit !== undefined) {
      writeReport(junit, source, [rulesetCase(source, candidate.diagnostics), ...rehearsed.map(junitCaseOf)]);
    }
    run.output.document({ file: source.path, mode, frames, expectations: rehearsed.map(toJson) }, code);
    return code;
  });
}

function lineOf({ expectation, packets, failures }: Rehearsed): string {
  const { text, source } = expectation;
  const head = `${failures.length > 0 ? 'FAILED' : packets === 0 ? 'none  ' : 'ok    '} line ${source.line}: ${text}`;
  return [`${head} (${count(packets, 'packet')})`, ...failures.map(failureText)].join('\n');
}

function failureText({ packet, problem }: Rehearsed['failures'][number]): string {
  return `         ${packet}: ${problem}`;
}

function summaryOf(rehearsed: readonly Rehearsed[], frames: number, mode: string): string {
  const bad = rehearsed.filter(({ failures }) => failures.length > 0).length;
  const where = `on a link of its own (${mode} mode), which is gone again`;
  if (rehearsed.length === 0) return `the ruleset loads ${where}; it has no expectations to try (expect:)`;
  const sum = `${count(frames, 'frame')} sent and counted`;
  return bad > 0
    ? `${bad} of ${count(rehearsed.length, 'expectation')} failed ${where}; ${sum}`
    : `${count(rehearsed.length, 'expectation')} held ${where}; ${sum}`;
}

function junitCaseOf({ expectation, packets, failures }: Rehearsed): ReturnType<typeof caseOf> {
  const one = caseOf(expectation);
  if (packets === 0) return { ...one, skipped: 'none of its packets can be tried alone' };
  if (failures.length === 0) return one;
  const [{ packet, problem }] = failures;
  const place = `${expectation.source.file}:${expectation.source.line}:${expectation.source.column}`;
  return {
    ...one,
    failure: { message: `${packet}: ${problem}`, text: [place, ...failures.map(failureText)].join('\n') },
  };
}

function toJson({ expectation, packets, failures }: Rehearsed): Record<string, unknown> {
  const { text, direction, verdict, source } = expectation;
  return { text, direction, verdict, line: source.line, column: source.column, packets, failures };
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}

function readSamples(text: string): number {
  const samples = Number(text);
  if (/^\d+$/.test(text) && samples >= 1 && samples <= MOST_SAMPLES) return samples;
  throw new InvalidArgumentError(`Expected a number from 1 to ${MOST_SAMPLES}.`);
}
