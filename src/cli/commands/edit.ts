/** The verbs of ufw: each edits the enforced file, keeping its comments and layout, and applies it. */
import type { Command } from 'commander';
import { diagnosticsToJson } from '../../diagnostics/json';
import type { Context } from '../../operate/context';
import {
  addRule,
  deleteRule,
  type EditOutcome,
  insertRule,
  type MoveTarget,
  moveRule,
  type RulesetDocument,
  setDefault,
  setLogging,
  setSsh,
  setUdp,
  type SshChange,
} from '../../operate/edit-ruleset';
import { LOG_LEVELS } from '../../model/logging';
import { parseLogLevel } from '../../parse/settings';
import { openForEdit } from '../../operate/enforced-file';
import { writeRulesetText } from '../../operate/ruleset-file';
import { applyWritten } from '../apply-written';
import { requireCandidate, showFindings } from '../candidate';
import { addChangeOptions, changeOf, type ChangeOptions } from '../change-option';
import { addConfirmOptions, checkConfirmTime, type ConfirmOptions } from '../confirm-option';
import { EXIT, type ExitCode } from '../exit-code';
import { UsageError } from '../output';
import { onRun, type Run } from '../run';
import { type EndOptions, joinRow, readEnd, withCaller, withEnd } from '../row-words';
import { showOutcome } from '../show-outcome';

interface EditOptions extends EndOptions, ConfirmOptions, ChangeOptions {
  readonly force?: boolean;
  readonly server?: string;
}

/** What a verb does to the text; `server`: in the rows of that one. */
type Edit = (document: RulesetDocument, server?: string) => EditOutcome;

