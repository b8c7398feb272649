/**
 * Servers that stand elsewhere in a text than before, and are otherwise as they were: what was made of the one holds for
 * the other, but for places. So whoever remembers something of a server remembers it of the original.
 */
import type { Rule, Section, Server, SourceRange } from './ruleset';

const ORIGINALS = new WeakMap<object, Server>();

/** The server that this one is but for its place; itself, where it was read where it stands, or is no server. */
export function originalOf<S extends Section>(section: S): S {
  return (ORIGINALS.get(section) as S | undefined) ?? section;
}

/**
 * The rows of a section for whom it does not matter where they stand. Whoever looks at those of thousands of servers takes
 * these: a row of a moved one is made when somebody asks for it, and most never are.
 */
export function rowsOf(section: Pick<Section, 'rules'>): readonly Rule[] {
  return (ORIGINALS.get(section) ?? section).rules;
}

/** By the list: that of a ruleset is asked for several times. */
const COUNTS = new WeakMap<readonly Server[], number>();

/** Rows of these servers. */
export function countRows(servers: readonly Server[]): number {
  let count = COUNTS.get(servers);
  if (count === undefined) {
    count = servers.reduce((sum, server) => sum + rowsOf(server).length, 0);
    COUNTS.set(servers, count);
  }
  return count;
}

/** The server so many lines, and so much text, further down its file. */
export function movedServer(server: Server, by: Move): Server {
  if (by.offset === 0 && by.lines === 0) return server;
  const original = originalOf(server);
  const { ssh, source } = original;
  const whole = {
    offset: server.source.offset - source.offset + by.offset,
    lines: server.source.line - source.line + by.lines,
  };
  let rules: readonly Rule[] | undefined;
  const moved: Server = {
    ...original,
    ...(ssh && { ssh: { ...ssh, source: movedSource(ssh.source, whole) } }),
    get rules() {
      return (rules ??= original.rules.map((rule): Rule => ({ ...rule, source: movedSource(rule.source, whole) })));
    },
    source: movedSource(source, whole),
  };
  ORIGINALS.set(moved, original);
  return moved;
}

/** How far something has moved in its file. */
export interface Move {
  readonly offset: number;
  readonly lines: number;
}

/** How far a server stands from where it was read first. */
export function moveOf(server: Server): Move {
  const original = originalOf(server).source;
  return { offset: server.source.offset - original.offset, lines: server.source.line - original.line };
}

/** A place in a text from which lines were taken out, or into which some were put, above it. */
export function movedSource({ file, line, column, offset, length }: SourceRange, by: Move): SourceRange {
  return { file, line: line + by.lines, column, offset: offset + by.offset, length };
}
