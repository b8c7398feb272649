import type { ServerSection } from '../observe/server-page';
import type { ServersSeen } from '../operate/servers-seen';
import { nearest } from '../parse/nearest';
import { UsageError } from './output';

/** The server of that name; throws where the enforced ruleset has none. `words`: what else could have been meant there. */
export function requireServer(
  { active, names, section }: Pick<ServersSeen, 'active' | 'names' | 'section'>,
  name: string,
  words: readonly string[] = [],
): ServerSection {
  const found = section(name);
  if (found) return found;
  if (!active) throw new UsageError(`nothing is enforced, so there is no server "${name}"`, 'sluice enable');
  const guess = nearest(name, [...names, ...words]);
  const hint = names.length === 0 ? 'servers stand under servers: in the ruleset' : 'sluice servers lists them';
  throw new UsageError(
    `the enforced ruleset has no server "${name}"`,
    guess === undefined ? hint : `did you mean ${guess}?`,
  );
}
