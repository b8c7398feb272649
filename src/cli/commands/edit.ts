/** The verbs of ufw: each edits the enforced file, keeping its comments and layout, and applies it. */
import type { Command } from 'commander';
import { diagnosticsToJson } from '../../diagnostics/json';
import type { Context } from '../../operate/context';
import { editServer } from '../../operate/edit/excerpt';
import { type EndOptions, readEnd, withEnd } from '../../operate/edit/row-words';
import { type Edit, type EditVerb, VERBS } from '../../operate/edit/verbs';
import { openForEdit } from '../../operate/enforced-file';
import { withWriterLock } from '../../operate/lock';
import { changedSections, planRuleset, SETTINGS } from '../../operate/plan';
import { RecordLostError } from '../../operate/record-lost';
import { settledHistory } from '../../operate/rollback';
import { writeRulesetText } from '../../operate/ruleset-file';
import { requireOneSeen, requireSeen } from '../../operate/section-history';
import { RulesetChangedError } from '../../operate/seen';
import { putInterruptedBack, writeAndApply } from '../apply-written';
import { requireCandidate, showFindings } from '../candidate';
import { addChangeOptions, addDigestOption, changeOf, type ChangeOptions, type DigestOption } from '../change-option';
import { addConfirmOptions, checkConfirmTime, type ConfirmOptions } from '../confirm-option';
import { EXIT, type ExitCode } from '../exit-code';
import { onRun, type Run } from '../run';
import { withCaller } from '../row-words';
import { addServerOption } from '../server-option';
import { showOutcome } from '../show-outcome';

interface EditOptions extends EndOptions, ConfirmOptions, ChangeOptions, DigestOption {
  readonly force?: boolean;
  readonly server?: string;
}

export function register(program: Command): void {
  const verb = (name: EditVerb, description: string, argument: string): void => {
    const command = program
      .command(name)
      .description(description)
      .argument(argument)
      .option('--force', 'also when it cuts a live SSH session');
    // What is told of packets is one setting for all.
    const ofServer = name === 'logging' ? addDigestOption(command) : ofOneServer(command);
    onRun<EditOptions>(addChangeOptions(addConfirmOptions(ofServer)), (run, words: string[]) =>
      editFile(run, name, words),
    );
  };
  /** A verb that writes a row: it can be about the caller, and have an end. */
  const rowVerb = (
    name: string,
    description: string,
    argument: string,
    row: (words: readonly string[]) => readonly [EditVerb, readonly string[]],
  ): void => {
    const command = program
      .command(name)
      .description(description)
      .argument(argument)
      .option('--for <time>', 'the rule ends after: 90s, 30m, 1h30m, 7d')
      .option('--until <moment>', 'the rule ends at: 2027-01-31, 2027-01-31T18:00')
      .option('--force', 'also when it cuts a live SSH session');
    onRun<EditOptions>(addChangeOptions(addConfirmOptions(ofOneServer(command))), (run, words: string[]) =>
      editFile(run, ...row(withEnd(words, readEnd(run.options, Date.now(), 'sluice delete ends a rule')))),
    );
  };
  const examples = {
    allow: 'allow from 203.0.113.0/24 to any port 8000 proto tcp, sluice allow from me to any port 22 --for 1h',
    deny: 'deny from 203.0.113.0/24 to any port 8000 proto tcp',
    reject: 'reject 113/tcp',
    limit: 'limit 22/tcp, sluice limit 8000/tcp 20/10s',
  };
  for (const [action, example] of Object.entries(examples)) {
    rowVerb(action, `add a rule at the end: sluice ${example}`, '<rule...>', (words) => [action as EditVerb, words]);
  }
  rowVerb('insert', 'add a rule before number N: sluice insert 1 deny from 192.0.2.9', '<n-and-rule...>', (words) => [
    'insert',
    words,
  ]);
  rowVerb(
    'prepend',
    'add a rule above all others, as insert 1 does: sluice prepend deny from 192.0.2.9',
    '<rule...>',
    (words) => ['insert', ['1', ...words]],
  );
  verb('delete', 'remove a rule by number, id or text: sluice delete 3', '<rule...>');
  verb(
    'move',
    'move a rule: sluice move 2 before 1, sluice move web after 3, sluice move 5 to 1',
    '<rule-and-place...>',
  );
  verb(
    'udp',
    'whether UDP that begins outside is asked the rules at all: sluice udp off, sluice udp on gpu-17',
    '<switch-and-server...>',
  );
  verb(
    'ssh',
    'the SSH row behind your rules: sluice ssh 2222, sluice ssh 22,2222 from rules, sluice ssh off',
    '<ports-and-from...>',
  );
  verb('default', 'what happens to packets no rule decides: sluice default deny incoming', '<action...>');
  verb('logging', 'how much is told of packets: sluice logging medium', '<level...>');
}

