import { type Command, Option } from 'commander';
import type { Context } from '../../operate/context';
import { judgeText } from '../../operate/check';
import { planChange } from '../../operate/change-plan';
import {
  currentRevision,
  findRevision,
  type History,
  holds,
  readRevisionText,
  type Revision,
} from '../../operate/history';
import { renderTextDiff } from '../../operate/ruleset-diff';
import { readableBundle } from '../../parse/bundle';
import { differenceToJson, renderDifference } from '../../operate/render-difference';
import { authorWords, outcomeWords, whenWords } from '../../operate/render-history';
import type { Opening } from '../../operate/opening-file';
import { rememberedOpenings } from '../../operate/openings';
import { openedWords, openingEndWords } from '../../operate/render-openings';
import { renderPlan } from '../../operate/render-plan';
import { settledHistory } from '../../operate/rollback';
import { readEnforcement } from '../../operate/enforcement';
import { withSectionOf } from '../../operate/plan';
import { sectionDigest, shownDigest } from '../../operate/section-digest';
import { changesOf, requireSectionName, sectionAt } from '../../operate/section-history';
import { SluiceError } from '../../kernel/errors';
import { addSectionOptions, sectionMeant, type SectionOptions } from '../change-option';
import { EXIT, type ExitCode } from '../exit-code';
import { UsageError } from '../output';
import { onRun, type Run } from '../run';
import { renderTable } from '../table';

/** What `ufw show` shows, with the command that does here. */
const OF_UFW: Readonly<Partial<Record<string, string>>> = {
  added: 'sluice status numbered, or the file itself: sluice fmt',
  listening: 'sluice exposed',
  ...Object.fromEntries(
    ['raw', 'builtins', 'user-rules', 'before-rules', 'after-rules', 'logging-rules'].map((report) => [
      report,
      'sluice status verbose, or sluice compile --print',
    ]),
  ),
};

export function register(program: Command): void {
  const history = program
    .command('history')
    .description('every change of what is enforced: when, who, what, why, and what became of it; or of one section')
    .argument('[section]', 'a server, inbound, outbound, guard, or settings: what lies outside sections')
    .option('--server <name>', 'the changes of this server alone');
  onRun<SectionOptions>(history, async (run, word: string | undefined) => {
    const { context, revisions, current, warnings } = await open(run);
    const section = sectionMeant(run.options, word);
    if (section !== undefined) return showSection(run, context, { revisions, warnings }, section);
    if (revisions.length === 0) run.output.line('nothing was changed yet that is remembered');
    else
      run.output.line(
        renderTable(
          COLUMNS,
          revisions.map((revision) => rowOf(revision, current)),
        ),
      );
    const openings = rememberedOpenings(context);
    if (openings.length > 0) {
      run.output.line();
      run.output.line(renderTable(OPENING_COLUMNS, openings.map(openingRow)));
    }
    run.output.document({ current: current?.number ?? null, revisions, allowAll: openings });
    return EXIT.DONE;
  });

  const show = program
    .command('show')
    .description('one revision: what it changed, in rows and packets; sluice show 7 --text prints its ruleset')
    .argument('<revision>', 'its number, or the first 7 digits or more of its digest')
    .addOption(new Option('--text', 'the ruleset as it was, byte for byte, and nothing else'));
  addSectionOptions(show, 'with --text the text');
  onRun<SectionOptions & { text?: boolean }>(show, async (run, reference: string): Promise<ExitCode> => {
    const instead = Object.hasOwn(OF_UFW, reference) ? OF_UFW[reference] : undefined;
    if (instead !== undefined) throw new UsageError(`"show ${reference}" is a command of ufw, and none here`, instead);
    const { context, ...history } = await open(run);
    const revision = findRevision(history, reference);
    const section = sectionMeant(run.options);
    if (section !== undefined) return showPart(run, context, { history, revision, section });
    const text = readRevisionText(context.folder, revision);
    if (run.options.text && !run.options.json) {
      process.stdout.write(readableBundle(textOf(revision, text)));
      return EXIT.DONE;
    }
    for (const line of describe(revision, text)) run.output.line(line);
    run.output.document({ revision, text: text === null ? null : readableBundle(text) });
    return EXIT.DONE;
  });

  const diff = program
    .command('diff')
    .description('what differs from one revision to another (or to what is enforced): lines, rows, packets')
    .argument('<revision>', 'from')
    .argument('[revision]', 'to; left out: what is enforced')
    .addOption(new Option('--exit-code', 'exit 4 when there is a difference'));
  addSectionOptions(diff, 'the difference');
  onRun<SectionOptions & { exitCode?: boolean }>(
    diff,
    async (run, from: string, to: string | undefined): Promise<ExitCode> => {
      const { context, current, ...history } = await open(run);
      const one = findRevision(history, from);
      const other = to === undefined ? current : findRevision(history, to);
      if (!other) throw new SluiceError('operate/no-revision', 'nothing is enforced to compare it with');
      const section = sectionMeant(run.options);
      if (section !== undefined) return diffPart(run, context, { history, one, other, section });
      const [before, after] = [one, other].map((revision) =>
        textOf(revision, readRevisionText(context.folder, revision)),
      );
      const lines = renderTextDiff(before, after);
      const [old, now] = [one, other].map((revision, i) => rulesetOf(revision, [before, after][i]));
      const change = old && now && planChange(old, now);
      run.output.line(lines === '' ? 'no line differs' : lines.trimEnd());
      if (change) {
        run.output.line(renderPlan(change.plan).trimEnd());
        run.output.line(renderDifference(change).trimEnd());
      } else run.output.say('note: one of them has errors today: only their lines are compared');
      const code = run.options.exitCode && lines !== '' ? EXIT.DIFFERENCE : EXIT.DONE;
      const packets = change && differenceToJson(change);
      run.output.document({ from: one.number, to: other.number, lines, plan: change?.plan ?? null, packets }, code);
      return code;
    },
  );
}

