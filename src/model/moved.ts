/**
 * Servers that stand elsewhere in a text than before, and are otherwise as they were: what was made of the one holds for
 * the other, but for places. So whoever remembers something of a server remembers it of the original.
 */
import type { Rule, Server, SourceRange } from './ruleset';

const ORIGINALS = new WeakMap<Server, Server>();

/** The server that this one is but for its place; itself, where it was read where it stands. */
export function originalOf(server: Server): Server {
  return ORIGINALS.get(server) ?? server;
}

/** The server so many lines, and so much text, further down its file. */
export function movedServer(server: Server, by: Move): Server {
  if (by.offset === 0 && by.lines === 0) return server;
  const { ssh } = server;
  const moved: Server = {
    ...server,
    ...(ssh && { ssh: { ...ssh, source: movedSource(ssh.source, by) } }),
    rules: server.rules.map((rule): Rule => ({ ...rule, source: movedSource(rule.source, by) })),
    source: movedSource(server.source, by),
  };
  ORIGINALS.set(moved, originalOf(server));
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