export function register(program: Command): void {
  const verb = (
    name: string,
    description: string,
    argument: string,
    edit: (words: readonly string[]) => Edit,
  ): void => {
    const command = program
      .command(name)
      .description(description)
      .argument(argument)
      .option('--force', 'also when it cuts a live SSH session');
    onRun<EditOptions>(addChangeOptions(addConfirmOptions(addServerOption(command))), (run, words: string[]) =>
      editFile(run, name, words, edit),
    );
  };
  /** A verb that writes a row: it can be about the caller, and have an end. */
  const rowVerb = (...[name, description, argument, edit]: Parameters<typeof verb>): void => {
    const command = program
      .command(name)
      .description(description)
      .argument(argument)
      .option('--for <time>', 'the rule ends after: 90s, 30m, 1h30m, 7d')
      .option('--until <moment>', 'the rule ends at: 2027-01-31, 2027-01-31T18:00')
      .option('--force', 'also when it cuts a live SSH session');
    onRun<EditOptions>(addChangeOptions(addConfirmOptions(addServerOption(command))), (run, words: string[]) =>
      editFile(run, name, withEnd(words, readEnd(run.options, Date.now(), 'sluice delete ends a rule')), edit),
    );
  };
  const examples = {
    allow: 'allow from 203.0.113.0/24 to any port 8000 proto tcp, sluice allow from me to any port 22 --for 1h',
    deny: 'deny from 203.0.113.0/24 to any port 8000 proto tcp',
    reject: 'reject 113/tcp',
    limit: 'limit 22/tcp, sluice limit 8000/tcp 20/10s',
  };
  for (const [action, example] of Object.entries(examples)) {
    rowVerb(action, `add a rule at the end: sluice ${example}`, '<rule...>', (words) => {
      const row = joinRow([action, ...words]);
      return (document, server) => addRule(document, row, server);
    });
  }
  rowVerb(
    'insert',
    'add a rule before number N: sluice insert 1 deny from 192.0.2.9',
    '<n-and-rule...>',
    ([n, ...words]) => {
      const example = 'sluice insert 1 deny from 192.0.2.9';
      const position = positiveNumber(n, example);
      const row = joinRow(words);
      if (/^\s*(?:#|$)/.test(row)) throw new UsageError(`behind ${position} the rule is missing`, example);
      return (document, server) => insertRule(document, position, row, server);
    },
  );
  verb(
    'delete',
    'remove a rule by number, id or text: sluice delete 3',
    '<rule...>',
    (words) => (document, server) => deleteRule(document, reference(words), server),
  );
  verb(
    'move',
    'move a rule: sluice move 2 before 1, sluice move web after 3, sluice move 5 to 1',
    '<rule-and-place...>',
    (words) => {
      const { rule, target } = readMove(words);
      return (document, server) => moveRule(document, rule, target, server);
    },
  );
  verb(
    'udp',
    'whether UDP that begins outside is asked the rules at all: sluice udp off, sluice udp on gpu-17',
    '<switch-and-server...>',
    ([word, name, extra]) => {
      if (!isSwitch(word)) throw new UsageError(`"${word}" is neither on nor off`, 'sluice udp off');
      if (extra !== undefined)
        throw new UsageError(`"${extra}" has no place behind the server`, 'sluice udp on gpu-17');
      return (document, server) => setUdp(document, word, oneServer(server, name));
    },
  );
  verb(
    'ssh',
    'the SSH row behind your rules: sluice ssh 2222, sluice ssh 22,2222 from rules, sluice ssh off',
    '<ports-and-from...>',
    (words) => {
      const change = readSsh(words);
      return (document, server) => setSsh(document, change, server);
    },
  );
  verb(
    'default',
    'what happens to packets no rule decides: sluice default deny incoming',
    '<action...>',
    ([action, direction = 'incoming', extra]) => {
      if (action !== 'allow' && action !== 'deny' && action !== 'reject') {
        throw new UsageError(
          `"${action}" is not a default, expected allow, deny or reject`,
          'sluice default deny incoming',
        );
      }
      if (direction !== 'incoming' && direction !== 'outgoing')
        throw new UsageError(`"${direction}" is not a direction`, 'incoming or outgoing');
      if (extra !== undefined)
        throw new UsageError(`"${extra}" has no place behind the direction`, 'sluice default deny incoming');
      return (document, server) => {
        if (server !== undefined && direction === 'outgoing')
          throw new UsageError(
            'a server has no default of its own for what goes out: outbound decides about that',
            'sluice default deny outgoing',
          );
        return setDefault(document, action, direction, server);
      };
    },
  );
  verb('logging', 'how much is told of packets: sluice logging medium', '<level...>', ([word, extra]) => {
    const level = parseLogLevel(word);
    if (level === undefined) throw new UsageError(`"${word}" is not a level`, `on, ${LOG_LEVELS.join(', ')}`);
    if (extra !== undefined) throw new UsageError(`"${extra}" has no place behind the level`, 'sluice logging medium');
    return (document, server) => {
      if (server !== undefined)
        throw new UsageError('logging is one level for all sections', 'sluice logging medium; a row can say log');
      return setLogging(document, level);
    };
  });
}

function addServerOption(command: Command): Command {
  return command.option('--server <name>', 'in the rows of this server, which are numbered from 1');
}

/** The server that a verb names as an option, as a word, or both times the same. */
function oneServer(option: string | undefined, word: string | undefined): string | undefined {
  if (option !== undefined && word !== undefined && option !== word)
    throw new UsageError(`"${option}" and "${word}": one server is meant, not two`, 'sluice udp on gpu-17');
  return option ?? word;
}

/** `2222`, `22,2222 from anyone`, `from rules`, `off`. */
function readSsh(words: readonly string[]): SshChange | 'off' {
  const example = 'sluice ssh 2222, sluice ssh 22,2222 from rules, sluice ssh off';
  const text = words
    .join(' ')
    .toLowerCase()
    .replace(/\s*,\s*/g, ',');
  if (text === 'off') return 'off';
  const [, list, from] = /^([\d,]+)?(?:(?:^| )from (anyone|any|rules))?$/.exec(text) ?? [];
  if (list === undefined && from === undefined) throw new UsageError(`"${words.join(' ')}" is no SSH row`, example);
  const ports = list?.split(',').map(Number);
  const bad = ports?.find((port) => !(port >= 1 && port <= 65535));
  if (bad !== undefined) throw new UsageError(`"${list}" is not a list of ports from 1 to 65535`, example);
  return { ...(ports && { ports }), ...(from !== undefined && { from: from === 'rules' ? 'rules' : 'anyone' }) };
}

function isSwitch(word: string): word is 'on' | 'off' {
  return word === 'on' || word === 'off';
}

async function editFile(
  run: Run<EditOptions>,
  verb: string,
  words: readonly string[],
  edit: (words: readonly string[]) => Edit,
): Promise<ExitCode> {
  const { server } = run.options;
  // Without privilege only a file that is not enforced can be edited; openContext says so.
  checkConfirmTime(run.options);
  const context: Context = await run.context();
  const change = edit(await withCaller(words, context));
  const { source, enforced, record } = await openForEdit(
    context,
    run.path(),
    run.options.file === undefined ? undefined : run.path(),
  );
  const outcome = change({ text: source.text, file: source.path }, server);
  if (outcome.kind === 'refused') {
    showFindings(run, { ...source, text: outcome.text }, outcome.diagnostics, 'nothing was changed.');
    run.output.document({ diagnostics: diagnosticsToJson(outcome.diagnostics) }, EXIT.RULESET);
    return EXIT.RULESET;
  }
  if (outcome.kind === 'unchanged') {
    run.output.line(outcome.message);
    if (outcome.hint !== undefined) run.output.say(`  ${outcome.hint}`);
    run.output.document({ outcome: 'unchanged', message: outcome.message });
    return EXIT.DONE;
  }
  const override = run.options.interface ?? enforced?.interfaceOverride;
  const candidate = requireCandidate(run, { ...source, text: outcome.text }, 'nothing was changed.', {
    context,
    before: source.text,
    ...(override && { interfaceOverride: override }),
  });
  const written = writeRulesetText(source.path, outcome.text, source.digest);
  run.output.line(outcome.message);
  for (const comment of outcome.removedComments) run.output.say(`note: the comment went with it: ${comment}`);
  if (!enforced) {
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
  const undo = (): void => {
    writeRulesetText(source.path, source.text, written.digest);
  };
  const applied = await applyWritten(run, context, candidate, undo, {
    edited: true,
    // Another file that was applied while this waited is not undone by it.
    ...(record && { inPlaceOf: record }),
    ...changeOf(run.options, [verb, ...words, ...(server === undefined ? [] : ['--server', server])].join(' ')),
  });
  showOutcome(run.output, candidate, applied);
  return EXIT.DONE;
}

function reference(words: readonly string[]): number | string {
  return words.length === 1 && /^\d+$/.test(words[0]) ? Number(words[0]) : words.join(' ');
}

function readMove(words: readonly string[]): { rule: number | string; target: MoveTarget } {
  const at = words.findIndex((word, i) => i > 0 && ['before', 'after', 'to'].includes(word.toLowerCase()));
  const example = 'sluice move 2 before 1';
  if (at < 0 || at === words.length - 1) throw new UsageError('where to? before, after or to is missing', example);
  const rule = reference(words.slice(0, at));
  const place = reference(words.slice(at + 1));
  switch (words[at].toLowerCase()) {
    case 'before':
      return { rule, target: { before: place } };
    case 'after':
      return { rule, target: { after: place } };
    default:
      return { rule, target: { to: positiveNumber(String(place), example) } };
  }
}

function positiveNumber(text: string | undefined, example: string): number {
  if (text === undefined || !/^[1-9]\d{0,5}$/.test(text))
    throw new UsageError(`"${text ?? ''}" is not a rule number`, example);
  return Number(text);
}