/** The changes of one section, and what a writer says to be sure that it is as he saw it. */
async function showSection(
  run: Run<SectionOptions>,
  context: Context,
  history: History,
  section: string,
): Promise<ExitCode> {
  const ruleset = (await readEnforcement(context))?.record?.ruleset ?? null;
  requireSectionName(history, ruleset, section);
  const changes = changesOf(history, section);
  const current = changes.filter(holds).at(-1) ?? null;
  const digest = ruleset && sectionDigest(ruleset, section);
  const digestOf = ({ after }: Revision): string => shownDigest(after?.[section] ? after[section].digest : null);
  if (changes.length === 0) run.output.line(`no change of ${section} is remembered`);
  else
    run.output.line(
      renderTable(
        [...COLUMNS.slice(0, -1), { title: 'digest' }, ...COLUMNS.slice(-1)],
        changes.map((revision) => rowOf(revision, current).toSpliced(-1, 0, digestOf(revision))),
      ),
    );
  if (digest !== null) run.output.say(`enforced: ${section} ${shownDigest(digest)}`);
  run.output.document({ section, current: current?.number ?? null, digest, revisions: changes });
  return EXIT.DONE;
}

/** One section as a revision left it. */
function showPart(
  run: Run<SectionOptions & { text?: boolean }>,
  context: Context,
  { history, revision, section }: { history: History; revision: Revision; section: string },
): ExitCode {
  const { text, digest } = sectionAt(context.folder, history, revision, section);
  if (text == null) {
    const why = text === null ? 'has no such text' : 'has it written somewhere else (a YAML anchor)';
    throw new SluiceError('operate/no-revision', `revision ${revision.number} ${why}: "${section}"`, {
      hint: `sluice show ${revision.number} --text prints all of it`,
    });
  }
  const readable = readableBundle(text);
  if (!run.options.json) process.stdout.write(readable);
  run.output.document({ revision: revision.number, section, digest: digest ?? null, text: readable });
  return EXIT.DONE;
}

