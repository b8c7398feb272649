/** The tree of commands. */
import { Command, Option } from 'commander';
import { EXIT_WORDS } from './exit-code';
import { packageVersion } from '../operate/package-version';
import { refuseServerOption } from './server-option';

interface CommandModule {
  register: (program: Command) => void;
}

/**
 * In the order in which `--help` and the README list them. A module is loaded when its command is wanted: reading
 * rulesets costs zod and yaml, which `status` does without.
 */
const COMMANDS: readonly {
  /** What its commands are about. */
  readonly group: Group;
  readonly names: readonly string[];
  readonly load: () => Promise<CommandModule>;
}[] = [
  { group: 'file', names: ['init'], load: () => import('./commands/init') },
  { group: 'file', names: ['check'], load: () => import('./commands/check') },
  { group: 'file', names: ['fmt'], load: () => import('./commands/fmt') },
  { group: 'file', names: ['import'], load: () => import('./commands/import') },
  { group: 'file', names: ['schema'], load: () => import('./commands/schema') },
  { group: 'file', names: ['compile'], load: () => import('./commands/compile') },
  { group: 'file', names: ['ci'], load: () => import('./commands/ci') },
  { group: 'enforce', names: ['plan'], load: () => import('./commands/plan') },
  { group: 'enforce', names: ['apply'], load: () => import('./commands/apply') },
  { group: 'enforce', names: ['enable'], load: () => import('./commands/enable') },
  { group: 'enforce', names: ['confirm', 'rollback'], load: () => import('./commands/confirm') },
  { group: 'enforce', names: ['history', 'show', 'diff'], load: () => import('./commands/history') },
  { group: 'enforce', names: ['disable'], load: () => import('./commands/disable') },
  {
    group: 'rows',
    names: [
      ...['allow', 'deny', 'reject', 'limit', 'insert', 'prepend'],
      ...['delete', 'move', 'default', 'ssh', 'udp', 'logging'],
    ],
    load: () => import('./commands/edit'),
  },
  { group: 'rows', names: ['allow-all'], load: () => import('./commands/allow-all') },
  { group: 'rows', names: ['ban', 'unban', 'bans'], load: () => import('./commands/bans') },
  { group: 'see', names: ['status', 'servers'], load: () => import('./commands/status') },
  { group: 'see', names: ['doctor'], load: () => import('./commands/doctor') },
  { group: 'see', names: ['explain'], load: () => import('./commands/explain') },
  { group: 'see', names: ['who-reaches'], load: () => import('./commands/who-reaches') },
  { group: 'see', names: ['exposed'], load: () => import('./commands/exposed') },
  { group: 'see', names: ['review'], load: () => import('./commands/review') },
  { group: 'see', names: ['events'], load: () => import('./commands/events') },
  { group: 'see', names: ['replay'], load: () => import('./commands/replay') },
  { group: 'see', names: ['snapshot'], load: () => import('./commands/snapshot') },
  { group: 'see', names: ['metrics'], load: () => import('./commands/metrics') },
  { group: 'machine', names: ['install'], load: () => import('./commands/install') },
  { group: 'machine', names: ['boot'], load: () => import('./commands/boot') },
  { group: 'machine', names: ['daemon'], load: () => import('./commands/daemon') },
  { group: 'machine', names: ['reset'], load: () => import('./commands/reset') },
  { group: 'machine', names: ['uninstall'], load: () => import('./commands/uninstall') },
  { group: 'machine', names: ['version'], load: () => import('./commands/version') },
  { group: 'machine', names: ['demo'], load: () => import('./commands/demo') },
];

/** Headings of `--help` and of the README. */
const GROUPS = {
  file: 'The ruleset file',
  enforce: 'What is enforced',
  rows: 'Rules and switches',
  see: 'Looking',
  machine: 'The machine',
} as const;

type Group = keyof typeof GROUPS;

/** Commands of ufw that there are none of here, with what to type instead: refused by name, and not listed. */
const OF_UFW: Readonly<Record<string, string>> = {
  app: 'there are no application profiles: rules name services (sluice allow ssh), your own stand under services: in the ruleset',
  reload: 'the file as it stands now is enforced by: sluice apply',
  route: 'what is forwarded is judged where it comes in, by the same rules: sluice allow from A to B port P',
  rule: 'leave the word out: sluice allow 22/tcp',
};

