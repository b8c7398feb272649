/** What a page of a server shows beside its counters: what its owner may have and has, and who changed what lately. */
import type { OwnerAccess } from '../model/owner-access';
import type { PageFacts } from '../observe/server-page';
import type { Context } from './context';
import { readEnforcement } from './enforcement';
import { readHistory } from './history';
import { useOf } from './owner/quota';
import { authorWords, outcomeWords } from './render-history';
import { changesOf } from './section-history';
import { judgingRuleset } from './trial-state';

/** Changes that are shown. */
const MOST_CHANGES = 20;

/** Reads both; of a server that is not there both are nothing. */
export async function readPageFacts(context: Context, name: string): Promise<PageFacts> {
  const { record, trials = [] } = (await readEnforcement(context)) ?? {};
  const ruleset = record && judgingRuleset(record.ruleset, trials);
  const server = ruleset?.servers?.find((one) => one.name === name);
  const changes = changesOf(readHistory(context.folder), name).slice(-MOST_CHANGES).reverse();
  return {
    owner: server?.owner ? ownerOf(server, server.owner) : null,
    changes: changes.map((revision) => ({
      ...{ revision: revision.number, at: revision.at, who: authorWords(revision.author), what: revision.what },
      by: revision.author.ownerOf === name ? 'owner' : 'provider',
      ...{ reason: revision.reason ?? null, outcome: outcomeWords(revision) },
      digest: revision.after?.[name]?.digest ?? null,
    })),
  };
}

function ownerOf(
  server: Parameters<typeof useOf>[0],
  { group, mode, quotas }: OwnerAccess,
): NonNullable<PageFacts['owner']> {
  const used = useOf(server);
  return {
    ...{ group, mode: mode.toString(8).padStart(4, '0') },
    rules: { used: used.rules, most: quotas.rules },
    entries: { used: used.entries, most: quotas.entries },
    changes: quotas.changes,
  };
}
