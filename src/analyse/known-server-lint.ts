/** The lints of a server, once: they depend on it and one setting alone, whatever else is in the ruleset. */
import { type Diagnostic, movedFinding } from '../diagnostics/diagnostic';
import { moveOf, originalOf } from '../model/moved';
import type { IcmpMode, Ruleset, Server } from '../model/ruleset';
import { lintServer } from './server-lint';

/** By the server itself: of one that is gone nothing is kept. */
const known = new WeakMap<Server, { readonly icmp: IcmpMode; readonly findings: readonly Diagnostic[] }>();

/** The same as `lintServer`. */
export function lintKnownServer({ icmp }: Pick<Ruleset, 'icmp'>, server: Server): readonly Diagnostic[] {
  const original = originalOf(server);
  let found = known.get(original);
  if (found?.icmp !== icmp) known.set(original, (found = { icmp, findings: lintServer({ icmp }, original) }));
  if (original === server || found.findings.length === 0) return found.findings;
  const { file, offset } = original.source;
  return found.findings.map((finding) => movedFinding(finding, { file, from: offset, by: moveOf(server) }));
}