function ofOneServer(command: Command): Command {
  return addServerOption(addDigestOption(command), 'in the rows of this server, which are numbered from 1');
}

async function editFile(run: Run<EditOptions>, verb: EditVerb, words: readonly string[]): Promise<ExitCode> {
  // Without privilege only a file that is not enforced can be edited; openContext says so.
  checkConfirmTime(run.options);
  const context: Context = await run.context();
  const change = VERBS[verb](await withCaller(words, context));
  return withWriterLock(context, () => editAndApply(run, context, { verb, words, change }));
}

/** Whoever writes at the same time comes before or after: what is read here is what is replaced. */
async function editAndApply(
  run: Run<EditOptions>,
  context: Context,
  { verb, words, change }: { readonly verb: EditVerb; readonly words: readonly string[]; readonly change: Edit },
): Promise<ExitCode> {
  const { server, ifDigest } = run.options;
  await putInterruptedBack(run, context);
  const { source, enforced, record } = await openForEdit(
    context,
    run.path(),
    run.options.file === undefined ? undefined : run.path(),
  );
  const outcome = editServer(source, record, server, ({ text, path }) => change({ text, file: path }, server));
  if (outcome.kind === 'refused') {
    // What else is to be said of the file has nothing to do with the row that was typed.
    const errors = outcome.diagnostics.filter(({ severity }) => severity === 'error');
    showFindings(run, { ...source, text: outcome.text }, errors, 'nothing was changed.');
    run.output.document({ diagnostics: diagnosticsToJson(outcome.diagnostics) }, EXIT.RULESET);
    return EXIT.RULESET;
  }
  if (ifDigest !== undefined && !record)
    throw enforced ? new RecordLostError() : new RulesetChangedError(ifDigest, null, { revisions: [] });
  if (outcome.kind === 'unchanged') {
    if (record && ifDigest !== undefined) {
      const otherwise = verb === 'logging' ? SETTINGS : 'inbound';
      requireOneSeen(await settledHistory(context), record.ruleset, { server, otherwise, given: ifDigest });
    }
    run.output.line(outcome.message);
    if (outcome.hint !== undefined) run.output.say(`  ${outcome.hint}`);
    run.output.document({ outcome: 'unchanged', message: outcome.message });
    return EXIT.DONE;
  }
  const override = run.options.interface ?? enforced?.interfaceOverride;
  const candidate = await requireCandidate(run, { ...source, text: outcome.text }, 'nothing was changed.', {
    context,
    before: source.text,
    ...(override && { interfaceOverride: override }),
  });
  if (record && ifDigest !== undefined) {
    const history = await settledHistory(context);
    for (const section of changedSections(planRuleset(record.ruleset, candidate.ruleset)))
      requireSeen(history, record.ruleset, section, ifDigest);
  }
  const tell = (): void => {
    run.output.line(outcome.message);
    for (const comment of outcome.removedComments) run.output.say(`note: the comment went with it: ${comment}`);
  };
  if (!enforced) {
    writeRulesetText(source.path, outcome.text, source.digest);
    tell();
    run.output.say(
      `${source.path} is not enforced: sluice ${run.options.file === undefined ? 'enable' : `apply ${source.path}`}`,
    );
    run.output.document({
      outcome: 'written',
      message: outcome.message,
      file: source.path,
      diagnostics: diagnosticsToJson(candidate.diagnostics),
    });
    return EXIT.DONE;
  }
  const applied = await writeAndApply(run, context, candidate, {
    source,
    written: tell,
    edited: true,
    // Another file that was applied while this waited is not undone by it.
    ...(record && { inPlaceOf: record }),
    ...changeOf(run.options, [verb, ...words, ...(server === undefined ? [] : ['--server', server])].join(' ')),
  });
  showOutcome(run.output, candidate, applied);
  return EXIT.DONE;
}
