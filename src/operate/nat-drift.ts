/** Whether the servers that are enforced are where the NAT table of the machine sends what comes to them. */
import { findNatDrift, forwardedBy, type NatDrift } from '../migrate/nat-servers';
import type { Context } from './context';
import { readEnforcement } from './enforcement';
import { ownAddresses, readNatTable } from './nat-table';

/**
 * The differences; null where no server says where it is (`target`), and where this machine translates nothing: then NAT,
 * if there is any, is another's affair.
 */
export async function natDriftOf(context: Context): Promise<readonly NatDrift[] | null> {
  const servers = (await readEnforcement(context))?.record?.ruleset.servers ?? [];
  if (servers.every(({ target }) => target === undefined)) return null;
  const { kernel, netns } = context;
  const { rules } = await readNatTable(netns);
  if (rules.length === 0) return null;
  return findNatDrift(forwardedBy(rules, await ownAddresses(kernel, netns)).forwarded, servers);
}
