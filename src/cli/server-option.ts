/** `--server NAME`: which commands take it, and why the others do not. */
import { type Command, Option } from 'commander';
import { UsageError } from './output';

export interface ServerOption {
  readonly server?: string;
}

/** Makes it an option of the command; `what`: what then is about that server alone. */
export function addServerOption(command: Command, what: string): Command {
  return command.option('--server <name>', what);
}

/** The server that is meant, by the option or by a word in its place; undefined where none is. */
export function serverMeant({ server }: ServerOption, word?: string): string | undefined {
  if (server !== undefined && word !== undefined && server !== word)
    throw new UsageError(`"${word}" and --server ${server}: one server is meant, not two`);
  return server ?? word;
}

/** The words of a command that takes a server before the others, with the one of the option there. */
export function withServer({ server }: ServerOption, words: readonly string[]): string[] {
  return server === undefined || words[0] === server ? [...words] : [server, ...words];
}

/** Commands that are about all servers or none, with why, and what to type instead. */
export const WITHOUT_SERVER: Readonly<Record<string, string>> = {
  init: 'it writes the file of one host: servers are written into it, or proposed by sluice import nat',
  ci: 'it checks the whole file, as apply does: sluice check --server NAME shows what was found of one',
  compile: 'one image holds all servers',
  apply:
    'it enforces the whole file: sluice plan --server NAME shows one, verbs with --server change one, --section NAME with --if-digest is about one',
  enable: 'interfaces are filtered for all servers',
  disable: 'interfaces are filtered for all servers: sluice allow-all NAME --for 10m opens one',
  boot: 'interfaces are filtered for all servers',
  install: 'the units are those of the machine',
  uninstall: 'the units are those of the machine',
  reset: 'it starts the whole file anew: sluice rollback REVISION --server NAME takes one back',
  logging: 'how much is told of packets is one setting for all: log in a row tells of that row',
  ban: 'bans stand above all servers: sluice insert 1 deny from ADDRESS --server NAME keeps a source from one',
  unban: 'bans stand above all servers',
  bans: 'bans stand above all servers',
  servers: 'it lists them: sluice status NAME shows one',
  fmt: 'it writes the whole file in canonical form',
  exposed: 'it is about what listens on this machine: sluice who-reaches NAME PORT is about a server',
  import: 'it reads the NAT table, or the bans, of the whole machine',
  daemon: 'one daemon is there for all servers',
  schema: 'it is about the file',
  version: 'it is about sluice',
  demo: 'it brings servers of its own',
};

/** Has commands without the option refuse it with the reason. */
export function refuseServerOption(program: Command): void {
  for (const command of program.commands) {
    const reason = WITHOUT_SERVER[command.name()] as string | undefined;
    if (reason === undefined || command.options.some(({ long }) => long === '--server')) continue;
    command.addOption(
      new Option('--server <name>').hideHelp().argParser(() => {
        command.showHelpAfterError(false);
        command.error(`error: ${command.name()} takes no --server\n  ${reason}`, { code: 'cli/no-server' });
      }),
    );
  }
}
