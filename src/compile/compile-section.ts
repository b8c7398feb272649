/**
 * One section compiled alone: a block of the image that says nothing of any other, so that a change to a server makes
 * that server's anew and no other's.
 */
import { SLC_WORD_NONE } from '../abi/layout.gen';
import type { Family } from '../model/prefix';
import type { Server } from '../model/ruleset';
import { MAX_IMAGE_RULES } from './capacity';
import type { CompileMemory } from './compile-memory';
import { CompiledSection } from './compiled-section';
import { type ExpandedRows, expandRows, type RankedSection, rowsOf } from './expand';
import { growForest } from './forest';
import type { RankEntry } from './image';
import { NO_OWNER, ownerRows } from './owners';
import { type FamilyTrees, packBlock } from './pack-block';
import { assignRanks, ranksOf, wordOf } from './ranks';
import type { RowMemory } from './row-memory';
import { serverSection } from './sections';
import { portsOf } from './services';
import { sectionFigures } from './stats';

/** Compiles an entry of the table; where rows can be crossed that is done until `room` image rules are enough. */
export function compileSection(ranked: RankedSection, memory: RowMemory, room = MAX_IMAGE_RULES): CompiledSection {
  const { section, ranks } = ranked;
  const expanded = expandRows(rowsOf(ranked), memory, room);
  const own = section.laterOf === undefined ? ranksOf(ranks) : [];
  return compileRows(expanded, {
    otherwise: ranks.default,
    own,
    span: ranks.end,
    shortRules: section.server !== undefined,
  });
}

/**
 * Ranks of servers come in steps, so that a row more or less most often leaves those of all other servers as they are.
 * Counters that nobody has cost memory, and no packet a cache line.
 */
const RANKS_STEP = 16;

/** Compiles a server: ranks count from 0. What memory knows of its rows is not made again. */
export function compileServer(server: Server, memory: CompileMemory): CompiledSection {
  return memory.server(server, (own) => compileRankedServer(server, own));
}

function compileRankedServer(server: Server, own: RowMemory): CompiledSection {
  const section = serverSection(server);
  const ranks = assignRanks(section, 0);
  const end = Math.ceil(ranks.end / RANKS_STEP) * RANKS_STEP;
  return compileSection({ section, ranks: { ...ranks, end } }, own);
}

/** Compiles what judges again in a server that is not confirmed; memory goes on knowing what judges first. */
export function compileReturning(server: Server, memory: CompileMemory): CompiledSection {
  return memory.returning(server, (own) => compileRankedServer(server, own));
}

/** Compiles the entry by which the server is found that owns a packet. */
export function compileOwners(servers: readonly Server[], memory: CompileMemory): CompiledSection {
  return memory.owners(servers, (own) => {
    const rows = ownerRows(servers);
    const expanded = expandRows({ 4: rows, 6: rows }, own);
    return compileRows(expanded, { otherwise: NO_OWNER, own: [], span: 0, shortRules: true });
  });
}

/** What becomes of rows besides their trees. */
interface CompiledRows {
  readonly otherwise: RankEntry | undefined;
  /** Its ranks. */
  readonly own: readonly RankEntry[];
  /** Ranks it takes. */
  readonly span: number;
  /** Of servers, and of what finds them. */
  readonly shortRules: boolean;
}

function compileRows(
  { tables, services, size, largest }: ExpandedRows,
  { otherwise, own, span, shortRules }: CompiledRows,
): CompiledSection {
  const grown = { 4: growForest(tables[4], shortRules), 6: growForest(tables[6], shortRules) };
  const treesOf = (family: Family): FamilyTrees => ({
    rules: tables[family],
    trees: grown[family].map(({ root }) => root),
  });
  const families = { 4: treesOf(4), 6: treesOf(6) };
  const defaultWord = otherwise ? wordOf(otherwise) : SLC_WORD_NONE;
  const block = packBlock({ families, defaultWord, services, shortRules });
  const holds = { 4: tables[4].order.length > 0, 6: tables[6].order.length > 0 };
  return new CompiledSection(
    block,
    own,
    span,
    sectionFigures({ families, grown }),
    holds,
    size,
    largest,
    portsOf(services),
  );
}