/** What differs in one section, and for which packets: all else is taken to be as in the second. */
function diffPart(
  run: Run<{ exitCode?: boolean }>,
  { folder }: Context,
  { history, one, other, section }: { history: History; one: Revision; other: Revision; section: string },
): ExitCode {
  const [before, after] = [one, other].map((revision) => sectionAt(folder, history, revision, section));
  if (before.text == null && after.text == null) requireSectionName(history, null, section);
  const lines = renderTextDiff(before.text ?? '', after.text ?? '');
  const [old, now] = [one, other].map((revision) => {
    const text = readRevisionText(folder, revision);
    return text === null || !revision.source ? null : rulesetOf(revision, text);
  });
  const change = old && now && planChange(withSectionOf(now, old, section), now);
  run.output.line(lines === '' ? 'no line differs' : lines.trimEnd());
  if (change) {
    run.output.line(renderPlan(change.plan).trimEnd());
    run.output.line(renderDifference(change).trimEnd());
  } else run.output.say('note: one of them is not kept as a whole, or has errors today: only lines are compared');
  const code = run.options.exitCode && lines !== '' ? EXIT.DIFFERENCE : EXIT.DONE;
  const packets = change && differenceToJson(change);
  run.output.document(
    { from: one.number, to: other.number, section, lines, plan: change?.plan ?? null, packets },
    code,
  );
  return code;
}

const COLUMNS = [
  ...[{ title: 'revision', right: true }, { title: 'when (UTC)' }, { title: 'who' }],
  ...[{ title: 'what' }, { title: 'outcome' }, { title: 'why' }],
];

const OPENING_COLUMNS = [
  ...[{ title: 'ALLOW ALL' }, { title: 'when (UTC)' }, { title: 'who' }, { title: 'end (UTC)' }],
  ...[{ title: 'let in', right: true }, { title: 'by' }, { title: 'why' }],
];

/** A time that something was under ALLOW ALL, with the row that would have refused most. */
function openingRow(opening: Opening): string[] {
  const { at, author, packets, rows, reason } = opening;
  const [most, ...others] = rows;
  const by = rows.length === 0 ? '' : `${most.section}/${most.rule}${others.length > 0 ? ` + ${others.length}` : ''}`;
  const ends = openingEndWords(opening);
  return [openedWords(opening), whenWords(at), authorWords(author), ends, packets, by, reason ?? ''];
}

async function open(run: Run<object>): Promise<History & { context: Context; current: Revision | null }> {
  const context = await run.context();
  const history = await settledHistory(context);
  for (const warning of history.warnings) run.output.say(`warning: ${warning}`);
  return { ...history, context, current: currentRevision(history) };
}

function rowOf(revision: Revision, current: Revision | null): string[] {
  const { number, at, author, what, reason } = revision;
  const isCurrent = number === current?.number && revision.source !== null;
  return [
    ...[String(number), whenWords(at), authorWords(author), what],
    ...[`${outcomeWords(revision)}${isCurrent ? ' (enforced)' : ''}`, reason ?? ''],
  ];
}

function describe(revision: Revision, text: string | null): string[] {
  const { number, at, author, what, reason, source, digest, generation, sections, plan } = revision;
  return [
    `revision ${number}: ${what}`,
    `when:    ${whenWords(at)} UTC`,
    `who:     ${authorWords(author)}, uid ${author.uid}`,
    ...(reason === undefined ? [] : [`why:     ${reason}`]),
    `outcome: ${outcomeWords(revision)}`,
    ...(source
      ? [
          `file:    ${source.file}${text === null ? ' (its text is lost)' : ''}`,
          `text:    ${source.textDigest}`,
          `image:   ${digest}, generation ${generation}`,
        ]
      : []),
    ...(sections.length > 0 ? [`about:   ${sections.join(', ')}`] : []),
    ...(plan === '' ? [] : ['', plan.trimEnd()]),
  ];
}

function textOf({ number, source, what }: Revision, text: string | null): string {
  if (text !== null) return text;
  const message = source ? `the text of revision ${number} is lost` : `revision ${number} (${what}) has no text`;
  throw new SluiceError('operate/no-revision', message);
}

/** As it reads today: lists that it names may have changed. */
function rulesetOf({ source }: Revision, text: string): ReturnType<typeof judgeText>['ruleset'] {
  return judgeText(source!.file, text).ruleset;
}
