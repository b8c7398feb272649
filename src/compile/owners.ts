/** Whose rows tiers 6 to 9 are: an entry of the section table by which a packet's server is found. */
import { createHash } from 'node:crypto';
import { SLC_ENTRY } from '../abi/layout.gen';
import type { Server } from '../model/ruleset';
import { territoryOf } from '../model/server';
import type { MatchedEntry } from './expand';
import type { RankEntry } from './image';

/** Its words lead to entries of the table: their ranks are these entries' numbers. */
function entryWord(rank: number, section: string): RankEntry {
  return { rank, section, tier: '9', action: 'allow', id: section };
}

/** A row a server, for the packets that it owns. */
export function ownerRows(servers: readonly Server[]): MatchedEntry[] {
  return servers.map((server, i) => ({
    entry: entryWord(SLC_ENTRY.SERVERS + i, server.name),
    match: territoryOf(server),
  }));
}

/** What packets have that no server owns. */
export const NO_OWNER: RankEntry = entryWord(SLC_ENTRY.INBOUND, 'inbound');

/** Ids of names: hashing those of thousands of servers would take a tenth of the time that a change of one takes. */
const ids = new Map<string, bigint>();
const IDS_MAX = 10_000;

/** What a section is known by in every image and in the state. */
export function sectionId(name: string): bigint {
  let id = ids.get(name);
  if (id === undefined) {
    id = createHash('sha256').update(`allow-all/${name}`).digest().readBigUInt64LE(0);
    if (ids.size >= IDS_MAX) ids.clear();
    ids.set(name, id);
  }
  return id;
}
