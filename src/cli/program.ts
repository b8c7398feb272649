/** The tree of commands. */
import { Command, Option } from 'commander';
import { register as registerApply } from './commands/apply';
import { register as registerCheck } from './commands/check';
import { register as registerCompile } from './commands/compile';
import { register as registerDemo } from './commands/demo';
import { register as registerDisable } from './commands/disable';
import { register as registerEdit } from './commands/edit';
import { register as registerEnable } from './commands/enable';
import { register as registerExplain } from './commands/explain';
import { register as registerInit } from './commands/init';
import { register as registerMetrics } from './commands/metrics';
import { register as registerPlan } from './commands/plan';
import { register as registerReplay } from './commands/replay';
import { register as registerSchema } from './commands/schema';
import { register as registerStatus } from './commands/status';
import { register as registerUninstall } from './commands/uninstall';
import { register as registerVersion } from './commands/version';
import { EXIT_WORDS } from './exit-code';

/** In the order in which `--help` lists them: first the file, then the running firewall, then looking at it. */
const COMMANDS = [
  registerInit,
  registerCheck,
  registerPlan,
  registerCompile,
  registerApply,
  registerEnable,
  registerDisable,
  registerUninstall,
  registerEdit,
  registerStatus,
  registerExplain,
  registerReplay,
  registerMetrics,
  registerSchema,
  registerVersion,
  registerDemo,
];

/** A fresh tree: commander keeps parsed values in it. */
export function buildProgram(): Command {
  const program = new Command('sluice')
    .description('A first-match firewall in XDP: ordered rules, checked, compiled and enforced on the NIC')
    .option('-f, --file <file>', 'the ruleset file (default: $SLUICE_CONFIG, else /etc/sluice/rules.yaml)')
    .option('--netns <name>', 'work in this network namespace (a name of `ip netns`, or a path)')
    .addOption(
      new Option(
        '--interface <name>',
        'filter this interface instead of those the ruleset names; may be repeated',
      ).argParser((name: string, before: string[] | undefined) => [...(before ?? []), name]),
    )
    .option('--strict', 'treat warnings as errors')
    .option('--json', 'one JSON document on stdout, nothing else')
    .helpOption('-h, --help', 'what a command does and takes')
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError('(sluice COMMAND --help tells more)')
    .exitOverride();
  for (const register of COMMANDS) register(program);
  program.addHelpText(
    'after',
    `\nExit codes:\n${Object.entries(EXIT_WORDS)
      .map(([code, words]) => `  ${code}  ${words}`)
      .join('\n')}`,
  );
  return program;
}
