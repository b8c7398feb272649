import type { Command } from 'commander';
import type { ApplyOutcome } from '../../operate/apply';
import { readEnforcement } from '../../operate/enforcement';
import { confirmSections, takeBackSections, waitingSections } from '../../operate/confirm-sections';
import { confirmAll } from '../../operate/confirm-all';
import { isGatePending, rollbackPending } from '../../operate/pending';
import { SluiceError } from '../../kernel/errors';
import type { Context } from '../../operate/context';
import { openForEdit } from '../../operate/enforced-file';
import { findRevision } from '../../operate/history';
import { withNote } from '../../operate/interrupted';
import { withWriterLock } from '../../operate/lock';
import { openRollback, settledHistory, writeRollback } from '../../operate/rollback';
import { requireSectionName, requireSeen } from '../../operate/section-history';
import { rollBackSection } from '../../operate/section-rollback';
import { applyWritten, putInterruptedBack, writeAndApply } from '../apply-written';
import { requireCandidate } from '../candidate';
import {
  addChangeOptions,
  addDigestOption,
  addSectionOptions,
  changeOf,
  type ChangeOptions,
  type DigestOption,
  sectionMeant,
  type SectionOptions,
} from '../change-option';
import { UsageError } from '../output';
import { addConfirmOptions, checkConfirmTime, type ConfirmOptions } from '../confirm-option';
import { EXIT, type ExitCode } from '../exit-code';
import { onRun, type Run } from '../run';
import { showChange, showOutcome } from '../show-outcome';
import { tellReturned } from '../tell-returned';
import { installAfterEnable } from './install';

interface RollbackOptions extends ConfirmOptions, ChangeOptions, SectionOptions, DigestOption {
  readonly force?: boolean;
}

export function register(program: Command): void {
  const confirm = program.command('confirm').description('keep the change that waits: it holds from now on');
  confirm
    .option('--server <name>', 'only what waits for this server by itself, with what was changed together with it')
    .option('--section <name>', 'the same of inbound, outbound or guard');
  onRun<SectionOptions>(confirm, async (run) => {
    const context = await run.context({ tidyUp: false });
    const section = sectionMeant(run.options);
    const { whole, sections } = await tellReturned(context, run.output, async () =>
      section === undefined ? confirmAll(context) : { whole: null, ...(await confirmSections(context, { section })) },
    );
    if (whole) run.output.line(`confirmed: generation ${whole.generation} holds`);
    if (sections.length > 0) run.output.line(`confirmed: the rows of ${sections.join(', ')} hold`);
    if (whole?.atBoot) await installAfterEnable(run);
    run.output.document({ outcome: 'confirmed', generation: whole?.generation ?? null, sections });
    return EXIT.DONE;
  });
  const rollback = program
    .command('rollback')
    .description('take back the change that waits to be confirmed; or go back to a revision: sluice rollback 3')
    .argument('[revision]', 'number of sluice history, or the first 7 digits or more of a digest')
    .option('--force', 'also when it cuts a live SSH session');
  addSectionOptions(addDigestOption(rollback), 'the rows and settings');
  onRun<RollbackOptions>(
    addChangeOptions(addConfirmOptions(rollback)),
    async (run, reference: string | undefined): Promise<ExitCode> => {
      const section = sectionMeant(run.options);
      if (reference === undefined) refuseChangeOptions(run.options);
      if (reference === undefined && section !== undefined && run.options.ifDigest === undefined) {
        const context = await run.context({ tidyUp: false });
        if ((await waitingSections(context)).includes(section)) return takeSectionsBack(run, context, section);
      }
      if (reference === undefined && (section !== undefined || run.options.ifDigest !== undefined))
        throw new UsageError(
          'back to which revision?',
          `sluice history ${section ?? ''} lists them`.replace('  ', ' '),
        );
      if (reference === undefined) return takeBack(run);
      if (section === undefined && run.options.ifDigest !== undefined)
        throw new UsageError('--if-digest is about one section', 'name it: --server gpu-17; or --expect-revision 7');
      checkConfirmTime(run.options);
      const context = await run.context();
      return withWriterLock(context, () =>
        section === undefined ? goBack(run, context, reference) : goBackAlone(run, context, { reference, section }),
      );
    },
  );
}

/** What waits is taken back as it is. */
function refuseChangeOptions({ confirm, message, expectRevision }: RollbackOptions): void {
  const given = typeof confirm === 'string' ? '--confirm' : message !== undefined ? '--message' : null;
  const name = given ?? (expectRevision === undefined ? null : '--expect-revision');
  if (name !== null)
    throw new UsageError(`${name} is about going back to a revision`, 'sluice rollback takes back what waits');
}

