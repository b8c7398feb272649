/** The ruleset that `init` and `reset` begin with. */
import { SluiceError } from '../kernel/errors';
import { kernel as openKernel } from '../kernel/native';
import { netnsPath } from '../operate/context';
import { type InitFacts, initRuleset } from '../operate/init';
import { gatherFacts } from '../operate/init-facts';
import type { Run } from './run';

/** A first ruleset for this machine, and what it was made of. Throws `SluiceError` where `--interface` names none. */
export async function firstRuleset(run: Run<object>): Promise<{ text: string; facts: InitFacts }> {
  const netns = run.options.netns === undefined ? undefined : netnsPath(run.options.netns);
  const machine = await gatherFacts(openKernel(), netns);
  const chosen = run.options.interface;
  const present = [...machine.defaultRoute, ...machine.otherInterfaces];
  const missing = chosen?.find((name) => !present.includes(name));
  if (missing !== undefined) {
    throw new SluiceError('load/no-interface', `interface "${missing}" does not exist`, {
      hint: `there are: ${present.join(', ') || 'none but loopback'}`,
    });
  }
  const facts = { ...machine, ...(chosen && { chosen }) };
  return { text: initRuleset(facts), facts };
}
