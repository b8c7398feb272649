import { type ServerSection, serversOf } from '../observe/server-page';
import type { Snapshot } from '../observe/snapshot';
import { nearest } from '../parse/nearest';
import { UsageError } from './output';

/** The server of that name; throws where the enforced ruleset has none. `words`: what else could have been meant there. */
export function requireServer(snapshot: Snapshot, name: string, words: readonly string[] = []): ServerSection {
  const servers = serversOf(snapshot);
  const found = servers.find((section) => section.name === name);
  if (found) return found;
  if (!snapshot.active) throw new UsageError(`nothing is enforced, so there is no server "${name}"`, 'sluice enable');
  const guess = nearest(name, [...servers.map((section) => section.name), ...words]);
  const hint = servers.length === 0 ? 'servers stand under servers: in the ruleset' : 'sluice servers lists them';
  throw new UsageError(
    `the enforced ruleset has no server "${name}"`,
    guess === undefined ? hint : `did you mean ${guess}?`,
  );
}
