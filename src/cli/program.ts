/** The tree of commands. */
import { Command, Option } from 'commander';
import { EXIT_WORDS } from './exit-code';
import { refuseServerOption } from './server-option';

interface CommandModule {
  register: (program: Command) => void;
}

/**
 * In the order in which `--help` lists them: first the file, then the running firewall, then looking at it. A module
 * is loaded when its command is wanted: reading rulesets costs zod and yaml, which `status` does without.
 */
const COMMANDS: readonly { names: readonly string[]; load: () => Promise<CommandModule> }[] = [
  { names: ['init'], load: () => import('./commands/init') },
  { names: ['check'], load: () => import('./commands/check') },
  { names: ['plan'], load: () => import('./commands/plan') },
  { names: ['ci'], load: () => import('./commands/ci') },
  { names: ['compile'], load: () => import('./commands/compile') },
  { names: ['apply'], load: () => import('./commands/apply') },
  { names: ['enable'], load: () => import('./commands/enable') },
  { names: ['confirm', 'rollback'], load: () => import('./commands/confirm') },
  { names: ['history', 'show', 'diff'], load: () => import('./commands/history') },
  { names: ['disable'], load: () => import('./commands/disable') },
  { names: ['boot'], load: () => import('./commands/boot') },
  { names: ['install'], load: () => import('./commands/install') },
  { names: ['reset'], load: () => import('./commands/reset') },
  { names: ['uninstall'], load: () => import('./commands/uninstall') },
  {
    names: ['allow', 'deny', 'reject', 'limit', 'insert', 'delete', 'move', 'default', 'ssh', 'udp', 'logging'],
    load: () => import('./commands/edit'),
  },
  { names: ['allow-all'], load: () => import('./commands/allow-all') },
  { names: ['ban', 'unban', 'bans'], load: () => import('./commands/bans') },
  { names: ['status', 'servers'], load: () => import('./commands/status') },
  { names: ['fmt'], load: () => import('./commands/fmt') },
  { names: ['doctor'], load: () => import('./commands/doctor') },
  { names: ['who-reaches'], load: () => import('./commands/who-reaches') },
  { names: ['exposed'], load: () => import('./commands/exposed') },
  { names: ['import'], load: () => import('./commands/import') },
  { names: ['events'], load: () => import('./commands/events') },
  { names: ['daemon'], load: () => import('./commands/daemon') },
  { names: ['explain'], load: () => import('./commands/explain') },
  { names: ['replay'], load: () => import('./commands/replay') },
  { names: ['snapshot'], load: () => import('./commands/snapshot') },
  { names: ['metrics'], load: () => import('./commands/metrics') },
  { names: ['schema'], load: () => import('./commands/schema') },
  { names: ['version'], load: () => import('./commands/version') },
  { names: ['demo'], load: () => import('./commands/demo') },
];

/** Commands of ufw that there are none of here, with what to type instead: refused by name, and not listed. */
const OF_UFW: Readonly<Record<string, string>> = {
  app: 'there are no application profiles: rules name services (sluice allow ssh), your own stand under services: in the ruleset',
  reload: 'the file as it stands now is enforced by: sluice apply',
  route: 'what is forwarded is judged where it comes in, by the same rules: sluice allow from A to B port P',
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
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError('(sluice COMMAND --help tells more)')
    .exitOverride();
  const wanted = COMMANDS.filter(({ names }) => words.some((word) => names.includes(word)));
  for (const { load } of words.includes('help') || wanted.length === 0 ? COMMANDS : wanted)
    (await load()).register(program);
  refuseServerOption(program);
  refuse(program, OF_UFW, 'cli/of-ufw', 'is a command of ufw, and none here');
  program.addHelpText(
    'after',
    `\nExit codes:\n${Object.entries(EXIT_WORDS)
      .map(([code, words]) => `  ${code}  ${words}`)
      .join('\n')}`,
  );
  return program;
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
