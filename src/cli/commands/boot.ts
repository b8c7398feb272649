import { type Command, InvalidArgumentError, Option } from 'commander';
import { type BootOutcome, bootFirewall } from '../../operate/boot';
import { bootWarning } from '../../operate/booted';
import { describeReplaced } from '../../operate/replace-older';
import { describeReturned } from '../../operate/returned';
import { onRun } from '../run';
import { EXIT } from '../exit-code';

const DEFAULT_WAIT_SECONDS = 10;

export function register(program: Command): void {
  const command = program
    .command('boot')
    .description('load what was enforced when the machine went down; for the unit that runs before the network is up')
    .addOption(
      new Option('--wait <seconds>', 'wait so long for interfaces that are not there yet')
        .argParser(readSeconds)
        .default(DEFAULT_WAIT_SECONDS),
    );
  onRun<{ wait: number }>(command, async (run) => {
    const outcome = await bootFirewall(await run.context(), { waitMs: run.options.wait * 1000 });
    if (outcome.kind === 'enforces-already' && outcome.replaced)
      run.output.say(`note: ${describeReplaced(outcome.replaced)}`);
    run.output.line(describe(outcome));
    if (outcome.kind !== 'enforces-already')
      for (const returned of outcome.returned) run.output.say(`warning: ${describeReturned(returned)}`);
    if (outcome.kind === 'booted') {
      const warning = bootWarning(outcome.booted);
      if (warning !== null) run.output.say(`warning: ${warning}`);
      const { missing } = outcome.booted;
      if (missing.length > 0)
        run.output.say(
          `warning: ${missing.join(', ')}: not there, and not filtered until sluice daemon sees it appear`,
        );
    }
    const refused = outcome.kind === 'disabled' ? [] : outcome.refused;
    for (const { name, error } of refused) run.output.say(`warning: ${name}: NOT filtered: ${error.message}`);
    run.output.document({
      outcome: outcome.kind,
      ...outcome,
      refused: refused.map(({ name, error }) => ({ name, reason: error.message })),
    });
    return EXIT.DONE;
  });
}

function describe(outcome: BootOutcome): string {
  if (outcome.kind === 'disabled') return 'sluice is disabled: nothing is loaded, nothing is filtered';
  if (outcome.kind === 'enforces-already') {
    const more = outcome.attached.length > 0 ? `; now on ${outcome.attached.join(', ')} too` : '';
    return `generation ${outcome.generation} enforces already${more}`;
  }
  const { loaded, since, generation } = outcome.booted;
  if (loaded === 'nothing') return 'nothing is loaded, nothing is filtered (boot: open)';
  const what = loaded === 'built-in' ? 'the built-in ruleset' : `the ruleset of ${since}`;
  const where = outcome.interfaces.length > 0 ? outcome.interfaces.join(', ') : 'no interface yet';
  return `loaded: ${what}, generation ${generation}, on ${where}`;
}

function readSeconds(text: string): number {
  if (!/^\d{1,3}$/.test(text)) throw new InvalidArgumentError('expected seconds from 0 to 999.');
  return Number(text);
}
