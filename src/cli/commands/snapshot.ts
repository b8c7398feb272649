import { type Command, Option } from 'commander';
import { parseEventLine } from '../../observe/events';
import { serverPage } from '../../observe/server-page';
import { takeSnapshot } from '../../operate/enforcement';
import { readPageFacts } from '../../operate/page-facts';
import { lookAtServers } from '../../operate/servers-seen';
import { DEFAULT_LOG_FILE, logPath, newestLines } from '../../serve/log-file';
import { Output } from '../output';
import { onRun } from '../run';
import { requireServer } from '../require-server';
import { addServerOption, serverMeant, type ServerOption } from '../server-option';

/** Of the end of the log: enough for the newest refusals of one among many servers, read in a moment. */
const LOG_BYTES = 1 << 20;

export function register(program: Command): void {
  const command = program
    .command('snapshot')
    .description('all that status knows as one JSON document; of one server: what a panel draws its page of')
    .argument('[server]', 'a server (left out: everything)')
    .addOption(
      new Option('--log <file>', `where its newest refusals stand (default: $SLUICE_LOG, else ${DEFAULT_LOG_FILE})`),
    );
  addServerOption(command, 'this server alone');
  onRun<{ readonly log?: string } & ServerOption>(command, async (run, word?: string) => {
    const name = serverMeant(run.options, word);
    const context = await run.context();
    // JSON is all there is, whether it was asked for or not.
    const output = new Output(true);
    if (name === undefined) output.document({ snapshot: await takeSnapshot(context) });
    else {
      const seen = await lookAtServers(context);
      const lines = newestLines(logPath(run.options.log), LOG_BYTES);
      const events = lines && lines.map(parseEventLine).filter((event) => event !== null);
      const server = requireServer(seen, name);
      output.document({ page: serverPage(seen, server, events, await readPageFacts(context, name)) });
    }
    return undefined;
  });
}