async function takeSectionsBack(run: Run<object>, context: Context, section: string | undefined): Promise<ExitCode> {
  const { sections, putBack, file } = await tellReturned(context, run.output, () =>
    takeBackSections(context, { section }),
  );
  run.output.line(`taken back: the rows before judge ${sections.join(', ')} again`);
  run.output.say(putBack.length > 0 ? `${file}: ${putBack.join(', ')} as before` : `note: ${file} was left as it is`);
  const fate = putBack.length > 0 ? 'put-back' : 'kept';
  run.output.document({ outcome: 'rolled-back', sections, file: { path: file, outcome: fate } });
  return EXIT.DONE;
}

async function takeBack(run: Run<RollbackOptions>): Promise<ExitCode> {
  const context = await run.context({ tidyUp: false });
  if (!isGatePending(context)) return takeSectionsBack(run, context, undefined);
  const {
    generation,
    previous,
    file,
    fate,
    others = [],
  } = await tellReturned(context, run.output, () => rollbackPending(context));
  const now = previous === null ? 'nothing is filtered, as before' : `generation ${previous} judges again`;
  run.output.line(`taken back: generation ${generation}; ${now}`);
  run.output.say(fate === 'put-back' ? `${file} is again as it was` : `note: ${file} was left as it is`);
  for (const other of others) run.output.say(`${other} is again as it was`);
  run.output.document({ outcome: 'rolled-back', generation, previous, file: { path: file, outcome: fate }, others });
  return EXIT.DONE;
}

/** A change like any other: checked, planned, confirmed; its file is written as a verb writes it. */
async function goBack(run: Run<RollbackOptions>, context: Context, reference: string): Promise<ExitCode> {
  const target = openRollback(context, await settledHistory(context), reference);
  const { revision, text } = target;
  const { file, textDigest, interfaceOverride: given } = revision.source;
  const interfaceOverride = run.options.interface ?? given;
  const candidate = await requireCandidate(run, { path: file, text, digest: textDigest }, 'nothing was changed.', {
    context,
    ...(interfaceOverride && { interfaceOverride }),
  });
  if (candidate.image.digest !== revision.digest)
    run.output.say(
      `note: the text of revision ${revision.number} does not mean what it meant then: lists it names, ends of rules or sluice itself have changed`,
    );
  const enforcement = await readEnforcement(context);
  const isEnforcedFile = enforcement?.enforced?.file === file;
  const apply = (): Promise<ApplyOutcome> =>
    applyWritten(run, context, candidate, writeRollback(target), {
      edited: isEnforcedFile,
      // What another applied while this waited is not undone by it.
      ...(enforcement?.record && { inPlaceOf: enforcement.record }),
      ...changeOf(run.options, `rollback ${revision.number}`),
    });
  const outcome = await (target.now === null
    ? apply()
    : withNote(context.folder, { file, before: target.now.text, after: text }, apply));
  if (outcome.kind === 'applied') showChange(run.output, outcome.change);
  showOutcome(run.output, candidate, outcome);
  return EXIT.DONE;
}

/** The same for one section: the rest of the enforced file stays as it is written. */
async function goBackAlone(
  run: Run<RollbackOptions>,
  context: Context,
  { reference, section }: { readonly reference: string; readonly section: string },
): Promise<ExitCode> {
  await putInterruptedBack(run, context);
  const { source, enforced, record } = await openForEdit(context, run.path());
  if (!enforced || !record)
    throw new SluiceError('operate/no-revision', `nothing is enforced in which "${section}" could go back`, {
      hint: 'sluice enable, or sluice rollback without a section',
    });
  const history = await settledHistory(context);
  const revision = findRevision(history, reference);
  requireSectionName(history, record.ruleset, section);
  requireSeen(history, record.ruleset, section, run.options.ifDigest);
  const back = rollBackSection({ folder: context.folder, history, revision, section, what: 'all' }, source);
  const words = `${section} is as revision ${revision.number} left it`;
  if (back.kind === 'unchanged') {
    run.output.line(`no changes: ${words}`);
    run.output.document({ outcome: 'unchanged', section, revision: revision.number });
    return EXIT.DONE;
  }
  const override = run.options.interface ?? enforced.interfaceOverride;
  const candidate = await requireCandidate(run, { ...source, text: back.text }, 'nothing was changed.', {
    context,
    before: source.text,
    ...(override && { interfaceOverride: override }),
  });
  if (back.kind === 'changed' && back.isOther)
    run.output.say(
      `note: ${section} does not mean what it meant in revision ${revision.number}: sets or services it names, or ends of rules, have changed`,
    );
  const outcome = await writeAndApply(run, context, candidate, {
    ...{ source, edited: true, inPlaceOf: record },
    ...changeOf(run.options, `rollback ${revision.number} --section ${section}`),
  });
  if (outcome.kind === 'applied') showChange(run.output, outcome.change);
  showOutcome(run.output, candidate, outcome);
  return EXIT.DONE;
}
