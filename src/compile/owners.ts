/** Whose rows tiers 6 to 9 are, as the table of the image: by this the datapath knows what ALLOW ALL opens. */
import { createHash } from 'node:crypto';
import { LAYOUT } from '../abi/layout.gen';
import type { SectionRanks } from './ranks';

const { size: ENTRY_BYTES, fields: FIELD } = LAYOUT.slc_owner;

/** The table, ascending by rank: entries of `struct slc_owner` back to back, of the servers and then of `inbound`. */
export function ownerTable(inbound: SectionRanks): { readonly count: number; readonly bytes: Uint8Array } {
  let first = 0;
  const owners = inbound.servers.map(({ server, ranks }) => {
    const owner = { name: server.name, rank: first };
    first = ranks.end;
    return owner;
  });
  owners.push({ name: 'inbound', rank: first });
  const bytes = Buffer.alloc(owners.length * ENTRY_BYTES);
  owners.forEach(({ name, rank }, i) => {
    bytes.writeBigUInt64LE(sectionId(name), i * ENTRY_BYTES + FIELD.id.offset);
    bytes.writeUInt32LE(rank, i * ENTRY_BYTES + FIELD.rank.offset);
  });
  return { count: owners.length, bytes };
}

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
