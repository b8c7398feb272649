import { type Command, InvalidArgumentError, Option } from 'commander';
import { lookAtServers } from '../../operate/servers-seen';
import { type Review, reviewEnforced, type ReviewedRule } from '../../operate/review';
import { UsageError } from '../output';
import { requireServer } from '../require-server';
import { onRun } from '../run';
import { addServerOption, serverMeant, type ServerOption } from '../server-option';

interface ReviewOptions extends ServerOption {
  readonly days: number;
}

const DAY_MS = 86_400_000;

export function register(program: Command): void {
  const command = program
    .command('review')
    .description(
      'which rules are worth a look: no hit for 30 days, ended, never reached, broad, nothing listens, past their review date; ends with lines that delete them',
    )
    .argument('[server]', 'the rules of this server alone')
    .addOption(
      new Option('--days <n>', 'a rule without a hit for so many days is unused').default(30).argParser(readDays),
    );
  addServerOption(command, 'the rules of this server alone');
  onRun<ReviewOptions>(command, async (run, word: string | undefined) => {
    const { days } = run.options;
    const context = await run.context();
    const section = serverMeant(run.options, word);
    if (section !== undefined) requireServer(await lookAtServers(context), section);
    const review = await reviewEnforced(context, {
      unusedMs: days * DAY_MS,
      ...(section !== undefined && { section }),
    });
    if (!review) throw new UsageError('nothing is enforced, so no rule was counted', 'sluice check reads a file');
    for (const line of format(review, days)) run.output.line(line);
    run.output.document({ days, ...review });
    return undefined;
  });
}

function readDays(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new InvalidArgumentError('expected a number of days, 1 to 9999.');
  return Number(text);
}

function format({ rules, early, found }: Review, days: number): string[] {
  const lines: string[] = [];
  let section: string | null = null;
  for (const rule of found) {
    if (rule.section !== section) lines.push(...(section === null ? [] : ['']), `${rule.section}:`);
    ({ section } = rule);
    lines.push(...formatRule(rule));
  }
  if (found.length > 0) lines.push('');
  lines.push(`${found.length} of ${rules} rules ${found.length === 1 ? 'is' : 'are'} worth a look`);
  if (early > 0)
    lines.push(`${early} without a hit so far ${early === 1 ? 'is' : 'are'} watched for less than ${days} d`);
  const deletions = found.flatMap(({ deletion }) => deletion ?? []);
  if (deletions.length > 0) lines.push('what could go, once you have looked:', ...deletions.map((line) => `  ${line}`));
  return lines;
}

function formatRule({ number, id, text, note, owner, remarks }: ReviewedRule): string[] {
  const about = [
    id,
    ...(owner === undefined ? [] : [`owner ${owner}`]),
    ...(note === undefined ? [] : [`"${note}"`]),
  ].join(', ');
  return [
    `  ${number === null ? '-' : `[${String(number).padStart(2)}]`} ${text} (${about})`,
    ...remarks.flatMap(({ words, hint }) => [
      `         ${words}`,
      ...(hint === undefined ? [] : [`           ${hint}`]),
    ]),
  ];
}
