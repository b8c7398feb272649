/** Limit rules as the table of the image: what each counts by, found by rank. */
import { createHash } from 'node:crypto';
import { ACTION_CODE } from '../abi/codec';
import { LAYOUT } from '../abi/layout.gen';
import type { RankEntry } from './image';

const { size: ENTRY_BYTES, fields: FIELD } = LAYOUT.slc_limit_rule;

/** The table, ascending by rank as `ranks` is: entries of `struct slc_limit_rule` back to back. */
export function limitTable(ranks: readonly RankEntry[]): { readonly count: number; readonly bytes: Uint8Array } {
  const entries = ranks.flatMap((entry) => {
    const limit = entry.rule?.limit;
    return limit && entry.rule?.enabled ? [{ entry, limit }] : [];
  });
  const bytes = Buffer.alloc(entries.length * ENTRY_BYTES);
  entries.forEach(({ entry, limit }, i) => {
    const at = i * ENTRY_BYTES;
    bytes.writeBigUInt64LE(windowId(entry), at + FIELD.id.offset);
    bytes.writeUInt32LE(entry.rank, at + FIELD.rank.offset);
    bytes.writeUInt32LE(limit.windowMs, at + FIELD.window_ms.offset);
    bytes.writeUInt8(limit.count, at + FIELD.count.offset);
    bytes.writeUInt8(ACTION_CODE[limit.verdict], at + FIELD.verdict.offset);
    bytes.writeUInt8(limit.prefix[4], at + FIELD.prefix4.offset);
    bytes.writeUInt8(limit.prefix[6], at + FIELD.prefix6.offset);
  });
  return { count: entries.length, bytes };
}

/** What the windows of a rule are known by: the same wherever it stands, and in the next ruleset too. */
function windowId({ section, id }: RankEntry): bigint {
  return createHash('sha256').update(`${section}/${id}`).digest().readBigUInt64LE(0);
}