/** Words for it that others use. */
const OF_OTHERS: Readonly<Record<string, string>> = {
  start: 'sluice enable',
  stop: 'sluice disable',
  restart: 'the file as it stands now is enforced by: sluice apply',
  list: 'sluice status',
  add: 'sluice allow 22/tcp, sluice deny from 192.0.2.9',
  accept: 'sluice allow 22/tcp',
  open: 'sluice allow 22/tcp',
  block: 'a rule: sluice insert 1 deny from 192.0.2.9; above all rules: sluice ban 192.0.2.9',
  drop: 'a rule: sluice insert 1 deny from 192.0.2.9; above all rules: sluice ban 192.0.2.9',
  unblock: 'a rule: sluice delete NUMBER; a ban: sluice unban 192.0.2.9',
  remove: 'sluice delete NUMBER',
  save: 'every change that is applied is kept: sluice history',
  export: 'the ruleset: sluice fmt; what is enforced, with its counters: sluice snapshot',
  undo: 'sluice history, then sluice rollback REVISION',
  log: 'sluice events',
  logs: 'sluice events',
  test: 'sluice check, sluice explain tcp from 192.0.2.9 to 198.51.100.7 port 22',
};

/** Options that ufw takes before its command. */
const OPTIONS_OF_UFW: Readonly<Record<string, string>> = {
  '--force':
    'what asks takes --yes: sluice disable --yes; behind its command --force does what would cut you off: sluice enable --force',
  '--dry-run': 'sluice plan FILE tells what would change, sluice apply FILE --dry-run asks the kernel too',
};

/**
 * A fresh tree, since commander keeps parsed values in it. With `words`, the command line, only the command it names
 * is loaded; all of them where it names none.
 */
export async function buildProgram(words: readonly string[] = []): Promise<Command> {
  const program = new Command('sluice')
    .description('A first-match firewall in XDP: ordered rules, checked, compiled and enforced on the NIC')
    .option('-f, --file <file>', 'the ruleset file (default: $SLUICE_CONFIG, else /etc/sluice/rules.yaml)')
    .option('--netns <name>', 'work in this network namespace (a name of `ip netns`, or a path)')
    .addOption(
      new Option(
        '--interface <name>',
        'filter this interface instead of those the ruleset names; may be repeated',
      ).argParser((name: string, before: string[] | undefined) => [...new Set([...(before ?? []), name])]),
    )
    .option('--socket <path>', 'as the owner of the server whose socket this is: the provider’s daemon does it')
    .option('--strict', 'treat warnings as errors')
    .option('--json', 'one JSON document on stdout, nothing else')
    .helpOption('-h, --help', 'what a command does and takes')
    .version(
      `sluice ${packageVersion()}`,
      '-V, --version',
      'the version alone; sluice version tells what the kernel offers',
    )
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError('(sluice --help lists the commands)')
    .exitOverride();
  refuseLeadingOption(program, words.at(0));
  const wanted = COMMANDS.filter(({ names }) => words.some((word) => names.includes(word)));
  const loaded = words.includes('help') || wanted.length === 0 ? COMMANDS : wanted;
  for (const [group, heading] of Object.entries(GROUPS)) {
    program.commandsGroup(`${heading}:`);
    for (const one of loaded) if (one.group === group) (await one.load()).register(program);
  }
  for (const command of program.commands) command.showHelpAfterError(`(sluice ${command.name()} --help tells more)`);
  refuseServerOption(program);
  refuse(program, OF_UFW, 'cli/of-ufw', 'is a command of ufw, and none here');
  refuse(program, OF_OTHERS, 'cli/of-others', 'is none of the commands here');
  program.addHelpText(
    'after',
    `\nExit codes:\n${Object.entries(EXIT_WORDS)
      .map(([code, words]) => `  ${code}  ${words}`)
      .join('\n')}`,
  );
  return program;
}

/** `sluice --force enable`, as ufw takes it. */
function refuseLeadingOption(program: Command, word: string | undefined): void {
  if (word === undefined || !Object.hasOwn(OPTIONS_OF_UFW, word)) return;
  program.showHelpAfterError(false);
  program.error(`error: "${word}" does not stand before the command\n  ${OPTIONS_OF_UFW[word]}`, {
    code: 'cli/of-ufw',
  });
}

/** Commands that only say why there are none, and what to do instead. */
function refuse(program: Command, names: Readonly<Record<string, string>>, code: string, why: string): void {
  for (const [name, instead] of Object.entries(names)) {
    const refused = program
      .command(name, { hidden: true })
      .argument('[words...]')
      .allowUnknownOption()
      .showHelpAfterError(false)
      .action(() => refused.error(`error: "${name}" ${why}\n  ${instead}`, { code }));
  }
}
